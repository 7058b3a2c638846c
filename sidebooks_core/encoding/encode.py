"""Turns pixels into the bytes of an image, in a format chosen by their content, and back.

Text, line art and flat colour stay lossless. JPEG is for photographs and scans. WebP and AVIF are made on request; "compact"
makes WebP of whole pages of coloured text only.
"""

from __future__ import annotations

import io

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from sidebooks_core.encoding import content, png
from sidebooks_core.encoding.formats import AVIF, BY_NAME, IMAGE_FORMATS, JPEG, PNG, WEBP, Format
from sidebooks_core.encoding.png_file import flat_png
from sidebooks_core.encoding.worth import is_beyond_estimate, lossless_pays
from sidebooks_core.errors import RequestError

_DECODERS: dict[str, type[ImageFile]] = {
    PNG.media_type: PngImageFile,
    JPEG.media_type: JpegImageFile,
    WEBP.media_type: WebPImageFile,
    AVIF.media_type: AvifImageFile,
}
_FEWEST_PAGE_PIXELS = 1 << 19
"""Smallest page that becomes WebP. WebP takes milliseconds even for a small image, and saves little there: tiles are PNG or
JPEG."""
_MOST_COLOURS = 2048
"""Most colours in the sample of a page that becomes WebP. Pages with more have shadings or pictures, which take libwebp most of
a second."""
_MAX_DECODED_PIXELS = 1 << 29
"""Largest image that is decoded. It is larger than the largest raster of sensible settings, and smaller than a few damaged
bytes could claim."""


class EncodedImage(Struct, frozen=True):
    """An image as bytes."""

    data: bytes
    media_type: str
    """Of `data`, such as "image/png"."""


def encode(pixels: NDArray[np.uint8], image_format: str, quality: int) -> EncodedImage:
    """Encode sRGB pixels of shape (height, width, 3), or grey ones of shape (height, width), uint8, with any strides.

    image_format: "auto" chooses by content. "compact" does, too, and writes pages of coloured text in fewer bytes, more slowly.
    "png", "jpeg", "webp" (lossless if "auto" would be) and "avif" are used as given. quality: of lossy images, 1 to 100. Raises
    RequestError for other pixels, or if the format cannot hold an image of this size.
    """
    pixels = _checked(pixels, image_format)
    if pixels.ndim == 3:
        plane = content.grey_plane(pixels)
        pixels = pixels if plane is None else plane
    if image_format in ("auto", "compact", "png"):
        return _by_content(pixels, quality, image_format)
    sample = content.Sample.of(pixels)
    if image_format == "jpeg":
        return _jpeg(pixels, quality, sample.holds_drawing)
    if image_format == "webp":
        return _webp(pixels, quality, sample)
    return _avif(pixels, quality, sample.holds_drawing)


def _checked(pixels: NDArray[np.uint8], image_format: str) -> NDArray[np.uint8]:
    if image_format not in IMAGE_FORMATS:
        raise RequestError(f"no such image format: {image_format}")
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)) or not pixels.size:
        raise RequestError(f"cannot encode pixels of shape {pixels.shape} and type {pixels.dtype}")
    longest_px, most_px = max(pixels.shape[:2]), BY_NAME.get(image_format, PNG).longest_side_px
    if longest_px > most_px:
        raise RequestError(f"{image_format} images are at most {most_px} pixels long, not {longest_px}")
    return np.ascontiguousarray(pixels)


def _by_content(pixels: NDArray[np.uint8], quality: int, image_format: str) -> EncodedImage:
    height, width = pixels.shape[:2]
    colour = content.single_colour(pixels)
    if colour is not None:
        return EncodedImage(flat_png(width, height, colour), PNG.media_type)
    sample = content.Sample.of(pixels)
    indexed = content.few_colours(pixels, sample) if pixels.ndim == 3 else None
    seen = content.study(pixels, sample, None if indexed is None else indexed.indices)
    may_lose = image_format != PNG.name and max(height, width) <= JPEG.longest_side_px
    if may_lose and seen.is_picture:
        return _jpeg(pixels, quality, sample.holds_drawing)
    if indexed is not None:
        image = EncodedImage(png.palette_png(indexed.indices, indexed.palette), PNG.media_type)
    elif pixels.ndim == 2:
        image = EncodedImage(png.grey_png(pixels, seen.row_filter), PNG.media_type)
    elif image_format == "compact" and _is_page_of_text(pixels, sample):
        image = _lossless_webp(pixels)
    else:
        image = EncodedImage(png.rgb_png(pixels, seen.row_filter), PNG.media_type)
    if may_lose and _sample_missed_a_picture(pixels, sample, seen, len(image.data)):
        return _jpeg(pixels, quality, sample.holds_drawing)
    return image


def _is_page_of_text(pixels: NDArray[np.uint8], sample: content.Sample) -> bool:
    """Whether this is a whole page of text or line art in a few inks that lossless WebP can hold."""
    height, width = pixels.shape[:2]
    if height * width < _FEWEST_PAGE_PIXELS or max(height, width) > WEBP.longest_side_px:
        return False
    return sample.has_few_runs and content.count_colours(sample) <= _MOST_COLOURS


def _sample_missed_a_picture(
    pixels: NDArray[np.uint8], sample: content.Sample, seen: content.Study, lossless_bytes: int
) -> bool:
    """Whether a picture lies between the sampled rows. It shows in the bytes; then the whole tile is judged."""
    if not is_beyond_estimate(lossless_bytes, seen.lossless_bytes):
        return False
    pixel_count = pixels.shape[0] * pixels.shape[1]
    return not lossless_pays(lossless_bytes, content.jpeg_reference_bytes(pixels), pixel_count, sample.flatness)


def _jpeg(pixels: NDArray[np.uint8], quality: int, holds_drawing: bool) -> EncodedImage:
    # Half the colour resolution smears coloured text and lines. Photographs do not show it, and are a quarter smaller.
    return _saved(pixels, JPEG, quality=quality, subsampling="4:4:4" if holds_drawing else "4:2:0")


def _webp(pixels: NDArray[np.uint8], quality: int, sample: content.Sample) -> EncodedImage:
    if content.study(pixels, sample).is_picture:
        return _saved(pixels, WEBP, quality=quality, method=2)
    return _lossless_webp(pixels)


def _lossless_webp(pixels: NDArray[np.uint8]) -> EncodedImage:
    # `quality` is effort here. Method 0 writes four times the bytes in more time. Methods 2 to 4 write what method 1 writes.
    return _saved(pixels, WEBP, lossless=True, quality=0, method=1)


def _avif(pixels: NDArray[np.uint8], quality: int, holds_drawing: bool) -> EncodedImage:
    subsampling = "4:4:4" if holds_drawing else "4:2:0"
    return _saved(pixels, AVIF, quality=quality, speed=10, subsampling=subsampling, max_threads=1)


def _saved(pixels: NDArray[np.uint8], form: Format, **options: str | int | bool) -> EncodedImage:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form.pillow_name, **options)
    return EncodedImage(out.getvalue(), form.media_type)


PillowImage = Image.Image


def pillow_image(data: bytes, media_type: str) -> PillowImage:
    """The image that `encode` made, as Pillow's, of mode RGB. Raises RequestError."""
    return Image.fromarray(decode(data, media_type))


def decode(data: bytes, media_type: str, *, keeps_grey: bool = False) -> NDArray[np.uint8]:
    """The pixels of an image that `encode` made, of shape (height, width, 3), uint8, sRGB.

    keeps_grey: an image that is stored in grey has the shape (height, width). Raises RequestError if `data` is no image of
    `media_type`.
    """
    decoder = _DECODERS.get(media_type)
    if decoder is None:
        raise RequestError(f"cannot decode {media_type}")
    # A certain decoder, not Image.open, which would try other formats, and warn of a large image by settings of the whole
    # process.
    try:
        with decoder(io.BytesIO(data)) as image:
            if image.width * image.height > _MAX_DECODED_PIXELS:
                raise RequestError(f"will not decode {image.width} x {image.height} pixels")
            rgb = image.convert("L" if keeps_grey and image.mode in ("1", "L") else "RGB")
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"not a sound {media_type}: {error}") from error
    return np.array(rgb)
