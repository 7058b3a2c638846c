"""Readers of clients that tell where they are: one for each session, whose prefetch draws what its client wants next.

A session begins with its first hint. It ends when its stream of events does, after five silent minutes, and when its document
is served no longer. All sessions share a few threads; a hint only leaves word for them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial

from msgspec import Struct

from sidebooks_core.documents.document import Document
from sidebooks_core.errors import ServiceClosed, SidebooksError
from sidebooks_core.reading.loop import Handle, ReaderLoop
from sidebooks_core.reading.reader import Reader
from sidebooks_core.reading.view import PageView
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.service import TileService

MAX_SESSIONS = 256
"""When another begins, one of the client that has most ends: the one that was silent longest."""
SILENCE_S = 300.0
"""A session without a hint for so long ends: its client is gone, and its reader would keep a share of the prefetch."""
THREADS = 2
DEADLINE_S = 0.001
"""Of a turn: nobody paints what it returns."""
CLOSE_S = 5.0

Shown = Callable[[str, Document, PageView], None]
"""Told of a session what its reader has for its screen. Short, and never waits."""

_log = logging.getLogger("sidebooks_core.server")


class ClientPlace(Struct, frozen=True):
    """Where a client is."""

    document: Document
    page: int
    """From 0."""
    view_px: tuple[int, int]
    spread: bool
    client: str = ""
    """Whose turn in the queue the session takes, and whose session it is."""


class _Session(Struct, eq=False):
    name: str
    newest: ClientPlace
    heard_at_s: float
    has_ended: bool = False
    followed: ClientPlace | None = None
    """What the reader was turned to last. This and the reader belong to the session's step."""
    reader: Reader | None = None
    latest: PageView | None = None


class Sessions:
    """Sessions by name. Thread-safe."""

    def __init__(self, service: TileService, shown: Shown) -> None:
        self._service = service
        self._shown = shown
        self._loop = ReaderLoop(THREADS)
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, tuple[_Session, Handle]] = OrderedDict()
        self._closed = False

    def __len__(self) -> int:
        return len(self._sessions)

    def follow(self, name: str, hint: ClientPlace) -> None:
        """Have the session's reader turn where its client is, soon. Of several hints at once the newest counts.

        Raises ServiceClosed.
        """
        with self._lock:
            if self._closed:
                raise ServiceClosed("the server is closing")
            if name not in self._sessions:
                session = _Session(name, hint, time.monotonic())
                self._sessions[name] = session, self._loop.add(partial(self._step, session))
            session, handle = self._sessions[name]
            session.newest, session.heard_at_s = hint, time.monotonic()
            self._sessions.move_to_end(name)
            too_many = [self._most_silent()] if len(self._sessions) > MAX_SESSIONS else []
        handle.wake()
        self._end(too_many)

    def end(self, name: str) -> None:
        """Its client went away."""
        self._end([name])

    def keep_only(self, document_ids: Collection[str]) -> None:
        """End the sessions of documents that are not among these."""
        with self._lock:
            gone = [name for name, (one, _) in self._sessions.items() if one.newest.document.id not in document_ids]
        self._end(gone)

    def close(self) -> None:
        """End all sessions, and their threads."""
        with self._lock:
            self._closed = True
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session, handle in sessions:
            handle.end(CLOSE_S)
            if session.reader is not None:
                session.reader.close()
        self._loop.close()

    def _most_silent(self) -> str:
        """Of the client that has most sessions, the one that was silent longest. A flood of one client ends only its own."""
        counts = Counter(session.newest.client for session, _ in self._sessions.values())
        most = max(counts.values())
        return next(name for name, (session, _) in self._sessions.items() if counts[session.newest.client] == most)

    def _end(self, names: Iterable[str]) -> None:
        with self._lock:
            ended = [self._sessions.pop(name) for name in names if name in self._sessions]
            for session, _ in ended:
                session.has_ended = True
        for _, handle in ended:
            handle.wake()

    def _step(self, session: _Session) -> float | None:
        """Follow the newest hint, or end. When to look again, in seconds."""
        with self._lock:
            left_s = session.heard_at_s + SILENCE_S - time.monotonic()
            if left_s <= 0 and self._sessions.get(session.name, (None,))[0] is session:
                del self._sessions[session.name]
                session.has_ended = True
            hint = session.newest
        if session.has_ended:
            if session.reader is not None:
                session.reader.close()
            session.reader = session.latest = None  # somebody may still know the session: not its images
            return None
        if hint is not session.followed:
            try:
                self._turn(session, hint)
            except ServiceClosed:
                return None
            except SidebooksError as error:
                _log.warning("the reader of a session: %s", error)
        return left_s

    def _turn(self, session: _Session, hint: ClientPlace) -> None:
        before, session.followed = session.followed, hint
        reader = session.reader
        if reader is not None and before is not None:
            if (before.document, before.spread) != (hint.document, hint.spread):
                session.reader = None
                reader.close()
            elif before.view_px != hint.view_px:
                reader.resize(hint.view_px)
        if session.reader is None:
            session.reader = self._service.reader(
                hint.document, hint.view_px, hint.spread, deadline_s=DEADLINE_S, loop=self._loop, client=hint.client
            )
            session.reader.on_refined = lambda view: self._show(session, hint.document, view)
        self._show(session, hint.document, session.reader.turn_to(hint.page))

    def _show(self, session: _Session, document: Document, view: PageView) -> None:
        """Tell what the reader has; once more if a page of it was drawn before it was identified, for its ETags."""
        session.latest = view
        self._shown(session.name, document, view)
        sharp = {image.page for image in view.images if not image.is_coarse}
        unknown = next((page for page in sharp if document.known_content_id(page) is None), None)
        if unknown is None:
            return

        def identified(_: object, error: SidebooksError | None) -> None:
            if error is None and session.latest is view:
                self._show(session, document, view)

        with suppress(SidebooksError):  # the queue is full, or the service closes: there are no ETags then
            self._service.records.identify(
                document, unknown, identified, priority=Priority.VISIBLE, client=session.newest.client
            )
