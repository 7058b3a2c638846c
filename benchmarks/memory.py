"""How much memory do all processes take while somebody jumps, riffles and zooms, beside a peer's?

    python -m benchmarks memory [--documents PATH] [--peer NAME…] [--turns N] [--json FILE] [--html FILE] [--quick]

One process for each peer opens all documents, and goes through the traces of `page_turn` in one document after the other. This
process looks on from outside. RSS counts a page of memory in each process that has it, as `page_turn` does. PSS divides a page
among the processes that share it, so the sum of PSS is what the machine has less. USS is what a process would give back.
"sidebooks_core" has default settings, "sidebooks_core, small" those for a small machine in docs/reference/settings.md. Linux.

What the numbers do not say: which memory the system could take back, such as pages of files; and how memory grows over days,
for which `reading` and `soak` look. A peak is one moment of one run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import sidebooks_core as sb
from benchmarks import corpus, results
from benchmarks.page_turn import measure
from benchmarks.page_turn.peers import PEERS, WORKERS, Files, Ours
from benchmarks.page_turn.profiles import PROFILES, Profile, bind
from benchmarks.page_turn.traces import TRACES, Course, Step
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import Percentiles, table

SAMPLE_EVERY_S = 0.02
ROLLUP_EVERY_S = 0.2
"""Reading PSS takes the kernel a walk through all of a process's memory. It is also read at each new peak of RSS."""
LIMIT_S = 1800.0
REST_S = 3.0
"""Between two traces, and how long the processes are looked at after the last one."""
QUICK_REST_S = 0.2
LONG_ENOUGH_PAGES = 8
LEAST_WORKER_BYTES = 32 << 20
FORKED = "forked"
RIFFLED, JUMPED, ZOOMED = "riffle-5", "jump", "zoom"
SMALL = {
    "workers": 1,
    "memory_bytes": 48 << 20,
    "preview_bytes": 16 << 20,
    "display_list_bytes": 8 << 20,
    "raster_pixels": 8 << 20,
    "worker_bytes": 768 << 20,
}
"""Settings of a small machine."""


def _small(files: Files, profile: Profile, is_spread: bool) -> Ours:
    return Ours(files, profile, is_spread, SMALL)


CANDIDATES: dict[str, Callable[[Files, Profile, bool], Any]] = {
    "sidebooks_core": Ours,
    "sidebooks_core, small": _small,
    **{name: peer for name, peer in PEERS.items() if name in ("PyMuPDF + LRU", "next page in a pool + LRU")},
}


@dataclass(slots=True)
class Watched:
    """A process, in bytes and seconds."""

    role: str
    peak_rss_bytes: int = 0
    rss_bytes: int = 0
    """At the peak of the family's RSS; so are the next two."""
    pss_bytes: int = 0
    uss_bytes: int = 0
    end_rss_bytes: int = 0
    end_pss_bytes: int = 0
    cpu_s: float = 0.0
    parts: dict[str, int] = field(default_factory=dict)
    """Private memory at the end, by what it is mapped from."""


@dataclass(slots=True)
class Run:
    """What one peer took."""

    peer: str
    peak_rss_bytes: int = 0
    peak_pss_bytes: int = 0
    processes: dict[int, Watched] = field(default_factory=dict)
    figures: dict[str, int] = field(default_factory=dict)
    turns: list[dict[str, Any]] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks memory", description=__doc__.split("\n\n")[0])
    parser.add_argument("--documents", type=Path, help="folder or file (default: one long document of each kind of the corpus)")
    parser.add_argument("--peer", choices=list(CANDIDATES), nargs="+", default=list(CANDIDATES), help="default: all")
    parser.add_argument("--turns", type=int, default=10, help="turns of a trace, about (default 10)")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="the sample, one turn of each trace")
    chosen = parser.parse_args(arguments)
    if sys.platform != "linux":
        sys.exit("needs Linux: it reads /proc")
    with corpus.needed_by(parser):
        documents = long_documents(corpus.SAMPLE if chosen.quick and chosen.documents is None else chosen.documents)
    turns, rest_s = (1, QUICK_REST_S) if chosen.quick else (chosen.turns, REST_S)
    documents = documents[:1] if chosen.quick else documents
    begun = begin(chosen, "pymupdf", "numpy", "pillow")
    courses = measure.courses_of(documents, is_spread=False)
    runs = [run(documents, courses, peer, way(courses, turns, rest_s), rest_s) for peer in chosen.peer]
    print(totals(runs))
    for one in runs:
        print(f"\n{one.peer}\n{each(one)}")
    begun.finish(series_of(runs), [asdict(one) for one in runs])


def long_documents(root: Path | None) -> list[corpus.Document]:
    """The PDFs of a folder; of the corpus, one long one of each kind, as in `page_turn`."""
    found = [one for one in corpus.documents(root) if one.path.suffix.lower() == ".pdf"]
    if root is not None:
        return found
    with sb.TileService(sb.Settings(cache_dir=None)) as service:
        long = [one for one in found if service.open(one.path, one.password).page_count >= LONG_ENOUGH_PAGES]
    return list({one.kind: one for one in long}.values())


def way(courses: Sequence[Course], turns: int, rest_s: float) -> list[Step]:
    """All traces through one document, then through the next."""
    steps: list[Step] = []
    for number, course in enumerate(courses):
        for trace in [one for one in TRACES if one.name in (RIFFLED, JUMPED, ZOOMED)]:
            start_s = steps[-1].at_s + rest_s if steps else 0.0
            steps += [Step(start_s + one.at_s, one.screen, one.zoom, number) for one in trace.steps([course], turns)]
    return steps


def run(documents: Sequence[corpus.Document], courses: Sequence[Course], peer: str, steps: list[Step], rest_s: float) -> Run:
    """Go the way with a peer in a fresh process, and look on. Raises RuntimeError if the peer fails."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    files = [(str(document.path), document.password) for document in documents]
    process = context.Process(target=_child, args=(files, courses, peer, steps, rest_s, there))
    process.start()
    there.close()
    assert process.pid is not None
    found = Run(peer)
    deadline_s = time.monotonic() + LIMIT_S
    rollup_s = 0.0
    try:
        while not here.poll(SAMPLE_EVERY_S):
            now_s = time.monotonic()
            if now_s > deadline_s:
                raise RuntimeError(f"{peer}: not through within {LIMIT_S:.0f} s")
            _note_family(found, process.pid)
            rollup_s = _sample(found, rollup_s, now_s)
        answer = here.recv()
        if "error" in answer:
            raise RuntimeError(f"{peer}: {answer['error']}")
        found.figures, found.turns = answer["figures"], answer["turns"]
        _note_end(found)
        _name_workers(found)
        here.send("seen")
        process.join(60)
    finally:
        process.kill()
        process.join()
    return found


def _child(
    files: list[tuple[str, str | None]],
    courses: Sequence[Course],
    peer: str,
    steps: list[Step],
    rest_s: float,
    answer: Connection,
) -> None:
    profile = PROFILES[0]
    bind(profile)
    opened: Any = None
    try:
        opened = CANDIDATES[peer](files, profile, False)
        opened.show(steps[0].document, courses[steps[0].document].screens[steps[0].screen], 1.0, time.perf_counter() + 60.0)
        opened.ready()
        turns = measure.follow(opened, courses, steps)
        time.sleep(rest_s)
        answer.send({"turns": turns, "figures": opened.figures()})
        answer.recv()
    except Exception as error:  # noqa: BLE001 - told to the other process, which fails with it
        answer.send({"error": repr(error)})
    finally:
        if opened is not None:
            opened.close()


def _note_family(found: Run, host: int) -> None:
    """Name the processes that are new: the host, whatever it started, and what those started."""
    if not found.processes:
        found.processes[host] = Watched("host")
    for parent in list(found.processes):
        for pid in _children(parent):
            role = found.processes[parent].role
            # A child of the host has the host's command until it runs its own.
            if pid not in found.processes and (role != "host" or _read(pid, "cmdline") != _read(host, "cmdline")):
                found.processes[pid] = Watched(_role(found, pid, role))


def _role(found: Run, pid: int, parents_role: str) -> str:
    if parents_role == "fork server":
        return FORKED
    command = _read(pid, "cmdline")
    if b"fork_server" in command:
        return "fork server"
    return "resource tracker" if b"resource_tracker" in command else f"process {len(found.processes)}"


def _name_workers(found: Run) -> None:
    """By age: workers, the spare, and those that took the place of one. A program that a library starts is left out."""
    forked = {pid: one for pid, one in found.processes.items() if one.role == FORKED}
    for pid, one in forked.items():
        if one.peak_rss_bytes < LEAST_WORKER_BYTES:
            del found.processes[pid]
    workers = SMALL["workers"] if found.peer == "sidebooks_core, small" else WORKERS
    for number, one in enumerate((one for one in found.processes.values() if one.role == FORKED), 1):
        one.role = f"worker {number}" if number <= workers else "spare" if number == workers + 1 else f"later worker {number}"


def _sample(found: Run, rollup_s: float, now_s: float) -> float:
    """RSS of all; PSS too if it is time, or a new peak. Returns when PSS was read."""
    sizes = {pid: _rss_bytes(pid) for pid in found.processes}
    whole = sum(sizes.values())
    for pid, size in sizes.items():
        one = found.processes[pid]
        one.peak_rss_bytes = max(one.peak_rss_bytes, size)
    is_peak = whole > found.peak_rss_bytes
    if not is_peak and now_s < rollup_s + ROLLUP_EVERY_S:
        return rollup_s
    rollups = {pid: _rollup(pid) for pid in found.processes}
    found.peak_pss_bytes = max(found.peak_pss_bytes, sum(pss for pss, _ in rollups.values()))
    if is_peak:
        found.peak_rss_bytes = whole
        for pid, one in found.processes.items():
            one.rss_bytes, (one.pss_bytes, one.uss_bytes) = sizes[pid], rollups[pid]
    return now_s


def _note_end(found: Run) -> None:
    for pid, one in found.processes.items():
        one.end_rss_bytes, one.end_pss_bytes = _rss_bytes(pid), _rollup(pid)[0]
        one.cpu_s = _cpu_s(pid)
        one.parts = _parts(pid)


def _read(pid: int, name: str) -> bytes:
    """A file of a process. Empty if the process has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - fifty times a second: without a Path for each
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for thread in threads for child in _read(pid, f"task/{thread}/children").split()]


def _rss_bytes(pid: int) -> int:
    fields = _read(pid, "statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def _rollup(pid: int) -> tuple[int, int]:
    """PSS and USS in bytes."""
    sizes = {
        name: int(rest.split()[0]) * 1024
        for name, _, rest in (line.partition(b":") for line in _read(pid, "smaps_rollup").splitlines()[1:])
    }
    return sizes.get(b"Pss", 0), sizes.get(b"Private_Clean", 0) + sizes.get(b"Private_Dirty", 0)


def _cpu_s(pid: int) -> float:
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _parts(pid: int) -> dict[str, int]:
    """Private bytes, by heap, other anonymous memory, libraries and documents."""
    parts = dict.fromkeys(("heap", "anonymous", "libraries", "other files"), 0)
    part = "anonymous"
    for line in _read(pid, "smaps").splitlines():
        fields = line.split(maxsplit=5)
        if not fields[0].endswith(b":"):
            name = fields[5] if len(fields) > 5 else b""
            part = "anonymous"
            if name == b"[heap]":
                part = "heap"
            elif name.startswith(b"/"):
                part = "libraries" if b".so" in name or b"/bin/" in name else "other files"
        elif fields[0] in (b"Private_Clean:", b"Private_Dirty:"):
            parts[part] += int(fields[1]) * 1024
    return parts


def series_of(runs: Sequence[Run]) -> list[Series]:
    """Peaks, what stays, and the waits of the turns meanwhile."""
    found: list[Series] = []
    for one in runs:
        watched = one.processes.values()
        found += results.measured("Peak of PSS of all processes", one.peer, "MiB", [one.peak_pss_bytes / 2**20])
        found += results.measured(
            "PSS of all processes at the end", one.peer, "MiB", [sum(of.end_pss_bytes for of in watched) / 2**20]
        )
        found += results.measured("Processor time", one.peer, "s", [sum(of.cpu_s for of in watched)])
        found += results.measured(
            "Until something is painted", one.peer, "ms", [turn["painted_s"] * 1000 for turn in one.turns]
        )
    return found


def totals(runs: Sequence[Run]) -> str:
    """A line for each peer."""
    headers = [
        "peer",
        "processes",
        "peak RSS",
        "peak PSS",
        "end RSS",
        "end PSS",
        "cpu s",
        "renders",
        "painted p95",
        "sharp p95",
    ]
    rows = []
    for one in runs:
        watched = one.processes.values()
        sharp = [turn["sharp_s"] for turn in one.turns if turn["sharp_s"] is not None]
        rows.append(
            [
                one.peer,
                str(len(watched)),
                *(_mib(size) for size in (one.peak_rss_bytes, one.peak_pss_bytes)),
                _mib(sum(each.end_rss_bytes for each in watched)),
                _mib(sum(each.end_pss_bytes for each in watched)),
                f"{sum(each.cpu_s for each in watched):.1f}",
                str(one.figures["renders"]),
                f"{Percentiles.of(turn['painted_s'] * 1000 for turn in one.turns).p95:.1f}",
                f"{Percentiles.of(wait * 1000 for wait in sharp).p95:.1f}",
            ]
        )
    return table(headers, rows)


def each(one: Run) -> str:
    """A line for each process."""
    headers = ["process", "", "own peak RSS", "RSS", "PSS", "USS", "end RSS", "end PSS", "cpu s"]
    rows = []
    for watched in one.processes.values():
        sizes = (watched.peak_rss_bytes, watched.rss_bytes, watched.pss_bytes, watched.uss_bytes)
        parts = ", ".join(f"{name} {_mib(size)}" for name, size in watched.parts.items())
        ends = (watched.end_rss_bytes, watched.end_pss_bytes)
        rows.append([watched.role, parts, *map(_mib, (*sizes, *ends)), f"{watched.cpu_s:.1f}"])
    held = ", ".join(f"{name} {count}" for name, count in one.figures.items())
    return f"{table(headers, rows)}\n{held}"


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.0f}"


if __name__ == "__main__":
    main()
