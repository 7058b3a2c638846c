"""Marks out to files, and in from them: a PDF with the marks of a paper, and the annotations of a PDF as marks.

Workers write and read the files. Whoever asks has to see the marks already: nothing here asks who may.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.documents.annotations import Annotation, Changes
from sidebooks_core.documents.document import Document
from sidebooks_core.errors import DamagedDocument, RenderFailed, RenderTimeout, RequestError
from sidebooks_core.marks.annotations import FileMarks, salt_of
from sidebooks_core.marks.answers import MarkLimits, Pushed, Refused
from sidebooks_core.marks.model import Mark
from sidebooks_core.marks.replacing import MarksToWrite, replacing
from sidebooks_core.marks.store import LIMITS, MarkStore

MOST_BYTES = 48 << 20
"""Of all strokes and words of one file: 4 million points. The worker that writes them takes some ten times as much."""
_PIECE_BYTES = 1 << 20
MARK_BYTES = 300
"""What a mark takes beside its lines and its words, about."""
T_co = TypeVar("T_co", covariant=True)


class _Written(Protocol):
    """A document as a PDF with annotations."""

    @property
    def data(self) -> bytes: ...
    @property
    def is_whole(self) -> bool: ...


class _Read(Protocol):
    """The annotations of some pages, the page from 0 before which they end, and how many were left out."""

    @property
    def annotations(self) -> Sequence[Annotation]: ...
    @property
    def reached(self) -> int: ...
    @property
    def left_out(self) -> int: ...


class _Promised(Protocol[T_co]):
    """A future, as far as it is used."""

    def result(self) -> T_co: ...


class Annotating(Protocol):
    """What writes and reads the annotations of a file: `TileService.parts.questions`."""

    def annotate(self, document: Document, changes: Changes, client: str = "") -> _Promised[_Written]: ...

    def annotations(self, document: Document, page: int, client: str = "") -> _Promised[_Read]: ...


class MarkedFile(Struct, frozen=True):
    """A document with marks, as a PDF."""

    document: Document
    added: bytes
    is_whole: bool
    """`added` is all of the file. Else it comes behind the file of the document as it is, of which only this is a copy."""

    @property
    def size_bytes(self) -> int:
        """Raises OSError."""
        return len(self.added) + (0 if self.is_whole else _size_bytes(self.document))

    def pieces(self) -> Iterator[bytes]:
        """The file from its beginning, piece by piece. Raises OSError, DamagedDocument if the document's file has changed."""
        yield from self.pieces_before()
        yield self.added

    def pieces_before(self) -> Iterator[bytes]:
        """What comes before `added`. Raises as `pieces` does."""
        if not self.is_whole:
            yield from _pieces(self.document)

    def write(self, target: str | os.PathLike[str] | BinaryIO) -> None:
        """Write it to a path, where it appears when it is complete, or to an open file. Raises OSError, DamagedDocument."""
        if isinstance(target, str | os.PathLike):
            _write_beside(Path(target), self.pieces())
            return
        for piece in self.pieces():
            target.write(piece)


class Into(Struct, frozen=True):
    """Where the marks of a file go."""

    paper_id: str
    revision: int
    owner: str
    """The id of a principal."""


class ImportedMarks(Struct, frozen=True):
    """What became of the annotations of a file."""

    found: int
    """That can be marks."""
    marks: list[Mark]
    """As they hold now; those that were there before are among them. See `is_complete`."""
    refused: list[Refused]
    left_out: int = 0
    """Annotations that were not read: a page has more than 5,000, or more than 8 MB of them; or the file has more than an owner
    may have (`MarkLimits`). At least so many: the pages behind were not looked at then."""
    is_complete: bool = True
    """`marks` are all of them. Else they are the first ones, of at most `MarkLimits.answer_bytes`: read the others."""


def export_marks(
    workers: Annotating, document: Document, marks: MarksToWrite, *, flattened: bool = False, client: str = ""
) -> MarkedFile:
    """A document with marks, as a PDF. A document of another kind becomes one, page by page.

    flattened: the marks become part of what the pages draw, and no viewer can take them away. client: the job takes turns in
    the queue under this name. Raises RequestError for more strokes than one file takes, DocumentTooLarge, DamagedDocument,
    RenderFailed.
    """
    pieces = annotations_in(workers, document, client=client, skips=True) if document.kind == "pdf" else ()
    found = replacing((some for some, _ in pieces), marks, flattened=flattened)
    size_bytes = sum(one.size_bytes for one in found.added)
    if size_bytes > MOST_BYTES:
        raise RequestError(f"the marks have {size_bytes} bytes; one file takes {MOST_BYTES}: export those of fewer owners")
    made = workers.annotate(document, Changes(tuple(found.added), found.removed, flattened, found.replaced), client).result()
    return MarkedFile(document, made.data, made.is_whole)


def annotations_in(
    workers: Annotating, document: Document, limits: MarkLimits = LIMITS, client: str = "", *, skips: bool = False
) -> Iterator[tuple[list[Annotation], int]]:
    """The annotations of a document, some at a time, and how many were left out between these and those before.

    They end where they would be more marks, or have more bytes, than `limits` allow one owner; the pages behind are not read.
    skips: a page that cannot be read is passed over, and they end before one that takes too long: each would take as long.
    Else RenderFailed or RenderTimeout is raised for it.
    """
    page = count = size_bytes = 0
    is_full = False
    while page < document.page_count and not is_full:
        try:
            read = workers.annotations(document, page, client).result()
        except RenderFailed:
            if not skips:
                raise
            page += 1
            continue
        except RenderTimeout:
            if not skips:
                raise
            return
        page, left_out = read.reached, read.left_out
        some: list[Annotation] = []
        some_bytes = 0
        for one in read.annotations:
            count += max(1, len(one.packed_strokes))
            size_bytes += one.size_bytes
            is_full = is_full or count > limits.marks or size_bytes > limits.bytes
            if is_full:
                left_out += 1
                continue
            some.append(one)
            some_bytes += one.size_bytes
            if some_bytes >= _PIECE_BYTES:
                yield some, left_out
                some, some_bytes, left_out = [], 0, 0
        yield some, left_out


def import_marks(workers: Annotating, store: MarkStore, document: Document, into: Into, *, client: str = "") -> ImportedMarks:
    """The annotations of a revision's file as marks of an owner. They are part of the picture of its pages already.

    document: of that revision. A mark that is there already stays as it is, unless the file has a later version. If the id in
    the file is of a mark of somebody else, or of another paper, the mark gets one that belongs to this owner and paper. Raises
    what `MarkStore.push` and the workers raise; the pages before the fault are imported then.
    """
    file = FileMarks(into.revision, salt_of(into.paper_id, into.owner))
    found = left_out = taken_bytes = 0
    is_complete = True
    marks: list[Mark] = []
    refused: list[Refused] = []
    for some, more in annotations_in(workers, document, store.limits, client):
        content_ids = {page: document.content_id(page) for page in sorted({one.page for one in some})}
        read = file.of(some, content_ids)
        held, not_held = _pushed(store, read, into)
        taken = {one.id for one in not_held if one.reason in ("taken", "paper")}
        given = [replace(one, id=file.own_id(one.id)) for one in read if one.id in taken]
        again, not_again = _pushed(store, given, into)
        found += len(read)
        left_out += more
        taken_bytes += sum(one.size_bytes for one in some) + MARK_BYTES * len(read)
        is_complete = taken_bytes <= store.limits.answer_bytes
        marks += held + again if is_complete else []
        refused += [one for one in not_held if one.id not in taken] + not_again
    return ImportedMarks(found, marks, refused, left_out, is_complete)


def _pushed(store: MarkStore, marks: Sequence[Mark], into: Into) -> tuple[list[Mark], list[Refused]]:
    """Push any number of marks. What holds now, and what was refused."""
    held: list[Mark] = []
    refused: list[Refused] = []
    most = store.limits.marks_in_push
    for start in range(0, len(marks), most):
        pushed: Pushed = store.push(into.paper_id, marks[start : start + most], into.owner, of_file=True)
        held += pushed.marks
        refused += pushed.refused
    return held, refused


def _size_bytes(document: Document) -> int:
    if document.data is not None:
        return len(document.data)
    assert document.ref.path is not None
    return Path(os.fsdecode(document.ref.path)).stat().st_size


def _pieces(document: Document) -> Iterator[bytes]:
    if document.data is not None:
        yield document.data
        return
    assert document.ref.path is not None
    with Path(os.fsdecode(document.ref.path)).open("rb") as file:
        status = os.fstat(file.fileno())
        if document.ref.file_state not in (None, (status.st_ino, status.st_size, status.st_mtime_ns)):
            raise DamagedDocument(f"{document.name} changed on disk since it was opened: open it again")
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _write_beside(target: Path, pieces: Iterator[bytes]) -> None:
    """Write a file that appears at its place when it is complete. Raises OSError, and what the pieces raise."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name[:40]}-", delete=False) as file:
        partial = Path(file.name)
        try:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
            file.close()
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
