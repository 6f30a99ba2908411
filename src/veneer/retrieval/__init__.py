"""Finding images by their vectors."""
