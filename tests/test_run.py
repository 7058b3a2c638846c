"""The program that runs everything: who fails is told, and ends it."""

from __future__ import annotations

import threading

import pytest
import run


def test_a_failed_step_is_raised_after_what_has_begun_has_ended() -> None:
    has_begun, has_failed, has_ended = threading.Event(), threading.Event(), threading.Event()

    def fails() -> None:
        assert has_begun.wait(30)
        has_failed.set()
        raise run.Failed("the step failed")

    def goes_on() -> None:
        has_begun.set()
        assert has_failed.wait(30)
        has_ended.set()

    with pytest.raises(run.Failed, match="the step failed"):
        run.two_at_once([fails, goes_on])
    assert has_ended.is_set()


def test_nothing_is_raised_if_nothing_fails() -> None:
    done: list[int] = []
    run.two_at_once([lambda: done.append(1)] * 3)
    assert done == [1, 1, 1]
