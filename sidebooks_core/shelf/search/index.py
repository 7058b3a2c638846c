"""The index in the database: which texts have a gram. All SQL about it is here.

The index is made of blocks. A block has some texts whose ids follow one another, with all their grams: see `postings.py`. Texts
that come in together are a block, and small blocks are joined into larger ones (`merge`), so that a search reads few blocks. A
block is never changed: what changes it puts another one in its place, under another id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sidebooks_core.databases.database import Database, Reading, Writing
from sidebooks_core.errors import StorageDamaged
from sidebooks_core.shelf.search import postings
from sidebooks_core.shelf.search.compression import compress, decompress
from sidebooks_core.shelf.search.grams import Grams
from sidebooks_core.shelf.search.postings import Bucket, Pairs

Ids = NDArray[np.int64]

SIZES = (64, 4000)
"""Texts of the blocks into which smaller ones are joined. A block of 4000 pages takes some 300 MB of memory
while it is made, and there are 250 of them in a shelf of a million pages."""
NO_IDS: Ids = np.zeros(0, np.int64)
_BUCKETS = postings.MOST_BITS
Made = tuple[int, list[Bucket]]
"""A block before it is written: its bits, and its grams."""


class Block(Struct, frozen=True, array_like=True):
    """A block, without its grams."""

    id: int
    first: int
    """The lowest id of its texts."""
    last: int
    count: int
    """How many texts it has."""
    bits: int
    """See `postings.bits_for`."""
    texts: bytes
    """The ids of its texts, unless they are all from `first` to `last`."""

    def ids(self) -> Ids:
        """The ids of its texts, ascending. Raises StorageDamaged."""
        if self.count == self.last - self.first + 1:
            return np.arange(self.first, self.last + 1)
        try:
            ids = np.cumsum(np.frombuffer(decompress(self.texts), "<i8"))
        except ValueError as fault:
            raise _damaged(fault) from fault
        if len(ids) != self.count:
            raise _damaged("the ids of a block are not as many as its texts")
        return ids


def blocks(reading: Reading, below: int, above: int = -1) -> list[Block]:
    """The blocks with texts between two ids, the newest first."""
    query = (
        "SELECT id, first, last, count, bits, texts FROM gram_block WHERE first < ? AND last > ? ORDER BY first DESC, id DESC"
    )
    return reading.all(Block, query, below, above)


def texts_with(reading: Reading, block: Block, grams: Sequence[int]) -> Ids:
    """The ids of the texts of a block that have all of some grams, ascending; of all its texts for no gram."""
    pages: NDArray[np.uint16] | None = None
    for gram in grams:
        number = postings.bucket_of(gram, block.bits)
        data = reading.one(bytes, "SELECT pairs FROM gram_bucket WHERE place = ?", _place(block.id, number))
        if data is None:
            return NO_IDS
        try:
            found = postings.pages_of(data, gram, block.bits)
        except ValueError as fault:
            raise _damaged(fault) from fault
        pages = found if pages is None else np.intersect1d(pages, found, assume_unique=True)
        if not len(pages):
            return NO_IDS
    return block.ids() if pages is None else block.ids()[pages]


def add(writing: Writing, ids: Sequence[int], grams: Sequence[Grams]) -> None:
    """Add texts as a block. ids: ascending, and higher than all that are there. grams: of each text."""
    for first in range(0, len(ids), SIZES[-1]):
        some = slice(first, first + SIZES[-1])
        _write(writing, np.array(ids[some], np.int64), _packed(postings.pairs_of(grams[some])))


def doom(writing: Writing, gone: Iterable[int]) -> None:
    """Texts are gone. The index finds them still, until `settle` has made their blocks anew; that takes seconds, and nobody may
    wait for it.
    """
    writing.run_each("INSERT OR IGNORE INTO doomed_text (id) VALUES (?)", [(text,) for text in gone])


def doomed(reading: Reading) -> Ids:
    """The ids of texts that are gone, and that the index still has. Ascending."""
    return np.array(reading.all(int, "SELECT id FROM doomed_text ORDER BY id"), np.int64)


def settle(database: Database) -> int:
    """Take texts that are gone out of the index: no trace of them stays in it. Returns how many blocks were made anew.

    A block is made before the transaction that puts it in the place of the other one.
    """
    made = 0
    while True:
        with database.reading() as reading:
            gone = doomed(reading)
            found = _block_with(reading, gone)
            pairs = all_pairs(reading, found) if found is not None else None
        if found is None or pairs is None:
            if len(gone):
                with database.writing() as writing:
                    writing.run_each("DELETE FROM doomed_text WHERE id = ?", [(text,) for text in gone.tolist()])
            return made
        own = found.ids()
        is_kept = ~np.isin(own, gone)
        packed = _packed(postings.without(pairs, is_kept)) if is_kept.any() else None
        with database.writing() as writing:
            if not writing.number("SELECT EXISTS (SELECT 1 FROM gram_block WHERE id = ?)", found.id):
                continue  # it was joined with others meanwhile
            _delete(writing, found)
            if packed is not None:
                _write(writing, own[is_kept], packed)
            writing.run_each("DELETE FROM doomed_text WHERE id = ?", [(text,) for text in own[~is_kept].tolist()])
        made += 1


def _block_with(reading: Reading, ids: Ids) -> Block | None:
    """A block that has one of some texts."""
    between = blocks(reading, int(ids[-1]) + 1, int(ids[0]) - 1) if len(ids) else []
    return next((block for block in between if np.isin(block.ids(), ids).any()), None)


def first_above(reading: Reading, above: int) -> Block | None:
    """The oldest block that has texts above an id."""
    query = "SELECT id, first, last, count, bits, texts FROM gram_block WHERE last > ? ORDER BY last, id LIMIT 1"
    return reading.one(Block, query, above)


def made(grams: Sequence[Grams]) -> Made:
    """A block of texts, ready to be written."""
    return _packed(postings.pairs_of(grams))


def whole_blocks(reading: Reading, above: int) -> list[Block]:
    """The oldest block that has texts above an id, with all blocks that overlap it, as only damaged ones do."""
    first = first_above(reading, above)
    found = [first] if first is not None else []
    while True:
        more = blocks(reading, last_of(found) + 1, above) if found else []
        if len(more) <= len(found):
            return found
        found = more


def last_of(some: Sequence[Block]) -> int:
    """The highest id of blocks. A damaged block may have its first one there."""
    return max(max(block.first, block.last) for block in some)


def put(writing: Writing, between: tuple[int, int], parts: Iterable[tuple[Sequence[int], Made]]) -> None:
    """Put blocks in the place of all that have texts above the first of two ids, and up to the second.

    parts: the ids of the texts of each new block, and what `made` made of them. They must have all texts between these ids,
    also those of a block that ends behind the second one.
    """
    above, upto = between
    for one in blocks(writing, upto + 1, above):
        _delete(writing, one)
    for ids, block in parts:
        _write(writing, np.array(ids, np.int64), block)
    writing.run("DELETE FROM doomed_text WHERE id > ? AND id <= ?", above, upto)


def sweep(database: Database) -> None:
    """Remove grams that belong to no block."""
    lost = "SELECT place FROM gram_bucket WHERE place >> ? NOT IN (SELECT id FROM gram_block)"
    with database.reading() as reading:
        places = reading.all(int, lost, _BUCKETS)
    if places:
        with database.writing() as writing:
            writing.run(f"DELETE FROM gram_bucket WHERE place IN ({lost})", _BUCKETS)


def merge(database: Database) -> int:
    """Join small blocks into larger ones, until there are few. Returns how many were made.

    The larger block is made before the transaction that puts it in the place of the others, so that nobody waits for it. If
    one of these was changed meanwhile, it stays for the next time.
    """
    made = 0
    while True:
        with database.reading() as reading:
            chosen = to_join(blocks(reading, 1 << 62)[::-1])
            parts = [(all_pairs(reading, block), block.count) for block in chosen]
        if not chosen:
            return made
        ids = np.concatenate([block.ids() for block in chosen])
        whole = _packed(postings.joined(parts))
        with database.writing() as writing:
            present = {block.id for block in blocks(writing, chosen[-1].last + 1, chosen[0].first - 1)}
            if present != {block.id for block in chosen}:
                return made
            for block in chosen:
                _delete(writing, block)
            _write(writing, ids, whole)
        made += 1


def to_join(by_age: Sequence[Block]) -> list[Block]:
    """The blocks that are joined next, neighbours, the oldest first; none if there are few enough. by_age: the oldest first.

    A run of blocks smaller than a size is joined when it has so many texts together. So each text is moved once for each size.
    """
    for size in SIZES:
        run: list[Block] = []
        for block in by_age:
            run = [*run, block] if block.count < size else []
            if sum(one.count for one in run) >= size:
                return run if len(run) > 1 else []
    return []


def all_pairs(reading: Reading, block: Block) -> Pairs:
    """All grams of a block, as pairs of a gram and a place among its texts. Raises StorageDamaged."""
    begin = _place(block.id, 0)
    query = "SELECT place - ?1, pairs FROM gram_bucket WHERE place BETWEEN ?1 AND ?2 ORDER BY place"
    try:
        pairs = postings.unpacked(reading.all(Bucket, query, begin, _place(block.id + 1, 0) - 1), block.bits)
    except (ValueError, IndexError) as fault:
        raise _damaged(fault) from fault
    if len(pairs) and int((pairs & np.uint64(postings.MOST_PAGES - 1)).max()) >= block.count:
        raise _damaged("a block has grams of more texts than it has")
    return pairs


def _packed(pairs: Pairs) -> Made:
    bits = postings.bits_for(len(pairs))
    return bits, postings.packed(pairs, bits)


def _write(writing: Writing, ids: Ids, packed: Made) -> None:
    bits, buckets = packed
    first, last = int(ids[0]), int(ids[-1])
    is_dense = len(ids) == last - first + 1
    texts = b"" if is_dense else compress(np.diff(ids, prepend=np.zeros(1, np.int64)).astype("<i8").tobytes())
    writing.run(
        "INSERT INTO gram_block (first, last, count, bits, texts) VALUES (?, ?, ?, ?, ?)", first, last, len(ids), bits, texts
    )
    block = writing.number("SELECT max(id) FROM gram_block")
    writing.run_each(
        "INSERT INTO gram_bucket (place, pairs) VALUES (?, ?)", ((_place(block, one.number), one.data) for one in buckets)
    )


def _delete(writing: Writing, block: Block) -> None:
    writing.run("DELETE FROM gram_bucket WHERE place BETWEEN ? AND ?", _place(block.id, 0), _place(block.id + 1, 0) - 1)
    writing.run("DELETE FROM gram_block WHERE id = ?", block.id)


def _place(block: int, bucket: int) -> int:
    """The key of a bucket: those of a block lie beside one another."""
    return (block << _BUCKETS) | bucket


def _damaged(fault: object) -> StorageDamaged:
    return StorageDamaged(f"the index of the search is damaged ({fault}): rebuild it")
