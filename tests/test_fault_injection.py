"""Faults put in on purpose: dead and suspended workers, suspended neighbours, descriptors, disks and clocks that fail.

After each of them the right pixels or one clear error; and when the fault is gone, everything as before.
"""

from __future__ import annotations

import errno
import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pymupdf
import pytest
from test_faults import pixels, small_disk
from test_forking import wait_identified

import sidebooks_core as sb
from sidebooks_core.stores.disk import DiskStore
from sidebooks_core.stores.leases import RANGES, FileLeases
from sidebooks_core.stores.pooled_cache import BytesDisk, PooledCache
from sidebooks_core.stores.record import Record
from sidebooks_core.workers import pool
from sidebooks_core.workers.jobs import Job, NoWorker, NoWorkerToOpen
from sidebooks_core.workers.pool import MOST_TRIES, WorkerPool
from sidebooks_core.workers.process import WorkerProcess

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, mounts and limits as Linux has them")

WIDTH_PX = 300
KILLS = 40


@pytest.fixture
def expected(sample: Path) -> Iterator[dict[int, bytes]]:
    """The right pixels of pages, by number."""
    with sb.TileService(sb.Settings(cache_dir=None)) as service:
        document = service.open(sample)
        yield {page: pixels(service.page_image(document, page, width_px=WIDTH_PX)) for page in range(8)}


def record(data: bytes) -> Record:
    return Record(data, "tag", 0.01)


def test_a_worker_that_dies_at_any_step_costs_one_request(sample: Path, expected: dict[int, bytes]) -> None:
    """Killed at moments all over the time that a page takes: idle, at the handing over, drawing, encoding, answering."""
    chance = random.Random(5)
    failures = []
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document = service.open(sample)
        service.page_image(document, 0, width_px=WIDTH_PX)
        for kill in range(KILLS):
            future: Future[sb.Tile] = service.submit_page_image(document, 8 + kill % 14, width_px=WIDTH_PX + 1 + kill)
            time.sleep(chance.random() * 0.03)
            killed = []
            for number in service.worker_process_ids():
                with suppress(psutil.NoSuchProcess):  # the one of before, reaped just now
                    killed.append(psutil.Process(number))
                    killed[-1].kill()
            error = future.exception(timeout=30)
            if error is None:
                assert future.result().width_px == WIDTH_PX + 1 + kill
            else:
                failures.append(error)
        psutil.wait_procs(killed, timeout=10)  # one that had nothing to do, and is dying, takes no request with it
        for page, right in expected.items():
            assert pixels(service.page_image(document, page, width_px=WIDTH_PX)) == right
        assert service.statistics().worker_deaths > 0
    assert len(failures) < KILLS
    assert all(isinstance(error, sb.RenderFailed) and sample.name in str(error) for error in failures)


@pytest.fixture
def let_workers_die(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Has the next `count` workers that are given a job die before they read it."""
    left = 0
    ask = WorkerPool._ask

    def ask_and_kill(self: WorkerPool, worker: WorkerProcess, *arguments: Any, **how: Any) -> None:
        nonlocal left
        if left:
            left -= 1
            os.kill(worker.process.pid, signal.SIGSTOP)  # the job stays in its pipe: so its host knows that it was not begun
            ask(self, worker, *arguments, **how)
            os.kill(worker.process.pid, signal.SIGKILL)
        else:
            ask(self, worker, *arguments, **how)

    def next_die(count: int) -> None:
        nonlocal left
        left = count

    monkeypatch.setattr(WorkerPool, "_ask", ask_and_kill)
    return next_die


def test_a_job_whose_workers_die_before_they_begin_it_goes_to_another(
    sample: Path, expected: dict[int, bytes], let_workers_die: Callable[[int], None]
) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document = service.open(sample)
        service.page_image(document, 0, width_px=WIDTH_PX)
        wait_identified(document)
        let_workers_die(MOST_TRIES - 1)
        assert pixels(service.page_image(document, 1, width_px=WIDTH_PX)) == expected[1]
        assert service.statistics().worker_deaths == MOST_TRIES - 1


def test_a_job_that_none_of_its_workers_begins_fails_and_the_log_tells_why(
    sample: Path, expected: dict[int, bytes], let_workers_die: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document = service.open(sample)
        service.page_image(document, 0, width_px=WIDTH_PX)
        wait_identified(document)
        let_workers_die(MOST_TRIES)
        with pytest.raises(sb.RenderFailed, match="page 2: no worker process is at hand; the log tells why"):
            service.page_image(document, 1, width_px=WIDTH_PX)
        assert "died before they began a job: the stream ended; signal 9" in caplog.text
        assert service.statistics().worker_deaths == MOST_TRIES
        assert pixels(service.page_image(document, 2, width_px=WIDTH_PX)) == expected[2]
        assert not service._dispatcher.is_suspect(document.id), "it has nothing to do with it"


def test_a_worker_that_dies_after_it_asked_for_the_document_is_lost_to_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was sent then lies unread in its pipe, as a job does that was not begun."""
    paper = pymupdf.open()
    paper.new_page()
    hand_over = WorkerPool._hand_over

    def hand_over_and_kill(self: WorkerPool, worker: WorkerProcess, job: Job, data: bytes | None) -> Any:
        os.kill(worker.process.pid, signal.SIGSTOP)
        refusal = hand_over(self, worker, job, data)
        os.kill(worker.process.pid, signal.SIGKILL)
        return refusal

    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        monkeypatch.setattr(WorkerPool, "_hand_over", hand_over_and_kill)
        with pytest.raises(sb.DamagedDocument, match="the worker process died"):
            service.open(paper.tobytes())
        assert service.statistics().worker_deaths == 1


def test_a_document_that_cannot_be_handed_over_for_want_of_descriptors_is_not_damaged(
    tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = tmp_path / "paper.pdf"
    paper.write_bytes(sample.read_bytes())
    system_open = os.open

    def fails(path: Any, *arguments: Any, **how: Any) -> int:
        if path == str(paper) and sys._getframe(1).f_code.co_name == "_hand_over":
            raise OSError(errno.EMFILE, "Too many open files")
        return system_open(path, *arguments, **how)

    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        with monkeypatch.context() as patched:
            patched.setattr(os, "open", fails)
            with pytest.raises(NoWorkerToOpen, match="no worker process is at hand"):
                service.open(paper)
        assert service.open(paper).page_count > 0


def test_a_worker_whose_time_was_over_as_it_answered_does_no_other_job(
    sample: Path, expected: dict[int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kill may come after the next job was sent, which would be told that it took too long."""
    hear = WorkerPool._hear
    workers: list[int] = []

    def hear_late(self: WorkerPool, worker: WorkerProcess, job: Job) -> Any:
        reply = hear(self, worker, job)
        workers.append(worker.process.pid)
        worker.overran = True
        return reply

    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document = service.open(sample)
        service.page_image(document, 0, width_px=WIDTH_PX)
        wait_identified(document)
        monkeypatch.setattr(WorkerPool, "_hear", hear_late)
        for page in (1, 2):
            assert pixels(service.page_image(document, page, width_px=WIDTH_PX)) == expected[page]
        assert len(set(workers)) == len(workers)


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), RuntimeError("of this test")])
def test_a_worker_that_cannot_be_started_is_an_error_and_started_later(
    sample: Path, expected: dict[int, bytes], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails() -> None:
        raise error

    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document = service.open(sample)
        service.page_image(document, 0, width_px=WIDTH_PX)
        wait_identified(document)
        with monkeypatch.context() as patched:
            patched.setattr(pool, "_file_channel", fails)
            killed = [psutil.Process(number) for number in service.worker_process_ids()]
            for one in killed:
                one.kill()
            psutil.wait_procs(killed, timeout=10)
            for page in (1, 2):
                with pytest.raises(NoWorker):
                    service.submit_page_image(document, page, width_px=WIDTH_PX).result(timeout=30)
        assert pixels(service.page_image(document, 1, width_px=WIDTH_PX)) == expected[1]
        assert all(thread.is_alive() for thread in service._pool._threads)


def test_a_suspended_worker_is_given_up_in_time(sample: Path, expected: dict[int, bytes]) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1, render_timeout_s=1.5)) as service:
        document = service.open(sample)
        service.page_image(document, 0, width_px=WIDTH_PX)
        [holder] = [worker for worker in service._pool._live if worker.held_documents]
        os.kill(holder.process.pid, signal.SIGSTOP)
        with pytest.raises(sb.RenderTimeout, match="page 2"):
            service.page_image(document, 1, width_px=WIDTH_PX)
        assert pixels(service.page_image(document, 2, width_px=WIDTH_PX)) == expected[2]
    assert not [one for one in psutil.Process().children(recursive=True) if one.status() == psutil.STATUS_STOPPED]


HOLDER = """
import fcntl, os, struct, sys, time
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))  # all of it
print("held", flush=True)
time.sleep(600)
"""


def test_a_suspended_neighbour_that_holds_all_locks_is_not_waited_for_without_end(
    tmp_path: Path, sample: Path, expected: dict[int, bytes]
) -> None:
    locks = tmp_path / "locks"
    locks.mkdir(mode=0o700)
    command = [sys.executable, "-c", HOLDER, str(locks / RANGES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as neighbour:
        try:
            assert neighbour.stdout is not None
            assert neighbour.stdout.readline() == "held\n"
            assert FileLeases(tmp_path).try_acquire("any key") is None
            neighbour.send_signal(signal.SIGSTOP)
            with sb.TileService(sb.Settings(cache_dir=tmp_path, render_timeout_s=1.0)) as service:
                document = service.open(sample)
                found = service.submit_page_image(document, 1, width_px=WIDTH_PX).result(timeout=30)
                assert pixels(found) == expected[1]
        finally:
            neighbour.kill()


def test_a_lock_that_is_not_free_in_time_is_told_once_and_never_again(tmp_path: Path) -> None:
    ours, theirs = FileLeases(tmp_path), FileLeases(tmp_path)
    held = theirs.try_acquire("key")
    assert held is not None
    told: list[bool] = []
    event = threading.Event()
    ours.wait("key", lambda is_free: (told.append(is_free), event.set()), 0.2)  # type: ignore[func-returns-value]
    assert event.wait(5)
    assert told == [False]
    held.release()
    time.sleep(0.3)
    assert told == [False]


def test_no_descriptors_left_is_an_error_and_then_it_goes_on(tmp_path: Path, sample: Path, expected: dict[int, bytes]) -> None:
    script = f"""
import errno, os, resource, signal, threading, time
import sidebooks_core as sb
from sidebooks_core.encoding.encode import decode
with sb.TileService(sb.Settings(cache_dir={str(tmp_path / "cache")!r}, workers=1)) as service:
    document = service.open({str(sample)!r})
    service.page_image(document, 0, width_px={WIDTH_PX})
    service.parts.flush()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    taken, are_wanted = [], True
    def take_all():
        while are_wanted:
            try:
                taken.append(os.open("/dev/null", os.O_RDONLY))
            except OSError as error:
                assert error.errno == errno.EMFILE
                time.sleep(0.001)
    taker = threading.Thread(target=take_all)
    taker.start()
    while len(taken) < 100:
        time.sleep(0.01)
    for worker in service.worker_process_ids():
        os.kill(worker, signal.SIGKILL)
    time.sleep(0.5)  # one that is not dead yet may read its job before it is
    while_none = []
    for page in (1, 2):
        try:
            service.page_image(document, page, width_px={WIDTH_PX})
            while_none.append("drawn")
        except sb.SidebooksError as error:
            while_none.append(type(error).__name__)
    try:
        service.open({str(sample)!r} + "x")
    except FileNotFoundError:
        while_none.append("FileNotFoundError")
    are_wanted = False
    taker.join()
    for one in taken:
        os.close(one)
    print(*while_none)
    for page in range(3, 8):
        data = service.page_image(document, page, width_px={WIDTH_PX})
        print(page, decode(data.data, data.media_type).tobytes().hex()[:4000])
    service.parts.flush()
    print("stored", service.statistics().disk_bytes > 0, service.statistics().failures)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    while_none, *pages, last = ended.stdout.splitlines()
    assert "NoWorker" in while_none
    assert set(while_none.split()) <= {"NoWorker", "drawn", "FileNotFoundError"}, "a worker may start before they are taken"
    for line in pages:
        number, found = line.split()
        assert expected[int(number)].hex()[:4000] == found
    assert last.startswith("stored True")


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_fails_is_a_miss_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    store = DiskStore(tmp_path, 1 << 26)
    large = bytes(200_000)  # lies in a file of its own
    store.put("kept", record(large))
    assert store.get("kept") is not None

    def fails(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as faulty, caplog.at_level(logging.WARNING, "sidebooks_core.stores"):
        faulty.setattr(BytesDisk, "fetch", fails)
        faulty.setattr(BytesDisk, "prepare", fails)
        for _ in range(5):
            assert store.get("kept") is None
            store.put("new", record(large))
        assert store.statistics().write_failures >= 5
    assert len(caplog.records) == 1, "one warning"
    assert store.get("kept") == record(large), "nothing that was stored is lost"
    store.put("new", record(large))
    assert store.get("new") == record(large), "writing resumes by itself"
    store.close()


def test_a_cache_that_becomes_read_only_is_read_and_written_again_later(
    tmp_path: Path,
    sample: Path,
    expected: dict[int, bytes],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By SQLite's own refusal: a mount cannot be made read-only while somebody has files on it open for writing."""
    is_forbidden = False
    connection = PooledCache.connection

    def forbidding(cache: PooledCache) -> sqlite3.Connection:
        lent = connection(cache)
        lent.execute(f"PRAGMA query_only = {int(is_forbidden)}")
        return lent

    monkeypatch.setattr(PooledCache, "connection", forbidding)
    with (
        caplog.at_level(logging.WARNING, "sidebooks_core.stores"),
        sb.TileService(sb.Settings(cache_dir=tmp_path, memory_bytes=0, preview_bytes=0)) as service,
    ):
        document = service.open(sample)
        for page in range(3):
            service.page_image(document, page, width_px=WIDTH_PX)
        service.parts.flush()
        is_forbidden = True
        before = service.statistics()
        for page in range(6):
            assert pixels(service.page_image(document, page, width_px=WIDTH_PX)) == expected[page]
        service.parts.flush()
        found = service.statistics()
        assert found.disk_hits > before.disk_hits, "what is there is read"
        assert found.disk_write_failures > before.disk_write_failures
        assert found.failures == 0
        is_forbidden = False
        for page in range(8):
            assert pixels(service.page_image(document, page, width_px=WIDTH_PX)) == expected[page]
        service.parts.flush()
        assert service.statistics().disk_write_failures == found.disk_write_failures
    assert len(caplog.records) == 1, [one.getMessage() for one in caplog.records]
    with sb.TileService(sb.Settings(cache_dir=tmp_path)) as later:
        again = later.open(sample)
        for page in range(8):
            assert pixels(later.page_image(again, page, width_px=WIDTH_PX)) == expected[page]
        assert later.statistics().renders == 0, "writing resumed by itself"


def test_a_cache_that_is_read_only_from_the_start_is_read(tmp_path: Path, sample: Path, expected: dict[int, bytes]) -> None:
    with small_disk(tmp_path / "disk") as disk:
        with sb.TileService(sb.Settings(cache_dir=disk / "cache")) as service:
            service.page_image(service.open(sample), 0, width_px=WIDTH_PX)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        try:
            with sb.TileService(sb.Settings(cache_dir=disk / "cache")) as service:
                document = service.open(sample)
                for page in range(3):
                    assert pixels(service.page_image(document, page, width_px=WIDTH_PX)) == expected[page]
                assert service.statistics().failures == 0
        finally:
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


@pytest.mark.parametrize("jump_s", [-10 * 365 * 86400.0, -3600.0, 3600.0, 10 * 365 * 86400.0])
def test_a_clock_that_jumps_loses_nothing(
    tmp_path: Path, sample: Path, expected: dict[int, bytes], monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    with sb.TileService(sb.Settings(cache_dir=tmp_path, memory_bytes=0, preview_bytes=0)) as service:
        document = service.open(sample)
        for page in range(4):
            service.page_image(document, page, width_px=WIDTH_PX)
        service.parts.flush()
        wall = time.time
        monkeypatch.setattr(time, "time", lambda: wall() + jump_s)
        renders = service.statistics().renders
        for page in range(4):
            assert pixels(service.page_image(document, page, width_px=WIDTH_PX)) == expected[page]
        assert service.statistics().renders == renders, "what was stored before is found"
        for page in range(4, 8):
            assert pixels(service.page_image(document, page, width_px=WIDTH_PX)) == expected[page]
        service.parts.flush()
    with sb.TileService(sb.Settings(cache_dir=tmp_path)) as again:
        document = again.open(sample)
        monkeypatch.undo()
        for page in range(8):
            assert pixels(again.page_image(document, page, width_px=WIDTH_PX)) == expected[page]
        assert again.statistics().renders == 0


def test_workers_of_a_document_that_costs_them_stand_back() -> None:
    """Beside it those that draw in milliseconds come first: a little at its first page that takes long, then altogether."""
    from benchmarks.killer import killer_document

    def niceness_during(page: int) -> set[int]:
        future = service.submit_page_image(document, page, width_px=WIDTH_PX)
        seen = set()
        while not future.done():
            for number in service.worker_process_ids():
                with suppress(psutil.NoSuchProcess):  # ended since
                    seen.add(psutil.Process(number).nice() - os.nice(0))
            time.sleep(0.02)
        assert isinstance(future.exception(), sb.RenderTimeout)
        return seen

    with sb.TileService(sb.Settings(cache_dir=None, workers=1, render_timeout_s=3.0)) as service:
        document = service.open(killer_document())
        assert niceness_during(0) - {5} == {0}, "5 where the machine is otherwise idle"
        assert niceness_during(1) == {0, 15}


def test_workers_that_draw_or_start_keep_processors_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.killer import killer_document

    def busy(count: int) -> None:
        """Wait until so many are."""
        give_up_s = time.monotonic() + 30
        while service._pool.busy_count() != count:
            assert time.monotonic() < give_up_s, f"{service._pool.busy_count()} are busy"
            time.sleep(0.01)

    with sb.TileService(sb.Settings(cache_dir=None, workers=1, render_timeout_s=5.0)) as service:
        monkeypatch.setattr(service, "_processors", 2)
        document = service.open(killer_document())
        busy(0)
        assert not service.is_crowded()
        first = service.submit_page_image(document, 0, width_px=WIDTH_PX)
        busy(1)
        assert not service.is_crowded()
        second = service.submit_page_image(document, 1, width_px=WIDTH_PX)
        busy(2)
        assert service.is_crowded()
        for future in (first, second):
            assert isinstance(future.exception(), sb.RenderTimeout)
        busy(0)
        assert not service.is_crowded()
