"""Images of pages: at the addresses of our own API, of IIIF, and of Deep Zoom."""

from __future__ import annotations

from functools import lru_cache

from sidebooks_core.encoding.formats import BY_ENDING
from sidebooks_core.images.requests import Request, TilePlace, in_format
from sidebooks_core.server.addresses import (
    MAX_PREVIEWS,
    dzi_raster,
    dzi_tile,
    exact_raster,
    level_number,
    page_span,
    tile_place,
)
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.iiif import image_api
from sidebooks_core.server.iiif.plan import TilePlan, plan
from sidebooks_core.server.noting import note_screen
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.shelf import page_id
from sidebooks_core.server.statuses import not_found


async def page(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A whole page, as large as fits a screen."""
    document, number = parts.page(request)
    size = request.params["size"]
    spec, image_format = exact_raster(document, number, size, request.limits)
    if request.standing is not None:
        note_screen(parts, request, size)
    return await parts.images.tile(request, TilePlace(Request(document, number, spec, image_format)))


async def preview(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The coarsest level of a page."""
    document, number = parts.page(request)
    request.opens = number > 0  # the first page is the cover, which lists show
    return await parts.images.tile(request, parts.service.parts.images.place(document, number, 0, 0, 0))


async def tile(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A tile of a level."""
    document, number = parts.page(request)
    pyramid = parts.pyramid(request, document, number)
    level = pyramid.levels[level_number(request.params["level"], pyramid)]
    column, row = tile_place(f"{request.params['column']}_{request.params['row']}")
    if column >= level.columns or row >= level.rows:
        raise not_found()
    return await parts.images.tile(request, parts.service.parts.images.place(document, number, level.index, column, row))


async def bundle(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """All tiles of a level in one response."""
    document, number = parts.page(request)
    level = level_number(request.params["level"], parts.pyramid(request, document, number))
    return await parts.images.bundle(request, document, number, level)


async def previews(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The previews of some pages in one response."""
    document = parts.document(request)
    first, last = page_span(request.params["span"], document, MAX_PREVIEWS)
    request.opens = last > 0
    return await parts.images.previews(request, document, first, last)


async def iiif_image(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """An image as the IIIF Image API asks for it: a tile of a level, a raster of its own, or one that is turned or the like."""
    document, number = parts.image(request)
    pyramid = parts.pyramid(request, document, number)
    full_px = (pyramid.finest.width_px, pyramid.finest.height_px)
    given = request.params
    last = f"{given['quality']}.{given['format']}" if "format" in given else given["quality"]
    wanted = _parsed(given["region"], given["iiifSize"], given["rotation"], last, full_px)
    # In one header: some clients read only the last of several.
    canonical = f'<{request.base}/iiif/3/{page_id(document, number)}/{wanted.canonical}>;rel="canonical"'
    links = [(b"link", f'<{image_api.LEVEL}>;rel="profile", {canonical}'.encode())]
    image_format = BY_ENDING[wanted.format].name
    chosen = plan(wanted, pyramid)
    if isinstance(chosen, TilePlan):
        at = parts.service.parts.images.place(document, number, chosen.level, chosen.column, chosen.row)
        return await parts.images.tile(request, in_format(at, image_format), links)
    at = TilePlace(Request(document, number, chosen.spec, image_format))
    if chosen.recipe is None:
        return await parts.images.tile(request, at, links)
    return await parts.images.derived(request, at, chosen, links)


async def deep_zoom_tile(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A tile of Deep Zoom, whose levels are its own."""
    document, number = parts.image(request)
    given = request.params
    spec = dzi_raster(parts.pyramid(request, document, number), given["dziLevel"])
    column, row, image_format = dzi_tile(f"{given['column']}_{given['row']}.{given['format']}")
    if column * spec.tile_px >= spec.x1_px or row * spec.tile_px >= spec.y1_px:
        raise not_found()
    return await parts.images.tile(request, TilePlace(Request(document, number, spec, image_format), column, row))


@lru_cache(maxsize=4096)
def _parsed(region: str, size: str, rotation: str, last: str, full_px: tuple[int, int]) -> image_api.ImageRequest:
    return image_api.parse(region, size, rotation, last, full_px)
