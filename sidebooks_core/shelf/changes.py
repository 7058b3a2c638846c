"""The feed in the database: every change of the shelf has a number."""

from __future__ import annotations

import time

from msgspec import Struct

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.shelf.model import Change, ChangeKind


class About(Struct, frozen=True, kw_only=True):
    """What a change concerns. See `Change`."""

    folder: str | None = None
    paper: str | None = None
    revision: int | None = None
    was_in: str | None = None
    was_published: bool = True


def changes(reading: Reading, since: int, limit: int) -> list[Change]:
    """What happened after a number, in order, at most `limit` of it."""
    query = """SELECT seq, at_s, kind, folder, paper, revision, who, was_in, was_published FROM change
        WHERE seq > ? ORDER BY seq LIMIT ?"""
    return reading.all(Change, query, since, limit)


def last_change(reading: Reading) -> int:
    """The number of the newest change; 0 if there was none."""
    return reading.number("SELECT coalesce(max(seq), 0) FROM change")


def note_change(writing: Writing, kind: ChangeKind, about: About, who: str = "") -> None:
    """Add a change to the feed."""
    writing.run(
        "INSERT INTO change (at_s, kind, folder, paper, revision, who, was_in, was_published) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        time.time(), kind, about.folder, about.paper, about.revision, who, about.was_in,
        about.was_published,
    )  # fmt: skip


def epoch(reading: Reading) -> str:
    """Another one than before: the numbers of the feed began anew, since a backup was restored."""
    return reading.one(str, "SELECT value FROM about WHERE name = 'epoch'") or ""


def begin_epoch(writing: Writing) -> None:
    """The numbers of the feed begin anew in the eyes of clients: they ask for everything again."""
    writing.run("UPDATE about SET value = lower(hex(randomblob(8))) WHERE name = 'epoch'")
