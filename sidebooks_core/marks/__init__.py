"""Marks on pages: ink, highlights, underlines, struck words, notes, stamps and bookmarks, anchored to what a page shows."""

from sidebooks_core.marks.answers import (
    Destroyed,
    Destruction,
    FoundMark,
    LostText,
    MarkChanges,
    MarkLimits,
    MarkNews,
    Pushed,
    Refused,
)
from sidebooks_core.marks.device import DeviceClock
from sidebooks_core.marks.files import ImportedMarks
from sidebooks_core.marks.ids import new_device_id, new_mark_id
from sidebooks_core.marks.model import (
    Anchor,
    Body,
    Bookmark,
    Highlight,
    Ink,
    Mark,
    Note,
    Stamp,
    StampText,
    StrikeOut,
    Underline,
    Visibility,
)
from sidebooks_core.marks.paper_marks import PaperMarks
from sidebooks_core.marks.placing import PlacedMark
from sidebooks_core.marks.store import MarkStore
from sidebooks_core.marks.visibility import MarkReader, may_see

__all__ = [
    "Anchor",
    "Body",
    "Bookmark",
    "Destroyed",
    "Destruction",
    "DeviceClock",
    "FoundMark",
    "Highlight",
    "ImportedMarks",
    "Ink",
    "LostText",
    "Mark",
    "MarkChanges",
    "MarkLimits",
    "MarkNews",
    "MarkReader",
    "MarkStore",
    "Note",
    "PaperMarks",
    "PlacedMark",
    "Pushed",
    "Refused",
    "Stamp",
    "StampText",
    "StrikeOut",
    "Underline",
    "Visibility",
    "may_see",
    "new_device_id",
    "new_mark_id",
]
