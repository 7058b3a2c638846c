"""`sidebooks serve` on a Unix socket, and the log of requests."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from sidebooks_core.cli.commands import main
from sidebooks_core.errors import RequestError
from sidebooks_core.server.command import at_the_door
from sidebooks_core.server.http import SIGNED
from sidebooks_core.server.options import ServeOptions
from sidebooks_core.server.request_log import line
from sidebooks_core.server.route import PARAMETERS
from sidebooks_core.server.routes import ROUTES
from sidebooks_core.server.unix_socket import unix_listening

PATIENCE_S = 60.0


class OverSocket(HTTPConnection):
    """A client of a server that listens on a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(os.fspath(self._path))


@contextmanager
def served(folder: Path, *arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and what it says first."""
    command = [sys.executable, "-m", "sidebooks_core", "serve", *map(os.fspath, arguments), "--no-browser"]
    process = subprocess.Popen(
        [*command, "--cache-dir", os.fspath(folder / "cache")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def first_listed(client: HTTPConnection) -> dict[str, str]:
    """The first document, as soon as it is served."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        client.request("GET", "/documents?secret=1", headers={"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"})
        documents: list[dict[str, str]] = json.load(client.getresponse())["documents"]
        if documents:
            client.close()
            return documents[0]
        time.sleep(0.05)
    raise AssertionError("the document is not served")


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_socket_with_its_rights_that_is_gone_at_the_end(sample: Path, tmp_path: Path, processes: str) -> None:
    path = tmp_path / "s"
    with served(tmp_path, sample, "--uds", path, "--uds-mode", "600", "--access-log", "--processes", processes) as (
        process,
        said,
    ):
        assert f" at unix:{path}" in said
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        listed = first_listed(OverSocket(path))
        assert listed["pages"].startswith("https://localhost/documents/"), "the proxy's word counts"
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 128 + signal.SIGTERM
    assert not path.exists()
    assert re.search(r'^192\.0\.2\.7 - - \[[^]]+\] "GET /documents HTTP/1\.1" 200 \d+ \d+\.\d{3}$', errors, re.M), errors
    assert "secret" not in errors


def test_nobody_who_comes_by_a_socket_counts_as_being_at_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with served(tmp_path, "--data", tmp_path / "shelf", "--uds", path, "--open"):
        client = OverSocket(path)
        body = json.dumps({"name": "mine"})
        client.request("POST", "/folders/top", body, {"Content-Type": "application/json"})
        answer = client.getresponse()
        assert answer.status in (401, 403, 404), answer.read()
        client.close()


def test_a_shelf_on_a_socket_needs_to_be_told_who_comes_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["serve", "--data", str(tmp_path / "shelf"), "--uds", str(tmp_path / "s"), "--no-browser"])
    assert end.value.code == 2
    assert "--uds gives others a way to this server" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_a_socket_that_a_killed_server_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(os.fspath(path))
    with unix_listening(path, 0o660) as listener:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(os.fspath(path))
        with pytest.raises(RequestError, match="listens there already"), unix_listening(path, 0o660, wait_s=0):
            pass
        assert listener.getsockname() == os.fspath(path)
    assert not path.exists()


def test_what_another_server_put_in_its_place_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with unix_listening(path, 0o660):
        path.unlink()
        other = socket.socket(socket.AF_UNIX)
        other.bind(os.fspath(path))
    assert path.exists()
    other.close()


def test_a_successor_leaves_the_file_of_a_server_that_ends_and_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s"
    with ExitStack() as first:
        first.enter_context(unix_listening(path, 0o660)).close()
        before = path.lstat()
        with (
            pytest.raises(RequestError, match=r"has not ended: it has the lock .*s\.lock"),
            unix_listening(path, 0o660, wait_s=0),
        ):
            pass
        assert os.path.samestat(path.lstat(), before)
        monkeypatch.setattr("sidebooks_core.server.unix_socket.time.sleep", lambda _: first.close())
        with unix_listening(path, 0o660, wait_s=PATIENCE_S), socket.socket(socket.AF_UNIX) as client:
            client.connect(os.fspath(path))
    assert not list(tmp_path.iterdir()), "neither a socket nor a lock is left"


def test_a_lock_that_its_holder_removed_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, lock = tmp_path / "s", tmp_path / "s.lock"
    taken = fcntl.flock

    def removed_before(descriptor: int, how: int) -> None:
        monkeypatch.undo()
        lock.unlink()
        taken(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", removed_before)
    with unix_listening(path, 0o660):
        assert lock.exists()
        with pytest.raises(RequestError, match="the lock"), unix_listening(path, 0o660, wait_s=0):
            pass


def test_a_lock_that_a_killed_server_left_keeps_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "s.lock").touch()
    with unix_listening(tmp_path / "s", 0o660, wait_s=0):
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_with_the_same_number_from_another_time_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with unix_listening(path, 0o660):
        path.chmod(0o600)
        os.utime(path, ns=(1, 1))
    assert path.exists()
    with unix_listening(path, 0o660):
        path.chmod(0o600)
    assert not path.exists(), "other rights do not make it another file"


def test_nothing_else_is_removed_or_hidden(tmp_path: Path) -> None:
    other = tmp_path / "paper.txt"
    other.write_text("mine", encoding="utf-8")
    for path, error in ((other, "something else lies there"), (tmp_path / ("x" * 200), "too long")):
        with pytest.raises(RequestError, match=error), unix_listening(path, 0o660):
            pass
    with pytest.raises(FileNotFoundError, match=r"--uds .*: No such file"), unix_listening(tmp_path / "none" / "s", 0o660):
        pass
    assert other.read_text(encoding="utf-8") == "mine"
    assert list(tmp_path.iterdir()) == [other]


@pytest.mark.parametrize(
    "wrong",
    [
        ["--uds", "s", "--port", "1"],
        ["--uds", "s", "--host", "::1"],
        ["--uds-mode", "600"],
        ["--uds", "s", "--uds-mode", "8"],
    ],
)
def test_contradictions_are_told(sample: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["serve", str(sample), "--no-browser", *wrong])
    assert end.value.code == 2
    assert "--uds" in capsys.readouterr().err


def test_a_wrong_port_of_the_environment_is_told(
    sample: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDEBOOKS_PORT", "99999")
    with pytest.raises(SystemExit) as end:
        main(["serve", str(sample), "--no-browser"])
    assert end.value.code == 2
    assert "SIDEBOOKS_PORT: 99999 is no port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"/documents", "/documents"),
        (b"/documents?q=who", "/documents"),
        (f"/{SIGNED}/abc.def/documents/x/pages/1".encode(), f"/{SIGNED}/-/documents/x/pages/1"),
        (f"/{SIGNED}/abc.def".encode(), f"/{SIGNED}/-"),
        (f"/{SIGNED}/abc.def?q=who".encode(), f"/{SIGNED}/-"),
        (f"//{SIGNED}/abc.def/documents".encode(), f"/{SIGNED}/-"),
        (f"/%{ord(SIGNED):x}/abc.def/documents".encode(), f"/{SIGNED}/-"),
        (f"/{SIGNED}".encode(), f"/{SIGNED}/-"),
        (f"http://localhost/{SIGNED}/abc.def".encode(), "-"),
        (b"*", "*"),
        (b"/documents/x/search/%E5%B8%82", "/documents/x/search/-"),
        (b"/documents/x/search/who/else?start=2", "/documents/x/search/-"),
        (b"/documents//x/%73earch/who", "/documents/x/%73earch/-"),
        (b"/documents/x/search", "/documents/x/search"),
        (f"/{SIGNED}/abc.def/documents/x/search/who".encode(), f"/{SIGNED}/-/documents/x/search/-"),
        (b'/a"b\nc\\', "/a\\x22b\\x0ac\\x5c"),
    ],
)
def test_a_line_has_no_words_no_query_no_signature_and_nothing_that_ends_it(path: bytes, shown: str) -> None:
    scope = {"type": "http", "method": "GET", "http_version": "1.1", "client": ("::1", 5), "raw_path": path, "path": "/"}
    made = line(scope, 200, 12, datetime(2026, 3, 31, 9, tzinfo=UTC), 0.0123)
    assert made == f'::1 - - [31/Mar/2026:09:00:00 +0000] "GET {shown} HTTP/1.1" 200 12 0.012'
    mounted = {**scope, "raw_path": b"/books/" + path.removeprefix(b"/"), "root_path": "/books"}
    if path.startswith(b"/"):
        below = line(mounted, 200, 0, datetime(2026, 3, 31, 9, tzinfo=UTC), 0.0)
        assert "who" not in below
        assert "abc.def" not in below
    assert '" - 0 ' in line({**scope, "client": None}, None, 0, datetime(2026, 3, 31, 9, tzinfo=UTC), 0.0)


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ('1.2.3.4 - - "GET /forged', "127.0.0.1"),
        ("fe80::1%\t- forged", "127.0.0.1"),
        ("somebody", "127.0.0.1"),
    ],
)
@pytest.mark.parametrize("is_unix", [False, True])
def test_what_a_header_gives_counts_only_if_it_is_an_address(
    forwarded: str, client: str, is_unix: bool, tmp_path: Path
) -> None:
    seen: list[Scope] = []

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def receive() -> Message:
        raise AssertionError("nothing is asked for")

    async def send(message: Message) -> None:
        raise AssertionError("nothing is sent")

    options = ServeOptions(paths=[], host="127.0.0.1", port=0, browser=False, uds=tmp_path / "s" if is_unix else None)
    scope = {
        "type": "http",
        "headers": [(b"x-forwarded-for", forwarded.encode())],
        "client": None if is_unix else ("127.0.0.1", 5),
    }
    asyncio.run(at_the_door(noted, options)(scope, receive, send))
    assert seen[0]["client"][0] == client


@pytest.mark.parametrize(
    ("client", "who"),
    [(("fe80::1%a\nb", 5), "fe80::1%a\\x0ab"), (('x" 200 1 0.0', 5), "-"), (("a\nb", 5), "-"), (None, "-")],
)
def test_a_line_begins_with_an_address_or_nothing(client: tuple[str, int] | None, who: str) -> None:
    scope = {"type": "http", "method": "GET", "client": client, "path": "/"}
    assert line(scope, 200, 0, datetime(2026, 3, 31, 9, tzinfo=UTC), 0.0).startswith(f"{who} - - [31/")


def test_each_route_whose_path_has_private_words_is_left_out_of_the_log() -> None:
    begun = datetime(2026, 3, 31, 9, tzinfo=UTC)
    routes = [route for route in ROUTES if any(PARAMETERS[name].is_private for name in route.parameters)]
    assert routes
    for path in (path for route in routes for path in (route.path, *route.also_at)):
        asked = path.replace("{", "").replace("}", "").replace("query", "private-words")
        made = line({"type": "http", "method": "GET", "path": asked, "headers": []}, 200, 0, begun, 0.0)
        assert "private-words" in asked
        assert "private-words" not in made
