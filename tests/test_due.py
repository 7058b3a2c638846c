"""Work that is done when it is due, and again when it has failed."""

from __future__ import annotations

import threading

import pytest
from quiet import wait_until

from sidebooks_core.databases import due
from sidebooks_core.databases.due import DueWork


def test_work_is_done_when_it_is_due() -> None:
    done = list[int]()
    work = DueWork(lambda: done.append(1), "due", "nothing")
    work.soon()
    wait_until(lambda: len(done) == 1, "it was not done", 30)
    work.soon()
    wait_until(lambda: len(done) == 2, "it was not done again", 30)
    assert work.close()
    assert not work.close()
    work.soon()
    assert len(done) == 2


def test_what_fails_is_tried_again_and_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(due, "RETRY_S", 0.01)
    faults: list[Exception] = [ValueError("one"), OSError("two")]
    is_done = threading.Event()

    def work() -> None:
        if faults:
            raise faults.pop()
        is_done.set()

    running = DueWork(work, "due", "the work is not done")
    running.soon()
    assert is_done.wait(30)
    running.close()
    assert caplog.text.count("the work is not done") == 2


def test_nothing_waits_for_the_next_try_at_the_end() -> None:
    has_failed = threading.Event()

    def work() -> None:
        has_failed.set()
        raise ValueError("always")

    running = DueWork(work, "due", "the work is not done")
    running.soon()
    assert has_failed.wait(30)
    assert running.close()
