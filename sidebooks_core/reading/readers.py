"""The readers of a service: what they share, and where each of them stopped."""

from __future__ import annotations

import threading
import weakref
from typing import Protocol

import msgpack

from sidebooks_core import keys
from sidebooks_core.documents.document import Document
from sidebooks_core.errors import ServiceClosed
from sidebooks_core.images.finding import Images
from sidebooks_core.reading.reader import Reader, ReaderOptions
from sidebooks_core.stores.record import Record


class Memory(Protocol):
    """Where it is noted what is known of a document."""

    def remember(self, document: Document) -> None: ...


class Readers:
    """Makes readers, and knows those that are open. Thread-safe."""

    def __init__(self, images: Images, memory: Memory) -> None:
        self.images = images
        self._memory = memory
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[Reader] = weakref.WeakSet()
        self._closed = False

    def open(self, document: Document, view_px: tuple[int, int], options: ReaderOptions) -> Reader:
        """Raises RequestError, ServiceClosed."""
        reader = Reader(self, document, view_px, options)
        with self._lock:
            closed = self._closed
            if not closed:
                self._open.add(reader)
        if closed:
            reader.close()
            raise ServiceClosed("the service is closed")
        return reader

    def count(self) -> int:
        """Readers that share the budgets now."""
        return len(self._open)

    def remembered_page(self, document: Document) -> int:
        """The page that was read last, from 0."""
        record = self.images.keeper.store.get(keys.position_key(document.id))
        if record is None:
            return 0
        try:
            page = msgpack.unpackb(record.data)
        except (ValueError, msgpack.UnpackException):
            return 0  # somebody else's writing
        return page if isinstance(page, int) and 0 <= page < document.page_count else 0

    def remember(self, document: Document, page: int) -> None:
        """A page is read: the next reading begins there, and finds it by its content id."""
        record = Record(data=msgpack.packb(page), tag=document.id, cost_s=1.0)
        self.images.keeper.store.put(keys.position_key(document.id), record)
        self._memory.remember(document)

    def forget(self, reader: Reader) -> None:
        """A reader closed."""
        self._open.discard(reader)

    def close(self) -> None:
        """Close all readers, and open no other."""
        with self._lock:
            self._closed = True
            readers = list(self._open)
        for reader in readers:
            reader.close()
