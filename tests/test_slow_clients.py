"""Clients that take for ever are ended; those beside them notice nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="needs the extra server")
pytest.importorskip("httptools", reason="needs the extra server")

from sidebooks_core.server.slow_clients import PatientProtocol  # noqa: E402

BODY = bytes(30 << 20)
"""More than sockets hold."""


class Hasty(PatientProtocol):
    headers_within_s = 0.4
    taken_within_s = 0.6


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        body = BODY if scope["path"] == "/large" else b"small"
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
