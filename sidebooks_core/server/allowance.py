"""What a reader with limits may have of a document: which pages, how fine, and what is told of the rest. Pure.

All images pass `require` (`image_answers.py`); all that names a page passes `parts.ServerParts.page` or `.image`; and
descriptions tell of the levels in `levels_within` alone. So a route needs no check of its own.
"""

from __future__ import annotations

from msgspec.structs import replace

from sidebooks_core.access.policy import UNLIMITED, Limits
from sidebooks_core.documents.document import Document
from sidebooks_core.images.requests import TilePlace
from sidebooks_core.reading.view import PageView
from sidebooks_core.server.statuses import not_found
from sidebooks_core.tiling.pyramid import Level, Pyramid

_ROUNDING = 1 + 1e-6


def require(limits: Limits, at: TilePlace) -> None:
    """Raises Refused (404) if the limits do not include the page, or if the raster is finer than they allow."""
    if not has(limits, at):
        raise not_found()


def has(limits: Limits, at: TilePlace) -> bool:
    """Whether the limits allow an image. The size of the whole page at that scale counts, even if only a part is asked for."""
    request, most_px = at.request, limits.long_side_px
    if not limits.has_page(request.page):
        return False
    return most_px is None or long_side_px(request.document, request.page, request.spec.scale) <= most_px * _ROUNDING


def long_side_px(document: Document, page: int, scale: float) -> float:
    """The long side of the whole page at a scale, in pixels."""
    info = document.info.pages[page]
    return max(info.width_pt, info.height_pt) * scale


def levels_within(limits: Limits, pyramid: Pyramid) -> tuple[Level, ...]:
    """The levels of a page that may be had, from the coarsest on. There may be none."""
    most_px = limits.long_side_px
    return tuple(one for one in pyramid.levels if most_px is None or max(one.width_px, one.height_px) <= most_px)


def pyramid_within(limits: Limits, document: Document, page: int) -> Pyramid:
    """A page as viewers are told of it, without the levels that are finer than allowed. Raises Refused if none is left."""
    pyramid = document.pyramid(page)
    if limits == UNLIMITED:
        return pyramid
    levels = levels_within(limits, pyramid)
    if not levels or not limits.has_page(page):
        raise not_found()
    return replace(pyramid, levels=levels)


def screen_within(limits: Limits, size_px: tuple[int, int]) -> tuple[int, int]:
    """The size of a screen, made smaller if a page on it could be longer than the limits allow."""
    most_px = limits.long_side_px
    return size_px if most_px is None else (min(size_px[0], most_px), min(size_px[1], most_px))


def view_within(limits: Limits, view: PageView) -> PageView:
    """What a reader is told of a screen: nothing of withheld pages, and no ETags of images that are sent with a mark."""
    if limits == UNLIMITED:
        return view
    images = [one for one in view.images if limits.has_page(one.page)]
    if limits.is_marked:
        images = [replace(one, tile=replace(one.tile, etag="")) for one in images]
    errors = tuple(error for error in view.errors if error.page is None or limits.has_page(error.page))
    return replace(view, images=tuple(images), errors=errors)


def first_page(limits: Limits, document: Document) -> int | None:
    """The first page that may be had, from 0. None: there is none."""
    return next((page for page in range(document.page_count) if limits.has_page(page)), None)
