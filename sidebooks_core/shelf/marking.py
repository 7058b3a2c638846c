"""The marks of a shelf's papers."""

from __future__ import annotations

from sidebooks_core.marks.store import MarkStore


class Marking:
    """The part of `Shelf` that keeps marks."""

    mark_store: MarkStore
    """The marks of all papers: what a server needs of them."""
