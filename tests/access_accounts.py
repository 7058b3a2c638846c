"""Accounts in memory under a clock that is set, for tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from access_times import SetClock

from sidebooks_core.access import Access, Person, passwords

GOOD = "three green tablets"
HERE = "192.0.2.7"


@pytest.fixture
def times() -> SetClock:
    return SetClock()


@pytest.fixture
def access(times: SetClock) -> Iterator[Access]:
    with Access(None, clock=times.clock()) as made:
        yield made


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One round over little memory, so that a test can log in often."""
    monkeypatch.setattr(passwords, "ROUNDS", 1)
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    give_up_s = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up_s:
            return False
        time.sleep(0.005)
    return True


def add(access: Access, name: str = "sato", role: str = "member") -> Person:
    return access.add_person(name, role, password=GOOD, who="a test")  # type: ignore[arg-type]
