"""Has the engine unpack an image as a whole, also where only a part of the page is drawn. Worker side.

By itself it unpacks what the part needs, and keeps no more than that. Each slab of a scan is then unpacked anew, and fitted to
the grid of pixels by its own, up to a pixel beside the next (docs/explanation/decisions/0011-parts-of-images.md).
"""

from __future__ import annotations

import ctypes
from typing import Protocol

from sidebooks_core.engine.mupdf import library_path, mupdf

WHOLE_IMAGE_PIXELS = 48 << 20
"""In the size in which it is unpacked; of a larger one a part is, as before. In four colours this is 200 MB, and the engine
keeps 256 in all."""

_OF_WORKER_BYTES = 64
"""What a worker may use, for each pixel of an image that is unpacked as a whole: in four colours this is a sixteenth of it."""
_most_pixels = WHOLE_IMAGE_PIXELS


class _Rect(ctypes.Structure):
    """The engine's fz_irect."""

    _fields_ = [(name, ctypes.c_int) for name in ("x0", "y0", "x1", "y1")]


class _Area(Protocol):
    """A pointer to such a rectangle."""

    def __setitem__(self, place: int, rectangle: _Rect) -> None: ...


_Hook = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(_Rect))
_installed: list[object] = []
"""What the engine calls must not be collected."""


def most_pixels_of(worker_bytes: int | None) -> int:
    """The pixels of the largest image that is unpacked as a whole by a worker with so many bytes; None: with no bound."""
    return WHOLE_IMAGE_PIXELS if worker_bytes is None else min(WHOLE_IMAGE_PIXELS, worker_bytes // _OF_WORKER_BYTES)


def limit_whole_images(pixels: int) -> None:
    """Have larger images unpacked in the parts that are drawn."""
    global _most_pixels
    _most_pixels = pixels


def install() -> bool:
    """Have images unpacked as a whole, once per process.

    False if the engine's functions cannot be found: then each part of a page has its part of the image unpacked.
    """
    if _installed:
        return True
    try:
        # The bindings have them too, but take no function of ours.
        library = ctypes.CDLL(library_path())
        tune, as_before = library.fz_tune_image_decode, _Hook(("fz_default_image_decode", library))
    except (OSError, AttributeError):
        return False

    def choose_area(argument: int | None, width_px: int, height_px: int, halvings: int, area: _Area) -> None:
        """halvings: how often width and height are halved when it is unpacked. area: what is needed, changed here."""
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
