"""Draws the pages of new papers for the screens of their readers, before anybody opens them and while nobody reads.

A paper that is prepared can be found, and has previews. Its pages in the size of a screen take far more room and time. So they
are drawn for sizes that readers have asked for, newest papers first, as long as they fill no more than a part of the cache:
beyond it they would drive out what was drawn ahead before. What was drawn stands in the database, so a restart goes on with the
rest.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from msgspec import Struct

from sidebooks_core.databases.database import Database, Reading
from sidebooks_core.errors import PageError, QueueFull, ServiceClosed, SidebooksError, StorageFailed
from sidebooks_core.images.passing import has_no_worker, may_pass
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.service import Document, TileService
from sidebooks_core.shelf import catalogue
from sidebooks_core.shelf.model import Revision
from sidebooks_core.shelf.purging import let_go
from sidebooks_core.shelf.screens import Screens, requests_for

SHARE = 0.5
"""Of the bytes of the disk cache, for papers that are drawn ahead."""
PAGES_AT_ONCE = 16
"""Between them it is asked whether somebody reads, or a new paper has come."""
REST_S = 60.0
"""After a look that found nothing to draw: it goes through all papers."""
_log = logging.getLogger("sidebooks_core.shelf")


class Undrawn(Struct, frozen=True, array_like=True):
    """The newest revision that is not drawn for a screen."""

    paper: str
    number: int
    newer_bytes: int
    """Of what was drawn ahead of papers that are as new or newer, in their present revisions."""


class DrawingAhead:
    """Belongs to the thread that prepares."""

    def __init__(
        self,
        database: Database,
        service: TileService,
        cache_id: str,
        open_revision: Callable[[Revision], Document],
        screens: Screens,
    ) -> None:
        """cache_id: of the cache folder of the service. open_revision: the document of a revision."""
        self._database = database
        self._service = service
        self._cache_id = cache_id
        self._open_revision = open_revision
        self._screens = screens
        self._shown = -1
        self._rests_until_s = 0.0
        self._failed: set[tuple[str, int]] = set()
        """Papers with their revisions. They are not tried again before the next start."""

    @property
    def has_readers(self) -> bool:
        """Whether anybody has read papers on a screen."""
        return bool(self._screens.commonest())

    def note_screens(self) -> None:
        """Have the process that draws ahead know the screens that this one has seen. Raises StorageError."""
        self._screens.keep()

    def draw_some(self, is_wanted_elsewhere: Callable[[], bool]) -> bool:
        """Draw pages of one revision, until somebody reads or `is_wanted_elsewhere`. False if there is nothing to do just now.

        Raises ServiceClosed, QueueFull, StorageError.
        """
        if self._service.settings.cache_dir is None or time.monotonic() < self._rests_until_s or self._somebody_reads():
            return False  # without a cache folder: memory alone is for what is read now
        for size_px in self._screens.chosen():
            with self._database.reading() as reading:
                found = undrawn(reading, self._cache_id, size_px, frozenset(self._failed))
            if found is not None and found.newer_bytes < SHARE * self._service.settings.disk_bytes:
                try:
                    return self._draw(found, size_px, is_wanted_elsewhere)
                except (ServiceClosed, QueueFull, StorageFailed):
                    raise
                except (SidebooksError, OSError):
                    _log.exception("revision %s of the paper %s cannot be drawn ahead", found.number, found.paper)
                    self._failed.add((found.paper, found.number))
                    return True
        self._rests_until_s = time.monotonic() + REST_S
        return False

    def _somebody_reads(self) -> bool:
        """Whether this process has shown an image since the last call. What others show is not known here."""
        before, self._shown = self._shown, self._service.parts.images.keeper.shown_count()
        return self._shown != before

    def _draw(self, one: Undrawn, size_px: tuple[int, int], is_wanted_elsewhere: Callable[[], bool]) -> bool:
        """False if it was interrupted."""
        revision = self._revision(one)
        if revision is None:
            return True  # it was purged
        document = self._open_revision(revision)
        try:
            drawn_bytes = self._draw_all(one, document, size_px, is_wanted_elsewhere)
        finally:
            if self._revision(one) is None:  # it was purged meanwhile, perhaps by another process
                let_go(self._database, self._service, [document])
        if drawn_bytes is None:
            return False
        with self._database.writing() as writing:
            writing.run(
                "INSERT OR REPLACE INTO drawn_ahead (cache, paper, revision, width_px, height_px, bytes) "
                "SELECT ?, paper, number, ?, ?, ? FROM revision WHERE paper = ? AND number = ?",  # unless it was purged
                self._cache_id, *size_px, drawn_bytes, one.paper, one.number,
            )  # fmt: skip
        return True

    def _draw_all(
        self, one: Undrawn, document: Document, size_px: tuple[int, int], is_wanted_elsewhere: Callable[[], bool]
    ) -> int | None:
        """Draw pages, as long as the revision is there and there is room. Returns their bytes; None if it was interrupted."""
        drawn_bytes, room_bytes = 0, SHARE * self._service.settings.disk_bytes - one.newer_bytes
        for first in range(0, document.page_count, PAGES_AT_ONCE):
            drawn_bytes += self._draw_pages(document, range(first, min(first + PAGES_AT_ONCE, document.page_count)), size_px)
            if is_wanted_elsewhere() or self._somebody_reads():
                return None
            if drawn_bytes >= room_bytes or self._revision(one) is None:
                break  # what is drawn beyond the room drives out what was drawn before
        return drawn_bytes

    def _revision(self, one: Undrawn) -> Revision | None:
        with self._database.reading() as reading:
            return catalogue.find_revision(reading, one.paper, one.number)

    def _draw_pages(self, document: Document, pages: range, size_px: tuple[int, int]) -> int:
        """Returns the bytes of the images. A page that fails says so to its readers.

        Raises QueueFull if there is no worker, and the error of a page that may not fail at the next try.
        """
        images = self._service.parts.images
        requests = [one for page in pages for one in requests_for(images, document, page, [size_px])]
        drawn_bytes = 0
        for found in [images.find(request, Priority.BULK) for request in requests]:
            error = found.exception()
            if error is None:
                drawn_bytes += len(found.result().record.data)
            elif has_no_worker(error):
                raise QueueFull(str(error)) from error
            elif may_pass(error) or not isinstance(error, PageError):
                raise error
        return drawn_bytes


def undrawn(
    reading: Reading, cache_id: str, size_px: tuple[int, int], left_out: frozenset[tuple[str, int]] = frozenset()
) -> Undrawn | None:
    """The newest present revision, prepared and not withdrawn, that is not drawn for a screen. None: there is none."""
    query = """
        SELECT revision.paper, revision.number, (
            SELECT coalesce(sum(bytes), 0) FROM drawn_ahead AS other JOIN paper AS holder
            ON holder.id = other.paper AND holder.revision = other.revision JOIN revision AS newer
            ON newer.paper = other.paper AND newer.number = other.revision
            WHERE other.cache = ?1 AND newer.registered_s >= revision.registered_s
        )
        FROM revision INDEXED BY revision_by_time JOIN paper ON paper.id = revision.paper AND paper.revision = revision.number
        WHERE revision.state = 'ready' AND revision.is_prepared = 1 AND paper.withdrawn_s IS NULL AND NOT EXISTS (
            SELECT 1 FROM drawn_ahead AS mine WHERE mine.cache = ?1 AND mine.paper = revision.paper
            AND mine.revision = revision.number AND mine.width_px = ?2 AND mine.height_px = ?3
        )
        ORDER BY revision.registered_s DESC LIMIT ?4
    """
    found = reading.all(Undrawn, query, cache_id, *size_px, len(left_out) + 1)
    return next((one for one in found if (one.paper, one.number) not in left_out), None)
