"""Sessions: clients that tell where they are, each with a reader whose prefetch draws what its client wants next.

    BEGUN --its reader turned--> FOLLOWING --> ENDED
      `--------------------------------------->'

A session begins with its first hint, and ends for one of the reasons in `End`, each of which is decided in this module. It
holds one reader, the newest hint and the newest view, and nothing after its end. A hint is only noted. Work that takes time is
done in a few threads that all sessions share.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable
from enum import Enum, StrEnum, auto
from functools import partial

from msgspec import Struct

from sidebooks_core.access.policy import UNLIMITED, Limits
from sidebooks_core.errors import ServiceClosed, SidebooksError
from sidebooks_core.reading.loop import Handle, ReaderLoop
from sidebooks_core.reading.reader import Reader, ReaderOptions
from sidebooks_core.reading.view import PageView
from sidebooks_core.server.allowance import view_within
from sidebooks_core.service import Document, TileService
from sidebooks_core.tiling.spreads import SINGLE_PAGES, SpreadRule

THREADS = 2
DEADLINE_S = 0.001
"""The deadline of a turn. It is short, since nobody paints the view that the turn returns."""
CLOSE_S = 5.0

Shown = Callable[[str, Document, PageView], None]
"""Takes the view that the reader of a session has for its screen. It is short, and never waits."""

_log = logging.getLogger("sidebooks_core.server")


class State(Enum):
    """The state of a session."""

    BEGUN = auto()
    """Its first hint waits to be followed."""
    FOLLOWING = auto()
    """Its reader has turned to the page of a hint."""
    ENDED = auto()


class End(StrEnum):
    """Why a session ended."""

    LEFT = "left"
    """Its last stream of events ended."""
    SILENT = "silent"
    """It sent no hint for `SessionLimits.silence_s`."""
    CROWDED_OUT = "crowded_out"
    """Another began when there were `SessionLimits.sessions`."""
    WITHDRAWN = "withdrawn"
    """Its document is served no longer."""
    FAILED = "failed"
    """Its reader failed in a way that no reader should; the log has more."""
    CLOSED = "closed"
    """The server or its service ends."""


class SessionLimits(Struct, frozen=True, kw_only=True):
    """Bounds for sessions."""

    sessions: int = 256
    """When another begins, one of the client that has most of them ends: the one that was silent longest."""
    silence_s: float = 300.0
    """A session without a hint for so long ends: its client is gone, and its reader would keep a share of the prefetch."""


class HintedPage(Struct, frozen=True):
    """The page at which a client is, as its hint says."""

    document: Document
    page: int
    """From 0."""
    view_px: tuple[int, int]
    """Width and height of its screen."""
    spread: bool
    client: str = ""
    """The client that owns the session. The session takes turns in the queue under this name."""
    limits: Limits = UNLIMITED
    """Of the reader. Nothing is told of what lies beyond them."""


class _Follower:
    """Turns a reader to the page of the client, and passes its views on. Used by one thread at a time."""

    def __init__(self, name: str, service: TileService, shown: Shown, loop: ReaderLoop) -> None:
        self._name = name
        self._service = service
        self._shown = shown
        self._loop = loop
        self._hinted: HintedPage | None = None
        self._reader: Reader | None = None
        self._latest: PageView | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it holds neither a reader nor images."""
        return self._reader is None and self._latest is None

    def follow(self, hinted: HintedPage) -> None:
        """Turn to a page. The present reader is used if it has the same document and spread rule, else a new one."""
        if hinted is self._hinted:
            return
        before, self._hinted = self._hinted, hinted
        if self._reader is not None and before is not None:
            if (before.document, before.spread) != (hinted.document, hinted.spread):
                self._reader.close()
                self._reader = None
            elif before.view_px != hinted.view_px:
                self._reader.resize(hinted.view_px)
        if self._reader is None:
            options = ReaderOptions(
                rule=SpreadRule() if hinted.spread else SINGLE_PAGES,
                deadline_s=DEADLINE_S,
                keeps_position=False,
                loop=self._loop,
                client=hinted.client,
            )
            self._reader = self._service.parts.readers.open(hinted.document, hinted.view_px, options)
            self._reader.on_refined = partial(self._show, hinted.document)
        self._show(hinted.document, self._reader.turn_to(hinted.page))

    def close(self) -> None:
        """Release the reader and its images. Code that still refers to the session must not keep them."""
        if self._reader is not None:
            self._reader.close()
        self._reader = self._latest = self._hinted = None

    def _show(self, document: Document, view: PageView) -> None:
        """Pass a view of the reader on."""
        self._latest = view
        limits = UNLIMITED if self._hinted is None else self._hinted.limits
        self._shown(self._name, document, view_within(limits, view))


class Session(Struct, eq=False):
    """One client's session. All but the follower belongs to the lock of `Sessions`."""

    name: str
    newest: HintedPage
    heard_at_s: float
    follower: _Follower
    """Belongs to the session's step."""
    state: State = State.BEGUN
    end: End | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it holds neither a reader nor images."""
        return self.follower.is_empty


class Sessions:
    """Sessions by name. Thread-safe."""

    def __init__(self, service: TileService, shown: Shown, limits: SessionLimits | None = None) -> None:
        self._service = service
        self._shown = shown
        self._limits = limits or SessionLimits()
        self._loop = ReaderLoop(THREADS)
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, tuple[Session, Handle]] = OrderedDict()
        """The longest silent first."""
        self._ends: Counter[End] = Counter()
        self._closed = False

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, name: str) -> Session | None:
        """The session of that name, if it has not ended."""
        with self._lock:
            return self._sessions[name][0] if name in self._sessions else None

    def ends(self) -> dict[End, int]:
        """How many ended so far, by the reason."""
        with self._lock:
            return dict(self._ends)

    def follow(self, name: str, hinted: HintedPage) -> None:
        """Have the session's reader turn to the client's page soon. If several hints wait, the newest counts.

        Raises ServiceClosed.
        """
        with self._lock:
            if self._closed:
                raise ServiceClosed("the server is closing")
            if name not in self._sessions:
                self._begin(name, hinted)
            session, handle = self._sessions[name]
            session.newest, session.heard_at_s = hinted, time.monotonic()
            self._sessions.move_to_end(name)
            too_many = [self._most_silent()] if len(self._sessions) > self._limits.sessions else []
        handle.wake()
        self._end(too_many, End.CROWDED_OUT)

    def end(self, name: str) -> None:
        """Its client went away."""
        self._end([name], End.LEFT)

    def keep_only(self, document_ids: Collection[str]) -> None:
        """End the sessions of documents that are not among these."""
        with self._lock:
            gone = [name for name, (one, _) in self._sessions.items() if one.newest.document.id not in document_ids]
        self._end(gone, End.WITHDRAWN)

    def close(self) -> None:
        """End all sessions, and their threads."""
        with self._lock:
            self._closed = True
            ended = [self._take_out(session, End.CLOSED) for session, _ in list(self._sessions.values())]
        for session, handle in ended:
            handle.end(CLOSE_S)
            session.follower.close()
        self._loop.close()

    def _begin(self, name: str, hinted: HintedPage) -> None:
        follower = _Follower(name, self._service, self._shown, self._loop)
        session = Session(name, hinted, time.monotonic(), follower)
        self._sessions[name] = session, self._loop.add(partial(self._step, session))

    def _most_silent(self) -> str:
        """The longest silent session of the client that has most sessions. So a flood of one client ends only
        its own sessions.
        """
        counts = Counter(session.newest.client for session, _ in self._sessions.values())
        most = max(counts.values())
        return next(name for name, (session, _) in self._sessions.items() if counts[session.newest.client] == most)

    def _end(self, names: Iterable[str], reason: End) -> None:
        with self._lock:
            ended = [self._take_out(self._sessions[name][0], reason) for name in names if name in self._sessions]
        for _, handle in ended:
            handle.wake()  # its step lets go of the reader

    def _take_out(self, session: Session, reason: End) -> tuple[Session, Handle]:
        session.state, session.end = State.ENDED, reason
        self._ends[reason] += 1
        return self._sessions.pop(session.name)

    def _step(self, session: Session) -> float | None:
        """Follow the newest hint, or release the reader if the session has ended. Returns the seconds until the next look."""
        with self._lock:
            left_s = session.heard_at_s + self._limits.silence_s - time.monotonic()
            if session.state is not State.ENDED and left_s <= 0:
                self._take_out(session, End.SILENT)
            hinted = session.newest
        reason = None if session.state is State.ENDED else self._follow(session, hinted)
        with self._lock:
            if reason is not None and session.state is not State.ENDED:
                self._take_out(session, reason)
            has_ended = session.state is State.ENDED
            if not has_ended:
                session.state = State.FOLLOWING
        if has_ended:
            session.follower.close()
            return None
        return left_s

    def _follow(self, session: Session, hinted: HintedPage) -> End | None:
        """Follow a hint. Returns the reason if the session must end, else None."""
        try:
            session.follower.follow(hinted)
        except ServiceClosed:
            return End.CLOSED
        except SidebooksError as error:
            _log.warning("the reader of a session: %s", error)
        except Exception:  # noqa: BLE001 - one session ends, and the others go on
            _log.exception("the reader of a session failed")
            return End.FAILED
        return None
