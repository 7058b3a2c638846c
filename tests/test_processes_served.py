"""`sidebooks serve --processes 2`: one address, one shelf, and nobody notices which process answers."""

from __future__ import annotations

import errno
import http.client
import io
import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from served import PATIENCE_S, Served

import sidebooks_core as sb
from sidebooks_core.server import supervisor
from sidebooks_core.server.options import ServeOptions
from sidebooks_core.server.supervisor import share

Heard = list[tuple[float, dict[str, Any]]]
"""What a stream told of the shelf, and when."""


@pytest.fixture
def server(sample: Path, tmp_path: Path) -> Iterator[Served]:
    with Served(sample, "--data", tmp_path / "data", "--processes", "2", cache=tmp_path / "cache") as made:
        until(lambda: len(servers(made)) == 2)
        yield made


def until(holds: Any, within_s: float = PATIENCE_S) -> None:
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def servers(server: Served) -> list[int]:
    """Ids of the server processes."""
    children = psutil.Process(server.process.pid).children()
    return [one.pid for one in children if "sidebooks_core.server.child" in " ".join(_command_of(one))]


def _command_of(process: psutil.Process) -> list[str]:
    """Empty if the process has just ended."""
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def ask(server: Served, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Any:
    """Over a connection of its own, so that any process may take it."""
    given = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = urllib.request.Request(server.address + path, body or None, given, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
        return json.loads(reply.read() or b"null")


def who_accepts(server: Served) -> set[int]:
    """Ids of the server processes that have connections of clients."""
    port = server.port
    return {
        pid
        for pid in servers(server)
        for one in psutil.Process(pid).net_connections("tcp")
        if one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port
    }


def connected_without(server: Served, idle: int, count: int) -> list[http.client.HTTPConnection]:
    """Connections that another process than `idle` has: on a quiet machine one of them may take all that come."""
    os.kill(idle, signal.SIGSTOP)
    try:
        made = [http.client.HTTPConnection("127.0.0.1", server.port) for _ in range(count)]
        for connection in made:
            connection.connect()
        until(lambda: bool(who_accepts(server) - {idle}))
    finally:
        os.kill(idle, signal.SIGCONT)
    return made


def listen(connection: http.client.HTTPConnection, heard: Heard) -> None:
    """Note what a stream tells, until the connection ends."""
    connection.request("GET", "/events")
    with connection.getresponse() as reply:
        for line in reply:
            if line.startswith(b'data: {"position"'):
                heard += [(time.monotonic(), json.loads(line[6:]))]
    connection.close()


def test_without_a_hub_nobody_can_meet_and_the_answer_says_why(server: Served) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(server, "folders/top/meetings", "POST", b"{}")
    with refused.value as reply:
        assert (reply.status, "--hub redis://" in json.load(reply)["detail"]) == (503, True)


def test_both_processes_answer_alike_and_hear_of_everything(server: Served, sample: Path) -> None:
    until(lambda: len(ask(server, "folders/top")["papers"]) == 1)
    [paper] = ask(server, "folders/top")["papers"]
    held = [connection for idle in servers(server) for connection in connected_without(server, idle, 12)]
    until(lambda: len(who_accepts(server)) == 2)
    streams: list[Heard] = [[] for _ in held]
    threads = [threading.Thread(target=listen, args=one) for one in zip(held, streams, strict=True)]
    for thread in threads:
        thread.start()
    until(lambda: all(streams))
    for number in range(5):
        since_s = time.monotonic()
        name = json.dumps({"name": f"第{number}版"}).encode()
        ask(server, f"papers/{paper['id']}", "PATCH", name)

        def heard_of(stream: Heard, since_s: float = since_s) -> float | None:
            found = [at for at, data in stream for one in data["changes"] if one["kind"] == "paper" and at >= since_s]
            return found[-1] if found else None

        until(lambda heard_of=heard_of: all(heard_of(one) is not None for one in streams))
        worst_s = max((heard_of(one) or 0.0) - since_s for one in streams)
        assert worst_s < 1.0, "on a busy machine; 0.2 s otherwise"
    assert {ask(server, f"papers/{paper['id']}")["name"] for _ in range(30)} == {"第4版"}
    for connection, thread in zip(held, threads, strict=True):
        connection.sock.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE_S)


def test_an_upload_goes_on_in_any_process(server: Served) -> None:
    data = b"no document, but kept " * 1000
    create = urllib.request.Request(
        server.address + "folders/top/papers",
        method="POST",
        headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(len(data)), "Upload-Metadata": "filename eC50eHQ="},
    )
    with urllib.request.urlopen(create, timeout=PATIENCE_S) as reply:
        path = reply.headers["location"].removeprefix(server.address)
    for start in range(0, len(data), 1000):
        ask(
            server, path, "PATCH", data[start : start + 1000],
            Tus_Resumable="1.0.0", Upload_Offset=str(start), Content_Type="application/offset+octet-stream",
        )  # fmt: skip
    told = ask(server, path)
    assert (told["offset"], told["paper"]["name"]) == (len(data), "x")
    with urllib.request.urlopen(f"{told['paper']['address']}/original", timeout=PATIENCE_S) as reply:
        assert reply.read() == data


def test_a_process_that_dies_is_replaced(server: Served) -> None:
    before = servers(server)
    os.kill(before[0], signal.SIGKILL)
    for _ in range(20):
        try:
            assert ask(server, "folders/top")["id"] == "top"
        except (urllib.error.URLError, ConnectionError):
            continue  # the dead process had accepted it
    until(lambda: len(servers(server)) == 2 and before[0] not in servers(server))
    assert before[1] in servers(server)
    assert ask(server, "folders/top")["id"] == "top"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_ends_with_all_its_processes(server: Served, number: signal.Signals) -> None:
    everything = psutil.Process(server.process.pid).children(recursive=True)
    server.process.send_signal(number)
    assert server.process.wait(PATIENCE_S) == 128 + number
    until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in everything), 20)


def test_processes_end_if_the_supervisor_is_killed(server: Served) -> None:
    children = [psutil.Process(one) for one in servers(server)]
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(PATIENCE_S)
    until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in children), 30)


def test_it_gives_up_if_all_processes_end_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(supervisor, "WITHIN_S", 900.0)  # on a busy machine
    data = tmp_path / "data"
    data.mkdir()
    (data / "shelf.sqlite3").write_bytes(b"no database" * 1000)
    options = ServeOptions(paths=[], data=data, processes=2, host="127.0.0.1", port=0, browser=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        status = supervisor.supervise(sb.Settings(cache_dir=tmp_path / "cache", workers=2), options, listener)
    told = capfd.readouterr().err
    assert status == 1
    assert told.count("another one takes its place") >= 10
    assert "shelf.sqlite3 is damaged" in told
    assert "each server process ended 5 times within 900 s (1)" in told.splitlines()[-1]


class Started:
    """A server process that does nothing."""

    def __init__(self) -> None:
        self.stdin = io.BytesIO()
        self.status: int | None = None

    def poll(self) -> int | None:
        return self.status

    def terminate(self) -> None:
        self.status = 0

    def wait(self, _timeout_s: float) -> int | None:
        return self.status


def test_a_process_that_cannot_be_started_again_is_tried_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.01)
    started: list[Started] = []
    failures = [OSError(number, os.strerror(number)) for number in (errno.ENOMEM, errno.EAGAIN)]

    def start(*_: Any, **__: Any) -> Started:
        if len(started) == 2 and failures:
            raise failures.pop()
        started.append(Started())
        if len(started) == 2:
            started[0].status = -9  # killed for want of memory
        if len(started) == 3:
            assert started[1].status is None, "the other one goes on"
            os.kill(os.getpid(), signal.SIGTERM)
        return started[-1]

    monkeypatch.setattr(supervisor.subprocess, "Popen", start)
    options = ServeOptions(paths=[], data=tmp_path, processes=2, host="127.0.0.1", port=0, browser=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        status = supervisor.supervise(sb.Settings(cache_dir=tmp_path / "cache", workers=2), options, listener)
    assert status == 128 + signal.SIGTERM
    assert (len(started), failures) == (3, [])
    assert capfd.readouterr().err.count("cannot be started (") == 2


def test_workers_and_memory_are_shared_out() -> None:
    whole = sb.Settings(workers=4, memory_bytes=400 << 20, preview_bytes=100 << 20)
    part = share(whole, 4)
    assert (part.workers, part.memory_bytes, part.preview_bytes) == (1, 100 << 20, 25 << 20)
    assert share(whole, 64).workers == 1
