"""A meeting: many tablets on one server, each a real HTTP client with a cache like a browser's.

    python -m benchmarks.meeting [--tablets N] [--documents PATH] [--turns N] [--readers-turns N] [--json FILE] [--quick]

Together: all open one document within ten seconds, then follow a presenter, who turns to the next page and now and then to one
that nobody has seen. Alone: each reads on its own way through several documents. Throughput: a page that is in memory, against
the same ASGI server that gives a constant body of that size, in turns.

The tablets are tasks of another process on the same processors as the server: what is measured is more than the server takes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymupdf

from benchmarks import corpus
from benchmarks.reporting import HEADERS, Percentiles, machine, print_machine, table, write_json

VIEW = "1200x1920"
SEED = 20261124
OPEN_WITHIN_S = 10.0
TURN_EVERY_S = 2.0
MOST_DOCUMENTS = 20
BUNDLE_PAGES = 600
LEAST_SHARE = 0.7
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


@dataclass(slots=True)
class Tablet:
    """One client: a connection that is kept, and what it has fetched. What is immutable it never asks for again."""

    host: str
    port: int
    kept: dict[str, bytes] = field(default_factory=dict)
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None

    async def get(self, path: str) -> bytes:
        """A body. Raises RuntimeError for any other status than 200."""
        if path in self.kept:
            return self.kept[path]
        if self.writer is None or self.reader is None:
            # A tablet has room for a page: by default its end would stop and go on reading each few times.
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port, limit=1 << 20)
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAccept-Encoding: identity\r\n\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = re.search(r"content-length: (\d+)", head)
        if length is None:
            raise RuntimeError(f"no length: {head}")
        body = await self.reader.readexactly(int(length[1]))
        if not head.startswith("http/1.1 200"):
            raise RuntimeError(f"{path}: {head.splitlines()[0]}")
        if "immutable" in head:
            self.kept[path] = body
        return body

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


@dataclass(slots=True)
class Tally:
    """Seconds by what was waited for, and failures."""

    waits: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    async def timed(self, what: str, tablet: Tablet, path: str, since_s: float) -> None:
        try:
            await tablet.get(path)
        except (OSError, RuntimeError, asyncio.IncompleteReadError) as error:
            self.failures.append(f"{path}: {error!r}")
            tablet.reader = tablet.writer = None
            return
        self.waits.setdefault(what, []).append(time.perf_counter() - since_s)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks.meeting", description=__doc__.split("\n\n")[0])
    parser.add_argument("--tablets", type=int, default=100)
    parser.add_argument("--documents", type=Path, help="folder or file (default: long documents of the corpus)")
    parser.add_argument("--turns", type=int, default=20, help="of the presenter")
    parser.add_argument("--readers-turns", type=int, default=10, help="of each who reads alone")
    parser.add_argument("--json", type=Path, help="write every measurement there")
    parser.add_argument("--quick", action="store_true", help="few tablets, few turns")
    chosen = parser.parse_args(arguments)
    tablets, turns, own_turns = (8, 4, 2) if chosen.quick else (chosen.tablets, chosen.turns, chosen.readers_turns)
    described = machine("pymupdf", "uvicorn") | {"tablets": str(tablets)}
    print_machine(described)
    paths = [one.path for one in corpus.documents(chosen.documents) if one.path.suffix.lower() == ".pdf" and not one.password]
    if chosen.quick:
        paths = paths[:6]
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="sidebooks-meeting-") as folder, served(paths, folder) as address:
        documents = sorted(_json(f"{address}documents")["documents"], key=lambda one: -int(one["page_count"]))
        before = counters(address)
        measured["together"] = in_process(together, address, documents[0], tablets, turns)
        between = counters(address)
        measured["alone"] = in_process(alone, address, documents[:MOST_DOCUMENTS], tablets, own_turns)
        after = counters(address)
        report("together", measured["together"], before, between, asked_of([documents[0]], measured["together"]))
        report("alone", measured["alone"], between, after, asked_of(documents[:MOST_DOCUMENTS], measured["alone"]))
        judge(measured["together"], next(path for path in paths if path.name == documents[0]["name"]))
        page = next(path for path in measured["together"]["paths"] if "/pages/" in path and path.endswith(VIEW))
        measured["throughput"] = throughput(address, page, 4 if chosen.quick else 40, 1000)
    if chosen.json:
        write_json(chosen.json, described, [measured])


def asked_of(documents: Sequence[dict[str, Any]], result: dict[str, Any]) -> int:
    """How many different images the tablets asked for."""
    ids = {str(one["id"]) for one in documents}
    return sum(path.split("/")[2] in ids for path in result["paths"] if "/pages/" in path)


def bundle_like(root: Path | None) -> Path:
    """The PDF of a folder, or of the corpus, that is most like a council's bundle by its number of pages."""

    def difference(path: Path) -> int:
        with pymupdf.open(path) as document:
            return abs(int(document.page_count) - BUNDLE_PAGES)

    found = [one.path for one in corpus.documents(root) if one.path.suffix.lower() == ".pdf" and not one.password]
    return min(found, key=difference)


@contextmanager
def served(paths: list[Path], cache_dir: str, *options: str) -> Iterator[str]:
    """The address of a server of documents, in a process of its own. options: further ones of `sidebooks serve`."""
    command = [sys.executable, "-m", "sidebooks_core", "serve", *map(str, paths), "--port", "0", "--no-browser", *options]
    with subprocess.Popen([*command, "--cache-dir", cache_dir], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+/", process.stdout.readline())
        if found is None:
            raise RuntimeError("the server did not start")
        try:
            yield found[0]
        finally:
            process.terminate()


def counters(address: str) -> dict[str, float]:
    """The server's metrics."""
    text = urllib.request.urlopen(f"{address}metrics", timeout=30).read().decode()
    return {name: float(value) for name, value in re.findall(r"^(\w+) ([0-9.]+)$", text, re.M)}


def in_process(scenario: Any, *arguments: Any) -> dict[str, Any]:
    """A scenario in another process than the one that looks after the server."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result: dict[str, Any] = pool.apply(_run, (scenario, *arguments))
        return result


def _run(scenario: Any, *arguments: Any) -> dict[str, Any]:
    result: dict[str, Any] = asyncio.run(scenario(*arguments))
    return result


async def together(address: str, document: dict[str, Any], count: int, turns: int) -> dict[str, Any]:
    """All open one document, then follow a presenter."""
    chance, tally = random.Random(SEED), Tally()
    tablets = _tablets(address, count)
    here = f"/documents/{document['id']}"
    started_s = time.perf_counter()

    async def open_it(tablet: Tablet) -> None:
        await asyncio.sleep(chance.uniform(0, OPEN_WITHIN_S / 5))
        since_s = time.perf_counter()
        await tally.timed("list", tablet, "/documents", since_s)
        await tally.timed("pages.json", tablet, f"{here}/pages.json", since_s)
        await tally.timed("first page", tablet, f"{here}/pages/1/{VIEW}", since_s)

    await asyncio.gather(*(open_it(tablet) for tablet in tablets))
    opened_s = time.perf_counter() - started_s
    page_count, page = int(document["page_count"]), 1
    seen = {1}
    cold: list[tuple[int, float]] = []
    for turn in range(turns):
        await asyncio.sleep(TURN_EVERY_S / 2)
        unseen = [one for one in range(1, page_count + 1) if one not in seen]
        is_jump = turn % 2 == 1 and bool(unseen)
        page = chance.choice(unseen) if is_jump else page % page_count + 1
        path = f"{here}/pages/{page}/{VIEW}"
        if is_jump and turn % 4 == 1:  # the presenter's tablet has it first, and then everybody turns
            await tally.timed("presenter's jump", tablets[0], path, time.perf_counter())
            what, followers = "jump, server has it", tablets[1:]
        else:
            what, followers = "jump, nobody has it" if is_jump else "next page", tablets
        since_s = time.perf_counter()
        before = len(tally.waits.get(what, []))
        await asyncio.gather(*(tally.timed(what, tablet, path, since_s) for tablet in followers))
        if what == "jump, nobody has it":
            cold += [(page, wait) for wait in tally.waits[what][before:]]
        seen |= {page, page % page_count + 1}
        # After the turn, as the viewer does: the next page, before anybody asks for it.
        ahead = f"{here}/pages/{page % page_count + 1}/{VIEW}"
        await asyncio.sleep(TURN_EVERY_S / 2)
        await asyncio.gather(*(tally.timed("ahead", tablet, ahead, time.perf_counter()) for tablet in tablets))
    return _result(tally, tablets) | {"opened_s": opened_s, "cold": cold}


async def alone(address: str, documents: Sequence[dict[str, Any]], count: int, turns: int) -> dict[str, Any]:
    """Each reads on its own way, three seconds a page or so."""
    tally = Tally()
    tablets = _tablets(address, count)

    async def read(number: int, tablet: Tablet) -> None:
        chance = random.Random(SEED + number)
        document = documents[number % len(documents)]
        page_count = int(document["page_count"])
        page = chance.randint(1, page_count)
        await asyncio.sleep(chance.uniform(0, 3))
        for _ in range(turns):
            path = f"/documents/{document['id']}/pages/{page}/{VIEW}"
            what = "held already" if path in tablet.kept else "turn"
            await tally.timed(what, tablet, path, time.perf_counter())
            page = page % page_count + 1
            await asyncio.sleep(0.2)
            ahead = f"/documents/{document['id']}/pages/{page}/{VIEW}"
            await tally.timed("ahead", tablet, ahead, time.perf_counter())
            await asyncio.sleep(chance.uniform(1.5, 4))

    await asyncio.gather(*(read(number, tablet) for number, tablet in enumerate(tablets)))
    return _result(tally, tablets)


def _tablets(address: str, count: int) -> list[Tablet]:
    matched = re.match(r"http://([^:/]+):(\d+)/", address)
    assert matched is not None
    return [Tablet(matched[1], int(matched[2])) for _ in range(count)]


def _result(tally: Tally, tablets: list[Tablet]) -> dict[str, Any]:
    for tablet in tablets:
        tablet.close()
    paths = sorted({path for tablet in tablets for path in tablet.kept})
    return {"waits": tally.waits, "failures": tally.failures, "paths": paths}


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


def bare_draw_s(path: Path, page: int) -> float:
    """Seconds that PyMuPDF takes to draw a page at the tablets' size and nothing else: the best of three, the file open."""
    width_px, height_px = map(int, VIEW.split("x"))
    with pymupdf.open(path) as document:
        times = []
        for _ in range(3):
            started_s = time.perf_counter()
            drawn = document[page - 1]
            scale = min(width_px / drawn.rect.width, height_px / drawn.rect.height)
            drawn.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False)
            times.append(time.perf_counter() - started_s)
        return min(times)


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
