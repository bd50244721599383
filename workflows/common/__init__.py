"""Parts that several workflows share; nothing here knows which workflow it serves."""
