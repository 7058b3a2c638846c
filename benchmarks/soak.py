"""Is a picture ever wrong, or anything left behind, while processes that share a cache are killed?

python -m benchmarks soak [--minutes M] [--kills N] [--seed N] [--json FILE] [--html FILE] [--quick]

Readers are hosts with workers of their own: they ask for images of a document and compare the pixels with those of a service
without a cache. Writers put records whose bytes follow from their keys, and compare what they read. All of them use one small
cache, so that records are evicted all the time, and any of them, workers too, is ended by SIGKILL when its turn comes.
A failure is a wrong picture or record, an error that is not the library's, an unreadable record that reading did not count,
a disk above its limit, or a process that outlives its host. Runs until both the time and the kills are through. Linux only.

What the numbers do not say: what happens when the machine loses its power. A process that is killed has written what it wrote.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import sidebooks_core as sb
from benchmarks import results
from benchmarks.corpus import SAMPLE
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from sidebooks_core.encoding.encode import decode
from sidebooks_core.stores.disk import DiskStore
from sidebooks_core.stores.record import Record

MIB = 1 << 20
DISK_BYTES = 256 * MIB
PAGES = 12
WIDTHS_PX = (160, 320, 480)
READERS = 2
WRITERS = 3
RECORD_KEYS = 6000
RECORD_BYTES = (200, 3000, 40_000, 100_000, 300_000)
"""On both sides of the length from which a record lies in a file of its own."""
KILL_SHARES = {"writer": 0.55, "worker": 0.38, "reader": 0.07}
LINGER_S = 10.0
"""A worker whose host was killed ends at once; one that is left after so long is an orphan."""
PR_SET_CHILD_SUBREAPER = 36


@dataclass(slots=True)
class Soak:
    """The processes of a run and what was seen of them."""

    folder: Path
    expected: dict[tuple[int, int], str]
    chance: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    running: dict[int, str] = field(default_factory=dict)
    strays: dict[int, float] = field(default_factory=dict)
    orphans: set[int] = field(default_factory=set)
    most_bytes: int = 0

    @property
    def cache_dir(self) -> Path:
        return self.folder / "cache"

    @property
    def log(self) -> Path:
        return self.folder / "events"


def main(arguments: list[str] | None = None) -> None:
    """Soak and print. Exit status 1 after any failure."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="of who is killed; when, the machine decides too")
    with_outputs(parser)
    parser.add_argument("--reference", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="ten seconds, thirty kills")
    chosen = parser.parse_args(arguments)
    if chosen.reference:
        print(json.dumps(reference()))
        return
    if sys.platform != "linux":
        sys.exit("needs Linux: it finds orphans through the kernel's list of children")
    minutes, kills = (1 / 6, 30) if chosen.quick else (chosen.minutes, chosen.kills)
    begun = begin(chosen, "pymupdf", "diskcache")
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(Path(folder), minutes * 60, kills, chosen.seed)
    found["minutes"] = round((time.monotonic() - started_s) / 60, 1)
    for name, value in found.items():
        print(f"{name}: {value}")
    failed = failures(found)
    for failure in failed:
        print("FAILURE", failure)
    begun.finish(series_of(found, failed), found | {"failures": failed})
    if failed:
        sys.exit(1)


def series_of(found: dict[str, Any], failed: list[str]) -> list[Series]:
    """Single figures: what went on, and what went wrong."""
    return [
        *results.measured("Failures", "all kinds", "count", [len(failed)]),
        *results.measured("The folder at most", "sidebooks_core", "MiB", [found["most_bytes"] / MIB]),
        *(
            one
            for name, count in found["events"].items()
            for one in results.measured("Events", name, "count", [count], better="higher")
        ),
    ]


def failures(found: dict[str, Any]) -> list[str]:
    """What the findings say that must not be."""
    events = found["events"]
    wrong = [f"{name}: {count}" for name, count in events.items() if name.startswith(("wrong", "unexpected"))]
    if found["orphan_processes"]:
        wrong.append(f"orphan processes: {found['orphan_processes']}")
    if found["most_bytes"] > DISK_BYTES:
        wrong.append(f"the folder held {found['most_bytes'] / MIB:.1f} MiB")
    if found["database"] != "ok":
        wrong.append(f"the database: {found['database']}")
    if not events.get("images") or not events.get("records read"):
        wrong.append("nothing was read")
    return wrong


def reference() -> list[list[Any]]:
    """Digests of the pixels of every image that readers ask for, by a service without a cache."""
    with sb.TileService(sb.Settings(cache_dir=None)) as service:
        document = service.open(SAMPLE)
        return [
            [page, width_px, _pixels(service.page_image(document, page, width_px=width_px))]
            for page in range(PAGES)
            for width_px in WIDTHS_PX
        ]


def soak(folder: Path, seconds: float, kills: int, seed: int) -> dict[str, Any]:
    """Kill until both are through, then end everybody and look."""
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--reference"], capture_output=True, text=True, check=True, timeout=300
    )
    expected = {(page, width_px): digest for page, width_px, digest in json.loads(told.stdout.splitlines()[-1])}
    # Whoever loses its parent becomes a child of this process, and is seen.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    run = Soak(folder, expected, random.Random(seed))
    started_s = time.monotonic()
    pause_s = seconds / kills
    looked_s = said_s = 0.0
    try:
        while (now_s := time.monotonic() - started_s) < seconds or run.kills.total() < kills:
            _keep_running(run)
            if now_s > looked_s + 2:
                looked_s = now_s
                run.most_bytes = max(run.most_bytes, _folder_bytes(run.cache_dir))
                _look_for_strays(run)
            if now_s > said_s + 60:
                said_s = now_s
                print(f"{now_s / 60:.0f} min, {dict(run.kills)}, {_folder_bytes(run.cache_dir) / MIB:.1f} MiB", flush=True)
            # Never far behind the plan, and never in step with anything.
            if run.kills.total() < kills * now_s / seconds:
                _kill_one(run)
            time.sleep(run.chance.uniform(0, pause_s))
    finally:
        for pid in list(run.running):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _wait_for_the_rest(run)
    return _findings(run)


def _keep_running(run: Soak) -> None:
    """Reap who was killed, and start others in their places."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if not pid:
            break
        run.strays.pop(pid, None)
        role = run.running.pop(pid, None)
        if role is not None and not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            _note(run.log, f"unexpected end of a {role}: {status}")
    roles = Counter(run.running.values())
    for role, number, work in (("reader", READERS, _read), ("writer", WRITERS, _write)):
        for _ in range(number - roles[role]):
            seed = run.chance.random()
            pid = os.fork()  # nothing but this thread is in this process
            if pid == 0:
                _live(run, role, work, seed)
            run.running[pid] = role


def _live(run: Soak, role: str, work: Callable[[Soak, random.Random], None], seed: float) -> NoReturn:
    """In the child: work until killed."""
    try:
        work(run, random.Random(seed))
    except BaseException as error:  # noqa: BLE001 - told to the log, whatever it is; the child must not run the parent's code
        _note(run.log, f"unexpected {type(error).__name__} in a {role}: {error}"[:300])
    os._exit(1)


def _read(run: Soak, chance: random.Random) -> None:
    settings = sb.Settings(
        cache_dir=run.cache_dir, disk_bytes=DISK_BYTES, memory_bytes=MIB, preview_bytes=0, workers=1, render_timeout_s=20
    )
    with sb.TileService(settings) as service:
        document = service.open(SAMPLE)
        tally: Counter[str] = Counter()
        damaged = 0
        while True:
            place = chance.randrange(PAGES), chance.choice(WIDTHS_PX)
            try:
                tile = service.page_image(document, place[0], width_px=place[1])
            except sb.PageError as error:
                tally[f"reader's {type(error).__name__}"] += 1
                time.sleep(0.01)
            else:
                tally["images" if _pixels(tile) == run.expected[place] else f"wrong image {place}"] += 1
            found = service.statistics()
            tally["damaged records met"] += found.disk_damaged - damaged
            damaged = found.disk_damaged
            tally = _told(run.log, tally)


def _write(run: Soak, chance: random.Random) -> None:
    store = DiskStore(run.cache_dir, DISK_BYTES)
    tally: Counter[str] = Counter()
    damaged = failures = 0
    while True:
        name = f"{chance.randrange(RECORD_KEYS):032x}"
        if chance.random() < 0.5:
            store.put(name, Record(_content(name), f"tag{name[-1]}", chance.random() / 10))
            tally["records written"] += 1
        else:
            got = store.get(name)
            if got is None:
                tally["records missed"] += 1
            else:
                tally["records read" if got.data == _content(name) else "wrong record"] += 1
        found = store.statistics()
        tally["damaged records met"] += found.damaged - damaged
        tally["writes that failed"] += found.write_failures - failures
        damaged, failures = found.damaged, found.write_failures
        tally = _told(run.log, tally)
        time.sleep(0.002)


def _content(name: str) -> bytes:
    count = RECORD_BYTES[int(name, 16) % len(RECORD_BYTES)]
    return hashlib.shake_128(name.encode()).digest(64) * (count // 64 + 1)


def _pixels(tile: sb.Tile) -> str:
    return hashlib.blake2b(decode(tile.data, tile.media_type).tobytes(), digest_size=16).hexdigest()


def _told(log: Path, tally: Counter[str]) -> Counter[str]:
    """Write the tally down now and then, at once where something is wrong: its process may be killed any time."""
    if tally.total() < 10 and not any(name.startswith("wrong") for name in tally):
        return tally
    _note(log, json.dumps({name: count for name, count in tally.items() if count}))
    return Counter()


def _note(log: Path, line: str) -> None:
    """One write to a file opened for appending: lines of several processes do not mix."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.replace("\n", " ").encode() + b"\n")
    finally:
        os.close(descriptor)


def _kill_one(run: Soak) -> None:
    [role] = run.chance.choices(list(KILL_SHARES), list(KILL_SHARES.values()))
    if role == "worker":
        readers = [pid for pid, other in run.running.items() if other == "reader"]
        # The process that workers are forked from, and they.
        found = [one for reader in readers for child in _children(reader) for one in (child, *_children(child))]
    else:
        found = [pid for pid, other in run.running.items() if other == role]
    if not found:
        return
    with suppress(ProcessLookupError):
        os.kill(run.chance.choice(found), signal.SIGKILL)
        run.kills[role] += 1


def _children(pid: int) -> list[int]:
    """Those that live, of all threads: a process is the child of the one that started it."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, task.read_text().split())
    return [child for child in found if _lives(child)]


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _look_for_strays(run: Soak) -> None:
    """Workers of hosts that are gone."""
    now_s = time.monotonic()
    for pid in _children(os.getpid()):
        if pid not in run.running and now_s - run.strays.setdefault(pid, now_s) > LINGER_S:
            run.orphans.add(pid)


def _wait_for_the_rest(run: Soak) -> None:
    deadline_s = time.monotonic() + LINGER_S
    while time.monotonic() < deadline_s and (_children(os.getpid())):
        time.sleep(0.1)
    run.orphans.update(_children(os.getpid()))
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _folder_bytes(folder: Path) -> int:
    """Lengths of all files; those that vanish meanwhile count nothing."""
    count = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                count += Path(where, name).stat().st_size
    return count


def _findings(run: Soak) -> dict[str, Any]:
    events: Counter[str] = Counter()
    for line in run.log.read_text(encoding="utf-8").splitlines():
        if line.startswith("{"):
            events.update(json.loads(line))
        else:
            events[line] += 1
    store = DiskStore(run.cache_dir, DISK_BYTES)
    verified = store.verify()
    volume_bytes = store.statistics().bytes
    [database] = run.cache_dir.glob("records-*/cache.db")
    store.close()
    connection = sqlite3.connect(database)
    try:
        [(integrity,)] = connection.execute("PRAGMA integrity_check(1)").fetchall()
    finally:
        connection.close()
    return {
        "kills": run.kills.total(),
        "kills_by_role": dict(run.kills),
        "events": dict(sorted(events.items())),
        "orphan_processes": len(run.orphans),
        "disk_bytes": DISK_BYTES,
        "most_bytes": run.most_bytes,
        "volume_bytes_at_end": volume_bytes,
        "records_at_end": verified.records,
        "unreadable_at_end": verified.damaged,
        "files_without_record_at_end": verified.orphan_files,
        "database": integrity,
    }


if __name__ == "__main__":
    main()
