"""How large is an encoded page, how long do encoding and decoding take, beside Pillow's formats?

Every page is drawn once at a long side of 2048 px, in RGB, and in grey if it is grey: the encoder gets what a worker would
give it, Pillow gets the RGB. The candidates take turns on each page, so that a busy moment of the machine hits all alike;
the best of the turns counts. Each document has a process of its own.

What the numbers do not say: how fast a browser decodes (Pillow decodes here, on this machine), or how JPEG and lossy WebP
look. Compare ratios; milliseconds are this machine's.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import corpus, results, running, tables
from benchmarks.results import Series
from benchmarks.running import with_outputs

LONG_SIDE_PX = 2048
OURS, JPEG = "ours", "JPEG q85"
CANDIDATES = (OURS, JPEG, "PNG level 1", "PNG level 6", "WebP q80 m4", "WebP lossless")
DOCUMENT_TIMEOUT_S = 180.0
ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks encoding", description=__doc__.split("\n")[0])
    parser.add_argument("--documents", type=Path, help="folder or file; otherwise the corpus beside the project")
    parser.add_argument("--pages", type=int, default=3, help="most pages of each document (default 3)")
    parser.add_argument("--turns", type=int, default=3, help="turns of each candidate on each page (default 3)")
    parser.add_argument("--quick", action="store_true", help="one page of a document of every third kind, one turn")
    with_outputs(parser)
    parser.add_argument("--measure", nargs=4, metavar=("PATH", "PASSWORD", "PAGES", "TURNS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        path, password, pages, turns = arguments.measure
        measure_document(Path(path), password or None, int(pages), int(turns))
        return
    pages, turns = (1, 1) if arguments.quick else (arguments.pages, arguments.turns)
    with corpus.needed_by(parser):
        chosen = corpus.documents(arguments.documents, is_quick=arguments.quick)
    if arguments.quick:
        chosen = list({one.kind: one for one in chosen}.values())[::3]
    begun = running.begin(arguments, "pillow", "isal", "pymupdf")
    measurements: list[dict[str, Any]] = []
    for number, document in enumerate(chosen, 1):
        print(f"\r{number}/{len(chosen)} {document.path.name[:50]:50}", end="", file=sys.stderr, flush=True)
        measurements += [{"kind": document.kind, **one} for one in _measured_apart(document, pages, turns)]
    print(file=sys.stderr)
    if not measurements:
        parser.error("none of the documents could be drawn")
    _report(measurements)
    begun.finish(series_of(measurements))


def _measured_apart(document: corpus.Document, pages: int, turns: int) -> list[dict[str, Any]]:
    """In a fresh process with a time limit; what does not finish is named and left out."""
    command = [sys.executable, "-m", "benchmarks.encoding", "--measure"]
    command += [str(document.path.resolve()), document.password or "", str(pages), str(turns)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOCUMENT_TIMEOUT_S, check=True, cwd=ROOT)
    except subprocess.TimeoutExpired:
        print(f"\nleft out, not done in {DOCUMENT_TIMEOUT_S:.0f} s: {document.path.name}", file=sys.stderr)
        return []
    except subprocess.CalledProcessError as error:
        why = error.stderr.strip().rsplit("\n", 1)[-1]
        print(f"\nleft out: {document.path.name}: {why}", file=sys.stderr)
        return []
    return [json.loads(line.removeprefix("page ")) for line in done.stdout.splitlines() if line.startswith("page ")]


def measure_document(path: Path, password: str | None, pages: int, turns: int) -> None:
    """Print a line of JSON for each of some pages."""
    from sidebooks_core.engine.grey import is_grey
    from sidebooks_core.engine.mupdf import pymupdf

    document = pymupdf.open(path)
    if document.needs_pass:
        document.authenticate(password or "")
    _warm_up()
    for page in corpus.some_pages(document.page_count, pages):
        display_list = document[page].get_displaylist()
        scale = LONG_SIDE_PX / max(display_list.rect.width, display_list.rect.height)
        matrix = pymupdf.Matrix(scale, scale)
        rgb = _array(display_list.get_pixmap(matrix=matrix, colorspace=pymupdf.csRGB, alpha=0))
        drawn = rgb
        if is_grey(display_list):
            drawn = _array(display_list.get_pixmap(matrix=matrix, colorspace=pymupdf.csGRAY, alpha=0))
        result = {"document": path.name, "page": page + 1, "drawn_grey": drawn.ndim == 2}
        print("page", json.dumps(result | {"candidates": measure_page(drawn, rgb, turns)}), flush=True)


def _warm_up() -> None:
    """A worker that serves a page has all codecs loaded, and has the memory of its last page."""
    import numpy as np

    noise = np.random.default_rng(1).integers(0, 256, (LONG_SIDE_PX, 1450, 3), np.uint8)
    noise[:, 100:] = 255
    measure_page(noise, noise, 1)


def _array(pixmap: Any) -> Any:
    import numpy as np

    shape = (pixmap.h, pixmap.w) if pixmap.n == 1 else (pixmap.h, pixmap.w, 3)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(shape)


def measure_page(drawn: Any, rgb: Any, turns: int) -> dict[str, dict[str, Any]]:
    """For each candidate: bytes, encode_ms, decode_ms, and whether the pixels come back exactly."""
    import numpy as np
    from PIL import Image

    from sidebooks_core.encoding.encode import encode

    def pillow(image_format: str, **options: Any) -> Callable[[], bytes]:
        def encoded() -> bytes:
            out = io.BytesIO()
            Image.fromarray(rgb).save(out, image_format, **options)
            return out.getvalue()

        return encoded

    encoders: dict[str, Callable[[], bytes]] = {
        OURS: lambda: encode(drawn, "auto", 85).data,
        JPEG: pillow("JPEG", quality=85),
        "PNG level 1": pillow("PNG", compress_level=1),
        "PNG level 6": pillow("PNG", compress_level=6),
        "WebP q80 m4": pillow("WEBP", quality=80, method=4),
        "WebP lossless": pillow("WEBP", lossless=True),
    }
    found: dict[str, dict[str, Any]] = {name: {"encode_ms": [], "decode_ms": []} for name in CANDIDATES}
    for _ in range(turns):
        for name in CANDIDATES:
            started_s = time.perf_counter()
            data = encoders[name]()
            encoded_s = time.perf_counter()
            image = Image.open(io.BytesIO(data))
            image.load()
            decoded_s = time.perf_counter()
            found[name]["encode_ms"].append((encoded_s - started_s) * 1e3)
            found[name]["decode_ms"].append((decoded_s - encoded_s) * 1e3)
            found[name]["bytes"] = len(data)
            found[name]["format"] = f"{image.format} {image.mode}"
            found[name]["lossless"] = np.array_equal(np.asarray(image.convert("RGB")), rgb)
    for result in found.values():
        result["encode_ms"], result["decode_ms"] = min(result["encode_ms"]), min(result["decode_ms"])
    return found


def series_of(measurements: list[dict[str, Any]]) -> list[Series]:
    """Of all pages."""
    labels = [f"{one['kind']}/{one['document']} {one['page']}" for one in measurements]
    found: list[Series] = []
    for group, unit, key, factor in (
        ("A page", "kB", "bytes", 1e-3),
        ("Encode", "ms", "encode_ms", 1),
        ("Decode", "ms", "decode_ms", 1),
    ):
        for name in CANDIDATES:
            values = [one["candidates"][name][key] * factor for one in measurements]
            found += results.measured(group, name, unit, values, labels=labels)
    return found


def _report(measurements: list[dict[str, Any]]) -> None:
    kinds = [*sorted({one["kind"] for one in measurements}), "all"]
    by_kind = {kind: [one["candidates"] for one in measurements if kind in (one["kind"], "all")] for kind in kinds}

    def print_table(title: str, value: Callable[[dict[str, Any], str], float], form: str) -> None:
        rows = [
            [kind, name, str(len(pages)), *tables.Percentiles.of(value(page, name) for page in pages).cells(form)]
            for kind, pages in by_kind.items()
            for name in CANDIDATES
        ]
        print(f"\n## {title}\n\n" + tables.table(["kind", "encoder", "pages", *tables.HEADERS], rows))

    print_table(f"Bytes, as a share of {JPEG}", lambda page, name: page[name]["bytes"] / page[JPEG]["bytes"], ".2f")
    print_table("Bytes, kB", lambda page, name: page[name]["bytes"] / 1000, ".0f")
    print_table("Encode, ms", lambda page, name: page[name]["encode_ms"], ".1f")
    print_table("Decode, ms", lambda page, name: page[name]["decode_ms"], ".1f")
    rows = []
    for kind, pages in by_kind.items():
        lossless = [page for page in pages if page[OURS]["lossless"]]
        grey = sum(one["drawn_grey"] for one in measurements if kind in (one["kind"], "all"))
        formats = sorted({page[OURS]["format"] for page in pages})
        rows.append(
            [kind, ", ".join(formats), str(len(pages)), f"{len(lossless) / len(pages):.0%}", f"{grey / len(pages):.0%}"]
        )
    print("\n## What ours is\n\n" + tables.table(["kind", "formats", "pages", "lossless", "drawn in grey"], rows))


if __name__ == "__main__":
    main()
