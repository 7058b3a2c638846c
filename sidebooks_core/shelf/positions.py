"""The page at which each reader left off in each paper. It is kept with the revision that was read."""

from __future__ import annotations

import logging
import threading

from msgspec import Struct

from sidebooks_core.databases.database import Database, Writing
from sidebooks_core.errors import StorageError

WRITE_EVERY_S = 0.2
"""What was turned to within this time is written together."""
_log = logging.getLogger("sidebooks_core.shelf")


class Position(Struct, frozen=True, array_like=True):
    """A page of a revision."""

    revision: int
    page: int
    """From 0."""
    at_s: float = 0.0
    """When the reader was there: seconds since 1970 (UTC). 0: that is not known."""


class Positions:
    """Positions by paper and reader. Thread-safe. `keep` waits for no disk. `close()` it before the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = threading.Condition()
        self._waiting: dict[tuple[str, str], Position] = {}
        self._writing = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def find(self, paper_id: str, reader: str) -> Position | None:
        """Where a reader left off; None if that is not known."""
        with self._changed:
            waiting = self._waiting.get((paper_id, reader))
        if waiting is not None:
            return waiting
        with self._database.reading() as reading:
            query = "SELECT revision, page, at_s FROM position WHERE paper = ? AND reader = ?"
            return reading.one(Position, query, paper_id, reader)

    def latest(self, reader: str, limit: int) -> dict[str, Position]:
        """Where a reader left off, by paper, the latest first; at most so many papers."""
        query = "SELECT paper, revision, page, at_s FROM position WHERE reader = ? ORDER BY at_s DESC LIMIT ?"
        with self._changed:
            found = {paper: position for (paper, of), position in self._waiting.items() if of == reader}
        with self._database.reading() as reading:
            rows = reading.all(_Row, query, reader, limit)
        for row in rows:
            found.setdefault(row.paper, Position(row.revision, row.page, row.at_s))
        return dict(sorted(found.items(), key=lambda item: -item[1].at_s)[:limit])

    def keep(self, paper_id: str, reader: str, position: Position) -> None:
        """Keep where a reader is now. It is found at once, and is on the disk soon."""
        with self._changed:
            self._waiting[paper_id, reader] = position
            self._changed.notify_all()
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="sidebooks-positions", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Write what waits. Raises StorageFailed; then it waits still."""
        with self._writing:
            with self._changed:
                taken = dict(self._waiting)
            if not taken:
                return
            with self._database.writing() as writing:
                for (paper_id, reader), position in taken.items():
                    _write(writing, paper_id, reader, position)
            with self._changed:
                for key, position in taken.items():
                    if self._waiting.get(key) is position:
                        del self._waiting[key]

    def close(self) -> None:
        """Write what waits, and end."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(10)
        try:
            self.flush()
        except StorageError:
            _log.exception("where readers left off could not be written")

    def _run(self) -> None:
        while not self._closed.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._closed.is_set() or bool(self._waiting))
            try:
                self.flush()
            except StorageError:
                _log.exception("where readers left off could not be written; it is tried again")
                self._closed.wait(2)
            self._closed.wait(WRITE_EVERY_S)


class _Row(Struct, frozen=True, array_like=True):
    paper: str
    revision: int
    page: int
    at_s: float


def _write(writing: Writing, paper_id: str, reader: str, position: Position) -> None:
    """But for a paper that was purged meanwhile."""
    writing.run(
        "INSERT OR REPLACE INTO position (paper, reader, revision, page, at_s) "
        "SELECT id, ?2, ?3, ?4, ?5 FROM paper WHERE id = ?1",
        paper_id, reader, position.revision, position.page, position.at_s,
    )  # fmt: skip
