"""Classification heads on frozen embeddings."""
