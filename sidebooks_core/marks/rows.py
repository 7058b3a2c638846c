"""Marks as rows of the database."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.errors import StorageDamaged
from sidebooks_core.marks.model import Anchor, Body, Mark, Stamp, Visibility, text_of
from sidebooks_core.marks.visibility import Audience, MarkReader, is_for

ROW_BYTES = 300
"""What a row takes beside its body and its quote, about."""
CLAMPED_BYTES = 150
"""What a stamp that could not be right takes, about."""
ENDED_BYTES = 80
"""What is left of a mark that was deleted and forgotten, about."""
_COLUMNS = (
    "id, paper, owner, seq, at_ms, counter, device, visibility, meeting, shown, hidden_seq, revision, page, content_id, quote, "
    "is_of_file, body"
)
SELECT_OF = f"SELECT {_COLUMNS} FROM"
"""Of `MarkRow`. Tables follow, of which one is `mark`, and no other has one of these columns."""
SELECT = f"{SELECT_OF} mark"
"""A condition follows."""
OUTLINE = SELECT.replace("quote", "''").replace("body", "CASE WHEN body IS NULL THEN NULL ELSE x'' END")
"""Of rows whose bodies and quotes are empty. A body is NULL if the mark was deleted."""

_Shown = list[tuple[Visibility, str, int]]
"""To whom a mark was ever shown: visibility, meeting, and the number at which that ceased; 0: it has not."""
_encode = msgspec.json.Encoder().encode
_body_of = msgspec.json.Decoder(Body).decode
_shown_of = msgspec.json.Decoder(_Shown).decode


class _Audiences(Struct, frozen=True, array_like=True):
    """Those to whom the same was shown, in the same way."""

    shown: str
    seq: int
    """Of the last change of these marks."""


class MarkRow(Struct, frozen=True, array_like=True):
    """The columns of a mark. See schema.py."""

    id: str
    paper: str
    owner: str
    seq: int
    at_ms: int
    counter: int
    device: str
    visibility: Visibility
    meeting: str
    shown: str
    hidden_seq: int
    revision: int
    page: int
    content_id: str
    quote: str
    is_of_file: bool
    body: bytes | None

    def mark(self) -> Mark:
        """Raises StorageDamaged if the body is not what was written."""
        try:
            body = None if self.body is None else _body_of(self.body)
        except msgspec.DecodeError as fault:
            raise StorageDamaged(f"the mark {self.id} is not what was written: {fault}") from fault
        return Mark(
            self.id,
            self.stamp,
            self.anchor,
            body,
            self.visibility,
            self.meeting,
            self.is_of_file,
            self.owner,
        )

    def was_seen_by(self, reader: MarkReader, since: int) -> bool:
        """Whether a reader could see a version of it after a number, if they see none now."""
        if reader.id and self.owner == reader.id:
            return self.seq > since
        return reader.has_page(self.page) and any(is_for(one, reader) for one in audiences_of(self.shown, since))

    def is_version_of(self, other: MarkRow) -> bool:
        """Whether both are of the same version, whenever it came."""
        return replace(self, seq=other.seq, shown=other.shown, hidden_seq=other.hidden_seq) == other

    def outline(self) -> Mark:
        """The mark without its body, of which `mark` makes much."""
        return Mark(self.id, self.stamp, self.anchor, None, self.visibility, self.meeting, self.is_of_file, self.owner)

    def is_for_reader(self, reader: MarkReader) -> bool:
        """Whether it is not deleted, and `may_see` says that they see it."""
        if self.body is None:
            return False
        if reader.id and self.owner == reader.id:
            return True
        return reader.has_page(self.page) and is_for((self.visibility, self.meeting), reader)

    @property
    def anchor(self) -> Anchor:
        return Anchor(self.revision, self.page, self.content_id, self.quote)

    @property
    def stamp(self) -> Stamp:
        return Stamp(self.at_ms, self.counter, self.device)

    @property
    def size_bytes(self) -> int:
        return ROW_BYTES + len(self.body or b"") + len(self.quote.encode())

    @property
    def shown_bytes(self) -> int:
        """What it takes of what is read by others than its owner."""
        return self.size_bytes if self.shown else 0


def audiences_of(shown: str, since: int) -> tuple[Audience, ...]:
    """To whom a mark is shown, or was after a number."""
    known = _shown_of(shown) if shown else []
    return tuple((visibility, meeting) for visibility, meeting, until in known if until == 0 or until > since)


def row_of(paper_id: str, seq: int, mark: Mark, before: MarkRow | None) -> MarkRow:
    """Of a version that holds from a number on. before: the row of the version that held."""
    known = {} if before is None else {one[:2]: one[2] for one in _shown(before)}
    shown = {key: until or seq for key, until in known.items()}
    is_shown = mark.visibility != "private" and mark.body is not None
    if is_shown:
        shown[mark.visibility, mark.meeting] = 0
    text = _encode(sorted((*key, until) for key, until in shown.items())).decode() if shown else ""
    hidden_seq = 0 if is_shown else max(shown.values(), default=0)
    body = None if mark.body is None else _encode(mark.body)
    anchor, stamp = mark.anchor, mark.stamp
    return MarkRow(
        mark.id, paper_id, mark.owner, seq, stamp.at_ms, stamp.counter, stamp.device, mark.visibility, mark.meeting, text,
        hidden_seq, anchor.revision, anchor.page, anchor.content_id, anchor.quote, mark.is_of_file, body,
    )  # fmt: skip


def find(reading: Reading, mark_id: str) -> MarkRow | None:
    row = reading.one(MarkRow, f"{SELECT} WHERE id = ?", mark_id)
    return None if row is None else completed(reading, row)


def completed(reading: Reading, row: MarkRow) -> MarkRow:
    """With the content id of its page, if that is known by now."""
    if row.content_id:
        return row
    return replace(row, content_id=content_id_of(reading, row.paper, row.revision, row.page) or "")


def write(writing: Writing, row: MarkRow, mark: Mark) -> None:
    """A new mark, or a version that holds from now on."""
    writing.run(
        f"INSERT INTO mark ({_COLUMNS}, has_text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, at_ms = excluded.at_ms, counter = excluded.counter, "
        "device = excluded.device, visibility = excluded.visibility, meeting = excluded.meeting, shown = excluded.shown, "
        "hidden_seq = excluded.hidden_seq, revision = excluded.revision, page = excluded.page, "
        "content_id = excluded.content_id, quote = excluded.quote, "
        "is_of_file = excluded.is_of_file, body = excluded.body, has_text = excluded.has_text",
        *msgspec.structs.astuple(row), bool(text_of(mark)),
    )  # fmt: skip


def last_of(reading: Reading, paper_id: str, reader: MarkReader) -> int:
    """The number of the last change of the marks of a paper that the reader could see."""
    values: list[str] = [paper_id]
    condition = "paper = ? AND shown != ''"
    if reader.pages is not None:
        condition += " AND EXISTS (SELECT 1 FROM json_each(?) WHERE page BETWEEN value ->> 0 AND value ->> 1)"
        values.append(_encode(reader.pages).decode())
    query = f"SELECT shown, max(seq) FROM mark WHERE {condition} GROUP BY shown ORDER BY 2 DESC"
    own = "SELECT coalesce(max(seq), 0) FROM mark WHERE paper = ? AND owner = ?"
    last = max(reading.number(own, paper_id, reader.id), horizon_of(reading, paper_id, reader.id))
    for one in reading.each(_Audiences, query, *values):
        if one.seq <= last:
            break
        told = _shown_of(one.shown)
        seen = [until or one.seq for visibility, meeting, until in told if is_for((visibility, meeting), reader)]
        last = max([last, *seen])
    return last


def horizon_of(reading: Reading, paper_id: str, reader: str) -> int:
    """Who reads and has read up to an older number begins anew; 0: nobody need."""
    query = "SELECT coalesce(max(seq), 0) FROM mark_horizon WHERE paper = ? AND owner IN ('', ?)"
    return reading.number(query, paper_id, reader)


def meetings_of(reading: Reading, paper_id: str) -> set[str]:
    """Those that marks of a paper were ever shown to."""
    found = reading.all(str, "SELECT DISTINCT shown FROM mark WHERE paper = ? AND shown != ''", paper_id)
    return {meeting for text in found for _, meeting, _ in _shown_of(text) if meeting}


def content_id_of(reading: Reading, paper_id: str, revision: int, page: int) -> str | None:
    """Of a page; empty if it is not known yet, None if there is no such page."""
    query = "SELECT page_count FROM revision WHERE paper = ? AND number = ?"
    count = reading.one(int, query, paper_id, revision)
    if count is None or page >= count:
        return None
    query = "SELECT content_id FROM page WHERE paper = ? AND revision = ? AND page = ?"
    return reading.one(str, query, paper_id, revision, page) or ""


def _shown(row: MarkRow) -> _Shown:
    return _shown_of(row.shown) if row.shown else []
