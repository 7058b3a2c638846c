"""Annotations of PDFs: marks are written into a copy of the file, and read from it. Worker side."""
