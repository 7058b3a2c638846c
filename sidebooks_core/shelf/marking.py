"""The marks of a shelf's papers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

from sidebooks_core.documents.document import Document
from sidebooks_core.errors import DocumentError, PageError, StorageDamaged
from sidebooks_core.marks.model import Mark
from sidebooks_core.marks.paper_marks import PaperMarks, PaperView, Stamps
from sidebooks_core.marks.placing import Fate, PlacedMark, fates_by_page, placed
from sidebooks_core.marks.store import MarkStore
from sidebooks_core.service import TileService
from sidebooks_core.shelf.differences import Differences
from sidebooks_core.shelf.model import Paper, Revision


class _Papers(Protocol):
    differences: Differences
    mark_store: MarkStore
    service: TileService

    @property
    def stamps(self) -> Stamps: ...

    def document(self, paper_id: str, revision: int | None = None) -> Document: ...
    def paper(self, paper_id: str) -> Paper: ...
    def placed_marks(self, paper_id: str, marks: Sequence[Mark], revision: int) -> list[PlacedMark]: ...
    def revision(self, paper_id: str, number: int | None = None) -> Revision: ...


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

        Not `guest-` and 24 hexadecimal digits: a server calls its guests so, and removes their marks when their
        login ends. Raises NotOnShelf, and RequestError if the owner is empty.
        """
        paper_id = self.paper(paper if isinstance(paper, str) else paper.id).id
        view = PaperView(
            paper_id,
            lambda: self.paper(paper_id).revision,
            lambda marks, revision: self.placed_marks(paper_id, marks, revision),
            lambda revision: self.document(paper_id, revision),
            self.service.parts.questions,
        )
        return PaperMarks(self.mark_store, view, owner, self.stamps)

    def placed_marks(self: _Papers, paper_id: str, marks: Sequence[Mark], revision: int) -> list[PlacedMark]:
        """Where marks of a paper stand in a revision. It may wait for workers; see `diff`.

        If a revision cannot be read, since it is locked or damaged, its marks are on the pages of their numbers, and are not
        exact. Raises NotOnShelf if there is no such revision.
        """
        count = self.revision(paper_id, revision).page_count
        older = {mark.anchor.revision for mark in marks} - {revision}
        fates = {number: _fates(self.differences, paper_id, number, revision) for number in older}
        return [placed(mark, revision, fates.get(mark.anchor.revision), count) for mark in marks]


def _fates(differences: Differences, paper_id: str, old: int, new: int) -> dict[int, Fate] | None:
    """What became of the pages of a revision; None if one of the two cannot be read."""
    try:
        return fates_by_page(differences.get(paper_id, old, new))
    except (DocumentError, PageError, StorageDamaged):
        return None
