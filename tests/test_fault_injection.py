"""Faults put in on purpose: dead and suspended workers, suspended neighbours, descriptors, disks and clocks that fail.

After each of them the right pixels or one clear error; and when the fault is gone, everything as before.
"""

from __future__ import annotations

import errno
import logging
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import diskcache
import psutil
import pymupdf
import pytest
from processes import Watched, processes
from quiet import wait_identified, wait_idle, wait_until
from test_faults import pixels, small_disk

import sidebooks_core as sb
from sidebooks_core.stores.disk import DiskStore
from sidebooks_core.stores.leases import RANGES, FileLeases
from sidebooks_core.stores.record import Record
from sidebooks_core.testing import FakeDocument, FakeEngine
from sidebooks_core.workers.jobs import AnyJob, Draw, Hold, NoWorker, NoWorkerToOpen
from sidebooks_core.workers.pool import MOST_TRIES
from sidebooks_core.workers.process import Process, WorkerProcess
from sidebooks_core.workers.starting import Starter, best_starter

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


def die_with_the_job_unread(process: Process) -> None:
    """Let a worker stop before it is sent a job, and die when the job lies in its pipe.

    By that its host knows that the job was not begun.
    """
    os.kill(process.pid, signal.SIGSTOP)
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, "it does not stop")

    def kill() -> None:
        worker = WorkerProcess(process, None)
        try:
            wait_until(worker.has_unread_request, "it was sent nothing")
        finally:
            os.kill(process.pid, signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()


class Dying(Watched):
    """Worker processes of which the next `left` that are given a job die before they read it."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 0
        self.before = self._die

    def _die(self, process: Process, _: AnyJob) -> None:
        if self.left:
            self.left -= 1
            die_with_the_job_unread(process)


@pytest.fixture
def dying() -> Dying:
    return Dying()


@pytest.fixture
def lone(dying: Dying) -> Iterator[sb.TileService]:
    """A service of one such worker and the spare."""
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=processes(dying)) as service:
        yield service


def opened(service: sb.TileService, sample: Path) -> sb.Document:
    """A document whose first page was drawn, with nothing more to be done."""
    document = service.open(sample)
    service.page_image(document, 0, width_px=WIDTH_PX)
    wait_identified(service, document)
    return document


def test_a_job_whose_workers_die_before_they_begin_it_goes_to_another(
    lone: sb.TileService, dying: Dying, sample: Path, expected: dict[int, bytes]
) -> None:
    document = opened(lone, sample)
    dying.left = MOST_TRIES - 1
    assert pixels(lone.page_image(document, 1, width_px=WIDTH_PX)) == expected[1]
    assert lone.statistics().worker_deaths == MOST_TRIES - 1


def test_a_job_that_none_of_its_workers_begins_fails_and_the_log_tells_why(
    lone: sb.TileService, dying: Dying, sample: Path, expected: dict[int, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    document = opened(lone, sample)
    dying.left = MOST_TRIES
    with pytest.raises(sb.RenderFailed, match="page 2: no worker process is at hand; the log tells why"):
        lone.page_image(document, 1, width_px=WIDTH_PX)
    assert "died before they began a job: the stream ended; signal 9" in caplog.text
    assert lone.statistics().worker_deaths == MOST_TRIES
    assert pixels(lone.page_image(document, 2, width_px=WIDTH_PX)) == expected[2]
    assert not lone.parts.dispatcher.is_suspect(document.ref.token), "it has nothing to do with it"


def test_a_worker_that_dies_after_it_asked_for_the_document_is_lost_to_its_job() -> None:
    """The bytes that it was sent then lie unread in its pipe, as a job does that was not begun."""
    paper = pymupdf.open()
    paper.new_page()
    watched = Watched()

    def die(process: Process, _: AnyJob) -> None:
        if watched.asked[process.pid][-1].data is not None:
            die_with_the_job_unread(process)

    watched.before = die
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=processes(watched)) as service:
        with pytest.raises(sb.DamagedDocument, match="the worker process died"):
            service.open(paper.tobytes())
        assert service.statistics().worker_deaths == 1
        assert [len(asked) for asked in watched.asked.values()] == [2], "asked without the bytes, then with them, and no other"


def test_a_document_that_cannot_be_handed_over_for_want_of_descriptors_is_not_damaged(
    tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = tmp_path / "paper.pdf"
    paper.write_bytes(sample.read_bytes())
    system_open, caller = os.open, threading.current_thread()

    def fails(path: Any, *arguments: Any, **how: Any) -> int:
        if not isinstance(path, int) and os.fsdecode(path) == str(paper) and threading.current_thread() is not caller:
            raise OSError(errno.EMFILE, "Too many open files")
        return system_open(path, *arguments, **how)

    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        with monkeypatch.context() as patched:
            patched.setattr(os, "open", fails)
            with pytest.raises(NoWorkerToOpen, match="no worker process is at hand"):
                service.open(paper)
        assert service.open(paper).page_count > 0


def test_a_worker_whose_time_was_over_as_it_answered_does_no_other_job(sample: Path, expected: dict[int, bytes]) -> None:
    """Its kill may come after the next job was sent, which would be told that it took too long."""
    watched = Watched()
    workers: list[int] = []

    def overrun(process: Process, job: AnyJob) -> None:
        if isinstance(job, Hold):
            return
        [worker] = [one for one in service.parts.pool.workers() if one.process.pid == process.pid]
        worker.overran = True
        workers.append(process.pid)

    settings = sb.Settings(cache_dir=None, workers=1)
    with sb.TileService(settings, pool=processes(watched)) as service:
        document = opened(service, sample)
        watched.before = overrun
        for page in (1, 2, 3):
            assert pixels(service.page_image(document, page, width_px=WIDTH_PX)) == expected[page]
        assert len(workers) == len(set(workers)) == 3
        assert service.statistics().worker_deaths == 0, "it did its job"


class Hindered:
    """Starts worker processes as usual, but with an error while there is one, and only once it `may_start`."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.may_start = threading.Event()
        self.may_start.set()
        self._starter: Starter = best_starter()

    def start(self, files: socket.socket | None) -> Process:
        self.may_start.wait()
        if self.error is not None:
            raise self.error
        return self._starter.start(files)

    def interrupt(self) -> None:
        self.may_start.set()
        self._starter.interrupt()

    def close(self) -> None:
        self._starter.close()


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), RuntimeError("of this test")])
def test_a_worker_that_cannot_be_started_is_an_error_and_started_later(
    sample: Path, expected: dict[int, bytes], error: Exception
) -> None:
    starter = Hindered()
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=processes(starter)) as service:
        document = opened(service, sample)
        starter.error = error
        killed = [psutil.Process(number) for number in service.worker_process_ids()]
        assert len(killed) == 2
        for one in killed:
            one.kill()
        psutil.wait_procs(killed, timeout=10)
        for page in (1, 2):
            with pytest.raises(NoWorker):
                service.submit_page_image(document, page, width_px=WIDTH_PX).result(timeout=30)
        starter.error = None
        assert pixels(service.page_image(document, 1, width_px=WIDTH_PX)) == expected[1]
        wait_idle(service)  # the threads of both serve on


def test_a_suspended_worker_is_given_up_in_time(sample: Path, expected: dict[int, bytes]) -> None:
    watched = Watched()
    settings = sb.Settings(cache_dir=None, workers=1, render_timeout_s=1.5)
    with sb.TileService(settings, pool=processes(watched)) as service:
        document = opened(service, sample)
        [holder] = [worker for worker in service.parts.pool.workers() if worker.held_documents]
        os.kill(holder.process.pid, signal.SIGSTOP)
        with pytest.raises(sb.RenderTimeout, match="page 2"):
            service.page_image(document, 1, width_px=WIDTH_PX)
        assert isinstance(watched.asked[holder.process.pid][-1].job, Draw), "it was asked, and did not answer"
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

    system_open = os.open

    def open_or_fail(path: Any, *arguments: Any, **how: Any) -> int:
        return fails() if os.fspath(path).endswith(".val") else system_open(path, *arguments, **how)

    with monkeypatch.context() as faulty, caplog.at_level(logging.WARNING, "sidebooks_core.stores"):
        faulty.setattr(diskcache.Disk, "fetch", fails)
        faulty.setattr(os, "open", open_or_fail)
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

    class Forbidding(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            super().execute(f"PRAGMA query_only = {int(is_forbidden)}")
            return super().execute(*arguments)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **how: connect(*given, **how, factory=Forbidding))
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
        assert niceness_during(1) == {0, min(19, os.nice(0) + 15) - os.nice(0)}, "19 is the most that there is"


def test_workers_that_draw_keep_processors_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    engine = FakeEngine()
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=engine.pool) as service:
        is_crowded = service.parts.images.is_crowded
        document = service.open(FakeDocument.of_pages(2).to_bytes())
        wait_idle(service)
        assert not is_crowded()
        with engine.hold(Draw) as held:
            first = service.submit_page_image(document, 0, width_px=WIDTH_PX)
            held.wait_begun(1)
            assert not is_crowded()
            second = service.submit_page_image(document, 1, width_px=WIDTH_PX)
            held.wait_begun(2)
            assert is_crowded()
        for future in (first, second):
            assert future.result(30).width_px == WIDTH_PX
        wait_idle(service)
        assert not is_crowded()


def test_workers_that_start_keep_processors_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    starter = Hindered()
    starter.may_start.clear()
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=processes(starter)) as service:
        assert service.parts.images.is_crowded()
        starter.may_start.set()
        wait_idle(service)
        assert not service.parts.images.is_crowded()
