"""Pictures of results, drawn without any global state: each function returns a Pillow image."""
