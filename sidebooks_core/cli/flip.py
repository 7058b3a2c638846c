"""Turning through a document as a reader would, and timing each turn: cold, from memory, and from disk."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from sidebooks_core.errors import PageError
from sidebooks_core.service import Document, TileService
from sidebooks_core.settings import Settings
from sidebooks_core.statistics import Latency, latency_of

FRAME_S = 1 / 60
"""A frame of a 60 Hz screen."""


class FlipPass(Struct, frozen=True):
    """All pages turned once."""

    name: str
    latency: Latency
    within_frame: float
    """Share of the turns that took at most FRAME_S, 0 to 1."""
    renders: int
    bytes: int
    """The size of all images together."""
    failed: dict[int, str]
    """Errors by page, from 0."""


class FlipReport(Struct, frozen=True):
    """A document turned through three times."""

    document: str
    page_count: int
    width_px: int
    height_px: int
    first_page_s: float
    """Seconds from making the service, whose workers have not started then, to the bytes of the first page."""
    passes: tuple[FlipPass, ...]


def flip(
    path: Path,
    settings: Settings,
    *,
    password: str | None = None,
    pages: Callable[[int], Sequence[int]] | None = None,
    width_px: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FlipReport:
    """Turn three times through a document: with an empty cache, with a full memory, and in a new service with a full disk.

    The cache is a temporary folder, so that the first pass is cold and the user's cache stays as it is. pages: gives the
    pages, from 0, of the page count. width_px: the width of the page images; without it they are of the document's largest
    level of a single image.
    """
    with tempfile.TemporaryDirectory(prefix="sidebooks-flip-") as cache_dir:
        settings = replace(settings, cache_dir=cache_dir)
        started_s = time.perf_counter()
        with TileService(settings) as service:
            document = service.open(path, password)
            chosen = list(range(document.page_count)) if pages is None else list(pages(document.page_count))
            first = _first_image(service, document, chosen, width_px)
            first_page_s = time.perf_counter() - started_s
            cold = _turn_through(service, document, chosen[1:], width_px, "cold (drawn now)", progress)
            warm = _turn_through(service, document, chosen, width_px, "warm, from memory", progress)
            service.parts.flush()
        with TileService(settings) as service:
            document = service.open(path, password)
            disk = _turn_through(service, document, chosen, width_px, "warm, from disk", progress)
    passes = tuple(done for done in (cold, warm, disk) if done.latency.count or done.failed)
    return FlipReport(path.name, document.page_count, *first, first_page_s, passes)


def _first_image(service: TileService, document: Document, pages: Sequence[int], width_px: int | None) -> tuple[int, int]:
    """(width, height) in pixels of the first page that can be drawn; (0, 0) if none can."""
    for page in pages:
        try:
            tile = _image(service, document, page, width_px)
        except PageError:
            continue
        return tile[1], tile[2]
    return 0, 0


def _turn_through(
    service: TileService,
    document: Document,
    pages: Sequence[int],
    width_px: int | None,
    name: str,
    progress: Callable[[int, int], None] | None,
) -> FlipPass:
    renders_before = service.statistics().renders
    waits_s: list[float] = []
    failed: dict[int, str] = {}
    total_bytes = 0
    for turn, page in enumerate(pages):
        started_s = time.perf_counter()
        try:
            total_bytes += _image(service, document, page, width_px)[0]
        except PageError as error:
            failed[page] = str(error)
        else:
            waits_s.append(time.perf_counter() - started_s)
        if progress is not None:
            progress(turn + 1, len(pages))
    within = sum(wait_s <= FRAME_S for wait_s in waits_s) / max(1, len(waits_s))
    renders = service.statistics().renders - renders_before
    return FlipPass(name, latency_of(waits_s), within, renders, total_bytes, failed)


def _image(service: TileService, document: Document, page: int, width_px: int | None) -> tuple[int, int, int]:
    """Bytes, width and height of a page's image."""
    if width_px is not None:
        tile = service.page_image(document, page, width_px=width_px)
    else:
        tile = service.tile(document, page, document.pyramid(page).screen_level.index, 0, 0)
    return len(tile.data), tile.width_px, tile.height_px
