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
from sidebooks_core.documents.document import Document
from sidebooks_core.errors import DocumentError, PageError
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.service import TileService
from sidebooks_core.shelf import catalogue
from sidebooks_core.shelf.model import Revision
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
    """Of what was drawn ahead of papers that are as new or newer."""


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
                except DocumentError:
                    _log.exception("revision %s of the paper %s cannot be drawn ahead", found.number, found.paper)
                    self._failed.add((found.paper, found.number))
                    return True
        self._rests_until_s = time.monotonic() + REST_S
        return False

    def _somebody_reads(self) -> bool:
        """Whether an image was shown since the last call."""
        before, self._shown = self._shown, self._service.parts.images.keeper.shown_count()
        return self._shown != before

    def _draw(self, one: Undrawn, size_px: tuple[int, int], is_wanted_elsewhere: Callable[[], bool]) -> bool:
        """False if it was interrupted."""
        with self._database.reading() as reading:
            revision = catalogue.find_revision(reading, one.paper, one.number)
        if revision is None:
            return True  # it was purged
        document = self._open_revision(revision)
        drawn_bytes = 0
        for first in range(0, document.page_count, PAGES_AT_ONCE):
            drawn_bytes += self._draw_pages(document, range(first, min(first + PAGES_AT_ONCE, document.page_count)), size_px)
            if is_wanted_elsewhere() or self._somebody_reads():
                return False
        with self._database.writing() as writing:
            writing.run(
                "INSERT OR REPLACE INTO drawn_ahead (cache, paper, revision, width_px, height_px, bytes) "
                "SELECT ?, paper, number, ?, ?, ? FROM revision WHERE paper = ? AND number = ?",  # unless it was purged
                self._cache_id, *size_px, drawn_bytes, one.paper, one.number,
            )  # fmt: skip
        return True

    def _draw_pages(self, document: Document, pages: range, size_px: tuple[int, int]) -> int:
        """Returns the bytes of the images. A page that fails says so to its readers."""
        images = self._service.parts.images
        requests = [one for page in pages for one in requests_for(images, document, page, [size_px])]
        drawn_bytes = 0
        for found in [images.find(request, Priority.BULK) for request in requests]:
            error = found.exception()
            if error is None:
                drawn_bytes += len(found.result().record.data)
            elif not isinstance(error, PageError):
                raise error
        return drawn_bytes


def undrawn(
    reading: Reading, cache_id: str, size_px: tuple[int, int], left_out: frozenset[tuple[str, int]] = frozenset()
) -> Undrawn | None:
    """The newest present revision, prepared and not withdrawn, that is not drawn for a screen. None: there is none."""
    query = """
        SELECT revision.paper, revision.number, (
            SELECT coalesce(sum(bytes), 0) FROM drawn_ahead AS other JOIN revision AS newer
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
