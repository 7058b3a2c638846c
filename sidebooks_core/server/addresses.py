"""What the parts of a path mean: pages, spans of pages, levels, sizes. A part that means nothing is not found (404)."""

from __future__ import annotations

import re

from sidebooks_core.access.policy import Limits
from sidebooks_core.encoding.formats import BY_ENDING
from sidebooks_core.server.allowance import screen_within
from sidebooks_core.server.iiif import image_api as iiif
from sidebooks_core.server.iiif import presentation
from sidebooks_core.server.statuses import Refused, not_found
from sidebooks_core.service import Document
from sidebooks_core.tiling.pyramid import Pyramid, fit_rung
from sidebooks_core.tiling.raster import RasterSpec

MAX_PREVIEWS = 64
"""Previews in one answer."""

_SIZE = re.compile(rf"([1-9][0-9]{{0,4}})x([1-9][0-9]{{0,4}})(?:\.({'|'.join(BY_ENDING)}))?\Z")
_SPAN = re.compile(r"([1-9][0-9]{0,6})-([1-9][0-9]{0,6})\Z")
_LEVEL = re.compile(r"[0-9]{1,2}\Z")
_PAGE = re.compile(r"[1-9][0-9]{0,6}\Z")
_PLACE = re.compile(r"([0-9]{1,7})_([0-9]{1,7})\Z")
_TILE_NAME = re.compile(r"([0-9]{1,7})_([0-9]{1,7})\.([a-z]{3,4})\Z")


def exact_raster(document: Document, page: int, size: str, limits: Limits) -> tuple[RasterSpec, str | None]:
    """The whole page as large as fits a screen of WIDTHxHEIGHT: the raster that a Reader of that screen shows.

    For a reader with a longest side, the screen is no larger than that: the page still fits it, and is coarser.
    """
    info = document.info.pages[page]
    width_px, height_px = screen_within(limits, screen_of(size))
    rung = fit_rung(info.width_pt, info.height_pt, width_px=width_px, height_px=height_px)
    if rung.area_px > iiif.MAX_AREA_PX:
        raise Refused(400, f"at most {iiif.MAX_AREA_PX} pixels")
    spec = RasterSpec.whole_page(rung.scale, rung.width_px, rung.height_px)
    ending = size.partition(".")[2]
    return spec, BY_ENDING[ending].name if ending else None


def screen_of(size: str) -> tuple[int, int]:
    """The width and height of a screen, in pixels, of WIDTHxHEIGHT with or without an ending. Raises Refused."""
    matched = _SIZE.match(size)
    if matched is None:
        raise not_found()
    return int(matched[1]), int(matched[2])


def dzi_raster(pyramid: Pyramid, level: str) -> RasterSpec:
    """A level of Deep Zoom, whose level 0 is one pixel, in tiles of its own uniform size."""
    finest = pyramid.finest
    top = (max(finest.width_px, finest.height_px) - 1).bit_length()
    if not _LEVEL.match(level) or int(level) > top:
        raise not_found()
    halvings = top - int(level)
    return RasterSpec(
        scale=finest.scale / (1 << halvings),
        x0_px=0,
        y0_px=0,
        x1_px=-(-finest.width_px >> halvings),
        y1_px=-(-finest.height_px >> halvings),
        tile_px=presentation.DZI_TILE_PX,
    )


def dzi_tile(name: str) -> tuple[int, int, str]:
    """Column, row, and our name of the format. Raises Refused."""
    matched = _TILE_NAME.match(name)
    if matched is None or matched[3] not in BY_ENDING:
        raise not_found()
    return int(matched[1]), int(matched[2]), BY_ENDING[matched[3]].name


def tile_place(name: str) -> tuple[int, int]:
    """Column and row. Raises Refused."""
    matched = _PLACE.match(name)
    if matched is None:
        raise not_found()
    return int(matched[1]), int(matched[2])


def page_number(text: str, document: Document) -> int:
    """A page of a document, from 0. Raises Refused."""
    if not _PAGE.match(text) or int(text) > document.page_count:
        raise not_found()
    return int(text) - 1


def page_span(text: str, document: Document, most: int | None = None) -> tuple[int, int]:
    """First and last page, from 0. most: of at most so many pages. Raises Refused."""
    matched = _SPAN.match(text)
    if matched is None:
        raise not_found()
    first, last = int(matched[1]) - 1, int(matched[2]) - 1
    if not first <= last < document.page_count:
        raise not_found()
    if most is not None and last - first >= most:
        raise Refused(400, f"at most {most} pages at a time")
    return first, last


def level_number(text: str, pyramid: Pyramid) -> int:
    """The index of a level. Raises Refused."""
    if not _LEVEL.match(text) or int(text) >= len(pyramid.levels):
        raise not_found()
    return int(text)
