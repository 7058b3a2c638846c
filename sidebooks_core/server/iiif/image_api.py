"""The IIIF Image API 3.0, level 2: requests parsed and checked (section 4 of the specification), and info.json (section 5).

Pure: sizes in, numbers out. Over-limit sizes are 400 where they are explicit and scaled down where they are "max"; the
specification says both in different places.
"""

from __future__ import annotations

import re

from msgspec import Struct

from sidebooks_core.encoding.formats import BY_ENDING
from sidebooks_core.server.statuses import Refused
from sidebooks_core.tiling.pyramid import Pyramid

CONTEXT = "http://iiif.io/api/image/3/context.json"
LEVEL = "http://iiif.io/api/image/3/level2.json"
LEVEL_FORMATS = ("jpg", "png")
"""That every service of this level has."""
MAX_AREA_PX = 1 << 24
"""Old tablets refuse larger images (Safari on iPad: 16.7 million pixels)."""
MAX_SIDE_PX = 16_384
QUALITIES = ("default", "color", "gray", "bitonal")

_WHOLE = re.compile(r"[0-9]{1,7}\Z")
_DECIMAL = re.compile(r"[0-9]{1,7}(\.[0-9]{1,10})?\Z|\.[0-9]{1,10}\Z")


class ImageRequest(Struct, frozen=True):
    """What is wanted: a region of the full image, its size, and what is done to it."""

    x_px: int
    y_px: int
    width_px: int
    height_px: int
    """Of the region, in pixels of the full image."""
    out_width_px: int
    out_height_px: int
    """Before turning."""
    is_mirrored: bool
    rotation: int
    quality: str
    format: str
    """As in the URL."""
    canonical: str
    """The request in canonical form (section 4.7)."""

    @property
    def is_plain(self) -> bool:
        """Nothing is done to the pixels."""
        return not self.is_mirrored and not self.rotation and self.quality in ("default", "color")


def parse(region: str, size: str, rotation: str, last: str, full_px: tuple[int, int]) -> ImageRequest:
    """From the four parts of a path and the size of the full image. Raises Refused."""
    x, y, width, height = _region(region, full_px)
    out = _size(size, width, height)
    is_mirrored, degrees = _rotation(rotation)
    quality, dot, image_format = last.rpartition(".")
    if not dot or quality not in QUALITIES:
        raise Refused(400, f"the quality must be one of {', '.join(QUALITIES)}")
    if image_format not in BY_ENDING:
        raise Refused(400, f"the format must be one of {', '.join(BY_ENDING)}")
    where = "full" if (x, y, width, height) == (0, 0, *full_px) else f"{x},{y},{width},{height}"
    how_large = "max" if out == _largest(width, height) else f"{out[0]},{out[1]}"
    canonical = f"{where}/{how_large}/{'!' * is_mirrored}{degrees}/{quality}.{image_format}"
    return ImageRequest(x, y, width, height, *out, is_mirrored, degrees, quality, image_format, canonical)


def _region(text: str, full_px: tuple[int, int]) -> tuple[int, int, int, int]:
    full_width, full_height = full_px
    if text == "full":
        return 0, 0, full_width, full_height
    if text == "square":
        side = min(full_px)
        return (full_width - side) // 2, (full_height - side) // 2, side, side
    if text.startswith("pct:"):
        left, top, across, down = (_decimal(part, "region") for part in _parts(text[4:], 4, "region"))
        x, y = round(full_width * left / 100), round(full_height * top / 100)
        width, height = round(full_width * across / 100), round(full_height * down / 100)
    else:
        x, y, width, height = (_whole(part, "region") for part in _parts(text, 4, "region"))
    width, height = min(width, full_width - x), min(height, full_height - y)
    if width <= 0 or height <= 0:
        raise Refused(400, "the region is empty or outside the image")
    return x, y, width, height


def _size(text: str, width: int, height: int) -> tuple[int, int]:
    may_upscale = text.startswith("^")
    text = text.removeprefix("^")
    if text == "max":
        if may_upscale:
            raise Refused(501, "images are not scaled up")
        return _largest(width, height)
    if text.startswith("!"):
        across, down = (_whole(part, "size") for part in _parts(text[1:], 2, "size"))
        share = min(across / width, down / height)
        if share > 1 and may_upscale:
            raise Refused(501, "images are not scaled up")
        share = min(share, 1.0)
        out = min(across, max(1, round(width * share))), min(down, max(1, round(height * share)))
        if 0 in (across, down):
            raise Refused(400, "the size is zero")
        largest = _largest(width, height)
        return out if out[0] <= largest[0] and out[1] <= largest[1] else largest
    if text.startswith("pct:"):
        share = _decimal(text[4:], "size") / 100
        out = round(width * share), round(height * share)
    else:
        across_text, down_text = _parts(text, 2, "size")
        if not across_text and not down_text:
            raise Refused(400, "the size says nothing")
        if not down_text:
            across = _whole(across_text, "size")
            out = across, max(1, round(height * across / width)) if across else 0
        elif not across_text:
            down = _whole(down_text, "size")
            out = max(1, round(width * down / height)) if down else 0, down
        else:
            out = _whole(across_text, "size"), _whole(down_text, "size")
    if min(out) < 1:
        raise Refused(400, "the image would have no pixels")
    if out[0] > width or out[1] > height:
        if may_upscale:
            raise Refused(501, "images are not scaled up")
        raise Refused(400, f"the size is larger than the region, {width} x {height} px, and images are not scaled up")
    if not _is_allowed(*out):
        raise Refused(400, f"at most {MAX_AREA_PX} pixels, and {MAX_SIDE_PX} on a side")
    return out


def _largest(width: int, height: int) -> tuple[int, int]:
    """The region's own size, or as much of it as limits allow."""
    share = min(1.0, (MAX_AREA_PX / (width * height)) ** 0.5, MAX_SIDE_PX / width, MAX_SIDE_PX / height)
    return max(1, int(width * share)), max(1, int(height * share))


def _is_allowed(width: int, height: int) -> bool:
    return width * height <= MAX_AREA_PX and max(width, height) <= MAX_SIDE_PX


def _rotation(text: str) -> tuple[bool, int]:
    is_mirrored = text.startswith("!")
    degrees = _decimal(text.removeprefix("!"), "rotation")
    if degrees not in (0, 90, 180, 270, 360):
        raise Refused(400, "images are turned by 0, 90, 180 or 270 degrees")
    return is_mirrored, int(degrees) % 360


def _parts(text: str, count: int, what: str) -> list[str]:
    parts = text.split(",")
    if len(parts) != count:
        raise Refused(400, f"the {what} cannot be read")
    return parts


def _whole(text: str, what: str) -> int:
    if not _WHOLE.match(text):
        raise Refused(400, f"the {what} must be made of whole numbers of at most 7 digits")
    return int(text)


def _decimal(text: str, what: str) -> float:
    if not _DECIMAL.match(text):
        raise Refused(400, f"the {what} must be a decimal number")
    return float(text)


def info(service_id: str, pyramid: Pyramid) -> dict[str, object]:
    """The info.json of a page."""
    finest = pyramid.finest
    factors: dict[int, list[int]] = {}
    for level in reversed(pyramid.levels):
        factors.setdefault(level.tile_px, []).append(1 << (finest.index - level.index))
    return {
        "@context": CONTEXT,
        "id": service_id,
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level2",
        "width": finest.width_px,
        "height": finest.height_px,
        "maxWidth": MAX_SIDE_PX,
        "maxHeight": MAX_SIDE_PX,
        "maxArea": MAX_AREA_PX,
        "sizes": [
            {"width": level.width_px, "height": level.height_px}
            for level in pyramid.levels
            if _is_allowed(level.width_px, level.height_px)
        ],
        "tiles": [{"width": side, "scaleFactors": sorted(scales)} for side, scales in sorted(factors.items())],
        "extraFormats": [ending for ending in BY_ENDING if ending not in LEVEL_FORMATS],
        "extraQualities": ["color", "gray", "bitonal"],
        "extraFeatures": ["mirroring", "canonicalLinkHeader", "profileLinkHeader"],
    }
