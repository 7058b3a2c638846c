"""The stream of events (SSE): documents that come and go, and pages that got sharper for a reader that sends hints.

A client that reads slowly misses intermediate states, never the newest: of each kind of event only the last one waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable

from starlette.types import Receive

from sidebooks_core.documents.document import Document
from sidebooks_core.reading.view import PageView
from sidebooks_core.server import headers
from sidebooks_core.server.http import HttpResponse, disconnected
from sidebooks_core.server.json_text import json_bytes
from sidebooks_core.server.limits import Quota
from sidebooks_core.server.schemas import DocumentsEvent, PageEvent, ShownImage

ALIVE_EVERY_S = 15.0
"""The longest silence of a stream. Proxies end connections that are silent for a minute."""
RETRY_MS = 2000
DOCUMENTS_EVERY_S = 1.0
"""The shortest time between two `documents` events of a listener. So a folder of a hundred new files makes only a few events;
each holds all ids."""
DOCUMENTS = "documents"


class _Listener:
    """One connection. Its events are put in from any thread, and taken out in the event loop."""

    def __init__(self, session: str) -> None:
        self.session = session
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._lock = threading.Lock()
        self._waiting: dict[str, bytes] = {}
        self._ended = False
        self._documents_from_s = 0.0

    def put(self, kind: str, data: bytes) -> None:
        """data: JSON; listeners that are told the same share it."""
        with self._lock:
            self._waiting[kind] = data
        self._rouse()

    def end(self) -> None:
        self._ended = True
        self._rouse()

    def _rouse(self) -> None:
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
            while not self._ended:
                try:
                    await asyncio.wait_for(self._wake.wait(), ALIVE_EVERY_S)
                except TimeoutError:
                    yield b": alive\n\n"
                    continue
                self._wake.clear()
                for kind, data in self._take().items():
                    yield b"event: %s\ndata: %s\n\n" % (kind.encode(), data)
        finally:
            gone.cancel()


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

    def stream(self, receive: Receive, session: str, client: str, documents: Callable[[], list[str]]) -> HttpResponse:
        """A stream that starts with the ids of the documents that are served then. Raises QueueFull."""

        async def pieces() -> AsyncGenerator[bytes, None]:
            listener = _Listener(session)
            with self._lock:
                self._listeners.add(listener)
                is_closed = self._is_closed
            try:
                listener.put(DOCUMENTS, _documents(documents()))  # those of now: changes from here on reach the listener
                if is_closed:
                    listener.end()
                async for piece in listener.pieces(receive):
                    yield piece
            finally:
                with self._lock:
                    self._listeners.discard(listener)
                    was_last = not any(one.session == session for one in self._listeners)
                if session and was_last:
                    self._left(session)

        self.quota.take(client)
        return HttpResponse(200, headers=headers.events(), stream=pieces(), ended=lambda: self.quota.give_back(client))

    def documents_changed(self, documents: list[str]) -> None:
        """Tell all listeners which documents the shelf holds now."""
        listeners = self._all()
        data = _documents(documents) if listeners else b""
        for listener in listeners:
            listener.put(DOCUMENTS, data)

    def page_shown(self, session: str, document: Document, view: PageView) -> None:
        """Send the listeners of a session the images that its reader has for the screen now."""
        listeners = [one for one in self._all() if one.session == session]
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

    def close(self) -> None:
        """End all streams, and those that begin later at once."""
        with self._lock:
            self._is_closed = True
        for listener in self._all():
            listener.end()

    def _all(self) -> list[_Listener]:
        with self._lock:
            return list(self._listeners)


def _documents(documents: list[str]) -> bytes:
    return json_bytes(DocumentsEvent(documents))
