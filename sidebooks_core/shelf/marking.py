"""The marks of a shelf's papers."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

from sidebooks_core.documents.document import Document
from sidebooks_core.marks.paper_marks import PaperMarks, PaperView, Stamps
from sidebooks_core.marks.store import MarkStore
from sidebooks_core.service import TileService
from sidebooks_core.shelf.differences import Differences
from sidebooks_core.shelf.model import Paper


class _Papers(Protocol):
    differences: Differences
    mark_store: MarkStore
    service: TileService

    @property
    def stamps(self) -> Stamps: ...

    def document(self, paper_id: str, revision: int | None = None) -> Document: ...
    def paper(self, paper_id: str) -> Paper: ...


class Marking:
    """The part of `Shelf` that keeps marks."""

    mark_store: MarkStore
    """The marks of all papers: what a server needs of them."""

    @cached_property
    def stamps(self) -> Stamps:
        """Of the marks that this process makes itself."""
        return Stamps()

    def marks(self: _Papers, paper: str | Paper, *, owner: str) -> PaperMarks:
        """The marks of an owner on a paper. owner: the id of a principal, or any name; nobody is asked whether they may.

        Raises NotOnShelf, and RequestError if the owner is empty.
        """
        paper_id = self.paper(paper if isinstance(paper, str) else paper.id).id
        view = PaperView(
            paper_id,
            lambda: self.paper(paper_id).revision,
            lambda old, new: self.differences.get(paper_id, old, new),
            lambda revision: self.document(paper_id, revision),
            self.service.parts.questions,
        )
        return PaperMarks(self.mark_store, view, owner, self.stamps)
