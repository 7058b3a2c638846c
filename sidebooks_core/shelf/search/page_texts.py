"""The texts of pages, one row for each content id, and the index over them. All SQL about texts is here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from msgspec import Struct

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.documents.model import PackedText
from sidebooks_core.shelf.catalogue import PageRow
from sidebooks_core.shelf.search import index, postings, stretches
from sidebooks_core.shelf.search.grams import Grams, grams_of_page
from sidebooks_core.shelf.search.storing import folded_of, folded_texts, packed

_AT_ONCE = 256
"""Texts that are read together while the index is made."""


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


def rebuild(writing: Writing) -> int:
    """Make the index again from the texts. Returns how many pages it has."""
    index.clear(writing)
    count = 0
    for rows in _in_pieces(_all(writing), index.SIZES[-1]):
        index.add(writing, [row.id for row in rows], [_stored_grams(row.text) for row in rows])
        count += len(rows)
    for one in writing.all(_RevisionKey, "SELECT DISTINCT paper, revision FROM page"):
        stretches.refresh(writing, one.paper, one.revision)
    return count


def is_index_right(reading: Reading) -> bool:
    """Whether the index is what `rebuild` would make, but for what `index.settle` will do. Reads all of it, and all texts."""
    seen, doomed = -1, index.doomed(reading)
    for block in index.blocks(reading, 1 << 62)[::-1]:
        is_kept = ~np.isin(block.ids(), doomed)
        ids = block.ids()[is_kept].tolist()
        query = "SELECT id, content_id, text FROM page_text WHERE id > ? AND id <= ? ORDER BY id"
        rows = reading.all(StoredText, query, seen, block.last)
        if [row.id for row in rows] != ids:
            return False
        made = postings.pairs_of([_stored_grams(row.text) for row in rows])
        if not np.array_equal(made, postings.without(index.all_pairs(reading, block), is_kept)):
            return False
        seen = block.last
    if reading.number("SELECT count(*) FROM page_text WHERE id > ?", seen):
        return False
    standing = "SELECT count(*) FROM page JOIN page_text ON page_text.content_id = page.content_id"
    told = """SELECT count(*) FROM stretch
        JOIN page ON page.paper = stretch.paper AND page.revision = stretch.revision
            AND page.page >= stretch.page AND page.page < stretch.page + stretch.count
        JOIN page_text ON page_text.content_id = page.content_id AND page_text.id - stretch.text = page.page - stretch.page"""
    counted = reading.number("SELECT coalesce(sum(count), 0) FROM stretch")
    return reading.number(standing) == reading.number(told) == counted


def _stored_grams(stored: bytes) -> Grams:
    return grams_of_page(folded_texts(stored))


class _RevisionKey(Struct, frozen=True, array_like=True):
    paper: str
    revision: int


def _all(reading: Reading) -> Iterator[StoredText]:
    last = -1
    query = "SELECT id, content_id, text FROM page_text WHERE id > ? ORDER BY id LIMIT ?"
    while rows := reading.all(StoredText, query, last, _AT_ONCE):
        yield from rows
        last = rows[-1].id


def _in_pieces(rows: Iterator[StoredText], size: int) -> Iterator[list[StoredText]]:
    piece: list[StoredText] = []
    for row in rows:
        piece.append(row)
        if len(piece) == size:
            yield piece
            piece = []
    if piece:
        yield piece
