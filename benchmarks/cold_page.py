"""How long does a page take that nobody has drawn, beside PyMuPDF, pypdfium2 and pdf2image?

    python -m benchmarks cold_page [--documents PATH] [--pages N] [--json FILE] [--html FILE] [--quick]

Each method is one process that goes through all documents, as a server does, and has a document open before its first request.
For ours nothing else is prepared: no page is identified, and the clock starts with the call of an application. The methods take
turns page by page, so that they share whatever else the machine does. Ours draws in worker processes and its time includes the
way there and back; it is measured by the library with and without the disk cache, and over HTTP with it. The pages lie anywhere
in a document. They are drawn with a long side of 2048 pixels.

What the numbers do not say: what happens when many ask at once, and what the images look like: JPEG and lossy WebP are smaller
and worse than what we send of a page of text. One page at a time is asked for, so that a second worker has nothing to do.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks import corpus, results
from benchmarks.meeting.serving import served
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

LONG_SIDE_PX = 2048
FIT_PX = (LONG_SIDE_PX, LONG_SIDE_PX)
QUALITY = 85
PAGE_LIMIT_S = 60.0
METHODS = ("ours", "memory", "http", "draw", "jpeg", "webp", "pdfium", "poppler")
OURS = METHODS[:3]
LABELS = {
    "ours": "sidebooks_core",
    "memory": "sidebooks_core without a disk cache",
    "http": "sidebooks_core over HTTP",
    "draw": "(a) PyMuPDF, draws only",
    "jpeg": "(b) PyMuPDF + Pillow JPEG",
    "webp": "(c) PyMuPDF + Pillow WebP",
    "pdfium": "(d) pypdfium2 + Pillow JPEG",
    "poppler": "(e) pdf2image, JPEG",
}
BOUND_DRAW, BOUND_JPEG, BOUND_P95_MS = 1.2, 0.8, 5.0
"""Of the median: the median of (a) and of (b), times this. Of the 95th percentile: that of (a), and so much more."""
Draw = Callable[[int], int]
"""Draws a page (from 0); bytes of the result, 0 where nothing is encoded."""
Opener = Callable[[str, str | None], tuple[int, Draw]]
"""Opens a document by its path and its password: the number of its pages, and what draws them."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks cold_page", description=__doc__.split("\n\n")[0])
    parser.add_argument("--documents", type=Path, help="folder or file (default: the corpus)")
    parser.add_argument("--pages", type=int, default=4, help="most pages of each document (default 4)")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="one page of a few documents")
    chosen = parser.parse_args(arguments)
    begun = begin(chosen, "pymupdf", "pillow", "pypdfium2", "pdf2image")
    with corpus.needed_by(parser):
        found = corpus.documents(chosen.documents, is_quick=chosen.quick)
    pdfs = [one for one in found if one.path.suffix == ".pdf"]
    if chosen.quick:
        pdfs = list({one.kind: one for one in pdfs}.values())[::3]
    measured: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="sidebooks-cold-") as folder:
        methods = [Method(name, folder) for name in METHODS]
        for document in pdfs:
            measured += measure(document, methods, 1 if chosen.quick else chosen.pages)
            print(f"\r{len(measured)} pages, {document.path.name:40.40}", end="", file=sys.stderr)
        for method in methods:
            method.close()
    print(file=sys.stderr)
    report(measured)
    begun.finish(series_of(measured))


class Method:
    """A process that draws pages in one way."""

    def __init__(self, name: str, folder: str) -> None:
        """folder: for caches."""
        self.name = name
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_child, args=(name, folder, there), daemon=False)
        self._process.start()
        there.close()

    def open(self, document: corpus.Document) -> int:
        """The number of its pages; 0: it cannot be opened. Only the last one that was opened is open."""
        return self._ask((str(document.path), document.password)) or 0

    def draw(self, page: int) -> tuple[float, int] | None:
        """Seconds and bytes. None: it cannot be drawn."""
        found: tuple[float, int] | None = self._ask(page)
        return found

    def close(self) -> None:
        self._here.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()

    def _ask(self, what: object) -> Any:
        try:
            self._here.send(what)
            return self._here.recv() if self._here.poll(PAGE_LIMIT_S) else None
        except (EOFError, OSError):
            return None


def measure(document: corpus.Document, methods: Sequence[Method], most_pages: int) -> list[dict[str, Any]]:
    """Seconds and bytes by method, for some pages. Methods that cannot do a page have None."""
    counts = {method.name: method.open(document) for method in methods}
    rows: list[dict[str, Any]] = []
    for turn, page in enumerate(corpus.some_pages(counts["draw"], most_pages)):
        row: dict[str, Any] = {"document": document.path.name, "kind": document.kind, "page": page}
        for step in range(len(methods)):
            method = methods[(turn + step) % len(methods)]
            answer = method.draw(page) if counts[method.name] else None
            row[method.name], row[f"{method.name}_bytes"] = answer or (None, None)
        rows.append(row)
    return rows


def _child(method: str, folder: str, there: Connection) -> None:
    """Opens a document whenever it is told a path, and draws a page whenever it is told a number."""
    with ExitStack() as stack:
        opener = stack.enter_context(_METHODS[method](folder))
        draw: Draw | None = None
        while True:
            try:
                told = there.recv()
            except EOFError:
                break
            try:
                if isinstance(told, tuple):
                    draw = None
                    page_count, draw = opener(*told)
                    there.send(page_count)
                elif draw is not None:
                    started_s = time.perf_counter()
                    size = draw(told)
                    there.send((time.perf_counter() - started_s, size))
            except Exception as error:  # noqa: BLE001 - a peer that cannot do something is reported as such, the others go on
                print(f"{LABELS[method]}, {told}: {error}", file=sys.stderr)
                there.send(None)


@contextmanager
def _ours(folder: str, *, has_disk: bool = True) -> Iterator[Opener]:
    import sidebooks_core as sb

    cache_dir = Path(folder, "cache") if has_disk else None
    with sb.TileService(sb.Settings(cache_dir=cache_dir)) as service:

        def opened(path: str, password: str | None) -> tuple[int, Draw]:
            document = service.open(path, password)
            return document.page_count, lambda page: len(service.page_image(document, page, fit_px=FIT_PX).data)

        yield opened


@contextmanager
def _http(folder: str) -> Iterator[Opener]:
    """One server for all documents, each of which is opened when its turn comes."""
    watched = Path(folder, "watched")
    watched.mkdir()
    with served([watched], str(Path(folder, "served"))) as address:
        host, port = address.removeprefix("http://").rstrip("/").split(":")
        connection = http.client.HTTPConnection(host, int(port))

        def asked(path: str) -> http.client.HTTPResponse:
            connection.request("GET", path)
            return connection.getresponse()

        def get(path: str) -> bytes:
            try:
                answer = asked(path)
            except http.client.RemoteDisconnected:  # the server closes a connection that nobody used for a while
                answer = asked(path)
            body = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{path}: {answer.status}")
            return body

        def opened(path: str, password: str | None) -> tuple[int, Draw]:
            if password:
                raise RuntimeError("a served folder has no passwords")
            name = f"{time.time_ns()}-{Path(path).name}"
            shutil.copy(path, watched / name)
            until_s = time.monotonic() + PAGE_LIMIT_S
            while True:
                listed = json.loads(get("/documents"))["documents"]
                found = next((one for one in listed if one["name"] == name), None)
                if found is not None:
                    break
                if time.monotonic() > until_s:
                    raise RuntimeError("the server does not list it")
                time.sleep(0.02)
            side_px = FIT_PX[0]
            return int(found["page_count"]), lambda page: len(
                get(f"/documents/{found['id']}/pages/{page + 1}/{side_px}x{side_px}")
            )

        yield opened


def _pymupdf(image_format: str | None) -> Callable[[str], AbstractContextManager[Opener]]:
    @contextmanager
    def method(_: str) -> Iterator[Opener]:
        import pymupdf
        from PIL import Image

        Image.preinit()
        pymupdf.TOOLS.mupdf_display_errors(False)

        def opened(path: str, password: str | None) -> tuple[int, Draw]:
            document = pymupdf.open(path)
            if document.needs_pass:
                document.authenticate(password or "")

            def draw(index: int) -> int:
                page = document[index]
                scale = LONG_SIDE_PX / max(page.rect.width, page.rect.height)
                pixmap = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False)
                if image_format is None:
                    return 0
                image = Image.frombuffer("RGB", (pixmap.width, pixmap.height), pixmap.samples_mv, "raw", "RGB", 0, 1)
                return _encoded(image, image_format)

            return document.page_count, draw

        yield opened

    return method


@contextmanager
def _pdfium(_: str) -> Iterator[Opener]:
    import pypdfium2

    def opened(path: str, password: str | None) -> tuple[int, Draw]:
        document = pypdfium2.PdfDocument(path, password=password)

        def draw(index: int) -> int:
            page = document[index]
            scale = LONG_SIDE_PX / max(page.get_size())
            return _encoded(page.render(scale=scale, rev_byteorder=True).to_pil(), "JPEG")

        return len(document), draw

    yield opened


@contextmanager
def _poppler(_: str) -> Iterator[Opener]:
    from pdf2image import convert_from_path, pdfinfo_from_path

    def opened(path: str, password: str | None) -> tuple[int, Draw]:
        info = pdfinfo_from_path(path, userpw=password or "")

        def draw(index: int) -> int:
            # Its documentation: fmt="jpeg" for speed, and only the pages one needs.
            images = convert_from_path(
                path, first_page=index + 1, last_page=index + 1, size=LONG_SIDE_PX, fmt="jpeg", userpw=password or ""
            )
            images[0].load()
            return 0  # it hands out pixels: what poppler wrote is gone

        return int(info["Pages"]), draw

    yield opened


_METHODS: dict[str, Callable[[str], AbstractContextManager[Opener]]] = {
    "ours": _ours,
    "memory": partial(_ours, has_disk=False),
    "http": _http,
    "draw": _pymupdf(None),
    "jpeg": _pymupdf("JPEG"),
    "webp": _pymupdf("WEBP"),
    "pdfium": _pdfium,
    "poppler": _poppler,
}


def _encoded(image: Any, image_format: str) -> int:
    packed = io.BytesIO()
    image.convert("RGB").save(packed, image_format, quality=QUALITY)
    return packed.tell()


def report(measured: list[dict[str, Any]]) -> None:
    """Times, ours as a share of each other's, page by page, and the bounds."""
    drawn = {name: [row for row in measured if row[name] is not None] for name in METHODS}
    print(f"{len(measured)} pages, {len(drawn['ours'])} of them drawn by us\n")
    times = [
        [LABELS[name], "ms", *Percentiles.of(row[name] * 1000 for row in rows).cells(".1f")]
        for name, rows in drawn.items()
        if rows
    ]
    ratios = [
        [LABELS[name], "ours / it", *Percentiles.of(row["ours"] / row[name] for row in both).cells(".2f")]
        for name in METHODS[len(OURS) :]
        if (both := [row for row in drawn["ours"] if row[name] is not None])
    ]
    print(table(["method", "", *HEADERS], [*times, *ratios]))
    by_kind = [
        [kind, "ours / (a)", *Percentiles.of(row["ours"] / row["draw"] for row in rows).cells(".2f")]
        for kind in sorted({row["kind"] for row in drawn["ours"]})
        if (rows := [row for row in drawn["ours"] if row["kind"] == kind and row["draw"] is not None])
    ]
    print()
    print(table(["kind of document", "", *HEADERS], by_kind))
    print()
    for name in OURS:
        rows = [row for row in drawn[name] if row["draw"] is not None and row["jpeg"] is not None]
        if rows:
            print(judged(LABELS[name], *(Percentiles.of(row[one] * 1000 for row in rows) for one in (name, "draw", "jpeg"))))


def series_of(measured: list[dict[str, Any]]) -> list[Series]:
    """Times, and bytes of those that hand bytes out."""
    found: list[Series] = []
    for group, unit, suffix, factor in (("From request to bytes", "ms", "", 1e3), ("The image", "kB", "_bytes", 1e-3)):
        for name in METHODS:
            rows = [row for row in measured if row[name + suffix]]
            labels = [f"{row['kind']}/{row['document']} {row['page'] + 1}" for row in rows]
            found += results.measured(group, LABELS[name], unit, (row[name + suffix] * factor for row in rows), labels=labels)
    return found


def judged(label: str, ours: Percentiles, draw: Percentiles, jpeg: Percentiles) -> str:
    """A line about the bounds. In milliseconds, of the same pages."""
    return (
        f"{label}: median {ours.median / draw.median:.2f} of (a) (the bound is {BOUND_DRAW}), "
        f"{ours.median / jpeg.median:.2f} of (b) (the bound is {BOUND_JPEG}); "
        f"p95 {ours.p95 - draw.p95:+.1f} ms beyond (a) (the bound is {BOUND_P95_MS:+.0f})"
    )


if __name__ == "__main__":
    main()
