"""How long from a key to the page on the screen in a slow browser, beside pdf.js and OpenSeadragon?

    python -m benchmarks browser_turn [--documents PATH] [--throttle N…] [--turns N] [--openings N] [--json FILE] [--quick]

Three ways to turn, the same pages for each viewer, each run in a fresh browser on a fresh server with an empty cache:
  jump  to a page far away that nobody has seen: cold
  read  to the next page, a second after the page before was sharp
  back  through the pages just read: warm
And the first page of a thousand, over a simulated slow network.

What the numbers do not say: how fast a tablet is. The throttle slows a browser's main thread, not its other threads (pdf.js
parses and we decode there), nor the server, which shares this machine's processors. pdf.js needs no server that draws.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymupdf

from benchmarks import corpus, results
from benchmarks.browser_turn.serving import PeersMissing, fetch_packages, get_json, our_server, peers_server
from benchmarks.browser_turn.viewers import OPENSEADRAGON, PDFJS, VIEWERS, Viewer
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

SEED = 20261125
SCREEN = {"width": 810, "height": 1080}
PIXEL_RATIO = 2
"""Together an iPad of the seventh to ninth generation: 1620 x 2160 pixels."""
DWELL_S = 1.0
KINDS = ("text", "japanese", "scan", "slides", "vector", "book")
LONG_ENOUGH_PAGES = 20
NETWORK = {"offline": False, "latency": 150, "downloadThroughput": 1_600_000 / 8, "uploadThroughput": 1_600_000 / 8}
LONG_PAGES = 1000
SETTLED_S = 2.0
"""A server and a browser that were started this long ago no longer start."""
SHARP_TIMEOUT_MS = 60_000
BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks browser_turn", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=Path, help="folder or PDF (default: one long document of each kind of the corpus)")
    parser.add_argument(
        "--throttle", type=float, nargs="+", default=[1, 4, 6], help="times slower the main thread is made (default 1 4 6)"
    )
    parser.add_argument("--turns", type=int, default=10, help="turns of each of the three ways (default 10; 0: none)")
    parser.add_argument("--openings", type=int, default=10, help="openings of the first page (default 10)")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="the sample, no throttle, one turn each, a tenth of the pages")
    chosen = parser.parse_args(arguments)
    with corpus.needed_by(parser):
        documents = _documents(corpus.SAMPLE if chosen.quick and chosen.documents is None else chosen.documents)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is not installed: apt-get install chromium")
    throttles, turns = chosen.throttle, chosen.turns
    if chosen.quick:
        documents, throttles, turns, chosen.openings = documents[:1], [1.0], 1, 1
    peers = {"pdfjs": PDFJS, "openseadragon": OPENSEADRAGON}
    begun = begin(chosen, "pymupdf", "playwright", screen=f"{SCREEN['width']}x{SCREEN['height']}@{PIXEL_RATIO}", **peers)
    turned: list[dict[str, Any]] = []
    opened: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        try:
            fetch_packages(folder, [PDFJS, OPENSEADRAGON])
        except PeersMissing as error:
            sys.exit(f"nothing to compare with: {error}")
        for place, path in enumerate(documents):
            for throttle in throttles if turns else []:
                for viewer in VIEWERS[place % 3 :] + VIEWERS[: place % 3]:
                    print(f"\r{path.name:40.40} {throttle:g}x {viewer.name:20}", end="", file=sys.stderr)
                    turned += _turns(chromium, folder, viewer, path, throttle, turns)
        long = folder / "long.pdf"
        _write_long(max(documents, key=_page_count), long, LONG_PAGES // 10 if chosen.quick else LONG_PAGES)
        for _ in range(chosen.openings):
            for viewer in VIEWERS:
                if viewer.opens_alone:
                    print(f"\r{'first page of many':40.40} 6x {viewer.name:20}", end="", file=sys.stderr)
                    opened.append(_first_page(chromium, folder, viewer, long, 6.0))
    print(file=sys.stderr)
    print(_report(turned, opened))
    begun.finish(series_of(turned, opened))


def _documents(root: Path | None) -> list[Path]:
    """PDFs, since pdf.js reads nothing else: of the corpus, one long one of each kind."""
    found = [one for one in corpus.documents(root) if one.path.suffix.lower() == ".pdf" and one.password is None]
    if root is not None:
        return [one.path for one in found]
    chosen = []
    for kind in KINDS:
        long = [one.path for one in found if one.kind == kind and _page_count(one.path) >= LONG_ENOUGH_PAGES]
        chosen += sorted(long, key=lambda path: path.name)[-1:]
    return chosen


def _page_count(path: Path) -> int:
    with pymupdf.open(path) as document:
        return int(document.page_count)


def _write_long(path: Path, target: Path, pages: int) -> None:
    with pymupdf.open(path) as source, pymupdf.open() as made:
        while made.page_count < pages:
            made.insert_pdf(source, to_page=pages - made.page_count - 1)
        made.save(target, garbage=3, deflate=True)


@contextmanager
def _tab(chromium: str, viewer: Viewer) -> Iterator[tuple[Any, Any]]:
    """A tab of a fresh browser, and its developer tools."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_ARGUMENTS)
        try:
            context = browser.new_context(viewport=SCREEN, device_scale_factor=PIXEL_RATIO)  # type: ignore[arg-type]
            for script in viewer.scripts:
                context.add_init_script(script)
            tab = context.new_page()
            tab.set_default_timeout(SHARP_TIMEOUT_MS)
            yield tab, context.new_cdp_session(tab)
        finally:
            browser.close()


@contextmanager
def _served(folder: Path, viewer: Viewer, path: Path) -> Iterator[str]:
    """The address at which a viewer shows a document."""
    with our_server(path) as ours:
        [document] = get_json(f"{ours}documents")["documents"]
        if viewer.is_ours:
            yield f"{ours}#{document['id']}/1"
            return
        images: list[object] = []
        if not viewer.opens_alone:
            images = [get_json(f"{page['image_service']}/info.json") for page in get_json(document["pages"])["pages"]]
        page = viewer.page(f"{ours}documents/{document['id']}/original", images)
        with peers_server(folder, {"/viewer": page}) as peers:
            yield f"{peers}/viewer"


def _turns(chromium: str, folder: Path, viewer: Viewer, path: Path, throttle: float, turns: int) -> list[dict[str, Any]]:
    count = _page_count(path)
    chance = random.Random(SEED + count)
    start = chance.randint(2, max(2, count - turns - 1))
    turns = min(turns, count - start)
    away = [page for page in range(1, count + 1) if not start - 2 <= page <= start + turns + 2]
    jumps = chance.sample(away, min(turns, len(away)))
    measured: list[dict[str, Any]] = []

    def press(key: str, page: int, way: str) -> None:
        tab.evaluate("page => probe.reset(page)", page)
        tab.keyboard.press(key)
        seen = _when(tab, page)
        if way:
            measured.append(
                {
                    "viewer": viewer.name,
                    "document": path.name,
                    "throttle": throttle,
                    "way": way,
                    "page": page,
                    "first_ms": seen["first_ms"] - seen["key_ms"],
                    "sharp_ms": seen["sharp_ms"] - seen["key_ms"],
                }
            )
        time.sleep(DWELL_S)

    with _served(folder, viewer, path) as address, _tab(chromium, viewer) as (tab, tools):
        tab.goto(address)
        _when(tab, 1)
        tools.send("Emulation.setCPUThrottlingRate", {"rate": throttle})
        time.sleep(DWELL_S)
        for page in jumps:
            press("F2", page, "jump")
        press("F2", start, "")
        for step in range(1, turns + 1):
            press("ArrowRight", start + step, "read")
        for step in range(turns - 1, -1, -1):
            press("ArrowLeft", start + step, "back")
    return measured


def _when(tab: Any, page: int) -> dict[str, float]:
    """When a page was painted, at all and sharp. One that is not sharp in time counts as sharp at its end."""
    seen = tab.evaluate("([page, most_ms]) => probe.when(page, most_ms)", [page, SHARP_TIMEOUT_MS])
    return seen or {"key_ms": 0.0, "first_ms": float(SHARP_TIMEOUT_MS), "sharp_ms": float(SHARP_TIMEOUT_MS)}


def _first_page(chromium: str, folder: Path, viewer: Viewer, path: Path, throttle: float) -> dict[str, Any]:
    with _served(folder, viewer, path) as address, _tab(chromium, viewer) as (tab, tools):
        time.sleep(SETTLED_S)
        tools.send("Network.enable")
        tools.send("Network.emulateNetworkConditions", NETWORK)
        tools.send("Emulation.setCPUThrottlingRate", {"rate": throttle})
        tab.goto(address, wait_until="commit")
        seen = _when(tab, 1)
    return {"viewer": viewer.name, "way": "open", "first_ms": seen["first_ms"], "sharp_ms": seen["sharp_ms"]}


def _report(turned: list[dict[str, Any]], opened: list[dict[str, Any]]) -> str:
    def of(rows: Iterable[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]

    lines = []
    for what, name in (("sharp_ms", "the sharp page"), ("first_ms", "something of the page")):
        rows = []
        for throttle in sorted({row["throttle"] for row in turned}):
            for way in ("jump", "read", "back"):
                for viewer in VIEWERS:
                    found = of(turned, throttle=throttle, way=way, viewer=viewer.name)
                    if found:
                        rows.append([f"{throttle:g}x {way}", viewer.name, *Percentiles.of(row[what] for row in found).cells()])
        lines += [f"\nKey to {name} on the screen, ms", table(["throttle, way", "viewer", *HEADERS], rows)]
    rows = []
    for viewer in VIEWERS:
        found = of(opened, viewer=viewer.name)
        if found:
            for what, name in (("first_ms", "something"), ("sharp_ms", "sharp")):
                rows.append([name, viewer.name, *Percentiles.of(row[what] for row in found).cells(".0f")])
    lines += ["\nFirst page of many at 6x and 1.6 Mbit/s, 150 ms, from the beginning of navigation, ms"]
    lines += [table(["first page", "viewer", *HEADERS], rows), "", *_verdicts(turned, opened)]
    return "\n".join(lines)


def series_of(turned: list[dict[str, Any]], opened: list[dict[str, Any]]) -> list[Series]:
    """A group for each throttle, way and moment."""
    found: list[Series] = []
    for what, moment in (("sharp_ms", "the sharp page"), ("first_ms", "something of the page")):
        for throttle in sorted({row["throttle"] for row in turned}):
            for way in ("jump", "read", "back"):
                for viewer in VIEWERS:
                    rows = [
                        row for row in turned if (row["throttle"], row["way"], row["viewer"]) == (throttle, way, viewer.name)
                    ]
                    found += results.measured(
                        f"Key to {moment}: {way} at {throttle:g}x", viewer.name, "ms", (row[what] for row in rows)
                    )
        for viewer in VIEWERS:
            waits = [row[what] for row in opened if row["viewer"] == viewer.name]
            found += results.measured(f"First page of many, 1.6 Mbit/s, at 6x: {moment}", viewer.name, "ms", waits)
    return found


def _verdicts(turned: list[dict[str, Any]], opened: list[dict[str, Any]]) -> list[str]:
    def p95(viewer: Viewer, throttle: float, ways: tuple[str, ...], what: str = "sharp_ms") -> float | None:
        found = [
            row[what] for row in turned if row["viewer"] == viewer.name and row["throttle"] == throttle and row["way"] in ways
        ]
        return Percentiles.of(found).p95 if found else None

    ours, pdfjs = VIEWERS[0], VIEWERS[1]
    lines = []
    for throttle, bound_ms in ((1.0, 33), (6.0, 100)):
        warm = p95(ours, throttle, ("read", "back"))
        if warm is not None:
            lines.append(f"Warm turn, p95 at {throttle:g}x: {warm:.1f} ms (bound {bound_ms})")
    cold, theirs = p95(ours, 6.0, ("jump",)), p95(pdfjs, 6.0, ("jump",))
    if cold and theirs:
        lines.append(f"Cold turn, p95 at 6x: pdf.js / ours {theirs / cold:.1f} (bound 3)")
    first = [row["sharp_ms"] for row in opened if row["viewer"] == ours.name]
    if first:
        lines.append(
            f"First page of many, of {len(first)} openings: {statistics.median(first):.0f} ms sharp in the median, "
            f"{max(first):.0f} at most (bound 1500)"
        )
    return lines


if __name__ == "__main__":
    main()
