"""Documents and pages as our own API describes them, and the files they were opened from."""

from __future__ import annotations

from typing import Any

from sidebooks_core.document import Document
from sidebooks_core.server import iiif, presentation
from sidebooks_core.server.exchange import IMMUTABLE, Answer, Asked, byte_range, not_found
from sidebooks_core.server.shelf import Registered, page_id


def summary(base: str, registered: Registered) -> dict[str, Any]:
    """A document in the list of all."""
    document = registered.document
    return {
        "id": document.id,
        "title": document.title,
        "name": document.name,
        "kind": document.kind,
        "page_count": document.page_count,
        "direction": document.direction,
        "image_service": f"{base}/iiif/3/{page_id(document, 0)}",
        "manifest": f"{base}/presentation/3/{document.id}/manifest.json",
        "pages": f"{base}/documents/{document.id}/pages.json",
    }


def details(base: str, registered: Registered) -> dict[str, Any]:
    """A document by itself."""
    document = registered.document
    return summary(base, registered) | {
        "outline": [
            {"level": item.level, "title": item.title, "page": None if item.page is None else item.page + 1}
            for item in document.outline
        ],
        "original": f"{base}/documents/{document.id}/original" if registered.path else None,
    }


def page_entry(base: str, document: Document, page: int) -> dict[str, Any]:
    """A page in `pages.json`."""
    info = document.info.pages[page]
    finest = document.pyramid(page).finest
    return {
        "page": page + 1,
        "label": info.label,
        "width_pt": info.width_pt,
        "height_pt": info.height_pt,
        "width_px": finest.width_px,
        "height_px": finest.height_px,
        "image_service": f"{base}/iiif/3/{page_id(document, page)}",
    }


def original(asked: Asked, registered: Registered) -> Answer:
    """The file itself, or a range of it, if it is still what was registered."""
    path = registered.path
    if path is None:
        raise not_found()
    document = registered.document
    try:
        with path.open("rb") as file:
            status = path.stat()
            if document.ref.file_state is not None and status.st_size != document.ref.file_state[1]:
                raise iiif.Refused(410, "the original has changed")
            first, last = byte_range(asked.header(b"range"), status.st_size)
            file.seek(first)
            body = file.read(last - first + 1)
    except OSError:
        raise iiif.Refused(410, "the original is gone") from None
    headers = [
        (b"content-type", presentation.MEDIA_TYPES.get(document.kind, "application/octet-stream").encode()),
        (b"accept-ranges", b"bytes"),
        (b"etag", f'"{document.id}"'.encode()),
        (b"cache-control", IMMUTABLE),
        (b"content-disposition", b"attachment"),
    ]
    if asked.has_etag(document.id):
        return Answer(304, headers=headers)
    if not asked.header(b"range"):
        return Answer(200, body, headers)
    return Answer(206, body, [*headers, (b"content-range", f"bytes {first}-{last}/{status.st_size}".encode())])
