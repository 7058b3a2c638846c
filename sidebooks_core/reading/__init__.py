"""A reader's turn: the screen, the view, the thread that prefetches."""
