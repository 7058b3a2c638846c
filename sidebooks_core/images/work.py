"""The parts of a flight: its work, the requests that wait for it, and the result."""

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
from sidebooks_core.workers.banding import Banding
from sidebooks_core.workers.jobs import AnyJob

Source = Literal["memory", "disk", "render"]
"""The source of a record: the memory, a store below it, or a drawing, if no store had it."""
T = TypeVar("T")


class Found(Struct, frozen=True):
    """The record that a request asks for."""

    record: Record
    source: Source


class Background(Protocol):
    """The identification of a document, slice by slice, while workers have no other job."""

    def following(self) -> Flight | None:
        """The slice that follows the last one. None: the identification is over."""
        ...


class Wanted(Struct, eq=False):
    """A request that waits. The caller holds its future. If the caller cancels the future, the request is forgotten."""

    future: Future[Any]
    """The result is a `Found`, or an answer of the job's type, or None for a page that is identified."""
    priority: Priority
    client: str
    request: Request | None = None
    """The request for a record. None: the caller waits for another answer."""
    asked_at: int = 0
    """The number of purges before the request (`Keeper.purges`)."""
    failure: SidebooksError | None = None
    """The error of a page that could not be drawn. Its record may still be stored; that is being found out."""
    flight: Flight | None = None
    """The flight that the request waits for now."""
    looks_only: bool = False
    """The request asks whether the record is stored. It never has the record made, and gets None if it is not stored."""

    @property
    def is_ahead(self) -> bool:
        """Whether the image is made ahead: nobody looks at it yet."""
        return self.priority in (Priority.NEXT, Priority.PREVIEW)


class Work(Struct, eq=False):
    """The work of a flight, and its progress."""

    job: AnyJob
    data: bytes | None
    """The document's bytes if it has no path."""
    request: Request | None = None
    """The request for the raster that is drawn. None: the job draws nothing."""
    key: str | None = None
    """The key of the record in the store. None until the page's content id is known."""
    asked_at: int = 0
    """The number of purges before the request (`Keeper.purges`)."""
    mark: int = 0
    """The `Leases.mark` of the key at the last look into the store."""
    looks: int = 0
    """The looks into the store since the flight was queued, after another process may have made the record."""
    lease: Lease | None = None
    waits_until_s: float | None = None
    """The end of the wait for another process that holds the lease, by `time.monotonic`."""
    is_past_waiting: bool = False
    """The wait for the other process is over. The flight goes on without a lease."""
    longer: AnyJob | None = None
    """The same job with more time. It comes from a request that joined the flight while a worker did the job."""
    shown: Record | None = None
    """The record of a page that is drawn and not identified yet."""
    failure: SidebooksError | None = None
    """The error of such a page, if it could not be drawn."""
    content_ids: ContentIds | None = None
    """The content ids of the document. They learn the answer of an `Identify`."""
    banding: Banding | None = None
    """The raster is drawn in bands by several workers."""
    backgrounds: tuple[Background, ...] = ()
    """The identifications that go on after this flight, if the flight is a slice of them."""

    def learn(self, other: Work, *, is_begun: bool) -> None:
        """Take over the key, the backgrounds and the longer time limit of equal work. Work that is begun has the longer time if
        it overruns.
        """
        self.backgrounds += other.backgrounds
        if self.key is None and other.key is not None:
            self.key, self.mark = other.key, other.mark
        if other.job.timeout_s > (self.longer or self.job).timeout_s:
            if is_begun:
                self.longer = other.job
            else:
                self.job = other.job

    def release(self) -> None:
        """Let go of the lease, if there is one. Safe to call again."""
        lease, self.lease = self.lease, None
        if lease is not None:
            lease.release()

    def take_lease(self) -> Callable[[], None]:
        """Take the lease out. Returns a function that releases it; call it when other processes can find the record."""
        lease, self.lease = self.lease, None
        return lease.release if lease is not None else _nothing


Flight = flights.Flight[Work, Wanted]


def flight_of(names: Sequence[str], work: Work, wanted: Wanted) -> Flight:
    """A flight with one request. It has not entered the dispatcher yet."""
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
