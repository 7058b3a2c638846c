"""EPUB as the engine lays it out."""
