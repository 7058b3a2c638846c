"""Versions of all code that shapes the bytes of a record. The host reads them without importing that code."""

from __future__ import annotations

import os
import sys

DRAWING_VERSION = 7
"""Raise it if our own drawing or layout code changes the pixels of some page."""
ENCODER_VERSION = "4"
"""Raise it if our encoder chooses or writes otherwise."""


def engine_version() -> str:
    """The versions of the engine, of resvg, of our drawing code, and of the second engine if that is installed."""
    second = _version_if_installed("pypdfium2")
    first = f"mupdf-{installed_version('pymupdf')}-resvg-{installed_version('resvg_py')}-{DRAWING_VERSION}"
    return first + (f"-pdfium-{second}" if second else "")


def encoder_version() -> str:
    """The versions of our encoder and of the codecs that it calls."""
    return f"{ENCODER_VERSION}-pillow-{installed_version('pillow')}-isal-{installed_version('isal')}"


def installed_version(package: str) -> str:
    """The version of an installed package."""
    found = _version_if_installed(package)
    if found is None:
        from importlib.metadata import version  # installed in another form, or more than once

        found = version(package)
    return found


def _version_if_installed(package: str) -> str | None:
    """Found by the name of the folder that describes the package. `importlib.metadata` would load a parser of
    e-mail in 20 ms.
    """
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - half the time of Path.iterdir
        except OSError:
            continue  # the zip file of the standard library, or a folder that is not there
        found = [name for name in names if name.startswith(f"{package}-") and name.endswith(".dist-info")]
        if len(found) == 1:
            return found[0].removeprefix(f"{package}-").removesuffix(".dist-info")
        if found:
            return None
    return None
