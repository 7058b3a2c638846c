"""The readers of a service: the images that they share, and the positions at which they stopped."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Protocol, TypeVar

from sidebooks_core.documents.document import Document
from sidebooks_core.errors import ServiceClosed
from sidebooks_core.images.finding import Images
from sidebooks_core.reading.reader import Reader, ReaderOptions

R = TypeVar("R", bound=Reader)


class Positions(Protocol):
    """The page at which a reader stopped, by document and by reader's name. Neither method waits for a write to disk."""

    def page_of(self, document_id: str, reader: str) -> int | None: ...

    def save(self, document_id: str, reader: str, page: int) -> None: ...


class Readers:
    """Makes readers, and knows the open ones. Thread-safe."""

    def __init__(self, images: Images, positions: Positions, remember: Callable[[Document], None]) -> None:
        """remember: saves the facts of a document, so that its stored pages are found next time."""
        self.images = images
        self._positions = positions
        self._remember = remember
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[Reader] = weakref.WeakSet()
        self._closed = False

    def open(self, document: Document, view_px: tuple[int, int], options: ReaderOptions) -> Reader:
        """A new reader on a screen of (width, height) pixels. Raises RequestError, ServiceClosed."""
        return self.open_as(Reader, document, view_px, options)

    def open_as(self, kind: type[R], document: Document, view_px: tuple[int, int], options: ReaderOptions) -> R:
        """The same, of a class that derives from `Reader`."""
        reader = kind(self, document, view_px, options)
        with self._lock:
            closed = self._closed
            if not closed:
                self._open.add(reader)
        if closed:
            reader.close()
            raise ServiceClosed("the service is closed")
        return reader

    def count(self) -> int:
        """The number of open readers, which share the memory for prefetch."""
        return len(self._open)

    def page_of(self, document: Document, name: str) -> int:
        """The page that a reader read last, from 0; the first if that is not known."""
        page = self._positions.page_of(document.id, name)
        return page if page is not None and page < document.page_count else 0

    def remember(self, document: Document, name: str | None, page: int) -> None:
        """Save the page, from 0, at which the next reading of this name begins, with the document's content ids.

        None: the page is not saved.
        """
        if name is not None:
            self._positions.save(document.id, name, page)
        self._remember(document)

    def forget(self, reader: Reader) -> None:
        """Remove a reader that closed."""
        self._open.discard(reader)

    def close(self) -> None:
        """Close all readers, and open no other."""
        with self._lock:
            self._closed = True
            readers = list(self._open)
        for reader in readers:
            reader.close()
