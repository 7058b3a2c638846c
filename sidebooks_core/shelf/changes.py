"""The feed in the database: every change of the shelf has a number."""

from __future__ import annotations

import time

from msgspec import Struct

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.shelf.model import Change, ChangeKind, Deed, Who, actor_of


class Done(Struct, frozen=True):
    """What the audit says of a change."""

    who: Who = ""
    did: str = ""
    """The operation. Empty: it is nothing for an audit."""
    detail: str = ""


NOT_AUDITED = Done()


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


def deeds(reading: Reading, since: int, limit: int) -> list[Deed]:
    """The same changes, with all that an audit says of them."""
    query = """SELECT seq, at_s, did, folder, paper, revision, who, who_id, address, detail
        FROM change WHERE seq > ? ORDER BY seq LIMIT ?"""
    return reading.all(Deed, query, since, limit)


def last_change(reading: Reading) -> int:
    """The number of the newest change; 0 if there was none."""
    return reading.number("SELECT coalesce(max(seq), 0) FROM change")


def note_change(writing: Writing, kind: ChangeKind, about: About, done: Done = NOT_AUDITED) -> None:
    """Add a change to the feed."""
    actor = actor_of(done.who)
    detail = "; ".join(text for text in (done.detail, actor.detail) if text)
    writing.run(
        "INSERT INTO change (at_s, kind, folder, paper, revision, who, was_in, was_published, did, who_id, address, detail) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        time.time(), kind, about.folder, about.paper, about.revision, actor.name, about.was_in, about.was_published,
        done.did, actor.id, actor.address, detail,
    )  # fmt: skip


def forget_details(writing: Writing, paper_id: str) -> None:
    """A paper is purged: names that it had are not kept here."""
    writing.run("UPDATE change SET detail = '' WHERE paper = ?", paper_id)


def epoch(reading: Reading) -> str:
    """Another one than before: the numbers of the feed began anew, since a backup was restored."""
    return reading.one(str, "SELECT value FROM about WHERE name = 'epoch'") or ""


def epoch_from(reading: Reading) -> int:
    """The number of the last change of the epoch before: a backup has the same changes up to it as what it was made of."""
    return int(reading.one(str, "SELECT value FROM about WHERE name = 'epoch_from'") or "0")


def begin_epoch(writing: Writing) -> None:
    """The numbers of the feed begin anew in the eyes of clients: they ask for everything again."""
    writing.run("UPDATE about SET value = lower(hex(randomblob(8))) WHERE name = 'epoch'")
    writing.run("UPDATE about SET value = (SELECT coalesce(max(seq), 0) FROM change) WHERE name = 'epoch_from'")


def note_copy(writing: Writing) -> None:
    """This is a copy of a shelf, which nobody uses yet."""
    writing.run("INSERT OR IGNORE INTO about VALUES ('is_copy', '1')")


def is_copy(reading: Reading) -> bool:
    """Whether this is a copy that nobody has used yet: its numbers are those of the shelf that it was made of."""
    return bool(reading.number("SELECT EXISTS (SELECT 1 FROM about WHERE name = 'is_copy')"))


def forget_copy(writing: Writing) -> None:
    """The copy is in use."""
    writing.run("DELETE FROM about WHERE name = 'is_copy'")
