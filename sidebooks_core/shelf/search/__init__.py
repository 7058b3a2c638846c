"""Search over all papers of a shelf."""
