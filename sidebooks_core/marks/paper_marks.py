"""The marks of one owner on one paper: what an application needs every day."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import BinaryIO

import msgspec
from msgspec.structs import replace

from sidebooks_core.documents.document import Document
from sidebooks_core.errors import RequestError
from sidebooks_core.marks.answers import LostText, MarkChanges, Pushed
from sidebooks_core.marks.device import DeviceClock
from sidebooks_core.marks.files import Annotating, ImportedMarks, Into, export_marks, import_marks
from sidebooks_core.marks.ids import new_device_id, new_mark_id
from sidebooks_core.marks.model import Anchor, Body, Mark, Stamp, Visibility
from sidebooks_core.marks.placing import PlacedMark
from sidebooks_core.marks.replacing import MarksToWrite
from sidebooks_core.marks.seen import SeenMarks
from sidebooks_core.marks.store import MarkStore
from sidebooks_core.marks.visibility import MarkReader


class Stamps:
    """Makes stamps for a process, which is a device of its own. Its clock is the server's. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clock = DeviceClock(new_device_id())

    def after(self, stamp: Stamp | None = None) -> Stamp:
        """A stamp for what is done now; later than another one."""
        with self._lock:
            known = self._clock if stamp is None else self._clock.saw(stamp)
            self._clock, made = known.tick(int(time.time() * 1000))
        return made


class PaperView(msgspec.Struct, frozen=True):
    """What marks need to know of their paper."""

    id: str
    present: Callable[[], int]
    """The number of the present revision. Raises NotOnShelf."""
    placed: Callable[[Sequence[Mark], int], list[PlacedMark]]
    """Where marks stand in a revision. It may wait for workers. Raises NotOnShelf."""
    document: Callable[[int], Document]
    """Of a revision."""
    workers: Annotating


class PaperMarks:
    """Thread-safe. Whatever changes a mark is on the disk when it returns. All methods raise NotOnShelf if the paper is gone,
    StorageFailed and StorageDamaged.
    """

    def __init__(self, store: MarkStore, paper: PaperView, owner: str, stamps: Stamps) -> None:
        """owner: the id of a principal, or any name. Raises RequestError if it is empty."""
        if not owner:
            raise RequestError("a mark has an owner: tell whose they are")
        self._store = store
        self._paper = paper
        self._stamps = stamps
        self.owner = owner

    def add(
        self,
        page: int,
        body: Body,
        *,
        visibility: Visibility = "private",
        meeting: str = "",
        quote: str = "",
        revision: int | None = None,
    ) -> Mark:
        """Make a mark.

        page: from 0. visibility, meeting: see `Visibility`. quote: the words at the mark, at most 1,000 characters.
        revision: of which it is the page; None: the present one. Raises RequestError if there is no such page, if the body is
        not within the bounds of the model, or if the owner has too many marks.
        """
        anchor = Anchor(self._paper.present() if revision is None else revision, page, "", quote)
        return self._pushed(Mark(new_mark_id(), self._stamps.after(), anchor, body, visibility, meeting))

    def change(self, mark_id: str, body: Body) -> Mark:
        """Give a mark another body. The text that it had is among its `lost_texts`.

        Raises RequestError if there is no such mark.
        """
        return self._pushed_after(mark_id, lambda mark: replace(mark, body=body))

    def share(self, mark_id: str, visibility: Visibility = "shared", meeting: str = "") -> Mark:
        """Have others see a mark; or nobody else, if it is private. Raises RequestError if there is no such mark."""
        return self._pushed_after(mark_id, lambda mark: replace(mark, visibility=visibility, meeting=meeting))

    def remove(self, mark_id: str) -> None:
        """Delete a mark, for good. Its text is among its `lost_texts`. Raises RequestError if there is no such mark."""
        self._pushed_after(mark_id, lambda mark: replace(mark, body=None))

    def get(self, mark_id: str) -> Mark:
        """A mark of the owner. Raises RequestError if there is no such mark."""
        found = self._store.find(self._paper.id, mark_id, self.owner)
        if found is not None:
            return found
        raise RequestError(f"{self.owner!r} has no mark {mark_id!r} on this paper")

    def all(self) -> list[Mark]:
        """The marks of the owner, in the order in which they were changed last."""
        return [mark for mark in self.since(0).marks if mark.owner == self.owner]

    def __iter__(self) -> Iterator[Mark]:
        return iter(self.all())

    def at(self, revision: int | None = None) -> list[PlacedMark]:
        """Where each mark of the owner stands in a revision; in the present one for None. It may wait for workers.

        A mark is exact wherever its page is now, changed if the page was changed, and removed if there is no such page any
        more. None is left out. Raises NotOnShelf if there is no such revision.
        """
        shown = self._paper.present() if revision is None else revision
        return self._paper.placed(self.all(), shown)

    def pages(self, revision: int | None = None) -> list[int]:
        """The pages, from 0, of a revision that have a mark of the owner; of the present one for None. See `at`."""
        return sorted({one.page for one in self.at(revision) if one.page is not None})

    def export_pdf(
        self,
        target: str | os.PathLike[str] | BinaryIO,
        *,
        revision: int | None = None,
        flattened: bool = False,
        author: str = "",
    ) -> None:
        """Write the paper with the marks of the owner, as a PDF. Marks whose page was removed are not in it.

        target: a path, where the file appears when it is complete, or a file that is open for writing bytes. revision: None:
        the present one. flattened: the marks become part of what the pages draw. Else they are annotations, which other
        programs show, change and take away; a note is a sticky note, and a bookmark a ribbon. author: the name that the
        annotations carry. A paper that is no PDF becomes one, page by page.
        Raises OSError, DocumentTooLarge, RenderFailed, and what `at` raises.
        """
        shown = self._paper.present() if revision is None else revision
        document = self._paper.document(shown)
        imported = self._store.imported(self._paper.id)
        deleted = partial(self._store.deleted, self._paper.id, self.owner)
        reader = MarkReader(self.owner)
        outlines = [one for one in self._store.outlines(self._paper.id, reader) if one.owner == self.owner]
        seen = SeenMarks(self._paper.id, reader, self._paper.placed(outlines, shown))
        marks = MarksToWrite(seen.marks(self._store), {self.owner: author}, self._paper.id, imported, self.owner, deleted)
        export_marks(self._paper.workers, document, marks, flattened=flattened).write(target)

    def import_pdf(self, revision: int | None = None) -> ImportedMarks:
        """Take the annotations of the paper's own file as marks of the owner. None: of the present revision.

        They are part of the picture of their pages, and are not drawn a second time. A file that was exported brings back the
        same marks. A second call adds nothing. Raises what `push` and `Shelf.document` raise.
        """
        shown = self._paper.present() if revision is None else revision
        into = Into(self._paper.id, shown, self.owner)
        return import_marks(self._paper.workers, self._store, self._paper.document(shown), into)

    def search(self, query: str, limit: int = 100) -> list[Mark]:
        """The marks of the owner whose text has all words of a query, the newest first."""
        return [found.mark for found in self._store.search(self.owner, query, limit, paper_id=self._paper.id)]

    def lost_texts(self, mark_id: str) -> list[LostText]:
        """Texts of a mark that did not hold, the newest first: they were replaced or deleted within the last 30 days."""
        return self._store.lost_texts(self._paper.id, mark_id, self.owner)

    def push(self, marks: Sequence[Mark]) -> Pushed:
        """Merge versions that a device has made: see `MarkStore.push`."""
        return self._store.push(self._paper.id, marks, self.owner)

    def since(self, seq: int) -> MarkChanges:
        """What changed after a number, of all that the owner sees: also what others share with all readers of the paper."""
        return self._store.read(self._paper.id, MarkReader(self.owner), seq)

    def _pushed_after(self, mark_id: str, change: Callable[[Mark], Mark]) -> Mark:
        mark = self.get(mark_id)
        return self._pushed(replace(change(mark), stamp=self._stamps.after(mark.stamp)))

    def _pushed(self, mark: Mark) -> Mark:
        answer = self.push([mark])
        for refused in answer.refused:
            raise RequestError(refused.detail)
        return answer.marks[0]
