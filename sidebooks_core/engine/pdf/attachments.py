"""The files that a PDF carries: embedded in it, in a portfolio, or pinned to a page. Worker side."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from sidebooks_core.documents.model import Attachment
from sidebooks_core.documents.shown_text import shown
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, RawObj, RawPdf, mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf.objects import catalog, get, items, name, text
from sidebooks_core.engine.pdf.targets import file_name, name_tree

MOST_FILES = 1_000
MOST_ANNOTATIONS = 50_000
"""Most annotations that are searched for pinned files, at 5 us each."""
SEARCHED_BYTES = 32 << 20
"""Most bytes of a file that are searched, from its beginning."""
_EMBEDDED = b"/EmbeddedFile"
"""The stream of an embedded file says that it is one. A stream is never packed into another object, so this text stands in the
file."""
COUNTED_FROM_BYTES = 4 << 20
"""From this size on, the annotations of a document are counted before the document is searched. Counting may have to unpack
them."""
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
BYTES_FOR_AN_ANNOTATION = 30_000
"""Bytes of a document that are searched in the time in which one annotation is read."""
_BY_ENDING = {
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "txt": "text/plain",
    "csv": "text/csv",
    "xml": "application/xml",
    "zip": "application/zip",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "tif": "image/tiff",
    "tiff": "image/tiff",
}


def may_have_pinned(source: Source, page_objects: Sequence[RawObj]) -> bool:
    """Whether a PDF may hold files that are pinned to its pages. If not, its annotations need not be read for them.

    A search for one embedded file takes 0.17 ms for each MB of the document; reading an annotation takes 5 us. So the
    annotations of a long file with few pages are counted first: scans have none.
    """
    try:
        pinning = [page_object for page_object in page_objects if get(page_object, "Annots") or get(page_object, "AF")]
        most = len(source) // BYTES_FOR_AN_ANNOTATION
        if not pinning:
            return False
        if len(source) > COUNTED_FROM_BYTES and len(pinning) < most:
            pins = sum(1 + mupdf.ll_pdf_array_len(get(page_object, "Annots")) for page_object in pinning)
            if pins < most:
                return True
    except ENGINE_ERRORS:
        pass  # damaged: the file is searched
    return source.holds(_EMBEDDED, SEARCHED_BYTES)


def read_attachments(document: pymupdf.Document, pages_with_pins: Sequence[RawObj]) -> tuple[Attachment, ...]:
    """Each attached file once, at most `MOST_FILES`. Damaged ones are left out.

    pages_with_pins: page objects whose annotations and associated files (ISO 32000-2, 14.13) are read.
    """
    found: list[Attachment] = []
    seen: set[tuple[int, str]] = set()
    with suppress(*ENGINE_ERRORS):  # damaged: the files found so far are told
        for called, file in _specifications(raw_pdf(document), pages_with_pins):
            stream = _stream(file)
            if stream is None:
                continue
            attached = _attachment(called, file, stream)
            # Optimisers keep equal contents once. Only files with equal content and equal names are one file, told in two
            # places.
            if (key := (mupdf.ll_pdf_to_num(stream), attached.name)) not in seen:
                seen.add(key)
                found.append(attached)
            if len(found) >= MOST_FILES:
                break
    return tuple(found)


def _specifications(pdf: RawPdf, pages_with_pins: Sequence[RawObj]) -> Iterator[tuple[str, RawObj]]:
    root = catalog(pdf)
    for key, file in name_tree(get(get(root, "Names"), "EmbeddedFiles"), MOST_FILES):
        yield text(key), file
    for file in items(get(root, "AF")):
        yield "", file
    left = MOST_ANNOTATIONS
    for page_object in pages_with_pins:
        for file in items(get(page_object, "AF")):
            yield "", file
        for annotation in items(get(page_object, "Annots")):
            left -= 1
            if name(get(annotation, "Subtype")) == "FileAttachment":
                yield "", get(annotation, "FS")
        if left < 0:
            return


def _stream(file: RawObj) -> RawObj:
    """The stream with the file's bytes; None if the bytes are not in the document."""
    embedded = get(file, "EF")
    return next((found for key in ("UF", "F", "Unix", "DOS", "Mac") if (found := get(embedded, key))), None)


def _attachment(called: str, file: RawObj, stream: RawObj) -> Attachment:
    full_name = shown(file_name(file)) or shown(called)
    own_name = re.split(r"[/\\]", full_name)[-1]
    size = get(get(stream, "Params"), "Size")
    size_bytes = mupdf.ll_pdf_to_int64(size) if mupdf.ll_pdf_is_int(size) else -1
    media_type = name(get(stream, "Subtype")).lower()
    if not _MEDIA_TYPE.fullmatch(media_type):
        media_type = _BY_ENDING.get(own_name.rpartition(".")[2].lower(), "application/octet-stream")
    return Attachment(own_name, size_bytes if size_bytes >= 0 else None, media_type)
