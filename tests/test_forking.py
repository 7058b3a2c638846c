"""Workers are forked from a process that has loaded the engine; nothing is left of it, and it is replaced if it dies."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from processes import processes
from quiet import wait_identified, wait_idle
from taken_over import starter_of, taken_over

import sidebooks_core as sb
from sidebooks_core.worker import fork_server
from sidebooks_core.workers import forking, starting

linux_only = pytest.mark.skipif(not forking.is_available(), reason="this platform forks no workers")


SETTINGS = sb.Settings(cache_dir=None, workers=1)


def idle_workers(service: sb.TileService) -> list[psutil.Process]:
    """All workers, the spare included, once they have nothing to do."""
    wait_idle(service)
    workers = [psutil.Process(one) for one in service.worker_process_ids()]
    assert len(workers) == service.settings.workers + 1
    return workers


def started(starter: forking.ForkServer) -> psutil.Process:
    """The process that forks workers, as soon as it is there."""
    deadline_s = time.monotonic() + 60
    while starter.process_id is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.001)
    return psutil.Process(starter.process_id)


@linux_only
def test_all_workers_come_from_one_process_and_go_with_the_service(sample: Path) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=2)) as service:
        assert service.page_image(service.open(sample), 0, width_px=200).width_px == 200
        workers = idle_workers(service)
        [parent] = {worker.ppid() for worker in workers}
        server = psutil.Process(parent)
        assert server.ppid() == os.getpid()
        assert server.num_threads() == 1, "what a second thread held at a fork would be held for ever"
    _, alive = psutil.wait_procs([server, *workers], timeout=10)
    assert not alive, "no process is left"


@linux_only
def test_the_process_that_forks_may_start_before_a_worker_is_wanted() -> None:
    starter = starting.best_starter(is_wanted_soon=True)
    try:
        assert isinstance(starter, forking.ForkServer)
        begun = starter.process_id
        assert begun is not None
        files, theirs = socket.socketpair()
        with files, theirs:
            worker = starter.start(theirs)
        with worker.stdin, worker.stdout:
            assert psutil.Process(worker.pid).ppid() == begun
            worker.kill()
            worker.wait()
    finally:
        starter.close()


@linux_only
def test_the_process_that_forks_is_replaced_when_it_dies(sample: Path) -> None:
    starter = starting.fork_server()
    with sb.TileService(SETTINGS, pool=processes(starter)) as service:
        document = service.open(sample)
        service.page_image(document, 0, width_px=200)
        wait_identified(service, document)
        workers = idle_workers(service)
        first = started(starter)
        assert {worker.ppid() for worker in workers} == {first.pid}
        first.kill()
        psutil.wait_procs([first, *workers], timeout=10)  # its workers end with it
        assert service.page_image(document, 1, width_px=200).width_px == 200
        assert started(starter).pid != first.pid


ABORTS = """
import os

def probe():
    os.abort()
"""


@linux_only
@pytest.mark.parametrize("is_forked", [True, False])
def test_how_a_worker_ended_is_told(sample: Path, *, is_forked: bool) -> None:
    starter = starter_of(taken_over(ABORTS)) if is_forked else starting.Spawner(taken_over(ABORTS))
    with sb.TileService(SETTINGS, pool=processes(starter)) as service:
        document = service.open(sample)
        with pytest.raises(sb.RenderFailed, match="signal 6"):
            service.text(document, 1)
        assert service.page_image(document, 1, width_px=200).width_px == 200, "and it is replaced"
        assert service.statistics().worker_deaths == 1


HOST = """
import sys, time
import psutil
import sidebooks_core as sb
service = sb.TileService(sb.Settings(cache_dir=None, workers=1))
document = service.open(sys.argv[1])
while len(service.worker_process_ids()) < 2:
    time.sleep(0.01)
[server] = {psutil.Process(one).ppid() for one in service.worker_process_ids()}
print(server, *service.worker_process_ids(), flush=True)
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
def test_a_service_that_is_closed_while_the_engine_loads_does_not_wait_for_it() -> None:
    starter = starting.fork_server()
    service = sb.TileService(SETTINGS, pool=processes(starter))
    server = started(starter)
    service.close()
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    assert service.worker_process_ids() == []


@linux_only
def test_workers_are_forked_where_that_can_be_done() -> None:
    assert isinstance(starting.best_starter(), forking.ForkServer)


def test_where_nothing_is_forked_workers_are_started_one_by_one(sample: Path) -> None:
    with sb.TileService(SETTINGS, pool=processes(starting.Spawner())) as service:
        document = service.open(sample)
        assert service.page_image(document, 0, width_px=200).width_px == 200
        wait_identified(service, document)
        workers = idle_workers(service)
        assert {worker.ppid() for worker in workers} == {os.getpid()}
        for worker in workers:
            worker.kill()
        psutil.wait_procs(workers, timeout=10)
        assert service.page_image(document, 1, width_px=200).width_px == 200
        assert service.statistics().worker_deaths > 0


@pytest.mark.parametrize("is_forked", [True, False])
def test_what_keeps_workers_from_loading_is_told_with_what_to_do(
    sample: Path, caplog: pytest.LogCaptureFixture, *, is_forked: bool
) -> None:
    program = "raise ImportError('as where the engine is missing')"
    starter = starter_of(program) if is_forked else starting.Spawner(program)
    with (
        sb.TileService(SETTINGS, pool=processes(starter)) as service,
        pytest.raises(sb.DamagedDocument, match="no worker process is at hand; the log tells why"),
    ):
        service.open(sample)
    told = [record.getMessage() for record in caplog.records if "no worker process is at hand" in record.getMessage()]
    assert len(told) == 1, "once in a while, however many are tried"
    assert "import pymupdf" in told[0], "with what to do"


FIRST = """
import os, sys
import sidebooks_core as sb
from processes import processes
from sidebooks_core.workers.starting import Spawner
pool = processes(Spawner()) if sys.argv[2] == "alone" else None
with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=pool) as service:
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
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, env=environment)
    assert done.stdout.split() == ["1", "200"]


@pytest.mark.parametrize("error", [ImportError, MemoryError])
def test_what_cannot_be_imported_ahead_ends_nothing(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    def imported(name: str) -> None:
        asked.append(name.removeprefix("sidebooks_core."))
        if asked[-1] == fork_server.LATE[1]:
            raise error("not now")

    monkeypatch.setattr(importlib, "import_module", imported)
    monkeypatch.setattr(gc, "freeze", lambda: None)  # it would hold for all tests that follow
    fork_server.import_late()
    assert asked == list(fork_server.LATE)
    assert gc.isenabled()
    assert [record.message.split()[0] for record in caplog.records] == [fork_server.LATE[1]]
