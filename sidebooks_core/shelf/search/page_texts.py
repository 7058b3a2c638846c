"""The texts of pages, one row for each content id, and the index over them. All SQL about text is here."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable

import msgspec
import numpy as np
from msgspec import Struct

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.documents.model import PackedStream, PackedText
from sidebooks_core.errors import StorageDamaged
from sidebooks_core.shelf.catalogue import PageRow
from sidebooks_core.shelf.search.bigrams import pairs_of_page
from sidebooks_core.text.folding import fold

_LEVEL = 6
"""Of zlib: a page of Japanese takes 3 to 5 kB with its boxes."""
MOST_UNPACKED = 256 << 20
"""Bytes that a stored text may have when it is unpacked."""


class Candidate(Struct, frozen=True, array_like=True):
    """A page that may match."""

    id: int
    """The number of its row. Newer texts have higher ones."""
    content_id: str
    text: bytes


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


def add(writing: Writing, content_id: str, text: PackedText) -> None:
    """Add the text of a page, unless it is there, or the page was purged while it was read."""
    query = "SELECT EXISTS (SELECT 1 FROM page WHERE content_id = ?1) > EXISTS (SELECT 1 FROM page_text WHERE content_id = ?1)"
    if writing.number(query, content_id):
        writing.run("INSERT INTO page_text (content_id, text) VALUES (?, ?)", content_id, packed(text))
        row = writing.number("SELECT id FROM page_text WHERE content_id = ?", content_id)
        writing.run("INSERT INTO page_pairs (rowid, pairs) VALUES (?, ?)", row, pairs_of(text))


def remove_unused(writing: Writing, content_ids: Iterable[str]) -> int:
    """Remove the texts of pages that no revision has any more. Returns how many."""
    removed = 0
    for content_id in content_ids:
        found = writing.one(
            Candidate,
            "SELECT id, content_id, text FROM page_text WHERE content_id = ?1 "
            "AND NOT EXISTS (SELECT 1 FROM page WHERE content_id = ?1)",
            content_id,
        )
        if found is not None:
            # FTS5 needs the same words that it was given, since it does not keep them (see "contentless tables" there).
            pairs = pairs_of(unpacked(found.text))
            writing.run("INSERT INTO page_pairs (page_pairs, rowid, pairs) VALUES ('delete', ?, ?)", found.id, pairs)
            writing.run("DELETE FROM page_text WHERE id = ?", found.id)
            removed += 1
    return removed


def rebuild(writing: Writing) -> int:
    """Make the index again from the texts. Returns how many pages it has."""
    writing.run("INSERT INTO page_pairs (page_pairs) VALUES ('delete-all')")
    count, last = 0, 0
    while rows := writing.all(Candidate, "SELECT id, content_id, text FROM page_text WHERE id > ? ORDER BY id LIMIT 200", last):
        for row in rows:
            writing.run("INSERT INTO page_pairs (rowid, pairs) VALUES (?, ?)", row.id, pairs_of(unpacked(row.text)))
        count, last = count + len(rows), rows[-1].id
    return count


def is_index_right(reading: Reading) -> bool:
    """Whether the index is what `rebuild` would make. Reads all of it, and all texts."""
    reading.look_into_index("page_pairs")
    kept = reading.number("SELECT count(*) FROM page_text")
    found = _Sum()
    for one in reading.each(_Instance, "SELECT term, doc, offset FROM temp.page_pairs_instance"):
        found.add(one.term, one.doc, one.offset)
    made, last, count = _Sum(), 0, 0
    while rows := reading.all(Candidate, "SELECT id, content_id, text FROM page_text WHERE id > ? ORDER BY id LIMIT 200", last):
        for row in rows:
            for offset, term in enumerate(pairs_of(unpacked(row.text)).split()):
                made.add(term, row.id, offset)
        count, last = count + len(rows), rows[-1].id
    return count == kept and found.value == made.value


class _Instance(Struct, frozen=True, array_like=True):
    term: str
    doc: int
    offset: int


class _Sum:
    """A digest of words with their places that does not depend on their order."""

    def __init__(self) -> None:
        self.value = 0

    def add(self, term: str, row: int, offset: int) -> None:
        digest = hashlib.blake2b(f"{row} {offset} {term}".encode(), digest_size=8).digest()
        self.value = (self.value + int.from_bytes(digest, "little")) % (1 << 64)


def candidates(reading: Reading, match: str, before: int, limit: int) -> list[Candidate]:
    """Pages that may match, the newest first. before: only those whose row has a lower number."""
    return reading.all(
        Candidate,
        "SELECT page_text.id, page_text.content_id, page_text.text FROM page_pairs "
        "JOIN page_text ON page_text.id = page_pairs.rowid "
        "WHERE page_pairs MATCH ? AND page_pairs.rowid < ? ORDER BY page_pairs.rowid DESC LIMIT ?",
        match,
        before,
        limit,
    )


def pairs_of(text: PackedText) -> str:
    """The words of the index for a page."""
    return pairs_of_page(fold(stream.text) for stream in (text.written, text.read) if stream is not None)


def packed(text: PackedText) -> bytes:
    """A text as it is stored: neighbouring boxes differ by little, so their differences are compressed."""
    streams = [stream for stream in (text.written, text.read) if stream is not None]
    stored = [
        PackedStream(one.text, _differences(one.boxes, 4).tobytes(), _differences(one.lines, 1).tobytes()) for one in streams
    ]
    return zlib.compress(msgspec.msgpack.encode(stored), _LEVEL)


def unpacked(stored: bytes) -> PackedText:
    """A text again. Raises StorageDamaged."""
    try:
        unpacking = zlib.decompressobj()
        plain = unpacking.decompress(stored, MOST_UNPACKED)
        written, *read = msgspec.msgpack.decode(plain, type=list[PackedStream])
        streams = [PackedStream(one.text, _sums(one.boxes, 4), _sums(one.lines, 1)) for one in (written, *read[:1])]
    except (zlib.error, msgspec.MsgspecError, ValueError) as fault:
        raise StorageDamaged(f"the text of a page is damaged ({fault}): rebuild the index") from fault
    return PackedText(streams[0], streams[1] if len(streams) > 1 else None)


def _differences(numbers: bytes, columns: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    values = np.frombuffer(numbers, dtype="<i4").reshape(-1, columns)
    with np.errstate(over="ignore"):
        return np.diff(values, axis=0, prepend=np.zeros((1, columns), dtype="<i4")).astype("<i4")


def _sums(differences: bytes, columns: int) -> bytes:
    values = np.frombuffer(differences, dtype="<i4").reshape(-1, columns)
    return np.cumsum(values, axis=0, dtype="<i4").astype("<i4").tobytes()
