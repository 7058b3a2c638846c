"""The stream of events (SSE), one for each client: documents that come and go, pages that got sharper for a reader that sends
hints, changes of the shelf, and how far papers are prepared.

A client that reads slowly misses intermediate states, never the newest: of each kind of event only the last one waits. Changes
of the shelf do not wait at all: a stream asks the feed for what comes after the last one that it sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from itertools import islice
from typing import Protocol

from msgspec import Struct
from starlette.types import Receive

from sidebooks_core.access.model import Unknown
from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import Resource
from sidebooks_core.access.principals import Principal
from sidebooks_core.documents.document import Document
from sidebooks_core.errors import SidebooksError
from sidebooks_core.reading.view import PageView
from sidebooks_core.server import headers
from sidebooks_core.server.http import HttpResponse, disconnected
from sidebooks_core.server.json_text import json_bytes
from sidebooks_core.server.limits import Kind, Quota
from sidebooks_core.server.places import Standings, resource_of
from sidebooks_core.server.schemas import DocumentsEvent, PageEvent, ShownImage
from sidebooks_core.server.schemas_shelf import PapersProgress, ProgressEntry, ShelfChanges

ALIVE_EVERY_S = 15.0
"""The longest silence of a stream. Proxies end connections that are silent for a minute."""
LONGEST_S = 3600.0
"""A stream lasts no longer. Its client comes again, so that a proxy that logs people in is asked again. Each stream ends at its
own time within the last quarter: streams that began together, after a restart, do not come again together."""
SHORTEST_SHARE = 0.75
RETRY_MS = 2000
RETRY_AT_END_MS = 100
"""After the time of a stream is over, and nothing is wrong."""
KNOWN_FOR_S = 1.0
"""An answer for which the stream had to wait counts so long, unless it is told meanwhile that somebody was logged out."""
WOKEN_AT_ONCE = 32
"""Streams that look at the same news at once. Between two such groups, other requests have their turn."""
DOCUMENTS_EVERY_S = 1.0
"""The shortest time between two `documents` events of a listener. So a folder of a hundred new files makes only a few events;
each holds all ids."""
DOCUMENTS = "documents"
PROGRESS = "progress"

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


class Listening(Struct, frozen=True, eq=False, kw_only=True):
    """What a stream is for."""

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


class _Listener:
    """One connection. Its events are put in from any thread, and taken out in the event loop."""

    def __init__(self, asks: Listening) -> None:
        self.asks = asks
        self.progress = json_bytes(PapersProgress([]))
        """That was put in last."""
        self._has_news = asks.changes_after is not None
        self._position = asks.since
        self._is_first = True
        self._loop = asyncio.get_running_loop()
        self._until_s = self._loop.time() + LONGEST_S * random.uniform(SHORTEST_SHARE, 1.0)
        self._known_until_s = 0.0
        self._wake = asyncio.Event()
        self._lock = threading.Lock()
        self._waiting: dict[str, bytes] = {}
        self._ended = False
        self._documents_from_s = 0.0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def put(self, kind: str, data: bytes) -> None:
        """`wake` it afterwards, also after the next two methods. data: JSON; listeners that are told the same share it."""
        with self._lock:
            self._waiting[kind] = data

    def look_at_shelf(self) -> None:
        """The shelf has changed."""
        self._has_news = self.asks.changes_after is not None

    def ask_again(self) -> None:
        """Somebody was logged out, or rights have changed."""
        self._known_until_s = 0.0

    def wake(self) -> None:
        """In the event loop."""
        self._wake.set()

    def end(self) -> None:
        self._ended = True
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody listens
            self._loop.call_soon_threadsafe(self._wake.set)

    def _take(self) -> dict[str, bytes]:
        """What may be sent now."""
        now_s = self._loop.time()
        with self._lock:
            events, self._waiting = self._waiting, {}
            if DOCUMENTS in events:
                if now_s < self._documents_from_s:
                    self._waiting[DOCUMENTS] = events.pop(DOCUMENTS)
                    self._loop.call_at(self._documents_from_s, self._wake.set)
                else:
                    self._documents_from_s = now_s + DOCUMENTS_EVERY_S
        return events

    async def pieces(self, receive: Receive) -> AsyncGenerator[bytes, None]:
        """The pieces of the stream, until the client goes away or the server ends."""
        gone = asyncio.ensure_future(disconnected(receive))
        gone.add_done_callback(lambda _: self.end())
        try:
            yield f"retry: {RETRY_MS}\n\n".encode()
            while await self._goes_on():
                async for piece in self._news():
                    yield piece
                try:
                    await asyncio.wait_for(self._wake.wait(), ALIVE_EVERY_S)
                except TimeoutError:
                    if await self._goes_on():
                        yield b": alive\n\n"
                    continue
                self._wake.clear()
                for kind, data in self._take().items():
                    if await self._goes_on():
                        yield b"event: %s\ndata: %s\n\n" % (kind.encode(), data)
            if not self._ended and not self._has_time:
                yield f"retry: {RETRY_AT_END_MS}\n\n".encode()
        except SidebooksError:
            _log.exception("a stream of events ends: the shelf cannot be read; its client comes again")
        finally:
            gone.cancel()

    @property
    def _has_time(self) -> bool:
        return self._loop.time() < self._until_s

    async def _goes_on(self) -> bool:
        """Whether more may be sent. Asked before each piece: a login may end by time, and then nobody tells of it."""
        if self._ended or not self._has_time:
            return False
        answer = self.asks.question.known()
        if isinstance(answer, Unknown):
            if self._loop.time() < self._known_until_s:
                return True
            self._known_until_s = self._loop.time() + KNOWN_FOR_S  # if somebody is logged out during the look, it is 0 again
            answer = await self.asks.question.find()
        self._ended = self._ended or not answer
        return not self._ended

    async def _news(self) -> AsyncGenerator[bytes, None]:
        """The changes of the shelf that were not sent yet, in events of a bounded length."""
        while self._has_news and self.asks.changes_after is not None and await self._goes_on():
            self._has_news = False
            found = await self.asks.changes_after(self._position)
            if not await self._goes_on():
                return
            self._has_news = self._has_news or found.more
            self._position = found.position
            if self._is_first or found.changes or found.is_reset:
                self._is_first = False
                yield b"id: %s\nevent: shelf\ndata: %s\n\n" % (found.position.encode(), json_bytes(found))


class Events:
    """All listeners. Thread-safe but for `stream`, which belongs to the event loop."""

    def __init__(self, quota: Quota, left: Callable[[str], None]) -> None:
        """left: called with the name of a session whose last stream has ended."""
        self.quota = quota
        self._left = left
        self._lock = threading.Lock()
        self._listeners: set[_Listener] = set()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._listeners)

    def stream(self, receive: Receive, asks: Listening, documents: Callable[[], list[str]]) -> HttpResponse:
        """A stream that starts with the ids of the documents that are served then. Raises QueueFull."""
        session, share = asks.session, asks.share

        async def pieces() -> AsyncGenerator[bytes, None]:
            listener = _Listener(asks)
            with self._lock:
                self._listeners.add(listener)
                is_closed = self._is_closed
            try:
                listener.put(
                    DOCUMENTS, _documents(documents() if asks.may_see_documents() else [])
                )  # those of now: changes from here on reach the listener
                listener.wake()
                if is_closed:
                    listener.end()
                async for piece in listener.pieces(receive):
                    yield piece
            finally:
                with self._lock:
                    self._listeners.discard(listener)
                    was_last = not any(one.asks.session == session for one in self._listeners)
                if session and was_last:
                    self._left(session)

        self.quota.take(*share)
        return HttpResponse(200, headers=headers.events(), stream=pieces(), ended=lambda: self.quota.give_back(*share))

    def documents_changed(self, documents: list[str]) -> None:
        """Tell all listeners which documents the shelf holds now."""
        listeners = self._all()
        data = _documents(documents) if listeners else b""
        for listener in listeners:
            if listener.asks.may_see_documents():
                listener.put(DOCUMENTS, data)
        _wake(listeners)

    def shelf_changed(self) -> None:
        """Let all listeners look at what is new on the shelf."""
        listeners = self._all()
        for listener in listeners:
            listener.look_at_shelf()
        _wake(listeners)

    def progress(
        self,
        found: list[tuple[Standings, ProgressEntry]],
        sees: Callable[[Principal, Operation, Standings], bool],
        as_decided: Callable[[Principal], Principal],
    ) -> None:
        """Tell each listener how far the papers are that it may see. Call it from a thread: there may be thousands.

        as_decided: leaves out of a principal what `sees` does not depend on (`Gate.as_decided`). `sees` is asked once for all
        papers that stand in the same place, and for all listeners that `as_decided` makes the same principal.
        """
        now_s = time.time()
        stand = [tuple(resource_of(one, now_s) for one in standings) for standings, _ in found]
        alike = {key: standings for key, (standings, _) in zip(stand, found, strict=True)}
        by_principal: dict[Principal, bytes] = {}
        by_seen: dict[frozenset[tuple[Resource, ...]], bytes] = {}
        told: list[_Listener] = []
        for listener in self._all():
            principal = as_decided(listener.asks.principal)
            data = by_principal.get(principal)
            if data is None:
                seen = frozenset(key for key, standings in alike.items() if sees(principal, Operation.READ_DOCUMENT, standings))
                data = by_seen.get(seen)
                if data is None:
                    entries = [entry for key, (_, entry) in zip(stand, found, strict=True) if key in seen]
                    data = by_seen[seen] = json_bytes(PapersProgress(entries))
                by_principal[principal] = data
            if data != listener.progress:
                listener.progress = data
                listener.put(PROGRESS, data)
                told.append(listener)
        _wake(told)

    def end_outdated(self) -> None:
        """End the streams of those who were logged out, or may see other things now. Their clients come again.

        Each stream asks by itself, also if it must wait for the answer.
        """
        listeners = self._all()
        for listener in listeners:
            listener.ask_again()
        _wake(listeners)

    def page_shown(self, session: str, document: Document, view: PageView) -> None:
        """Send the listeners of a session the images that its reader has for the screen now."""
        listeners = [one for one in self._all() if one.asks.session == session]
        if not listeners:
            return
        images = [
            ShownImage(
                page=image.page + 1,
                is_coarse=image.is_coarse,
                etag=image.tile.etag,
                box_view=(image.x0_view, image.y0_view, image.width_view, image.height_view),
            )
            for image in view.images
        ]
        errors = [error.message for error in view.errors]
        event = json_bytes(PageEvent(document.id, view.page + 1, view.is_sharp, round(view.resolution, 4), errors, images))
        for listener in listeners:
            listener.put("page", event)
        _wake(listeners)

    def close(self) -> None:
        """End all streams, and those that begin later at once."""
        with self._lock:
            self._is_closed = True
        for listener in self._all():
            listener.end()

    def _all(self) -> list[_Listener]:
        with self._lock:
            return list(self._listeners)


def _wake(listeners: Iterable[_Listener]) -> None:
    """Let listeners see what was put in for them, group by group. From any thread."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Listener]] = {}
    for listener in listeners:
        by_loop.setdefault(listener.loop, []).append(listener)
    for loop, those in by_loop.items():
        left = iter(those)

        def wake_some(loop: asyncio.AbstractEventLoop = loop, left: Iterable[_Listener] = left) -> None:
            some = list(islice(left, WOKEN_AT_ONCE))
            for listener in some:
                listener.wake()
            if some:
                loop.call_soon(wake_some)

        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody listens
            loop.call_soon_threadsafe(wake_some)


def _documents(documents: list[str]) -> bytes:
    return json_bytes(DocumentsEvent(documents))
