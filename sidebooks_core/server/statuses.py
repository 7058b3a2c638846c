"""Refusals, and the one table of errors and their HTTP statuses."""

from __future__ import annotations

import errno
import logging
import math
import re

from msgspec import Struct

from sidebooks_core.errors import (
    AccessDenied,
    Conflict,
    DocumentTooLarge,
    HubFailed,
    HubMissing,
    NoSuchMeeting,
    NotOnShelf,
    PageNotFound,
    QueueFull,
    RenderTimeout,
    RequestDropped,
    RequestError,
    ServiceClosed,
    SidebooksError,
    StorageFailed,
    TooManyAttempts,
)

RETRY_AFTER_S = 2

_NOTHING = "there is nothing at this address"
_BUSY = "busy: try again soon"
_CANNOT_STORE = "the server cannot store that now, for a reason that its log tells"
_FULL = "the disk of the server is full; nothing was lost, and it can be tried again when there is room"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_FOR_THE_LOG = "it cannot be made, for a reason that the server's log tells"
_PATH = re.compile(r"(?<![\w.])/[\w.+~@-]+/|\w/bin/|\b[A-Za-z]:\\|\bimport \w")
"""Text that no error may send to a client: a path of this machine, or the command of a process."""
_log = logging.getLogger("sidebooks_core.server")


class Refused(Exception):
    """A request that gets an error status. headers: further headers of the response."""

    def __init__(self, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


class _Outcome(Struct, frozen=True):
    """The response to a kind of error."""

    status: int
    detail: str | None = None
    """The text for the client. None: the error's own words."""
    is_passing: bool = False
    """The same request may succeed soon: Retry-After."""


_OUTCOMES: dict[type[SidebooksError], _Outcome] = {
    RequestError: _Outcome(400),
    PageNotFound: _Outcome(404, _NOTHING),
    NotOnShelf: _Outcome(404, _NOTHING),
    NoSuchMeeting: _Outcome(404, _NOTHING),
    AccessDenied: _Outcome(403),
    TooManyAttempts: _Outcome(429),
    Conflict: _Outcome(409),
    SidebooksError: _Outcome(500),
    HubFailed: _Outcome(503, _BUSY, is_passing=True),
    HubMissing: _Outcome(503),
    QueueFull: _Outcome(503, _BUSY, is_passing=True),
    RequestDropped: _Outcome(503, _BUSY, is_passing=True),
    ServiceClosed: _Outcome(503, _BUSY, is_passing=True),
    RenderTimeout: _Outcome(504),
    DocumentTooLarge: _Outcome(413),
    StorageFailed: _Outcome(503, _CANNOT_STORE, is_passing=True),
}
"""An error that has no row is treated as the nearest of its base classes that has one."""


def refusal_of(error: SidebooksError) -> Refused:
    """The status and the text for a client. The text is the error's own message, unless that names a path of this machine."""
    if isinstance(error, StorageFailed):
        _log.error("something could not be stored: %s", error)
        if getattr(error.__cause__, "errno", None) in _NO_ROOM:
            return Refused(507, _FULL)
    outcome = next(_OUTCOMES[kind] for kind in type(error).__mro__ if kind in _OUTCOMES)
    detail = str(error) if outcome.detail is None else outcome.detail
    if outcome.status == 500 and _PATH.search(detail):
        _log.error("an error that clients are not told of: %s", detail)
        detail = _FOR_THE_LOG
    headers = [(b"retry-after", str(RETRY_AFTER_S).encode())] if outcome.is_passing else []
    if isinstance(error, TooManyAttempts):
        headers.append((b"retry-after", str(math.ceil(error.retry_after_s)).encode()))
    return Refused(outcome.status, detail, *headers)


def not_found() -> Refused:
    """Nothing is at the address, or no document that is served."""
    return Refused(404, _NOTHING)
