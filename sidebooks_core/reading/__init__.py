"""Readers: the turns, the screen and its view, and the work behind the turns."""
