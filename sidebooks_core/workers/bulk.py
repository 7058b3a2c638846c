"""Bulk rendering on somebody else's executor: a run of pages as one picklable, idempotent function call.

The unit of work is (document, pages, rasters, profile). A process pool, or a cluster's executor whose machines can read
the document's path, runs `render_run`. The process that draws a record keeps it, if `BulkRun.keep` is set. Other records come
back, and the caller keeps them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.encoding.tileset import problems_of
from sidebooks_core.errors import RequestError, SidebooksError
from sidebooks_core.fonts.discovery import FontSet
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers.jobs import Draw, Identify

if TYPE_CHECKING:
    from sidebooks_core.worker.desk import Desk

_hosts: set[int] = set()
_desks: dict[FontSet, Desk] = {}
NO_LIMIT_S = 0.0
"""The executor decides how long a task may take."""


class BulkRaster(Struct, frozen=True):
    """One raster of a page, from 0."""

    page: int
    spec: RasterSpec
    is_preview: bool
    """Kept in the previews' part of the memory."""


class BulkResult(Struct, frozen=True, kw_only=True):
    """The result of one raster."""

    raster: BulkRaster
    content_id: str | None = None
    record: bytes | None = None
    """None: the record is kept already, or the raster failed."""
    cost_s: float = 0.0
    error: SidebooksError | None = None
    was_stored: bool = False
    """True when nothing had to be drawn."""
    problems: tuple[str, ...] = ()
    """What of the page could not be drawn."""


class BulkRun(Struct, frozen=True, kw_only=True):
    """Some rasters of some pages of one document."""

    document: DocumentRef
    data: bytes | None
    rasters: tuple[BulkRaster, ...]
    image_format: str
    quality: int
    font_set: FontSet
    display_list_bytes: int
    keep: Callable[[BulkResult], BulkResult] | None = None
    """Keeps a result in the process that draws. Returns it without its record if that is kept. Can be pickled."""


def render_run(run: BulkRun) -> list[BulkResult]:
    """Draw and encode a run, in this process. A page that fails gives an error in its place.

    Raises RequestError in a process that hosts a service: a document must not be able to hurt it.
    """
    if os.getpid() in _hosts:
        raise RequestError("the executor runs its tasks in the process of the service: it must use other processes")
    desk = _desk(run)
    results = []
    for raster in run.rasters:
        identify = Identify(document=run.document, timeout_s=NO_LIMIT_S, page=raster.page, stop=raster.page + 1, budget_s=0.0)
        draw = Draw(
            document=run.document,
            timeout_s=NO_LIMIT_S,
            page=raster.page,
            spec=raster.spec,
            image_format=run.image_format,
            quality=run.quality,
        )
        try:
            [content_id] = desk.do(identify, run.data)
            made = desk.do(draw, run.data)
        except SidebooksError as error:
            results.append(BulkResult(raster=raster, error=error))
            continue
        cost_s = made.draw_s + made.encode_s
        record, problems = made.record, problems_of(made.record)
        drawn = BulkResult(raster=raster, content_id=content_id, record=record, cost_s=cost_s, problems=problems)
        results.append(drawn if run.keep is None else run.keep(drawn))
    return results


def mark_host() -> None:
    """Note that this process hosts a service, so nothing may be drawn in it."""
    _hosts.add(os.getpid())


def _desk(run: BulkRun) -> Desk:
    """The desk of this process. It stays between runs."""
    from sidebooks_core.worker.desk import Desk

    if run.font_set not in _desks:
        _desks.clear()
        _desks[run.font_set] = Desk(run.font_set, run.display_list_bytes, opens_paths=True)
    return _desks[run.font_set]
