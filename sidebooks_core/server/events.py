"""Everybody who is told what happens: documents that come and go, pages that got sharper for a reader that sends hints, changes
of the shelf, how far papers are prepared, and what meetings say. Each has a stream of events (SSE) or a WebSocket.

A client that reads slowly misses intermediate states, never the newest: of each kind of event only the last one waits. Changes
of the shelf do not wait at all: a listener asks the feed for what comes after the last one that it sent.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext

from starlette.types import Receive

from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import Resource
from sidebooks_core.access.principals import Principal
from sidebooks_core.meeting.messages import encoded
from sidebooks_core.reading.view import PageView
from sidebooks_core.server import headers
from sidebooks_core.server.http import HttpResponse, disconnected
from sidebooks_core.server.json_text import json_bytes
from sidebooks_core.server.limits import Quota
from sidebooks_core.server.listener import (
    ANY_PAPER,
    DOCUMENTS,
    MARKS,
    MEETING,
    MEETINGS,
    PROGRESS,
    End,
    Listener,
    Listening,
    Told,
    wake,
)
from sidebooks_core.server.live.farewells import farewell_of
from sidebooks_core.server.mark_events import Touched
from sidebooks_core.server.places import Standings, resource_of
from sidebooks_core.server.schemas import DocumentsEvent, PageEvent, ShownImage
from sidebooks_core.server.schemas_marks import MarksEvent
from sidebooks_core.server.schemas_shelf import PapersProgress, ProgressEntry
from sidebooks_core.service import Document

RETRY_MS = 2000
LOOK_AGAIN = b"{}"
"""Of the list of meetings: which one it is is not told, since only the last event of a kind waits."""
RETRY_AT_END_MS = 100
"""After the time of a stream is over, and nothing is wrong."""


class Events:
    """All listeners. Thread-safe but for `stream`, which belongs to the event loop."""

    def __init__(self, quota: Quota, left: Callable[[str], None]) -> None:
        """left: called with the name of a session whose last stream has ended."""
        self.quota = quota
        self._left = left
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._listeners)

    @contextmanager
    def listening(self, asks: Listening, documents: Callable[[], list[str]]) -> Iterator[Listener]:
        """A listener, as long as the block lasts. It is told first the ids of the documents that are served then."""
        listener = Listener(asks)
        with self._lock:
            self._listeners.add(listener)
            is_closed = self._is_closed
        try:
            listener.put(
                DOCUMENTS, _documents(documents() if asks.may_see_documents() else [])
            )  # changes from here on reach it
            listener.wake()
            if is_closed:
                listener.stop(End.CLOSED)
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)
                was_last = not any(one.asks.session == asks.session for one in self._listeners)
            if asks.session and was_last:
                self._left(asks.session)

    def stream(
        self,
        receive: Receive,
        asks: Listening,
        documents: Callable[[], list[str]],
        attend: Callable[[Listener], AbstractAsyncContextManager[object]] | None = None,
    ) -> HttpResponse:
        """A stream of events. attend: takes the listener into a meeting, as long as its block lasts. Raises QueueFull."""

        async def pieces() -> AsyncGenerator[bytes, None]:
            with self.listening(asks, documents) as listener:
                gone = asyncio.ensure_future(disconnected(receive))
                gone.add_done_callback(lambda _: listener.stop(End.LEFT))
                try:
                    async with nullcontext() if attend is None else attend(listener):
                        yield f"retry: {RETRY_MS}\n\n".encode()
                        async for one in listener.told():
                            yield b": alive\n\n" if one is None else _event(one)
                        farewell = farewell_of(listener, len(self)) if attend is not None else None
                        if farewell is not None:
                            yield _event(Told(MEETING, encoded(farewell)))
                    if listener.end is End.OVER:
                        yield f"retry: {RETRY_AT_END_MS}\n\n".encode()
                finally:
                    gone.cancel()

        self.quota.take(*asks.share)
        return HttpResponse(200, headers=headers.events(), stream=pieces(), ended=lambda: self.quota.give_back(*asks.share))

    def documents_changed(self, documents: list[str]) -> None:
        """Tell all listeners which documents the shelf holds now."""
        listeners = self._all()
        data = _documents(documents) if listeners else b""
        for listener in listeners:
            if listener.asks.may_see_documents():
                listener.put(DOCUMENTS, data)
        wake(listeners)

    def shelf_changed(self) -> None:
        """Let all listeners look at what is new on the shelf."""
        listeners = self._all()
        for listener in listeners:
            listener.look_at_shelf()
        wake(listeners)

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
        told: list[Listener] = []
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
        wake(told)

    def meetings_changed(
        self,
        found: list[tuple[str, Standings]],
        sees: Callable[[Principal, Operation, Standings], bool],
        as_decided: Callable[[Principal], Principal],
    ) -> None:
        """Let those look at the list of meetings who may be in one of some that began or ended. Call it from a thread.

        found: (id, where its folder stands). sees, as_decided: as in `progress`.
        """
        by_principal: dict[Principal, bool] = {}
        told: list[Listener] = []
        for listener in self._all():
            principal = as_decided(listener.asks.principal)
            may = by_principal.get(principal)
            if may is None:
                own = [at for meeting, at in found if principal.meeting in ("", meeting)]
                may = by_principal[principal] = any(sees(principal, Operation.MEET, at) for at in own)
            if may:
                listener.put(MEETINGS, LOOK_AGAIN)
                told.append(listener)
        wake(told)

    def marks_changed(
        self,
        found: Sequence[tuple[str, Standings, Touched]],
        concerns: Callable[[Principal, Standings, Touched], bool],
        as_decided: Callable[[Principal], Principal],
    ) -> None:
        """Let those ask for the marks of papers who see some that changed. What changed is not told. Call it from a thread.

        found: (id of a paper, where it stands, whose marks changed). concerns: whether somebody sees some of these. as_decided:
        as in `progress`.
        """
        told: list[Listener] = []
        may: dict[tuple[Principal, str], bool] = {}
        for paper, standings, touched in found:
            data = json_bytes(MarksEvent(paper))
            for listener in self._all():
                principal = as_decided(listener.asks.principal)
                key = principal, paper
                if key not in may:
                    may[key] = concerns(principal, standings, touched)
                if may[key]:
                    listener.put(MARKS, data, paper, ANY_PAPER)
                    told.append(listener)
        wake(told)

    def end_outdated(self) -> None:
        """End the streams of those who were logged out, or may see other things now. Their clients come again.

        Each stream asks by itself, also if it must wait for the answer.
        """
        listeners = self._all()
        for listener in listeners:
            listener.ask_again()
        wake(listeners)

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
        wake(listeners)

    def close(self) -> None:
        """End all streams, and those that begin later at once."""
        with self._lock:
            self._is_closed = True
        for listener in self._all():
            listener.stop(End.CLOSED)

    def _all(self) -> list[Listener]:
        with self._lock:
            return list(self._listeners)


def _event(told: Told) -> bytes:
    position = b"id: %s\n" % told.position.encode() if told.position else b""
    return b"%sevent: %s\ndata: %s\n\n" % (position, told.kind.encode(), told.data)


def _documents(documents: list[str]) -> bytes:
    return json_bytes(DocumentsEvent(documents))
