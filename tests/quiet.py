"""Waiting until something is so: a service has nothing to do, for one."""

from __future__ import annotations

import time
from collections.abc import Callable

import sidebooks_core as sb


def wait_until(is_so: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    """Until a condition is true. what: the failure, if it is not in time."""
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.001)


def wait_idle(service: sb.TileService, timeout_s: float = 60.0) -> None:
    """Until all workers, the spare included, wait for their next job."""
    deadline_s = time.monotonic() + timeout_s
    while service.parts.dispatcher.idle_count() <= service.settings.workers:
        assert time.monotonic() < deadline_s, "the workers are busy still"
        time.sleep(0.001)


def wait_identified(service: sb.TileService, document: sb.Document, timeout_s: float = 60.0) -> None:
    """Until all pages of a document are identified, and the workers idle."""
    deadline_s = time.monotonic() + timeout_s
    while document.content_ids.first_unknown() is not None:
        assert time.monotonic() < deadline_s, "pages are not identified still"
        time.sleep(0.001)
    wait_idle(service, timeout_s)
