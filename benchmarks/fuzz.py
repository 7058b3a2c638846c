"""Does anything but the library's own errors come of opening and drawing damaged documents?

python -m benchmarks fuzz [--mutants N | --seconds S] [--seed N] [--documents PATH] [--keep FOLDER] [--json FILE] [--quick]

The mutants are made in a process of their own, so that this one's memory is the library's. A failure is an exception that is
not the library's, an operation that takes longer than its limit, a wrong picture of a sound document drawn after a mutant
failed, or too much memory; `--keep` gets the mutants of the first two. The same seed makes the same mutants.

What the numbers do not say: that there is no document that does harm. They say how many of these did none.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

import sidebooks_core as sb
from benchmarks import corpus, results
from benchmarks.corpus import SAMPLE
from benchmarks.mutation import Mutant, Original, make_mutant
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table
from sidebooks_core.encoding.encode import decode

MIB = 1 << 20
MEMORY_BYTES = 32 * MIB
HOST_BYTES = MEMORY_BYTES + 200 * MIB
"""The budget of records, and what the host may take besides: the same as over the corpus (tests/test_corpus.py)."""
RENDER_TIMEOUT_S = 2.0
OPEN_TIMEOUT_S = 3.0
HANG_S = 30.0
"""An operation waits for those of the other readers, for its own limit, and for workers that are replaced; never so long."""
READERS = 4
WIDTH_PX = 240
BATCH = 16
BATCHES_AHEAD = 3
GOOD_PAGES = 3
TOO_SLOW = frozenset({"slow"})
"""Each mutant of these would cost a time limit, and the fuzzer's rate with it; benchmarks.killer is about them."""

_originals: list[Original] = []


@dataclass(slots=True)
class Findings:
    """What happened so far. Written by the readers under the lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    mutants: int = 0
    failed_mutants: int = 0
    sound_checks: int = 0
    under_way: dict[int, tuple[float, Mutant, str]] = field(default_factory=dict)

    def fail(self, mutant: Mutant, what: str) -> None:
        with self.lock:
            self.failures.append({"number": mutant.number, "name": mutant.name, "recipe": mutant.recipe, "what": what})


def main(arguments: list[str] | None = None) -> None:
    """Fuzz and print. Exit status 1 after any failure."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks fuzz", description=__doc__.split("\n\n")[0])
    parser.add_argument("--mutants", type=int, help="stop after so many (default: 1000)")
    parser.add_argument("--seconds", type=float, help="stop after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant: to meet one again")
    parser.add_argument("--documents", type=Path, help="folder or file to damage (default: the corpus, else the sample)")
    parser.add_argument("--largest", type=int, default=400_000, help="leave out larger documents, in bytes")
    parser.add_argument("--keep", type=Path, help="folder for mutants that failed")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="15 seconds")
    chosen = parser.parse_args(arguments)
    seconds = 15.0 if chosen.quick and chosen.seconds is None else chosen.seconds
    most = chosen.mutants if chosen.mutants is not None else sys.maxsize if seconds is not None else 1000
    with corpus.needed_by(parser, quick_needs_none=False):
        originals = load(chosen.documents, chosen.largest)
    begun = begin(chosen, "pymupdf", "pikepdf")
    print(f"seed {chosen.seed}, {len(originals)} documents of {sum(len(one.data) for one in originals) / MIB:.1f} MiB")
    started_s = time.monotonic()
    deadline_s = started_s + seconds if seconds is not None else float("inf")
    findings = Findings()
    numbers = range(chosen.first, chosen.first + most)
    found = run(originals, chosen.seed, numbers, deadline_s, findings, chosen.keep)
    spent_s = time.monotonic() - started_s
    found |= {"mutants": findings.mutants, "seconds": round(spent_s, 1), "seed": chosen.seed}
    report(findings, found)
    details = {"failures": findings.failures, "outcomes": dict(findings.outcomes), **found}
    begun.finish(series_of(findings, spent_s, found), details)
    if findings.failures or found["peak_bytes"] > HOST_BYTES:
        sys.exit(1)


def series_of(findings: Findings, spent_s: float, found: dict[str, Any]) -> list[Series]:
    """Failures, the rate, and how long operations took."""
    return [
        *results.measured("Failures", "all kinds", "count", [len(findings.failures)]),
        *results.measured("Mutants a second", "sidebooks_core", "1/s", [findings.mutants / spent_s], better="higher"),
        *results.measured("Peak of the host's memory", "sidebooks_core", "MiB", [found["peak_bytes"] / MIB]),
        *results.measured("One operation on a mutant", "sidebooks_core", "ms", (wait * 1000 for wait in findings.waits_s)),
    ]


def load(root: Path | None, largest_bytes: int) -> list[Original]:
    """The documents to damage. Raises CorpusMissing when a folder that was named has none."""
    try:
        found = corpus.documents(root, without=TOO_SLOW)
    except corpus.CorpusMissing:
        if root is not None:
            raise
        found = [corpus.Document(SAMPLE, "japanese", None)]
    originals = [
        Original(f"{one.path.parent.name}/{one.path.name}", one.path.read_bytes(), _user_password(one.password))
        for one in found
        if one.path.stat().st_size <= largest_bytes
    ]
    if not originals:
        raise corpus.CorpusMissing(f"no document of at most {largest_bytes} bytes: raise --largest")
    return originals


def _user_password(told: str | None) -> str | None:
    """The manifest writes "user=… owner=…" where there are two."""
    for part in (told or "").split():
        if part.startswith("user="):
            return part.removeprefix("user=") or None
    return told


def run(
    originals: list[Original], seed: int, numbers: range, deadline_s: float, findings: Findings, keep: Path | None
) -> dict[str, Any]:
    """Try mutants until they or the time run out; what the service and the process say afterwards."""
    settings = sb.Settings(
        cache_dir=None,
        memory_bytes=MEMORY_BYTES,
        preview_bytes=MEMORY_BYTES // 2,
        worker_bytes=512 * MIB,
        raster_pixels=4 * MIB,
        render_timeout_s=RENDER_TIMEOUT_S,
        open_timeout_s=OPEN_TIMEOUT_S,
    )
    process = psutil.Process()
    peak_bytes = 0
    ended = threading.Event()
    with sb.TileService(settings) as service, ThreadPoolExecutor(READERS) as readers:
        sound = Sound(service)
        guard = threading.Thread(target=_watch, args=(findings, ended, keep), daemon=True)
        guard.start()
        waiting: deque[Future[None]] = deque()
        said_s = time.monotonic()
        for mutant in mutants(originals, seed, numbers):
            waiting.append(readers.submit(attempt, service, sound, mutant, seed, findings, keep))
            while len(waiting) > 2 * READERS:
                waiting.popleft().result()
            peak_bytes = max(peak_bytes, process.memory_info().rss)
            if time.monotonic() > said_s + 60:
                said_s = time.monotonic()
                print(f"{findings.mutants} mutants, {len(findings.failures)} failures, {peak_bytes >> 20} MiB", flush=True)
            if time.monotonic() > deadline_s:
                break
        for one in waiting:
            one.result()
        peak_bytes = max(peak_bytes, process.memory_info().rss)
        ended.set()
        deaths = service.statistics().worker_deaths
    return {
        "peak_bytes": peak_bytes,
        "budget_bytes": HOST_BYTES,
        "worker_deaths": deaths,
        "failed_mutants": findings.failed_mutants,
        "sound_checks": findings.sound_checks,
        "slowest_s": round(max(findings.waits_s, default=0.0), 3),
    }


def mutants(originals: list[Original], seed: int, numbers: range) -> Iterator[Mutant]:
    """Made ahead in another process: pikepdf and the damaged bytes must not count as the library's memory, nor end this one."""
    batches = iter([numbers[start : start + BATCH] for start in range(0, min(len(numbers), 10**7), BATCH)])
    makers = _makers(originals)
    ahead: deque[tuple[range, Future[list[Mutant]]]] = deque()
    try:
        while True:
            while len(ahead) < BATCHES_AHEAD and (batch := next(batches, None)) is not None:
                ahead.append((batch, makers.submit(_make, seed, batch)))
            if not ahead:
                return
            batch, made = ahead.popleft()
            try:
                yield from made.result()
            except BrokenProcessPool:  # pikepdf fell over what it was to write: those mutants are missed, the rest go on
                print(f"mutants {batch.start} to {batch.stop - 1} could not be made", flush=True)
                makers.shutdown(wait=False)
                makers = _makers(originals)
                ahead = deque((later, makers.submit(_make, seed, later)) for later, _ in ahead)
    finally:
        makers.shutdown(wait=False, cancel_futures=True)


def _makers(originals: list[Original]) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"), initializer=_take, initargs=(originals,))


def _take(originals: list[Original]) -> None:
    _originals.extend(originals)


def _make(seed: int, numbers: range) -> list[Mutant]:
    return [make_mutant(_originals, seed, number) for number in numbers]


class Sound:
    """A sound document, drawn anew after each failure."""

    def __init__(self, service: sb.TileService) -> None:
        self._service = service
        self._document = service.open(SAMPLE)
        self._lock = threading.Lock()
        self._turn = 0
        with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as other:
            document = other.open(SAMPLE)
            self._expected = [_digest(other.page_image(document, page, width_px=WIDTH_PX)) for page in range(GOOD_PAGES)]
        self._key_tags = [self._document.content_id(page) for page in range(GOOD_PAGES)]

    def is_drawn_right(self) -> bool:
        """One at a time, so that each is drawn and none joins another's."""
        with self._lock:
            self._turn += 1
            page = self._turn % GOOD_PAGES
            self._service.parts.images.keeper.store.purge(self._key_tags[page])
            before = self._service.statistics().renders
            tile = self._service.page_image(self._document, page, width_px=WIDTH_PX)
            return _digest(tile) == self._expected[page] and self._service.statistics().renders > before


def _digest(tile: sb.Tile) -> str:
    """Of the pixels: two services may deflate them to other bytes."""
    return hashlib.blake2b(decode(tile.data, tile.media_type).tobytes(), digest_size=16).hexdigest()


def attempt(service: sb.TileService, sound: Sound, mutant: Mutant, seed: int, findings: Findings, keep: Path | None) -> None:
    """Open a mutant, draw a page or two, now and then more; then a sound document, if anything failed."""
    chance = random.Random(f"{seed}:{mutant.number}:use")
    outcomes: list[str] = []

    def timed(name: str, use: Callable[[], Any]) -> Any:
        with findings.lock:
            findings.under_way[mutant.number] = (time.monotonic(), mutant, name)
        started_s = time.monotonic()
        try:
            got = use()
        except sb.SidebooksError as error:
            outcomes.append(f"{name}: {type(error).__name__}")
            return None
        except Exception as error:  # noqa: BLE001 - that nothing else comes is what is tested
            outcomes.append(f"{name}: unexpected {type(error).__name__}")
            findings.fail(mutant, f"{name}: {type(error).__name__}: {error}"[:500])
            _keep(mutant, keep)
            return None
        finally:
            with findings.lock:
                findings.under_way.pop(mutant.number, None)
                findings.waits_s.append(time.monotonic() - started_s)
        outcomes.append(f"{name}: fine")
        return got

    document = timed("open", lambda: service.open(mutant.data, mutant.password))
    if document is not None:
        for page in range(min(document.page_count, chance.choice((1, 2)))):
            timed("page", partial(_draw, service, document, page))
        for name, use, share in (
            ("description", lambda: (document.outline, [(one.label, one.width_pt) for one in document.pages]), 1.0),
            ("words", lambda: service.text(document, 0), 0.2),
            ("links", lambda: service.links(document, 0), 0.2),
            ("search", lambda: service.search(document, "the", limit=5) if document.page_count < 40 else None, 0.1),
            ("inspect", lambda: service.inspect(document) if document.page_count < 3 else None, 0.04),
            ("tile", lambda: service.tile(document, 0, 0, 0, 0), 0.1),
        ):
            if chance.random() < share:
                timed(name, use)
    failed = any(not outcome.endswith(": fine") for outcome in outcomes)
    if failed and not sound.is_drawn_right():
        findings.fail(mutant, "a sound document was drawn wrong afterwards")
        _keep(mutant, keep)
    with findings.lock:
        findings.outcomes.update(outcomes)
        findings.mutants += 1
        findings.failed_mutants += failed
        findings.sound_checks += failed


def _draw(service: sb.TileService, document: sb.Document, page: int) -> sb.Tile:
    return service.page_image(document, page, width_px=_width(document, page))


def _width(document: sb.Document, page: int) -> int:
    """A preview's width, less where the page is so tall that the image would be too large to ask for."""
    info = document.pages[page]
    return max(1, min(WIDTH_PX, int(2000 * info.width_pt / info.height_pt)))


def _watch(findings: Findings, ended: threading.Event, keep: Path | None) -> None:
    told: set[int] = set()
    while not ended.wait(1.0):
        with findings.lock:
            late = [
                (mutant, name)
                for started_s, mutant, name in findings.under_way.values()
                if time.monotonic() - started_s > HANG_S and mutant.number not in told
            ]
        for mutant, name in late:
            told.add(mutant.number)
            findings.fail(mutant, f"{name}: not back after {HANG_S:g} s")
            _keep(mutant, keep)


def _keep(mutant: Mutant, folder: Path | None) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{mutant.number:06}-{mutant.name.replace('/', '-')}").write_bytes(mutant.data)


def report(findings: Findings, found: dict[str, Any]) -> None:
    """The tables."""
    print(table(["outcome", "", "count"], [[name, "", str(n)] for name, n in sorted(findings.outcomes.items())]))
    if findings.waits_s:
        waits = Percentiles.of(findings.waits_s)
        print(table(["waits, s", "count", *HEADERS], [["operations", str(waits.count), *waits.cells(".3f")]]))
    for name, value in found.items():
        print(f"{name}: {value}")
    for failure in findings.failures:
        print("FAILURE", failure)


if __name__ == "__main__":
    main()
