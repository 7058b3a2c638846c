"""Reads what a document says of itself: its title, who wrote it, when, and with which program. Worker side."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from sidebooks_core.documents import archives
from sidebooks_core.documents.dates import written_date
from sidebooks_core.documents.limits import METADATA_CHARS
from sidebooks_core.documents.model import Metadata
from sidebooks_core.documents.shown_text import shown
from sidebooks_core.documents.source import Source
from sidebooks_core.documents.syntax import markup, xmp
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, EngineDocument, RawObj, RawPdf, is_pdf, mupdf, raw_pdf
from sidebooks_core.engine.pdf import objects as pdf_objects

PACKET_BYTES = 1 << 20
"""Most that is read of a PDF's packet of metadata. What stands behind that is not seen."""
MEMBER_BYTES = 4 << 20
"""Most that is read of a small member of an archive, such as the package file."""
_INFO = {
    "title": "Title",
    "author": "Author",
    "subject": "Subject",
    "keywords": "Keywords",
    "creator": "Creator",
    "producer": "Producer",
    "created": "CreationDate",
    "modified": "ModDate",
}
"""Keys of a PDF's information dictionary."""


def read_metadata(handle: EngineDocument, source: Source, kind: str) -> Metadata:
    """What a document says of itself; empty where it says nothing, or where that is damaged."""
    if is_pdf(handle):
        try:
            return _of_pdf(raw_pdf(handle))
        except ENGINE_ERRORS:
            return Metadata()
    told = handle.metadata or {}
    title, author = _line(told.get("title")), _line(told.get("author"))
    package = package_of(source) if kind == "epub" else None
    return Metadata(title, author) if package is None else _of_epub(package, title, author)


def package_of(source: Source) -> bytes | None:
    """The package file of an EPUB; None if there is none."""
    container = archives.beginning(source, "META-INF/container.xml", MEMBER_BYTES) or b""
    found = re.search(rb'full-path\s*=\s*["\']([^"\']+)', container)
    return archives.beginning(source, found[1].decode("utf-8", "replace"), MEMBER_BYTES) if found else None


def _of_pdf(pdf: RawPdf) -> Metadata:
    info = pdf_objects.get(mupdf.ll_pdf_trailer(pdf), "Info")
    told = {name: _text_of(pdf_objects.get(info, key)) for name, key in _INFO.items()}
    newer = pdf_objects.get(pdf_objects.catalog(pdf), "Metadata")
    if not all(told.values()) and newer is not None and mupdf.ll_pdf_is_stream(newer):
        written = xmp.properties(pdf_objects.stream(newer, PACKET_BYTES))
        told = {name: text or _line(written.get(name)) for name, text in told.items()}
    created, modified = (written_date(told[name]) for name in ("created", "modified"))
    return Metadata(
        title=told["title"],
        author=told["author"],
        subject=told["subject"],
        keywords=told["keywords"],
        creator=told["creator"],
        producer=told["producer"],
        created=created,
        modified=modified,
    )


def _text_of(value: RawObj) -> str:
    return _line(pdf_objects.text(value)) if value is not None else ""


def _of_epub(package: bytes, title: str, author: str) -> Metadata:
    try:
        root = markup.read(package)
    except markup.BadMarkup:
        return Metadata(title, author)
    metadata = root.find("metadata")
    if metadata is None:
        return Metadata(title, author)
    authors = ", ".join(_texts(metadata, "creator"))
    modified = next((one.text or "" for one in metadata.iter("meta") if one.get("property") == "dcterms:modified"), "")
    return Metadata(
        title=title,
        author=_line(authors) or author,
        subject=_line(" ".join(_texts(metadata, "description"))),
        keywords=_line(", ".join(_texts(metadata, "subject"))),
        producer=_line(", ".join(_texts(metadata, "publisher"))),
        created=next(filter(None, map(written_date, _texts(metadata, "date"))), None),
        modified=written_date(modified),
    )


def _texts(metadata: Element, name: str) -> list[str]:
    return [text for one in metadata.iter(name) if (text := markup.text_of(one))]


def _line(text: str | None) -> str:
    """Shown on one line, and no longer than may be kept."""
    return shown(text or "")[:METADATA_CHARS]
