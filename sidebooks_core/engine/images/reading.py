"""Images that are pages: their size in pixels, and conversion of those that only Pillow reads. Worker side."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from sidebooks_core.engine.mupdf import EnginePage, mupdf
from sidebooks_core.errors import DamagedDocument, DocumentTooLarge

if TYPE_CHECKING:
    from PIL import Image

SAME_SHAPE = 0.02
_EXIF_ORIENTATION = 274
_ENGINE_QUARTER_TURNS = (2, 4, 6, 8)
"""Orientations in the engine's numbers; 0 if the image states none."""
_PLAIN_MODES = {"1": "1", "L": "L", "RGB": "RGB", "P": "RGB"}
_PROFILED = ("L", "RGB", "RGBA", "P", "PA", "LA")
_AS_NUMBERS = ("F", "I", "I;16", "I;16L", "I;16B", "I;16N")


def converted(file: BinaryIO, kind: str, name: str, most_pixels: int, frame: int = 0) -> tuple[bytes, str]:
    """A frame of an image, upright, in a format of the engine, and the engine's name of that format.

    The format is PNM (PAM with transparency), which takes no time to write. It is PNG if the image has a colour profile, and
    TIFF if it was a TIFF, which states its size on paper. Numbers that are no pixels (16 or 32 bits, or floating point) are
    spread from black to white, by the numbers in the image. Raises DamagedDocument, DocumentTooLarge.
    """
    from PIL import ImageOps

    with _opened(file, kind, name) as image:
        if frame:
            image.seek(frame)
        require_pixels(image.width, image.height, name, most_pixels)
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode in _AS_NUMBERS:
            upright = _spread(upright)
        mode = "RGBA" if upright.has_transparency_data else _PLAIN_MODES.get(upright.mode, "RGB")
        profile = upright.info.get("icc_profile") if upright.mode in _PROFILED else None
        if upright.mode != mode:
            upright = upright.convert(mode)
        packed = io.BytesIO()
        if kind == "tiff":
            upright.save(packed, "TIFF", compression="raw", icc_profile=profile, dpi=upright.info.get("dpi"))
            return packed.getvalue(), "tiff"
        if profile:
            upright.save(packed, "PNG", compress_level=1, icc_profile=profile)
        elif mode == "RGBA":
            packed.write(_pam(upright))
        else:
            upright.save(packed, "PPM")
    return packed.getvalue(), "png" if profile else "pnm"


def require_pixels(width_px: int, height_px: int, name: str, most_pixels: int) -> None:
    """Raise DocumentTooLarge if the image has too many pixels."""
    if width_px * height_px > most_pixels:
        what = f"{width_px} x {height_px} pixels; the settings allow {most_pixels} (image_pixels)"
        raise DocumentTooLarge(f"{name}: the image has {what}")


def is_animated(file: BinaryIO, name: str) -> bool:
    """Whether a GIF has a second frame. False if Pillow cannot tell: the engine then shows what it can."""
    try:
        with _opened(file, "gif", name) as image:
            return bool(getattr(image, "is_animated", False))  # which Pillow types for no format
    except DamagedDocument:
        return False


def upright_px(file: BinaryIO, kind: str, name: str) -> tuple[int, int]:
    """(width, height) of an image as shown. The image is not unpacked. Raises DamagedDocument."""
    with _opened(file, kind, name) as image:
        turned = image.getexif().get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
        return (image.height, image.width) if turned else (image.width, image.height)


def engine_size(data: bytes) -> tuple[float, float, tuple[int, int] | None]:
    """(width_pt, height_pt, native_px) of the page that the engine makes of an image. Raises the engine's errors.

    It is computed as the engine does (cbz_bound_page), with numbers of 32 bits. A document for each image of a book would take
    ten times as long.
    """
    image = mupdf.fz_new_image_from_buffer(mupdf.fz_new_buffer_from_copied_data(data))
    across_dpi, down_dpi = mupdf.fz_image_resolution(image)
    width_px, height_px = image.w(), image.h()
    width_pt = float(np.float32(width_px) * np.float32(72) / np.float32(across_dpi))
    height_pt = float(np.float32(height_px) * np.float32(72) / np.float32(down_dpi))
    if mupdf.fz_image_orientation(image) in _ENGINE_QUARTER_TURNS:
        width_px, height_px, width_pt, height_pt = height_px, width_px, height_pt, width_pt
    is_square = abs(width_px * height_pt - height_px * width_pt) <= SAME_SHAPE * width_px * height_pt
    return width_pt, height_pt, (width_px, height_px) if is_square else None


@contextmanager
def _opened(file: BinaryIO, kind: str, name: str) -> Iterator[Image.Image]:
    """Pillow's image. Raises Pillow's errors as DamagedDocument."""
    from PIL import AvifImagePlugin, Image

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a confined worker may start no threads, and the decoder needs at least one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of bombs, for which there is a bound of our own, and of odd metadata
        try:
            with Image.open(file, formats=[kind.upper()]) as image:
                yield image
        except DocumentTooLarge:
            raise
        except (OSError, SyntaxError, ValueError, EOFError, KeyError, TypeError, Image.DecompressionBombError) as error:
            raise DamagedDocument(f"{name}: the image cannot be read ({error})") from None


def _spread(image: Image.Image) -> Image.Image:
    from PIL import Image

    values = np.asarray(image, np.float64)
    known = np.isfinite(values)
    low, high = (values[known].min(), values[known].max()) if known.any() else (0.0, 0.0)
    shown = np.where(known, values, low) - low
    return Image.fromarray((shown * (255 / (high - low) if high > low else 0)).astype(np.uint8))


def _pam(image: Image.Image) -> bytes:
    header = f"P7\nWIDTH {image.width}\nHEIGHT {image.height}\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    return header.encode() + image.tobytes()


def native_px(page: EnginePage, width_pt: float, height_pt: float) -> tuple[int, int] | None:
    """(width, height) in pixels of the one image that fills a page, turned as shown; None if its pixels are not square."""
    found = page.get_image_info()
    if len(found) != 1:
        return None
    width_px, height_px = int(found[0]["width"]), int(found[0]["height"])
    for across, down in ((width_px, height_px), (height_px, width_px)):
        if abs(across * height_pt - down * width_pt) <= SAME_SHAPE * across * height_pt:
            return across, down
    return None
