"""Runs in worker processes only, and is the sole importer of PyMuPDF: opening, drawing, text, identity, mending."""
