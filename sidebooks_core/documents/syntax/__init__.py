"""Grammars of file formats, read without an engine."""
