"""Checks the index against the texts, and makes it anew from them. Both go piece by piece, so nobody waits for long."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

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
    """Texts that are indexed anew together."""

    blocks: list[Block]
    """That have them, whole; none for texts that are in no block."""
    above: int
    upto: int
    """The ids of the texts, and of all texts of the blocks, lie between these; `upto` is one of them."""
    ids: list[int]
    """Of the texts that are there, ascending."""


def rebuild(database: Database) -> int:
    """Make the index again from the texts. Returns how many pages it has.

    A piece covers whole blocks, and what is made of it takes their place in one transaction. So searches meanwhile find all,
    and if the process is killed, the index has all texts. Each piece is made before its transaction, so that nobody waits.
    """
    count, above = 0, -1
    while True:
        with database.reading() as reading:
            piece = _piece(reading, above)
        if piece is None:
            break
        parts = [part for ids in _divided(piece.ids) if (part := _made(database, ids)) is not None]
        with database.writing() as writing:
            if _piece(writing, above) != piece or sum(len(ids) for ids, _ in parts) != len(piece.ids):
                continue  # it was joined with others meanwhile, or texts were purged
            index.put(writing, (above, piece.upto), parts)
        count, above = count + len(piece.ids), piece.upto
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


def _piece(reading: Reading, above: int) -> _Piece | None:
    """The next piece; None if there is nothing above an id.

    Many texts before the next block are a piece of their own. So a piece has few texts more than its blocks.
    """
    whole = index.whole_blocks(reading, above)
    query = "SELECT id FROM page_text WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
    ahead = min(block.first for block in whole) - 1 if whole else _END
    ids = reading.all(int, query, above, ahead, index.SIZES[-1])
    if whole and len(ids) < index.SIZES[-1]:
        upto = index.last_of(whole)
        return _Piece(whole, above, upto, reading.all(int, query, above, upto, -1))
    return _Piece([], above, ids[-1], ids) if ids else None


def _divided(ids: list[int]) -> list[list[int]]:
    """Texts in as few blocks as their largest size allows, of nearly the same size."""
    blocks = -(-len(ids) // index.SIZES[-1])
    edges = [len(ids) * number // blocks for number in range(blocks + 1)] if blocks else [0]
    return [ids[start:stop] for start, stop in pairwise(edges)]


def _made(database: Database, ids: list[int]) -> tuple[list[int], index.Made] | None:
    """A block of texts, ready to be put; None if they are gone."""
    with database.reading() as reading:
        texts = _texts(reading, ids[0] - 1, ids[-1])
    grams = [grams_of_page(folded_texts(one.text)) for one in texts]
    return ([one.id for one in texts], index.made(grams)) if texts else None


def _texts(reading: Reading, above: int, upto: int) -> list[StoredText]:
    query = "SELECT id, content_id, text FROM page_text WHERE id > ? AND id <= ? ORDER BY id"
    return reading.all(StoredText, query, above, upto)


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
