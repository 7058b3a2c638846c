"""The audit: rows that are only ever added, each chained to the one before by a hash.

A row that was changed or taken out breaks the chain. Who can write the file can also take away the newest rows, or write all of
them anew. Therefore the head, the number and hash of the last row, goes to the log from time to time; a head that was kept
elsewhere shows both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from sidebooks_core.access.model import AccessLimits, AuditRow, PaperReader, What
from sidebooks_core.access.operations import Operation
from sidebooks_core.access.people import clean
from sidebooks_core.access.principals import Principal
from sidebooks_core.databases.database import Reading, Value, Writing
from sidebooks_core.errors import RequestError

OPENED = "opened"
"""The operation of an entry that says that somebody opened a paper."""
ONCE = frozenset({OPENED, Operation.READ_ORIGINAL.value})
"""Operations that are kept once for each reader and revision within a time."""
BEGINNING = ""
"""In the place of a hash before the first row."""
LONGEST = 1000
"""Characters of a text in an entry."""
COLUMNS = "seq, at_s, person, name, operation, paper, revision, document, address, detail, hash"


class Entry(Struct, frozen=True):
    """What becomes a row."""

    at_s: float
    person: str
    name: str
    operation: str
    what: What
    address: str
    detail: str

    def opening(self) -> tuple[str, str, str, int | None]:
        """What makes two openings, or two downloads, the same. Citizens are told apart by their address."""
        reader, about = self.person or f"@{self.address}", self.what.paper or self.what.document
        return (self.operation, reader, about, self.what.revision)


class TakenOver(Struct, frozen=True, array_like=True):
    """Up to where the audit has the entries of another store."""

    epoch: str
    """Empty: it has none."""
    seq: int


class Wanted(Struct, frozen=True):
    """Which rows. None, or empty: all."""

    since_s: float | None = None
    until_s: float | None = None
    paper: str = ""
    person: str = ""
    """An id, or a name."""
    after: int = 0
    """Only rows with a higher number."""


def entry(at_s: float, who: Principal | str, operation: str, what: What | str, address: str, detail: str) -> Entry:
    """who: a principal, or a name for what no principal does, such as a command. what: a text is a paper's id."""
    person, name = (who.id, who.told_name) if isinstance(who, Principal) else ("", who)
    about = what if isinstance(what, What) else What(paper=what)
    return Entry(at_s, person, kept(name), str(operation), about, kept(address), kept(detail))


def kept(text: str) -> str:
    """A text as an entry has it."""
    return clean(text.encode("utf-8", "replace").decode(), LONGEST)


def row_hash(before: str, row: AuditRow) -> str:
    """SHA-256 of the hash of the row before and of all that a row says but its own hash. Hexadecimal. Pure."""
    said = [getattr(row, name) for name in row.__struct_fields__ if name != "hash"]
    return hashlib.sha256(before.encode() + b"\n" + msgspec.json.encode(said)).hexdigest()


class _Head(Struct, frozen=True, array_like=True):
    seq: int
    hash: str


def append(writing: Writing, entries: Iterable[Entry], limits: AccessLimits) -> str:
    """Add rows behind the last one; the transaction lets nobody come between. Returns the head.

    An opening or a download that was recorded a short time before, also by another process, is left out.
    """
    head = _head(writing)
    for one in entries:
        if one.operation in ONCE and _is_recorded(writing, one, limits):
            continue
        said = (one.person, one.name, one.operation, one.what.paper, one.what.revision, one.what.document)
        row = AuditRow(head.seq + 1, one.at_s, *said, one.address, one.detail, "")
        head = _Head(row.seq, row_hash(head.hash, row))
        values: list[Value] = [getattr(row, name) for name in row.__struct_fields__ if name != "hash"]
        writing.run(f"INSERT INTO audit ({COLUMNS}) VALUES ({', '.join('?' * 11)})", *values, head.hash)
    return _told(head)


def taken_over(reading: Reading) -> TakenOver:
    """Up to where the entries of another store are here."""
    return reading.one(TakenOver, "SELECT epoch, seq FROM taken_over") or TakenOver("", 0)


def set_taken_over(writing: Writing, now: TakenOver) -> None:
    writing.run("UPDATE taken_over SET epoch = ?, seq = ?", now.epoch, now.seq)


def head(reading: Reading) -> str:
    """The number and the hash of the last row, as "12:9f86…". "0:" if there is none."""
    return _told(_head(reading))


def rows(reading: Reading, wanted: Wanted, limit: int) -> list[AuditRow]:
    """Those that are wanted, in their order: the newest `limit` of them, or if `after` is told, the first behind that."""
    conditions: list[tuple[str, tuple[Value, ...]]] = [("seq > ?", (wanted.after,))]
    if wanted.since_s is not None:
        conditions.append(("at_s >= ?", (wanted.since_s,)))
    if wanted.until_s is not None:
        conditions.append(("at_s < ?", (wanted.until_s,)))
    if wanted.paper:
        conditions.append(("paper = ?", (wanted.paper,)))
    if wanted.person:
        conditions.append(("(person = ? OR name = ?)", (wanted.person, wanted.person)))
    order = "ASC" if wanted.after else "DESC"
    query = f"SELECT {COLUMNS} FROM audit WHERE {' AND '.join(text for text, _ in conditions)} ORDER BY seq {order} LIMIT ?"
    found = reading.all(AuditRow, query, *(value for _, values in conditions for value in values), limit)
    return found if wanted.after else found[::-1]


def readers(reading: Reading, paper: str) -> list[PaperReader]:
    """Who opened a paper. Whoever opened it first comes first."""
    return reading.all(
        PaperReader,
        "SELECT person, name, min(at_s), max(at_s), count(*) FROM audit WHERE paper = ? AND operation = ?"
        " GROUP BY person, CASE person WHEN '' THEN name ELSE '' END ORDER BY min(seq)",
        paper,
        OPENED,
    )


def faults(reading: Reading, anchor: str | None) -> list[str]:
    """What is wrong with the chain, in words; empty if nothing is. anchor: a head that was kept elsewhere.

    Raises RequestError if that is none.
    """
    kept = _parsed(anchor) if anchor is not None else None
    found = list(_broken(reading.each(AuditRow, f"SELECT {COLUMNS} FROM audit ORDER BY seq")))
    if kept is None or not kept.seq:
        return found
    there = reading.one(_Head, "SELECT seq, hash FROM audit WHERE seq = ?", kept.seq)
    if there is None:
        last = _head(reading).seq
        found.append(f"row {kept.seq} was there when its head was kept, and is not: the audit was shortened to {last} rows")
    elif there.hash != kept.hash:
        found.append(f"row {kept.seq} is not the one of the head that was kept: the audit was written anew")
    return found


def _broken(all_rows: Iterator[AuditRow]) -> Iterator[str]:
    before = _Head(0, BEGINNING)
    for row in all_rows:
        if row.seq != before.seq + 1:
            missing = f"row {before.seq + 1} is" if row.seq == before.seq + 2 else f"rows {before.seq + 1} to {row.seq - 1} are"
            yield f"{missing} missing"
        if row.hash != row_hash(before.hash, row):
            yield f"row {row.seq} was changed, or does not follow the one before"
        before = _Head(row.seq, row.hash)


def _head(reading: Reading) -> _Head:
    return reading.one(_Head, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1") or _Head(0, BEGINNING)


def _told(at: _Head) -> str:
    return f"{at.seq}:{at.hash}"


def _parsed(text: str) -> _Head:
    seq, separator, digest = text.strip().partition(":")
    if not (separator and seq.isascii() and seq.isdecimal()):
        raise RequestError(f"{text!r} is no head of the audit: it looks like 12:9f86d081…")
    return _Head(int(seq), digest)


def _is_recorded(reading: Reading, one: Entry, limits: AccessLimits) -> bool:
    found = reading.number(
        "SELECT EXISTS (SELECT 1 FROM audit WHERE paper = ? AND document = ? AND operation = ? AND person = ?"
        " AND revision IS ? AND (person <> '' OR address = ?) AND at_s > ? AND at_s <= ?)",
        one.what.paper,
        one.what.document,
        one.operation,
        one.person,
        one.what.revision,
        one.address,
        one.at_s - limits.opened_every_s,
        one.at_s,
    )
    return bool(found)
