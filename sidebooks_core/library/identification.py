"""The content ids of whole documents: learned a slice at a time while nothing else is to be done, and remembered.

By them a page's images are found again. One that is not known needs a worker, which a new process does not have yet.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from msgspec import Struct

from sidebooks_core import keys
from sidebooks_core.documents.document import ContentIds, Document
from sidebooks_core.documents.model import DocumentInfo
from sidebooks_core.documents.page_ids import LOOKED_INTO_KINDS, own_page_id
from sidebooks_core.errors import SidebooksError
from sidebooks_core.images.finding import Records
from sidebooks_core.library.remembered import Registry
from sidebooks_core.scheduling.queue import Priority


class _Subject(Struct, frozen=True):
    """What is remembered of a document, also when nobody has it any more."""

    document_id: str
    info: DocumentInfo
    content_ids: ContentIds
    trust_domain: str
    withdrawn: threading.Event

    @classmethod
    def of(cls, document: Document) -> _Subject:
        return cls(document.id, document.info, document.content_ids, document.trust_domain, document.withdrawn)


def known_at_once(info: DocumentInfo, digest: str, trust_domain: str) -> list[str | None]:
    """The content ids of a document's pages as far as they are known without a worker."""
    if info.kind in LOOKED_INTO_KINDS:
        return [None] * info.page_count
    return [keys.scoped_id(own_page_id(info.kind, digest, page), trust_domain) for page in range(info.page_count)]


class Identification:
    """Learns and remembers. Thread-safe."""

    def __init__(self, registry: Registry, records: Records) -> None:
        self._registry = registry
        self._records = records

    def begin(self, document: Document) -> None:
        """Learn all that is not known. To be called when somebody has the first image: before, it would keep the worker that
        holds the document from drawing that. It ends when nobody has the document any more."""
        self._go_on(weakref.ref(document), _Subject.of(document), 0)

    def remember(self, document: Document) -> None:
        """Store what was learned since the last time, if anything."""
        self._remember(_Subject.of(document))

    def _go_on(self, held: weakref.ref[Document], subject: _Subject, start: int) -> None:
        document = held()
        page = subject.content_ids.first_unknown(start)
        if document is None or page is None or start == 0:
            self._remember(subject)
        if document is None or page is None:
            return

        def next_slice(_answer: Any, _error: SidebooksError | None) -> None:
            self._go_on(held, subject, page + 1)

        try:
            self._records.identify(document, page, next_slice, priority=Priority.BULK, follows_up=True)
        except SidebooksError:  # closed or full: whoever needs an id asks for it
            self._remember(subject)

    def _remember(self, subject: _Subject) -> None:
        if subject.withdrawn.is_set():
            return
        content_ids = subject.content_ids.news()
        if content_ids is None:
            return
        self._registry.identify(subject.document_id, subject.info, content_ids, subject.trust_domain)
        if subject.withdrawn.is_set():
            self._registry.forget(subject.document_id)  # withdrawn between the look and the keeping
