"""Every error that sidebooks_core raises on purpose.

    SidebooksError
    ├── DocumentError (ValueError)
    │   ├── UnsupportedDocument
    │   ├── DamagedDocument
    │   ├── PasswordRequired (also PermissionError)
    │   └── DocumentTooLarge
    ├── PageError
    │   ├── PageNotFound (IndexError)
    │   ├── RenderFailed (RuntimeError)
    │   └── RenderTimeout (TimeoutError)
    ├── RequestError (ValueError)
    │   ├── NotOnShelf
    │   └── NoSuchMeeting
    ├── AccessDenied (PermissionError)
    │   └── TooManyAttempts
    ├── Conflict (RuntimeError)
    ├── StorageError (OSError)
    │   ├── StorageFailed
    │   └── StorageDamaged
    ├── HubFailed (ConnectionError)
    │   └── HubMissing
    ├── RequestDropped (RuntimeError)
    ├── QueueFull (RuntimeError)
    └── ServiceClosed (RuntimeError)

A file that is not there is a plain `FileNotFoundError`. An error carries `document_id` and `page` (from 0) where there
is one, and survives pickling with both. Its text counts pages from 1, as readers do.
"""

from __future__ import annotations

from collections.abc import Collection
from numbers import Real
from typing import Any


class SidebooksError(Exception):
    """Anything sidebooks_core raises on purpose."""

    def __init__(self, message: str, *, document_id: str | None = None, page: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.document_id = document_id
        self.page = page

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.document_id, self.page))


def _rebuild(kind: type[SidebooksError], message: str, document_id: str | None, page: int | None) -> SidebooksError:
    return kind(message, document_id=document_id, page=page)


class DocumentError(SidebooksError, ValueError):
    """The document as a whole cannot be used."""


class UnsupportedDocument(DocumentError):
    """The content is of no kind that can be opened."""


class DamagedDocument(DocumentError):
    """The content claims a known kind but cannot be read, or changed while it was open."""


class PasswordRequired(DocumentError, PermissionError):
    """A password is needed, or the one given is wrong."""


class DocumentTooLarge(DocumentError):
    """The document is over a limit of the settings."""


class PageError(SidebooksError):
    """One page failed; the rest of the document goes on."""


class PageNotFound(PageError, IndexError):
    """There is no such page."""


class RenderFailed(PageError, RuntimeError):
    """The page could not be drawn."""


class RenderTimeout(PageError, TimeoutError):
    """The page was not drawn within its time limit."""


class RequestError(SidebooksError, ValueError):
    """The request itself makes no sense: no such level, column, row, size or format."""


class NotOnShelf(RequestError):
    """There is no such paper, folder or revision, or there is none any more."""


class NoSuchMeeting(RequestError):
    """There is no such meeting, or there is none any more."""


class AccessDenied(SidebooksError, PermissionError):
    """Whoever asks may not do this."""


class TooManyAttempts(AccessDenied):
    """There were too many wrong passwords: the next attempt counts after `retry_after_s` seconds."""

    def __init__(
        self, message: str, *, retry_after_s: float = 0.0, document_id: str | None = None, page: int | None = None
    ) -> None:
        super().__init__(message, document_id=document_id, page=page)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return (*super().__reduce__(), {"retry_after_s": self.retry_after_s})


class Conflict(SidebooksError, RuntimeError):
    """Somebody else changed the same thing meanwhile: look again, then decide."""


class StorageError(SidebooksError, OSError):
    """What is kept for good could not be read or written. Nothing was changed."""


class StorageFailed(StorageError):
    """It cannot be read or written just now: the disk is full or read-only, or another program holds it."""


class StorageDamaged(StorageError):
    """It is not what this library had written: a backup is needed."""


class HubFailed(SidebooksError, ConnectionError):
    """The hub of meetings cannot be reached, or does not answer. Whether a command was done is not known: try it again."""


class HubMissing(HubFailed):
    """There is no hub, and without one the meetings of several processes would not be the same."""


class RequestDropped(SidebooksError, RuntimeError):
    """Nobody waits for this work any more: it was dropped before it was started."""


class QueueFull(SidebooksError, RuntimeError):
    """The queue is at its limit, and this request is not more urgent than what waits in it."""


class ServiceClosed(SidebooksError, RuntimeError):
    """The service was closed, before or during the request."""


def require_type(value: object, kind: type | tuple[type, ...], name: str, wanted: str) -> None:
    """Does nothing if an argument is of a kind; `wanted` says in words of which. Raises TypeError, which names the argument."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {wanted}, not {value!r} of type {type(value).__name__}")


def require_numbers(**arguments: object) -> None:
    """Does nothing if all arguments, told by their names, are numbers. Raises TypeError."""
    for name, value in arguments.items():
        require_type(value, Real, name, "a number")


def require_numbers_in(value: object, name: str, wanted: str) -> None:
    """Does nothing if an argument is a sequence of numbers. Raises TypeError."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Collection) or not all(isinstance(one, Real) for one in value):
        raise TypeError(f"{name} must be {wanted}, not {value!r}")
