"""The pool of workers: how many processes start at once."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from sidebooks_core.rendering.jobs import Job, WorkerConfig
from sidebooks_core.rendering.pool import WorkerPool, _StartFailed


class NoWork:
    """A source that has none, until it ends."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def take(self, held_documents: set[str], *, is_spare: bool) -> tuple[Any, Job, bytes | None] | None:
        self.ended.wait()
        return None

    def is_suspect(self, document: str) -> bool:
        return False

    def finish(self, ticket: Any, answer: Any, error: Any, *, lost_worker: bool = False) -> None:
        raise AssertionError("there was no work")


@pytest.mark.parametrize(("processors", "at_once"), [(1, 1), (2, 1), (4, 2), (64, 4)])
def test_first_starts_leave_the_application_half_of_the_processors(
    processors: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting, most, started = 0, 0, 0
    lock = threading.Lock()
    together = threading.Barrier(at_once)

    def start(_: WorkerPool) -> Any:
        nonlocal starting, most, started
        with lock:
            starting += 1
            most = max(most, starting)
        if started < 4:  # the spare comes after them
            together.wait(timeout=20)  # broken, and an error of the thread, where fewer start at once
        with lock:
            starting -= 1
            started += 1
        raise _StartFailed("this one counts only")

    monkeypatch.setattr(WorkerPool, "_start", start)
    source = NoWork()
    config = WorkerConfig(worker_bytes=1 << 30, display_list_bytes=0, font_set=[], is_isolated=False)
    pool = WorkerPool(source, config, workers=4, recycle_bytes=1 << 30, processors=processors)
    try:
        deadline_s = time.monotonic() + 20
        while started < 4:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        assert most == at_once
    finally:
        together.abort()
        source.ended.set()
        pool.close()
