"""Hubs of meetings, and who listens to them: for tests."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis_house import SERVER, WAIT_S, RedisHouse

from sidebooks_core.errors import StorageFailed
from sidebooks_core.meeting.commands import (
    Command,
)
from sidebooks_core.meeting.hub import Backing, Decide
from sidebooks_core.meeting.messages import Refused
from sidebooks_core.meeting.model import Meeting, Participant
from sidebooks_core.meeting.redis_hub import RedisHub
from sidebooks_core.meeting.session import decide, opened, restored
from sidebooks_core.meeting.state import State

CHAIR, SPEAKER = Participant("chair", "Chair"), Participant("speaker", "Speaker")
BEAT_S = 0.5
needs_redis = pytest.mark.skipif(SERVER is None, reason="needs redis-server or valkey-server")


class Ear:
    """A listener that waits for what it wants to hear."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self.whispers: list[bytes] = []
        self._heard = threading.Condition()

    def told(self, state: State) -> None:
        with self._heard:
            self.states.append(state)
            self._heard.notify_all()

    def whispered(self, data: bytes) -> None:
        with self._heard:
            self.whispers.append(data)
            self._heard.notify_all()

    def wait(self, wanted: Callable[[State], bool]) -> State:
        """The first state like this."""
        with self._heard:
            assert self._heard.wait_for(lambda: any(wanted(one) for one in self.states), WAIT_S), self.states[-3:]
            return next(one for one in self.states if wanted(one))

    def wait_whisper(self, again: Callable[[], object]) -> None:
        """Whispers may get lost, so it is whispered until one arrives."""
        until_s = time.monotonic() + WAIT_S
        with self._heard:
            while not self._heard.wait_for(lambda: bool(self.whispers), 0.2):
                assert time.monotonic() < until_s
                again()


class Deaf(Ear):
    def told(self, state: State) -> None:
        raise RuntimeError("deaf")


def wait_until(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.02)


class Watching:
    """A backing that says what was asked of it."""

    def __init__(self, known: Meeting | None = None) -> None:
        self.known = known
        self.calls: list[tuple[str, int]] = []
        self.is_full = False

    def recover(self, meeting_id: str, newest: Meeting | None) -> Meeting | None:
        found = newest if newest is not None else self.known
        return None if found is None else restored(found, above=10)

    def before(self, old: Meeting | None, new: Meeting) -> None:
        if self.is_full:
            raise StorageFailed("the disk is full")
        self.calls.append(("before", new.state.epoch))

    def give_up(self, old: Meeting, made: Meeting, now: Meeting) -> bool:
        return False

    def after(self, meeting: Meeting) -> None:
        self.calls.append(("after", meeting.state.epoch))


def meeting_of(name: str) -> Meeting:
    return opened(name, "本会議", CHAIR, time.time())


def doing(kind: type[Command], by: Participant = CHAIR, *, client: str = "c", count: int = 1, **fields: Any) -> Decide:
    """A command that knows the epoch as it is."""

    def made(meeting: Meeting) -> Meeting | Refused:
        command: Any = kind(id="i", client=client, count=count, **{"epoch": meeting.state.epoch, **fields})
        return decide(meeting, command, by, time.time())

    return made


def done(made: Meeting | Refused) -> Meeting:
    assert isinstance(made, Meeting), made
    return made


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """The path of a Unix socket has 107 characters at most."""
    folder = Path(tempfile.mkdtemp(prefix="sb"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def server(short_folder: Path) -> Iterator[RedisHouse]:
    house = RedisHouse(short_folder)
    yield house
    house.kill()


@pytest.fixture
def over(server: RedisHouse) -> Iterator[Callable[..., RedisHub]]:
    """Makes hubs over the server, or over a line to it."""
    hubs: list[RedisHub] = []

    def make(backing: Backing | None = None, url: str | None = None) -> RedisHub:
        hubs.append(RedisHub(url or server.url, backing, beat_s=BEAT_S))
        return hubs[-1]

    yield make
    for one in hubs:
        one.close()
