"""Time from request to encoded bytes of a whole page nobody has drawn yet, beside what else one would use.

    python -m benchmarks.cold_page [--documents PATH] [--pages N] [--json FILE] [--quick]

Every method runs in a process of its own, fresh for each document, with the document open before the first request; the
methods take turns page by page, so that they share whatever else the machine does. Ours draws in worker processes and its time
includes the way there and back. Pages are drawn with a long side of 2048 pixels.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks import corpus
from benchmarks.reporting import HEADERS, Percentiles, machine, print_machine, table, write_json

LONG_SIDE_PX = 2048
QUALITY = 85
PAGE_LIMIT_S = 60.0
METHODS = ("ours", "draw", "jpeg", "webp", "pdfium", "poppler")
LABELS = {
    "ours": "sidebooks_core",
    "draw": "(a) PyMuPDF, draws only",
    "jpeg": "(b) PyMuPDF + Pillow JPEG",
    "webp": "(c) PyMuPDF + Pillow WebP",
    "pdfium": "(d) pypdfium2 + Pillow JPEG",
    "poppler": "(e) pdf2image, JPEG",
}
Draw = Callable[[int], int]
"""Draws a page (from 0); bytes of the result, 0 where nothing is encoded."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_page", description=__doc__.split("\n\n")[0])
    parser.add_argument("--documents", type=Path, help="folder or file (default: the corpus)")
    parser.add_argument("--pages", type=int, default=4, help="most pages of each document (default 4)")
    parser.add_argument("--json", type=Path, help="write every measurement there")
    parser.add_argument("--quick", action="store_true", help="one page of a few documents")
    chosen = parser.parse_args(arguments)
    described = machine("pymupdf", "pillow", "pypdfium2", "pdf2image")
    print_machine(described)
    pdfs = [one for one in corpus.documents(chosen.documents) if one.path.suffix == ".pdf"]
    if chosen.quick:
        pdfs = list({one.kind: one for one in pdfs}.values())
    measured: list[dict[str, Any]] = []
    for document in pdfs:
        measured += measure(document, 1 if chosen.quick else chosen.pages)
        print(f"\r{len(measured)} pages, {document.path.name:40.40}", end="", file=sys.stderr)
    print(file=sys.stderr)
    report(measured)
    if chosen.json:
        write_json(chosen.json, described, measured)


def measure(document: corpus.Document, most_pages: int) -> list[dict[str, Any]]:
    """Seconds and bytes by method, for some pages. Methods that cannot do a page have None."""
    context = multiprocessing.get_context("spawn")
    children: dict[str, tuple[Any, Connection]] = {}
    for method in METHODS:
        here, there = context.Pipe()
        process = context.Process(target=_child, args=(method, str(document.path), document.password, there), daemon=False)
        process.start()
        there.close()
        children[method] = (process, here)
    counts = {method: _receive(here) for method, (_, here) in children.items()}
    page_count = counts["draw"] or 0
    rows: list[dict[str, Any]] = []
    for turn, page in enumerate(corpus.some_pages(page_count, most_pages)):
        row: dict[str, Any] = {"document": document.path.name, "kind": document.kind, "page": page}
        for step in range(len(METHODS)):
            method = METHODS[(turn + step) % len(METHODS)]
            here = children[method][1]
            answer = None
            if counts[method]:
                here.send(page)
                answer = _receive(here)
            row[method], row[f"{method}_bytes"] = answer or (None, None)
        rows.append(row)
    for process, here in children.values():
        here.close()
        process.join(10)
        if process.is_alive():
            process.kill()
    return rows


def _receive(here: Connection) -> Any:
    try:
        return here.recv() if here.poll(PAGE_LIMIT_S) else None
    except EOFError:
        return None


def _child(method: str, path: str, password: str | None, there: Connection) -> None:
    try:
        page_count, draw, close = _OPENERS[method](path, password)
    except Exception as error:  # noqa: BLE001 - a peer that cannot open a document is reported as such, the others go on
        print(f"{LABELS[method]} does not open {Path(path).name}: {error}", file=sys.stderr)
        return
    there.send(page_count)
    while True:
        try:
            page = there.recv()
        except EOFError:
            break
        started_s = time.perf_counter()
        try:
            size = draw(page)
        except Exception as error:  # noqa: BLE001 - likewise for a page
            print(f"{LABELS[method]}, {Path(path).name}, page {page + 1}: {error}", file=sys.stderr)
            there.send(None)
            continue
        there.send((time.perf_counter() - started_s, size))
    close()


def _open_ours(path: str, password: str | None) -> tuple[int, Draw, Callable[[], None]]:
    import sidebooks_core as sb

    service = sb.TileService(sb.Settings(cache_dir=None))
    document = service.open(path, password)
    for page in document.pages:
        page.content_id  # noqa: B018 - identified before the clock starts

    def draw(page: int) -> int:
        info = document.pages[page]
        scale = LONG_SIDE_PX / max(info.width_pt, info.height_pt)
        return len(service.page_image(document, page, width_px=max(1, round(info.width_pt * scale))).data)

    return document.page_count, draw, service.close


def _pymupdf(image_format: str | None) -> Callable[[str, str | None], tuple[int, Draw, Callable[[], None]]]:
    def open_it(path: str, password: str | None) -> tuple[int, Draw, Callable[[], None]]:
        import pymupdf
        from PIL import Image

        Image.preinit()
        pymupdf.TOOLS.mupdf_display_errors(False)
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

        return document.page_count, draw, document.close

    return open_it


def _open_pdfium(path: str, password: str | None) -> tuple[int, Draw, Callable[[], None]]:
    import pypdfium2

    document = pypdfium2.PdfDocument(path, password=password)

    def draw(index: int) -> int:
        page = document[index]
        scale = LONG_SIDE_PX / max(page.get_size())
        return _encoded(page.render(scale=scale, rev_byteorder=True).to_pil(), "JPEG")

    return len(document), draw, document.close


def _open_poppler(path: str, password: str | None) -> tuple[int, Draw, Callable[[], None]]:
    from pdf2image import convert_from_path, pdfinfo_from_path

    info = pdfinfo_from_path(path, userpw=password or "")

    def draw(index: int) -> int:
        # Its documentation: fmt="jpeg" for speed, and only the pages one needs.
        images = convert_from_path(
            path, first_page=index + 1, last_page=index + 1, size=LONG_SIDE_PX, fmt="jpeg", userpw=password or ""
        )
        images[0].load()
        return 0  # it hands out pixels: what poppler wrote is gone

    return int(info["Pages"]), draw, lambda: None


_OPENERS = {
    "ours": _open_ours,
    "draw": _pymupdf(None),
    "jpeg": _pymupdf("JPEG"),
    "webp": _pymupdf("WEBP"),
    "pdfium": _open_pdfium,
    "poppler": _open_poppler,
}


def _encoded(image: Any, image_format: str) -> int:
    packed = io.BytesIO()
    image.convert("RGB").save(packed, image_format, quality=QUALITY)
    return packed.tell()


def report(measured: list[dict[str, Any]]) -> None:
    """Times, and ours as a share of each other's, page by page."""
    complete = [row for row in measured if row["ours"] is not None]
    print(f"{len(measured)} pages, {len(complete)} of them drawn by us\n")
    times = [
        [LABELS[method], "ms", *Percentiles.of(row[method] * 1000 for row in measured if row[method] is not None).cells(".1f")]
        for method in METHODS
    ]
    ratios = [
        [LABELS[m], "ours / it", *Percentiles.of(r["ours"] / r[m] for r in complete if r[m] is not None).cells(".2f")]
        for m in METHODS[1:]
    ]
    print(table(["method", "", *HEADERS], [*times, *ratios]))
    by_kind = [
        [kind, "ours / (a)", *Percentiles.of(row["ours"] / row["draw"] for row in complete if row["kind"] == kind).cells(".2f")]
        for kind in sorted({row["kind"] for row in complete})
    ]
    print()
    print(table(["kind of document", "", *HEADERS], by_kind))


if __name__ == "__main__":
    main()
