"""Appearances of form fields and notes that bring none."""
