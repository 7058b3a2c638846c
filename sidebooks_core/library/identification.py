"""Learns the content ids of whole documents, slice by slice, while workers have no other job, and remembers them.

The records of a page are found by its content id. If the id is not known, a worker must find it out, and a new process has no
worker yet.
"""

from __future__ import annotations

import threading
import weakref

from msgspec import Struct

from sidebooks_core import keys
from sidebooks_core.documents.document import ContentIds, Document
from sidebooks_core.documents.model import DocumentInfo
from sidebooks_core.documents.page_ids import LOOKED_INTO_KINDS, own_page_id
from sidebooks_core.images.answers import Answer
from sidebooks_core.images.seeking import identifying
from sidebooks_core.images.work import Flight, Wanted
from sidebooks_core.library.remembered import Registry
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.settings import Settings


class _Subject(Struct, frozen=True):
    """The parts of a document that are remembered, even after nobody holds the document any more."""

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


class Course(Struct, eq=False):
    """The identification of one document, slice by slice. It ends when nobody holds the document any more."""

    identification: Identification
    document: weakref.ref[Document]
    subject: _Subject
    page: int = -1
    """The first page of the last slice. -1: there was none."""

    def following(self) -> Flight | None:
        """See `Background`. A page that cannot be identified is skipped."""
        return self.identification.after(self)


class Identification:
    """Learns content ids, and remembers them. Thread-safe."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    def begin(self, document: Document) -> Flight | None:
        """The first slice of the pages that are not identified. Begin it after the first image: before, it would occupy the
        worker that holds the document and must draw this image.
        """
        course = Course(self, weakref.ref(document), _Subject.of(document))
        self._remember(course.subject)
        return self.after(course)

    def after(self, course: Course) -> Flight | None:
        """The next slice of a course. It begins at the first unknown page. None: the course is over, and its ids are stored."""
        document = course.document()
        page = course.subject.content_ids.first_unknown(course.page + 1)
        if document is None or page is None:
            self._remember(course.subject)
            return None
        course.page = page
        wanted = Wanted(Answer(), Priority.IDLE, "")
        return identifying(self._settings, document, page, wanted, course)

    def remember(self, document: Document) -> None:
        """Store the content ids if new ones were learned since the last time."""
        self._remember(_Subject.of(document))

    def _remember(self, subject: _Subject) -> None:
        if subject.withdrawn.is_set():
            return
        content_ids = subject.content_ids.news()
        if content_ids is None:
            return
        self._registry.identify(subject.document_id, subject.info, content_ids, subject.trust_domain)
        if subject.withdrawn.is_set():
            self._registry.forget(subject.document_id)  # withdrawn between the look and the keeping
