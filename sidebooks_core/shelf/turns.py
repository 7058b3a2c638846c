"""The times of papers: when one begins or ends, the feed says so, once.

The row of a paper has its next turn. It is told, and moves on, in one transaction. So neither a restart, nor several processes,
nor a clock that is set back make it told again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from msgspec import Struct

from sidebooks_core.databases.database import Database, Reading, Writing
from sidebooks_core.errors import StorageError
from sidebooks_core.shelf.changes import About, note_change
from sidebooks_core.shelf.folders import way_ids
from sidebooks_core.shelf.model import ChangeKind

LOOK_EVERY_S = 0.5
"""The longest wait until a look. So a turn that another process has set, and a clock that is set, are noticed in time."""
_log = logging.getLogger("sidebooks_core.shelf")


class _Turn(Struct, frozen=True, array_like=True):
    id: str
    folder: str | None
    revision: int
    from_s: float | None
    until_s: float | None
    turns_s: float
    withdrawn_s: float | None


def next_turn(from_s: float | None, until_s: float | None, now_s: float) -> float | None:
    """When the time of a paper begins or ends next; None: never. All in seconds since 1970 (UTC)."""
    return next((one for one in (from_s, until_s) if one is not None and one > now_s), None)


def first_turn(reading: Reading) -> float | None:
    """The earliest turn of all papers; None: there is none."""
    return reading.one(float, "SELECT turns_s FROM paper WHERE turns_s IS NOT NULL ORDER BY turns_s LIMIT 1")


def tell_turns(writing: Writing, now_s: float, paper_id: str | None = None) -> None:
    """Add the turns that are due to the feed: of one paper, or of all. A paper that is withdrawn turns without a word."""
    query = """SELECT id, folder, revision, from_s, until_s, turns_s, withdrawn_s FROM paper
        WHERE turns_s IS NOT NULL AND turns_s <= ?1 AND (?2 IS NULL OR id = ?2) ORDER BY turns_s"""
    for one in writing.all(_Turn, query, now_s, paper_id):
        was_open = one.turns_s == one.until_s
        is_over = one.until_s is not None and one.until_s <= now_s
        writing.run("UPDATE paper SET turns_s = ? WHERE id = ?", None if is_over else one.until_s, one.id)
        if one.withdrawn_s is None:
            kind: ChangeKind = "paper closed" if is_over else "paper opened"
            was_in = way_ids(writing, one.folder)
            about = About(folder=one.folder, paper=one.id, revision=one.revision, was_in=was_in, was_published=was_open)
            note_change(writing, kind, about)


class Turns:
    """A thread that tells turns when they come. `close()` it."""

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        """changed: called after a turn was told."""
        self._database = database
        self._changed = changed
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sidebooks-turns", daemon=True)
        self._has_started = False

    def start(self) -> None:
        """Begin. A turn that came while no process ran is told at once."""
        self._has_started = True
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._has_started:
            self._thread.join(10)

    def _run(self) -> None:
        wait_s = 0.0
        while not self._closing.wait(wait_s):
            wait_s = LOOK_EVERY_S
            try:
                with self._database.reading() as reading:
                    first_s = first_turn(reading)
                if first_s is None:
                    continue
                now_s = time.time()
                if first_s > now_s:
                    wait_s = min(LOOK_EVERY_S, first_s - now_s)
                    continue
                with self._database.writing() as writing:
                    tell_turns(writing, now_s)
                self._changed()
                wait_s = 0.0
            except StorageError:
                if not self._closing.is_set():
                    _log.exception("the times of papers cannot be told; it is tried again")
