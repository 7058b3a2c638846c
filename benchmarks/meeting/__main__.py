"""How long do a hundred tablets of one server wait over plain HTTP, together, and each alone?

    python -m benchmarks meeting [--tablets N] [--documents PATH] [--turns N] [--readers-turns N] [--json FILE] [--quick]

It goes without the protocol of meetings. Each tablet is a client with a cache like a browser's. Together: all open one
document within ten seconds, then follow a presenter, who turns to the next page and now and then to one that nobody has seen.
Alone: each reads on its own way through several documents. Throughput: a page that is in memory, against the same ASGI server
that gives a constant body of that size, in turns.

What the numbers do not say: how long the server alone takes. The tablets are tasks of another process on the same processors,
so that what is measured is more. Nor what a wireless network adds, and the decoding of an image.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import corpus, results
from benchmarks.meeting.serving import VIEW, bare_draw_s, counters, in_process, served
from benchmarks.meeting.tablets import alone, together
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

MOST_DOCUMENTS = 20
LEAST_SHARE = 0.7
LISTED_WITHIN_S = 30.0
HELD_MS = 100
COLD_MS = 150
CONNECTIONS = 8
LENGTH = re.compile(rb"content-length: (\d+)", re.I)
CONSTANT = """
import sys, uvicorn
body = b"x" * int(sys.argv[1])
headers = [(b"content-type", b"image/png"), (b"content-length", str(len(body)).encode())]
async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
uvicorn.run(application, port=int(sys.argv[2]), log_level="warning", access_log=False)
"""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks meeting", description=__doc__.split("\n\n")[0])
    parser.add_argument("--tablets", type=int, default=100)
    parser.add_argument("--documents", type=Path, help="folder or file (default: long documents of the corpus)")
    parser.add_argument("--turns", type=int, default=20, help="of the presenter")
    parser.add_argument("--readers-turns", type=int, default=10, help="of each who reads alone")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="few tablets, few turns")
    chosen = parser.parse_args(arguments)
    tablets, turns, own_turns = (8, 4, 1) if chosen.quick else (chosen.tablets, chosen.turns, chosen.readers_turns)
    begun = begin(chosen, "pymupdf", "uvicorn", tablets=str(tablets))
    with corpus.needed_by(parser):
        found = corpus.documents(chosen.documents, is_quick=chosen.quick)
    paths = [one.path for one in found if one.path.suffix.lower() == ".pdf" and not one.password]
    if chosen.quick:
        paths = list(dict.fromkeys([corpus.SAMPLE, *paths[::20]]))
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="sidebooks-meeting-") as folder, served(paths, folder) as address:
        documents = sorted(listed(address, len(paths)), key=lambda one: -int(one["page_count"]))
        before = counters(address)
        measured["together"] = in_process(together, address, documents[0], tablets, turns)
        between = counters(address)
        measured["alone"] = in_process(alone, address, documents[:MOST_DOCUMENTS], tablets, own_turns)
        after = counters(address)
        report("together", measured["together"], before, between, asked_of([documents[0]], measured["together"]))
        report("alone", measured["alone"], between, after, asked_of(documents[:MOST_DOCUMENTS], measured["alone"]))
        judge(measured["together"], next(path for path in paths if path.name == documents[0]["name"]))
        page = next(path for path in measured["together"]["paths"] if "/pages/" in path and path.endswith(VIEW))
        measured["throughput"] = throughput(address, page, 2 if chosen.quick else 40, 1000)
    begun.finish(series_of(measured), measured)


def listed(address: str, count: int) -> list[dict[str, Any]]:
    """The documents that a server has, as soon as there are so many; after `LISTED_WITHIN_S`, those that there are."""
    found: list[dict[str, Any]] = []
    until_s = time.monotonic() + LISTED_WITHIN_S
    while len(found) < count and time.monotonic() < until_s:
        time.sleep(0.1)
        found = _json(f"{address}documents")["documents"]
    return found


def asked_of(documents: Sequence[dict[str, Any]], result: dict[str, Any]) -> int:
    """How many different images the tablets asked for."""
    ids = {str(one["id"]) for one in documents}
    return sum(path.split("/")[2] in ids for path in result["paths"] if "/pages/" in path)


def report(name: str, result: dict[str, Any], before: dict[str, float], after: dict[str, float], images: int) -> None:
    """A scenario's table, and whether each image was drawn once."""
    rows = [
        [what, str(len(waits)), *Percentiles.of(wait * 1000 for wait in waits).cells()]
        for what, waits in result["waits"].items()
    ]
    print(f"\n{name}" + (f": all had the document after {result['opened_s']:.1f} s" if "opened_s" in result else ""))
    print(table(["waiting for", "times", *[f"{one}, ms" for one in HEADERS]], rows))
    renders = after["sidebooks_renders_total"] - before["sidebooks_renders_total"]
    print(f"  {images} different images; drawn: {renders:.0f}; requests that failed: {len(result['failures'])}")
    for failure in result["failures"][:3]:
        print(f"  {failure}")


def series_of(measured: dict[str, Any]) -> list[Series]:
    """The waits of both scenes, and the rates of turns."""
    found: list[Series] = []
    for scene in ("together", "alone"):
        for what, waits in measured[scene]["waits"].items():
            found += results.measured(f"Waiting, {scene}", what, "ms", (wait * 1000 for wait in waits))
    for name, key in (("a page in memory", "ours"), ("a constant body of its length", "constant")):
        found += results.measured("Requests a second", name, "1/s", measured["throughput"][key], better="higher")
    return found


def judge(result: dict[str, Any], path: Path) -> None:
    """The waits of followers against what is allowed."""
    held = result["waits"].get("jump, server has it")
    if held:
        found = Percentiles.of(wait * 1000 for wait in held)
        print(f"  followers, once the server has the page: p99 {found.p99:.0f} ms (the bound is {HELD_MS})")
    if result["cold"]:
        bare_s = {page: bare_draw_s(path, page) for page in {page for page, _ in result["cold"]}}
        over = Percentiles.of((wait - bare_s[page]) * 1000 for page, wait in result["cold"])
        draw = Percentiles.of(one * 1000 for one in bare_s.values())
        print(
            f"  a page that nobody has, beyond its bare draw ({draw.median:.0f} ms in the median, {draw.max:.0f} at most): "
            f"p99 {over.p99:.0f} ms (the bound is {COLD_MS})"
        )


def throughput(address: str, page: str, rounds: int, requests: int) -> dict[str, Any]:
    """Requests a second of a page in memory, and of a constant body of its length."""
    body = urllib.request.urlopen(address.rstrip("/") + page, timeout=60).read()
    port = 18_000 + random.SystemRandom().randrange(10_000)
    with subprocess.Popen([sys.executable, "-c", CONSTANT, str(len(body)), str(port)]) as constant:
        try:
            other = f"http://127.0.0.1:{port}/"
            _wait_for(other)
            rates = in_turns(address, page, other, rounds, requests)
        finally:
            constant.terminate()
    shares = sorted(ours / theirs for ours, theirs in zip(rates["ours"], rates["constant"], strict=True))
    typical = {name: sorted(found)[len(found) // 2] for name, found in rates.items()}
    print(
        f"\na page in memory, {len(body)} bytes, requests a second in the median of {len(shares)} turns: "
        f"{typical['ours']:.0f}, a constant body {typical['constant']:.0f}"
    )
    lower, median, upper = (shares[len(shares) * part // 4] for part in (1, 2, 3))
    print(
        f"  ours/constant in each turn: median {median:.2f}, the half around it {lower:.2f} to {upper:.2f} "
        f"(the bound is {LEAST_SHARE})"
    )
    return {"bytes": len(body), **rates}


def in_turns(address: str, page: str, other: str, rounds: int, requests: int) -> dict[str, list[float]]:
    """Requests a second of both, by one client: short turns, so that both meet the same machine."""
    rates: dict[str, list[float]] = {"ours": [], "constant": []}
    ours, constant = _connections(address), _connections(other)
    for number in range(-1, rounds):
        turns = [("constant", constant, "/"), ("ours", ours, page)]
        for name, connections, path in turns if number % 2 else reversed(turns):
            rate = hammer(connections, path, requests)
            if number >= 0:  # the first is for who has not answered before
                rates[name].append(rate)
    for connection in ours + constant:
        connection.close()
    return rates


def _connections(address: str) -> list[socket.socket]:
    found = urllib.parse.urlsplit(address)
    return [socket.create_connection((found.hostname, found.port)) for _ in range(CONNECTIONS)]


def hammer(connections: list[socket.socket], path: str, requests: int) -> float:
    """As fast as the server can, in requests a second. Bare sockets, since a client of asyncio takes longer than the server."""
    asking = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\n\r\n".encode()
    buffer = bytearray(1 << 20)
    left: dict[socket.socket, int] = {}
    """Bytes of the answer to come; of one that has not begun, none is known."""
    asked = answered = 0
    with selectors.DefaultSelector() as selector:
        started_s = time.perf_counter()
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ, connection)
            connection.sendall(asking)
            asked += 1
        while answered < requests:
            for key, _ in selector.select():
                connection = key.data
                count = connection.recv_into(buffer)
                if connection not in left:
                    head = bytes(buffer[: buffer.index(b"\r\n\r\n") + 4])
                    length = LENGTH.search(head)
                    if length is None or not head.startswith(b"HTTP/1.1 200"):
                        raise RuntimeError(f"{path}: {head[:100]!r}")
                    left[connection] = len(head) + int(length[1])
                left[connection] -= count
                if not left[connection]:
                    del left[connection]
                    answered += 1
                    if asked < requests:
                        connection.sendall(asking)
                        asked += 1
        return requests / (time.perf_counter() - started_s)


def _wait_for(address: str) -> None:
    deadline_s = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(address, timeout=1).close()
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)
        else:
            return


def _json(address: str) -> Any:
    return json.loads(urllib.request.urlopen(address, timeout=60).read())


if __name__ == "__main__":
    main()
