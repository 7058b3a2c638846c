"""One client that is told what happens, by a stream of events or a WebSocket: what waits for it, and how long it lasts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from enum import Enum, auto
from itertools import islice
from typing import Protocol

from msgspec import Struct

from sidebooks_core.access.model import Unknown
from sidebooks_core.access.principals import Principal
from sidebooks_core.errors import SidebooksError
from sidebooks_core.server.json_text import json_bytes
from sidebooks_core.server.limits import Kind
from sidebooks_core.server.schemas_shelf import PapersProgress, ShelfChanges

ALIVE_EVERY_S = 15.0
"""The longest silence. Proxies end connections that are silent for a minute."""
LONGEST_S = 3600.0
"""A connection lasts no longer. Its client comes again, so that a proxy that logs people in is asked again. Each ends at its
own time within the last quarter: those that began together, after a restart, do not come again together."""
SHORTEST_SHARE = 0.75
KNOWN_FOR_S = 1.0
"""An answer for which a connection had to wait counts so long, unless it is told meanwhile that somebody was logged out."""
WOKEN_AT_ONCE = 32
"""Clients that look at the same news at once. Between two such groups, other requests have their turn."""
DOCUMENTS_EVERY_S = 1.0
"""The shortest time between two `documents` events of a listener. So a folder of a hundred new files makes only a few events;
each holds all ids."""
DOCUMENTS = "documents"
PROGRESS = "progress"
SHELF = "shelf"
MEETING = "meeting"
MEETINGS = "meetings"
MARKS = "marks"
ANY_PAPER = b'{"paper":""}'
"""Marks of many papers have changed: of any that the client has."""
MOST_ABOUT = 64
"""Events of one kind about different things that wait for a listener, at most."""

_log = logging.getLogger("sidebooks_core.server")


class Question(Protocol):
    """Whether whoever asked still is the principal, and may see the same."""

    def known(self) -> bool | Unknown:
        """UNKNOWN: ask `find`. It never waits."""

    async def find(self) -> bool:
        """It may wait."""


class Always:
    """The answer for those who cannot be logged out."""

    def known(self) -> bool:
        return True

    async def find(self) -> bool:
        return True


SendNow = Callable[[bytes], bool]
"""Sends a message of a meeting without waiting. False: it was not sent, since that would wait."""


class Seat(Protocol):
    """What waits for a client in a meeting."""

    async def look(self) -> None:
        """Asked before each `take`: whoever may not be in the meeting any more is told a farewell and nothing else."""

    def may_stay(self) -> bool:
        """Whether they may be in it still. False also if that is not known without waiting: then `look`."""

    def has_ended(self) -> bool:
        """Whether the meeting is over, as far as it is known here."""

    def take(self) -> Sequence[bytes]:
        """Messages as JSON, that are to be sent now."""

    @property
    def farewell(self) -> object:
        """None, as long as there is more to come after what was taken."""


class Listening(Struct, frozen=True, eq=False, kw_only=True):
    """What a client listens to."""

    session: str
    """Names the reader whose pages are told of; "" for none."""
    share: tuple[str, Kind]
    """See `HttpRequest.share`."""
    principal: Principal
    may_see_documents: Callable[[], bool]
    """Whether the documents that are no papers may be seen."""
    changes_after: Callable[[str], Awaitable[ShelfChanges]] | None
    """What changed on the shelf after a position, as far as the principal may see it. None: there is no shelf of papers."""
    question: Question = Always()
    since: str = ""
    """The position that the client knows. "": it wants what comes from now on."""


class Told(Struct, frozen=True):
    """One event."""

    kind: str
    data: bytes
    """JSON."""
    position: str = ""
    """Of the feed, after an event of the shelf."""


class End(Enum):
    """Why a client is told nothing more."""

    LEFT = auto()
    """It went away, or said farewell."""
    CLOSED = auto()
    """The server ends."""
    REVOKED = auto()
    """It was logged out, or rights have changed."""
    OVER = auto()
    """Its time is over, and nothing is wrong."""
    FAILED = auto()
    """The shelf cannot be read."""


class Listener:
    """One connection. Its events are put in from any thread, and taken out in the event loop."""

    def __init__(self, asks: Listening) -> None:
        self.asks = asks
        self.progress = json_bytes(PapersProgress([]))
        """That was put in last."""
        self.seat: Seat | None = None
        """In a meeting."""
        self.send_now: SendNow | None = None
        """None: only the reader of `told` sends."""
        self.end: End | None = None
        """Why it ended; None: it goes on."""
        self._has_news = asks.changes_after is not None
        self._position = asks.since
        self._is_first = True
        self._reading: asyncio.Future[ShelfChanges] | None = None
        self._loop = asyncio.get_running_loop()
        self._until_s = self._loop.time() + LONGEST_S * random.uniform(SHORTEST_SHARE, 1.0)
        self._known_until_s = 0.0
        self._changes = 0
        """How often `ask_again` was called."""
        self._wake = asyncio.Event()
        self._is_idle = False
        """Whether all that was taken has been sent."""
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], bytes] = {}
        """By the kind, and by what it is about."""
        self._documents_from_s = 0.0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def put(self, kind: str, data: bytes, about: str = "", instead: bytes = b"") -> None:
        """`wake` it afterwards, also after the next two methods. data: JSON; listeners that are told the same share it.

        about: only events about the same wait in place of one another. instead: told in place of all of the kind, if more than
        `MOST_ABOUT` wait.
        """
        with self._lock:
            if about and (kind, "") in self._waiting:
                return
            self._waiting[kind, about] = data
            same = [one for one in self._waiting if one[0] == kind] if about else []
            if len(same) > MOST_ABOUT:
                for one in same:
                    del self._waiting[one]
                self._waiting[kind, ""] = instead

    def look_at_shelf(self) -> None:
        """The shelf has changed."""
        self._has_news = self.asks.changes_after is not None

    def ask_again(self) -> None:
        """Somebody was logged out, or rights have changed."""
        self._changes += 1
        self._known_until_s = 0.0

    def wake(self) -> None:
        """In the event loop."""
        self._wake.set()

    def tell_now(self, data: bytes) -> bool:
        """Send a message of a meeting at once, in the event loop. False: something else comes first, or it is not known whether
        more may be sent. Then put it in, and wake.

        A task that is woken for each of a thousand clients takes ten times as long as this.
        """
        if self.send_now is None or self.seat is None or not self._is_idle or self._wake.is_set():
            return False
        return self._known() is True and self.seat.may_stay() and self.send_now(data)

    def has_ended(self) -> bool:
        """Whether it is told nothing more."""
        return self.end is not None

    def stop(self, why: End) -> None:
        """Tell it nothing more. The first reason counts."""
        self.end = self.end or why
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody listens
            self._loop.call_soon_threadsafe(self._wake.set)

    async def told(self) -> AsyncGenerator[Told | None, None]:
        """The events, until it ends; `end` says why. None: nothing has come for `ALIVE_EVERY_S`."""
        try:
            while not self._is_over():
                self._read_on()
                self._is_idle = True
                try:
                    async with asyncio.timeout(ALIVE_EVERY_S):
                        await self._wake.wait()
                except TimeoutError:
                    self._is_idle = False
                    if await self.goes_on():
                        yield None
                    continue
                self._is_idle = False
                self._wake.clear()
                if self.seat is not None:
                    await self.seat.look()
                if not await self.goes_on():
                    break
                is_last = self.seat is not None and self.seat.farewell is not None  # asked before it is taken
                for number, one in enumerate(self._take(is_last=is_last)):
                    if number == 0 or await self.goes_on():
                        yield one
                if is_last:
                    self.end = self.end or End.LEFT
        except SidebooksError:
            _log.exception("a connection ends: the shelf cannot be read; its client comes again")
            self.end = self.end or End.FAILED
        finally:
            self._is_idle = False
            if self._reading is not None:
                self._reading.cancel()

    def _is_over(self) -> bool:
        if self.end is None and self._loop.time() >= self._until_s:
            self.end = End.OVER
        return self.end is not None

    async def goes_on(self) -> bool:
        """Whether more may be sent, or heard. Asked each time: a login may end by time, and then nobody tells of it."""
        answer = self._known()
        if isinstance(answer, Unknown):
            asked_s, changes = self._loop.time(), self._changes
            answer = await self.asks.question.find()
            if answer and changes == self._changes:  # else somebody was logged out during the look
                self._known_until_s = asked_s + KNOWN_FOR_S
        if not answer:
            self.stop(End.REVOKED)
        return self.end is None

    def _known(self) -> bool | Unknown:
        """Whether more may be sent, as far as it is known without waiting."""
        if self._is_over():
            return False
        answer = self.asks.question.known()
        return True if isinstance(answer, Unknown) and self._loop.time() < self._known_until_s else answer

    def _read_on(self) -> None:
        """Begin to read what is new on the shelf. What else happens does not wait for it."""
        if self._has_news and self._reading is None and self.asks.changes_after is not None:
            self._has_news = False
            self._reading = asyncio.ensure_future(self.asks.changes_after(self._position))
            self._reading.add_done_callback(lambda _: self._wake.set())

    def _take(self, *, is_last: bool) -> list[Told]:
        """What may be sent now. What a meeting says comes first. is_last: a farewell is in it, and nothing comes after that."""
        told = [] if self.seat is None else [Told(MEETING, data) for data in self.seat.take()]
        if is_last:
            return told
        if self._reading is not None and self._reading.done():
            told += self._read(self._reading.result())
            self._reading = None
        if self._reading is not None and self._is_first:
            return told  # a client that knows the position of the shelf first can come back to it
        now_s = self._loop.time()
        with self._lock:
            events, self._waiting = self._waiting, {}
            if (DOCUMENTS, "") in events:
                if now_s < self._documents_from_s:
                    self._waiting[DOCUMENTS, ""] = events.pop((DOCUMENTS, ""))
                    self._loop.call_at(self._documents_from_s, self._wake.set)
                else:
                    self._documents_from_s = now_s + DOCUMENTS_EVERY_S
        return [*told, *(Told(kind, data) for (kind, _), data in events.items())]

    def _read(self, found: ShelfChanges) -> list[Told]:
        """What changed on the shelf, in an event of a bounded length."""
        self._has_news = self._has_news or found.more
        self._position = found.position
        if not (self._is_first or found.changes or found.is_reset):
            return []
        self._is_first = False
        return [Told(SHELF, json_bytes(found), found.position)]


def wake(listeners: Iterable[Listener]) -> None:
    """Let listeners see what was put in for them, group by group. From any thread."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Listener]] = {}
    for listener in listeners:
        by_loop.setdefault(listener.loop, []).append(listener)
    for loop, those in by_loop.items():
        left = iter(those)

        def wake_some(loop: asyncio.AbstractEventLoop = loop, left: Iterable[Listener] = left) -> None:
            some = list(islice(left, WOKEN_AT_ONCE))
            for listener in some:
                listener.wake()
            if some:
                loop.call_soon(wake_some)

        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody listens
            loop.call_soon_threadsafe(wake_some)
