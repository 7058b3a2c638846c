"""Makes the engine unpack an image as a whole, even if only a part of the page is drawn. Worker side.

By itself the engine unpacks only the part that is needed, and keeps only that. Each slab of a scan would be unpacked anew and
fitted to the grid of pixels on its own, up to a pixel beside the next slab
(docs/explanation/decisions/0011-parts-of-images.md).
"""

from __future__ import annotations

import ctypes
from typing import Protocol

from sidebooks_core.engine.mupdf import library_path, mupdf

WHOLE_IMAGE_PIXELS = 48 << 20
"""Largest image that is unpacked as a whole, in the size in which it is unpacked. Of a larger one only a part is. In four
colours this is 200 MB; the engine keeps 256 in all."""

_OF_WORKER_BYTES = 64
"""Memory that a worker must have for each pixel of such an image. In four colours the image itself takes a sixteenth of it."""
_most_pixels = WHOLE_IMAGE_PIXELS


class _Rect(ctypes.Structure):
    """The engine's fz_irect."""

    _fields_ = [(name, ctypes.c_int) for name in ("x0", "y0", "x1", "y1")]


class _Area(Protocol):
    """A pointer to a rectangle."""

    def __setitem__(self, place: int, rectangle: _Rect) -> None: ...


_Hook = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(_Rect))
_installed: list[object] = []
"""Kept here so that functions that the engine calls are not collected."""


def most_pixels_of(worker_bytes: int | None) -> int:
    """The pixels of the largest image that a worker with so many bytes unpacks as a whole. None: the worker is not bound."""
    return WHOLE_IMAGE_PIXELS if worker_bytes is None else min(WHOLE_IMAGE_PIXELS, worker_bytes // _OF_WORKER_BYTES)


def limit_whole_images(pixels: int) -> None:
    """Unpack larger images only in the parts that are drawn."""
    global _most_pixels
    _most_pixels = pixels


def install() -> bool:
    """Make the engine unpack images as a whole. Once per process.

    Returns False if the engine's functions cannot be found: then parts are unpacked.
    """
    if _installed:
        return True
    try:
        # The binding has these functions too, but takes none of ours.
        library = ctypes.CDLL(library_path())
        tune, as_before = library.fz_tune_image_decode, _Hook(("fz_default_image_decode", library))
    except (OSError, AttributeError):
        return False

    def choose_area(argument: int | None, width_px: int, height_px: int, halvings: int, area: _Area) -> None:
        """halvings: how often the engine halves width and height on unpacking. area: the part that is needed; changed here."""
        if (width_px * height_px) >> (2 * halvings) <= _most_pixels:
            area[0] = _Rect(0, 0, width_px, height_px)
        else:
            as_before(argument, width_px, height_px, halvings, area)

    hook = _Hook(choose_area)
    tune.argtypes = (ctypes.c_void_p, _Hook, ctypes.c_void_p)
    tune.restype = None
    tune(int(mupdf.internal_context_get().this), hook, None)
    _installed.append(hook)
    return True
