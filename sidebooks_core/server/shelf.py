"""The documents that are served: registered by the application or the command, never by a request."""

from __future__ import annotations

import itertools
import logging
import os
import threading
from bisect import bisect_left, insort
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from sidebooks_core.documents.model import Direction
from sidebooks_core.documents.natural_order import NaturalKey, natural_key
from sidebooks_core.library.remembered import Given
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.server.watcher import Problem, Watcher
from sidebooks_core.service import Document, TileService

_Place = tuple[int, int, tuple[NaturalKey, str]]
"""Sorts documents in lists."""
_NO_PATH: tuple[NaturalKey, str] = ((), "")

_log = logging.getLogger("sidebooks_core.server")


class Registered(Struct, frozen=True):
    """A document on the shelf."""

    document: Document
    path: Path | None
    """The path of the original. None: it may not be fetched."""
    file_name: str = ""
    """Under which the original was registered, if its path does not tell."""
    folder: str = ""
    """The folder inside the watched one that holds it, with slashes."""


class Shelf:
    """Registered documents by id. Thread-safe."""

    def __init__(self, service: TileService) -> None:
        self.service = service
        self._lock = threading.Lock()
        self._copies: dict[str, dict[Path | None, Registered]] = {}
        """By document: the watched files that hold it, and None for what the application registered. The first is served."""
        self._held: dict[Path, str] = {}
        """The document that a watched file holds."""
        self._places: dict[str, _Place] = {}
        self._order: list[tuple[_Place, str]] = []
        """Sorted: what the application registered, as it came; then the files of folders, by their paths."""
        self._numbers = itertools.count()
        self._roots: set[Path] = set()
        """The watched folders."""
        self._told: list[Callable[[list[str]], None]] = []
        self._watcher = Watcher(opened=self._serve_file, gone=self._forget_file)

    def register(
        self,
        source: Given,
        password: str | None = None,
        *,
        name: str | None = None,
        direction: Direction | None = None,
        trust_domain: str = "",
    ) -> Document:
        """Open a document and serve it from now on. Takes and raises what `TileService.open` does.

        Its first page is identified at once, since clients that hear of the document ask for this page.
        """
        document = self.service.open(source, password, name=name, direction=direction, trust_domain=trust_domain)
        self._add(None, Registered(document, Path(source) if isinstance(source, str | os.PathLike) else None))
        return document

    def remove(self, document_id: str) -> None:
        """Serve a document no longer, even if watched files hold it. Does nothing if it is not served."""
        with self._lock:
            copies = self._copies.pop(document_id, None)
            if copies is None:
                return
            for path in filter(None, copies):
                del self._held[path]
            self._take_place(document_id)
        self._tell()

    def tell(self, callback: Callable[[list[str]], None]) -> None:
        """Call back with the ids of all documents after each change, from the thread that made it."""
        self._told.append(callback)

    def _tell(self) -> None:
        for callback in self._told:
            try:
                callback(self.ids())
            except Exception:  # noqa: BLE001 - a listener's fault must end neither the caller nor the watcher
                _log.exception("a callback that is told of documents failed")

    def ids(self) -> list[str]:
        """The ids of all documents in order of registration. Documents of folders come last, by their paths."""
        with self._lock:
            return [document_id for _, document_id in self._order]

    def all(self) -> list[Registered]:
        """In the same order."""
        with self._lock:
            return [next(iter(self._copies[document_id].values())) for _, document_id in self._order]

    def find(self, document_id: str) -> Registered | None:
        with self._lock:
            copies = self._copies.get(document_id)
            return next(iter(copies.values())) if copies else None

    def register_folder(self, folder: Path, timeout_s: float | None = None) -> int:
        """Register what is new or changed in a folder and remove what is gone; how many of its files are served.

        A file that cannot be served is told by `problems`. timeout_s: how long to wait for files that are being opened, in
        seconds; they go on. None: until all are.
        """
        self._roots.add(folder)
        return self._watcher.look(folder, timeout_s)

    def problems(self) -> list[Problem]:
        """The files and folders that are not served, each with its reason."""
        return self._watcher.problems()

    def opening_count(self) -> int:
        """Files of the folders that are being opened just now."""
        return self._watcher.opening_count()

    def watch(self, folders: list[Path]) -> None:
        """Look at folders again and again, from a thread, until `close`."""
        self._roots.update(folders)
        self._watcher.watch(folders)

    def close(self) -> None:
        """Watch no longer."""
        self._watcher.close()

    def _serve_file(self, path: Path) -> None:
        document = self.service.open(path)
        self._let_go(path, unless_id=document.id)  # told with the new one: else readers hear that theirs is gone
        self._add(path, Registered(document, path, folder=self._inner_folder(path)))

    def _inner_folder(self, path: Path) -> str:
        root = max(
            (one for one in self._roots if path.is_relative_to(one)), key=lambda one: len(one.parts), default=path.parent
        )
        return "/".join(path.parent.relative_to(root).parts)

    def _forget_file(self, path: Path) -> None:
        """A file is gone."""
        if self._let_go(path):
            self._tell()

    def _let_go(self, path: Path, unless_id: str | None = None) -> bool:
        """A file no longer holds its document, unless its id is `unless_id`. Returns whether the document has left the shelf.

        It leaves with its last file.
        """
        with self._lock:
            document_id = self._held.get(path)
            if document_id is None or document_id == unless_id:
                return False
            del self._held[path]
            copies = self._copies[document_id]
            del copies[path]
            if copies:
                return False
            del self._copies[document_id]
            self._take_place(document_id)
            return True

    def _add(self, path: Path | None, registered: Registered) -> None:
        document = registered.document
        with self._lock:
            is_new = document.id not in self._copies
            others = {one: copy for one, copy in self._copies.get(document.id, {}).items() if one != path}
            self._copies[document.id] = {path: registered, **others}  # the newest first: it can be opened
            if path is not None:
                self._held[path] = document.id
            if is_new:
                place = (0, next(self._numbers), _NO_PATH) if path is None else (1, 0, natural_key(os.fspath(path)))
                self._places[document.id] = place
                insort(self._order, (place, document.id))
        self._tell()
        if is_new and document.page_count and document.known_content_id(0) is None:
            self.service.parts.images.identify(document, 0, Priority.PREVIEW)  # requests for the page get the error

    def _take_place(self, document_id: str) -> None:
        place = self._places.pop(document_id)
        del self._order[bisect_left(self._order, (place, document_id))]


def page_id(document: Document, page: int) -> str:
    """The name of a page's image service. The document's id is a digest: another content has another name."""
    return f"{document.id}_p{page + 1}"
