"""Facts: kept over restarts, shared by processes, bounded, and worth nothing to whoever damages or plants them."""

from __future__ import annotations

import logging
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

import sidebooks_core as sb
from sidebooks_core.databases.versions import require_safe_sqlite
from sidebooks_core.library import facts_file
from sidebooks_core.library.facts import FILE_NAME, Facts
from sidebooks_core.library.facts_file import FactsFailed, FactsFile, Row
from sidebooks_core.library.positions import Positions
from sidebooks_core.stores.folders import file_system_of, is_remote_kind

MOST_BYTES = 8 << 20
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="owners, modes and special files as POSIX has them")


@contextmanager
def opened(folder: Path | None, most_bytes: int = MOST_BYTES, key: bytes | None = None) -> Iterator[Facts]:
    facts = Facts(folder, most_bytes, key)
    try:
        yield facts
    finally:
        facts.close()


def content(folder: Path) -> bytes:
    """Of all files of the facts."""
    return b"".join(file.read_bytes() for file in folder.glob(f"{FILE_NAME}*"))


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_what_was_kept_is_known(tmp_path: Path, is_on_disk: bool) -> None:
    with opened(tmp_path if is_on_disk else None) as facts:
        assert facts.recall("key") is None
        facts.keep("key", b"old", "document")
        facts.keep("key", b"new", "document")
        assert facts.recall("key") == b"new"
        facts.flush()
        assert facts.recall("key") == b"new"
        assert facts.statistics().facts == 1
    assert facts.recall("key") is None, "closed"
    with opened(tmp_path if is_on_disk else None) as again:
        assert again.recall("key") == (b"new" if is_on_disk else None)


@pytest.mark.parametrize("is_on_disk", [True, False])
@pytest.mark.parametrize("is_written", [True, False])
def test_a_document_is_forgotten_and_what_lasts_only_if_told(tmp_path: Path, is_on_disk: bool, is_written: bool) -> None:
    with opened(tmp_path if is_on_disk else None) as facts:
        for document in ("one", "other"):
            facts.keep(f"{document} digest", b"secret of " + document.encode(), document)
            facts.keep(f"{document} position", b"page of " + document.encode(), document, lasts=True)
        if is_written:
            facts.flush()
        assert facts.forget("one") == 1
        kept = [facts.recall(f"{document} {what}") for document in ("one", "other") for what in ("digest", "position")]
        assert kept == [None, b"page of one", b"secret of other", b"page of other"]
        assert facts.forget("one", lasting=True) == 1
        assert facts.recall("one position") is None
        facts.flush()
        assert b"of one" not in content(tmp_path), "nor is it in the log"
        assert facts.clear() == 1
        assert facts.recall("other position") == b"page of other"
        assert facts.clear(lasting=True) == 1


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_the_bound_holds_and_positions_go_last(tmp_path: Path, is_on_disk: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [1_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now_s[0])
    facts = Facts(tmp_path if is_on_disk else None, 1 << 20)
    for number in range(100):
        facts.keep(f"position {number}", b"page", "document", lasts=True)
    facts.flush()
    for number in range(300):
        facts.keep(f"description {number}", bytes(20_000), "document")
        facts.flush()
        now_s[0] += 10
    facts.keep("too large", bytes(2 << 20), "document")
    facts.flush()
    if is_on_disk:  # what is recent is in memory, too
        facts.close()
        facts = Facts(tmp_path, 1 << 20)
    known = [number for number in range(300) if facts.recall(f"description {number}") is not None]
    assert known == list(range(known[0], 300)), "the oldest went first"
    assert 20 <= len(known) <= (38 if is_on_disk else 52)
    assert all(facts.recall(f"position {number}") == b"page" for number in range(100))
    assert facts.statistics().bytes <= 1 << 20
    facts.close()


def test_many_facts_at_once_push_no_position_out(tmp_path: Path) -> None:
    """More is written together than the file may hold."""
    with opened(tmp_path, 4 << 20) as facts:
        for number in range(50):
            facts.keep(f"position {number}", b"7", f"document {number}", lasts=True)
        facts.flush()
        rows = [Row(b"%d" % number, b"large", False, os.urandom(700_000)) for number in range(8)]
        with closing(FactsFile(tmp_path / FILE_NAME, 4 << 20)) as file:
            file.write(rows)
            found = [file.read(row.key) is not None for row in rows]
            assert 2 <= sum(found) < 8
            assert found[-1], "the newest"
            assert file.count().bytes <= 4 << 20
        assert [facts.recall(f"position {number}") for number in range(50)] == [b"7"] * 50


def test_what_could_not_be_forgotten_at_once_is_found_no_more_and_goes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.library.facts_file.WRITER_BUSY_MS", 50)
    monkeypatch.setattr("sidebooks_core.library.facts.RETRY_S", 0.05)
    with opened(tmp_path) as facts:
        facts.keep("position", b"secret page", "document", lasts=True)
        facts.flush()
        other = apsw.Connection(str(tmp_path / FILE_NAME))
        other.execute("BEGIN IMMEDIATE")
        assert facts.forget("document", lasting=True) == 0
        assert facts.recall("position") is None
        facts.keep("position", b"another page", "document", lasts=True)
        other.execute("ROLLBACK")
        other.close()
        facts.flush()
        assert facts.recall("position") == b"another page"
        assert facts.statistics().facts == 1
    assert b"secret page" not in content(tmp_path)


def test_the_statistics_of_an_administrator_cost_no_fact(tmp_path: Path) -> None:
    with opened(tmp_path) as facts:
        facts.keep("position", b"7", "document", lasts=True)
    connection = apsw.Connection(str(tmp_path / FILE_NAME))
    connection.execute("ANALYZE")
    connection.close()
    with opened(tmp_path) as facts:
        assert facts.recall("position") == b"7"


def test_what_is_used_again_is_not_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [1_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now_s[0])
    with opened(tmp_path, 1 << 20) as facts:
        for number in range(20):
            facts.keep(f"{number}", bytes(20_000), "document")
            facts.flush()
            now_s[0] += 10
    now_s[0] += 2 * 86_400
    with opened(tmp_path, 1 << 20) as facts:
        assert facts.recall("0") is not None
        facts.flush()
        now_s[0] += 10
        for number in range(20, 40):
            facts.keep(f"{number}", bytes(20_000), "document")
            facts.flush()
    with opened(tmp_path, 1 << 20) as facts:
        assert facts.recall("0") is not None
        assert facts.recall("1") is None


def test_keeping_waits_for_nobody(tmp_path: Path) -> None:
    """Another process has the file locked: positions are found all the same, and are written when it lets go."""
    with opened(tmp_path) as facts:
        facts.keep("key", b"before", "document")
        facts.flush()
        with closing(apsw.Connection(str(tmp_path / FILE_NAME))) as other:
            other.execute("BEGIN IMMEDIATE")
            started_s = time.perf_counter()
            for number in range(100):
                facts.keep(f"{number}", b"page", "document", lasts=True)
                assert facts.recall(f"{number}") == b"page"
            assert time.perf_counter() - started_s < 0.5
            other.execute("COMMIT")
        facts.flush()
        assert facts.statistics().facts == 101


def test_a_process_that_reads_holds_up_no_removal(tmp_path: Path) -> None:
    with opened(tmp_path) as facts:
        facts.keep("key", b"secret", "document")
        facts.flush()
        with closing(apsw.Connection(str(tmp_path / FILE_NAME))) as other:
            other.execute("BEGIN")
            assert other.execute("SELECT count(*) FROM fact").fetchall() == [(1,)]
            started_s = time.perf_counter()
            assert facts.forget("document") == 1
            assert time.perf_counter() - started_s < 4
            assert facts.recall("key") is None
            other.execute("COMMIT")
        assert facts.statistics().failures == 0
        assert facts.forget("document") == 0
        assert b"secret" not in content(tmp_path)


@pytest.mark.parametrize("damage", ["rubbish", "cut", "empty", "a page of zeros"])
@pytest.mark.parametrize("is_open", [False, True])
def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: str, is_open: bool, caplog: pytest.LogCaptureFixture) -> None:
    def spoil() -> None:
        for file in tmp_path.glob(f"{FILE_NAME}*"):
            if file.name.endswith("-shm"):
                continue  # memory that processes share: who cuts it short ends all that have it open, as with any SQLite
            good = file.read_bytes()
            file.write_bytes(
                {
                    "rubbish": b"rubbish" * 5000,
                    "cut": good[: len(good) // 2],
                    "empty": b"",
                    "a page of zeros": good[:4096] + bytes(4096) + good[8192:],
                }[damage]
            )

    facts = Facts(tmp_path, MOST_BYTES)
    for number in range(200):
        facts.keep(f"{number}", bytes(1000), "document")
    facts.flush()
    if not is_open:
        facts.close()
        spoil()
        facts = Facts(tmp_path, MOST_BYTES)
    else:
        spoil()
    for number in range(200):
        assert facts.recall(f"{number}") in (None, bytes(1000))
        facts.keep(f"new {number}", b"new", "document")
    facts.flush()
    facts.close()
    with opened(tmp_path) as again:
        assert [again.recall(f"new {number}") for number in range(200)] == [b"new"] * 200
        assert again.statistics().failures == 0
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith(FILE_NAME)] == [], "nothing is left over"
    assert len(caplog.records) <= 1


def test_any_changed_byte_is_no_fact(tmp_path: Path) -> None:
    with opened(tmp_path) as facts:
        facts.keep("key", b"what is known", "document")
    with closing(apsw.Connection(str(tmp_path / FILE_NAME))) as planted:
        [(good,)] = planted.execute("SELECT value FROM fact").fetchall()
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1
        with closing(apsw.Connection(str(tmp_path / FILE_NAME))) as planted:
            planted.execute("UPDATE fact SET value = ?", (bytes(bad),))
        with opened(tmp_path) as facts:
            assert facts.recall("key") is None, position
            assert facts.statistics().damaged == 1
            assert facts.verify().damaged == 1
    with opened(tmp_path) as facts:
        assert facts.verify(fix=True).damaged == 1
        assert facts.verify().facts == 0


PLANTED = {
    "a trigger": "CREATE TRIGGER planted AFTER INSERT ON fact BEGIN DELETE FROM fact; END",
    "a view": "ALTER TABLE fact RENAME TO hidden; CREATE VIEW fact AS SELECT * FROM hidden",
    "another table": "CREATE TABLE planted (one)",
    "another column": "ALTER TABLE fact ADD COLUMN planted TEXT",
    "no table": "DROP TABLE fact",
}


@pytest.mark.parametrize("sql", PLANTED.values(), ids=list(PLANTED))
def test_a_file_with_other_tables_is_set_aside(tmp_path: Path, sql: str) -> None:
    with opened(tmp_path) as facts:
        facts.keep("key", b"planted", "document")
    with closing(apsw.Connection(str(tmp_path / FILE_NAME))) as planted:
        planted.execute(sql)
    with opened(tmp_path) as facts:
        assert facts.recall("key") is None
        facts.keep("key", b"ours", "document")
    with opened(tmp_path) as facts:
        assert facts.recall("key") == b"ours"


def plant_link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def plant_folder(path: Path, victim: Path) -> None:
    path.mkdir()
    (path / "inside").symlink_to(victim)


def plant_pipe(path: Path, victim: Path) -> None:
    os.mkfifo(path)


def plant_linked_log(path: Path, victim: Path) -> None:
    path.with_name(f"{FILE_NAME}-wal").symlink_to(victim)
    path.with_name(f"{FILE_NAME}-journal").symlink_to(victim)


@posix_only
@pytest.mark.parametrize("plant", [plant_link, plant_folder, plant_pipe, plant_linked_log])
@pytest.mark.parametrize("old", [b"", b"of somebody else"])
def test_what_is_no_file_of_ours_takes_no_other_with_it(
    tmp_path: Path, plant: Callable[[Path, Path], None], old: bytes
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(old)
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    plant(cache / FILE_NAME, victim)
    with opened(cache) as facts:
        facts.keep("key", b"ours", "document")
        facts.flush()
        assert facts.recall("key") == b"ours"
    assert victim.read_bytes() == old


def test_a_file_of_a_newer_library_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path) as facts:
        facts.keep("key", b"theirs", "document")
    with closing(apsw.Connection(str(tmp_path / FILE_NAME))) as newer:
        newer.execute("PRAGMA user_version = 99")
    with opened(tmp_path) as facts:
        assert facts.recall("key") is None
        facts.keep("key", b"ours", "document")
        assert facts.recall("key") == b"ours", "in memory"
    [told] = [one.getMessage() for one in caplog.records]
    assert "newer version" in told
    with closing(apsw.Connection(str(tmp_path / FILE_NAME))) as newer:
        newer.execute("PRAGMA user_version = 1")
    with opened(tmp_path) as facts:
        assert facts.recall("key") == b"theirs"


def test_an_old_sqlite_is_refused_with_its_reason() -> None:
    with pytest.raises(sb.RequestError, match=r"SQLite 3\.51\.2; versions before 3\.51\.3 can lose .* pip install 'apsw"):
        require_safe_sqlite("3.51.2")
    for version in ("3.51.3", "3.52.0", "3.100", "4.0"):
        require_safe_sqlite(version)


MOUNTS = b"""\
24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
36 24 0:31 / /mnt/papers rw,relatime shared:2 master:1 - nfs4 server:/papers rw,vers=4.2
37 36 0:32 / /mnt/papers/fast\\040disk rw - xfs /dev/vdb rw
38 24 0:33 / /mnt/over rw - ext4 /dev/vdc rw
39 38 0:34 / /mnt/over rw - fuse.sshfs you@there:/ rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "is_remote"),
    [
        (b"/var/cache", "ext4", False),
        (b"/mnt/papers", "nfs4", True),
        (b"/mnt/papers/2026", "nfs4", True),
        (b"/mnt/papers2", "ext4", False),
        (b"/mnt/papers/fast disk/cache", "xfs", False),
        (b"/mnt/over/cache", "fuse.sshfs", True),
    ],
)
def test_a_network_file_system_is_told(path: bytes, kind: str, is_remote: bool) -> None:
    assert file_system_of(path, MOUNTS) == kind
    assert is_remote_kind(kind) is is_remote


def test_on_a_network_file_system_there_is_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that another machine made is made into one that works there, unless somebody has it open."""
    with opened(tmp_path) as local:
        local.keep("key", b"kept", "document")
        local.flush()
        assert (tmp_path / f"{FILE_NAME}-wal").exists()
        monkeypatch.setattr(facts_file, "is_remote", lambda folder: True)
        with pytest.raises(FactsFailed):
            FactsFile(tmp_path / FILE_NAME, MOST_BYTES)
    with opened(tmp_path) as remote, opened(tmp_path) as another:
        assert remote.recall("key") == b"kept"
        remote.keep("one", b"1", "document")
        remote.flush()
        another.keep("two", b"2", "document")
        another.flush()
        assert [remote.recall("two"), another.recall("one")] == [b"2", b"1"]
        assert not (tmp_path / f"{FILE_NAME}-wal").exists()


@posix_only
def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with opened(tmp_path / "cache") as facts:
            facts.keep("key", b"known", "document")
            facts.flush()
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "cache").iterdir()}
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    assert modes == {f"{FILE_NAME}{suffix}": 0o600 for suffix in ("", "-wal", "-shm")}


@posix_only
def test_a_folder_that_everybody_may_write_to_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "cache"
    with opened(folder) as facts:
        facts.keep("key", b"known", "document")
    folder.chmod(0o777)
    with caplog.at_level(logging.WARNING), opened(folder) as facts:
        assert facts.recall("key") is None
        facts.keep("other", b"in memory", "document")
        assert facts.recall("other") == b"in memory"
        [told] = [one.getMessage() for one in caplog.records]
        assert "everybody may write to it" in told
        folder.chmod(0o700)
        facts.flush()
        assert facts.recall("key") == b"known", "put right, it is used from then on"


def test_a_folder_removed_while_in_use_comes_back(tmp_path: Path) -> None:
    import shutil

    with opened(tmp_path / "cache") as facts:
        facts.keep("a", b"1", "document")
        facts.flush()
        shutil.rmtree(tmp_path / "cache")
        facts.keep("b", b"2", "document")
        facts.flush()
    with opened(tmp_path / "cache") as again:
        assert [again.recall(key) for key in "ab"] == [None, b"2"]


WRITER = """
import sys
from pathlib import Path
from sidebooks_core.library.facts import Facts
from sidebooks_core.library.positions import Positions
facts = Facts(Path(sys.argv[1]), 8 << 20)
print("begun", flush=True)
for number in range(int(sys.argv[3])):
    Positions(facts).save("document", f"{sys.argv[2]} {number % 50}", number)
    facts.keep(f"{sys.argv[2]} {number % 20}", bytes(2000), f"document {number % 7}")
    facts.flush()
    if number % 40 == 39:
        facts.forget(f"document {number % 7}")
    print(number, flush=True)
facts.close()
print("failures", facts.statistics().failures, flush=True)
"""


def test_several_processes_share_one_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, os.fspath(tmp_path)]
    names = [f"process {number}" for number in range(4)]
    processes = [subprocess.Popen([*command, name, "150"], stdout=subprocess.PIPE, text=True) for name in names]
    for process in processes:
        assert process.stdout is not None
        with process:
            assert process.stdout.read().splitlines()[-1] == "failures 0"
        assert process.returncode == 0
    with opened(tmp_path) as facts:
        for name in names:
            found = [Positions(facts).page_of("document", f"{name} {reader}") for reader in range(50)]
            assert found == list(range(100, 150))
        assert facts.verify().damaged == 0


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX has them")
def test_a_process_that_is_killed_loses_no_position_that_was_written(tmp_path: Path) -> None:
    chance = random.Random(3)
    for turn in range(8):
        command = [sys.executable, "-c", WRITER, os.fspath(tmp_path), f"turn {turn}", "100000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            time.sleep(chance.random() * 0.3)
            process.send_signal(signal.SIGKILL)
            said = process.stdout.read().splitlines()
        last = max((int(line) for line in said[:-1]), default=-1)  # its last line may have been cut
        with opened(tmp_path) as facts:
            for reader in range(50):
                expected = [number for number in range(last + 1) if number % 50 == reader]
                found = Positions(facts).page_of("document", f"turn {turn} {reader}")
                assert found is not None if expected else True
                assert not expected or found is None or found >= expected[-1]
            assert facts.verify().damaged == 0
            assert facts.statistics().failures == 0


def test_many_threads_use_one(tmp_path: Path) -> None:
    with opened(tmp_path) as facts:

        def work(number: int) -> None:
            for turn in range(100):
                facts.keep(f"{number % 3}", bytes([turn]) * 3000, f"document {number}")
                found = facts.recall(f"{(number + turn) % 3}")
                whole.append(found is None or len(set(found)) == 1)
                if turn % 30 == 29:
                    facts.forget(f"document {number}")

        whole: list[bool] = []
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert whole == [True] * 600
        facts.flush()
        assert facts.statistics().failures == 0


def test_what_was_forgotten_does_not_come_back_from_what_was_on_its_way(tmp_path: Path) -> None:
    with opened(tmp_path) as facts:
        for turn in range(100):
            facts.keep("key", b"secret %d" % turn, "document")
            facts.forget("document")
            assert facts.recall("key") is None
        facts.flush()
        assert facts.recall("key") is None
    assert b"secret" not in content(tmp_path)


def test_nothing_lies_in_clear_where_there_is_a_key(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="needs the extra encryption")
    plain, ours, theirs = tmp_path / "plain", tmp_path / "ours", bytes(range(32))
    for folder, key in ((plain, None), (ours, bytes(32))):
        with opened(folder, key=key) as facts:
            facts.keep("key of a path", b"title of a document", "id of it")
            Positions(facts).save("id of it", "reader", 3)
            facts.flush()
            assert facts.recall("key of a path") == b"title of a document"
        found = content(folder)
        secrets = [secret in found for secret in (b"title of", b"key of a path", b"id of it")]
        assert secrets == ([True] * 3 if key is None else [False] * 3)
    with opened(ours, key=theirs) as facts:
        assert facts.recall("key of a path") is None
        assert Positions(facts).page_of("id of it", "reader") is None
        facts.keep("key of a path", b"theirs", "id of it")
        assert facts.forget("id of it") == 1, "their own"
        assert facts.verify().damaged == 0, "checked without the key"
    with opened(ours, key=bytes(32)) as facts:
        assert facts.recall("key of a path") == b"title of a document"
        assert Positions(facts).page_of("id of it", "reader") == 3


def test_a_row_moved_under_another_key_does_not_decrypt(tmp_path: Path) -> None:
    """By somebody who can write to the file, and makes its checksum right."""
    pytest.importorskip("cryptography", reason="needs the extra encryption")
    with opened(tmp_path, key=bytes(32)) as facts:
        facts.keep("one", b"first", "document")
        facts.keep("two", b"second", "document")
    file = FactsFile(tmp_path / FILE_NAME, MOST_BYTES)
    with closing(apsw.Connection(str(tmp_path / FILE_NAME))) as planted:
        keys = [key for (key,) in planted.execute("SELECT key FROM fact").fetchall()]
    found = file.read(keys[0])
    assert found is not None
    file.write([Row(keys[1], found.document, False, found.value)])
    file.close()
    with opened(tmp_path, key=bytes(32)) as facts:
        recalled = [facts.recall("one"), facts.recall("two")]
        assert recalled in ([b"first", None], [None, b"second"])
        assert facts.statistics().damaged == 1


def test_positions_are_of_each_reader(tmp_path: Path) -> None:
    with opened(tmp_path) as facts:
        positions = Positions(facts)
        positions.save("paper", "", 1)
        positions.save("paper", "Tanaka", 2)
        positions.save("other", "Tanaka", 3)
        assert [positions.page_of("paper", name) for name in ("", "Tanaka", "Sato")] == [1, 2, None]
        facts.keep("rubbish", b"\xc1", "paper")
    with opened(tmp_path) as facts, opened(tmp_path) as elsewhere:
        assert Positions(facts).page_of("paper", "Tanaka") == 2
        Positions(elsewhere).save("paper", "Tanaka", 5)
        elsewhere.flush()
        assert Positions(facts).page_of("paper", "Tanaka") == 5, "another process knows better"
