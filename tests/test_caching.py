"""The layers, and the damage they must survive."""

from __future__ import annotations

import os
import pickle
import sqlite3
import stat
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from sidebooks_core.stores.disk import LAYOUT, DiskStore
from sidebooks_core.stores.leases import FileLeases
from sidebooks_core.stores.memory import MemoryStore
from sidebooks_core.stores.record import Record
from sidebooks_core.stores.tiers import Tiers
from sidebooks_core.testing import StoreContract


def record(size: int = 1000, tag: str = "t", cost_s: float = 0.01, *, fill: int = 1, is_preview: bool = False) -> Record:
    return Record(bytes([fill]) * size, tag, cost_s, is_preview)


class TestMemory(StoreContract):
    def make_store(self) -> MemoryStore:
        return MemoryStore(1 << 20, 1 << 18)


class TestDisk(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make_store(self) -> DiskStore:
        return DiskStore(self.folder, 1 << 24)


def test_memory_keeps_its_budgets() -> None:
    store = MemoryStore(100_000, 20_000)
    for number in range(500):
        store.put(f"k{number}", record(3000, cost_s=number % 7, is_preview=number % 5 == 0))
        held = store.statistics()
        assert held.bytes <= 100_000
        assert held.preview_bytes <= 20_000


def test_previews_are_not_evicted_by_tiles() -> None:
    store = MemoryStore(100_000, 20_000)
    store.put("preview", record(is_preview=True))
    for number in range(500):
        store.put(f"k{number}", record(5000))
    assert store.contains("preview")


def test_a_scan_a_little_over_the_budget_still_hits() -> None:
    """LRU would miss every time: each record goes just before it is wanted again."""
    store = MemoryStore(50_000, 0)
    hits = 0
    for _ in range(20):
        for number in range(12):
            key = f"k{number}"
            if store.get(key) is not None:
                hits += 1
            else:
                store.put(key, record(4000, cost_s=0.01 * (1 + number % 3)))
    assert hits > 20 * 12 // 4


def test_the_folder_is_private(tmp_path: Path) -> None:
    DiskStore(tmp_path / "cache", 1 << 24).close()
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "cache" / LAYOUT / "cache.db").stat().st_mode) == 0o600


class _Exploit:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_a_planted_pickle_does_not_run(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, 1 << 24)
    store.put("key", record())
    planted = pickle.dumps(_Exploit(tmp_path / "ran"))
    with closing(sqlite3.connect(tmp_path / LAYOUT / "cache.db")) as connection, connection:
        connection.execute("UPDATE Cache SET mode = 4, value = ?, filename = NULL WHERE key = 'key'", (planted,))
    assert store.get("key") is None
    assert store.verify(fix=True).damaged == 1
    assert store.verify().records == 0
    assert not (tmp_path / "ran").exists()
    store.close()


@pytest.mark.parametrize("size", [500, 200_000])
def test_any_flipped_byte_is_a_miss(tmp_path: Path, size: int) -> None:
    store = DiskStore(tmp_path, 1 << 26)
    store.put("key", record(size))
    with closing(sqlite3.connect(tmp_path / LAYOUT / "cache.db")) as connection, connection:
        value, filename = connection.execute("SELECT value, filename FROM Cache").fetchone()
    good = (tmp_path / LAYOUT / filename).read_bytes() if filename else value
    for position in [*range(40), len(good) // 2, len(good) - 1]:
        store.put("key", record(size))
        bad = bytearray(good)
        bad[position] ^= 1
        with closing(sqlite3.connect(tmp_path / LAYOUT / "cache.db")) as connection, connection:
            (name,) = connection.execute("SELECT filename FROM Cache").fetchone()
            if name:
                (tmp_path / LAYOUT / name).write_bytes(bytes(bad))
            else:
                connection.execute("UPDATE Cache SET value = ?", (bytes(bad),))
        assert store.get("key") is None, position
        assert not store.contains("key")
    store.close()


def test_a_record_under_another_key_is_a_miss(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, 1 << 24)
    store.put("key", record())
    with closing(sqlite3.connect(tmp_path / LAYOUT / "cache.db")) as connection, connection:
        connection.execute("UPDATE Cache SET key = 'other'")
    assert store.get("other") is None
    store.close()


def test_a_folder_removed_while_in_use_comes_back(tmp_path: Path) -> None:
    import shutil

    store = DiskStore(tmp_path / "cache", 1 << 24)
    store.put("a", record())
    shutil.rmtree(tmp_path / "cache")
    store.put("b", record(fill=2))
    assert store.get("b") == record(fill=2)
    store.close()


def test_a_database_that_is_rubbish_is_replaced(tmp_path: Path) -> None:
    DiskStore(tmp_path, 1 << 24).close()
    for file in (tmp_path / LAYOUT).glob("cache.db*"):
        file.write_bytes(b"rubbish" * 5000)
    store = DiskStore(tmp_path, 1 << 24)
    store.put("a", record())
    assert store.get("a") == record()
    store.close()


def test_the_disk_budget_binds(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, 4 << 20)
    for number in range(200):
        store.put(f"k{number}", record(100_000))
    on_disk = sum(file.stat().st_size for file in tmp_path.rglob("*.val"))
    assert on_disk <= 4 << 20
    assert store.get("k199") is not None
    store.close()


def test_files_of_killed_writers_are_removed(tmp_path: Path) -> None:
    """They have no row, so diskcache neither counts nor evicts them: under a soak of killed writers the disk filled."""
    store = DiskStore(tmp_path, 1 << 26)
    store.put("key", record(200_000))
    [kept] = (tmp_path / LAYOUT).rglob("*.val")
    left, young, of_the_future = (kept.parent / f"{name}.val" for name in ("left", "young", "future"))
    for file, age_s in ((left, 60), (young, 0), (of_the_future, -3600), (kept, 60)):
        file.touch()
        os.utime(file, (time.time() - age_s,) * 2)
    (tmp_path / "swept").unlink()
    later = DiskStore(tmp_path, 1 << 26)
    later.put("another", record())
    assert [left.exists(), young.exists(), of_the_future.exists()] == [False, True, False]
    assert later.get("key") == record(200_000)
    os.utime(young, (0, 0))
    later.put("third", record())
    assert young.exists(), "not looked for at every write"
    later.close()
    store.close()


def test_what_waits_to_be_written_is_found(tmp_path: Path) -> None:
    layered = Tiers(MemoryStore(0, 0), [DiskStore(tmp_path, 1 << 24)])
    written: list[int] = []
    for number in range(50):
        layered.put(f"k{number}", record(fill=number), written=lambda n=number: written.append(n))  # type: ignore[misc]
    assert all(layered.get(f"k{number}") == record(fill=number) for number in range(50))
    layered.flush()
    layered.close(5)
    assert sorted(written) == list(range(50))
    again = DiskStore(tmp_path, 1 << 24)
    assert all(again.get(f"k{number}") == record(fill=number) for number in range(50))
    again.close()


def test_purging_reaches_what_is_on_its_way(tmp_path: Path) -> None:
    layered = Tiers(MemoryStore(1 << 20, 0), [DiskStore(tmp_path, 1 << 24)])
    for number in range(20):
        layered.put(f"k{number}", Record(b"secret-%d" % number * 100, "doomed" if number % 2 else "kept", 0.1))
    layered.purge("doomed")
    layered.flush()
    layered.close(5)
    left = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"secret-2" in left
    assert not [number for number in range(1, 20, 2) if b"secret-%d" % number * 100 in left]


def test_a_lock_excludes_another_handle_and_tells_when_free(tmp_path: Path) -> None:
    import threading

    ours, theirs = FileLeases(tmp_path), FileLeases(tmp_path)
    held = ours.try_acquire("key")
    assert held is not None
    assert theirs.try_acquire("key") is None
    assert ours.try_acquire("key") is not None, "one process does not exclude itself"
    called = threading.Event()
    theirs.wait("key", lambda _: called.set(), 60)
    assert not called.wait(0.05)
    held.release()
    held.release()
    assert not called.wait(0.05), "the second holder still has it"


@pytest.mark.skipif(sys.platform != "linux", reason="locks are ranges of a file on Linux only")
def test_locks_on_many_keys_are_apart_and_take_one_file(tmp_path: Path) -> None:
    ours, theirs = FileLeases(tmp_path), FileLeases(tmp_path)
    held = [ours.try_acquire(f"ours {number}") for number in range(100)]
    assert None not in held
    assert all(theirs.try_acquire(f"theirs {number}") for number in range(100))
    assert held[50] is not None
    held[50].release()
    free = [number for number in range(100) if theirs.try_acquire(f"ours {number}")]
    assert free == [50], "letting go of one, or asking for one, lets go of no other"
    assert len(list((tmp_path / "locks").iterdir())) == 1


def test_a_full_disk_budget_keeps_what_is_dear_to_make_again(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, 4 << 20)
    for number in range(200):
        cost_s = 1.0 if number % 2 else 0.001
        store.put(f"key{number}", Record(bytes(100_000), "tag", cost_s))
    kept = [number for number in range(200) if store.contains(f"key{number}")]
    dear = [number for number in kept if number % 2]
    assert store.statistics().bytes <= (4 << 20) + 1_000_000
    assert len(dear) > 0.8 * len(kept), kept
    assert max(kept) > 190, "what is new is kept, too"
    store.close()


def test_records_that_were_dear_go_when_newer_ones_are(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, 4 << 20)
    for number in range(300):
        store.put(f"key{number}", Record(bytes(100_000), "tag", 0.5))
    assert not store.contains("key0")
    assert store.contains("key299")
    store.close()


def discarding(folder: Path, memory_bytes: int, monkeypatch: pytest.MonkeyPatch) -> tuple[DiskStore, Tiers, threading.Event]:
    """A store that is removing its record "k" from the disk, and has not done so until the event is set."""
    disk = DiskStore(folder, 1 << 24)
    layered = Tiers(MemoryStore(memory_bytes, 0), [disk])
    layered.put("k", record())
    layered.flush()
    entered, leave = threading.Event(), threading.Event()
    delete = disk.delete

    def slow(key: str) -> None:
        entered.set()
        assert leave.wait(10)
        delete(key)

    monkeypatch.setattr(disk, "delete", slow)
    layered.discard("k")
    assert entered.wait(10)
    return disk, layered, leave


def test_a_damaged_record_is_gone_at_once_and_removed_from_the_disk_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, layered, leave = discarding(tmp_path, 1 << 20, monkeypatch)
    assert layered.get("k") is None
    assert not layered.contains("k")
    layered.put("other", record())
    leave.set()
    layered.flush()
    assert disk.get("k") is None
    assert disk.get("other") is not None
    layered.put("k", record(fill=2))
    layered.flush()
    assert disk.get("k") == record(fill=2)
    layered.close(2)


def test_what_is_made_again_while_the_damaged_one_is_removed_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, layered, leave = discarding(tmp_path, 0, monkeypatch)
    layered.put("k", record(fill=2))
    leave.set()
    layered.flush()
    assert layered.get("k") == record(fill=2)
    layered.close(2)
