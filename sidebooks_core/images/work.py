"""What a flight carries, who waits for it, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from sidebooks_core.documents.document import ContentIds
from sidebooks_core.errors import SidebooksError
from sidebooks_core.images.requests import Request
from sidebooks_core.scheduling import flights
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.stores.protocol import Lease
from sidebooks_core.stores.record import Record
from sidebooks_core.workers.jobs import AnyJob

Source = Literal["memory", "disk", "render"]
"""Where a record was found: in memory, in a store below it, or nowhere, so that it was drawn."""
T = TypeVar("T")


class Found(Struct, frozen=True):
    """The record that a request asks for."""

    record: Record
    source: Source


class Background(Protocol):
    """A document that is identified slice by slice while nothing else is to be done."""

    def after(self, page: int) -> Flight | None:
        """The slice that follows the one which began at a page."""
        ...


class Wanted(Struct, eq=False):
    """A request that waits. Its future is what the caller holds: cancelled, the request is forgotten."""

    future: Future[Any]
    """Of a `Found`, of an answer of the job's type, or of None once a page is identified."""
    priority: Priority
    client: str
    request: Request | None = None
    """What is to be found, if it is a record."""
    asked_at: int = 0
    """How many purges there were before."""
    failure: SidebooksError | None = None
    """Its page could not be drawn; whether it is stored is still to be found out."""
    flight: Flight | None = None
    """What it waits for now."""

    @property
    def is_ahead(self) -> bool:
        """Nobody looks at it yet."""
        return self.priority in (Priority.NEXT, Priority.PREVIEW)


class Work(Struct, eq=False):
    """What is to be done, and how far it is."""

    job: AnyJob
    data: bytes | None
    """The document's bytes if it has no path."""
    request: Request | None = None
    """What is drawn, if anything is."""
    key: str | None = None
    """Of the record in the store; None until the page's content id is known."""
    asked_at: int = 0
    """How many purges there were before."""
    mark: int = 0
    """What the leases said of the key when the store was looked into: see `Leases.mark`."""
    lease: Lease | None = None
    waits_until_s: float | None = None
    """How long another process that has the key is waited for, by `time.monotonic`."""
    is_past_waiting: bool = False
    """It was waited for long enough."""
    longer: AnyJob | None = None
    """The same job with more time, from a request that joined it under way."""
    shown: Record | None = None
    """What was drawn of a page that is not identified yet."""
    failure: SidebooksError | None = None
    """Why nothing could be drawn of such a page."""
    content_ids: ContentIds | None = None
    """Where the answer of an `Identify` is noted."""
    background: Background | None = None
    """Where it leads on, if it is one slice of many."""

    def release(self) -> None:
        """Let go of the lease, if there is one. Safe to call again."""
        lease, self.lease = self.lease, None
        if lease is not None:
            lease.release()

    def take_lease(self) -> Callable[[], None]:
        """What lets go of the lease, once the record can be found by other processes."""
        lease, self.lease = self.lease, None
        return lease.release if lease is not None else _nothing


Flight = flights.Flight[Work, Wanted]


def flight_of(names: Sequence[str], work: Work, wanted: Wanted) -> Flight:
    """A flight that has not entered the dispatcher, with the request that it is for."""
    return Flight(list(names), work.job.document.token, work, wanted.priority, [flights.Waiting(wanted, wanted.client)])


def _nothing() -> None:
    return None


def resolve(future: Future[T], result: T) -> None:
    """Give a future its result, unless its owner cancelled it."""
    if future.set_running_or_notify_cancel():
        future.set_result(result)


def fail(future: Future[T], error: BaseException) -> None:
    """Give a future an error, unless its owner cancelled it."""
    if future.set_running_or_notify_cancel():
        future.set_exception(error)
