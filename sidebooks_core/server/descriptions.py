"""Documents and pages as our own API describes them, and the files they were opened from."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

from sidebooks_core.document import Document
from sidebooks_core.server import iiif, presentation
from sidebooks_core.server.exchange import IMMUTABLE, Answer, Asked, FileRange, byte_range, json_bytes, not_found
from sidebooks_core.server.shelf import Registered, page_id
from sidebooks_core.server.watcher import Problem

MOST_BASES = 8


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


def not_served(problems: Iterable[Problem]) -> list[dict[str, str]]:
    """What lies in the watched folders and is not served, by name and reason."""
    return [{"name": problem.path.name, "reason": problem.reason} for problem in problems]


def details(base: str, registered: Registered) -> dict[str, Any]:
    """A document by itself."""
    document = registered.document
    return summary(base, registered) | {
        "outline": [
            {
                "level": item.level,
                "title": item.title,
                "page": None if item.page is None else item.page + 1,
                "uri": item.uri,
            }
            for item in document.outline
        ],
        "attachments": [
            {"name": one.name, "size_bytes": one.size_bytes, "media_type": one.media_type} for one in document.attachments
        ],
        "repaired": list(document.info.repaired),
        "original": f"{base}/documents/{document.id}/original" if registered.path else None,
    }


def page_entry(base: str, document: Document, page: int) -> dict[str, Any]:
    """A page in `pages.json`."""
    info = document.info.pages[page]
    pyramid = document.pyramid(page)
    finest = pyramid.finest
    entry = {
        "page": page + 1,
        "label": info.label,
        "width_pt": info.width_pt,
        "height_pt": info.height_pt,
        "width_px": finest.width_px,
        "height_px": finest.height_px,
        "levels": [[level.width_px, level.height_px, level.tile_px] for level in pyramid.levels],
        "image_service": f"{base}/iiif/3/{page_id(document, page)}",
    }
    problems = document.problems.of(page)
    return entry | {"problems": list(problems)} if problems else entry


class Described:
    """Long descriptions as bytes, made once: a hundred tablets that open a document ask for the same. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: WeakKeyDictionary[Document, dict[tuple[str, str], bytes]] = WeakKeyDictionary()

    def get(self, document: Document, kind: str, base: str, make: Callable[[], Any]) -> bytes:
        """The JSON of what `make` gives, for addresses that begin with `base`."""
        with self._lock:
            made = self._made.setdefault(document, {})
            body = made.get((kind, base))
            if body is None:
                if len(made) >= MOST_BASES:
                    made.clear()  # a base comes from the request's host: nobody fills the memory with them
                body = made[kind, base] = json_bytes(make())
        return body


def page_list(base: str, document: Document) -> dict[str, Any]:
    """`pages.json`."""
    pages = [page_entry(base, document, page) for page in range(document.page_count)]
    return {
        "document": document.id,
        "name": document.name,
        "title": document.title,
        "direction": document.direction,
        "pages": pages,
    }


def original(asked: Asked, registered: Registered) -> Answer:
    """The file itself, or a range of it, if it is still what was registered. Raises Refused."""
    path, document = registered.path, registered.document
    if path is None:
        raise not_found()
    headers = [
        (b"content-type", presentation.MEDIA_TYPES.get(document.kind, "application/octet-stream").encode()),
        (b"accept-ranges", b"bytes"),
        (b"etag", f'"{document.id}"'.encode()),
        (b"cache-control", IMMUTABLE),
        (b"content-disposition", b"attachment"),
    ]
    if asked.has_etag(document.id):
        return Answer(304, headers=headers)
    try:
        file = path.open("rb")
    except OSError:
        raise iiif.Refused(410, "the original is gone") from None
    try:
        now = os.fstat(file.fileno())
        if document.ref.file_state != (now.st_ino, now.st_size, now.st_mtime_ns):
            raise iiif.Refused(410, "the original has changed")
        first, last = byte_range(asked.header(b"range"), now.st_size)
        file.seek(first)
    except BaseException:
        file.close()
        raise
    part = FileRange(file, last - first + 1)
    if not asked.header(b"range"):
        return Answer(200, headers=headers, file=part)
    return Answer(206, headers=[*headers, (b"content-range", f"bytes {first}-{last}/{now.st_size}".encode())], file=part)
