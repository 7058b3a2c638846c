"""Marks out to files and in from them: a PDF with the marks that somebody sees, and the annotations of a PDF as marks."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import RawIOBase
from typing import BinaryIO, cast

from msgspec.structs import replace

from sidebooks_core.errors import DocumentError, DocumentTooLarge, PageError, StorageFailed
from sidebooks_core.library.questions import Questions
from sidebooks_core.marks.files import MarkedFile, export_marks
from sidebooks_core.marks.placing import PlacedMark
from sidebooks_core.marks.replacing import MarksToWrite
from sidebooks_core.marks.seen import SeenMarks
from sidebooks_core.marks.w3c import W3C_CONTEXT, Canvas, annotation_page
from sidebooks_core.server import descriptions, headers, responses
from sidebooks_core.server.handlers.marks import entries, name_of, reader_of, require_here
from sidebooks_core.server.handlers.papers import number_of, still
from sidebooks_core.server.handlers.shelf import person_of
from sidebooks_core.server.http import FileRange, HttpRequest, HttpResponse
from sidebooks_core.server.iiif import presentation
from sidebooks_core.server.json_text import json_bytes
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.schemas_marks import ImportedMarkList, Refusal
from sidebooks_core.server.statuses import Refused, not_found
from sidebooks_core.service import Document
from sidebooks_core.shelf import standing

_log = logging.getLogger("sidebooks_core.server")
PDF = "application/pdf"
_GONE = "the original is gone"
WHOSE = ("mine", "all")
_HELD_BYTES = 1 << 20
"""Of a download, in the memory."""


async def as_pdf(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The paper with marks. Raises Refused, and what a worker's job raises."""
    shelf, revision, whose = parts.of_papers().shelf, _revision(request), _whose(request)
    person_of(request)

    def made() -> HttpResponse:
        of = still(parts, request)
        number = revision or of.revision
        store, person = shelf.mark_store, request.principal.id
        give_back = parts.pools.place("downloads", person)
        try:
            with _file_of_paper(DocumentTooLarge):
                document, seen = shelf.document(of.id, number), _seen(parts, request, of.id, number, whose)
                names, deleted = names_of(parts, request, seen.placed), partial(store.deleted, of.id, person)
                told = MarksToWrite(seen.marks(store), names, of.id, store.imported(of.id), person, deleted)
                is_flat = request.query("flattened") in ("1", "true")
                file = export_marks(shelf.service.parts.questions, document, told, flattened=is_flat, client=request.client)
                size = file.size_bytes
            pieces = _waiting(file, give_back)
        except BaseException:
            give_back()
            raise
        own = [
            (b"content-type", PDF.encode()),
            (b"cache-control", headers.NO_STORE),
            (b"content-disposition", descriptions.disposition(of.name, ".pdf", document.id)),
        ]
        return HttpResponse(200, headers=own, file=FileRange(cast("BinaryIO", pieces), size))

    return await parts.pools.run("exports", made)


async def take_in(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The annotations of a paper's own file become marks of whoever asks. A second time adds nothing."""
    shelf, person, revision = parts.of_papers().shelf, person_of(request), _revision(request)

    def made() -> HttpResponse:
        of = still(parts, request)
        if request.limits.pages is not None:
            raise Refused(403, "only who may read all pages takes in what is written on them")
        number = revision or of.revision
        with _file_of_paper():
            shelf.document(of.id, number)
        try:
            found = shelf.marks(of, owner=person).import_pdf(number)
        except DocumentError as error:
            raise Refused(409, error.message) from None
        except FileNotFoundError:
            raise Refused(410, _GONE) from None
        require_here(parts, request)
        refused = [Refusal(one.id, one.reason, one.detail) for one in found.refused]
        told = ImportedMarkList(found.found, entries(parts, person, found.marks), refused, found.left_out, found.is_complete)
        return HttpResponse(200, json_bytes(told), headers.momentary(responses.JSON))

    return await parts.pools.run("exports", made)


async def as_annotations(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The marks as W3C annotations, on the canvases of the manifest. Raises Refused."""
    shelf, revision, whose = parts.of_papers().shelf, _revision(request), _whose(request)
    person_of(request)

    def made() -> HttpResponse:
        of = still(parts, request)
        number = revision or of.revision
        with _file_of_paper():
            document, seen = shelf.document(of.id, number), _seen(parts, request, of.id, number, whose)
            quoted = {one.page for one in seen.marks(shelf.mark_store) if one.page is not None and one.mark.anchor.quote}
            texts = _texts(shelf.service.parts.questions, document, sorted(quoted), request.client)
        pages = {one.page for one in seen.placed if one.page is not None}
        canvases = {page: _canvas(request.base, document, page, texts.get(page, ""), has_file=True) for page in pages}
        names, shown = names_of(parts, request, seen.placed), seen.marks(shelf.mark_store)
        told = annotation_page(f"{request.base}/papers/{of.id}/marks.json", shown, canvases, names, for_iiif=False)
        return responses.private_json(request, told, responses.JSON_LD.format(W3C_CONTEXT))

    return await parts.pools.run("exports", made)


async def of_canvas(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The marks on one canvas of a manifest, for viewers of IIIF: all that whoever asks sees. Raises Refused."""
    document, page = parts.page(request)
    shelf = parts.of_papers().shelf
    person_of(request)

    def made() -> HttpResponse:
        admission = parts.gate.require_still(request, standing.of_document(shelf.database, document.id))
        at = request.standing = admission.standing
        request.limits = admission.decision.limits
        if at is None or at.paper is None or not request.limits.has_page(page):
            raise not_found()
        seen = _seen(parts, request, at.paper.id, at.revision, "all")
        seen = replace(seen, placed=[one for one in seen.placed if one.page == page])
        canvases = {page: _canvas(request.base, document, page, "", has_file=False)}
        address, names = presentation.marks_address(request.base, document, page), names_of(parts, request, seen.placed)
        told = annotation_page(address, seen.marks(shelf.mark_store), canvases, names, for_iiif=True)
        return responses.private_json(request, told, responses.JSON_LD.format(presentation.PRESENTATION_CONTEXT))

    return await parts.pools.run("exports", made)


def names_of(parts: ServerParts, request: HttpRequest, shown: Iterable[PlacedMark]) -> dict[str, str]:
    """What the owners of marks are called, by their ids."""
    asking = request.principal
    return {owner: name_of(parts, owner) for owner in {one.mark.owner for one in shown}} | {asking.id: asking.name}


def _seen(parts: ServerParts, request: HttpRequest, paper_id: str, revision: int, whose: str) -> SeenMarks:
    """What whoever asks sees on the pages of a revision of a paper that they may read; only their own marks for "mine"."""
    person, shelf = request.principal.id, parts.of_papers().shelf
    reader = reader_of(parts, request, shelf.mark_store.meetings(paper_id))
    outlines = [one for one in shelf.mark_store.outlines(paper_id, reader) if whose == "all" or one.owner == person]
    placed = shelf.placed_marks(paper_id, outlines, revision)
    return SeenMarks(paper_id, reader, [one for one in placed if one.page is not None])


@contextmanager
def _file_of_paper(*passed: type[DocumentError]) -> Iterator[None]:
    """Say what is amiss with the file of a paper, if it cannot be read. passed: errors that have a status of their own. Raises
    Refused.
    """
    others: tuple[type[Exception], ...] = (*passed, PageError, StorageFailed)
    try:
        yield
    except others:
        raise  # some of them are OSErrors
    except DocumentError as error:
        raise Refused(409, error.message) from None
    except OSError:
        raise Refused(410, _GONE) from None


def _waiting(file: MarkedFile, closed: Callable[[], None]) -> Pieces:
    """A file that waits for its client. Raises Refused if there is no room for it."""
    try:
        return Pieces(file, closed)
    except OSError as fault:
        _log.error("a PDF with marks cannot wait on the disk: %s", fault)
        raise Refused(503, "the server has no room for the file: try again later") from None


def _texts(questions: Questions, document: Document, pages: Sequence[int], client: str) -> dict[int, str]:
    """The texts of pages on which a mark has a quote. It waits for workers; a page that cannot be read has none."""
    waited = {page: questions.text(document, page, client=client) for page in pages}
    found: dict[int, str] = {}
    for page, text in waited.items():
        try:
            found[page] = text.result().written.text
        except PageError:
            continue  # the quote stands alone
    return found


def _canvas(base: str, document: Document, page: int, text: str, *, has_file: bool) -> Canvas:
    finest = document.pyramid(page).finest
    file = f"{base}/documents/{document.id}/original" if has_file and document.kind == "pdf" else ""
    return Canvas(presentation.canvas_id(base, document, page), finest.width_px, finest.height_px, finest.scale, file, text)


def _whose(request: HttpRequest) -> str:
    whose = request.query("whose") or WHOSE[0]
    if whose not in WHOSE:
        raise Refused(400, f"whose: {' or '.join(WHOSE)}")
    return whose


def _revision(request: HttpRequest) -> int | None:
    told = request.query("revision")
    return number_of(told) if told else None


class Pieces(RawIOBase):
    """A file that is made while it is read. What was added waits on the disk if it is large."""

    def __init__(self, file: MarkedFile, closed: Callable[[], None] = lambda: None) -> None:
        """closed: called when it is closed. Raises OSError if the disk is full."""
        self._closed = closed
        self._added = tempfile.SpooledTemporaryFile(_HELD_BYTES)  # noqa: SIM115 - `close` closes it
        self._pieces = file.pieces_before()
        self._left = memoryview(b"")
        try:
            self._added.write(file.added)
            self._added.seek(0)
        except OSError:
            self._added.close()
            raise

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; empty at the end."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return self._added.read(size)
            self._left = memoryview(piece)
        taken, self._left = self._left[:size], self._left[size:]
        return bytes(taken)

    def close(self) -> None:
        """Also called when nobody has the file any more. Safe to call again."""
        if not self.closed:
            self._added.close()
            self._closed()
        super().close()
