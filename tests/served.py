"""What tests wait for of a server that runs as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

PATIENCE_S = 60.0


def until_listed(address: str, count: int = 1) -> None:
    """Wait until a server lists so many documents: it begins to answer before what takes long to open is there.

    address: as the server prints it, with the slash at its end.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        with urllib.request.urlopen(f"{address}documents", timeout=PATIENCE_S) as reply:
            if len(json.load(reply)["documents"]) >= count:
                return
        assert time.monotonic() < deadline_s, "the documents are not served"
        time.sleep(0.05)


class Served:
    """`sidebooks serve` as a process."""

    def __init__(self, *arguments: str | Path, cache: Path) -> None:
        command = [sys.executable, "-m", "sidebooks_core", "serve", *map(os.fspath, arguments), "--no-browser"]
        port = [] if {"--port", "--uds"} & set(arguments) else ["--port", "0"]
        self.process = subprocess.Popen(
            [*command, *port, "--cache-dir", os.fspath(cache)], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r" at (http://\S+/|unix:\S+)", said)
        assert found is not None, said
        self.address = found[1]
        """With the slash at its end; of a Unix socket `unix:` and its path."""

    @property
    def port(self) -> int:
        return int(self.address.rstrip("/").rpartition(":")[2])

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=PATIENCE_S) as reply:
            return json.load(reply)

    def end(self) -> int:
        """Its exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """At once, with all of its processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()
        assert self.process.stdout is not None
        self.process.stdout.close()
