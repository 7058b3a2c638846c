"""A hub over Redis or Valkey, for several server processes on any machines. Needs the extra `hub`.

- A meeting is one hash. It is changed by a script that compares a token which is made anew with each change, keeps the new
  meeting, and publishes its state. So a change and its news are one, and of two changes at once one is decided again.
- Messages of Redis get lost without a word, and a connection can be dead and look alive. So each process publishes a beat to
  itself. Where it hears nothing, it connects and subscribes anew, and then *reads the state* of each meeting it follows.
- A Redis that was started anew may have lost the newest states, or all. Its run id tells it, which stands in each meeting.
  A meeting of another run, or an older one than this process knows, goes on in a new epoch: see `Backing.recover`.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import msgspec
import redis
from msgspec import Struct
from msgspec.structs import replace
from redis.backoff import NoBackoff
from redis.retry import Retry

from sidebooks_core.errors import HubFailed, NoSuchMeeting, RequestError, StorageError
from sidebooks_core.meeting.hub import Backing, Decide, Listener, Listeners, NoBacking, Pace, Turns
from sidebooks_core.meeting.messages import Refused
from sidebooks_core.meeting.model import Meeting, newer
from sidebooks_core.meeting.state import Details, State
from sidebooks_core.meeting.votes import Vote

T = TypeVar("T")

BEAT_S = 1.0
SILENCE_S = 3.0
"""Without a beat for so long, the connection is taken for dead."""
TIMEOUT_S = 2.0
"""Longest wait for an answer of Redis."""
RETRY_S, MOST_RETRY_S = 0.5, 4.0
"""Between attempts to connect, about: at first, and after many that failed."""
KEPT_MS = 7 * 86_400_000
"""A meeting that nobody changes is gone from Redis after this. Then it is recovered when it is read."""
ENDED_KEPT_MS = 3_600_000
MOST_ATTEMPTS = 100
"""To change a meeting that other processes change all the time."""
MOST_KNOWN = 256
"""Meetings whose newest state a process remembers."""
SCRIPT = """
if (redis.call('HGET', KEYS[1], 'token') or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if ARGV[4] ~= '' then redis.call('PUBLISH', ARGV[3], ARGV[4]) end
return 1
"""
_log = logging.getLogger("sidebooks_core.meeting")


class _Head(Struct, frozen=True):
    """What changes with each turn."""

    state: State
    counts: dict[str, int]
    since: int = 0


class _Found(Struct, frozen=True):
    """A meeting as Redis has it."""

    token: bytes
    run: bytes
    """Of the Redis that the meeting was put into."""
    meeting: Meeting


_FIELDS = ("token", "run", "head", "details", "vote")
_encoder = msgspec.json.Encoder(order="deterministic")
_head = msgspec.json.Decoder(_Head)
_details = msgspec.json.Decoder(Details)
_state = msgspec.json.Decoder(State)
_vote = msgspec.json.Decoder(Vote | None)


class RedisHub:
    """The meetings of several processes. Each method but `whisper` and `is_sure` waits for Redis: call it from a thread."""

    def __init__(self, url: str, backing: Backing | None = None, *, prefix: str = "sidebooks", beat_s: float = BEAT_S) -> None:
        """url: as redis-py takes it: redis://, rediss:// or unix://. prefix: of all keys and channels.

        If Redis does not answer yet, the hub waits for it: until then its methods raise HubFailed.
        Raises RequestError for a url that is none, HubFailed if Redis lets nobody in with it.
        """
        self._prefix = prefix
        self._beat_s = beat_s
        self._silence_s = beat_s * SILENCE_S / BEAT_S
        self._backing: Backing = backing or NoBacking()
        self._listeners = Listeners()
        self._pace = Pace()
        self._lock = threading.Lock()
        self._turns = Turns()
        self._known: dict[str, Meeting] = {}
        self._heard_s: float | None = None
        self._unread: set[str] = set()
        """Meetings that are to be read, since something may have been told that did not arrive. Of the watchdog."""
        self._closing = threading.Event()
        self._beat = f"{prefix}:beat:{secrets.token_hex(8)}".encode()
        self._redis = _client_of(url)
        self._script = self._redis.register_script(SCRIPT)
        try:
            self._run = self._run_id()
        except HubFailed as failed:
            if not _is_passing(failed.__cause__):
                self._redis.close()
                raise
            self._run = b""
            _log.warning("meetings wait for the hub: %s", failed)
        self._failures = 0 if self._run else 1
        """Attempts to connect since the last one that did. Of the watchdog."""
        self._thread = threading.Thread(target=self._watch, name="sidebooks-hub", daemon=True)
        self._thread.start()

    def open(self, meeting: Meeting) -> None:
        meeting_id = meeting.state.meeting
        run = self._run_id()  # before anything is kept: Redis may not answer
        self._backing.before(None, meeting)
        if not self._put(None, meeting, run=run):
            raise RequestError(f"there is a meeting {meeting_id} already")
        self._backing.after(meeting)

    def read(self, meeting_id: str) -> Meeting | None:
        found = self._read(meeting_id)
        return None if found is None else found.meeting

    def change(self, meeting_id: str, decide: Decide) -> Meeting | Refused:
        given_up: tuple[Meeting, Meeting] | None = None
        with self._turns.of(meeting_id):  # of the threads of this process one at a time: the others would only try in vain
            for _ in range(MOST_ATTEMPTS):
                found = self._read(meeting_id)
                if found is None:
                    raise NoSuchMeeting(f"there is no meeting {meeting_id}")
                if given_up is not None and self._backing.give_up(*given_up, found.meeting):
                    again = self._fetch(meeting_id)
                    if again is None or again.token != found.token:
                        continue
                made = decide(found.meeting)
                if isinstance(made, Refused) or made == found.meeting:
                    return made
                self._backing.before(found.meeting, made)
                if self._put(found, made):
                    break
                given_up = found.meeting, made
            else:
                raise HubFailed(f"other processes change the meeting {meeting_id} all the time: try again")
        self._backing.after(made)
        if made.state != found.meeting.state:
            self._listeners.tell(made.state)  # listeners of this process need not wait for Redis
        return made

    def subscribe(self, meeting_id: str, listener: Listener) -> Callable[[], None]:
        return self._listeners.add(meeting_id, listener)

    def whisper(self, meeting_id: str, by: str, data: bytes) -> bool:
        if not self._pace.allows(f"{meeting_id}/{by}", data) or not self.is_sure():
            return False
        with suppress(redis.RedisError):
            self._say("PUBLISH", f"{self._prefix}:whisper:{meeting_id}", data)
            return True
        return False

    def is_sure(self) -> bool:
        heard_s = self._heard_s
        return heard_s is not None and time.monotonic() - heard_s <= self._silence_s

    def close(self) -> None:
        self._closing.set()
        with suppress(redis.RedisError):
            self._say("PUBLISH", self._beat, b"")  # wakes the thread
        self._thread.join(10)
        self._redis.close()

    def _read(self, meeting_id: str) -> _Found | None:
        """The meeting as Redis has it; recovered, if Redis has lost it or an old one."""
        for _ in range(MOST_ATTEMPTS):
            with self._lock:
                known = self._known.get(meeting_id)  # before Redis is asked: what it has later is no older
            found = self._fetch(meeting_id)
            if found is not None and found.run != self._run:
                self._run = self._run_id()  # another process may have been the first to see the new run
            is_old = known is not None and found is not None and known.state.position > found.meeting.state.position
            if found is not None and found.run == self._run and not is_old:
                self._remember(found.meeting)
                return found
            newest = known if found is None else found.meeting if known is None else newer(known, found.meeting)
            made = self._backing.recover(meeting_id, newest)
            if made is None:
                return None
            self._backing.before(None, made)
            self._run = self._run_id()
            if self._put(found, made, run=self._run):
                self._backing.after(made)
                self._listeners.tell(made.state)
        raise HubFailed(f"the meeting {meeting_id} cannot be recovered, since others change it all the time: try again")

    def _fetch(self, meeting_id: str) -> _Found | None:
        with _translated():
            parts = self._twice(lambda: self._say("HMGET", self._key(meeting_id), *_FIELDS))
        token, run, head, details, vote = parts
        if token is None:
            return None
        try:
            told = _head.decode(head)
            meeting = Meeting(
                state=told.state,
                details=_details.decode(details),
                counts=told.counts,
                since=told.since,
                vote=_vote.decode(vote),
            )
        except (msgspec.DecodeError, TypeError) as fault:
            raise HubFailed(f"Redis has a meeting {meeting_id} that this version cannot read: remove its key") from fault
        return _Found(token, run, meeting)

    def _put(self, found: _Found | None, made: Meeting, *, run: bytes | None = None) -> bool:
        """Keep and publish a meeting, if Redis still has what was found. Raises HubFailed if that cannot be known."""
        token = secrets.token_hex(8).encode()
        fields: list[bytes] = [b"token", token, b"head", _encode(_Head(made.state, made.counts, made.since))]
        had = None if found is None else found.meeting
        if had is None or had.details != made.details:
            fields += [b"details", _encode(made.details)]
        if had is None or had.vote != made.vote:
            fields += [b"vote", _encode(made.vote)]
        if had is None or run is not None:
            fields += [b"run", run or self._run]
        news = b"" if had is not None and had.state == made.state else _encode(made.state)
        kept_ms = ENDED_KEPT_MS if made.state.mode == "ended" else KEPT_MS
        key = self._key(made.state.meeting)
        channel = f"{self._prefix}:told:{made.state.meeting}"
        try:
            done = self._script(keys=[key], args=[b"" if found is None else found.token, kept_ms, channel, news, *fields])
        except (redis.ConnectionError, redis.TimeoutError):
            with _translated():
                done = self._twice(lambda: self._say("HGET", key, "token")) == token
        except redis.RedisError as fault:
            raise HubFailed(f"Redis refuses to keep the meeting {made.state.meeting}: {fault}") from fault
        if done:
            self._remember(made)
        return bool(done)

    def _remember(self, meeting: Meeting) -> None:
        meeting_id = meeting.state.meeting
        with self._lock:
            known = self._known.pop(meeting_id, meeting)
            self._known[meeting_id] = newer(meeting, known)
            if len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]

    def _say(self, *words: object) -> Any:
        """A command of Redis, and its answer."""
        return self._redis.execute_command(*words)  # type: ignore[no-untyped-call]

    def _twice(self, ask: Callable[[], T]) -> T:
        """Ask once more if the connection was dead, as all are of which Redis was started anew."""
        try:
            return ask()
        except redis.ConnectionError:
            return ask()

    def _run_id(self) -> bytes:
        with _translated():
            told = self._twice(lambda: self._redis.info("server"))
        return str(told["run_id"]).encode()

    def _key(self, meeting_id: str) -> str:
        return f"{self._prefix}:meeting:{{{meeting_id}}}"

    # The watchdog ------------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._closing.is_set():
            try:
                self._listen()
            except (redis.RedisError, OSError) as fault:  # also HubFailed, and the StorageError of a backing
                if not self._closing.is_set() and not self._failures:
                    _log.warning("states of other processes do not arrive; it is tried again: %s", fault)
            except Exception:  # noqa: BLE001 - without this thread the process would never hear of the others again
                _log.exception("a fault of the hub; it is tried again")
            self._heard_s = None
            # Each of the idle connections may be as dead, and whoever took it would find that out by waiting for `TIMEOUT_S`.
            self._redis.connection_pool.disconnect(inuse_connections=False)
            self._closing.wait(min(RETRY_S * 2**self._failures, MOST_RETRY_S) * (0.5 + secrets.randbelow(1000) / 1000))
            self._failures = min(self._failures + 1, 10)

    def _listen(self) -> None:
        """Hear what is published, until the connection fails or is silent."""
        pubsub = self._redis.pubsub()  # type: ignore[no-untyped-call]
        try:
            pubsub.psubscribe(f"{self._prefix}:told:*", f"{self._prefix}:whisper:*")
            pubsub.subscribe(self._beat)
            heard_s = beaten_s = time.monotonic()
            while not self._closing.is_set():
                message = pubsub.get_message(timeout=max(0.0, beaten_s + self._beat_s - time.monotonic()))
                now_s = time.monotonic()
                if message is not None:
                    heard_s = now_s
                    self._hear(message)
                elif now_s - heard_s > self._silence_s:
                    raise redis.ConnectionError(f"nothing was heard for {now_s - heard_s:.1f} s")
                if now_s - beaten_s >= self._beat_s:
                    self._say("PUBLISH", self._beat, b"")
                    beaten_s = now_s
        finally:
            with suppress(redis.RedisError, OSError):
                pubsub.close()

    def _hear(self, message: Mapping[str, object]) -> None:
        kind, channel, data = message["type"], message["channel"], message["data"]
        if kind == "subscribe":  # it was sent last, so all subscriptions are in force
            self._run = self._run_id()
            self._unread = set(self._listeners.meetings())
        if kind == "subscribe" or channel == self._beat:
            self._catch_up()
            if not self._unread:
                self._heard_s = time.monotonic()
            if self._failures:
                self._failures = 0
                _log.warning("the hub answers: meetings go on")
        if kind != "pmessage" or not isinstance(channel, bytes) or not isinstance(data, bytes):
            return
        what, meeting_id = channel.decode().removeprefix(f"{self._prefix}:").split(":", 1)
        if what == "whisper":
            self._listeners.whisper(meeting_id, data)
            return
        try:
            state = _state.decode(data)
        except msgspec.DecodeError:
            _log.warning("another process told a state of the meeting %s that this version cannot read", meeting_id)
            return
        self._learn(state)
        self._listeners.tell(state)

    def _catch_up(self) -> None:
        """Read the state of each meeting that is followed here: what was told meanwhile is in it.

        One that cannot be read is tried again with each beat, and keeps no news from the others.
        """
        for meeting_id in self._unread & set(self._listeners.meetings()):
            try:
                found = self._read(meeting_id)
            except (HubFailed, StorageError) as fault:
                _log.warning("the meeting %s cannot be read; it is tried again: %s", meeting_id, fault)
                continue
            self._unread.discard(meeting_id)
            if found is not None:
                self._listeners.tell(found.meeting.state)
        self._unread.intersection_update(self._listeners.meetings())

    def _learn(self, state: State) -> None:
        with self._lock:
            known = self._known.get(state.meeting)
            if known is not None and known.state.position < state.position:
                self._known[state.meeting] = replace(known, state=state)


def _client_of(url: str) -> redis.Redis:
    try:
        return redis.Redis.from_url(
            url,
            protocol=2,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # whether a change was done is asked for, not tried again blindly
        )
    except ValueError as fault:
        raise RequestError(f"the address of the hub is none of Redis ({fault}): write redis://HOST:PORT") from fault


def _is_passing(fault: BaseException | None) -> bool:
    """Whether Redis may answer later. Not if it refuses a name or a password."""
    is_of_connection = isinstance(fault, redis.ConnectionError | redis.TimeoutError)
    return is_of_connection and not isinstance(fault, redis.AuthenticationError)


def _encode(value: object) -> bytes:
    return _encoder.encode(value)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as fault:
        raise HubFailed(f"Redis, which keeps the meetings, cannot be reached ({fault}): see whether it runs") from fault
