"""How far revisions are prepared, in the database, so that every process can tell it.

Each function is one step within a transaction that its caller holds.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.shelf.catalogue import about_paper, require_paper
from sidebooks_core.shelf.changes import note_change

_IS_WAITING = "revision.state = 'ready' AND revision.is_prepared = 0 AND revision.failures = 0"
"""As in the index `revision_unprepared`."""


class RevisionKey(Struct, frozen=True, array_like=True):
    """A revision of a paper."""

    paper: str
    number: int


def unprepared(reading: Reading, limit: int) -> list[RevisionKey]:
    """Revisions that can be read and are not prepared, at most `limit` of them: those that papers show now; if there are none,
    earlier ones. The newest of them come first. Those that could not be prepared are left out.
    """
    query = f"""SELECT revision.paper, revision.number FROM revision INDEXED BY revision_unprepared
        JOIN paper ON paper.id = revision.paper WHERE {_IS_WAITING} AND (paper.revision = revision.number) = ?
        ORDER BY revision.registered_s DESC LIMIT ?"""
    return reading.all(RevisionKey, query, 1, limit) or reading.all(RevisionKey, query, 0, limit)


def is_all_prepared(reading: Reading) -> bool:
    """Whether every revision is prepared, but for those that could not be."""
    return reading.one(int, f"SELECT 1 FROM revision INDEXED BY revision_unprepared WHERE {_IS_WAITING} LIMIT 1") is None


def set_prepared(writing: Writing, paper_id: str, number: int) -> bool:
    """A revision is prepared. False if it was purged meanwhile."""
    query = "UPDATE revision SET is_prepared = 1, failures = 0, previews = page_count WHERE paper = ? AND number = ?"
    if not writing.run(query, paper_id, number):
        return False
    about = about_paper(writing, require_paper(writing, paper_id))
    note_change(writing, "paper prepared", replace(about, revision=number))
    return True


def set_previews(writing: Writing, paper_id: str, number: int, previews: int) -> None:
    """So many pages of a revision have their previews."""
    writing.run("UPDATE revision SET previews = ? WHERE paper = ? AND number = ?", previews, paper_id, number)


def previews(reading: Reading, paper_id: str, number: int) -> int:
    """How many pages of a revision have their previews; 0 if there is no such revision."""
    return reading.one(int, "SELECT previews FROM revision WHERE paper = ? AND number = ?", paper_id, number) or 0


def add_failure(writing: Writing, paper_id: str, number: int) -> bool:
    """A revision could not be prepared. False if it was purged meanwhile."""
    return writing.run("UPDATE revision SET failures = failures + 1 WHERE paper = ? AND number = ?", paper_id, number) > 0


def has_failed(reading: Reading, paper_id: str, number: int) -> bool:
    """Whether a revision could not be prepared. It is tried again."""
    query = "SELECT 1 FROM revision WHERE paper = ? AND number = ? AND is_prepared = 0 AND failures > 0"
    return reading.one(int, query, paper_id, number) is not None


def forget_failures(writing: Writing) -> None:
    """What could not be prepared is tried again."""
    writing.run("UPDATE revision SET failures = 0 WHERE failures > 0")
