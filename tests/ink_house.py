"""A server of papers that can be killed and started again at the same address, and readers who draw on a paper."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import ROOT
from house import PASSWORD, House

SCRIPT = ROOT / "tests" / "shelf_house.py"


class InkHouse(House):
    """A server of its own. `kill` and `start` may come any time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder

    @property
    def port(self) -> int:
        return int(self.address.rstrip("/").rpartition(":")[2])

    def kill(self) -> None:
        """At once, as with kill -9."""
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        command = [sys.executable, str(SCRIPT), str(self._folder / "data"), str(self._folder / "cache"), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        with self.process.stdout as told:
            assert told.readline().split()[0] == self.address

    def marks(self, context: Any, paper: str) -> list[Any]:
        """All marks of a paper that somebody sees, by the server."""
        reply = context.request.get(f"{self.address}papers/{paper}/marks")
        assert reply.ok, reply.text()
        found: list[Any] = reply.json()["marks"]
        return found

    def log_in(self, context: Any, who: str) -> None:
        reply = context.request.post(f"{self.address}login", data={"name": who, "password": PASSWORD})
        assert reply.ok, reply.text()
