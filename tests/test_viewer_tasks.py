"""Forty first-time tasks, each in a real browser by what the screen says. `docs/render_tasks.py` makes a page of them.

SIDEBOOKS_TASK_PICTURES names a folder for a picture of each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tasks_of_clerks
import tasks_of_members
from house import NEEDS_CHROMIUM, browser
from task_house import TASKS, Hall, hall, run_task

ORDER = sorted(TASKS, key=lambda name: hasattr(tasks_of_clerks, name))
"""Members come before the clerks, who change things."""
assert all(hasattr(tasks_of_clerks, name) or hasattr(tasks_of_members, name) for name in TASKS)
pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "hall"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.mark.parametrize("name", ORDER)
def test_a_task(name: str, browser: Any, hall: Hall, files: Path) -> None:
    run_task(name, browser, hall, files)


def test_there_are_forty_tasks() -> None:
    assert len(TASKS) == 40
