"""Fonts in the engine: hooks that replace fonts, and code that mends loaded ones."""
