"""The texts of pages, one row for each content id, and the index over them. All SQL about texts is here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.documents.model import PackedText
from sidebooks_core.shelf.catalogue import PageRow
from sidebooks_core.shelf.search import index, stretches
from sidebooks_core.shelf.search.grams import Grams, grams_of_page
from sidebooks_core.shelf.search.storing import folded_of, packed


class StoredText(Struct, frozen=True, array_like=True):
    """A row of a text."""

    id: int
    """Newer texts have higher ones."""
    content_id: str
    text: bytes


class NewText(Struct, frozen=True):
    """A text as it is stored, with its grams: see `made_ready`."""

    text: bytes
    grams: Grams


def made_ready(text: PackedText) -> NewText:
    """All that can be done before the transaction that stores a text."""
    folded = folded_of(text)
    return NewText(packed(text, folded), grams_of_page(folded))


def missing(reading: Reading, paper: str, revision: int) -> dict[int, str]:
    """The pages of a revision that are identified and have no text yet, with their content ids."""
    rows = reading.all(
        PageRow,
        "SELECT page, content_id FROM page WHERE paper = ? AND revision = ? "
        "AND content_id NOT IN (SELECT content_id FROM page_text) ORDER BY page",
        paper,
        revision,
    )
    return {row.page: row.content_id for row in rows}


def add(writing: Writing, texts: Mapping[str, NewText]) -> None:
    """Add the texts of pages by content id, but for those that are there, and for pages that were purged meanwhile."""
    query = "SELECT EXISTS (SELECT 1 FROM page WHERE content_id = ?1) > EXISTS (SELECT 1 FROM page_text WHERE content_id = ?1)"
    added = {content_id: text for content_id, text in texts.items() if writing.number(query, content_id)}
    ids: list[int] = []
    revisions: set[tuple[str, int]] = set()
    for content_id, text in added.items():
        writing.run("INSERT INTO page_text (content_id, text) VALUES (?, ?)", content_id, text.text)
        ids.append(writing.number("SELECT id FROM page_text WHERE content_id = ?", content_id))
        found = writing.all(_RevisionKey, "SELECT DISTINCT paper, revision FROM page WHERE content_id = ?", content_id)
        revisions.update((one.paper, one.revision) for one in found)
    index.add(writing, ids, [text.grams for text in added.values()])
    for paper, revision in sorted(revisions):
        stretches.refresh(writing, paper, revision)


def remove_unused(writing: Writing, content_ids: Iterable[str]) -> int:
    """Remove the texts of pages that no revision has any more; `index.settle` does the rest. Returns how many."""
    query = "SELECT id FROM page_text WHERE content_id = ?1 AND NOT EXISTS (SELECT 1 FROM page WHERE content_id = ?1)"
    gone = [found for content_id in content_ids if (found := writing.one(int, query, content_id)) is not None]
    index.doom(writing, gone)
    for row in gone:
        writing.run("DELETE FROM page_text WHERE id = ?", row)
    return len(gone)


def text_row(reading: Reading, row: int) -> StoredText | None:
    """The text of an id; None if it is gone."""
    return reading.one(StoredText, "SELECT id, content_id, text FROM page_text WHERE id = ?", row)


class _RevisionKey(Struct, frozen=True, array_like=True):
    paper: str
    revision: int
