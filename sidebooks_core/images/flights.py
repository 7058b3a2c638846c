"""Work for workers: what is to be done, who waits for it, and how far it is. The dispatcher's own data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from sidebooks_core.errors import SidebooksError
from sidebooks_core.scheduling.queue import Entry, Priority
from sidebooks_core.workers.jobs import Job

Done = Callable[[Any, SidebooksError | None], None]
"""Told once: an answer, or an error. Runs in a worker's thread: short, and never raises."""


class Held(Protocol):
    """A lock on a key, held against other processes."""

    def release(self) -> None: ...


class Work(Struct, kw_only=True):
    """One piece of work that any number of requests may wait for."""

    key: str
    job: Job
    data: bytes | None
    """The document's bytes where it has no path."""
    made_already: Callable[[], Any] | None = None
    """For work whose result is kept: looks for it once more before a worker begins. An earlier request or another process
    may have made it since this one looked. None when there is nothing."""
    refused: Callable[[], SidebooksError | None] | None = None
    """With `made_already`: why it must not be begun any more, if so, by what came of others since it was asked for."""
    read: Callable[[Any], Any] | None = None
    """What the waiting requests are told of a worker's answer."""
    deliver: Callable[[Any, Callable[[], None], Priority], Any] | None = None
    """For work whose result is kept: keeps what `read` gave where others look for it, calls back once other processes can find
    it there, and gives what the waiting requests are told."""


class Waiting(Struct, frozen=True, eq=False):
    """A request."""

    done: Done
    client: str
    """Whose turn in the queue it takes."""
    ticket: object
    must_be_told: bool = False
    """Also when it is not interested any more."""
    is_interested: bool = True


class Flight(Struct, eq=False):
    """Work, who waits for it, and how far it is. Its owner guards it."""

    work: Work
    priority: Priority
    waiting: list[Waiting] = field(default_factory=list)
    under_way: bool = False
    lock: Held | None = None
    waits_until_s: float | None = None
    """How long another process that has its key is waited for."""
    is_past_waiting: bool = False
    """It was waited for long enough."""
    is_draft: bool = False
    """Begun before its key is known (`draft`)."""
    answered: tuple[Any, SidebooksError | None] | None = None
    """What came of a draft, until its key is known."""
    longer: Work | None = None
    """The same from somebody who has joined it under way and gives it more time."""

    @property
    def is_wanted(self) -> bool:
        return any(waiting.is_interested for waiting in self.waiting)

    def entry(self) -> Entry:
        """What stands for it in the queue."""
        clients = frozenset(waiting.client for waiting in self.waiting) or frozenset([""])
        return Entry(self.work.key, self.priority, self.work.job.document.token, clients)

    def told_now(self) -> list[Waiting]:
        """Who waits for it, and is told only once."""
        waiting, self.waiting = self.waiting, []
        return waiting

    def forget(self, ticket: object) -> None:
        """A request is no longer interested."""
        self.waiting = [
            replace(waiting, is_interested=False) if waiting.ticket is ticket else waiting
            for waiting in self.waiting
            if waiting.ticket is not ticket or waiting.must_be_told
        ]
