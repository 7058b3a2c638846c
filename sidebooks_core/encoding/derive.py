"""Makes images from images: stretched, mirrored, turned, in grey, in black and white. Uses only Pillow, so it may run in the
host.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from sidebooks_core.encoding.encode import EncodedImage, decode, encode
from sidebooks_core.encoding.recipe import Recipe


def derive(data: bytes, media_type: str, recipe: Recipe, image_format: str, quality: int) -> EncodedImage:
    """The image that a recipe makes of another. Raises RequestError if `data` is no image of `media_type`."""
    image = Image.fromarray(decode(data, media_type))
    if image.size != (recipe.width_px, recipe.height_px):
        image = image.resize((recipe.width_px, recipe.height_px), Image.Resampling.LANCZOS)
    if recipe.is_mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if recipe.rotation:
        image = image.transpose(
            {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}[recipe.rotation]
        )
    if recipe.quality in ("gray", "bitonal"):
        image = image.convert("L")
    if recipe.quality == "bitonal":
        image = image.point([0] * 128 + [255] * 128)
    return encode(np.asarray(image), image_format, quality)


def enlarged(
    data: bytes,
    media_type: str,
    box_px: tuple[float, float, float, float],
    size_px: tuple[int, int],
    image_format: str,
    quality: int,
) -> EncodedImage:
    """A part of an image, (x0, y0, x1, y1) in its pixels, stretched smoothly to a size. Raises what `derive` raises."""
    image = Image.fromarray(decode(data, media_type))
    x0, y0, x1, y1 = box_px
    inside = (max(0.0, x0), max(0.0, y0), min(float(image.width), x1), min(float(image.height), y1))
    return encode(np.asarray(image.resize(size_px, Image.Resampling.BILINEAR, inside)), image_format, quality)
