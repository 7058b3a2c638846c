"""Servers that are told to end do so, with streams open, and close everything."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

pytest.importorskip("uvicorn", reason="needs the extra server")

MOUNTED = """
import contextlib, sys
from pathlib import Path
import uvicorn
import sidebooks_core as sb
from sidebooks_core.server import Application, Shelf

service = sb.TileService(sb.Settings(cache_dir=None, workers=1))
shelf = Shelf(service)
documents = Application(shelf)

async def outer(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                documents.close()
                shelf.close()
                service.close()
                Path(sys.argv[2]).write_text("closed")
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    else:
        await documents({**scope, "root_path": "/books"}, receive, send)

uvicorn.run(outer, port=int(sys.argv[1]), log_level="warning")
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def listen(port: int, path: str) -> socket.socket:
    """A stream of events that has begun, once the server answers."""
    deadline_s = time.monotonic() + 60
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        except OSError:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
            continue
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        found = b""
        while b"event: documents" not in found:
            piece = connection.recv(4096)
            assert piece, found
            found += piece
        return connection


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_mounted_application_lets_its_server_end(number: signal.Signals, tmp_path: Path) -> None:
    port, done = free_port(), tmp_path / "done"
    command = [sys.executable, "-c", MOUNTED, str(port), str(done)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            with listen(port, "/books/events"), listen(port, "/books/events?session=other"):
                process.send_signal(number)
                _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert done.read_text() == "closed", "the lifespan came to its end"
    assert "Traceback" not in errors


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_command_closes_everything_at_any_signal(number: signal.Signals, status: int, sample: Path, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "sidebooks_core", "serve", str(sample), "--port", str(port), "--no-browser"]
    with subprocess.Popen(
        [*command, "--cache-dir", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            with listen(port, "/events"):
                workers = psutil.Process(process.pid).children(recursive=True)
                process.send_signal(number)
                _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == status, errors
    assert "Traceback" not in errors
    assert errors.startswith("sidebooks: "), errors
    assert workers
    assert not [one for one in workers if one.is_running()], "the service was closed"


def test_a_hang_up_that_is_to_be_ignored_is_ignored(sample: Path, tmp_path: Path) -> None:
    """As under nohup: the server stays when the terminal closes."""
    port = free_port()
    command = [sys.executable, "-m", "sidebooks_core", "serve", str(sample), "--port", str(port), "--no-browser"]
    ignoring = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    with subprocess.Popen([sys.executable, "-c", ignoring, *command, "--cache-dir", str(tmp_path)]) as process:
        try:
            listen(port, "/events").close()
            process.send_signal(signal.SIGHUP)
            for _ in range(3):
                time.sleep(0.1)
                listen(port, "/events").close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 143
        finally:
            process.kill()


def test_a_signal_while_documents_are_opened(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(400):
        (folder / f"{number}.svg").write_text(f'<svg xmlns="http://www.w3.org/2000/svg"><text>{number}</text></svg>')
    command = [sys.executable, "-m", "sidebooks_core", "serve", str(folder), "--port", "0", "--no-browser"]
    with subprocess.Popen([*command, "--cache-dir", str(tmp_path / "cache")], stderr=subprocess.PIPE, text=True) as process:
        deadline_s = time.monotonic() + 60
        while not (tmp_path / "cache").exists():
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        for _ in range(20):  # somebody is impatient: nothing breaks into the closing
            time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode in (143, -signal.SIGTERM), errors  # the latter: when all was closed already
    assert errors.endswith("sidebooks: ended by SIGTERM; what was finished is kept\n")
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", ""], "--host is empty"),
        (["--host", "nowhere.invalid"], "no address or name of this machine"),
        (["--host", "a" * 70 + ".example"], "no address or name of this machine"),
        (["--port", "70000"], "0 to 65535"),
        (["--port", "x"], "x is no port"),
        (["--allow-origin", "http://["], "is no origin"),
        (["--port", "-1"], "0 to 65535"),
        (["--allow-origin", "books"], "is no origin"),
        (["--hostname", "a b"], "is no host name"),
    ],
)
def test_options_that_make_no_sense(options: list[str], said: str, sample: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "sidebooks_core",
        "serve",
        str(sample),
        "--no-browser",
        "--cache-dir",
        str(tmp_path),
    ]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_all_interfaces_are_told_of_and_answered(sample: Path, tmp_path: Path) -> None:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "sidebooks_core",
        "serve",
        str(sample),
        "--host",
        "0.0.0.0",
        "--open",
        "--port",
        str(port),
    ]
    with subprocess.Popen(
        [*command, "--no-browser", "--hostname", "books.city.example", "--cache-dir", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            listen(port, "/events").close()
            for host in (socket.gethostname(), f"{socket.gethostname()}.local", "books.city.example", "192.168.0.9:8000"):
                asked = urllib.request.Request(f"http://127.0.0.1:{port}/documents", headers={"Host": host})
                with urllib.request.urlopen(asked, timeout=20) as reply:
                    assert reply.status == 200, host
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert "anybody in this network" in errors


def test_descriptors_are_asked_for(sample: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    port = free_port()
    command = [sys.executable, "-m", "sidebooks_core", "serve", str(sample), "--port", str(port), "--no-browser"]
    lower = f"resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))"
    limited = f"import os, resource, sys; {lower}; os.execv(sys.argv[1], sys.argv[1:])"
    with subprocess.Popen([sys.executable, "-c", limited, *command, "--cache-dir", str(tmp_path)]) as process:
        try:
            listen(port, "/events").close()
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
        finally:
            os.kill(process.pid, signal.SIGTERM)
            process.wait(30)
