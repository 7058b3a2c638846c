"""What the parts of the facade have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sidebooks_core.assembly import Parts
from sidebooks_core.documents.document import Document
from sidebooks_core.errors import require_type
from sidebooks_core.library.remembered import Given
from sidebooks_core.settings import Settings
from sidebooks_core.tiling.spreads import SINGLE_PAGES, SpreadRule

if TYPE_CHECKING:
    from sidebooks_core.service.opened import Document as OpenDocument


class Core(ABC):
    """A service, as its parts see it."""

    settings: Settings
    parts: Parts

    @abstractmethod
    def open(self, source: Given, password: str | None = None) -> OpenDocument:
        """See `TileService.open`."""

    @abstractmethod
    def require_open(self) -> None:
        """Raises ServiceClosed, also in a process that was forked from the one that made the service."""


def require_document(service: Core, document: object) -> None:
    """Does nothing if the service is open and the argument is a document. Raises ServiceClosed, TypeError."""
    service.require_open()
    require_type(document, Document, "document", "what `open` returned")


def spread_rule(spread: bool | SpreadRule) -> SpreadRule:
    """Raises TypeError."""
    require_type(spread, (bool, SpreadRule), "spread", "a bool or a SpreadRule")
    return spread if isinstance(spread, SpreadRule) else SpreadRule() if spread else SINGLE_PAGES


def chosen_pages(document: Document, pages: Iterable[int] | None) -> list[int]:
    """Numbers of pages from 0, all of them for None. Raises PageNotFound, TypeError."""
    if pages is None:
        return list(range(document.page_count))
    require_type(pages, Iterable, "pages", "numbers of pages, from 0")
    wanted = list(pages)
    for page in wanted:
        document.require_page(page)
    return wanted
