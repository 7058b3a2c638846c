"""Workers are forked from a process that has loaded the engine; nothing is left of it, and it is replaced if it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import sidebooks_core as sb
from sidebooks_core.workers import forking, pool
from sidebooks_core.workers.process import WorkerProcess

linux_only = pytest.mark.skipif(not forking.is_available(), reason="this platform forks no workers")


def fork_server(service: sb.TileService) -> psutil.Process:
    forks = service._pool._forks
    assert forks is not None
    assert forks.process_id is not None
    return psutil.Process(forks.process_id)


def wait_for_workers(service: sb.TileService, count: int) -> list[psutil.Process]:
    """Until so many are there and have nothing to do."""
    deadline_s = time.monotonic() + 60
    while len(service.worker_process_ids()) < count or service._pool.busy_count():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return [psutil.Process(one) for one in service.worker_process_ids()]


def wait_identified(document: sb.Document) -> None:
    """Until nothing is done for it any more that nobody asked for."""
    while document.content_ids.first_unknown() is not None:
        time.sleep(0.01)


@linux_only
def test_all_workers_come_from_one_process_and_go_with_the_service(sample: Path) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=2)) as service:
        assert service.page_image(service.open(sample), 0, width_px=200).width_px == 200
        workers = wait_for_workers(service, 3)
        server = fork_server(service)
        assert {worker.ppid() for worker in workers} == {server.pid}
        assert server.ppid() == os.getpid()
        assert server.num_threads() == 1, "what a second thread held at a fork would be held for ever"
    _, alive = psutil.wait_procs([server, *workers], timeout=10)
    assert not alive, "no process is left"


@linux_only
def test_the_process_that_forks_is_replaced_when_it_dies(sample: Path) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document = service.open(sample)
        service.page_image(document, 0, width_px=200)
        wait_identified(document)
        workers = wait_for_workers(service, 2)
        first = fork_server(service)
        first.kill()
        psutil.wait_procs([first, *workers], timeout=10)  # its workers end with it
        assert service.page_image(document, 1, width_px=200).width_px == 200
        assert fork_server(service).pid != first.pid


@linux_only
def test_how_a_worker_ended_is_told(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    has_unread_request = WorkerProcess.has_unread_request
    monkeypatch.setattr(WorkerProcess, "has_unread_request", lambda _: False)  # as though it had begun
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document = service.open(sample)
        wait_for_workers(service, 2)
        for one in service.worker_process_ids():
            os.kill(one, signal.SIGSTOP)
        hanging = service.submit_page_image(document, 1, width_px=200)
        while not any(has_unread_request(worker) for worker in list(service._pool._live)):
            time.sleep(0.01)
        for one in service.worker_process_ids():
            os.kill(one, signal.SIGABRT)
            os.kill(one, signal.SIGCONT)
        with pytest.raises(sb.RenderFailed, match="signal 6"):
            hanging.result(20)


HOST = """
import sys, time
import sidebooks_core as sb
service = sb.TileService(sb.Settings(cache_dir=None, workers=1))
document = service.open(sys.argv[1])
while len(service.worker_process_ids()) < 2:
    time.sleep(0.01)
print(service._pool._forks.process_id, *service.worker_process_ids(), flush=True)
time.sleep(600)
"""


@linux_only
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_host_that_dies_leaves_no_process(sample: Path, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", HOST, str(sample)], stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        family = [psutil.Process(int(one)) for one in host.stdout.readline().split()]
        assert len(family) == 3
        host.send_signal(number)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


@linux_only
def test_a_service_that_is_closed_while_the_engine_loads_does_not_wait_for_it(sample: Path) -> None:
    service = sb.TileService(sb.Settings(cache_dir=None))
    deadline_s = time.monotonic() + 60
    while service._pool._forks is None or service._pool._forks.process_id is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.001)
    server = fork_server(service)
    service.close()
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    assert service.worker_process_ids() == []


def test_where_nothing_is_forked_workers_are_started_one_by_one(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "is_available", lambda: False)
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document = service.open(sample)
        assert service.page_image(document, 0, width_px=200).width_px == 200
        wait_identified(document)
        workers = wait_for_workers(service, 2)
        assert {worker.ppid() for worker in workers} == {os.getpid()}
        for worker in workers:
            worker.kill()
        psutil.wait_procs(workers, timeout=10)
        assert service.page_image(document, 1, width_px=200).width_px == 200
        assert service.statistics().worker_deaths > 0


@pytest.mark.parametrize("is_forked", [True, False])
def test_what_keeps_workers_from_loading_is_told_with_what_to_do(
    sample: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, is_forked: bool
) -> None:
    monkeypatch.setattr(pool, "_BOOT", "raise ImportError('as where the engine is missing')")
    if not is_forked:
        monkeypatch.setattr(forking, "is_available", lambda: False)
    with (
        sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service,
        pytest.raises(sb.DamagedDocument, match="no worker process is at hand; the log tells why"),
    ):
        service.open(sample)
    told = [record.getMessage() for record in caplog.records if "no worker process is at hand" in record.getMessage()]
    assert len(told) == 1, "once in a while, however many are tried"
    assert "import pymupdf" in told[0], "with what to do"


FIRST = """
import os, sys
import sidebooks_core as sb
from sidebooks_core.workers import forking
from sidebooks_core.workers import pool
if sys.argv[2] == "alone":
    forking.is_available = lambda: False
with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
    print(os.getpid(), service.page_image(service.open(sys.argv[1]), 0, width_px=200).width_px)
"""


@linux_only
@pytest.mark.parametrize("how", ["forked", "alone"])
def test_a_host_that_is_the_first_process_of_a_container_draws(sample: Path, how: str) -> None:
    namespace = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    try:
        subprocess.run([*namespace, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no process may have a namespace of its own here: {error}")
    command = [*namespace, sys.executable, "-c", FIRST, str(sample), how]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["1", "200"]
