"""Opening: what a source is called, whether it was seen before, and what is known of it from last time.

The digest of an unchanged file and the description of a known document come from the store, so that opening a document
again reads neither the whole file nor starts the engine.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, BinaryIO, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct

from sidebooks_core.documents.fingerprint import FileStamp, digest_bytes, digest_file, stamp
from sidebooks_core.documents.model import DocumentInfo
from sidebooks_core.documents.shown_text import shown
from sidebooks_core.errors import DocumentTooLarge, RequestError
from sidebooks_core.keys import document_key, path_key, scoped_id
from sidebooks_core.stores.record import Record

DESCRIPTION_VERSION = 3
DIGEST_COST_S_PER_BYTE = 1e-9
"""Roughly what reading and digesting costs: what the store weighs when it must choose what to keep."""


class Store(Protocol):
    """The part of a store that is needed here."""

    def get(self, key: str) -> Record | None: ...

    def put(self, key: str, record: Record) -> None: ...


class Source(Struct, frozen=True):
    """Where a document comes from: a path or bytes, and the name that messages use."""

    name: str
    """Empty for bytes without one."""
    path: Path | None
    data: bytes | None
    size_bytes: int
    stamp: FileStamp | None

    @property
    def token(self) -> str:
        """Names this content from this source to the workers, before its digest is known."""
        if self.stamp is None:
            assert self.data is not None
            return f"bytes-{digest_bytes(self.data)}"
        return f"{self.path}|{self.stamp.ino}|{self.stamp.size}|{self.stamp.mtime_ns}|{self.stamp.ctime_ns}"

    @property
    def file_state(self) -> tuple[int, int, int] | None:
        """(inode, size, mtime_ns), by which a worker knows the file again."""
        return (self.stamp.ino, self.stamp.size, self.stamp.mtime_ns) if self.stamp else None


Given = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""What a document can be opened from: a path, its bytes, or a binary file object."""
NAMELESS = "the document"
"""What messages call bytes without a name."""


def source_of(given: Given, max_bytes: int, name: str | None = None) -> Source:
    """Look at what was given. The file of a path is not read yet; a file object is, from its beginning if it can seek.

    name: instead of the file's. Raises FileNotFoundError, IsADirectoryError, DocumentTooLarge, RequestError, TypeError.
    """
    if name is not None and not isinstance(name, str):
        raise RequestError(f"the name of a document is a text, not {name!r}")
    if name is not None and not shown(name):
        raise RequestError(f"{name!r} is no name for a document: it shows nothing")
    if not isinstance(given, str | os.PathLike):
        own_name = getattr(given, "name", None)  # of a file opened by its descriptor, a number
        called = shown(name or (Path(own_name).name if isinstance(own_name, str) else ""))
        data = _content(given, called or NAMELESS, max_bytes)
        return Source(called, None, data, len(data), None)
    path = Path(os.path.realpath(given))
    if not path.exists():
        raise FileNotFoundError(f"there is no file {os.fspath(given)!r}")
    if not path.is_file():
        raise IsADirectoryError(f"{os.fspath(given)!r} is not a file")
    seen = stamp(path)
    called = shown(name or Path(given).name) or NAMELESS
    _require_size(called, seen.size, max_bytes)
    return Source(called, path, None, seen.size, seen)


def _content(given: bytes | bytearray | memoryview | BinaryIO, called: str, max_bytes: int) -> bytes:
    if isinstance(given, bytes | bytearray | memoryview):
        _require_size(called, memoryview(given).nbytes, max_bytes)
        return bytes(given)
    if not hasattr(given, "read"):
        raise TypeError(f"a document is opened from a path, bytes or a binary file object, not from a {type(given).__name__}")
    if hasattr(given, "seekable") and given.seekable():
        given.seek(0)
    pieces: list[bytes] = []
    left = max_bytes + 1
    while left > 0:
        piece = given.read(left)
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise TypeError(f"{called}: the file object gives {type(piece).__name__}: open the file in binary mode")
        if not piece:
            break
        pieces.append(bytes(piece))  # of a pipe or a socket without a buffer, what has come so far
        left -= len(piece)
    _require_size(called, max_bytes + 1 - left, max_bytes)
    return b"".join(pieces)


class Description(Struct, frozen=True):
    """What the store remembers of a document."""

    info: DocumentInfo
    content_ids: Sequence[str | None]


class _Digest(Struct, frozen=True):
    """What the store remembers of a file."""

    stamp: tuple[int, ...]
    digest: Annotated[str, Meta(max_length=64)]


class _Remembered(Struct, frozen=True):
    """How a description is stored."""

    version: int
    info: DocumentInfo
    content_ids: tuple[Annotated[str, Meta(max_length=64)] | None, ...]


_digests = msgspec.msgpack.Decoder(_Digest)
_descriptions = msgspec.msgpack.Decoder(_Remembered)
_T = TypeVar("_T")


class Registry:
    """Digests and descriptions, in memory and in the store."""

    def __init__(self, store: Store, engine: str) -> None:
        self._store = store
        self._engine = engine

    def known_digest(self, source: Source) -> tuple[str | None, bool]:
        """The digest of a file that has not changed since it was taken; else None, and whether it has."""
        if source.stamp is None:
            return None, False
        remembered = self._recall(path_key(str(source.path)), _digests)
        if remembered is None:
            return None, False
        return (remembered.digest, False) if list(remembered.stamp) == source.stamp.to_wire() else (None, True)

    def digest(self, source: Source) -> str:
        """Read and digest the content; remember a file's, if its time stamp can be trusted to show the next change."""
        if source.data is not None:
            return digest_bytes(source.data)
        assert source.path is not None
        assert source.stamp is not None
        digest = digest_file(source.path)
        if not source.stamp.is_racy():
            self._remember(
                path_key(str(source.path)),
                _Digest(tuple(source.stamp.to_wire()), digest),
                tag=digest,
                cost_s=source.size_bytes * DIGEST_COST_S_PER_BYTE,
            )
        return digest

    def description(self, document_id: str, trust_domain: str) -> Description | None:
        """What is known of a document from an earlier opening."""
        found = self._recall(document_key(scoped_id(document_id, trust_domain), self._engine), _descriptions)
        if found is None or found.version != DESCRIPTION_VERSION:
            return None
        is_sound = len(found.content_ids) == found.info.page_count == len(found.info.pages)
        return Description(found.info, found.content_ids) if is_sound else None

    def describe(self, document_id: str, description: Description, cost_s: float, trust_domain: str) -> None:
        """Remember a document. One that needs a password is not remembered: its description is as secret as its pages."""
        if description.info.needs_password:
            return
        self._remember(
            document_key(scoped_id(document_id, trust_domain), self._engine),
            _Remembered(DESCRIPTION_VERSION, description.info, tuple(description.content_ids)),
            tag=document_id,
            cost_s=cost_s,
        )

    def _recall(self, key: str, decoder: msgspec.msgpack.Decoder[_T]) -> _T | None:
        record = self._store.get(key)
        try:
            return None if record is None else decoder.decode(record.data)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return None  # somebody else's writing: what is remembered is found out again

    def _remember(self, key: str, value: _Digest | _Remembered, *, tag: str, cost_s: float) -> None:
        self._store.put(key, Record(data=msgspec.msgpack.encode(value), tag=tag, cost_s=cost_s))


def _require_size(name: str, size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise DocumentTooLarge(f"{name} has {size_bytes} bytes; the settings allow {max_bytes} (document_bytes)")
