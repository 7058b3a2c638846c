"""The layers, and the damage they must survive."""

from __future__ import annotations

import os
import pickle
import sqlite3
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from sidebooks_core.stores.behind import HANGS_S
from sidebooks_core.stores.disk import LAYOUT, DiskStore
from sidebooks_core.stores.encrypted import EncryptedStore
from sidebooks_core.stores.leases import FileLeases
from sidebooks_core.stores.memory import MemoryStore
from sidebooks_core.stores.protocol import Leases, StoreStatistics, TileStore
from sidebooks_core.stores.record import Record
from sidebooks_core.stores.tiers import Tiers
from sidebooks_core.testing import FailingStore, LeaseContract, SlowStore, StoreContract


def record(size: int = 1000, tag: str = "t", cost_s: float = 0.01, *, fill: int = 1, is_preview: bool = False) -> Record:
    return Record(bytes([fill]) * size, tag, cost_s, is_preview)


class TestMemory(StoreContract):
    def make_store(self) -> TileStore:
        return MemoryStore(1 << 20, 1 << 18)


class InFolder:
    """For stores that lie in a folder of the test's own."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path


class TestDisk(InFolder, StoreContract):
    opens_elsewhere = True

    def make_store(self) -> TileStore:
        return DiskStore(self.folder, 1 << 24)


class TestDiskLeases(InFolder, LeaseContract):
    def make_leases(self) -> tuple[Leases, Leases]:
        return leases_of(DiskStore(self.folder, 1 << 24)), leases_of(DiskStore(self.folder, 1 << 24))


class TestEncrypted(InFolder, StoreContract):
    def make_store(self) -> TileStore:
        return encrypted(self.folder)


class TestEncryptedLeases(InFolder, LeaseContract):
    def make_leases(self) -> tuple[Leases, Leases]:
        return leases_of(encrypted(self.folder)), leases_of(encrypted(self.folder))


class TestTwoTiers(InFolder, StoreContract):
    opens_elsewhere = True

    def make_store(self) -> TileStore:
        return Tiers(MemoryStore(1 << 20, 1 << 18), [DiskStore(self.folder, 1 << 24)])


class TestThreeTiers(InFolder, StoreContract):
    opens_elsewhere = True

    def make_store(self) -> TileStore:
        lower = [DiskStore(self.folder / "near", 1 << 24), DiskStore(self.folder / "far", 1 << 24)]
        return Tiers(MemoryStore(1 << 20, 1 << 18), lower)


class TestTierLeases(InFolder, LeaseContract):
    """Of a tier without leases above one that has them."""

    def make_leases(self) -> tuple[Leases, Leases]:
        def tiers() -> Tiers:
            return Tiers(MemoryStore(1 << 20, 0), [MemoryStore(1 << 20, 0), DiskStore(self.folder, 1 << 24)])

        return leases_of(tiers()), leases_of(tiers())


def leases_of(store: TileStore) -> Leases:
    leases = store.leases()
    assert leases is not None
    return leases


def encrypted(folder: Path) -> TileStore:
    pytest.importorskip("cryptography", reason="needs the extra encryption")
    return EncryptedStore(DiskStore(folder, 1 << 24), bytes(range(32)))


def test_memory_keeps_its_budgets() -> None:
    store = MemoryStore(100_000, 20_000)
    for number in range(500):
        store.put(f"k{number}", record(3000, cost_s=number % 7, is_preview=number % 5 == 0))
        held = store.statistics()
        assert held.bytes <= 100_000
        assert held.preview_bytes <= 20_000


def test_memory_counts_the_previews_that_had_to_leave() -> None:
    store = MemoryStore(100_000, 20_000)
    store.put("k00", record(3000, is_preview=True))
    size_bytes = store.statistics().preview_bytes
    for number in range(20):
        for _ in range(2):  # the second takes the place of the first
            store.put(f"k{number:02}", record(3000, is_preview=True))
        held_bytes = store.statistics().preview_bytes
        assert held_bytes + store.evicted_preview_bytes() == (number + 1) * size_bytes
    evicted_bytes = store.evicted_preview_bytes()
    assert evicted_bytes > 0
    store.put("tile", record(90_000))
    store.delete("k19")
    assert store.evicted_preview_bytes() == evicted_bytes


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
    tiers = Tiers(MemoryStore(0, 0), [DiskStore(tmp_path, 1 << 24)])
    written: list[int] = []
    for number in range(50):
        tiers.put(f"k{number}", record(fill=number), written=lambda n=number: written.append(n))  # type: ignore[misc]
    assert all(tiers.get(f"k{number}") == record(fill=number) for number in range(50))
    tiers.flush()
    tiers.close(5)
    assert sorted(written) == list(range(50))
    again = DiskStore(tmp_path, 1 << 24)
    assert all(again.get(f"k{number}") == record(fill=number) for number in range(50))
    again.close()


def test_purging_reaches_what_is_on_its_way(tmp_path: Path) -> None:
    tiers = Tiers(MemoryStore(1 << 20, 0), [DiskStore(tmp_path, 1 << 24)])
    for number in range(20):
        tiers.put(f"k{number}", Record(b"secret-%d" % number * 100, "doomed" if number % 2 else "kept", 0.1))
    tiers.purge("doomed")
    tiers.flush()
    tiers.close(5)
    left = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"secret-2" in left
    assert not [number for number in range(1, 20, 2) if b"secret-%d" % number * 100 in left]


@pytest.mark.skipif(sys.platform != "linux", reason="locks are ranges of a file on Linux only")
def test_locks_on_many_keys_are_apart_and_take_no_file_each(tmp_path: Path) -> None:
    ours, theirs = FileLeases(tmp_path), FileLeases(tmp_path)
    held = [ours.try_acquire(f"ours {number}") for number in range(100)]
    assert None not in held
    assert all(theirs.try_acquire(f"theirs {number}") for number in range(100))
    assert held[50] is not None
    held[50].release()
    free = [number for number in range(100) if theirs.try_acquire(f"ours {number}")]
    assert free == [50], "letting go of one, or asking for one, lets go of no other"
    assert {file.name for file in (tmp_path / "locks").iterdir()} == {"marks", "ranges"}, "however many keys"


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


def discarding(folder: Path, memory_bytes: int) -> tuple[DiskStore, Tiers, SlowStore]:
    """Tiers that are removing their record "k" from the disk, and have not done so until the slow store is released."""
    disk = DiskStore(folder, 1 << 24)
    slow = SlowStore(disk)
    tiers = Tiers(MemoryStore(memory_bytes, 0), [slow])
    tiers.put("k", record())
    tiers.flush()
    slow.block()
    tiers.discard("k")
    assert slow.wait_called("delete")
    return disk, tiers, slow


def test_a_damaged_record_is_gone_at_once_and_removed_from_the_disk_behind(tmp_path: Path) -> None:
    disk, tiers, slow = discarding(tmp_path, 1 << 20)
    assert tiers.get("k") is None
    assert not tiers.contains("k")
    tiers.put("other", record())
    slow.release()
    tiers.flush()
    assert disk.get("k") is None
    assert disk.get("other") is not None
    tiers.put("k", record(fill=2))
    tiers.flush()
    assert disk.get("k") == record(fill=2)
    tiers.close(2)


def test_what_is_made_again_while_the_damaged_one_is_removed_is_kept(tmp_path: Path) -> None:
    _, tiers, slow = discarding(tmp_path, 0)
    tiers.put("k", record(fill=2))
    slow.release()
    tiers.flush()
    assert tiers.get("k") == record(fill=2)
    tiers.close(2)


class Counting(TileStore):
    """A store that counts how often each key is looked for."""

    def __init__(self) -> None:
        self.inner = MemoryStore(1 << 20, 0)
        self.looks: Counter[str] = Counter()
        self.puts: Counter[str] = Counter()

    def get(self, key: str) -> Record | None:
        self.looks[key] += 1
        return self.inner.get(key)

    def put(self, key: str, record: Record) -> None:
        self.puts[key] += 1
        self.inner.put(key, record)

    def contains(self, key: str) -> bool:
        return self.inner.contains(key)

    def delete(self, key: str) -> None:
        self.inner.delete(key)

    def purge(self, tag: str) -> int:
        return self.inner.purge(tag)

    def statistics(self) -> StoreStatistics:
        return self.inner.statistics()

    def close(self) -> None:
        self.inner.close()


def test_a_request_looks_once_into_each_tier_and_what_it_finds_is_copied_upwards() -> None:
    near, far = Counting(), Counting()
    far.inner.put("k", record())
    tiers = Tiers(MemoryStore(1 << 20, 0), [near, far])
    assert tiers.get_memory("k") is None
    assert tiers.get("k") == record()
    assert (near.looks["k"], far.looks["k"]) == (1, 1)
    assert tiers.get_memory("k") == record()
    tiers.flush()
    assert near.inner.get("k") == record()
    assert far.puts["k"] == 0, "where it was found it is not written again"
    assert tiers.get("k") == record()
    assert tiers.get("nothing") is None
    assert (near.looks, far.looks) == (Counter(k=1, nothing=1), Counter(k=1, nothing=1))
    tiers.close()


def test_tiers_are_opened_elsewhere_if_all_of_them_can_be(tmp_path: Path) -> None:
    near, far = DiskStore(tmp_path / "near", 1 << 24), DiskStore(tmp_path / "far", 1 << 24)
    opener = Tiers(MemoryStore(0, 0), [near, far]).reopener()
    assert opener is not None
    elsewhere = opener()
    elsewhere.put("k", record())
    elsewhere.close()
    assert near.get("k") == far.get("k") == record()
    assert Tiers(MemoryStore(0, 0), [near, MemoryStore(1 << 20, 0)]).reopener() is None
    assert Tiers(MemoryStore(1 << 20, 0)).reopener() is None


def test_bulk_work_goes_past_the_memory_to_all_tiers_below() -> None:
    near, far = Counting(), Counting()
    tiers = Tiers(MemoryStore(1 << 20, 0), [near, far])
    tiers.put("bulk", record(), in_memory=False)
    tiers.put("seen", record())
    assert tiers.get_memory("bulk") is None
    assert tiers.get_memory("seen") == record()
    tiers.flush()
    assert near.puts == far.puts == Counter(bulk=1, seen=1)
    alone = Tiers(MemoryStore(1 << 20, 0))
    alone.put("bulk", record(), in_memory=False)
    assert alone.get("bulk") == record(), "without other tiers there is nowhere else"
    tiers.close()
    alone.close()


def test_what_was_purged_while_it_was_found_is_not_copied(tmp_path: Path) -> None:
    disk = DiskStore(tmp_path, 1 << 24)
    disk.put("k", record())
    slow, near = SlowStore(disk), Counting()
    tiers = Tiers(MemoryStore(1 << 20, 0), [near, slow])
    slow.block()
    with ThreadPoolExecutor(2) as threads:
        found = threads.submit(tiers.get, "k")
        assert slow.wait_called("get")
        purged = threads.submit(tiers.purge, "t")
        assert slow.wait_called("purge")
        slow.release()
        found.result(20)
        purged.result(20)
    tiers.flush()
    assert tiers.get("k") is None
    assert not near.inner.contains("k")
    tiers.close()


def test_a_tier_that_hangs_holds_up_one_request_and_no_other(tmp_path: Path) -> None:
    """Nor does it keep the tier above from being written and read."""
    disk = DiskStore(tmp_path, 1 << 24)
    slow = SlowStore(MemoryStore(1 << 20, 0))
    tiers = Tiers(MemoryStore(0, 0), [disk, slow])
    slow.block()
    with ThreadPoolExecutor(3) as threads:
        held_up = threads.submit(tiers.get, "nowhere")
        assert slow.wait_called("get")
        tiers.put("k", record())
        assert slow.wait_called("put")
        while disk.get("k") is None:
            time.sleep(0.01)
        time.sleep(HANGS_S)
        started_s = time.perf_counter()
        for number in range(20):
            assert tiers.get(f"nowhere {number}") is None
            assert not tiers.contains(f"nowhere {number}")
            assert tiers.get("k") == record()
        assert time.perf_counter() - started_s < HANGS_S / 2
        assert not held_up.done()
        slow.release()
        assert held_up.result(20) is None
    tiers.put("later", record())
    tiers.flush()
    assert slow.get("later") == record(), "it is used again"
    tiers.close()


def test_leases_are_released_when_other_processes_can_find_the_record(tmp_path: Path) -> None:
    """In the tier whose leases are used; the others do not matter."""
    slow = SlowStore(MemoryStore(1 << 20, 0))
    disk = DiskStore(tmp_path, 1 << 24)
    for lower in ([slow, disk], [disk, slow]):
        tiers = Tiers(MemoryStore(1 << 20, 0), lower)
        leases = tiers.leases()
        assert leases is not None
        before = disk.leases().mark("other")
        leases.advance("other")
        assert disk.leases().mark("other") != before
        slow.block()
        written = threading.Event()
        tiers.put("k", record(), written=written.set)
        assert written.wait(20)
        assert disk.get("k") == record()
        disk.delete("k")
        slow.release()
        tiers.flush()


def test_a_tier_that_raises_is_a_miss_and_the_others_serve(caplog: pytest.LogCaptureFixture) -> None:
    behind = MemoryStore(1 << 20, 0)
    failing = FailingStore(MemoryStore(1 << 20, 0), OSError("out of order"))
    tiers = Tiers(MemoryStore(0, 0), [failing, behind])
    told: list[str] = []
    tiers.put("k", record(), written=lambda: told.append("written"))
    tiers.flush()
    assert tiers.get("k") == record()
    assert tiers.contains("k")
    tiers.discard("k")
    tiers.flush()
    tiers.delete("k")
    assert tiers.get("k") is None
    tiers.put("other", record())
    tiers.flush()
    assert tiers.purge("t") == 1
    found = tiers.statistics()
    assert (found.records, found.disk.records) == (0, 0)
    assert found.dropped_writes >= 2
    assert told == ["written"]
    failing.is_failing = False
    tiers.put("later", record())
    tiers.flush()
    assert tiers.statistics().disk.records == 2
    failing.is_failing = True
    tiers.close()
    assert len(caplog.records) == 1, "told once"


def test_encrypted_leases_do_not_tell_which_pages_are_drawn() -> None:
    pytest.importorskip("cryptography", reason="needs the extra encryption")
    asked: list[str] = []

    class Telling:
        def try_acquire(self, key: str) -> None:
            asked.append(key)

        def wait(self, key: str, callback: Callable[[bool], None], most_s: float) -> None:
            asked.append(key)

    class Store(Counting):
        def leases(self) -> Leases | None:
            return Telling()

    leases = leases_of(EncryptedStore(Store(), bytes(32)))
    leases.try_acquire("the page")
    leases.wait("the page", lambda _: None, 1.0)
    assert asked[0] == asked[1]
    assert "the page" not in asked[0]
