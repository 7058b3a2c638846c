"""A copy of a document as a PDF with annotations. Worker side."""

from __future__ import annotations

from sidebooks_core.documents.annotations import Changes
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.annotations.writing import annotate
from sidebooks_core.engine.engine_errors import document_errors
from sidebooks_core.engine.mupdf import EngineDocument, OpenPdf, as_pdf, is_pdf, mupdf, pymupdf, require_pdf
from sidebooks_core.engine.open_document import OpenDocument
from sidebooks_core.engine.opening import open_by, unlock
from sidebooks_core.engine.store import read_from, stop_reading_from


def annotated(document: OpenDocument, ref: DocumentRef, source: Source, changes: Changes) -> tuple[bytes, bool]:
    """The bytes of a PDF with other annotations, and whether these are all: else they come behind those of the document's file.

    document: open, and not changed. A document that is no PDF becomes one, page by page. Raises DamagedDocument, RenderFailed.
    """
    with document_errors(document.name, document.kind):
        if not is_pdf(document.handle):
            return _annotated_copy(document, changes), True
        handle = _as_it_is(ref, source)
        try:
            if handle is not None and handle.page_count == document.page_count and not handle.is_repaired:
                read_from(handle)
                annotate(as_pdf(handle), changes)
                return _saved(handle, behind=len(source)), False
        finally:
            if handle is not None:
                _close(handle)
        mended = open_by(ref, source)
        try:
            changed = require_pdf(mended.handle)
            read_from(changed)
            annotate(as_pdf(changed), changes)
            return _saved(changed), True
        finally:
            mended.close()


def _as_it_is(ref: DocumentRef, source: Source) -> OpenPdf | None:
    """A PDF, open without any mending. None if its pages were found only by mending."""
    if ref.chapters:
        return None
    handle = OpenPdf(source.data)
    unlock(handle, ref.password, ref.name)
    return handle


def _annotated_copy(document: OpenDocument, changes: Changes) -> bytes:
    """A document as a PDF with annotations. Its text stays text, and its images stay as they are."""
    buffer = mupdf.FzBuffer(1 << 16)
    writer = mupdf.FzDocumentWriter(mupdf.FzOutput(buffer), "compress", mupdf.FzDocumentWriter.OutputType_PDF)
    for page, geometry in enumerate(document.info.pages):
        listed = document.display_list(page)
        device = mupdf.fz_begin_page(writer, mupdf.FzRect(0, 0, geometry.width_pt, geometry.height_pt))
        everywhere = mupdf.FzRect(mupdf.FzRect.Fixed_INFINITE)
        mupdf.fz_run_display_list(listed.this, device, mupdf.FzMatrix(), everywhere, mupdf.FzCookie())
        mupdf.fz_end_page(writer)
    mupdf.fz_close_document_writer(writer)
    with pymupdf.Document(stream=mupdf.fz_buffer_extract_copy(buffer), filetype="pdf") as copy:
        annotate(as_pdf(copy), changes)
        return _saved(copy)


class _Behind(mupdf.FzOutput2):
    """Keeps what is written behind a place. The engine writes the whole file again, and this process need not hold it twice."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.use_virtual_write()
        self.use_virtual_seek()
        self.use_virtual_tell()
        self.data = bytearray()
        self._start = start
        self._at = 0

    def write(self, _context: mupdf.fz_context, data: mupdf.bytes_pointer, size: int) -> None:
        end = self._at + size
        if end > self._start:
            written = mupdf.raw_to_python_bytes(data, size)[max(0, self._start - self._at) :]
            place = max(0, self._at - self._start)
            self.data[place : place + len(written)] = written
        self._at = end

    def seek(self, _context: mupdf.fz_context, offset: int, whence: int) -> None:
        start = (0, self._at, self._start + len(self.data))[whence]
        self._at = start + offset

    def tell(self, _context: mupdf.fz_context) -> int:
        return self._at


def _saved(handle: pymupdf.Document, *, behind: int = 0) -> bytes:
    """A changed document. behind: not 0: what comes behind so many bytes, which are the document as it was."""
    options = mupdf.PdfWriteOptions()
    options.do_incremental = int(bool(behind))
    options.do_compress = 1
    output = _Behind(behind)
    mupdf.pdf_write_document(as_pdf(handle), output, options)
    output.fz_close_output()
    return bytes(output.data)


def _close(handle: EngineDocument) -> None:
    stop_reading_from(handle)
    handle.close()
