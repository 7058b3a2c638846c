"""Clients that take for ever are ended; those beside them notice nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="needs the extra server")
pytest.importorskip("httptools", reason="needs the extra server")

from sidebooks_core.server.limits import ServerLimits  # noqa: E402
from sidebooks_core.server.slow_clients import Doors, PatientProtocol  # noqa: E402

BODY = bytes(30 << 20)
"""More than sockets hold."""


class Hasty(PatientProtocol):
    doors = Doors(ServerLimits())
    headers_within_s = 0.4
    body_within_s = 0.5
    taken_within_s = 0.6
    came = 0
    """How many ever did."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        type(self).came += 1


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        if scope["path"] == "/upload":
            while (await receive()).get("more_body"):
                pass
        body = {"/large": BODY, "/medium": BODY[: 5 << 20]}.get(scope["path"], b"small")
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(application, http=Hasty, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def ended(connection: socket.socket) -> bool:
    """Whether the server ends it in time."""
    connection.settimeout(5)
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nA:"])
def test_who_never_says_what_it_wants(port: int, start: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(start)
        assert ended(connection)


def test_who_says_it_a_byte_at_a_time(port: int) -> None:
    def drip() -> None:
        for byte in b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    with socket.create_connection(("127.0.0.1", port)) as connection, pytest.raises(ConnectionError):
        drip()


def test_who_sends_a_long_body_slowly_but_sends_it_is_served(port: int) -> None:
    """It takes four times as long as a body without a byte may."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n")
        for _ in range(20):
            time.sleep(0.1)
            connection.sendall(bytes(1000))
        connection.settimeout(5)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("piece", [b"", b"x"])
def test_who_sends_a_long_body_too_slowly_is_ended(port: int, piece: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n")
        with suppress(ConnectionError):
            for _ in range(20):
                time.sleep(0.1)
                connection.sendall(piece)
        assert ended(connection)


def test_who_never_takes_what_it_gets(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(2)
        connection.settimeout(5)
        taken = 0
        with suppress(ConnectionResetError):
            while piece := connection.recv(1 << 18):
                taken += len(piece)
        assert taken < len(BODY), "what lay in the sockets; the rest was thrown away"


def test_who_takes_it_slowly_but_takes_it_is_served(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        connection.settimeout(5)
        taken = 0
        while piece := connection.recv(1 << 18):
            taken += len(piece)
            time.sleep(0.01)
        assert taken > len(BODY)


def test_several_requests_on_one_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(4):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"small"):
                piece = connection.recv(4096)
                assert piece, answer
                answer += piece
            time.sleep(0.25)


def count_connections() -> int:
    return len(Hasty.doors.connected)


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
@pytest.mark.parametrize("path", [b"/large", b"/medium"])
def test_who_takes_nothing_is_ended_also_while_the_connection_closes(port: int, path: bytes, more: bytes) -> None:
    """uvicorn closes a connection after the answer, or when it was idle: then it waits for the client to take the rest."""
    before = Hasty.came
    with ExitStack() as held:
        for _ in range(20):
            connection = held.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", port))
            connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n")
        deadline_s = time.monotonic() + 30
        while Hasty.came < before + 20 or count_connections():
            assert time.monotonic() < deadline_s, f"{Hasty.came - before} came, {count_connections()} are there"
            time.sleep(0.05)


def test_who_takes_little_at_long_intervals_is_served(port: int) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.settimeout(5)
        taken = 0
        ends_s = time.monotonic() + 5 * Hasty.taken_within_s
        while time.monotonic() < ends_s:
            piece = connection.recv(8192)
            assert piece
            taken += len(piece)
            time.sleep(0.05)
        assert 20_000 < taken < len(BODY) / 4


def test_bodies_that_never_end_are_ended(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        assert ended(connection)
