"""Where meetings are kept while they last, and how their states reach all who follow: the protocol, and a hub in one process.

A hub keeps state; it does not relay events. What it tells may come late, twice, in another order, or not at all. So listeners
take a state only if its position is greater, and ask for the present one where they cannot tell.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakValueDictionary

from sidebooks_core.errors import NoSuchMeeting, RequestError
from sidebooks_core.meeting.messages import MOST_WHISPER_BYTES, Refused
from sidebooks_core.meeting.model import Meeting
from sidebooks_core.meeting.session import restored
from sidebooks_core.meeting.state import State

WHISPERS_PER_S = 15.0
"""Of one sender. More of them are dropped."""
WHISPERS_AT_ONCE = 3.0
MOST_SENDERS = 4096
"""Whose pace is remembered."""
MOST_ENDED = 64
"""Meetings that are over and stay in memory, for those who come late."""
_log = logging.getLogger("sidebooks_core.meeting")

Decide = Callable[[Meeting], "Meeting | Refused"]
"""What is to become of a meeting. Pure: it may be called several times, with newer meetings."""


class Listener(Protocol):
    """Who follows a meeting. It is called from threads of the hub and of others, and returns at once."""

    def told(self, state: State) -> None:
        """A state. It may be an older one than before."""

    def whispered(self, data: bytes) -> None:
        """A pointer or a stroke, as it was sent."""


class Backing(Protocol):
    """What outlives a hub. Methods may raise StorageError; then nothing is changed, and nothing is told."""

    def recover(self, meeting_id: str, newest: Meeting | None) -> Meeting | None:
        """The meeting to go on with after a hub was lost. None: there is none.

        newest: the newest that the hub still has. The epoch of the answer is greater than all that were ever told, unless the
        meeting has ended.
        """

    def before(self, old: Meeting | None, new: Meeting) -> None:
        """Called before a change is kept and told. The change may still be given up, since another one came first.

        What must not be lost is on the disk when this returns: that the epoch was used, votes, and the end.
        """

    def give_up(self, old: Meeting, made: Meeting, now: Meeting) -> bool:
        """Called after `before(old, made)` if another change came first: what is kept is to agree with the meeting of now.

        True: something had to be put right. Then it is called again if the meeting has changed meanwhile.
        """

    def after(self, meeting: Meeting) -> None:
        """Called after a change was kept. It returns at once."""


class NoBacking:
    """Meetings are lost with their hub."""

    def recover(self, meeting_id: str, newest: Meeting | None) -> Meeting | None:
        return None if newest is None else restored(newest)

    def before(self, old: Meeting | None, new: Meeting) -> None:
        pass

    def give_up(self, old: Meeting, made: Meeting, now: Meeting) -> bool:
        return False

    def after(self, meeting: Meeting) -> None:
        pass


class Hub(Protocol):
    """Keeps meetings. Thread-safe. `close()` it."""

    def open(self, meeting: Meeting) -> None:
        """Keep a new meeting. Raises RequestError if there is one of this id, HubFailed, StorageError."""

    def read(self, meeting_id: str) -> Meeting | None:
        """The present state; None if there is no such meeting. Raises HubFailed, StorageError."""

    def change(self, meeting_id: str, decide: Decide) -> Meeting | Refused:
        """Change a meeting by compare-and-set, and tell its state. Returns what `decide` made of the present one.

        Raises NoSuchMeeting, HubFailed, StorageError.
        """

    def subscribe(self, meeting_id: str, listener: Listener) -> Callable[[], None]:
        """Tell a listener all states from now on. The function that is returned ends it.

        Read the meeting after this, not before: then no state is missed.
        """

    def whisper(self, meeting_id: str, by: str, data: bytes) -> bool:
        """Pass something on that may get lost. by: whose pace counts. False: it was dropped. It is never stored.

        At most `WHISPERS_PER_S` of one sender, and `MOST_WHISPER_BYTES` each.
        """

    def is_sure(self) -> bool:
        """Whether states of other processes arrive. If not, nobody knows here whether theirs is the newest."""

    def close(self) -> None:
        """Tell nothing any more."""


class Listeners:
    """The listeners of a process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Listener]] = defaultdict(list)

    def add(self, meeting_id: str, listener: Listener) -> Callable[[], None]:
        with self._lock:
            self._listeners[meeting_id].append(listener)
        return lambda: self._remove(meeting_id, listener)

    def meetings(self) -> list[str]:
        """That somebody listens to."""
        with self._lock:
            return list(self._listeners)

    def tell(self, state: State) -> None:
        for listener in self._of(state.meeting):
            try:
                listener.told(state)
            except Exception:  # noqa: BLE001 - one listener's fault must not keep the state from the others
                _log.exception("a listener of the meeting %s failed", state.meeting)

    def whisper(self, meeting_id: str, data: bytes) -> None:
        for listener in self._of(meeting_id):
            try:
                listener.whispered(data)
            except Exception:  # noqa: BLE001 - as above
                _log.exception("a listener of the meeting %s failed", meeting_id)

    def _of(self, meeting_id: str) -> list[Listener]:
        with self._lock:
            return list(self._listeners.get(meeting_id, ()))

    def _remove(self, meeting_id: str, listener: Listener) -> None:
        with self._lock:
            left = [one for one in self._listeners.get(meeting_id, ()) if one is not listener]
            if left:
                self._listeners[meeting_id] = left
            else:
                self._listeners.pop(meeting_id, None)


class Pace:
    """Says who may whisper now. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds, never set back."""
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def allows(self, sender: str, data: bytes) -> bool:
        if len(data) > MOST_WHISPER_BYTES:
            return False
        now_s = self._clock()
        with self._lock:
            left, at_s = self._left.pop(sender, (WHISPERS_AT_ONCE, now_s))
            left = min(WHISPERS_AT_ONCE, left + (now_s - at_s) * WHISPERS_PER_S)
            may = left >= 1
            self._left[sender] = (left - may, now_s)
            if len(self._left) > MOST_SENDERS:
                del self._left[next(iter(self._left))]
        return may


class Turns:
    """A lock for each meeting, so that its changes in this process take turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: WeakValueDictionary[str, _Turn] = WeakValueDictionary()

    @contextmanager
    def of(self, meeting_id: str) -> Iterator[None]:
        with self._lock:
            turn = self._turns.setdefault(meeting_id, _Turn())
        with turn.lock:
            yield


class _Turn:
    def __init__(self) -> None:
        self.lock = threading.Lock()


class LocalHub:
    """The meetings of one process. A change waits for the disk only where a `Backing` does."""

    def __init__(self, backing: Backing | None = None) -> None:
        self._backing: Backing = backing or NoBacking()
        self._listeners = Listeners()
        self._pace = Pace()
        self._turns = Turns()
        self._lock = threading.Lock()
        self._meetings: dict[str, Meeting] = {}

    def open(self, meeting: Meeting) -> None:
        meeting_id = meeting.state.meeting
        with self._turns.of(meeting_id):
            if self._kept(meeting_id) is not None:
                raise RequestError(f"there is a meeting {meeting_id} already")
            self._keep(None, meeting)

    def read(self, meeting_id: str) -> Meeting | None:
        found = self._kept(meeting_id)
        if found is None:
            with self._turns.of(meeting_id):
                found = self._kept_or_recovered(meeting_id)
        return found

    def change(self, meeting_id: str, decide: Decide) -> Meeting | Refused:
        with self._turns.of(meeting_id):
            old = self._kept_or_recovered(meeting_id)
            if old is None:
                raise NoSuchMeeting(f"there is no meeting {meeting_id}")
            made = decide(old)
            if isinstance(made, Refused):
                return made
            self._keep(old, made)
        if made.state != old.state:
            self._listeners.tell(made.state)
        return made

    def subscribe(self, meeting_id: str, listener: Listener) -> Callable[[], None]:
        return self._listeners.add(meeting_id, listener)

    def whisper(self, meeting_id: str, by: str, data: bytes) -> bool:
        may = self._pace.allows(f"{meeting_id}/{by}", data)
        if may:
            self._listeners.whisper(meeting_id, data)
        return may

    def is_sure(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing is to be ended: the hub has no thread and no connection."""

    def _kept(self, meeting_id: str) -> Meeting | None:
        with self._lock:
            return self._meetings.get(meeting_id)

    def _kept_or_recovered(self, meeting_id: str) -> Meeting | None:
        found = self._kept(meeting_id)
        if found is None:
            found = self._backing.recover(meeting_id, None)
            if found is not None:
                self._keep(None, found)
        return found

    def _keep(self, old: Meeting | None, new: Meeting) -> None:
        self._backing.before(old, new)
        with self._lock:
            self._meetings[new.state.meeting] = new
            ended = [one for one, meeting in self._meetings.items() if meeting.state.mode == "ended"]
            for one in ended[:-MOST_ENDED]:
                del self._meetings[one]
        self._backing.after(new)
