"""A Redis or Valkey for one run. `town.py` has one that can be killed and comes back."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

START_WITHIN_S = 30.0


class RedisMissing(Exception):
    """There is none on this machine."""


def has_redis() -> bool:
    """Whether this machine has a Redis or Valkey."""
    return _program() is not None


def _program() -> str | None:
    return shutil.which("redis-server") or shutil.which("valkey-server")


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """The address of a server that keeps nothing on the disk, on a socket in a folder. Raises RedisMissing."""
    program = _program()
    if program is None:
        raise RedisMissing("several server processes share a meeting through Redis: install redis-server or valkey-server")
    address = f"unix://{folder}/redis"
    options = ["--port", "0", "--unixsocket", f"{folder}/redis", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(address)
            yield address
        finally:
            process.terminate()


def _wait_for(address: str) -> None:
    until_s = time.monotonic() + START_WITHIN_S
    while True:
        try:
            with redis.Redis.from_url(address, protocol=2) as client:
                client.ping()
            return
        except redis.ConnectionError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.02)
