"""Who sees a mark. Pure. That somebody may read the paper at all is asked before."""

from __future__ import annotations

from msgspec import Struct

from sidebooks_core.marks.model import Mark, Visibility

Audience = tuple[Visibility, str]
"""To whom a mark is shown: its visibility, and its meeting."""


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
    pages: tuple[tuple[int, int], ...] | None = None
    """Ranges of pages that they may read, first and last, from 0. None: all. Their own marks they see on any page."""

    def has_page(self, page: int) -> bool:
        """Whether they may read a page, from 0."""
        return self.pages is None or any(first <= page <= last for first, last in self.pages)


def may_see(mark: Mark, reader: MarkReader) -> bool:
    """Whether somebody sees a mark. A private one: its owner alone."""
    if reader.id and mark.owner == reader.id:
        return True
    if not reader.has_page(mark.anchor.page):
        return False  # a mark tells of what stands there
    return is_for((mark.visibility, mark.meeting), reader)


def is_for(audience: Audience, reader: MarkReader) -> bool:
    """Whether somebody is among those to whom a mark of somebody else is shown, if they may read its page."""
    visibility, meeting = audience
    if visibility == "shared":
        return not meeting or meeting in reader.meetings or meeting in reader.chairs
    if visibility == "collected":
        return meeting in reader.chairs if meeting else reader.tends
    return False


def audiences_with(reader: MarkReader) -> list[Audience]:
    """Those that somebody is among: all for which `is_for` is true."""
    found: list[Audience] = [("shared", "")]
    if reader.tends:
        found.append(("collected", ""))
    found += [("shared", meeting) for meeting in sorted(reader.meetings | reader.chairs) if meeting]
    found += [("collected", meeting) for meeting in sorted(reader.chairs) if meeting]
    return found
