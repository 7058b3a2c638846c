"""The image formats in one table: their names for users, in media types, in files and addresses, and in Pillow.

Imports neither numpy nor Pillow, since settings and the server's routes import it at their start.
"""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import Struct

FileFormat = Literal["png", "jpeg", "webp", "avif"]
ImageFormat = Literal["auto", "compact", FileFormat]
IMAGE_FORMATS: tuple[ImageFormat, ...] = ("auto", "compact", *get_args(FileFormat))
"""All formats that can be asked for."""
FORMATS_BY_CONTENT: tuple[ImageFormat, ...] = ("auto", "compact")
"""Those that choose a file format for each image by its content."""


class Format(Struct, frozen=True):
    """One file format that images are encoded in."""

    name: FileFormat
    media_type: str
    ending: str
    """Ending of files and of addresses, without a dot. IIIF has the same endings."""
    pillow_name: str
    longest_side_px: int
    """Longest side that the format can hold, in pixels."""


PNG = Format("png", "image/png", "png", "PNG", (1 << 31) - 1)
JPEG = Format("jpeg", "image/jpeg", "jpg", "JPEG", 65_500)
WEBP = Format("webp", "image/webp", "webp", "WEBP", 16_383)
AVIF = Format("avif", "image/avif", "avif", "AVIF", 65_535)

FORMATS = (PNG, JPEG, WEBP, AVIF)
BY_NAME: dict[str, Format] = {one.name: one for one in FORMATS}
BY_MEDIA_TYPE: dict[str, Format] = {one.media_type: one for one in FORMATS}
BY_ENDING: dict[str, Format] = {one.ending: one for one in FORMATS}
OTHER_ENDINGS: dict[str, Format] = {"jpeg": JPEG}
"""Endings that are read and never written."""
