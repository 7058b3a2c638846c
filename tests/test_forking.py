"""Workers are forked from a process that has loaded the engine; nothing is left of it, and it is replaced if it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hostile_worker import starter_of, taken_over
from processes import processes
from quiet import wait_identified, wait_idle, wait_until

import sidebooks_core as sb
from sidebooks_core.workers import forking
from sidebooks_core.workers.forking import ForkServer
from sidebooks_core.workers.starting import Spawner, Starter, best_starter, fork_server

linux_only = pytest.mark.skipif(not forking.is_available(), reason="this platform forks no workers")


def settings(workers: int = 1) -> sb.Settings:
    return sb.Settings(cache_dir=None, workers=workers)


def process_of(forks: ForkServer) -> psutil.Process:
    assert forks.process_id is not None
    return psutil.Process(forks.process_id)


def idle_workers(service: sb.TileService) -> list[psutil.Process]:
    wait_idle(service)
    return [psutil.Process(one) for one in service.worker_process_ids()]


@linux_only
def test_workers_are_forked_where_that_can_be_done() -> None:
    assert isinstance(best_starter(), ForkServer)


@linux_only
def test_all_workers_come_from_one_process_and_go_with_the_service(sample: Path) -> None:
    forks = fork_server()
    with sb.TileService(settings(2), pool=processes(forks)) as service:
        assert service.page_image(service.open(sample), 0, width_px=200).width_px == 200
        workers = idle_workers(service)
        assert len(workers) == 3
        server = process_of(forks)
        assert {worker.ppid() for worker in workers} == {server.pid}
        assert server.ppid() == os.getpid()
        assert server.num_threads() == 1, "what a second thread held at a fork would be held for ever"
    _, alive = psutil.wait_procs([server, *workers], timeout=10)
    assert not alive, "no process is left"


@linux_only
def test_the_process_that_forks_is_replaced_when_it_dies(sample: Path) -> None:
    forks = fork_server()
    with sb.TileService(settings(), pool=processes(forks)) as service:
        document = service.open(sample)
        service.page_image(document, 0, width_px=200)
        wait_identified(service, document)
        workers = idle_workers(service)
        first = process_of(forks)
        first.kill()
        psutil.wait_procs([first, *workers], timeout=10)  # its workers end with it
        assert service.page_image(document, 1, width_px=200).width_px == 200
        assert process_of(forks).pid != first.pid


@linux_only
@pytest.mark.parametrize(("how", "told"), [("os.abort()", "signal 6"), ("os._exit(3)", "exit code 3")])
def test_how_a_worker_ended_is_told(sample: Path, how: str, told: str) -> None:
    starter = starter_of(taken_over(f"import os\ndef probe():\n    {how}"))
    with sb.TileService(settings(), pool=processes(starter)) as service:
        document = service.open(sample)
        with pytest.raises(sb.RenderFailed, match=told):
            service.text(document, 1)


HOST = """
import sys, time
import sidebooks_core as sb
from processes import processes
from sidebooks_core.workers.starting import fork_server
forks = fork_server()
service = sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=processes(forks))
document = service.open(sys.argv[1])
while len(service.worker_process_ids()) < 2:
    time.sleep(0.01)
print(forks.process_id, *service.worker_process_ids(), flush=True)
time.sleep(600)
"""


def with_tests() -> dict[str, str]:
    """An environment in which a script imports what tests do."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@linux_only
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_host_that_dies_leaves_no_process(sample: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", HOST, str(sample)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=with_tests()) as host:
        assert host.stdout is not None
        family = [psutil.Process(int(one)) for one in host.stdout.readline().split()]
        assert len(family) == 3
        host.send_signal(number)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


@linux_only
def test_a_service_that_is_closed_while_the_engine_loads_does_not_wait_for_it() -> None:
    forks = fork_server()
    service = sb.TileService(settings(2), pool=processes(forks))
    wait_until(lambda: forks.process_id is not None, "the engine is not loaded", timeout_s=60)
    server = process_of(forks)
    service.close()
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    assert service.worker_process_ids() == []


def test_where_nothing_is_forked_workers_are_started_one_by_one(sample: Path) -> None:
    with sb.TileService(settings(), pool=processes(Spawner())) as service:
        document = service.open(sample)
        assert service.page_image(document, 0, width_px=200).width_px == 200
        wait_identified(service, document)
        workers = idle_workers(service)
        assert len(workers) == 2
        assert {worker.ppid() for worker in workers} == {os.getpid()}
        for worker in workers:
            worker.kill()
        psutil.wait_procs(workers, timeout=10)
        assert service.page_image(document, 1, width_px=200).width_px == 200
        assert service.statistics().worker_deaths > 0


BROKEN = "raise ImportError('as where the engine is missing')"


@pytest.mark.parametrize("starter", [Spawner(BROKEN), pytest.param(fork_server(BROKEN), marks=linux_only)])
def test_what_keeps_workers_from_loading_is_told_with_what_to_do(
    sample: Path, caplog: pytest.LogCaptureFixture, starter: Starter
) -> None:
    with (
        sb.TileService(settings(), pool=processes(starter)) as service,
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
from sidebooks_core.workers.starting import Spawner, fork_server
pool = processes(Spawner() if sys.argv[2] == "alone" else fork_server())
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
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, env=with_tests())
    assert done.stdout.split() == ["1", "200"]
