"""Marks as rows of the database."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.errors import StorageDamaged
from sidebooks_core.marks.audiences import PageAudience, Shown, shown_of, shown_text
from sidebooks_core.marks.model import Anchor, Body, Mark, Stamp, Visibility, text_of
from sidebooks_core.marks.visibility import MarkReader, is_for

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

_encode = msgspec.json.Encoder().encode
_body_of = msgspec.json.Decoder(Body).decode


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
        return any(one.is_news_for(reader, since) for one in shown_of(self.shown))

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
    def last_seen(self) -> dict[PageAudience, int]:
        """The audiences for which its last change is one that they could see, and the number."""
        return {one.key: self.seq for one in shown_of(self.shown) if one.until in (0, self.seq)}

    @property
    def shown_bytes(self) -> int:
        """What it takes of what is read by others than its owner."""
        return self.size_bytes if self.shown else 0


def row_of(paper_id: str, seq: int, mark: Mark, before: MarkRow | None) -> MarkRow:
    """Of a version that holds from a number on. before: the row of the version that held."""
    anchor, stamp = mark.anchor, mark.stamp
    shown = {} if before is None else {one.key: one.until or seq for one in shown_of(before.shown)}
    is_shown = mark.visibility != "private" and mark.body is not None
    if is_shown:
        shown[mark.visibility, mark.meeting, anchor.page] = 0
    text = shown_text([Shown(*key, until) for key, until in shown.items()])
    hidden_seq = 0 if is_shown else max(shown.values(), default=0)
    body = None if mark.body is None else _encode(mark.body)
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


def content_id_of(reading: Reading, paper_id: str, revision: int, page: int) -> str | None:
    """Of a page; empty if it is not known yet, None if there is no such page."""
    query = "SELECT page_count FROM revision WHERE paper = ? AND number = ?"
    count = reading.one(int, query, paper_id, revision)
    if count is None or page >= count:
        return None
    query = "SELECT content_id FROM page WHERE paper = ? AND revision = ? AND page = ?"
    return reading.one(str, query, paper_id, revision, page) or ""
