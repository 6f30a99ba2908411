"""Material recognition and texture retrieval on frozen CLIP embeddings."""

__version__ = "0.1.0"
