"""How worker processes are started: forked from one that has loaded the engine, or one by one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from functools import partial
from typing import Protocol

from sidebooks_core.workers import forking
from sidebooks_core.workers.forking import ForkServer
from sidebooks_core.workers.process import Process

PROGRAM = """
import importlib.util, json, sys
sys.path[:] = json.loads(sys.argv[1])
package = importlib.util.find_spec("sidebooks_core")
sys.modules[package.name] = importlib.util.module_from_spec(package)
importlib.import_module(f"{package.name}.worker.{sys.argv[2]}").main()
"""
"""The program of a worker's Python. Arguments: `sys.path` as JSON, a module of `worker/`, and the number of its descriptor.

The package `sidebooks_core` stays empty in a worker. Its names for applications would load most of the host, and that takes an
eighth of a worker's start."""
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # glibc would give a raster's pages back to the kernel after each page and have them cleared for the next: 15-20 % of
    # drawing and encoding a page of text. The second variable bounds the memory that stays reserved.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
_INHERITED = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TZ")
"""All that a worker sees of the host's environment: no secrets, nothing that changes how Python runs."""


class Starter(Protocol):
    """Starts worker processes. Thread-safe."""

    def start(self, files: socket.socket | None) -> Process:
        """A new worker. Raises OSError.

        files: the worker's end of the channel for descriptors of documents. None if the platform cannot send descriptors.
        """
        ...

    def interrupt(self) -> None:
        """No worker is wanted any more. A `start` in another thread need not wait."""
        ...

    def close(self) -> None:
        """End the helper processes. The workers have ended before."""
        ...


class Spawner:
    """Starts each worker as a process of its own, by the thread that calls: Linux ends a process with that thread."""

    def __init__(self, program: str = PROGRAM) -> None:
        self._program = program

    def start(self, files: socket.socket | None) -> Process:
        """See `Starter`."""
        numbers = [files.fileno()] if files is not None else []
        return subprocess.Popen(
            _command(self._program, "main", *numbers),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_clean_environment(),
            pass_fds=numbers,
        )

    def interrupt(self) -> None:
        """There is nothing to wait for."""

    def close(self) -> None:
        """There is nothing to end."""


def fork_server(program: str = PROGRAM) -> ForkServer:
    """Forks workers. Only where `forking.is_available`."""
    return ForkServer(partial(_command, program, "fork_server"), _clean_environment())


def best_starter(*, is_wanted_soon: bool = False) -> Starter:
    """Forks workers if the platform can.

    is_wanted_soon: the process that forks is started at once, and loads the engine while the host does other things.
    """
    if not forking.is_available():
        return Spawner()
    starter = fork_server()
    if is_wanted_soon:
        starter.prepare()
    return starter


def _command(program: str, module: str, *numbers: int) -> list[str]:
    path = [entry or os.getcwd() for entry in sys.path]  # noqa: PTH109
    return [sys.executable, "-I", "-c", program, json.dumps(path), module, *map(str, numbers)]


def _clean_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _INHERITED if name in os.environ} | _ENVIRONMENT
