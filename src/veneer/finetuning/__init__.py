"""Teach an encoder what a collection holds to be alike."""
