"""From a request for an image to the raster that a worker draws: a tile of a level wherever the request is one."""

from __future__ import annotations

from msgspec import Struct

from sidebooks_core.encoding.recipe import Recipe
from sidebooks_core.server.iiif.image_api import ImageRequest
from sidebooks_core.tiling.pyramid import Level, Pyramid
from sidebooks_core.tiling.raster import RasterSpec


class TilePlan(Struct, frozen=True):
    """A tile of a level, as it is."""

    level: int
    column: int
    row: int


class RasterPlan(Struct, frozen=True):
    """A raster drawn for the request, and what is done to it afterwards, if anything."""

    spec: RasterSpec
    recipe: Recipe | None


def plan(request: ImageRequest, pyramid: Pyramid) -> TilePlan | RasterPlan:
    """How to answer. Every tile that a viewer computes from info.json is a TilePlan."""
    if request.is_plain:
        for level in pyramid.levels:
            tile = _as_tile(request, pyramid, level)
            if tile is not None:
                return tile
    return _as_raster(request, pyramid)


def _as_tile(request: ImageRequest, pyramid: Pyramid, level: Level) -> TilePlan | None:
    factor = 1 << (pyramid.finest.index - level.index)
    side = level.tile_px * factor
    if request.x_px % side or request.y_px % side:
        return None
    column, row = request.x_px // side, request.y_px // side
    if column >= level.columns or row >= level.rows:
        return None
    full_width, full_height = pyramid.finest.width_px, pyramid.finest.height_px
    region = (min(side, full_width - request.x_px), min(side, full_height - request.y_px))
    rect = level.tile_rect(column, row)
    wanted = (request.width_px, request.height_px, request.out_width_px, request.out_height_px)
    return TilePlan(level.index, column, row) if wanted == (*region, rect.width_px, rect.height_px) else None


def _as_raster(request: ImageRequest, pyramid: Pyramid) -> RasterPlan:
    across = request.out_width_px / request.width_px
    down = request.out_height_px / request.height_px
    # A size that is off by the rounding of one pixel is the region's own shape.
    is_stretched = (
        abs(request.width_px * down - request.out_width_px) > 1 and abs(request.height_px * across - request.out_height_px) > 1
    )
    share = max(across, down)
    width_px, height_px = request.out_width_px, request.out_height_px
    if is_stretched:
        width_px, height_px = max(1, round(request.width_px * share)), max(1, round(request.height_px * share))
    x0_px, y0_px = round(request.x_px * share), round(request.y_px * share)
    spec = RasterSpec(
        scale=pyramid.finest.scale * share,
        x0_px=x0_px,
        y0_px=y0_px,
        x1_px=x0_px + width_px,
        y1_px=y0_px + height_px,
        tile_px=max(width_px, height_px),
    )
    recipe = None
    if is_stretched or not request.is_plain:
        recipe = Recipe(request.out_width_px, request.out_height_px, request.is_mirrored, request.rotation, request.quality)
    return RasterPlan(spec, recipe)
