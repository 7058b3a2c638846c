"""What do long documents cost: opening, a jump to the end, previews, the manifest, memory?

    python -m benchmarks long_documents [--pages N …] [--kinds NAME …] [--json FILE] [--html FILE] [--quick]

The documents are made here and their pages are light, so that what is measured grows with the number of pages alone: PDFs
whose page tree is one node (flat) or has ten kids in each node (tree), comics and TIFFs. Each document is opened in two
processes with one cache folder. The second one remembers it, and asks for other pages. Then a server serves it.

What the numbers do not say: what real pages cost, which take longer than these; and each figure is measured once, so that a
difference of a few milliseconds is none.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import multiprocessing
import struct
import sys
import tempfile
import time
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import results
from benchmarks.meeting.serving import server_process
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import table

PAGES = (600, 2_400, 10_000, 100_000)
QUICK_PAGES = (300,)
MOST_IMAGES = 10_000
"""Pages of the longest comic and TIFF."""
FIT_PX = (1620, 2160)
LATER_S = 2.0
"""Until the memory is looked at: what goes on in the background goes on."""
QUICK_LATER_S = 0.1
QUICK_KINDS = ("tree pdf", "cbz")
LISTED_S = 300.0
PER_NODE = 10
PACKED = 100
"""Objects in an object stream."""
DESCRIPTIONS = ("runs", "manifest", "pages")
COLUMNS = {
    "open_ms": "opened",
    "first_ms": "page 1",
    "last_ms": "last page",
    "middle_ms": "in the middle",
    "preview_ms": "preview there",
    "turn_ms": "reader's jump",
    "host_mib": "host, MiB",
    "worker_mib": "worker, MiB",
}


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks long_documents", description=__doc__.split("\n\n")[0])
    parser.add_argument("--pages", type=int, nargs="+", help=f"numbers of pages (default {' '.join(map(str, PAGES))})")
    parser.add_argument("--kinds", nargs="+", choices=MAKERS, default=list(MAKERS), help="(default: all)")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="two documents of 300 pages, and memory is looked at early")
    chosen = parser.parse_args(arguments)
    begun = begin(chosen, "pymupdf", "pillow")
    measured: list[dict[str, Any]] = []
    for pages in chosen.pages or (QUICK_PAGES if chosen.quick else PAGES):
        for kind in QUICK_KINDS if chosen.quick else chosen.kinds:
            if pages > MOST_IMAGES and kind in ("cbz", "tiff"):
                continue
            print(f"\r{kind}, {pages} pages          ", end="", file=sys.stderr)
            measured.append({"kind": kind, "pages": pages, **measure(kind, pages, QUICK_LATER_S if chosen.quick else LATER_S)})
    print(file=sys.stderr)
    report(measured)
    begun.finish(series_of(measured), measured)


def measure(kind: str, pages: int, later_s: float) -> dict[str, Any]:
    """All figures of one document."""
    with tempfile.TemporaryDirectory(prefix="sidebooks-long-") as folder:
        path = Path(folder, f"long.{kind.rpartition(' ')[2]}")
        path.write_bytes(MAKERS[kind](pages))
        context = multiprocessing.get_context("spawn")
        found: dict[str, Any] = {"size_bytes": path.stat().st_size}
        for turn, name in enumerate(("first", "remembered")):
            with context.Pool(1) as pool:
                found[name] = pool.apply(opening, (str(path), str(Path(folder, "cache")), turn, later_s))
        found["served"] = serving(path, str(Path(folder, "served")))
    return found


def opening(path: str, cache_dir: str, turn: int, later_s: float) -> dict[str, float]:
    """Milliseconds until a document is open, and until pages of it are there; MiB of this process and of the largest worker.

    turn: each asks for other pages. later_s: when memory is looked at, after the last of them.
    """
    import sidebooks_core as sb

    found: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        started_s = time.perf_counter()
        result = work()
        found[name] = (time.perf_counter() - started_s) * 1000
        return result

    with sb.TileService(sb.Settings(cache_dir=cache_dir)) as service:
        service.page_image(service.open(flat_pdf(2 + turn)), 0, fit_px=FIT_PX)  # the workers have started
        document = timed("open_ms", lambda: service.open(path))
        last = document.page_count - 1 - turn
        timed("first_ms", lambda: service.page_image(document, turn, fit_px=FIT_PX))
        timed("last_ms", lambda: service.page_image(document, last, fit_px=FIT_PX))
        timed("middle_ms", lambda: service.page_image(document, last // 2 - turn, fit_px=FIT_PX))
        timed("preview_ms", lambda: service.tile(document, last // 3 - turn, 0, 0, 0))
        with service.reader(document, FIT_PX) as reader:

            def jump() -> None:
                reader.turn_to(last * 2 // 3 - 10 * turn)
                reader.wait_sharp(timeout_s=60)

            timed("turn_ms", jump)
        time.sleep(later_s)
        found["host_mib"] = peak_mib("self")
        found["worker_mib"] = max(map(peak_mib, service.worker_process_ids()))
    return found


def serving(path: Path, cache_dir: str) -> dict[str, float]:
    """Milliseconds and bytes of the descriptions of all pages over HTTP, of asking for each again, and the server's peak in MiB
    so far.
    """
    found: dict[str, float] = {}
    with server_process([path], cache_dir) as (address, process_id):

        def get(name: str, where: str) -> bytes:
            started_s = time.perf_counter()
            request = urllib.request.Request(address + where, headers={"Accept-Encoding": "gzip"})
            with urllib.request.urlopen(request, timeout=300) as answer:
                body: bytes = answer.read()
                found[f"{name}_bytes"] = len(body)
                found[f"{name}_ms"] = (time.perf_counter() - started_s) * 1000
                return gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body

        until_s = time.monotonic() + LISTED_S
        while not (listed := json.loads(get("list", "documents"))["documents"]):  # it opens documents after it has begun
            if time.monotonic() > until_s:
                raise RuntimeError("the server does not list the document")
            time.sleep(0.1)
        document = listed[0]["id"]
        for name, where in (
            ("runs", f"documents/{document}/runs.json"),
            ("manifest", f"presentation/3/{document}/manifest.json"),
            ("pages", f"documents/{document}/pages.json"),
        ):
            found[f"{name}_plain_bytes"] = len(get(name, where))
            get(f"{name}_again", where)
            found[f"{name}_server_mib"] = peak_mib(process_id)
    return found


def peak_mib(process: int | str) -> float:
    """The most memory that a process had at a time, in MiB. Linux only."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def flat_pdf(pages: int) -> bytes:
    """A PDF whose page tree is one node, with objects one by one."""
    return _pdf(pages, pages, is_packed=False)


def tree_pdf(pages: int) -> bytes:
    """A PDF with PER_NODE kids in each node, with objects packed into streams."""
    return _pdf(pages, PER_NODE, is_packed=True)


def _pdf(pages: int, per_node: int, *, is_packed: bool) -> bytes:
    objects, streams = _objects(pages, per_node)
    file = io.BytesIO()
    file.write(b"%PDF-1.7\n")
    size = max(*objects, *streams) + 1
    entries = [(0, 0, 0)] * size
    """Of the table: kind, place and number, as in a cross-reference stream."""

    def write(number: int, body: bytes) -> None:
        entries[number] = (1, file.tell(), 0)
        file.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))

    def stream(entries: bytes, data: bytes) -> bytes:
        return b"<<%s/Length %d>>stream\n%s\nendstream" % (entries, len(data), data)

    for number, data in streams.items():
        write(number, stream(b"", data))
    if not is_packed:
        for number, body in objects.items():
            write(number, body)
        start = file.tell()
        lines = b"".join(b"%010d 00000 %s \n" % (place, b"n" if kind else b"f") for kind, place, _ in entries)
        file.write(b"xref\n0 %d\n%strailer\n<</Size %d/Root 1 0 R>>\n" % (size, lines, size))
    else:
        numbers = list(objects)
        for first in range(0, len(numbers), PACKED):
            some = numbers[first : first + PACKED]
            head, body = b"", b""
            for place, number in enumerate(some):
                head += b"%d %d " % (number, len(body))
                body += objects[number] + b" "
                entries[number] = (2, len(entries), place)
            entries.append((0, 0, 0))
            packed = b"/Type/ObjStm/N %d/First %d/Filter/FlateDecode" % (len(some), len(head))
            write(len(entries) - 1, stream(packed, zlib.compress(head + body)))
        start = file.tell()
        entries.append((1, start, 0))
        rows = zlib.compress(b"".join(struct.pack(">BIH", *entry) for entry in entries))
        described = b"/Type/XRef/Size %d/W[1 4 2]/Root 1 0 R/Filter/FlateDecode" % len(entries)
        file.write(b"%d 0 obj\n%s\nendobj\n" % (len(entries) - 1, stream(described, rows)))
    file.write(b"startxref\n%d\n%%%%EOF\n" % start)
    return file.getvalue()


def _objects(pages: int, per_node: int) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """The objects of a PDF without streams, and the contents of its streams, by the numbers of the objects."""
    catalog, root, font, following = 1, 2, 3, 4
    parents: dict[int, int] = {}
    level = [(following + 2 * page, 1) for page in range(pages)]
    """Nodes without a parent, and how many pages each has."""
    leaves = [number for number, _ in level]
    following += 2 * pages
    nodes: list[tuple[int, int, list[int]]] = []
    while len(level) > per_node:
        above = []
        for start in range(0, len(level), per_node):
            some = level[start : start + per_node]
            parents.update((number, following) for number, _ in some)
            above.append((following, sum(count for _, count in some)))
            nodes.append((*above[-1], [number for number, _ in some]))
            following += 1
        level = above
    parents.update((number, root) for number, _ in level)
    objects = {
        catalog: b"<</Type/Catalog/Pages %d 0 R>>" % root,
        root: b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, _references([number for number, _ in level])),
        font: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    }
    for number, count, kids in nodes:
        objects[number] = b"<</Type/Pages/Parent %d 0 R/Count %d/Kids[%s]>>" % (parents[number], count, _references(kids))
    streams = {}
    for page, number in enumerate(leaves):
        resources = b"/Resources<</Font<</F1 %d 0 R>>>>/Contents %d 0 R" % (font, number + 1)
        objects[number] = b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 595 842]%s>>" % (parents[number], resources)
        streams[number + 1] = b"BT /F1 24 Tf 72 700 Td (page %d) Tj ET" % (page + 1)
    return objects, streams


def _references(numbers: list[int]) -> bytes:
    return b" ".join(b"%d 0 R" % number for number in numbers)


def comic(pages: int) -> bytes:
    """A comic of small pages, no two alike."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for page in range(pages):
            shown = io.BytesIO()
            Image.new("RGB", (48, 64), (page % 256, page // 256 % 256, 128)).save(shown, "PNG")
            archive.writestr(f"{page + 1:06}.png", shown.getvalue())
    return file.getvalue()


def tiff(pages: int) -> bytes:
    """A TIFF of small pages, one byte for a pixel, no two alike."""
    width, height = 48, 64
    parts = [struct.pack("<2sHI", b"II", 42, 8)]
    place = 8
    tags = 9
    length = 2 + 12 * tags + 4
    for page in range(pages):
        pixels = struct.pack("<I", page) + bytes(255 - page % 200 for _ in range(1)) * (width * height - 4)
        rows = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, place + length), (277, 1), (278, height))
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in (*rows, (279, len(pixels))))
        after = place + length + len(pixels)
        parts.append(struct.pack("<H", tags) + entries + struct.pack("<I", after if page + 1 < pages else 0) + pixels)
        place = after
    return b"".join(parts)


MAKERS: dict[str, Callable[[int], bytes]] = {"flat pdf": flat_pdf, "tree pdf": tree_pdf, "cbz": comic, "tiff": tiff}


def report(measured: list[dict[str, Any]]) -> None:
    """Milliseconds, and MiB."""
    rows = [
        [f"{one['pages']:,} {one['kind']}", name, *(f"{one[name][column]:.0f}" for column in COLUMNS)]
        for one in measured
        for name in ("first", "remembered")
    ]
    print("Milliseconds until it is there, and peaks of memory:\n")
    print(table(["document", "", *COLUMNS.values()], rows))
    print("\nOver HTTP:\n")
    headers = ["document", "", "ms", "again, ms", "MB", "MB plain", "server, MiB"]
    print(
        table(
            headers,
            [
                [f"{one['pages']:,} {one['kind']}", name, *_served_cells(one["served"], name)]
                for one in measured
                for name in DESCRIPTIONS
            ],
        )
    )


def series_of(measured: list[dict[str, Any]]) -> list[Series]:
    """A group for each column, and one for each answer over HTTP: single figures."""
    found: list[Series] = []
    documents = {f"{one['pages']:,} pages, {one['kind']}": one for one in measured}
    for key, title in COLUMNS.items():
        group, _, unit = title.partition(", ")
        for what, one in documents.items():
            for name in ("first", "remembered"):
                found += results.measured(group.capitalize(), f"{what}, {name}", unit or "ms", [one[name][key]])
    for name in DESCRIPTIONS:
        for what, one in documents.items():
            found += results.measured(f"Over HTTP: {name}", what, "ms", [one["served"][f"{name}_ms"]])
    return found


def _served_cells(found: dict[str, float], name: str) -> list[str]:
    sizes = (found[f"{name}_bytes"], found[f"{name}_plain_bytes"])
    times = (found[f"{name}_ms"], found[f"{name}_again_ms"])
    megabytes = (f"{size / 1e6:.4f}" for size in sizes)
    return [*(f"{one:.0f}" for one in times), *megabytes, f"{found[f'{name}_server_mib']:.0f}"]


if __name__ == "__main__":
    main()
