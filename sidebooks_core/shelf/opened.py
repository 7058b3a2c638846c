"""The documents of revisions, some of which stay open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection

from sidebooks_core.databases.database import Database
from sidebooks_core.documents.model import Matching, SearchHit
from sidebooks_core.errors import DocumentError, StorageDamaged
from sidebooks_core.service import Document, TileService
from sidebooks_core.shelf import catalogue
from sidebooks_core.shelf.intake import ERRORS
from sidebooks_core.shelf.model import Revision
from sidebooks_core.shelf.originals import Originals

DOCUMENTS_KEPT = 64
"""Documents that stay open, so that a paper that is read again needs no look at its file."""


class OpenedRevisions:
    """Opens the documents of revisions. Thread-safe."""

    def __init__(self, service: TileService, database: Database, originals: Originals) -> None:
        self._service = service
        self._database = database
        self._originals = originals
        self._lock = threading.Lock()
        self._documents: OrderedDict[tuple[str, int], Document] = OrderedDict()

    def document(self, revision: Revision) -> Document:
        """The document of a revision. Raises the DocumentError that says why it cannot be opened, or StorageDamaged."""
        key = revision.paper, revision.number
        with self._database.reading() as reading:
            password = catalogue.password_of(reading, *key)
            name = catalogue.require_paper(reading, revision.paper).name
        with self._lock:
            known = self._documents.get(key)
            if known is not None and known.name == name:  # else the paper has another name now
                self._documents.move_to_end(key)
                return known
        if revision.state != "ready":
            raise ERRORS[revision.state](revision.reason)
        if not self._originals.holds(revision.shown):
            raise StorageDamaged(f"the original of {name!r}, revision {revision.number}, is missing: restore a backup")
        document = self._service.open(self._originals.path(revision.shown), password, name=name)
        self.keep(key, document)
        return document

    def keep(self, key: tuple[str, int], document: Document) -> None:
        """Keep a document open. key: the paper's id, and the number of the revision."""
        with self._lock:
            self._documents[key] = document
            while len(self._documents) > DOCUMENTS_KEPT:
                self._documents.popitem(last=False)

    def search(self, revision: Revision, query: str, pages: range, matching: Matching) -> list[SearchHit]:
        """Where a text occurs on neighbouring pages of a revision, by a worker. Raises what `document` does, PageError."""
        document, hits, page = self.document(revision), list[SearchHit](), pages.start
        while page < pages.stop:
            more = self._service.parts.questions.search(document, query, page, pages.stop, matching=matching).result()
            hits.extend(more.hits)
            page = more.reached
        return hits

    def let_go(self, revisions: list[Revision]) -> list[Document]:
        """The documents of some revisions, as far as these can be opened. They are kept open no longer."""
        found = []
        for revision in revisions:
            try:
                found.append(self.document(revision))
            except (DocumentError, StorageDamaged, FileNotFoundError):
                continue  # nothing was made of it
            with self._lock:
                self._documents.pop((revision.paper, revision.number), None)
        return found

    def drop(self, papers: Collection[str | None]) -> list[Document]:
        """Keep the documents of some papers open no longer. Those that were open."""
        with self._lock:
            keys = [key for key in self._documents if key[0] in papers]
            return [self._documents.pop(key) for key in keys]
