"""The content id of a page: a digest of all that it draws."""
