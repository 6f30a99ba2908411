"""Where images come from: collections on disk and collections drawn on the spot."""
