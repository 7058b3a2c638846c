"""Opens a document as what its content says it is. Worker side."""

from __future__ import annotations

from sidebooks_core.documents import archives, passwords
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.documents.shown_text import shown
from sidebooks_core.documents.sniffing import (
    ARCHIVE_KINDS,
    ENGINE_TYPES,
    IMAGE_KINDS,
    REFLOWABLE_KINDS,
    foreign,
    sniff,
    unpacked,
)
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.engine_errors import document_errors
from sidebooks_core.engine.messages import take_warnings
from sidebooks_core.engine.mupdf import EngineDocument, OpenPdf, RawObj, is_pdf, mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.open_document import OpenDocument, Origin
from sidebooks_core.engine.pdf import mending
from sidebooks_core.engine.pdf import objects as pdf_objects
from sidebooks_core.engine.pdf import pages as pdf_pages
from sidebooks_core.engine.sequence import opened
from sidebooks_core.engine.store import read_from, stop_reading_from
from sidebooks_core.errors import DamagedDocument, DocumentTooLarge, PasswordRequired, UnsupportedDocument


def open_document(
    source: Source,
    *,
    password: str | None,
    name: str,
    limits: Limits,
    chapters: tuple[int, ...] = (),
    has_true_counts: bool = False,
) -> OpenDocument:
    """Open a document as what its content says it is. The source must stay open as long as the document.

    chapters: the page counts of its chapters, from an earlier opening; a document that flows is then not laid out as a whole.
    has_true_counts: what an earlier description of a PDF says (`DocumentInfo`). Pages are then found without a list of all, and
    nothing is looked for that may need mending.
    Raises OSError, UnsupportedDocument, DamagedDocument, PasswordRequired, DocumentTooLarge.
    """
    if not len(source):
        raise DamagedDocument(f"{name} is empty")
    kind = sniff(source)
    if kind is None:
        what = foreign(source)
        if what is not None:
            raise UnsupportedDocument(f"{name} is {what}")
        raise UnsupportedDocument(
            f"{name} is none of the kinds that can be opened: PDF, XPS, EPUB, FB2, MOBI, CBZ, SVG, TIFF and other images"
        )
    if kind in ARCHIVE_KINDS:
        _require_members(source, name, limits)
    take_warnings()
    with document_errors(name, kind):
        handle = _handle(source, kind, name, limits)
        try:
            needs_password = unlock(handle, password, name)
            read_from(handle)  # laying out may draw
            was_mended = False
            if has_true_counts and isinstance(handle, OpenPdf):
                pdf_pages.find_by_counts(handle)
            elif is_pdf(handle):
                was_mended = mending.mend(handle)
            if (
                kind == "pdf"
                and is_pdf(handle)
                and (chapters or not 1 <= pdf_pages.told_count(handle) <= limits.document_pages)
            ):
                page_count = pdf_pages.rebuild(handle, limits.document_pages)
                chapters = (page_count,) if page_count else ()
            if kind in REFLOWABLE_KINDS and not chapters:
                chapters = tuple(handle.chapter_page_count(chapter) for chapter in range(handle.chapter_count))
            return OpenDocument(handle, Origin(source, kind, limits, needs_password, was_mended), name, chapters)
        except BaseException:
            stop_reading_from(handle)
            raise


def open_by(ref: DocumentRef, source: Source) -> OpenDocument:
    """Open a document by its reference, from its content. Raises what `open_document` raises."""
    return open_document(
        source,
        password=ref.password,
        name=ref.name,
        limits=ref.limits,
        chapters=ref.chapters,
        has_true_counts=ref.has_true_counts,
    )


def _require_members(source: Source, name: str, limits: Limits) -> None:
    """Check the sizes that the archive states. An archive that states them wrongly meets the worker's bound of memory."""
    largest = max(archives.members(source) or (), key=lambda member: member.file_size, default=None)
    if largest is not None and largest.file_size > limits.member_bytes:
        what = f"{shown(largest.filename)[:80]!r} in it has {largest.file_size} bytes"
        raise DocumentTooLarge(f"{name}: {what}; the settings allow {limits.member_bytes} (member_bytes)")


def _handle(source: Source, kind: str, name: str, limits: Limits) -> EngineDocument:
    if kind in IMAGE_KINDS:
        from sidebooks_core.engine.images import pages as image_pages

        return image_pages.open_image(source, kind, name, limits)
    if kind == "cbz":
        from sidebooks_core.engine import comics

        return comics.open_comic(source, name, limits)
    if kind == "svg":
        return _open_drawing(source, name, limits)
    if kind == "epub":
        return _open_book(source, limits)
    if kind == "pdf":
        return OpenPdf(source.data)
    return opened(source.data, ENGINE_TYPES.get(kind, kind))


def _open_drawing(source: Source, name: str, limits: Limits) -> EngineDocument:
    packed = unpacked(source, limits.member_bytes + 1)
    if packed is not None and len(packed) > limits.member_bytes:
        raise DocumentTooLarge(f"{name} unpacks to more than the settings allow: {limits.member_bytes} bytes (member_bytes)")
    from sidebooks_core.engine import svg

    return svg.open_drawing(source.data if packed is None else packed, name, limits)


def _open_book(source: Source, limits: Limits) -> EngineDocument:
    """An EPUB: page by page if it has pages of fixed size or images for pages, else as the engine lays it out."""
    from sidebooks_core.documents import epub_package
    from sidebooks_core.engine.epub import pages as epub_pages
    from sidebooks_core.engine.epub import ruby as epub_ruby

    try:
        archive = archives.Archive(source)
    except archives.UNREADABLE:
        package = None
    else:
        package = epub_package.read_package(archive)
    if package is None:  # the engine repairs more than zipfile does
        return opened(source.data, "epub")
    if not package.is_flowing:
        return epub_pages.open_book(source, archive, package, limits)
    return opened(epub_ruby.without_own_sizes(archive, package) or source.data, "epub")


def unlock(handle: EngineDocument, password: str | None, name: str) -> bool:
    """Give a password if the document needs one. Returns whether it did. Raises PasswordRequired."""
    if not isinstance(handle, pymupdf.Document) or not handle.needs_pass:
        return False
    encryption = pdf_objects.get(mupdf.ll_pdf_trailer(raw_pdf(handle)), "Encrypt") if is_pdf(handle) else None
    if encryption is not None and _spares_pages(encryption):
        handle.is_encrypted = False
        handle.init_doc()
        return False
    if password is None:
        raise PasswordRequired(f"{name} needs a password")
    revision = mupdf.ll_pdf_to_int(pdf_objects.get(encryption, "R")) if encryption is not None else 0
    if not any(handle.authenticate(form) for form in passwords.forms(password, revision)):
        raise PasswordRequired(f"{name} needs another password: this one does not open it")
    return True


def _spares_pages(encryption: RawObj) -> bool:
    """Whether only attached files are encrypted, and streams and strings are not (ISO 32000-2, 7.6.6)."""
    if mupdf.ll_pdf_to_int(pdf_objects.get(encryption, "V")) < 4:
        return False
    return all(pdf_objects.name(pdf_objects.get(encryption, use)) in ("", "Identity") for use in ("StmF", "StrF"))
