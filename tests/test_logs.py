"""What an operator reads in the log."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path

import pytest

import sidebooks_core as sb


def test_a_worker_that_was_killed_is_a_line_of_the_log(
    service: sb.TileService, sample: Path, caplog: pytest.LogCaptureFixture
) -> None:
    document = service.open(sample)
    document[0].image(width_px=100)
    killed = service.worker_process_ids()
    with caplog.at_level(logging.WARNING, "sidebooks_core.workers"):
        for process_id in killed:
            os.kill(process_id, signal.SIGKILL)
        deadline_s = time.monotonic() + 60
        page = 0
        while not service.statistics().worker_deaths and time.monotonic() < deadline_s:
            page = (page + 1) % len(document)
            service.submit_page_image(document, page, width_px=200 + page).exception()
        lines = [line for line in caplog.messages if line.startswith("worker process ")]
    assert lines
    ended = {int(line.split()[2]) for line in lines}
    assert ended <= set(killed)
    assert all("ended (signal 9), and another one takes its place" in line for line in lines)


def test_what_is_opened_is_told_at_debug(service: sb.TileService, sample: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "sidebooks_core.library"):
        service.open(sample)
    assert f"opened {sample.name}: pdf, 22 pages, read" in caplog.messages
