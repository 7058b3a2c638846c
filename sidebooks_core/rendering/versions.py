"""What shapes the bytes that workers make, known to the host without importing any of it."""

from __future__ import annotations

from importlib.metadata import version

DRAWING_VERSION = 2
"""Raised when our own drawing or layout code changes the pixels of some page."""
ENCODER_VERSION = "2"
"""Raised when our encoder chooses or writes otherwise."""


def engine_version() -> str:
    """Of the engine and of our drawing with it."""
    return f"mupdf-{version('pymupdf')}-{DRAWING_VERSION}"


def encoder_version() -> str:
    """Of our encoder and of the codecs it calls."""
    return f"{ENCODER_VERSION}-pillow-{version('pillow')}-isal-{version('isal')}"
