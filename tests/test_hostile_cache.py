"""Rows and folders of a cache that somebody else made: no file outside is deleted, and what others can write to is not used."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from test_fault_injection import record

import sidebooks_core as sb
from sidebooks_core.stores.disk import LAYOUT, DiskStore
from sidebooks_core.stores.memory import MemoryStore
from sidebooks_core.stores.record import Record
from sidebooks_core.stores.tiers import Tiers
from sidebooks_core.testing import FailingStore

LARGE = bytes(200_000)
"""Lies in a file of its own."""
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="owners and modes as POSIX has them")

WAYS: dict[str, Callable[[DiskStore], object]] = {
    "get": lambda store: store.get("key"),
    "put": lambda store: store.put("key", record(LARGE)),
    "delete": lambda store: store.delete("key"),
    "purge": lambda store: store.purge("tag"),
    "clear": lambda store: store.clear(),
    "verify": lambda store: store.verify(fix=True),
    "evict": lambda store: [store.put(f"other {number}", record(os.urandom(200_000))) for number in range(20)],
}
NAMES = ["absolute", "dots", "link", "text in a name", "0/../../../victim.val", "0//victim.val", ""]


def plant(folder: Path, name: str, key: str = "key") -> None:
    """Have a row's file be another, expired and of the least worth: the next to go."""
    database = sqlite3.connect(folder / LAYOUT / "cache.db")
    with database:
        changed = database.execute(
            "UPDATE Cache SET filename = ?, expire_time = 1, access_count = 0 WHERE key = ?", (name, key)
        ).rowcount
    database.close()
    assert changed == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", WAYS)
def test_a_row_takes_no_file_outside_with_it(tmp_path: Path, way: str, name: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    victims = [home / "victim.val", home / ("0" * 31 + ".val")]
    for victim in victims:
        victim.write_bytes(b"of somebody else")
    cache = tmp_path / "cache"
    store = DiskStore(cache, 2 << 20)
    store.put("key", record(LARGE))
    if name == "link":
        (cache / LAYOUT / "0").rename(cache / LAYOUT / "aside") if (cache / LAYOUT / "0").exists() else None
        (cache / LAYOUT / "0").symlink_to(home, target_is_directory=True)
    planted = {
        "absolute": str(victims[0]),
        "dots": "../../home/victim.val",
        "link": f"0/{'0' * 31}.val",
    }.get(name, name)
    plant(cache, planted)
    WAYS[way](store)
    store.close()
    again = DiskStore(cache, 2 << 20)
    again.put("one more", record(LARGE))
    again.close()
    assert all(victim.read_bytes() == b"of somebody else" for victim in victims)


@posix_only
def test_all_that_the_cache_makes_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        store = DiskStore(tmp_path / "cache", 64 << 20)
        for number in range(20):
            store.put(str(number), record(LARGE))
        store.close()
        folder = tmp_path / "cache"
        assert folder.stat().st_mode & 0o777 == 0o700
        made = [*(tmp_path / "cache").rglob("*")]
        assert sum(path.suffix == ".val" for path in made) == 20
        assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} == {0o700}
        assert {path.stat().st_mode & 0o077 for path in made} == {0}
    finally:
        os.umask(before)


@posix_only
def test_a_folder_that_was_removed_comes_back_with_its_mode(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache", 64 << 20)
    store.put("a", record(LARGE))
    for path in sorted((tmp_path / "cache").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "cache").rmdir()
    store.put("b", record(LARGE))
    assert store.get("b") == record(LARGE)
    store.close()
    for path in (tmp_path / "cache", *(tmp_path / "cache").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@posix_only
@pytest.mark.parametrize("inner", [False, True])
def test_a_folder_that_everybody_may_write_to_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, inner: bool
) -> None:
    folder = tmp_path / "cache"
    DiskStore(folder, 64 << 20).close()
    open_to_all = folder / LAYOUT if inner else folder
    open_to_all.chmod(0o777)
    with caplog.at_level(logging.WARNING):
        store = DiskStore(folder, 64 << 20)
        store.put("key", record(LARGE))
    assert store.get("key") is None
    [told] = [entry.getMessage() for entry in caplog.records]
    assert str(open_to_all) in told
    assert "everybody may write to it" in told
    assert "chmod 700" in told
    open_to_all.chmod(0o700)
    store.put("key", record(LARGE))
    assert store.get("key") == record(LARGE), "put right, it is used from then on"
    store.close()


@posix_only
def test_a_folder_of_another_user_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root meets one by sudo. By pretending to be another: only root can give a folder away."""
    folder = tmp_path / "cache"
    DiskStore(folder, 64 << 20).close()
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with caplog.at_level(logging.WARNING):
        store = DiskStore(folder, 64 << 20)
    store.put("key", record(LARGE))
    assert store.get("key") is None
    store.close()
    assert "belongs to user" in caplog.text
    assert "cache_dir" in caplog.text


def test_a_store_that_raises_ends_no_writer(caplog: pytest.LogCaptureFixture) -> None:
    behind = MemoryStore(1 << 20, 0)
    store = Tiers(MemoryStore(1 << 20, 0), [FailingStore(behind, RuntimeError("out of order"), only=lambda key: "bad" in key)])
    told = threading.Event()
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            store.put(f"bad {number}", Record(b"x", "tag", 1.0), written=told.set)
        store.put("good", Record(b"x", "tag", 1.0))
        store.flush()
    assert told.is_set()
    assert behind.get("good") is not None
    assert store.statistics().dropped_writes == 3
    assert len(caplog.records) == 1
    store.close(1.0)


def test_a_service_counts_what_its_store_does_not_keep(sample: Path) -> None:
    full = FailingStore(MemoryStore(1 << 20, 0), OSError("full"))
    with sb.TileService(sb.Settings(cache_dir=None), store=full) as service:
        document = service.open(sample)
        service.page_image(document, 0, width_px=100)
        service.page_image(document, 1, width_px=100)
        service.parts.flush()
        assert service.statistics().dropped_writes >= 2
