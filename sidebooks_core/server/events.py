"""The stream of events (SSE): documents that come and go, and pages that got sharper for a reader that sends hints.

A client that reads slowly misses intermediate states, never the newest: of each kind of event only the last one waits.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any

from sidebooks_core.document import Document
from sidebooks_core.errors import QueueFull
from sidebooks_core.server.exchange import Answer, Receive
from sidebooks_core.view import PageView

MAX_STREAMS = 1024
ALIVE_EVERY_S = 15.0
"""Something is sent at least so often: proxies end connections that are silent for a minute."""
RETRY_MS = 2000


class _Listener:
    """One connection. Its events are put in from any thread, and taken out in the event loop."""

    def __init__(self, session: str) -> None:
        self.session = session
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._lock = threading.Lock()
        self._waiting: dict[str, str] = {}
        self._ended = False

    def put(self, kind: str, data: dict[str, Any]) -> None:
        with self._lock:
            self._waiting[kind] = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        self._rouse()

    def end(self) -> None:
        self._ended = True
        self._rouse()

    def _rouse(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def pieces(self, receive: Receive) -> AsyncGenerator[bytes, None]:
        """Until the client goes away or the server ends."""
        gone = asyncio.ensure_future(_disconnected(receive))
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
                with self._lock:
                    events, self._waiting = self._waiting, {}
                for kind, data in events.items():
                    yield f"event: {kind}\ndata: {data}\n\n".encode()
        finally:
            gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Events:
    """Who listens. Thread-safe but for `answer`, which belongs to the event loop."""

    def __init__(self, left: Callable[[str], None]) -> None:
        """left: told of a session whose last stream has ended."""
        self._left = left
        self._lock = threading.Lock()
        self._listeners: set[_Listener] = set()

    def answer(self, receive: Receive, session: str, documents: list[str]) -> Answer:
        """A stream that starts with the ids of the documents that are served. Raises QueueFull."""
        listener = _Listener(session)
        with self._lock:
            if len(self._listeners) >= MAX_STREAMS:
                raise QueueFull("too many streams of events")
            self._listeners.add(listener)
        listener.put("documents", {"documents": documents})

        async def stream() -> AsyncGenerator[bytes, None]:
            try:
                async for piece in listener.pieces(receive):
                    yield piece
            finally:
                with self._lock:
                    self._listeners.discard(listener)
                    was_last = not any(one.session == session for one in self._listeners)
                if session and was_last:
                    self._left(session)

        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        return Answer(200, headers=headers, stream=stream())

    def documents_changed(self, documents: list[str]) -> None:
        """The shelf holds these now."""
        for listener in self._all():
            listener.put("documents", {"documents": documents})

    def page_shown(self, session: str, document: Document, view: PageView) -> None:
        """What the reader of a session has for its screen now."""
        listeners = [one for one in self._all() if one.session == session]
        if not listeners:
            return
        data = {
            "document": document.id,
            "page": view.page + 1,
            "is_sharp": view.is_sharp,
            "resolution": round(view.resolution, 4),
            "errors": [error.message for error in view.errors],
            "images": [
                {
                    "page": image.page + 1,
                    "is_coarse": image.is_coarse,
                    "etag": None if document.known_content_id(image.page) is None else image.tile.etag,
                    "box_view": [image.x0_view, image.y0_view, image.width_view, image.height_view],
                }
                for image in view.images
            ],
        }
        for listener in listeners:
            listener.put("page", data)

    def close(self) -> None:
        """End all streams."""
        for listener in self._all():
            listener.end()

    def _all(self) -> list[_Listener]:
        with self._lock:
            return list(self._listeners)
