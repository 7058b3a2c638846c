"""The documents that are served: registered by the application or the command, never by a request."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from sidebooks_core.document import Document
from sidebooks_core.errors import SidebooksError, UnsupportedDocument
from sidebooks_core.registry import Given
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.service import TileService

WATCH_EVERY_S = 2.0
_PAGE_ID = re.compile(r"([A-Za-z0-9_-]{16,64})_p([1-9][0-9]{0,6})\Z")

_log = logging.getLogger("sidebooks_core.server")


class Registered(Struct, frozen=True):
    """A document on the shelf."""

    document: Document
    path: Path | None
    """Where the original lies, if it may be fetched."""


class Shelf:
    """Registered documents by id. Thread-safe."""

    def __init__(self, service: TileService) -> None:
        self.service = service
        self._lock = threading.Lock()
        self._documents: dict[str, Registered] = {}
        self._by_path: dict[Path, tuple[tuple[int, int], str | None]] = {}
        self._stop = threading.Event()
        self._told: list[Callable[[list[str]], None]] = []
        self._watcher: threading.Thread | None = None

    def register(
        self,
        source: Given,
        password: str | None = None,
        *,
        name: str | None = None,
        direction: str | None = None,
        trust_domain: str = "",
    ) -> Document:
        """Open a document and serve it from now on. Takes and raises what `TileService.open` does.

        Its first page is identified at once: whoever is told of it asks for that, and an address needs it.
        """
        document = self.service.open(source, password, name=name, direction=direction, trust_domain=trust_domain)
        path = Path(source) if isinstance(source, str | os.PathLike) else None
        with self._lock:
            self._documents[document.id] = Registered(document, path)
        self._tell()
        if document.page_count and document.known_content_id(0) is None:
            with suppress(SidebooksError):  # the queue is full, or the service closed meanwhile
                self.service.records.identify(document, 0, _not_needed, priority=Priority.PREVIEW)
        return document

    def remove(self, document_id: str) -> None:
        """Serve it no longer."""
        with self._lock:
            if self._documents.pop(document_id, None) is None:
                return
        self._tell()

    def tell(self, callback: Callable[[list[str]], None]) -> None:
        """Call back with the ids of all documents after each change, from the thread that made it."""
        self._told.append(callback)

    def _tell(self) -> None:
        for callback in self._told:
            callback(self.ids())

    def ids(self) -> list[str]:
        """Of all documents, in order of registration."""
        with self._lock:
            return list(self._documents)

    def all(self) -> list[Registered]:
        """In order of registration."""
        with self._lock:
            return list(self._documents.values())

    def find(self, document_id: str) -> Registered | None:
        with self._lock:
            return self._documents.get(document_id)

    def find_page(self, page_id: str) -> tuple[Registered, int] | None:
        """A document and a page from 0, by the name that the page's image service has."""
        matched = _PAGE_ID.match(page_id)
        found = self.find(matched[1]) if matched else None
        if matched is None or found is None or int(matched[2]) > found.document.page_count:
            return None
        return found, int(matched[2]) - 1

    def register_folder(self, folder: Path) -> int:
        """Register what is new or changed in a folder and remove what is gone; how many documents it holds."""
        seen: set[Path] = set()
        for path in sorted(folder.rglob("*")):
            if not path.is_file() or any(part.startswith(".") for part in path.relative_to(folder).parts):
                continue
            seen.add(path)
            try:
                status = path.stat()
                state = (status.st_size, status.st_mtime_ns)
                known = self._by_path.get(path)
                if known is not None and known[0] == state:
                    continue
                document_id = self.register(path).id
            except UnsupportedDocument:
                document_id = None
            except (SidebooksError, OSError) as error:
                _log.warning("not served: %s", error)
                document_id = None
            if known is not None and known[1] not in (None, document_id):
                self.remove(str(known[1]))
            self._by_path[path] = (state, document_id)
        for path in [path for path in self._by_path if path.is_relative_to(folder) and path not in seen]:
            _, gone = self._by_path.pop(path)
            if gone is not None and gone not in {document_id for _, document_id in self._by_path.values()}:
                self.remove(gone)
        return sum(document_id is not None for _, document_id in self._by_path.values())

    def watch(self, folders: list[Path]) -> None:
        """Look at folders again and again, from a thread, until `close`."""

        def look() -> None:
            while not self._stop.wait(WATCH_EVERY_S):
                for folder in folders:
                    self.register_folder(folder)

        self._watcher = threading.Thread(target=look, name="sidebooks-watch", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Watch no longer."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join(5)


def _not_needed(_answer: object, _error: SidebooksError | None) -> None:
    """Who needs the page's id asks for it too, and is told."""


def page_id(document: Document, page: int) -> str:
    """The name of a page's image service. The document's id is a digest: another content has another name."""
    return f"{document.id}_p{page + 1}"
