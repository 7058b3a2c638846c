"""Taking a file in: the original is copied and kept, and opened once, so that its state is known."""

from __future__ import annotations

import io
import logging
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct, field
from msgspec.structs import replace

from sidebooks_core.databases.database import Database, Writing
from sidebooks_core.documents.shown_text import shown as shown_text
from sidebooks_core.errors import (
    DamagedDocument,
    DocumentError,
    DocumentTooLarge,
    PageError,
    PasswordRequired,
    QueueFull,
    RequestError,
    ServiceClosed,
    StorageError,
    StorageFailed,
    UnsupportedDocument,
)
from sidebooks_core.images.keeping import own_id
from sidebooks_core.images.passing import has_no_worker
from sidebooks_core.service import Document, TileService
from sidebooks_core.shelf.catalogue import NewRevision, Opened
from sidebooks_core.shelf.model import Paper, State, Who
from sidebooks_core.shelf.order import new_id
from sidebooks_core.shelf.originals import Original, Originals


class Arrived(Struct, frozen=True):
    """A file that lies among the originals already, an upload say."""

    original: Original
    file_name: str
    paper_id: str
    """Of the new paper; chosen before, so that a repeated registering can be noticed."""
    upload: str
    """The id of the upload."""


FLUSHES_AT_ONCE = 4
"""Files that are written to the disk at the same time, each while a worker opens it."""
Given = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Arrived
"""What a paper can be registered from: a path, its bytes, or a binary file object, read from its beginning if it can seek."""
Convert = Callable[[Path, str], bytes | Path | None]
"""Makes a document of a file that cannot be opened, of an office file say. Called with its path and name; None: it cannot.

If it raises, that is logged, and the file stands on the shelf as one that cannot be opened.
"""
_log = logging.getLogger("sidebooks_core.shelf")

ERRORS: dict[State, type[DocumentError]] = {
    "locked": PasswordRequired,
    "damaged": DamagedDocument,
    "unsupported": UnsupportedDocument,
    "too large": DocumentTooLarge,
}
"""The error with which opening a revision in each state fails."""


class TakenIn(Struct, frozen=True):
    """A file that lies among the originals and was opened."""

    original: Original
    shown: Original
    file_name: str
    opened: Opened
    document: Document | None
    """None if it cannot be opened."""
    paper_id: str
    """Of the new paper, if it becomes one."""
    upload: str | None = None
    """The id of the upload that it came of."""


class Taking(Struct):
    """What one taking has put among the originals and opened, so that it can be undone."""

    digests: set[str] = field(default_factory=set)
    documents: list[Document] = field(default_factory=list)


class Intake:
    """Takes files in. Thread-safe."""

    def __init__(
        self, originals: Originals, service: TileService, convert: Convert | None, opened: Callable[[Document], None]
    ) -> None:
        """opened: called with each document as soon as it is open, before the paper is on the shelf."""
        self.originals = originals
        self._has_opened = opened
        self._flushing = ThreadPoolExecutor(FLUSHES_AT_ONCE, "sidebooks-flush")
        self._service = service
        self._convert = convert

    def take(self, given: Given, password: str | None, name: str | None, taking: Taking) -> TakenIn:
        """Copy a file and open it. A file that cannot be opened is kept all the same, with its reason.

        taking: what was done is added to it, also if this raises.
        Raises FileNotFoundError, IsADirectoryError, DamagedDocument if the file changed while it was copied, DocumentTooLarge
        if it is over the limit of the settings, QueueFull if no worker can open it now, StorageFailed, ServiceClosed.
        """
        paper_id, upload = (given.paper_id, given.upload) if isinstance(given, Arrived) else (new_id(), None)
        original, file_name = self._copied(given, name)
        taking.digests.add(original.digest)
        opened, document = self._opened_while_flushed(original, name or file_name, password, taking)
        if opened.state == "unsupported" and self._convert is not None:
            try:
                made = self._convert(self.originals.path(original.digest), file_name)
                shown = self._copied(made, None)[0] if made is not None else None
            except (StorageError, ServiceClosed):
                raise
            except Exception as fault:  # noqa: BLE001 - whatever the application's hook does, the file stands on the shelf
                _log.exception("%r could not be converted", file_name)
                opened, shown = replace(opened, reason=f"it could not be converted ({type(fault).__name__}); see the log"), None
            if shown is not None:
                taking.digests.add(shown.digest)
                opened, document = self._opened_while_flushed(shown, name or file_name, password, taking)
                return TakenIn(original, shown, file_name, opened, document, paper_id, upload)
        return TakenIn(original, original, file_name, opened, document, paper_id, upload)

    def close(self) -> None:
        self._flushing.shutdown()

    def forget(self, document: Document) -> None:
        """Remove what a document that no paper shows has left in the cache: its first page was begun."""
        document.withdrawn.set()
        page_ids = {document.id, own_id(document, 0)}
        with suppress(PageError, DocumentError):
            page_ids.add(document.content_id(0))  # once this is known, all that was begun before is kept no more
        self._service.parts.images.keeper.purge(page_ids)
        self._service.parts.images.keeper.store.scrub()
        self._service.parts.facts.forget(document.id, lasting=True)

    def _opened_while_flushed(
        self, original: Original, name: str, password: str | None, taking: Taking
    ) -> tuple[Opened, Document | None]:
        """Open a file. It is on the disk when this returns: both take as long, and the disk does not wait for the worker."""
        try:
            flushed = self._flushing.submit(self.originals.flush, original.digest)
        except RuntimeError:
            raise ServiceClosed("the shelf was closed") from None
        try:
            return self.open(original.digest, name, password, taking)
        finally:
            flushed.result()

    def open(self, digest: str, name: str, password: str | None, taking: Taking) -> tuple[Opened, Document | None]:
        """Open a file that was taken in. taking: the document is added to it. Raises QueueFull if there is no worker for it."""
        try:
            document = self._service.open(self.originals.path(digest), password, name=name)
        except DocumentError as error:
            if has_no_worker(error):  # else a sound file would stand on the shelf as damaged
                raise QueueFull(f"{name!r} cannot be opened now: {error.message}; try again") from error
            return Opened(state=_state_of(error), reason=error.message), None
        taking.documents.append(document)
        self._has_opened(document)
        return Opened(state="ready", document_id=document.id, page_count=document.page_count, password=password), document

    def _copied(self, given: Given, name: str | None) -> tuple[Original, str]:
        """The original, and the name of the file."""
        if isinstance(given, Arrived):
            return given.original, given.file_name
        if isinstance(given, bytes | bytearray | memoryview):
            return self.originals.take_in(io.BytesIO(bytes(given)), flushes=False), name or ""
        if not isinstance(given, str | os.PathLike):
            if not hasattr(given, "read"):
                raise RequestError(
                    f"a paper is registered from a path, bytes or a binary file object, not a {type(given).__name__}"
                )
            if given.seekable():
                given.seek(0)
            own_name = getattr(given, "name", None)
            return self.originals.take_in(given, flushes=False), name or (
                Path(own_name).name if isinstance(own_name, str) else ""
            )
        path = Path(given)
        if path.is_dir():
            raise IsADirectoryError(f"{os.fspath(given)!r} is a folder")
        try:
            # Without waiting: a pipe without a writer would keep it for ever.
            file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no file {os.fspath(given)!r}") from None
        with file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise RequestError(f"{os.fspath(given)!r} is no file: a paper is registered from a file")
            original = self.originals.take_in(file, flushes=False)
            after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or original.size_bytes != after.st_size:
            raise DamagedDocument(f"{path.name} changed while it was copied: register it when it is complete")
        return original, shown_text(path.name)  # a name that is no Unicode cannot be kept as it is


def _state_of(error: DocumentError) -> State:
    return next((state for state, kind in ERRORS.items() if isinstance(error, kind)), "damaged")


class Desk(Struct, frozen=True):
    """What a shelf registers with."""

    database: Database
    originals: Originals
    intake: Intake
    registered: Callable[[Paper, TakenIn], None]
    """Called when a revision is on the disk."""
    changed: Callable[[], None]
    """Called when something else was changed."""
    unprepared: Callable[[], None]
    """Called when there is something to prepare."""


@contextmanager
def committing(database: Database, originals: Originals, *taken: TakenIn) -> Iterator[Writing]:
    """A transaction that names files that were taken in. They are there: nobody may have swept them meanwhile.

    Raises StorageFailed.
    """
    with database.writing() as writing:
        for one in taken:
            if not (originals.holds(one.original.digest) and originals.holds(one.shown.digest)):
                raise StorageFailed("the file that was taken in is gone; register it again")
        yield writing


def revision_of(taken: TakenIn, note: str, who: Who) -> NewRevision:
    """A file that was taken in, as a revision."""
    return NewRevision(
        original=taken.original,
        shown=taken.shown,
        file_name=taken.file_name,
        opened=taken.opened,
        note=note,
        who=who,
        upload=taken.upload,
    )


def name_of(file_name: str) -> str:
    """The name of a paper whose file has this name: without its ending."""
    return shown_text(Path(file_name).stem or file_name)
