"""Faults around the service: killed hosts, Ctrl-C, full disks. The right pixels or a clear error, and nobody left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

import sidebooks_core as sb
from sidebooks_core.encoding.encode import decode

HOST = """
import sys
import time
import sidebooks_core as sb

with sb.TileService(sb.Settings(cache_dir=sys.argv[1])) as service:
    document = service.open(sys.argv[2])
    while len(service.worker_process_ids()) < 3:  # a page from the cache does not wait for them
        time.sleep(0.01)
    print(*service.worker_process_ids(), flush=True)
    for width_px in range(400, 2000, 3):
        for page in range(document.page_count):
            service.page_image(document, page, width_px=width_px)
"""
PAGES = 6
WIDTH_PX = 400


@contextmanager
def host(cache_dir: Path, sample: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    command = [sys.executable, "-c", HOST, str(cache_dir), str(sample)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            workers = [psutil.Process(int(number)) for number in process.stdout.readline().split()]
            assert workers, process.communicate()[1]
            yield process, workers
        finally:
            process.kill()


def pixels(tile: sb.Tile) -> bytes:
    """Two services may deflate the same pixels to other bytes."""
    return decode(tile.data, tile.media_type).tobytes()


def assert_gone(workers: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not [worker for worker in alive if worker.status() != psutil.STATUS_ZOMBIE]


def test_a_host_killed_while_it_writes_loses_nothing_that_was_stored(tmp_path: Path, sample: Path) -> None:
    cache_dir = tmp_path / "cache"
    for delay_s in (0.3, 0.7, 1.1):
        with host(cache_dir, sample) as (process, workers):
            time.sleep(delay_s)
            process.kill()
            process.communicate()
        assert_gone(workers)
    with sb.TileService(sb.Settings(cache_dir=None)) as fresh, sb.TileService(sb.Settings(cache_dir=cache_dir)) as again:
        reference, document = fresh.open(sample), again.open(sample)
        for page in range(PAGES):
            expected = pixels(fresh.page_image(reference, page, width_px=WIDTH_PX))
            assert pixels(again.page_image(document, page, width_px=WIDTH_PX)) == expected
        found = again.statistics()
        assert found.disk_hits > 0
        assert found.disk_damaged == 0


def test_ctrl_c_ends_the_workers_too(tmp_path: Path, sample: Path) -> None:
    with host(tmp_path / "cache", sample) as (process, workers):
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    assert_gone(workers)


def test_an_exception_in_the_host_ends_the_workers_too(tmp_path: Path, sample: Path) -> None:
    script = HOST.replace("    for width_px", "    raise OSError('the host fails')\n    for width_px")
    command = [sys.executable, "-c", script, str(tmp_path / "cache"), str(sample)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "the host fails" in ended.stderr
    workers = [number for number in map(int, ended.stdout.split()) if psutil.pid_exists(number)]
    assert ended.stdout.split()
    assert not workers


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"needs the right to mount a small tmpfs: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as out:
        for chunk_bytes in (1 << 16, 1 << 12, 1 << 8, 1):
            try:
                while out.write(bytes(chunk_bytes)):
                    pass
            except OSError:
                continue
    return filler


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk_costs_no_page_and_writing_resumes(tmp_path: Path, sample: Path) -> None:
    with (
        small_disk(tmp_path / "disk") as disk,
        sb.TileService(sb.Settings(cache_dir=disk / "cache")) as service,
        sb.TileService(sb.Settings(cache_dir=None)) as cacheless,
    ):
        document, reference = service.open(sample), cacheless.open(sample)
        service.page_image(document, 0, width_px=WIDTH_PX)
        service.parts.flush()
        filler = fill(disk)
        for page in range(PAGES):
            expected = cacheless.page_image(reference, page, width_px=WIDTH_PX)
            assert pixels(service.page_image(document, page, width_px=WIDTH_PX)) == pixels(expected)
        service.parts.flush()
        found = service.statistics()
        assert found.disk_write_failures > 0
        assert found.failures == 0
        filler.unlink()
        service.page_image(document, PAGES, width_px=WIDTH_PX)
        service.parts.flush()
        assert service.statistics().disk_write_failures == found.disk_write_failures
        with sb.TileService(sb.Settings(cache_dir=disk / "cache")) as later:
            later.page_image(later.open(sample), PAGES, width_px=WIDTH_PX)
            assert later.statistics().disk_hits == 1
