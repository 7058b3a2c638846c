"""Where texts stand: runs of pages of a revision whose texts have ids that follow one another. All SQL about it is here.

The pages of a paper are indexed in their order, so a paper has few stretches, however many pages it has. So it is known within
a millisecond which texts a person may see.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from sidebooks_core.databases.database import Reading, Writing


class Stretch(Struct, frozen=True, array_like=True):
    """Pages of a revision with their texts."""

    paper: str
    revision: int
    page: int
    """The first one, from 0."""
    text: int
    """The id of its text. The next page has the next id."""
    count: int
    """How many pages."""


_STRETCH = "SELECT paper, revision, page, text, count FROM stretch"


def of_revision(reading: Reading, paper: str, revision: int) -> list[Stretch]:
    """The stretches of a revision, by page. Pages that are not indexed are in none."""
    return reading.all(Stretch, f"{_STRETCH} WHERE paper = ? AND revision = ? ORDER BY page", paper, revision)


def of_present_revisions(reading: Reading) -> list[Stretch]:
    """The stretches of the present revisions of all papers, in no order."""
    query = (
        "SELECT stretch.paper, stretch.revision, stretch.page, stretch.text, stretch.count FROM stretch "
        "JOIN paper ON paper.id = stretch.paper AND paper.revision = stretch.revision"
    )
    return reading.all(Stretch, query)


def unindexed(reading: Reading, limit: int) -> list[str]:
    """Papers whose present revision has pages that are not read yet, at most `limit` of them. A page that cannot be read, of a
    revision that is prepared, counts as read.
    """
    # CROSS JOIN: the few revisions of the index `revision_unindexed` come first, and not all papers.
    query = """SELECT paper.id FROM revision CROSS JOIN paper ON paper.id = revision.paper AND paper.revision = revision.number
        WHERE revision.state = 'ready' AND revision.is_prepared = 0 AND revision.page_count > (
            SELECT coalesce(sum(count), 0) FROM stretch WHERE paper = revision.paper AND revision = revision.number)
        LIMIT ?"""
    return reading.all(str, query, limit)


def newest(reading: Reading) -> int:
    """A number that is higher than before if a revision has other stretches than before; 0 if there were never any. It never
    falls, even if the newest stretches are deleted.
    """
    return reading.number("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'stretch'), 0)")


def papers_since(reading: Reading, number: int) -> list[str]:
    """The papers whose stretches changed since `newest` was a number."""
    return reading.all(str, "SELECT DISTINCT paper FROM stretch WHERE id > ?", number)


def refresh(writing: Writing, paper: str, revision: int) -> None:
    """Pages of a revision were identified, or have texts now: note where these stand."""
    rows = writing.all(
        _Place,
        "SELECT page.page, page_text.id FROM page JOIN page_text ON page_text.content_id = page.content_id "
        "WHERE page.paper = ? AND page.revision = ? ORDER BY page.page",
        paper,
        revision,
    )
    found = [Stretch(paper, revision, page, text, count) for page, text, count in _runs((row.page, row.text) for row in rows)]
    if found != of_revision(writing, paper, revision):
        writing.run("DELETE FROM stretch WHERE paper = ? AND revision = ?", paper, revision)
        writing.run_each(
            "INSERT INTO stretch (paper, revision, page, text, count) VALUES (?, ?, ?, ?, ?)",
            [(one.paper, one.revision, one.page, one.text, one.count) for one in found],
        )


class _Place(Struct, frozen=True, array_like=True):
    page: int
    text: int


def _runs(places: Iterable[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Runs of (page, text) that both go up by one: the first page, its text, and how many."""
    found: list[tuple[int, int, int]] = []
    for page, text in places:
        if found and page - found[-1][0] == text - found[-1][1] == found[-1][2]:
            found[-1] = (found[-1][0], found[-1][1], found[-1][2] + 1)
        else:
            found.append((page, text, 1))
    return found
