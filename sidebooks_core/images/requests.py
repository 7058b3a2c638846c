"""Which raster of a page a request means: a tile of a level, a whole page at an exact size, a region, a whole level.

raster_pixels: of the settings, the most pixels that one raster may have.
"""

from __future__ import annotations

import math

from sidebooks_core.documents.document import Document
from sidebooks_core.errors import RequestError
from sidebooks_core.tiling.pyramid import Level, fit_rung
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.tiling.slabs import slab_of, slab_spec, slabs


def of_tile(
    document: Document, page: int, level: int, column: int, row: int, raster_pixels: int
) -> tuple[RasterSpec, int, int]:
    """The raster that holds a tile of a level, and the tile's column and row in it. Raises PageNotFound, RequestError."""
    chosen = _level(document, page, level)
    chosen.require_tile(column, row)
    slab = slab_of(chosen, raster_pixels, column, row)
    return slab_spec(chosen, slab), column - slab.column0, row - slab.row0


def of_level(document: Document, page: int, level: int, raster_pixels: int) -> list[RasterSpec]:
    """The rasters that make up a whole level. Raises PageNotFound, RequestError."""
    chosen = _level(document, page, level)
    return [slab_spec(chosen, slab) for slab in slabs(chosen, raster_pixels)]


def of_page(document: Document, page: int, width_px: int | None, height_px: int | None, raster_pixels: int) -> RasterSpec:
    """The raster of a whole page at an exact width or height. Raises PageNotFound, RequestError."""
    document.require_page(page)
    info = document.pages[page]
    rung = fit_rung(info.width_pt, info.height_pt, width_px=width_px, height_px=height_px)
    _require_raster(document, page, rung.width_px, rung.height_px, raster_pixels)
    return RasterSpec.whole_page(rung.scale, rung.width_px, rung.height_px)


def of_region(
    document: Document, page: int, region_pt: tuple[float, float, float, float], width_px: int, raster_pixels: int
) -> RasterSpec:
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
    _require_raster(document, page, width_px, height_px, raster_pixels)
    return RasterSpec(
        scale=scale,
        x0_px=x0_px,
        y0_px=y0_px,
        x1_px=x0_px + width_px,
        y1_px=y0_px + height_px,
        tile_px=max(width_px, height_px),
    )


def _level(document: Document, page: int, level: int) -> Level:
    levels = document.pyramid(page).levels
    if not (isinstance(level, int) and 0 <= level < len(levels)):
        raise RequestError(
            f"{document.name}, page {page + 1} has no level {level}: its levels are 0 to {len(levels) - 1}",
            document_id=document.id,
            page=page,
        )
    return levels[level]


def _require_raster(document: Document, page: int, width_px: int, height_px: int, raster_pixels: int) -> None:
    if width_px * height_px > raster_pixels:
        raise RequestError(
            f"{width_px} x {height_px} pixels are more than one image may have: {raster_pixels} "
            "(raster_pixels in the settings). Ask for tiles of a level instead",
            document_id=document.id,
            page=page,
        )
