"""How long do a warm and a cold page take beside 8, 16 and 64 searches of a long document?

python -m benchmarks attack [--document PATH] [--json FILE] [--html FILE] [--quick]

What the numbers do not say: how it is with other documents and other questions; the searches are for what is nowhere, so that
each goes through the whole document. Server, searches and the one who measures share the processors.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import corpus, results
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

SEARCHES = (8, 16, 64)
LIMITS = {"warm": 1.5, "cold": 150.0}
"""warm: the 99th percentile beside searches as a multiple of that alone. cold: 99th percentile, in ms, of what a page takes
longer than the same page alone."""
WARM_REQUESTS = 18_000
COLD_PAGES = 60
WIDTH_PX = 900
HEIGHT_PX = 1200


class Connection:
    """Kept alive, as a browser's is."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=600)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path: str) -> bytes:
        """The body. Raises OSError for anything but 200."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._read()
        head, _, body = data.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head)
        if not head.startswith(b"HTTP/1.1 200") or found is None:
            raise OSError(head.split(b"\r\n")[0].decode())
        parts = [body]
        missing = int(found[1]) - len(body)
        while missing:
            parts.append(self._read())
            missing -= len(parts[-1])
        return b"".join(parts)

    def timed(self, path: str) -> float:
        """Seconds."""
        started_s = time.perf_counter()
        self.get(path)
        return time.perf_counter() - started_s

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> bytes:
        piece = self._socket.recv(1 << 20)
        if not piece:
            raise OSError("the server ended the connection")
        return piece


def main(arguments: list[str] | None = None) -> None:
    """Measure and print. Exit status 1 if a bound is missed (not with --quick)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks attack", description=__doc__.split("\n\n")[0])
    parser.add_argument("--document", type=Path, default=corpus.DEFAULT / "book" / "refman.pdf", help="a long one")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="few requests beside 8 searches")
    chosen = parser.parse_args(arguments)
    if not chosen.document.is_file():
        parser.error(f"no document at {chosen.document}: give --document FILE, a long PDF that can be searched")
    warm_requests, cold_pages = (300, 6) if chosen.quick else (WARM_REQUESTS, COLD_PAGES)
    begun = begin(chosen, "uvicorn", "httptools")
    measured: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, serving(chosen.document, Path(folder)) as port:
        for number, count in enumerate(SEARCHES[:1] if chosen.quick else SEARCHES):
            connection = Connection(port)
            while not (listed := re.findall(r'"id":"([^"]+)"', connection.get("/documents").decode())):
                time.sleep(0.05)  # it answers before a document that takes long to open is there
            document = listed[0]
            base = f"/documents/{document}/pages"
            warm = f"{base}/1/{WIDTH_PX}x{HEIGHT_PX}"
            pages = [1 + 37 * page for page in range(cold_pages)]
            connection.get(warm)
            for page in pages:  # known, so that neither kind of round has to find out what is on them
                connection.get(f"{base}/{page}/preview")
            found: dict[str, list[float]] = {}
            # In many rounds: what else the machine does for a second meets both kinds.
            rounds = 2 if chosen.quick else 12
            for turn in range(rounds):
                some = pages[turn::rounds]
                for kind, searches in (("alone", 0), ("beside", count)):
                    with searching(port, document, searches, f"{number}-{turn}"):
                        found.setdefault(f"warm {kind}", []).extend(
                            connection.timed(warm) for _ in range(warm_requests // rounds)
                        )
                        # Another width is another image, of the same work.
                        width_px = WIDTH_PX - 20 * number - 10 * (kind == "alone") - 1
                        found.setdefault(f"cold {kind}", []).extend(
                            connection.timed(f"{base}/{page}/{width_px}x{HEIGHT_PX}") for page in some
                        )
            connection.close()
            measured.append({"searches": count, "waits_s": found})
    print_found(measured)
    missed = [
        f"{kind} beside {one['searches']}" for one in measured for kind, over in excesses(one).items() if over > LIMITS[kind]
    ]
    begun.finish(series_of(measured), measured)
    if missed and not chosen.quick:
        sys.exit(f"over the bound: {', '.join(missed)}")


def excesses(one: dict[str, Any]) -> dict[str, float]:
    """What LIMITS bounds."""
    waits = one["waits_s"]
    more_ms = [(beside - alone) * 1000 for alone, beside in zip(waits["cold alone"], waits["cold beside"], strict=True)]
    return {
        "warm": Percentiles.of(waits["warm beside"]).p99 / Percentiles.of(waits["warm alone"]).p99,
        "cold": Percentiles.of(more_ms).p99,
    }


def series_of(measured: list[dict[str, Any]]) -> list[Series]:
    """A group for each number of searches."""
    found: list[Series] = []
    for one in measured:
        for kind, waits in one["waits_s"].items():
            page, where = kind.split()
            found += results.measured(
                f"A {page} page, {one['searches']} searches", where, "ms", (wait * 1000 for wait in waits)
            )
    return found


def print_found(measured: list[dict[str, Any]]) -> None:
    rows = []
    for one in measured:
        for kind, waits in one["waits_s"].items():
            found = Percentiles.of(wait * 1000 for wait in waits)
            rows.append([f"{one['searches']} searches", kind, str(found.count), *found.cells(".2f")])
    print(table(["beside", "page, in ms", "requests", *HEADERS], rows))
    for one in measured:
        over = excesses(one)
        print(
            f"{one['searches']} searches: warm p99 {over['warm']:.2f} times that alone (bound {LIMITS['warm']}), "
            f"cold p99 {over['cold']:.0f} ms more than alone (bound {LIMITS['cold']:.0f})"
        )


@contextmanager
def serving(path: Path, cache_dir: Path) -> Iterator[int]:
    """The port of a server of one document."""
    command = [sys.executable, "-m", "sidebooks_core", "serve", str(path), "--port", "0", "--no-browser"]
    with subprocess.Popen([*command, "--cache-dir", str(cache_dir)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        matched = re.search(r":(\d+)/", process.stdout.readline())
        if matched is None:
            raise OSError("the server does not start")
        try:
            yield int(matched[1])
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def searching(port: int, document: str, count: int, name: str) -> Iterator[None]:
    """So many searches go on meanwhile, from another process; then all of them leave."""
    if not count:
        yield
        return
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    process = context.Process(target=search, args=(port, document, count, name, begun), daemon=True)
    process.start()
    begun.wait(60)
    time.sleep(0.5)
    try:
        yield
    finally:
        process.terminate()
        process.join(60)
        time.sleep(0.5)


def search(port: int, document: str, count: int, name: str, begun: Any) -> None:
    """Ask for what is nowhere, and wait."""
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for number, one in enumerate(held):
        path = f"/documents/{document}/search/nowhere-{name}-{number}"
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    begun.set()
    time.sleep(3600)


if __name__ == "__main__":
    main()
