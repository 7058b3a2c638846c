"""What a soak of meetings kills: server processes over one shelf, and a real Redis between them. POSIX only.

A process that a fault ended is started anew at the same port, as whatever supervises it would do.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sidebooks_core as sb
from benchmarks.meeting.wrong_clock import set_wrong
from sidebooks_core.access import Access, Grant
from sidebooks_core.shelf import Shelf

REDIS = shutil.which("redis-server") or shutil.which("valkey-server")
SAMPLES = Path(__file__).parents[2] / "docs" / "tutorial" / "samples"
READY_WITHIN_S = 60.0
ASK_WITHIN_S = 10.0
LOOK_EVERY_S = 0.1
LINGER_S = 10.0
"""Processes of a server that was killed end by themselves within this."""


@dataclass(slots=True)
class Child(ABC):
    """A process that is killed, suspended, and started anew."""

    name: str
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None
    is_ready: bool = False
    """It has answered since it was started."""
    is_suspended: bool = False
    died: list[str] = field(default_factory=list)
    """Each time that it ended though nobody had killed it."""
    strays: list[tuple[float, int]] = field(default_factory=list)
    """When it was killed, and its group of processes."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """That starts it."""

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    @abstractmethod
    def is_answering(self) -> bool:
        """One look."""

    def start(self) -> None:
        """It may take a while until it is ready."""
        self.is_ready = self.is_suspended = False
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, env=self.environment(), start_new_session=True
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.strays.append((time.monotonic(), self.process.pid))
        self.process, self.is_ready, self.is_suspended = None, False, False

    def suspend(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)
            self.is_suspended = True

    def resume(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
        self.is_suspended = False

    def look(self) -> None:
        """Note it if it has died by itself after it was ready. One that cannot start is started anew."""
        if self.process is None or self.is_suspended or self.process.poll() is None:
            return
        if self.is_ready:
            self.died.append(f"{self.name} ended with {self.process.returncode}: {self.last_lines()}")
        self.start()

    async def find_ready(self) -> bool:
        """Note whether it has answered since it was started."""
        asked = self.process
        if asked is not None and not self.is_ready:
            answers = await asyncio.to_thread(self.is_answering)
            self.is_ready = answers and self.process is asked and asked.poll() is None  # it may be another one by now
        return self.is_ready

    async def until_ready(self) -> None:
        """Raises TimeoutError."""
        async with asyncio.timeout(READY_WITHIN_S):
            while not await self.find_ready():
                self.look()
                await asyncio.sleep(LOOK_EVERY_S)

    def orphans(self, now_s: float) -> list[int]:
        """Groups of which something is left long after their first process was killed. Each is told once."""
        late = [group for since_s, group in self.strays if now_s - since_s > LINGER_S]
        self.strays = [one for one in self.strays if one[1] not in late]
        return [one for one in late if _lives(one)]

    def rss_bytes(self) -> int:
        """0: it is not running."""
        if self.process is None:
            return 0
        with suppress(OSError):
            found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text(), re.M)
            return int(found[1]) * 1024 if found else 0
        return 0

    def last_lines(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])


@dataclass(slots=True)
class Redis(Child):
    """It writes each change to a file before it answers, so that it has lost nothing when it is killed and started anew."""

    folder: Path = Path()

    def command(self) -> Sequence[str]:
        assert REDIS is not None
        ways = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
        return [REDIS, *ways, "--dir", str(self.folder)]

    def is_answering(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.settimeout(1)
            connection.sendall(b"PING\r\n")
            return connection.recv(100).startswith(b"+PONG")
        return False

    @property
    def data(self) -> Path:
        return self.folder / "appendonlydir"

    def keep_copy(self) -> None:
        """Of its data, as they are now."""
        shutil.rmtree(self.folder / "old", ignore_errors=True)
        with suppress(OSError):  # a file that is rewritten just now
            shutil.copytree(self.data, self.folder / "old")

    def lose_data(self, *, has_old: bool) -> None:
        """While it does not run. has_old: it comes back with the last copy, if there is one; else with nothing."""
        shutil.rmtree(self.data, ignore_errors=True)
        if has_old and (self.folder / "old").exists():
            shutil.copytree(self.folder / "old", self.data)


@dataclass(slots=True)
class Server(Child):
    """`sidebooks serve` with a clock of its own."""

    folder: Path = Path()
    hub_url: str | None = None
    offset_s: float = 0.0
    lives: list[list[tuple[float, int]]] = field(default_factory=list)
    """Of each of its processes: (seconds, bytes of resident memory)."""

    def command(self) -> Sequence[str]:
        ways = ["--data", str(self.folder / "data"), "--cache-dir", str(self.folder / f"cache-{self.name}"), "--workers", "1"]
        clock = [sys.executable, "-m", "benchmarks.meeting.wrong_clock", str(self._clock)]
        return [*clock, "serve", "--port", str(self.port), "--no-browser", *ways]

    def environment(self) -> dict[str, str]:
        return {**os.environ, **({} if self.hub_url is None else {"SIDEBOOKS_HUB": self.hub_url})}

    def start(self) -> None:
        set_wrong(self._clock, self.offset_s)
        self.lives.append([])
        Child.start(self)

    def is_answering(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1) as reply:
            return bool(reply.status == 200)
        return False

    def jump(self, offset_s: float) -> None:
        """Its clock is wrong by so much from now on."""
        self.offset_s = offset_s
        set_wrong(self._clock, offset_s)

    def weigh(self, now_s: float) -> None:
        if self.is_ready and (rss_bytes := self.rss_bytes()):
            self.lives[-1].append((now_s, rss_bytes))

    def ask(self, cookie: str, path: str, body: Any = None) -> Any:
        """The JSON that it answers to whom the cookie's value names. Raises OSError."""
        given = {"Cookie": cookie_of(self.port, cookie), "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, given)
        with urllib.request.urlopen(asked, timeout=ASK_WITHIN_S) as reply:
            return json.loads(reply.read())

    def tracebacks(self) -> Counter[str]:
        """The last lines of those in its log."""
        found: Counter[str] = Counter()
        lines = iter(self.log.read_text(encoding="utf-8", errors="replace").splitlines())
        for line in lines:
            if line.startswith("Traceback"):
                last = next((one for one in lines if one and not one.startswith((" ", "\t", "Traceback"))), "")
                found[re.sub(r"\d+", "n", last)[:160]] += 1
        return found

    @property
    def _clock(self) -> Path:
        return self.folder / f"clock-{self.name}"


@dataclass(frozen=True, slots=True)
class House:
    """A shelf with accounts for those who come to the meeting."""

    tokens: dict[str, str]
    """The values of the cookies of their logins, by name."""
    folder: str
    papers: list[str]


def make_house(data: Path, names: Sequence[str]) -> House:
    """names: of those who come. The first may begin a meeting."""
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service, Shelf(data, service) as shelf:
        folder = shelf.make_folder("定例会")
        papers = [shelf.register(one, folder).id for one in (SAMPLES / "jlreq-ja.pdf", SAMPLES / "june-meeting.pdf")]
    tokens = {}
    with Access(data) as access:
        for number, name in enumerate(names):
            person = access.add_person(name, "member" if number else "admin", groups=("council",))
            tokens[name] = access.log_in(person.id)[0]
        access.set_grants(folder.id, [Grant("group", "council")])
    return House(tokens, folder.id, papers)


def cookie_of(port: int, token: str) -> str:
    """The header of a request that comes to a port."""
    return f"sidebooks_login_{port}={token}"


def free_port() -> int:
    """One that the kernel gives to nobody who asks for any: it is free each time that it is needed anew."""
    while True:
        port = random.SystemRandom().randrange(20_000, 30_000)  # not by a seed: two runs at once would find the same
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
