"""Opening a document: its digest and its description, remembered or found out by a worker, and its first page's content id."""

from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from msgspec import Struct

from sidebooks_core.dispatch import Dispatcher, Work
from sidebooks_core.document import ContentIds
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import DocumentInfo
from sidebooks_core.documents.page_ids import LOOKED_INTO_KINDS
from sidebooks_core.errors import DamagedDocument, SidebooksError
from sidebooks_core.identification import known_at_once
from sidebooks_core.records import Records
from sidebooks_core.registry import Description, Registry, Source
from sidebooks_core.rendering.jobs import DocumentRef, Job
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.settings import Settings

DRAFT_OPENING_S = 0.01
DRAFT_BYTES = 32 << 10
"""Pages are drawn before they are identified (`Records.want`) where a document opened in so little time, for another worker
has to open it too, and has so many bytes: what is smaller is identified sooner."""


class Opened(Struct, frozen=True):
    """What is known of a document that was opened."""

    ref: DocumentRef
    info: DocumentInfo
    content_ids: ContentIds
    is_worth_drafting: bool


class _BeingOpened(Struct, frozen=True):
    ref: DocumentRef
    data: bytes | None
    content_ids: ContentIds


_Found = tuple[DocumentInfo, ContentIds, bool]
"""What a worker found out, of the content ids none so far; and whether the document is worth drafting."""


class Opener:
    """Thread-safe."""

    def __init__(self, settings: Settings, registry: Registry, dispatcher: Dispatcher, records: Records) -> None:
        self._settings = settings
        self._registry = registry
        self._dispatcher = dispatcher
        self._records = records
        self._limits = Limits(**{name: getattr(settings, name) for name in Limits.__struct_fields__})
        self._salt = os.urandom(16)

    def open(self, source: Source, password: str | None, trust_domain: str) -> Opened:
        """Raises what `TileService.open` does of a source that was looked at."""
        finding: Future[_Found] | None = None
        started_s = time.perf_counter()
        digest = self._registry.known_digest(source)
        if digest is None:
            if source.path is not None:  # the worker opens it while this thread digests it
                finding = self._find_out(source, password, trust_domain)
            digest = self._registry.digest(source)
        described = self._registry.description(digest, trust_domain)
        if described is not None:
            info, content_ids = described.info, ContentIds(described.content_ids)
            is_worth_drafting = source.size_bytes >= DRAFT_BYTES
            if finding is not None:
                finding.cancel()
        else:
            info, content_ids, is_worth_drafting = (finding or self._find_out(source, password, trust_domain)).result()
            if info.kind not in LOOKED_INTO_KINDS:
                content_ids = ContentIds(known_at_once(info, digest, trust_domain))
            took_s = time.perf_counter() - started_s
            self._registry.describe(digest, Description(info, content_ids.all()), took_s, trust_domain)
        return Opened(self._ref(source, password, digest, info.chapters, trust_domain), info, content_ids, is_worth_drafting)

    def _find_out(self, source: Source, password: str | None, trust_domain: str) -> Future[_Found]:
        future: Future[_Found] = Future()
        ref = self._ref(source, password, None, (), trust_domain)
        started_s = time.perf_counter()
        job = Job(kind="open", document=ref, page=None, timeout_s=self._settings.open_timeout_s, arguments={})

        def opened(answer: Any, error: SidebooksError | None) -> None:
            if not future.set_running_or_notify_cancel():
                return
            if error is not None:
                future.set_exception(error)
                return
            try:
                info = DocumentInfo.from_wire(answer)
            except (KeyError, TypeError, ValueError) as problem:
                what = f"{ref.name}: the worker's answer makes no sense ({problem!r})"
                future.set_exception(DamagedDocument(what))
                return
            content_ids = ContentIds([None] * len(info.pages))
            is_quick = time.perf_counter() - started_s <= DRAFT_OPENING_S
            is_worth_drafting = is_quick and source.size_bytes >= DRAFT_BYTES
            future.set_result((info, content_ids, is_worth_drafting))
            if info.pages and info.kind in LOOKED_INTO_KINDS and not is_worth_drafting:
                self._identify_first_page(ref, source, content_ids)

        self._dispatcher.request(Work(key=f"open|{ref.token}", job=job, data=source.data), opened)
        return future

    def _identify_first_page(self, ref: DocumentRef, source: Source, content_ids: ContentIds) -> None:
        """Whoever opens a document looks at a page next, which waits for this; who wants it more joins and promotes it."""
        with suppress(SidebooksError):  # the queue is full, or the service closed meanwhile
            subject = _BeingOpened(ref, source.data, content_ids)
            self._records.identify(subject, 0, _not_needed, priority=Priority.PREVIEW, follows_up=True)

    def _ref(
        self, source: Source, password: str | None, digest: str | None, chapters: tuple[int, ...], trust_domain: str
    ) -> DocumentRef:
        # The password is a part of the token: a worker that opened the document with one must not serve it without.
        token = source.token
        if password is not None:
            token += f"|{hashlib.blake2b(password.encode(), key=self._salt, digest_size=16).hexdigest()}"
        if trust_domain:
            token += f"|{trust_domain!r}"
        return DocumentRef(
            token=token,
            name=source.name,
            path=os.fspath(source.path) if source.path else None,
            file_state=source.file_state,
            password=password,
            digest=digest,
            limits=self._limits,
            chapters=chapters,
            trust_domain=trust_domain,
        )


def _not_needed(_answer: Any, _error: SidebooksError | None) -> None:
    """For what is asked for ahead of time: who needs it asks too, and is told."""
