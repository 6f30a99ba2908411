"""Frozen encoders: image and text to unit vectors."""
