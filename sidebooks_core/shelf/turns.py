"""The times of papers: when one begins or ends, the feed says so, once.

The row keeps the last turn that was told, and the next one. If the clock says otherwise, that is told, and the row is set, in
one transaction. So neither a restart nor several processes make a
turn told again. If the clock is set back over a turn, the paper is told as it is by then, and the turn is told again when it
comes.
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
    turned_s: float | None
    withdrawn_s: float | None
    at_s: float
    """The turn, of those that the clock has passed, in either direction."""


def first_turn(reading: Reading) -> float | None:
    """The earliest turn of all papers that is still to be told; None: there is none."""
    return reading.one(float, "SELECT turns_s FROM paper WHERE turns_s IS NOT NULL ORDER BY turns_s LIMIT 1")


def last_turn(reading: Reading) -> float | None:
    """The latest turn of all papers that was told; None: there is none. If it is still to come, the clock was set back."""
    return reading.one(float, "SELECT turned_s FROM paper WHERE turned_s IS NOT NULL ORDER BY turned_s DESC LIMIT 1")


def set_turns(writing: Writing, paper_id: str, from_s: float | None, until_s: float | None) -> None:
    """A paper has this time from now on, and whoever hears of that knows how it is now. In seconds since 1970 (UTC)."""
    now_s, turns = time.time(), [one for one in (from_s, until_s) if one is not None]
    turned_s = max((one for one in turns if one <= now_s), default=None)
    turns_s = min((one for one in turns if one > now_s), default=None)
    query = "UPDATE paper SET from_s = ?, until_s = ?, turned_s = ?, turns_s = ? WHERE id = ?"
    writing.run(query, from_s, until_s, turned_s, turns_s, paper_id)


def tell_turns(writing: Writing, now_s: float, paper_id: str | None = None) -> None:
    """Add the turns that are due to the feed: of one paper, or of all. A paper that is withdrawn turns without a word.

    now_s: read from the clock within the transaction. One from before it may be earlier than what another process has told.
    """
    query = """SELECT id, folder, revision, from_s, until_s, turned_s, withdrawn_s, turns_s AS at_s FROM paper
        WHERE turns_s IS NOT NULL AND turns_s <= ?1 AND (?2 IS NULL OR id = ?2)
        UNION ALL SELECT id, folder, revision, from_s, until_s, turned_s, withdrawn_s, turned_s AS at_s FROM paper
        WHERE turned_s IS NOT NULL AND turned_s > ?1 AND (?2 IS NULL OR id = ?2) ORDER BY at_s"""
    for one in writing.all(_Turn, query, now_s, paper_id):
        was_open = one.turned_s == one.from_s  # also if both are None: it is open until it ends
        has_begun = one.from_s is None or one.from_s <= now_s
        is_over = one.until_s is not None and one.until_s <= now_s
        turned_s = one.until_s if is_over else one.from_s if has_begun else None
        turns_s = None if is_over else one.until_s if has_begun else one.from_s
        writing.run("UPDATE paper SET turned_s = ?, turns_s = ? WHERE id = ?", turned_s, turns_s, one.id)
        if one.withdrawn_s is None:
            kind: ChangeKind = "paper opened" if has_begun and not is_over else "paper closed"
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
                    first_s, last_s = first_turn(reading), last_turn(reading)
                now_s = time.time()
                if (last_s is None or last_s <= now_s) and (first_s is None or first_s > now_s):
                    wait_s = LOOK_EVERY_S if first_s is None else min(LOOK_EVERY_S, first_s - now_s)
                    continue
                with self._database.writing() as writing:
                    tell_turns(writing, time.time())
                self._changed()
                wait_s = 0.0
            except StorageError:
                if not self._closing.is_set():
                    _log.exception("the times of papers cannot be told; it is tried again")
