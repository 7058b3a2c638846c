"""Prepares revisions in the background: every page is identified, indexed, and has its preview. Goes on after a restart.

One process at a time prepares, the one that holds a lock on a file. If it ends, another one goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from sidebooks_core.databases.database import Database
from sidebooks_core.databases.lock import ProcessLock, try_lock
from sidebooks_core.documents.document import Document
from sidebooks_core.errors import PageError, QueueFull, ServiceClosed, SidebooksError
from sidebooks_core.images.requests import Request
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.service import TileService
from sidebooks_core.shelf import catalogue
from sidebooks_core.shelf.model import Progress, Revision
from sidebooks_core.shelf.search import index, page_texts, stretches

LOCK_NAME = "preparing.lock"
PAGES_AT_ONCE = 32
"""Pages that are asked for together, and whose content ids are written together."""
LOOK_EVERY_S = 5.0
"""How often a process that does not prepare looks whether it can."""
AGAIN_S = 2.0
"""After this time, what could not be done for a passing reason is tried again."""

_log = logging.getLogger("sidebooks_core.shelf")


class _Done(Struct):
    """How far the revision under way is."""

    paper: str
    number: int
    previews: int = 0


class Preparer:
    """A thread that prepares what is not prepared. `close()` it."""

    def __init__(
        self,
        database: Database,
        service: TileService,
        folder: Path,
        open_revision: Callable[[Revision], Document],
        changed: Callable[[], None],
    ) -> None:
        """open_revision: the document of a revision. changed: called after something was written."""
        self._database = database
        self._service = service
        self._lock_path = folder / LOCK_NAME
        self._open_revision = open_revision
        self._changed = changed
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._is_idle = threading.Event()
        self._under_way: _Done | None = None
        self._failed: set[tuple[str, int]] = set()
        """Revisions that this process could not prepare. They are tried again after a restart."""
        self._thread = threading.Thread(target=self._run, name="sidebooks-prepare", daemon=True)
        self._has_started = False

    def start(self) -> None:
        """Begin. Before that, everything else can be called, too, and nothing is prepared."""
        self._has_started = True
        self._thread.start()

    def wake(self) -> None:
        """There is a new revision."""
        with self._lock:
            self._is_idle.clear()
            self._wake.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until everything is prepared that can be. False if it was not within the time."""
        return self._is_idle.wait(timeout_s)

    def progress(self, paper_id: str) -> Progress:
        """How far the present revision of a paper is. Raises RequestError."""
        with self._database.reading() as reading:
            revision = catalogue.revision(reading, paper_id, None)
            identified = len(catalogue.content_ids(reading, revision.paper, revision.number))
            indexed = identified - len(page_texts.missing(reading, revision.paper, revision.number))
        pages, done = revision.page_count, self._under_way
        if revision.is_prepared:
            return Progress(revision.paper, revision.number, pages, identified, pages, indexed)
        is_this = done is not None and (done.paper, done.number) == (revision.paper, revision.number)
        previews = done.previews if is_this and done is not None else 0
        return Progress(revision.paper, revision.number, pages, identified, previews, indexed)

    def close(self) -> None:
        self._closing.set()
        self._wake.set()
        self._is_idle.set()
        if self._has_started:
            self._thread.join(10)

    def _run(self) -> None:
        lock: ProcessLock | None = None
        try:
            while True:
                self._wake.clear()  # before the look whether it closes, which sets both
                if self._closing.is_set():
                    return
                lock = lock or try_lock(self._lock_path)
                if lock is None:
                    self._wake.wait(LOOK_EVERY_S)
                    continue
                try:
                    if not self._prepare_next():
                        with self._lock:
                            if not self._wake.is_set():  # else there is a new revision since the look
                                self._is_idle.set()
                        self._wake.wait()
                except ServiceClosed:
                    return
                except (QueueFull, SidebooksError, OSError):
                    _log.exception("preparing is tried again in %s s", AGAIN_S)
                    self._closing.wait(AGAIN_S)
        finally:
            self._is_idle.set()
            if lock is not None:
                lock.release()

    def _prepare_next(self) -> bool:
        """Prepare one revision. False if there is none."""
        with self._database.reading() as reading:
            waiting = catalogue.unprepared(reading)
        chosen = next((one for one in waiting if (one.paper, one.number) not in self._failed), None)
        if chosen is None:
            return False
        self._under_way = _Done(chosen.paper, chosen.number)
        try:
            document = self._open_revision(chosen)
        except (SidebooksError, OSError) as fault:
            if isinstance(fault, ServiceClosed):
                raise
            _log.warning("the revision %s of the paper %s cannot be prepared: %s", chosen.number, chosen.paper, fault)
            self._failed.add((chosen.paper, chosen.number))
            return True
        for first in range(0, document.page_count, PAGES_AT_ONCE):
            if self._closing.is_set():
                return False
            self._prepare_pages(chosen, document, first, min(first + PAGES_AT_ONCE, document.page_count))
        with self._database.writing() as writing:
            catalogue.set_prepared(writing, chosen.paper, chosen.number)
        self._changed()
        return True

    def _prepare_pages(self, revision: Revision, document: Document, first: int, stop: int) -> None:
        """Identify some pages, write down what they are, and make their previews. A page that fails has none."""
        images = self._service.parts.images
        identifying = [images.identify(document, page, Priority.BULK) for page in range(first, stop)]
        for identified in identifying:
            _settled(identified.exception())
        known = {page: document.known_content_id(page) for page in range(first, stop)}
        found = {page: content_id for page, content_id in known.items() if content_id is not None}
        with self._database.writing() as writing:
            catalogue.set_content_ids(writing, revision.paper, revision.number, found)
            stretches.refresh(writing, revision.paper, revision.number)  # pages that were on the shelf before have texts
        self._index(revision, document)
        previews: list[Request] = [one for page in range(first, stop) for one in images.level(document, page, 0)]
        for drawn in [images.find(request, Priority.BULK) for request in previews]:
            _settled(drawn.exception())
            if self._under_way is not None:
                self._under_way.previews += 1

    def _index(self, revision: Revision, document: Document) -> None:
        """Make the pages that are identified found by the search. A page that cannot be read is not found."""
        with self._database.reading() as reading:
            missing = page_texts.missing(reading, revision.paper, revision.number)
        reads = {page: self._service.parts.questions.text(document, page) for page in missing}
        read_now = {missing[page]: read.result() for page, read in reads.items() if not _has_failed(read.exception())}
        texts = {content_id: page_texts.made_ready(text) for content_id, text in read_now.items()}
        if texts:
            with self._database.writing() as writing:
                page_texts.add(writing, texts)
            index.merge(self._database)


def _has_failed(error: BaseException | None) -> bool:
    """Whether a page failed. Raises every other error."""
    _settled(error)
    return error is not None


def _settled(error: BaseException | None) -> None:
    """A page that cannot be drawn is told to its readers. Raises every other error."""
    if error is not None and not isinstance(error, PageError):
        raise error
