"""Prepares revisions in the background: every page is identified, indexed, and has its preview. Goes on after a restart. Then
pages are drawn ahead: see `drawing_ahead`.

One process at a time prepares, the one that holds a lock on a file. If it ends, another one goes on. What is to be prepared,
and how far it is, stands in the database: so papers of other processes are prepared, too, and every process can wait for them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, field

from sidebooks_core.databases.database import Database
from sidebooks_core.databases.lock import ProcessLock, try_lock
from sidebooks_core.errors import PageError, QueueFull, ServiceClosed, StorageError
from sidebooks_core.images.passing import has_no_worker, may_pass
from sidebooks_core.images.requests import Request
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.service import Document, TileService
from sidebooks_core.shelf import catalogue, prepared_rows
from sidebooks_core.shelf.drawing_ahead import DrawingAhead
from sidebooks_core.shelf.model import Change, Progress, Revision
from sidebooks_core.shelf.prepared_rows import RevisionKey
from sidebooks_core.shelf.purging import let_go
from sidebooks_core.shelf.search import index, page_texts, stretches

LOCK_NAME = "preparing.lock"
PAGES_AT_ONCE = 32
"""Pages that are asked for together, and whose content ids are written together."""
REVISIONS_AT_ONCE = 64
"""Revisions that are looked up together."""
LOOK_EVERY_S = 5.0
"""How often a process looks whether there is something to prepare, or whether it is the one that prepares."""
AGAIN_S = 2.0
"""After this time, what could not be done for a passing reason is tried again. A revision that fails again waits for twice the
time each time.
"""
LONGEST_AGAIN_S = 600.0
PAGES_AGAIN_S = 65.0
"""The same after pages failed that took too long: they are refused for a minute (`images.quarantine`)."""
TRIES = 3
"""So often a revision is prepared whose pages fail in that way. Then it counts as prepared, and they are not found."""
NOTED_EVERY_S = 0.5
"""How often other processes are told how many previews there are."""
BEGIN_AFTER_S = 1.0
"""How long an idle process waits with a new revision if there are readers: now all ask for its first page."""
WAIT_LOOK_S = 0.1
"""How often a process that waits looks whether another one has prepared everything."""
DAY_S = 86_400.0
WAKING = frozenset({"paper", "paper replaced", "paper restored"})
"""Changes after which there may be something to prepare."""

_log = logging.getLogger("sidebooks_core.shelf")


class _UnderWay(Struct):
    """The revision that is being prepared."""

    paper: str
    number: int
    previews: int = 0
    noted_s: float = 0.0
    unreadable: set[int] = field(default_factory=set)
    """Pages whose text cannot be read."""
    may_pass: bool = False
    """A page failed, and may not at the next try."""

    def note(self, error: BaseException | None) -> bool:
        """Whether a page has failed: that is told to its readers. Raises every error that is not the page's."""
        if error is None:
            return False
        if not isinstance(error, PageError) or has_no_worker(error):
            raise error
        self.may_pass = self.may_pass or may_pass(error)
        return True


class _MayPass(Exception):
    """Pages failed that may not fail at the next try."""


class _Failed(Struct):
    """A revision that could not be prepared."""

    times: int = 0
    again_s: float = 0.0
    """When it is tried again, by the clock that is never set."""


class Preparer:
    """A thread that prepares what is not prepared. `close()` it."""

    def __init__(
        self,
        database: Database,
        service: TileService,
        folder: Path,
        open_revision: Callable[[Revision], Document],
        changed: Callable[[], None],
        ahead: DrawingAhead,
    ) -> None:
        """open_revision: the document of a revision. changed: called after something was written. ahead: what is done once
        everything is prepared.
        """
        self._database = database
        self._service = service
        self._lock_path = folder / LOCK_NAME
        self._open_revision = open_revision
        self._changed = changed
        self._ahead = ahead
        self._lock = threading.Lock()
        self._looked = threading.Condition(self._lock)
        """A revision was prepared, or could not be."""
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._under_way: _UnderWay | None = None
        self._next: deque[RevisionKey] = deque()
        self._is_new = False
        """There may be newer revisions than those in `_next`."""
        self._not_before_s = 0.0
        self._failed: dict[RevisionKey, _Failed] = {}
        self._daily: list[Callable[[], object]] = []
        self._cleaned_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="sidebooks-prepare", daemon=True)
        self._has_started = False

    def start(self) -> None:
        """Begin. Before that, everything else can be called, too, and nothing is prepared."""
        self._has_started = True
        self._thread.start()

    def wake(self) -> None:
        """There is a new revision."""
        with self._lock:
            self._is_new = True
            if self._under_way is None and self._ahead.has_readers:
                self._not_before_s = time.monotonic() + BEGIN_AFTER_S
        self._wake.set()

    def notice(self, told: list[Change]) -> None:
        """The feed tells of changes, also of those that other processes have made."""
        if any(change.kind in WAKING for change in told):
            self.wake()

    def each_day(self, clean: Callable[[], object]) -> None:
        """Call something once a day, as long as this is open. It may raise StorageError."""
        with self._lock:
            self._daily.append(clean)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until everything is prepared that can be, by this process or another one. What has failed is not waited for.

        False if it was not within the time, or this was closed.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._closing.is_set():
            with self._database.reading() as reading:
                if prepared_rows.is_all_prepared(reading):
                    return True
            left_s = WAIT_LOOK_S if deadline_s is None else min(WAIT_LOOK_S, deadline_s - time.monotonic())
            if left_s <= 0:
                return False
            with self._looked:
                self._looked.wait(left_s)
        return False

    def progress(self, paper_id: str) -> Progress:
        """How far the present revision of a paper is. Raises RequestError."""
        with self._database.reading() as reading:
            revision = catalogue.revision(reading, paper_id, None)
            identified = len(catalogue.content_ids(reading, revision.paper, revision.number))
            indexed = identified - len(page_texts.missing(reading, revision.paper, revision.number))
            previews = prepared_rows.previews(reading, revision.paper, revision.number)
            has_failed = prepared_rows.has_failed(reading, revision.paper, revision.number)
        pages, done = revision.page_count, self._under_way
        if revision.is_prepared:
            return Progress(revision.paper, revision.number, pages, identified, pages, indexed)
        if done is not None and (done.paper, done.number) == (revision.paper, revision.number):
            previews = max(previews, done.previews)
        return Progress(revision.paper, revision.number, pages, identified, previews, indexed, has_failed)

    def close(self) -> None:
        self._closing.set()
        self._wake.set()
        with self._looked:
            self._looked.notify_all()
        if self._has_started:
            self._thread.join(10)

    def _run(self) -> None:
        lock: ProcessLock | None = None
        try:
            while True:
                self._wake.clear()  # before the look whether it closes, which sets both
                if self._closing.is_set():
                    return
                try:
                    self._closing.wait(max(0.0, self._not_before_s - time.monotonic()))
                    self._clean_daily()
                    if lock is None:
                        self._ahead.note_screens()
                        lock = self._begun()
                    if lock is None or not (self._prepare_next() or self._ahead.draw_some(self._has_other_work)):
                        self._wake.wait(self._pause_s())
                except ServiceClosed:
                    return
                except Exception:  # noqa: BLE001 - whatever it was, papers that come later are prepared
                    _log.exception("preparing is tried again in %s s", AGAIN_S)
                    self._closing.wait(AGAIN_S)
        finally:
            self._closing.set()  # who waits need not wait for this process any more
            if lock is not None:
                lock.release()

    def _has_other_work(self) -> bool:
        return self._is_new or self._closing.is_set()

    def _begun(self) -> ProcessLock | None:
        """The lock of the process that prepares. What has failed in the process before is tried again. None: another has it."""
        lock = try_lock(self._lock_path)
        if lock is None:
            return None
        try:
            with self._database.writing() as writing:
                prepared_rows.forget_failures(writing)
        except BaseException:
            lock.release()
            raise
        return lock

    def _clean_daily(self) -> None:
        if time.monotonic() - self._cleaned_s < DAY_S:
            return
        self._cleaned_s = time.monotonic()
        with self._lock:
            daily = list(self._daily)
        for clean in daily:
            try:
                clean()
            except StorageError:
                _log.exception("what was abandoned could not be removed; it is tried again in a day")

    def _pause_s(self) -> float:
        """How long to wait if nothing is told of."""
        due_s = min((one.again_s for one in self._failed.values()), default=float("inf")) - time.monotonic()
        return max(0.0, min(LOOK_EVERY_S, due_s))

    def _chosen(self) -> RevisionKey | None:
        """The revision that is prepared next: one that has failed and whose time has come, else the newest. None: none.

        Several are looked up together, since each look costs more, the more there are.
        """
        now_s = time.monotonic()
        due = next((key for key, failed in self._failed.items() if failed.again_s <= now_s), None)
        if due is not None:
            return due
        with self._lock:
            is_new, self._is_new = self._is_new, False
        if is_new or not self._next:
            with self._database.reading() as reading:
                self._next = deque(prepared_rows.unprepared(reading, REVISIONS_AT_ONCE))
            for key in self._next:  # it was opened anew, with a password say
                self._failed.pop(key, None)
        return self._next.popleft() if self._next else None

    def _prepare_next(self) -> bool:
        """Prepare one revision. False if there is none."""
        key = self._chosen()
        if key is None:
            return False
        with self._database.reading() as reading:
            found = catalogue.find_revision(reading, key.paper, key.number)
        if found is None or found.is_prepared or found.state != "ready":  # it was purged, say
            self._failed.pop(key, None)
            return True
        try:
            self._prepare(found)
        except (ServiceClosed, QueueFull):
            raise
        except Exception as fault:  # noqa: BLE001 - whatever one revision does, the others are prepared
            self._note_failure(key, fault)
        else:
            self._failed.pop(key, None)
        finally:
            self._under_way = None
        self._changed()
        with self._looked:
            self._looked.notify_all()
        return True

    def _note_failure(self, key: RevisionKey, fault: Exception) -> None:
        failed = self._failed.setdefault(key, _Failed())
        first_s = PAGES_AGAIN_S if isinstance(fault, _MayPass) else AGAIN_S
        pause_s = min(LONGEST_AGAIN_S, first_s * 2**failed.times)
        failed.times, failed.again_s = failed.times + 1, time.monotonic() + pause_s
        with self._database.writing() as writing:
            is_there = prepared_rows.add_failure(writing, key.paper, key.number)
        if not is_there:
            self._failed.pop(key, None)
        elif failed.times == 1:
            _log.warning("the revision %s of the paper %s cannot be prepared", key.number, key.paper, exc_info=fault)

    def _prepare(self, revision: Revision) -> None:
        under_way = self._under_way = _UnderWay(revision.paper, revision.number)
        document = self._open_revision(revision)
        try:
            for first in range(0, document.page_count, PAGES_AT_ONCE):
                if self._closing.is_set():
                    return
                self._prepare_pages(
                    revision, document, under_way, range(first, min(first + PAGES_AT_ONCE, document.page_count))
                )
        finally:
            if not self._is_there(revision):  # it was purged meanwhile, perhaps by another process
                let_go(self._database, self._service, [document])
        tried = self._failed.get(RevisionKey(revision.paper, revision.number))
        if under_way.may_pass and (tried is None or tried.times < TRIES - 1):
            raise _MayPass(f"pages of {document.name} could not be read or drawn in time")
        with self._database.writing() as writing:
            prepared_rows.set_prepared(writing, revision.paper, revision.number)

    def _is_there(self, revision: Revision) -> bool:
        with self._database.reading() as reading:
            return catalogue.find_revision(reading, revision.paper, revision.number) is not None

    def _prepare_pages(self, revision: Revision, document: Document, under_way: _UnderWay, pages: range) -> None:
        """Identify some pages, write down what they are, and make their previews. A page that fails has none."""
        images = self._service.parts.images
        identifying = [images.identify(document, page, Priority.BULK) for page in pages]
        for identified in identifying:
            under_way.note(identified.exception())
        known = {page: document.known_content_id(page) for page in pages}
        found = {page: content_id for page, content_id in known.items() if content_id is not None}
        with self._database.writing() as writing:
            catalogue.set_content_ids(writing, revision.paper, revision.number, found)
            stretches.refresh(writing, revision.paper, revision.number)  # pages that were on the shelf before have texts
        self._index(revision, document, under_way)
        previews: list[Request] = [one for page in pages for one in images.level(document, page, 0)]
        for drawn in [images.find(request, Priority.BULK) for request in previews]:
            under_way.note(drawn.exception())
            under_way.previews += 1
            if time.monotonic() - under_way.noted_s > NOTED_EVERY_S:
                under_way.noted_s = time.monotonic()
                with self._database.writing() as writing:
                    prepared_rows.set_previews(writing, revision.paper, revision.number, under_way.previews)

    def _index(self, revision: Revision, document: Document, under_way: _UnderWay) -> None:
        """Make the pages that are identified found by the search. A page that cannot be read is not found."""
        with self._database.reading() as reading:
            found = page_texts.missing(reading, revision.paper, revision.number)
        missing = {page: content_id for page, content_id in found.items() if page not in under_way.unreadable}
        reads = {page: self._service.parts.questions.text(document, page) for page in missing}
        read_now = {missing[page]: read.result() for page, read in reads.items() if not under_way.note(read.exception())}
        under_way.unreadable.update(page for page in missing if missing[page] not in read_now)
        texts = {content_id: page_texts.made_ready(text) for content_id, text in read_now.items()}
        if texts:
            with self._database.writing() as writing:
                page_texts.add(writing, texts)
            index.merge(self._database)
