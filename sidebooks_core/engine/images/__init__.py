"""Images: as documents of their own, and inside PDF pages where the engine fails."""
