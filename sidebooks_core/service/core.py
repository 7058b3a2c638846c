"""What the parts of the facade have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from sidebooks_core.assembly import Parts
from sidebooks_core.documents.document import Document
from sidebooks_core.errors import require_type
from sidebooks_core.settings import Settings


class Core(ABC):
    """A service, as its parts see it."""

    settings: Settings
    parts: Parts

    @abstractmethod
    def require_open(self) -> None:
        """Raises ServiceClosed, also in a process that was forked from the one that made the service."""


def require_document(service: Core, document: object) -> None:
    """Does nothing if the service is open and the argument is a document. Raises ServiceClosed, TypeError."""
    service.require_open()
    require_type(document, Document, "document", "what `open` returned")


def chosen_pages(document: Document, pages: Iterable[int] | None) -> list[int]:
    """Numbers of pages from 0, all of them for None. Raises PageNotFound, TypeError."""
    if pages is None:
        return list(range(document.page_count))
    require_type(pages, Iterable, "pages", "numbers of pages, from 0")
    wanted = list(pages)
    for page in wanted:
        document.require_page(page)
    return wanted
