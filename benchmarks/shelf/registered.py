"""How long from the upload of a paper until its first page is on a hundred tablets?

    python -m benchmarks shelf.registered [--tablets N] [--papers N] [--documents PATH] [--json FILE] [--quick]

The clock starts with the first byte of the upload, and stops for each tablet when the first page, as large as its screen, is
there whole. Each tablet listens to the server's stream of events, as the viewer does, and tells its screen. It asks for the
first page of the paper that it is told of, and then for what the paper is. A second row has the same with a line of
1.6 Mbit/s and 150 ms there and back for each tablet: a relay holds every byte back as such a line would. A third row has
tablets that tell no screen, and ask for each paper in another size: nothing is drawn ahead for them. Each paper is a long
document of the corpus with another first page, so that nothing of it has been seen. What a tablet takes to decode the image is
measured by itself, and told.

What the numbers do not say: how long the server alone takes. Server, tablets and relays share the processors.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import re
import tempfile
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pymupdf
from PIL import Image

from benchmarks import corpus, results
from benchmarks.meeting.serving import in_process, served
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

VIEW = "1200x1920"
LEAST_PAGES = 300
COUNCIL = "議会"
"""A document with this in its name is a council's. If there is none, the longest of all is taken."""
BOUND_S = 1.0
SLOW_BOUND_S = 3.0
LINE_BYTES_S = 1.6e6 / 8
LINE_DELAY_S = 0.075
"""One way."""
PIECE_BYTES = 1460
PAUSE_S = 3.0
PATIENCE_S = 60.0
LINES = (
    ("loopback", False, True, BOUND_S),
    ("1.6 Mbit/s, 150 ms", True, True, SLOW_BOUND_S),
    ("loopback, screens not told", False, False, BOUND_S),
)
"""Name, whether it is slow, whether the tablets tell their screens, and the bound."""


class Line:
    """A line of so many bytes a second and such a delay: a relay between one tablet and the server."""

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """The port to which the tablet connects."""
        relay = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=1 << 16)
        async with relay:
            yield relay.sockets[0].getsockname()[1]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection(*self._server, limit=1 << 16)
        await asyncio.gather(self._carry(reader, their_writer), self._carry(their_reader, writer), return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bytes come out `LINE_DELAY_S` after they went in, and no faster than the line."""
        free_s = 0.0
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)
        sending = asyncio.ensure_future(self._send(under_way, writer))
        try:
            while piece := await reader.read(PIECE_BYTES):
                now_s = time.perf_counter()
                free_s = max(free_s, now_s) + len(piece) / LINE_BYTES_S
                await under_way.put((free_s + LINE_DELAY_S, piece))
            await under_way.put((0.0, b""))
            await sending
        finally:
            sending.cancel()

    async def _send(self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due_s, piece = await under_way.get()
            if not piece:
                writer.close()
                return
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            writer.write(piece)
            await writer.drain()


class Tablet:
    """One client: a connection for the stream of events, and one for the rest."""

    def __init__(self, port: int, host: str, *, tells: bool = True) -> None:
        """tells: whether it tells its screen, which then stays the same."""
        self._port = port
        self._host = host
        self._tells = tells
        self.painted: dict[str, tuple[float, bytes]] = {}
        """By name of the paper: when its first page was there, and the image."""
        self._seen: set[str] = set()
        self._changed = asyncio.Event()

    async def run(self, ready: asyncio.Event) -> None:
        """Listen, and fetch the first page of each paper that is told of."""
        events = await self._connect()
        await self._ask(events[1], f"/events?view={VIEW}" if self._tells else "/events")
        await events[0].readuntil(b"\r\n\r\n")
        ready.set()
        async for told in self._told(events[0]):
            for change in told.get("changes", []):
                if change["kind"] == "paper" and change["document"]:
                    await self._fetch(change["paper"], change["document"])

    async def wait(self, name: str) -> None:
        """Until the page of a paper is there."""
        while name not in self.painted:
            self._changed.clear()
            await self._changed.wait()

    async def _fetch(self, paper_id: str, document_id: str) -> None:
        """The page, and then what the paper is. Over a new connection: one that nobody used for some seconds was closed."""
        if paper_id in self._seen:
            return
        self._seen.add(paper_id)
        asking = await self._connect()
        view = VIEW if self._tells else untold_view(document_id)
        image = await self._get(asking, f"/documents/{document_id}/pages/1/{view}")
        painted_s = time.time()
        paper = json.loads(await self._get(asking, f"/papers/{paper_id}"))
        self.painted[paper["name"]] = painted_s, image
        self._changed.set()
        asking[1].close()

    async def _told(self, reader: asyncio.StreamReader) -> AsyncIterator[Any]:
        """The values of the events `shelf`. The stream is chunked; a chunk is a piece of it."""
        text = ""
        while True:
            size = int(await reader.readline(), 16)
            text += (await reader.readexactly(size)).decode()
            await reader.readline()
            while "\n\n" in text:
                event, _, text = text.partition("\n\n")
                lines = dict(line.split(": ", 1) for line in event.splitlines() if ": " in line and not line.startswith(":"))
                if lines.get("event") == "shelf":
                    yield json.loads(lines["data"])

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)

    async def _ask(self, writer: asyncio.StreamWriter, path: str) -> None:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept-Encoding: identity\r\n\r\n".encode())
        await writer.drain()

    async def _get(self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: str) -> bytes:
        reader, writer = connection
        await self._ask(writer, path)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = re.search(r"content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        if not head.startswith("http/1.1 200"):
            raise RuntimeError(f"{path}: {head.splitlines()[0]}")
        return body


def untold_view(document_id: str) -> str:
    """A size near `VIEW`, another one for each document, and the same for all tablets."""
    width_px, height_px = map(int, VIEW.split("x"))
    less_px = 1 + zlib.crc32(document_id.encode()) % 199
    return f"{width_px - less_px}x{height_px - less_px}"


async def registered(address: str, files: list[str], count: int, is_slow: bool, tells: bool) -> dict[str, Any]:
    """Register papers one after the other, and tell when each tablet had each."""
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    async with AsyncExitStack() as lines:
        if is_slow:
            ports = [await lines.enter_async_context(Line(host, int(port)).open()) for _ in range(count)]
        else:
            ports = [int(port)] * count
        tablets = [Tablet(one, f"{host}:{port}", tells=tells) for one in ports]
        return await _measured(tablets, files, (host, int(port)))


async def _measured(tablets: list[Tablet], files: list[str], server: tuple[str, int]) -> dict[str, Any]:
    ready = [asyncio.Event() for _ in tablets]
    running = [asyncio.ensure_future(tablet.run(event)) for tablet, event in zip(tablets, ready, strict=True)]
    await asyncio.wait_for(asyncio.gather(*(event.wait() for event in ready)), PATIENCE_S)
    waits: list[float] = []
    images: list[int] = []
    decode_ms: list[float] = []
    for file in files:
        await asyncio.sleep(PAUSE_S)
        started_s = time.time()
        name = Path(file).stem
        upload = asyncio.ensure_future(_upload(*server, Path(file)))
        waiting = asyncio.ensure_future(_all_have(tablets, name))
        done, _ = await asyncio.wait([waiting, *running], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        await upload
        for one in running:
            if one.done():
                one.result()  # a tablet that failed says why
        if waiting not in done:
            raise RuntimeError(f"{name}: not everybody has it after {PATIENCE_S} s")
        waits += [tablet.painted[name][0] - started_s for tablet in tablets]
        image = tablets[0].painted[name][1]
        images.append(len(image))
        decode_ms.append(_decode_ms(image))
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return {"waits_s": waits, "image_bytes": images, "decode_ms": decode_ms}


async def _all_have(tablets: list[Tablet], name: str) -> None:
    await asyncio.gather(*(tablet.wait(name) for tablet in tablets))


async def _upload(host: str, port: int, file: Path) -> None:
    """The clerk's client: the whole file in one request."""
    body = file.read_bytes()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        f"POST /folders/top/papers?filename={file.name} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/pdf\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
    )
    writer.write(body)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    if not head.startswith(b"HTTP/1.1 201"):
        raise RuntimeError(head.decode("latin-1"))


def _decode_ms(image: bytes) -> float:
    started_s = time.perf_counter()
    Image.open(io.BytesIO(image)).load()
    return (time.perf_counter() - started_s) * 1000


def papers(path: Path, folder: Path, count: int) -> list[str]:
    """Copies of a document, each with another first page, and made as long as a budget book by its own pages."""
    made = []
    for number in range(count):
        with pymupdf.open(path) as document, pymupdf.open(path) as more:
            while document.page_count < LEAST_PAGES:
                document.insert_pdf(more, to_page=min(more.page_count, LEAST_PAGES - document.page_count) - 1)
            document[0].insert_text((72, 40), f"{path.stem} {number} {time.time_ns()}", fontsize=12)
            target = folder / f"paper-{time.time_ns()}.pdf"
            document.save(target)
            made.append(str(target))
    return made


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks shelf.registered", description=__doc__.split("\n\n")[0])
    parser.add_argument("--tablets", type=int, default=100)
    parser.add_argument("--papers", type=int, default=10, help="that are registered, on each kind of line")
    parser.add_argument("--documents", type=Path, help="a council's, or the longest, of these is taken (default: the corpus)")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="few tablets, one paper, made of the sample, two kinds of lines")
    chosen = parser.parse_args(arguments)
    count, many = (8, 1) if chosen.quick else (chosen.tablets, chosen.papers)
    begun = begin(chosen, "pymupdf", "uvicorn", tablets=str(count))
    root = corpus.SAMPLE if chosen.quick and chosen.documents is None else chosen.documents
    with corpus.needed_by(parser):
        every = corpus.documents(root)
    found = [one.path for one in every if one.path.suffix.lower() == ".pdf" and not one.password]
    book = max(found, key=lambda path: (COUNCIL in path.name, _page_count(path)))
    measured: dict[str, Any] = {}
    rows = []
    with tempfile.TemporaryDirectory(prefix="sidebooks-registered-") as folder:
        data, cache = Path(folder, "data"), Path(folder, "cache")
        with served([], str(cache), "--data", str(data)) as address:
            for name, is_slow, tells, bound_s in LINES[: 2 if chosen.quick else None]:
                files = papers(book, Path(folder), many)
                result = measured[name] = in_process(registered, address, files, count, is_slow, tells)
                waits = Percentiles.of(wait * 1000 for wait in result["waits_s"])
                decode_ms = max(result["decode_ms"])
                rows.append([name, str(len(result["waits_s"])), *waits.cells(), f"{decode_ms:.0f}", f"{bound_s * 1000:.0f}"])
    print(f"\n{book.name}, {max(LEAST_PAGES, _page_count(book))} pages: from the upload's first byte to the page\n")
    print(table(["line", "times", *[f"{one}, ms" for one in HEADERS], "then decoding, ms", "bound of p99, ms"], rows))
    begun.finish(series_of(measured))


def series_of(measured: dict[str, Any]) -> list[Series]:
    """A series for each kind of line."""
    return [
        one
        for group, unit, key, factor in (
            ("From the upload's first byte to the page", "ms", "waits_s", 1e3),
            ("Then decoding", "ms", "decode_ms", 1),
            ("The image", "kB", "image_bytes", 1e-3),
        )
        for name, found in measured.items()
        for one in results.measured(group, name, unit, (value * factor for value in found[key]))
    ]


def _page_count(path: Path) -> int:
    with pymupdf.open(path) as document:
        return int(document.page_count)


if __name__ == "__main__":
    main()
