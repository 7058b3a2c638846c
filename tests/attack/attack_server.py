"""A real `sidebooks serve` process to be attacked, and what attacks it: raw sockets, many at once."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

IS_FULL = os.environ.get("SIDEBOOKS_ATTACK") == "full"
"""The whole numbers of requests and connections; else some that CI has time for."""


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    port: int
    process: psutil.Process

    def rss_mib(self) -> float:
        """Of the server's own process, without its workers."""
        return float(self.process.memory_info().rss) / (1 << 20)

    def connect(self, timeout_s: float = 30) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def raw(self, request: bytes, timeout_s: float = 30) -> bytes:
        """What comes back until the server ends the connection, or the answer's end."""
        with self.connect(timeout_s) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(request)
            return read_all(connection)

    def get(self, path: str, *headers: str, host: str = "", method: str = "GET", timeout_s: float = 60) -> tuple[int, bytes]:
        """Status, and headers and body as they came."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{self.port}'}", "Connection: close", *headers]
        answer = self.raw(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), timeout_s)
        return status_of(answer), answer


def read_all(connection: socket.socket) -> bytes:
    answer = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(1 << 18):
            answer += piece
    return bytes(answer)


def status_of(answer: bytes) -> int:
    """0: nothing came."""
    matched = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(matched[1]) if matched else 0


@contextlib.contextmanager
def serving(*paths: Path, cache_dir: Path, options: tuple[str, ...] = ()) -> Iterator[Served]:
    """A server of some documents, once it serves all of them: it answers before, if one takes long to open."""
    command = [
        sys.executable,
        "-m",
        "sidebooks_core",
        "serve",
        *map(str, paths),
        "--port",
        "0",
        "--no-browser",
        *options,
    ]
    with subprocess.Popen([*command, "--cache-dir", str(cache_dir)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        matched = re.search(r":(\d+)/", line)
        assert matched is not None, line
        served = Served(int(matched[1]), psutil.Process(process.pid))
        try:
            deadline_s = time.monotonic() + 60
            while True:
                with contextlib.suppress(OSError):
                    if len(documents_of(served)) == len(paths):
                        break
                assert time.monotonic() < deadline_s
                time.sleep(0.05)
            yield served
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            finally:
                process.kill()


def documents_of(served: Served) -> list[str]:
    return re.findall(r'"id":"([^"]+)"', served.get("/documents")[1].decode())
