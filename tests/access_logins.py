"""Accounts in a folder under a clock that is set, with one person, for tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from access_times import SetClock

from sidebooks_core.access import (
    Access,
    Person,
)


@pytest.fixture
def times() -> SetClock:
    return SetClock()


@pytest.fixture
def access(tmp_path: Path, times: SetClock) -> Iterator[Access]:
    with Access(tmp_path, clock=times.clock()) as made:
        yield made


@pytest.fixture
def sato(access: Access) -> Person:
    return access.add_person("sato", "member", groups=["committee"], shown_name="佐藤")


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    give_up_s = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up_s:
            return False
        time.sleep(0.005)
    return True
