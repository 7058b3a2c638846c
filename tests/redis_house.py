"""A real Redis or Valkey that a test starts, stops, kills and empties, and a line to it that loses an answer."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import redis

SERVER = shutil.which("redis-server") or shutil.which("valkey-server")
WAIT_S = 30.0


class RedisHouse:
    """One server on a Unix socket. What it keeps is on no disk, unless it is told to save."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "s"
        self.url = f"unix://{self.path}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """It answers when this returns."""
        assert SERVER is not None
        options = [
            "--port",
            "0",
            "--unixsocket",
            str(self.path),
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(self._folder),
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([SERVER, *options], stdout=log, stderr=log)
        until_s = time.monotonic() + WAIT_S
        while True:
            try:
                with self.client() as client:
                    client.ping()
                return
            except redis.ConnectionError:
                assert self._process.poll() is None, (self._folder / "log").read_text(encoding="utf-8", errors="replace")
                assert time.monotonic() < until_s, "the server does not answer"
                time.sleep(0.02)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, protocol=2)

    def save(self) -> None:
        """What it has now is what it has after it was killed."""
        with self.client() as client:
            client.save()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(WAIT_S)
        self.path.unlink(missing_ok=True)

    def hold(self) -> None:
        """It answers nothing any more, and its connections stay open."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def let_go(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


class LossyLine:
    """A Unix socket that leads to another one. Once, the answer to a command is lost with the connection."""

    def __init__(self, path: Path, target: Path) -> None:
        self.url = f"unix://{path}"
        self.lose_answer_to = b""
        """Set it to a word of a command. It is empty again when the answer was lost."""
        self._target = target
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, socket.socket(socket.AF_UNIX) as far, suppress(OSError):  # either side may be gone
            far.connect(str(self._target))
            while True:
                for one in select.select([near, far], [], [])[0]:
                    data = one.recv(1 << 16)
                    if not data:
                        return
                    (far if one is near else near).sendall(data)
                    if one is near and self.lose_answer_to and self.lose_answer_to in data:
                        self.lose_answer_to = b""
                        far.recv(1)  # so it was done
                        return
