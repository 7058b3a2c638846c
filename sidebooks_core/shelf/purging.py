"""Ends what purges have begun: at once if it can be, and else from a thread that tries again until it is done."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from sidebooks_core.databases.database import Database
from sidebooks_core.errors import ServiceClosed, SidebooksError
from sidebooks_core.service import Document, TileService
from sidebooks_core.shelf import caches, catalogue, doomed, upkeep
from sidebooks_core.shelf.originals import Originals
from sidebooks_core.shelf.search import index

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
CUT_TRIES = 2
_log = logging.getLogger("sidebooks_core.shelf")


class PendingPurges(Struct, frozen=True):
    """What is left of papers that were purged. It is removed as soon as it can be, also after a restart."""

    originals: int
    """Files. They stay while a backup or an export is made."""
    texts: int
    """Texts that the index of the search still has. Searches do not find them."""
    is_in_log: bool
    """The log of the database has something of them. It can be cut when nobody reads for a moment."""
    caches: list[str]
    """Cache folders, of which each is purged by who has it open with the shelf, or opens it next."""
    incoming: int = 0
    """Files that lay among those that come in, and may be what a process that was killed has left of the same content. They
    stay while somebody takes files in.
    """

    @property
    def is_empty(self) -> bool:
        """Whether no byte is left."""
        return not (self.originals or self.texts or self.is_in_log or self.caches or self.incoming)


def let_go(database: Database, service: TileService, opened: Iterable[Document]) -> None:
    """Remove what a process has of documents, unless a paper shows them. Raises ServiceClosed, StorageError."""
    for document in opened:
        with database.reading() as reading:
            is_shown = bool(catalogue.papers_of_document(reading, document.id))
        if not is_shown:
            service.purge(document, positions=True)


class Purger:
    """Thread-safe. `close()` it before the database and the service."""

    def __init__(self, database: Database, originals: Originals, service: TileService) -> None:
        """Raises StorageFailed if the cache folder cannot be written to."""
        self._database = database
        self._originals = originals
        self._service = service
        folder = service.settings.cache_dir
        self.cache_id = caches.enter(database, Path(folder) if folder is not None else None)
        """Of the cache folder of the service."""
        self._finishing = threading.Lock()
        self._is_in_log = False
        self._incoming: set[str] | None = None
        """Names of files that were there at the first try, and are to go; None: there was no try yet."""
        self._wake = threading.Condition()
        self._is_awake = self._closed = False
        self._opened: list[Document] = []
        self._thread: threading.Thread | None = None

    def finish(self, opened: Iterable[Document] = ()) -> PendingPurges:
        """Remove what can be removed now; a thread removes the rest later. opened: documents of such papers that are in use.

        Raises ServiceClosed, StorageFailed, StorageDamaged.
        """
        try:
            with self._finishing:
                self._incoming = None
                left = self._tried(opened)
        except SidebooksError:
            self._is_in_log = True
            self.wake()
            raise
        if self._is_mine(left):
            self.wake()
        return left

    def pending(self) -> PendingPurges:
        """What is left now."""
        with self._database.reading() as reading:
            paths = [os.fsdecode(one.path) for one in doomed.caches_waiting(reading)]
            originals, texts = len(catalogue.doomed(reading)), len(index.doomed(reading))
        incoming = (self._incoming or set()) & self._originals.incoming()
        return PendingPurges(originals, texts, self._is_in_log, paths, len(incoming))

    def wait(self, timeout_s: float) -> PendingPurges:
        """Wait until this process can do no more, or for so long. Returns what is left then."""
        deadline_s = time.monotonic() + timeout_s
        while self._is_mine(left := self.pending()) and time.monotonic() < deadline_s:
            time.sleep(min(FIRST_PAUSE_S, max(0.0, deadline_s - time.monotonic())))
        return left

    def wake(self, opened: Iterable[Document] = ()) -> None:
        """Something was purged, perhaps by another process: look, from the thread. opened: documents of it that are in use."""
        with self._wake:
            if self._closed:
                return
            self._opened += opened
            self._is_awake = True
            self._wake.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sidebooks-purging", daemon=True)
                self._thread.start()

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(10)

    def _tried(self, opened: Iterable[Document]) -> PendingPurges:
        """Under the lock."""
        is_cut = upkeep.finish_purges(self._database, self._originals, self._service, self.cache_id, opened)
        for _ in range(CUT_TRIES):
            if not is_cut:  # another thread may have cut it just then, or read for a moment
                time.sleep(0.02)
                is_cut = self._database.cut_log()
        self._is_in_log = not is_cut
        left = upkeep.remove_incoming(self._originals)
        self._incoming = left if self._incoming is None else self._incoming & left
        return self.pending()

    def _is_mine(self, left: PendingPurges) -> bool:
        """Whether this process can do something about it."""
        if left.originals or left.texts or left.is_in_log or left.incoming:
            return True
        with self._database.reading() as reading:
            found = doomed.waiting(reading, self.cache_id)
        return bool(found.revisions or found.pages)

    def _run(self) -> None:
        pause_s: float | None = FIRST_PAUSE_S
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._is_awake, pause_s)
                if self._closed:
                    return
                was_awake, self._is_awake = self._is_awake, False
                opened, self._opened = self._opened, []
            pause_s = FIRST_PAUSE_S if was_awake or pause_s is None else min(pause_s * 2, LONGEST_PAUSE_S)
            try:
                with self._finishing:
                    let_go(self._database, self._service, opened)
                    left = self._tried(())
                if not self._is_mine(left):
                    pause_s = None
            except ServiceClosed:
                return
            except SidebooksError:
                with self._wake:
                    self._opened = [*opened, *self._opened]
                if not self._closed:
                    _log.exception("what was purged could not be removed yet; it is tried again")
