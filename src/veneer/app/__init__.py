"""The app: search, recognise, clean and look at a collection in a browser."""
