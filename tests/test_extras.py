"""What an extra is tried with when it is installed alone works where all of them are installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import extras
import pytest

EACH = ("client", "fonts", "hub", "pdfium")


@pytest.mark.parametrize("extra", EACH)
def test_its_use_works(extra: str, tmp_path: Path) -> None:
    extras.make_samples(tmp_path)
    environment = {**os.environ, "XDG_CACHE_HOME": os.fspath(tmp_path / "home")}
    command = [sys.executable, "-c", extras.USES[extra]]
    used = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert used.returncode == 0, used.stderr
