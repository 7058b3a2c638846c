"""What shapes the bytes that workers make, known to the host without importing any of it."""

from __future__ import annotations

import sys
from pathlib import Path

DRAWING_VERSION = 2
"""Raised when our own drawing or layout code changes the pixels of some page."""
ENCODER_VERSION = "2"
"""Raised when our encoder chooses or writes otherwise."""


def engine_version() -> str:
    """Of the engine and of our drawing with it."""
    return f"mupdf-{_version('pymupdf')}-{DRAWING_VERSION}"


def encoder_version() -> str:
    """Of our encoder and of the codecs it calls."""
    return f"{ENCODER_VERSION}-pillow-{_version('pillow')}-isal-{_version('isal')}"


def _version(package: str) -> str:
    """What is installed, by the name of the folder that describes it: `importlib.metadata` brings a parser of e-mail, 20 ms."""
    for folder in sys.path:
        found = list(Path(folder).glob(f"{package}-*.dist-info"))
        if len(found) == 1:
            return found[0].name.removeprefix(f"{package}-").removesuffix(".dist-info")
        if found:
            break
    from importlib.metadata import version  # installed in another form, or more than once

    return version(package)
