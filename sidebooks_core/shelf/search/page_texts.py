"""The texts of pages, one row for each content id, and the index over them. All SQL about texts is here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import overload

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sidebooks_core.databases.database import Database, Reading, Writing
from sidebooks_core.documents.model import PackedStream, PackedText
from sidebooks_core.errors import StorageDamaged
from sidebooks_core.shelf.catalogue import PageRow
from sidebooks_core.shelf.search import index, postings, stretches
from sidebooks_core.shelf.search.compression import compress, decompress
from sidebooks_core.shelf.search.grams import Grams, grams_of_page
from sidebooks_core.text.folding import fold
from sidebooks_core.text.packing import PARTS_PER_PT
from sidebooks_core.text.pages import PageText, Stream
from sidebooks_core.text.runs import Box

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
    return NewText(packed(text), grams_of(text))


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
    """Remove the texts of pages that no revision has any more. Returns how many."""
    query = "SELECT id FROM page_text WHERE content_id = ?1 AND NOT EXISTS (SELECT 1 FROM page WHERE content_id = ?1)"
    gone = [found for content_id in content_ids if (found := writing.one(int, query, content_id)) is not None]
    index.remove(writing, gone)
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
        index.add(writing, [row.id for row in rows], [grams_of(unpacked(row.text)) for row in rows])
        count += len(rows)
    for one in writing.all(_RevisionKey, "SELECT DISTINCT paper, revision FROM page"):
        stretches.refresh(writing, one.paper, one.revision)
    writing.run("DELETE FROM about WHERE name = 'index'")
    return count


def make_missing_index(database: Database) -> None:
    """Make the index if there is none: an older version made another one."""
    with database.reading() as reading:
        is_old = reading.one(str, "SELECT value FROM about WHERE name = 'index'") is not None
    if is_old:
        with database.writing() as writing:
            rebuild(writing)


def is_index_right(reading: Reading) -> bool:
    """Whether the index is what `rebuild` would make. Reads all of it, and all texts."""
    seen = -1
    for block in index.blocks(reading, 1 << 62)[::-1]:
        ids = block.ids().tolist()
        query = "SELECT id, content_id, text FROM page_text WHERE id > ? AND id <= ? ORDER BY id"
        rows = reading.all(StoredText, query, seen, block.last)
        if [row.id for row in rows] != ids:
            return False
        made = postings.pairs_of([grams_of(unpacked(row.text)) for row in rows])
        if not np.array_equal(made, index.all_pairs(reading, block)):
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


def grams_of(text: PackedText) -> Grams:
    """The grams of a page."""
    return grams_of_page(fold(stream.text) for stream in (text.written, text.read) if stream is not None)


def packed(text: PackedText) -> bytes:
    """A text as it is stored: neighbouring boxes differ by little, so their differences are compressed."""
    streams = [stream for stream in (text.written, text.read) if stream is not None]
    stored = [
        PackedStream(one.text, _differences(one.boxes, 4).tobytes(), _differences(one.lines, 1).tobytes()) for one in streams
    ]
    return compress(msgspec.msgpack.encode(stored))


def unpacked(stored: bytes) -> PackedText:
    """A text again. Raises StorageDamaged."""
    streams = [PackedStream(one.text, _sums(one.boxes, 4).tobytes(), _sums(one.lines, 1).tobytes()) for one in _streams(stored)]
    return PackedText(streams[0], streams[1] if len(streams) > 1 else None)


def readable(stored: bytes) -> PageText:
    """A text to be searched. Its boxes are made when they are asked for: few are. Raises StorageDamaged."""
    streams = [Stream(one.text, _Boxes(one.boxes), tuple(_sums(one.lines, 1).ravel().tolist())) for one in _streams(stored)]
    return PageText(streams[0], streams[1] if len(streams) > 1 else None)


class _RevisionKey(Struct, frozen=True, array_like=True):
    paper: str
    revision: int


class _Boxes(Sequence[Box]):
    """The boxes of characters, in points."""

    def __init__(self, differences: bytes) -> None:
        self._differences = differences

    @cached_property
    def _parts(self) -> NDArray[np.int32]:
        return _sums(self._differences, 4)

    def __len__(self) -> int:
        return len(self._differences) // 16

    @overload
    def __getitem__(self, place: int) -> Box: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Box]: ...
    def __getitem__(self, place: int | slice) -> Box | Sequence[Box]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        x0, y0, x1, y1 = self._parts[place].tolist()
        return x0 / PARTS_PER_PT, y0 / PARTS_PER_PT, x1 / PARTS_PER_PT, y1 / PARTS_PER_PT


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


def _streams(stored: bytes) -> list[PackedStream]:
    """The streams of a stored text, their numbers as differences. One or two. Raises StorageDamaged."""
    try:
        written, *read = msgspec.msgpack.decode(decompress(stored), type=list[PackedStream])
    except (msgspec.MsgspecError, ValueError) as fault:
        raise _damaged(fault) from fault
    streams = [written, *read[:1]]
    if not all(one.is_complete for one in streams):
        raise _damaged("it has not one box and one line for each character")
    return streams


def _damaged(fault: object) -> StorageDamaged:
    return StorageDamaged(f"the text of a page is damaged ({fault}): rebuild the index")


def _differences(numbers: bytes, columns: int) -> NDArray[np.int32]:
    values = np.frombuffer(numbers, dtype="<i4").reshape(-1, columns)
    with np.errstate(over="ignore"):
        return np.diff(values, axis=0, prepend=np.zeros((1, columns), dtype="<i4")).astype("<i4")


def _sums(differences: bytes, columns: int) -> NDArray[np.int32]:
    values = np.frombuffer(differences, dtype="<i4").reshape(-1, columns)
    return np.cumsum(values, axis=0, dtype="<i4").astype("<i4")
