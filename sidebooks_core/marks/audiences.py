"""Those to whom marks are shown: what changed last that they could see, and who of them begins anew.

There is a row for each page and audience, so what a reader may know of is found without looking at the marks.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.marks.model import Visibility
from sidebooks_core.marks.visibility import Audience, MarkReader, audiences_with, is_for

PageAudience = tuple[Visibility, str, int]
"""An audience on a page, from 0."""
_encode = msgspec.json.Encoder().encode


class Shown(Struct, frozen=True, array_like=True, order=True):
    """To whom a mark is shown, or was."""

    visibility: Visibility
    meeting: str
    page: int
    """On which it stood then, from 0."""
    until: int = 0
    """The number at which that ceased; 0: it has not."""

    @property
    def audience(self) -> Audience:
        return self.visibility, self.meeting

    @property
    def key(self) -> PageAudience:
        return self.visibility, self.meeting, self.page

    def is_news_for(self, reader: MarkReader, since: int) -> bool:
        """Whether a reader could see the mark after a number by this."""
        return (self.until == 0 or self.until > since) and self.includes(reader)

    def includes(self, reader: MarkReader) -> bool:
        """Whether a reader is among these."""
        return reader.has_page(self.page) and is_for(self.audience, reader)


class Known(Struct, frozen=True, array_like=True):
    """What a reader may know of the marks of a paper."""

    last: int
    """The number of the last change that they could see; 0: there was none."""
    horizon: int
    """Who has read up to an older number begins anew; 0: nobody need."""


def shown_of(text: str) -> list[Shown]:
    """As it is stored."""
    return _shown_of(text) if text else []


def shown_text(shown: list[Shown]) -> str:
    """As it is stored. Empty: it was never shown to anybody but its owner."""
    return _encode(sorted(shown)).decode() if shown else ""


def note_last(writing: Writing, paper_id: str, last: Mapping[PageAudience, int]) -> None:
    """Marks have changed that audiences could see. last: the number of the last change for each."""
    writing.run_each(
        "INSERT INTO mark_audience (paper, visibility, meeting, page, seq) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)",
        [(paper_id, *key, seq) for key, seq in last.items()],
    )


def set_horizons(writing: Writing, paper_id: str, owners: Mapping[str, int], audiences: Mapping[PageAudience, int]) -> None:
    """Nothing is left of some marks: of the owners and the audiences, who has read up to an older number begins anew."""
    writing.run_each(
        "INSERT INTO mark_horizon (paper, owner, seq) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)",
        [(paper_id, owner, seq) for owner, seq in owners.items()],
    )
    writing.run_each(
        "INSERT INTO mark_audience (paper, visibility, meeting, page, seq, horizon) VALUES (?1, ?2, ?3, ?4, ?5, ?5) "
        "ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq), horizon = max(horizon, excluded.horizon)",
        [(paper_id, *key, seq) for key, seq in audiences.items()],
    )


def known_to(reading: Reading, paper_id: str, reader: MarkReader) -> Known:
    """What a reader may know of. It takes as long as their audiences have pages, however many marks there are."""
    own = reading.number("SELECT coalesce(max(seq), 0) FROM mark WHERE owner = ? AND paper = ?", reader.id, paper_id)
    query = "SELECT coalesce(max(seq), 0) FROM mark_horizon WHERE paper = ? AND owner = ?"
    horizon = reading.number(query, paper_id, reader.id)
    query = (
        "SELECT coalesce(max(seq), 0), coalesce(max(horizon), 0) FROM json_each(?2) AS wanted CROSS JOIN mark_audience "
        "WHERE paper = ?1 AND visibility = wanted.value ->> 0 AND meeting = wanted.value ->> 1"
    )
    values = [paper_id, _encode(audiences_with(reader)).decode()]
    if reader.pages is not None:
        query += " AND EXISTS (SELECT 1 FROM json_each(?3) AS some WHERE page BETWEEN some.value ->> 0 AND some.value ->> 1)"
        values.append(_encode(reader.pages).decode())
    shown = reading.one(Known, query, *values) or Known(0, 0)
    return Known(max(own, horizon, shown.last), max(horizon, shown.horizon))


def meetings_of(reading: Reading, paper_id: str) -> set[str]:
    """Those that marks of a paper were ever shown to."""
    return set(reading.all(str, "SELECT DISTINCT meeting FROM mark_audience WHERE paper = ? AND meeting != ''", paper_id))


_shown_of = msgspec.json.Decoder(list[Shown]).decode
