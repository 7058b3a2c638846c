"""What is written for macOS and Windows gives the same as on Linux, where Linux can play them: see `forced_platform`.

Neither system itself has run these tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="plays the other platforms on Linux")


def run_on(platform: str, folder: Path) -> dict[str, object]:
    document = ROOT / "docs" / "tutorial" / "samples" / "jlreq-ja.pdf"
    command = [sys.executable, str(ROOT / "tests" / "forced_platform.py"), platform, str(document), str(folder)]
    home = {**os.environ, "HOME": str(folder), "PYTHONWARNINGS": "default"}
    done = subprocess.run(command, env=home, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    outcome: dict[str, object] = json.loads(done.stdout)
    return outcome


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return run_on("linux", tmp_path_factory.mktemp("linux"))


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_the_paths_of_another_platform_give_what_linux_gives(platform: str, here: dict[str, object], tmp_path: Path) -> None:
    assert here["sharp"]
    assert run_on(platform, tmp_path) == here
