"""Hostile requests to a real server: what is refused, and that nothing of them stays."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attack_server import IS_FULL, Served, documents_of, read_all, serving, status_of

pytest.importorskip("uvicorn", reason="needs the extra server")

REQUESTS = 20_000 if IS_FULL else 1_500
MOST_MORE_MIB = 64


@pytest.fixture(scope="module")
def served(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(sample, cache_dir=tmp_path_factory.mktemp("cache")) as running:
        yield running


def request(*lines: bytes) -> bytes:
    return b"\r\n".join((*lines, b"", b""))


def test_hosts_that_are_not_served_are_misdirected(served: Served) -> None:
    port = served.port
    for host in (
        "localhost",
        f"localhost:{port}",
        "LOCALHOST.",
        "127.0.0.1",
        f"[::1]:{port}",
        "192.168.7.9",
        "[fe80::1%25eth0]:80",
    ):
        assert served.get("/documents", host=host)[0] == 200, host
    for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.nip.io", "1.2.3", "0x7f000001"):
        status, answer = served.get("/documents", host=host)
        assert status == 421, host
        assert b"--hostname" in answer
        assert b'"documents"' not in answer
    for host in ('evil"><', "a b", "a@localhost", "localhost:99999", "[::1", "x" * 300, "localhost/x"):
        assert served.get("/documents", host=host)[0] == 400, host


def test_two_hosts_and_hosts_in_the_target(served: Served) -> None:
    two = served.raw(request(b"GET /documents HTTP/1.1", b"Host: evil.example", b"Host: localhost", b"Connection: close"))
    assert status_of(two) == 400
    for target, status in ((b"http://evil.example/documents", 421), (b"http://localhost/documents", 200)):
        answer = served.raw(request(b"GET " + target + b" HTTP/1.1", b"Host: 127.0.0.1", b"Connection: close"))
        assert status_of(answer) == status, target
    assert status_of(served.raw(request(b"GET /documents HTTP/1.1", b"Connection: close"))) == 400
    assert status_of(served.raw(request(b"GET /healthz HTTP/1.0"))) == 200


def test_the_short_way_is_closed_to_other_hosts(served: Served) -> None:
    path = f"/documents/{documents_of(served)[0]}/pages/1/300x400"
    for _ in range(2):
        assert served.get(path)[0] == 200
    good = f"127.0.0.1:{served.port}".encode()
    for first, second in ((b"evil.example", good), (good, b"evil.example")):
        twice = request(b"GET " + path.encode() + b" HTTP/1.1", b"Host: " + first, b"Host: " + second, b"Connection: close")
        answer = served.raw(twice)
        assert status_of(answer) == 400
        assert b"evil" not in answer
    assert served.get(path, host="evil.example")[0] == 421


@pytest.mark.parametrize(
    ("name", "head", "status"),
    [
        ("one long header", [b"GET / HTTP/1.1", b"Host: localhost", b"A: " + b"a" * (1 << 20)], 431),
        ("a long host", [b"GET / HTTP/1.1", b"Host: " + b"h" * (1 << 20)], 431),
        ("a long name", [b"GET / HTTP/1.1", b"Host: localhost", b"a" * (1 << 20) + b": a"], 431),
        ("a long target", [b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1", b"Host: localhost"], 431),
        ("many headers", [b"GET / HTTP/1.1", b"Host: localhost", *[b"a: b"] * 101], 431),
        ("many more", [b"GET / HTTP/1.1", b"Host: localhost", *[b"a: b"] * 200_000], 431),
        ("a hundred headers", [b"GET / HTTP/1.1", b"Host: localhost", b"Connection: close", *[b"a: b"] * 98], 200),
        ("within the bound", [b"GET / HTTP/1.1", b"Host: localhost", b"Connection: close", b"A: " + b"a" * 30_000], 200),
    ],
)
def test_headers_are_bounded(served: Served, name: str, head: list[bytes], status: int) -> None:
    answer = served.raw(request(*head))
    assert status_of(answer) in ({status, 0} if status == 431 else {status}), "reset while it was still sending, perhaps"
    assert served.get("/healthz")[0] == 200


@pytest.mark.parametrize(
    "beginning",
    [b"Host: localhost\r\nA: ", b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: "],
    ids=["header", "trailers"],
)
def test_what_has_no_end_is_not_read_on(served: Served, beginning: bytes) -> None:
    sent = 0
    with served.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.1\r\n" + beginning)
        while sent < 64 << 20:
            connection.sendall(b"a" * (1 << 16))
            sent += 1 << 16
    assert sent < 32 << 20, "the server has closed: what was sent since lies in the buffers of sockets"


def test_long_bodies_in_many_pieces_are_still_told_that_they_are_too_long(served: Served) -> None:
    path = f"/documents/{documents_of(served)[0]}/hints".encode()
    kind = b"Content-Type: application/json"
    head = request(b"POST " + path + b" HTTP/1.1", b"Host: localhost", kind, b"Content-Length: 200000", b"Connection: close")
    with served.connect() as connection:
        connection.sendall(head)
        with contextlib.suppress(ConnectionError):
            for _ in range(10):
                connection.sendall(b" " * 20_000)
                time.sleep(0.02)
        assert status_of(read_all(connection)) in (413, 0)


def test_who_pipelines_without_end_is_ended(served: Served) -> None:
    one = request(b"GET /healthz HTTP/1.1", b"Host: localhost")
    with served.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(one * 5_000)
        read_all(connection)
    with served.connect() as connection:
        connection.sendall(one * 50 + request(b"GET /healthz HTTP/1.1", b"Host: localhost", b"Connection: close"))
        assert read_all(connection).count(b"HTTP/1.1 200") == 51


def hostile(served: Served, documents: list[str], chance: random.Random) -> bytes:
    """A request of one of many kinds, whole."""
    size = 1 << chance.randrange(4, 19)
    junk = bytes(chance.randrange(33, 127) for _ in range(24))
    document = documents[0].encode()
    page = b"%d" % chance.randrange(1, 23)
    local = b"Host: 127.0.0.1:%d" % served.port
    kinds: list[Callable[[], list[bytes]]] = [
        lambda: [b"GET / HTTP/1.1", b"Host: " + junk.hex().encode() * (size // 48 + 1)],
        lambda: [b"GET /documents HTTP/1.1", b"Host: 10.%d.%d.%d" % tuple(chance.randrange(256) for _ in range(3))],
        lambda: [b"GET /documents/" + document + b"/pages.json HTTP/1.1", b"Host: 10.9.8.%d" % chance.randrange(256)],
        lambda: [b"GET /presentation/3/" + document + b"/manifest.json HTTP/1.1", b"Host: [::%x]" % chance.randrange(65536)],
        lambda: [b"GET / HTTP/1.1", local, junk.hex().encode() + b": " + b"v" * size],
        lambda: [b"GET / HTTP/1.1", local, *[b"n%d: v" % number for number in range(size // 64)]],
        lambda: [b"GET /" + junk.hex().encode() * (size // 48 + 1) + b" HTTP/1.1", local],
        lambda: [b"GET /documents/" + document + b"/pages/1/preview?" + junk.hex().encode() + b" HTTP/1.1", b"Host: 10.1.1.1"],
        lambda: [
            b"GET /documents/" + document + b"/pages/" + page + b"/preview HTTP/1.1",
            b"Host: 10.2.3.%d" % chance.randrange(256),
        ],
        lambda: [b"GET /documents/" + document + b"/pages/" + page + b"/text HTTP/1.1", local, b"Accept-Encoding: gzip"],
        lambda: [b"GET /documents/" + document + b"/search/" + junk.hex().encode() + b" HTTP/1.1", local],
        lambda: [b"GET /documents/" + document + b"/original HTTP/1.1", local, b"Range: bytes=%d-" % chance.randrange(400_000)],
        lambda: [
            b"GET /iiif/3/" + document + b"_p" + page + b"/%d,0,10,10/max/0/default.png HTTP/1.1" % chance.randrange(9),
            local,
        ],
        lambda: [b"GET /iiif/3/..%2f..%2fetc/info.json HTTP/1.1", local],
        lambda: [b"GET /%ff%00%c0%af HTTP/1.1", local],
        lambda: [b"BREW / HTTP/1.1", local],
        lambda: [
            b"POST /documents/" + document + b"/hints HTTP/1.1",
            local,
            b"Origin: http://evil.example",
            b"Content-Length: 2",
        ],
        lambda: [b"GET / HTTP/1.1", local, b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        lambda: [b"GET / HTTP/9.9", junk],
        lambda: [b"OPTIONS /documents HTTP/1.1", local, b"Origin: http://" + junk.hex().encode()],
        lambda: [b"GET /events?session=" + junk.hex().encode() + b" HTTP/1.1", local],
    ]
    return request(*chance.choice(kinds)())


@pytest.mark.timeout(1800)
def test_nothing_stays_of_many_hostile_requests(served: Served) -> None:
    documents = documents_of(served)

    def attack(number: int) -> int:
        chance = random.Random(number)
        count = 0
        for _ in range(REQUESTS // 8):
            what = hostile(served, documents, chance)
            try:
                with served.connect(20) as connection:
                    connection.sendall(what)
                    if chance.random() < 0.5:
                        connection.settimeout(0.05 if b"/events" in what or b"/search/" in what else 20)
                        connection.recv(chance.choice((1, 100, 1 << 16)))
            except (ConnectionError, TimeoutError):
                continue
            finally:
                count += 1
        return count

    attack(99)  # what any use takes: threads, code, the pages themselves
    before_mib = served.rss_mib()
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attack, range(8))) == REQUESTS // 8 * 8
    time.sleep(1)
    assert served.get("/healthz")[0] == 200
    after_mib = served.rss_mib()
    print(f"{REQUESTS} hostile requests: {before_mib:.0f} -> {after_mib:.0f} MiB")
    assert after_mib - before_mib <= MOST_MORE_MIB


def test_hosts_of_all_lengths_are_not_remembered(served: Served) -> None:
    """Each is sent whole, and most are too long."""
    before_mib = served.rss_mib()
    for number in range(600 if IS_FULL else 120):
        with served.connect() as connection, contextlib.suppress(OSError):
            connection.sendall(request(b"GET / HTTP/1.1", b"Host: %d." % number + b"h" * (1 << 20), b"Connection: close"))
            connection.shutdown(socket.SHUT_WR)
    assert served.get("/healthz")[0] == 200
    assert served.rss_mib() - before_mib <= MOST_MORE_MIB
