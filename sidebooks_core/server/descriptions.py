"""Documents and pages as our own API describes them, and the files they were opened from."""

from __future__ import annotations

import os
import re
import secrets
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import UNLIMITED, Limits
from sidebooks_core.documents.model import Link, SearchHit, Word
from sidebooks_core.server import headers
from sidebooks_core.server.allowance import first_page
from sidebooks_core.server.http import FileRange, Headers, HttpRequest, HttpResponse, byte_range
from sidebooks_core.server.iiif import presentation
from sidebooks_core.server.json_text import json_bytes
from sidebooks_core.server.schemas import (
    AttachedFile,
    DocumentDetails,
    DocumentMetadata,
    DocumentSummary,
    Hit,
    NotServed,
    OutlineEntry,
    PageLink,
    PageLinks,
    PageWords,
    ReaderLimits,
    SearchHits,
)
from sidebooks_core.server.shelf import Registered, page_id
from sidebooks_core.server.statuses import Refused, not_found
from sidebooks_core.server.watcher import Problem
from sidebooks_core.service import Document

DESCRIBED_BYTES = 32 << 20
"""The most bytes of descriptions that are kept."""
MAX_NAME_BYTES = 200
"""The most bytes of a downloaded file's name, in UTF-8."""
_UNNAMEABLE = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]')
"""Characters that some system forbids in file names, and those that change the direction of writing."""


def summary(base: str, registered: Registered, limits: Limits = UNLIMITED) -> DocumentSummary:
    """A document in the list of all. base: of all addresses, without a slash at its end."""
    document = registered.document
    return DocumentSummary(
        id=document.id,
        title=document.title,
        name=document.name,
        kind=document.kind,
        page_count=document.page_count,
        direction=document.direction,
        image_service=f"{base}/iiif/3/{page_id(document, first_page(limits, document) or 0)}",
        manifest=f"{base}/presentation/3/{document.id}/manifest.json",
        pages=f"{base}/documents/{document.id}/pages.json",
        folder=registered.folder,
    )


def not_served(problems: Iterable[Problem]) -> list[NotServed]:
    """What lies in the watched folders and is not served, by name and reason."""
    return [NotServed(problem.path.name, problem.reason, problem.is_locked) for problem in problems]


def told_limits(limits: Limits, operations: Iterable[str]) -> ReaderLimits:
    """What a reader may do, as it is told."""
    pages = None if limits.pages is None else [(first + 1, last + 1) for first, last in limits.pages]
    return ReaderLimits(
        may=list(operations),
        pages=pages,
        long_side_px=limits.long_side_px,
        may_download=limits.may_have_file(),
        may_print=limits.may_print,
        is_marked=limits.is_marked,
    )


def details(base: str, registered: Registered, limits: Limits, told: ReaderLimits) -> DocumentDetails:
    """A document by itself. Entries of its outline that lead to pages outside the limits are left out, as are attachments if
    there are such pages: both tell what those pages say.
    """
    document = registered.document
    outline = [
        OutlineEntry(item.level, item.title, None if item.page is None else item.page + 1, item.uri)
        for item in document.outline
        if item.page is None or limits.has_page(item.page)
    ]
    attached = document.attachments if limits.pages is None else ()
    attachments = [AttachedFile(one.name, one.size_bytes, one.media_type) for one in attached]
    return DocumentDetails(
        **asdict(summary(base, registered, limits)),
        outline=outline,
        attachments=attachments,
        repaired=list(document.info.repaired),
        original=f"{base}/documents/{document.id}/original"
        if registered.path and Operation.READ_ORIGINAL in told.may
        else None,
        limits=told,
        metadata=DocumentMetadata(**asdict(document.metadata)) if Operation.READ_ORIGINAL in told.may else None,
    )


def search_hits(query: str, hits: Sequence[SearchHit], after: int | UnsetType | None = UNSET) -> SearchHits:
    """The answer of a search. after: of one in steps, the page, from 0, that the next step begins at; None: it was the last."""
    following = after + 1 if isinstance(after, int) else after
    return SearchHits(query, [Hit(hit.page + 1, hit.boxes, hit.text) for hit in hits], following)


def page_words(words: Sequence[Word]) -> PageWords:
    """The words of a page."""
    return PageWords([(w.x0_pt, w.y0_pt, w.x1_pt, w.y1_pt, w.text, w.block, w.line) for w in words])


def page_links(links: Sequence[Link]) -> PageLinks:
    """The links of a page."""
    return PageLinks(
        [
            PageLink((one.x0_pt, one.y0_pt, one.x1_pt, one.y1_pt), None if one.page is None else one.page + 1, one.uri)
            for one in links
        ]
    )


class Described:
    """Long descriptions as bytes, made once: a hundred tablets that open a document ask for the same. Thread-safe.

    They are kept without a host, and each request puts its own in. So no client can fill the memory with many hosts.
    """

    def __init__(self, most_bytes: int = DESCRIBED_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._bytes = 0
        self._made: OrderedDict[tuple[weakref.ref[Document], str], bytes] = OrderedDict()
        self._base = f"base-{secrets.token_hex(16)}"

    def __len__(self) -> int:
        return len(self._made)

    @property
    def held_bytes(self) -> int:
        """Of all descriptions that are kept."""
        return self._bytes

    def get(self, document: Document, kind: str, base: str, make: Callable[[str], object]) -> bytes:
        """The JSON of what `make` gives for addresses that begin with `base`."""
        name = weakref.ref(document), kind
        with self._lock:
            body = self._made.get(name)
            if body is not None:
                self._made.move_to_end(name)
        if body is None:
            body = json_bytes(make(self._base))
            self._keep(name, body)
        return body.replace(self._base.encode(), json_bytes(base)[1:-1])

    def _keep(self, name: tuple[weakref.ref[Document], str], body: bytes) -> None:
        with self._lock:
            if name in self._made or len(body) > self._most_bytes:
                return
            self._made[name] = body
            self._bytes += len(body)
            while self._bytes > self._most_bytes:
                self._bytes -= len(self._made.popitem(last=False)[1])


def original(request: HttpRequest, registered: Registered) -> HttpResponse:
    """The file itself, or a range of it, if it is still what was registered. Raises Refused."""
    path, document = registered.path, registered.document
    if path is None:
        raise not_found()
    media_type = presentation.MEDIA_TYPES.get(document.kind, "application/octet-stream")
    suffix = Path(registered.file_name or path.name).suffix
    own = headers.file(media_type, document.id, disposition(document.name, suffix, document.id))
    if request.has_etag(document.id):
        return HttpResponse(304, headers=own)

    def require_same(now: os.stat_result) -> None:
        if document.ref.file_state != (now.st_ino, now.st_size, now.st_mtime_ns):
            raise Refused(410, "the original has changed")

    return file_answer(request, path, document.id, own, require_same)


def file_answer(
    request: HttpRequest, path: Path, tag: str, own: Headers, require_same: Callable[[os.stat_result], None]
) -> HttpResponse:
    """A file, or a range of it. own: its headers. require_same: raises Refused if it is not the file it was. Raises Refused."""
    try:
        file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - who sends it closes it
    except OSError:
        raise Refused(410, "the original is gone") from None
    try:
        now = os.fstat(file.fileno())
        require_same(now)
        found = byte_range(_wanted_range(request, tag), now.st_size)
        first, last = found or (0, now.st_size - 1)
        file.seek(first)
    except BaseException:
        file.close()
        raise
    part = FileRange(file, last - first + 1)
    if found is None:
        return HttpResponse(200, headers=own, file=part)
    return HttpResponse(206, headers=[*own, headers.content_range(first, last, now.st_size)], file=part)


def _without_waiting(path: str, flags: int) -> int:
    """Open a file without waiting. If something else is in its place now, such as a FIFO, the thread does not hang."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _wanted_range(request: HttpRequest, tag: str) -> str:
    """The Range header, if it counts: of a GET, and of the file that the client has a part of (If-Range)."""
    only_if = request.header(b"if-range").strip()
    is_of_this = not only_if or only_if == f'"{tag}"'
    return request.header(b"range") if request.scope["method"] == "GET" and is_of_this else ""


def disposition(name: str, suffix: str, document_id: str) -> bytes:
    """Content-Disposition (RFC 6266): to be saved under the document's name, with its file's ending.

    Programs that do not read `filename*`, such as curl, get the name with "_" for each character that is not ASCII. If there
    are such characters, the beginning of the id follows. Otherwise all Japanese names of a meeting's papers might be the same.
    """
    suffix = _UNNAMEABLE.sub("_", suffix)
    stem = _UNNAMEABLE.sub("_", name)
    stem = stem[: -len(suffix)] if suffix and stem.lower().endswith(suffix.lower()) else stem
    while len((stem + suffix).encode("utf-8")) > MAX_NAME_BYTES and stem:
        stem = stem[:-1]
    stem = stem.strip(" .") or "document"
    shown = stem + suffix
    plain = _plain(stem) + ("" if shown.isascii() else f"-{document_id[:8]}") + _plain(suffix)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe='')}".encode("ascii")


def _plain(name: str) -> str:
    return "".join(character if " " <= character <= "~" and character not in "%;'" else "_" for character in name)
