"""How long does a page take that was drawn before: from memory, from disk, and encrypted?

python -m benchmarks warm [--documents PATH] [--json FILE] [--html FILE] [--quick]

What the numbers do not say: how long a disk takes. The files were written a moment ago and lie in the memory of the operating
system. Nor how long a client takes to fetch and decode the image.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sidebooks_core as sb
from benchmarks import corpus, results
from benchmarks.reading import settle
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

LONG_SIDE_PX = 2048
PLAIN, ENCRYPTED = "disk, fresh process", "disk, encrypted"
BOUNDS_MS = {"memory": ("p99", 1.0), PLAIN: ("p95", 5.0)}


def main(arguments: list[str] | None = None) -> None:
    """Measure and print. Exit status 1 if a bound is missed (not with --quick)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks warm", description=__doc__.split("\n\n")[0])
    parser.add_argument("--documents", type=Path, help="folder or file (default: the corpus)")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="few pages of few documents")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--encrypted", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    with corpus.needed_by(parser):
        found = corpus.documents(chosen.documents, is_quick=chosen.quick)
    paths = [one.path for one in found if one.path.suffix == ".pdf"]
    paths = paths[::12] if chosen.quick else paths[::2]
    most = 2 if chosen.quick else 8
    if chosen.read is not None:
        print(json.dumps(read(chosen.read, paths, most, encrypted=chosen.encrypted)))
        return
    begun = begin(chosen, "diskcache", "msgpack")
    with tempfile.TemporaryDirectory() as folder:
        read(Path(folder), paths, most)
        memory_s = read(Path(folder), paths, most, rounds=2 if chosen.quick else 10)[1:]
        waits_s = {"memory": [wait for one in memory_s for wait in one], PLAIN: [], ENCRYPTED: []}
        with tempfile.TemporaryDirectory() as other:
            read(Path(other), paths, most, encrypted=True)
            for _ in range(1 if chosen.quick else 5):  # in turns: what else the machine does meets both
                for name, where in ((PLAIN, [folder]), (ENCRYPTED, [other, "--encrypted"])):
                    command = [sys.executable, "-m", "benchmarks.warm", "--read", *where, *(arguments or sys.argv[1:])]
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                    waits_s[name] += json.loads(done.stdout.splitlines()[-1])[0]
    ranks = {name: Percentiles.of(wait * 1000 for wait in waits) for name, waits in waits_s.items()}
    print(table(["page from", "requests", *HEADERS], [[n, str(p.count), *p.cells(".3f")] for n, p in ranks.items()]))
    begun.finish(series_of(waits_s))
    missed = [n for n, (rank, bound) in BOUNDS_MS.items() if getattr(ranks[n], rank) > bound]
    if missed and not chosen.quick:
        sys.exit(f"over the bound: {', '.join(missed)}")


def series_of(waits_s: dict[str, list[float]]) -> list[Series]:
    """Requests come in the same order in every run."""
    return [
        one
        for name, waits in waits_s.items()
        for one in results.measured("A page from", name, "ms", (w * 1000 for w in waits), labels=map(str, range(len(waits))))
    ]


def read(cache_dir: Path, paths: list[Path], most_pages: int, rounds: int = 1, *, encrypted: bool = False) -> list[list[float]]:
    """Ask for some pages of each document, `rounds` times over; seconds for each request, a list a round."""
    waits_s: list[list[float]] = [[] for _ in range(rounds)]
    key = bytes(range(32)) if encrypted else None
    with sb.TileService(sb.Settings(cache_dir=cache_dir, memory_bytes=1 << 30, encryption_key=key)) as service:
        documents = [service.open(path) for path in paths]
        wanted = [(document, page) for document in documents for page in range(min(most_pages, document.page_count))]
        for number, waits in enumerate(waits_s):
            if number == 1:
                # Memory is measured in a service that runs; from disk, the workers that start are met as they come.
                service.page_image(documents[0], 0, width_px=33)
                settle(service)
                time.sleep(1)
            for document, page in wanted:
                info = document.pages[page]
                scale = LONG_SIDE_PX / max(info.width_pt, info.height_pt)
                started_s = time.perf_counter()
                service.page_image(document, page, width_px=max(1, round(info.width_pt * scale)))
                waits.append(time.perf_counter() - started_s)
    return waits_s


if __name__ == "__main__":
    main()
