"""Marks on pages: ink, highlights, underlines, notes, stamps and bookmarks, anchored to what a page shows."""
