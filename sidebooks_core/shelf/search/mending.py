"""Checks the index against the texts, and makes it anew from them. Both go piece by piece, so nobody waits for long."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from sidebooks_core.databases.database import Database, Reading
from sidebooks_core.shelf.search import index, postings, stretches
from sidebooks_core.shelf.search.grams import grams_of_page
from sidebooks_core.shelf.search.index import Block
from sidebooks_core.shelf.search.page_texts import StoredText
from sidebooks_core.shelf.search.storing import folded_texts

PAPERS_AT_ONCE = 100
"""Papers whose stretches are looked at in one transaction."""
_END = 1 << 62


class _Piece(Struct, frozen=True):
    """Texts that are looked at together."""

    block: Block | None
    """That has them; None for texts behind all blocks."""
    above: int
    upto: int
    """Their ids lie between these; `upto` is one of them, if it can be."""
    texts: list[StoredText]


def rebuild(database: Database) -> int:
    """Make the index again from the texts. Returns how many pages it has.

    Each piece is made before the transaction that puts it in the place of what stood there. Searches meanwhile find what either
    has.
    """
    count, above = 0, -1
    while True:
        with database.reading() as reading:
            piece = _piece(reading, above)
        if piece.block is None and not piece.texts:
            break
        ids = [one.id for one in piece.texts]
        made = index.made([grams_of_page(folded_texts(one.text)) for one in piece.texts]) if ids else None
        with database.writing() as writing:
            present = _piece(writing, above)
            if present.block != piece.block or [one.id for one in present.texts] != ids:
                continue  # it was joined with others meanwhile, or texts were purged
            index.put(writing, (above, piece.upto), ids, made)
        count, above = count + len(ids), piece.upto
    index.sweep(database)
    for papers in _papers(database):
        with database.writing() as writing:
            for one in writing.all(
                _RevisionKey, "SELECT DISTINCT paper, revision FROM page WHERE paper BETWEEN ? AND ?", *papers
            ):
                stretches.refresh(writing, one.paper, one.revision)
    return count


def is_index_right(database: Database) -> bool:
    """Whether the index is what `rebuild` would make, but for what `index.settle` will do. Reads all of it, and all texts.

    Raises StorageDamaged.
    """
    above = -1
    while True:
        with database.reading() as reading:
            block = index.first_above(reading, above)
            if block is None:
                if reading.number("SELECT EXISTS (SELECT 1 FROM page_text WHERE id > ?)", above):
                    return False
                break
            doomed = index.doomed(reading)
            texts = _texts(reading, min(above, block.first - 1), block.last)
            pairs = index.all_pairs(reading, block)
        is_kept = ~np.isin(block.ids(), doomed)
        if [one.id for one in texts] != block.ids()[is_kept].tolist():
            return False
        made = postings.pairs_of([grams_of_page(folded_texts(one.text)) for one in texts])
        if not np.array_equal(made, postings.without(pairs, is_kept)):
            return False
        above = block.last
    return all(_are_stretches_right(database, papers) for papers in _papers(database))


def _piece(reading: Reading, above: int) -> _Piece:
    block = index.first_above(reading, above)
    texts = _texts(reading, above, block.last if block is not None else _END, index.SIZES[-1])
    is_all = block is not None and len(texts) < index.SIZES[-1]
    upto = block.last if block is not None and is_all else texts[-1].id if texts else above
    return _Piece(block, above, upto, texts)


def _texts(reading: Reading, above: int, upto: int, limit: int = -1) -> list[StoredText]:
    query = "SELECT id, content_id, text FROM page_text WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
    return reading.all(StoredText, query, above, upto, limit)


def _papers(database: Database) -> Iterator[tuple[str, str]]:
    """The first and the last id of some papers, for all papers that have pages."""
    last = ""
    while True:
        with database.reading() as reading:
            some = reading.all(
                str, "SELECT DISTINCT paper FROM page WHERE paper > ? ORDER BY paper LIMIT ?", last, PAPERS_AT_ONCE
            )
        if not some:
            return
        yield some[0], some[-1]
        last = some[-1]


def _are_stretches_right(database: Database, papers: tuple[str, str]) -> bool:
    standing = """SELECT count(*) FROM page JOIN page_text ON page_text.content_id = page.content_id
        WHERE page.paper BETWEEN ? AND ?"""
    told = """SELECT count(*) FROM stretch
        JOIN page ON page.paper = stretch.paper AND page.revision = stretch.revision
            AND page.page >= stretch.page AND page.page < stretch.page + stretch.count
        JOIN page_text ON page_text.content_id = page.content_id AND page_text.id - stretch.text = page.page - stretch.page
        WHERE stretch.paper BETWEEN ? AND ?"""
    with database.reading() as reading:
        counted = reading.number("SELECT coalesce(sum(count), 0) FROM stretch WHERE paper BETWEEN ? AND ?", *papers)
        return reading.number(standing, *papers) == reading.number(told, *papers) == counted


class _RevisionKey(Struct, frozen=True, array_like=True):
    paper: str
    revision: int
