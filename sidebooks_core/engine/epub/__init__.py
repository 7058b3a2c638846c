"""EPUB: contents, fixed pages, and ruby for the engine's layout."""
