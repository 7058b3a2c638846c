"""Who sees a mark. Pure. That somebody may read the paper at all is asked before."""

from __future__ import annotations

from msgspec import Struct

from sidebooks_core.marks.model import Mark


class MarkReader(Struct, frozen=True):
    """Somebody who may read a paper."""

    id: str
    """Of the principal. Empty: nobody in particular, who owns nothing."""
    tends: bool = False
    """Whether they tend the folder of the paper."""
    meetings: frozenset[str] = frozenset()
    """Of which they are a participant."""
    chairs: frozenset[str] = frozenset()
    """Meetings that they preside over."""


def may_see(mark: Mark, reader: MarkReader) -> bool:
    """Whether somebody sees a mark. A private one: its owner alone."""
    if reader.id and mark.owner == reader.id:
        return True
    if mark.visibility == "shared":
        return not mark.meeting or mark.meeting in reader.meetings or mark.meeting in reader.chairs
    if mark.visibility == "collected":
        return mark.meeting in reader.chairs if mark.meeting else reader.tends
    return False
