"""Threads that readers share: each step alone, none forgotten, none after the end."""

from __future__ import annotations

import threading
import time
import weakref

import pytest

from sidebooks_core.reading.loop import LATER_LOOKED_THROUGH, ReaderLoop


def until(holds: object, timeout_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.002)


def test_a_step_is_called_for_each_wake_that_it_has_not_seen() -> None:
    loop = ReaderLoop(2)
    calls: list[int] = []
    wanted = [0]

    def step() -> None:
        calls.append(wanted[0])

    handle = loop.add(step)
    assert not calls
    for number in range(1, 200):
        wanted[0] = number
        handle.wake()
    until(lambda: calls and calls[-1] == 199)
    assert len(calls) <= 199
    loop.close()


def test_a_step_never_runs_twice_at_the_same_time_and_others_go_on() -> None:
    loop = ReaderLoop(2)
    running: set[str] = set()
    overlaps: list[str] = []
    counts = {"a": 0, "b": 0, "c": 0}

    def step_of(name: str) -> object:
        def step() -> None:
            if name in running:
                overlaps.append(name)
            running.add(name)
            time.sleep(0.001)
            running.discard(name)
            counts[name] += 1

        return step

    handles = [loop.add(step_of(name)) for name in counts]  # type: ignore[arg-type]

    def have_all_run() -> bool:
        for handle in handles:
            handle.wake()
        return min(counts.values()) >= 20

    until(have_all_run)
    assert overlaps == []
    loop.close()


def test_a_step_is_called_again_after_its_nap_and_not_for_an_older_one() -> None:
    loop = ReaderLoop()
    naps = iter([0.02, 0.02, None])
    calls: list[float] = []

    def step() -> float | None:
        calls.append(time.monotonic())
        return next(naps, None)

    handle = loop.add(step)
    handle.wake()
    until(lambda: len(calls) == 3)
    time.sleep(0.1)
    assert len(calls) == 3
    assert calls[1] - calls[0] >= 0.02
    loop.close()


def test_after_the_end_no_step_runs_and_the_one_under_way_is_waited_for() -> None:
    loop = ReaderLoop()
    entered, leave = threading.Event(), threading.Event()
    calls: list[str] = []

    def step() -> float:
        entered.set()
        leave.wait(10)
        calls.append("left")
        return 0.0

    handle = loop.add(step)
    handle.wake()
    assert entered.wait(10)
    threading.Timer(0.05, leave.set).start()
    handle.end(10)
    assert calls == ["left"]
    handle.wake()
    time.sleep(0.05)
    assert calls == ["left"]
    loop.close()


def test_a_step_may_end_itself() -> None:
    loop = ReaderLoop()
    ended = threading.Event()

    def step() -> None:
        handle.end(10)
        ended.set()

    handle = loop.add(step)
    handle.wake()
    assert ended.wait(5)
    loop.close()


def test_a_step_that_raises_ends_nobody(caplog: pytest.LogCaptureFixture) -> None:
    loop = ReaderLoop()
    called = threading.Event()

    def broken() -> None:
        raise RuntimeError("the reader's own")

    loop.add(broken).wake()
    loop.add(lambda: called.set()).wake()
    assert called.wait(5)
    assert "a reader failed" in caplog.text
    loop.close()


def test_closing_ends_the_threads() -> None:
    before = set(threading.enumerate())
    loop = ReaderLoop(3)
    loop.add(lambda: None).wake()
    assert len(set(threading.enumerate()) - before) == 3
    loop.close()
    until(lambda: not set(threading.enumerate()) - before)


def test_no_threads_is_refused() -> None:
    with pytest.raises(ValueError, match="threads"):
        ReaderLoop(0)


class _Moment(float):
    """When a step is due: what the loop keeps for later, so that a test can count what it keeps."""


class _Nap(float):
    """Added to the time, it gives a `_Moment`, and remembers it without keeping it."""

    moments: list[weakref.ref[_Moment]]

    def __radd__(self, now_s: float) -> _Moment:
        moment = _Moment(now_s + float(self))
        self.moments.append(weakref.ref(moment))
        return moment


class _Sleeper:
    """A step that wants to be called again after minutes."""

    def __init__(self, moments: list[weakref.ref[_Moment]], nap_s: float = 300.0) -> None:
        self.calls = 0
        self._nap_s = nap_s
        self._moments = moments

    def step(self) -> float:
        self.calls += 1
        nap_s = _Nap(self._nap_s)
        nap_s.moments = self._moments
        return nap_s


def test_what_a_step_no_longer_waits_for_is_not_kept() -> None:
    loop = ReaderLoop()
    first = _Sleeper([], nap_s=200.0)  # due before the others, so that theirs do not come up by themselves
    loop.add(first.step).wake()
    until(lambda: first.calls == 1)
    moments: list[weakref.ref[_Moment]] = []
    sleeper = _Sleeper(moments)
    handle = loop.add(sleeper.step)
    wakes = 10 * LATER_LOOKED_THROUGH
    for calls in range(1, wakes):
        handle.wake()
        until(lambda calls=calls: sleeper.calls >= calls)  # type: ignore[misc]
    until(lambda: len(moments) >= wakes - 1)
    assert 1 <= sum(one() is not None for one in moments) <= LATER_LOOKED_THROUGH + 1, "one more while it is being added"
    handle.end(20)
    loop.close()


def test_those_that_ended_are_not_kept_for_later() -> None:
    loop = ReaderLoop()
    first = _Sleeper([], nap_s=200.0)
    loop.add(first.step).wake()
    until(lambda: first.calls == 1)
    sleepers = [_Sleeper([]) for _ in range(40)]
    known = [weakref.ref(sleeper) for sleeper in sleepers]
    for sleeper in sleepers:
        handle = loop.add(sleeper.step)
        for calls in range(1, 21):
            handle.wake()
            until(lambda sleeper=sleeper, calls=calls: sleeper.calls >= calls)  # type: ignore[misc]
        handle.end(20)
    sleepers.clear()
    del sleeper, handle
    last = _Sleeper([])
    handle = loop.add(last.step)
    for calls in range(1, 100):
        handle.wake()
        until(lambda calls=calls: last.calls >= calls)  # type: ignore[misc]
    until(lambda: not any(one() for one in known), 5)
    loop.close()
