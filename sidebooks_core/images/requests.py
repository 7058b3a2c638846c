"""Requests: each asks for one raster of a page. Functions find the raster of a tile, a page, a region or a level.

raster_pixels: the most pixels that one raster may have, from the settings.
"""

from __future__ import annotations

import math

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.documents.document import Document
from sidebooks_core.errors import RequestError
from sidebooks_core.tiling.pyramid import Level, fit_rung
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.tiling.slabs import slab_of, slab_spec, slabs


class Request(Struct, frozen=True):
    """One raster of a page of a document, encoded in one way. Equal requests ask for the same record."""

    document: Document
    page: int
    spec: RasterSpec
    image_format: str | None = None
    """Replaces the format of the settings. None: the format of the settings."""

    @property
    def is_preview(self) -> bool:
        """Whether the raster is the page's coarsest level. The memory has a separate part for previews."""
        return self.spec.scale == self.document.pyramid(self.page).levels[0].scale

    @property
    def place(self) -> str:
        """A name of the raster, made of its file and page. They are known before the page's content id."""
        return f"{page_name(self.document, self.page)}|{self.spec!r}|{self.image_format}"


class TilePlace(Struct, frozen=True):
    """A tile of a level: the raster that holds it, and its column and row in that raster."""

    request: Request
    column: int = 0
    row: int = 0


def in_format(at: TilePlace, image_format: str | None) -> TilePlace:
    """The same tile in another image format."""
    return replace(at, request=replace(at.request, image_format=image_format))


def page_name(document: Document, page: int) -> str:
    """A name of a page of this file. The content id names the same page in every file."""
    return f"page|{document.ref.token}|{page}"


def of_tile(document: Document, page: int, at: tuple[int, int, int], raster_pixels: int) -> TilePlace:
    """at: level, column and row. Raises PageNotFound, RequestError."""
    level, column, row = at
    chosen = _level(document, page, level)
    chosen.require_tile(column, row)
    slab = slab_of(chosen, raster_pixels, column, row)
    return TilePlace(Request(document, page, slab_spec(chosen, slab)), column - slab.column0, row - slab.row0)


def of_level(document: Document, page: int, level: int, raster_pixels: int) -> list[Request]:
    """The rasters that make up a whole level. Raises PageNotFound, RequestError."""
    chosen = _level(document, page, level)
    return [Request(document, page, slab_spec(chosen, slab)) for slab in slabs(chosen, raster_pixels)]


def of_page(document: Document, page: int, size_px: tuple[int | None, int | None], raster_pixels: int) -> Request:
    """The raster of a whole page at an exact width or height; with both, as large as fits.

    Raises PageNotFound, RequestError.
    """
    document.require_page(page)
    info = document.pages[page]
    rung = fit_rung(info.width_pt, info.height_pt, width_px=size_px[0], height_px=size_px[1])
    _require_raster(document, page, (rung.width_px, rung.height_px), raster_pixels)
    return Request(document, page, RasterSpec.whole_page(rung.scale, rung.width_px, rung.height_px))


def of_region(
    document: Document, page: int, region_pt: tuple[float, float, float, float], width_px: int, raster_pixels: int
) -> Request:
    """The raster of a part of a page, (x0, y0, x1, y1) in points, at an exact width. Raises PageNotFound, RequestError."""
    document.require_page(page)
    info = document.pages[page]
    if len(region_pt) != 4 or any(math.isnan(side) for side in region_pt):
        raise RequestError(f"{region_pt} is no region: four numbers in points", document_id=document.id, page=page)
    x0_pt, y0_pt = max(0.0, region_pt[0]), max(0.0, region_pt[1])
    x1_pt, y1_pt = min(info.width_pt, region_pt[2]), min(info.height_pt, region_pt[3])
    if not (x0_pt < x1_pt and y0_pt < y1_pt):
        raise RequestError(
            f"the region {region_pt} is empty or outside the page of {info.width_pt:g} x {info.height_pt:g} pt",
            document_id=document.id,
            page=page,
        )
    if not isinstance(width_px, int) or width_px < 1:
        raise RequestError(f"a width of {width_px} pixels makes no image", document_id=document.id, page=page)
    scale = width_px / (x1_pt - x0_pt)
    x0_px, y0_px = math.floor(x0_pt * scale + 0.001), math.floor(y0_pt * scale + 0.001)
    height_px = max(1, math.ceil(y1_pt * scale - 0.001) - y0_px)
    _require_raster(document, page, (width_px, height_px), raster_pixels)
    spec = RasterSpec(
        scale=scale,
        x0_px=x0_px,
        y0_px=y0_px,
        x1_px=x0_px + width_px,
        y1_px=y0_px + height_px,
        tile_px=max(width_px, height_px),
    )
    return Request(document, page, spec)


def _level(document: Document, page: int, level: int) -> Level:
    levels = document.pyramid(page).levels
    if not (isinstance(level, int) and 0 <= level < len(levels)):
        raise RequestError(
            f"{document.name}, page {page + 1} has no level {level}: its levels are 0 to {len(levels) - 1}",
            document_id=document.id,
            page=page,
        )
    return levels[level]


def _require_raster(document: Document, page: int, size_px: tuple[int, int], raster_pixels: int) -> None:
    width_px, height_px = size_px
    if width_px * height_px > raster_pixels:
        raise RequestError(
            f"{width_px} x {height_px} pixels are more than one image may have: {raster_pixels} "
            "(raster_pixels in the settings). Ask for tiles of a level instead",
            document_id=document.id,
            page=page,
        )
