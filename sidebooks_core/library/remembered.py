"""Looks at a source before it is opened: its name, and the facts that are known of it from earlier openings.

The digest of an unchanged file and the description of a known document are facts (`library/facts.py`). So to open a document
again, the library need not read the whole file or start the engine.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, BinaryIO, TypeVar

import msgspec
from msgspec import Meta, Struct

from sidebooks_core.documents.fingerprint import FileStamp, digest_bytes, digest_file, stamp
from sidebooks_core.documents.model import DocumentInfo
from sidebooks_core.documents.shown_text import shown
from sidebooks_core.errors import DocumentTooLarge, RequestError
from sidebooks_core.keys import content_ids_key, document_key, path_key, scoped_id
from sidebooks_core.library.facts import Facts

DESCRIPTION_VERSION = 7


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
        """A name of the content for workers. It is known before the digest."""
        if self.stamp is None:
            assert self.data is not None
            return f"bytes-{digest_bytes(self.data)}"
        return f"{self.path}|{self.stamp.ino}|{self.stamp.size}|{self.stamp.mtime_ns}|{self.stamp.ctime_ns}"

    @property
    def file_state(self) -> tuple[int, int, int] | None:
        """(inode, size, mtime_ns), by which a worker knows the file again."""
        return (self.stamp.ino, self.stamp.size, self.stamp.mtime_ns) if self.stamp else None


Given = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""A source as the caller gives it: a path, the document's bytes, or a binary file object."""
NAMELESS = "the document"
"""The name in messages of bytes that have no name."""


def source_of(given: Given, max_bytes: int, name: str | None = None) -> Source:
    """Make a `Source`. The file of a path is not read yet. A file object is read, from its beginning if it can seek.

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


class _Digest(Struct, frozen=True):
    """The digest of a file, with the time stamp at which it was taken."""

    stamp: tuple[int, ...]
    digest: Annotated[str, Meta(max_length=64)]


class _Described(Struct, frozen=True):
    """A description as it is stored. The content ids are stored separately, since they are learned later."""

    version: int
    info: DocumentInfo


_digests = msgspec.msgpack.Decoder(_Digest)
_descriptions = msgspec.msgpack.Decoder(_Described)
_content_ids = msgspec.msgpack.Decoder(tuple[Annotated[str, Meta(max_length=64)] | None, ...])
_T = TypeVar("_T")


class Registry:
    """Digests of files, descriptions and content ids of documents, by the facts. Thread-safe."""

    def __init__(self, facts: Facts, engine: str) -> None:
        self._facts = facts
        self._engine = engine

    def known_digest(self, source: Source) -> tuple[str | None, bool]:
        """The digest of a file, if it is known and the file has not changed since. Else None, and whether the
        file has changed.
        """
        if source.stamp is None:
            return None, False
        remembered = self._recall(path_key(str(source.path)), _digests)
        if remembered is None:
            return None, False
        return (remembered.digest, False) if list(remembered.stamp) == source.stamp.to_wire() else (None, True)

    def digest(self, source: Source) -> str:
        """Read and digest the content. Remember the digest of a file if its time stamp is sure to show the next change."""
        if source.data is not None:
            return digest_bytes(source.data)
        assert source.path is not None
        assert source.stamp is not None
        digest = digest_file(source.path)
        if not source.stamp.is_racy():
            remembered = msgspec.msgpack.encode(_Digest(tuple(source.stamp.to_wire()), digest))
            self._facts.keep(path_key(str(source.path)), remembered, digest)
        return digest

    def description(self, document_id: str, trust_domain: str) -> DocumentInfo | None:
        """What is known of a document from an earlier opening."""
        found = self._recall(document_key(scoped_id(document_id, trust_domain), self._engine), _descriptions)
        if found is None or found.version != DESCRIPTION_VERSION or len(found.info.pages) != found.info.page_count:
            return None
        return found.info

    def content_ids(self, document_id: str, info: DocumentInfo, trust_domain: str) -> Sequence[str | None] | None:
        """The content ids of a document's pages as far as they were learned, page by page; None if none were."""
        found = self._recall(content_ids_key(scoped_id(document_id, trust_domain), self._engine), _content_ids)
        return found if found is not None and len(found) == info.page_count else None

    def describe(self, document_id: str, info: DocumentInfo, trust_domain: str) -> None:
        """Remember a document. One that needs a password is not remembered: its description is as secret as its pages."""
        if not info.needs_password:
            key = document_key(scoped_id(document_id, trust_domain), self._engine)
            self._facts.keep(key, msgspec.msgpack.encode(_Described(DESCRIPTION_VERSION, info)), document_id)

    def identify(self, document_id: str, info: DocumentInfo, content_ids: Sequence[str | None], trust_domain: str) -> None:
        """Remember the content ids of a document, page by page. Nothing is remembered if it needs a password."""
        if not info.needs_password:
            key = content_ids_key(scoped_id(document_id, trust_domain), self._engine)
            self._facts.keep(key, msgspec.msgpack.encode(tuple(content_ids)), document_id)

    def forget(self, document_id: str) -> int:
        """Forget what is known of a document, but for reading positions. How many facts there were."""
        return self._facts.forget(document_id)

    def _recall(self, key: str, decoder: msgspec.msgpack.Decoder[_T]) -> _T | None:
        stored = self._facts.recall(key)
        try:
            return None if stored is None else decoder.decode(stored)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return None  # another program wrote it: the fact is found out again


def _require_size(name: str, size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise DocumentTooLarge(f"{name} has {size_bytes} bytes; the settings allow {max_bytes} (document_bytes)")
