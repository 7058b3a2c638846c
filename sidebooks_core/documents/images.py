"""Images that are pages: their own size in pixels, and those that only Pillow reads. Worker side."""

from __future__ import annotations

import io
import warnings
from typing import Any

from sidebooks_core.documents.source import Source
from sidebooks_core.errors import DamagedDocument, DocumentTooLarge

SAME_SHAPE = 0.02


def converted(source: Source, kind: str, name: str, most_pixels: int) -> bytes:
    """A WebP or AVIF image as PNG, which the engine reads, upright. Raises DamagedDocument, DocumentTooLarge."""
    from PIL import AvifImagePlugin, Image, ImageOps

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a confined worker may start none, and the decoder does not do with fewer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own bound is below
        try:
            with source.file() as file, Image.open(file, formats=[kind.upper()]) as image:
                if image.width * image.height > most_pixels:
                    what = f"{image.width} x {image.height} pixels; the settings allow {most_pixels} (image_pixels)"
                    raise DocumentTooLarge(f"{name}: the image has {what}")
                upright = ImageOps.exif_transpose(image)
                mode = "RGBA" if upright.has_transparency_data else "RGB"
                packed = io.BytesIO()
                upright.convert(mode).save(packed, "PNG", compress_level=1)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            if isinstance(error, DocumentTooLarge):
                raise
            raise DamagedDocument(f"{name}: the image cannot be read ({error})") from None
    return packed.getvalue()


def native_px(page: Any, width_pt: float, height_pt: float) -> tuple[int, int] | None:
    """(width, height) in pixels of the one image that fills a page, turned as shown; None if its pixels are not square."""
    found = page.get_image_info()
    if len(found) != 1:
        return None
    width_px, height_px = int(found[0]["width"]), int(found[0]["height"])
    for across, down in ((width_px, height_px), (height_px, width_px)):
        if abs(across * height_pt - down * width_pt) <= SAME_SHAPE * across * height_pt:
            return across, down
    return None
