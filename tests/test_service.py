"""The main job, end to end: open, tile, draw in workers, cache, read again."""

from __future__ import annotations

import gc
import io
import multiprocessing
import os
import signal
import sys
import threading
import time
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from quiet import wait_identified

import sidebooks_core as sb
from sidebooks_core import Settings, TileService
from sidebooks_core.documents.document import ContentIds, Opened
from sidebooks_core.workers.process import WorkerProcess


def test_a_document_says_what_it_is(service: TileService, sample: Path) -> None:
    document = service.open(sample)
    assert document.page_count == len(document.pages) == 22
    assert len(document.id) >= 32
    assert document.direction == "ltr"
    assert document.pages[0].width_pt > 0
    assert len({page.content_id for page in document.pages}) == 22


def test_the_same_bytes_are_the_same_document(service: TileService, sample: Path) -> None:
    assert service.open(sample.read_bytes()).id == service.open(sample).id


def test_the_second_request_comes_from_memory_and_a_new_service_reads_the_disk(tmp_path: Path, sample: Path) -> None:
    settings = Settings(cache_dir=tmp_path / "cache")
    with TileService(settings) as service:
        document = service.open(sample)
        first = service.page_image(document, page=3, width_px=900)
        again = service.page_image(document, page=3, width_px=900)
        assert again == first
        found = service.statistics()
        assert (found.renders, found.memory_hits) == (1, 1)
    with TileService(settings) as service:
        document = service.open(sample)
        assert service.page_image(document, page=3, width_px=900) == first
        found = service.statistics()
        assert (found.renders, found.disk_hits) == (0, 1)


def test_identical_requests_at_once_render_once(service: TileService, sample: Path) -> None:
    document = service.open(sample)
    barrier = threading.Barrier(16)
    tiles: list[bytes] = []

    def ask() -> None:
        barrier.wait()
        tiles.append(service.page_image(document, page=5, width_px=1111).data)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tiles) == 16
    assert len(set(tiles)) == 1
    assert service.statistics().renders == 1


def test_an_image_is_its_own_finest_level(service: TileService) -> None:
    pixels = np.random.default_rng(5).integers(0, 255, (301, 517, 3), dtype=np.uint8)
    for image_format in ("PNG", "WEBP", "TIFF", "BMP"):
        packed = io.BytesIO()
        Image.fromarray(pixels).save(packed, image_format, **({"lossless": True} if image_format == "WEBP" else {}))
        document = service.open(packed.getvalue())
        finest = document.pyramid(0).levels[-1]
        assert (finest.width_px, finest.height_px) == (517, 301), image_format
        assert document.pages[0].native_px == (517, 301)
        with TileService(Settings(cache_dir=None, image_format="png")) as lossless:
            opened = lossless.open(packed.getvalue())
            finest = opened.pyramid(0).levels[-1]
            assert (finest.columns, finest.rows) == (1, 1)
            assert np.array_equal(lossless.tile(opened, 0, finest.index, 0, 0).pixels(), pixels), image_format


def test_bad_requests_get_the_right_error(service: TileService, sample: Path, tmp_path: Path) -> None:
    document = service.open(sample)
    with pytest.raises(sb.PageNotFound, match="page 23") as caught:
        service.tile(document, page=22, level=0, column=0, row=0)
    assert caught.value.page == 22
    assert caught.value.document_id == document.id
    with pytest.raises(sb.RequestError):
        service.tile(document, page=0, level=99, column=0, row=0)
    with pytest.raises(sb.RequestError):
        service.tile(document, page=0, level=0, column=1, row=0)
    with pytest.raises(FileNotFoundError):
        service.open(tmp_path / "none.pdf")
    with pytest.raises(sb.UnsupportedDocument):
        service.open(b"neither fish nor fowl")
    with pytest.raises(sb.DamagedDocument):
        service.open(b"%PDF-1.7\nnothing else")


def test_text_and_search_in_japanese(service: TileService, sample: Path) -> None:
    document = service.open(sample)
    words = service.text(document, page=0)
    assert words
    assert all(0 <= word.x0_pt <= word.x1_pt <= document.pages[0].width_pt + 1 for word in words)
    assert service.search(document, "日本語")
    assert len(service.search(document, "jlreq")) == len(service.search(document, "ＪＬＲＥＱ")) > 0


def test_workers_killed_while_idle_are_replaced_unnoticed(service: TileService, sample: Path) -> None:
    document = service.open(sample)
    service.page_image(document, page=0, width_px=300)
    wait_identified(service, document)
    workers = [psutil.Process(worker) for worker in service.worker_process_ids()]
    for worker in workers:
        worker.kill()
    psutil.wait_procs(workers, timeout=10)
    for page in range(4):
        assert service.page_image(document, page, width_px=301).width_px == 301
    assert service.statistics().worker_deaths > 0


def test_a_worker_killed_at_work_fails_its_request_and_no_other(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    has_unread_request = WorkerProcess.has_unread_request
    monkeypatch.setattr(WorkerProcess, "has_unread_request", lambda _: False)  # as though it had begun
    with TileService(Settings(cache_dir=None, workers=1)) as service:
        document = service.open(sample)
        service.page_image(document, page=0, width_px=300)
        wait_identified(service, document)  # what is killed is to be this job
        for worker in service.worker_process_ids():
            os.kill(worker, signal.SIGSTOP)
        hanging = service.submit_page_image(document, 1, width_px=300)
        while not any(has_unread_request(worker) for worker in service.parts.pool.workers()):
            time.sleep(0.01)
        workers = [psutil.Process(worker) for worker in service.worker_process_ids()]
        for worker in workers:
            worker.kill()
        with pytest.raises(sb.RenderFailed) as caught:
            hanging.result(timeout=20)
        psutil.wait_procs(workers, timeout=10)  # the spare had nothing to do: it is found dead, not lost at work
        assert (caught.value.page, caught.value.document_id) == (1, document.id)
        assert service.page_image(document, page=2, width_px=300).width_px == 300


@pytest.mark.skipif(sys.platform != "linux", reason="nobody tells there what is still in a pipe")
def test_a_worker_that_dies_before_it_looks_at_its_job_costs_nothing(sample: Path) -> None:
    with TileService(Settings(cache_dir=None, workers=1)) as service:
        document = service.open(sample)
        service.page_image(document, page=0, width_px=300)
        wait_identified(service, document)
        [holder] = [worker for worker in service.parts.pool.workers() if worker.held_documents]
        os.kill(holder.process.pid, signal.SIGSTOP)
        waiting = service.submit_page_image(document, 1, width_px=300)
        while not holder.has_unread_request():
            time.sleep(0.01)
        os.kill(holder.process.pid, signal.SIGKILL)
        assert waiting.result(timeout=60).width_px == 300
        assert service.statistics().worker_deaths == 1


def test_closing_leaves_no_process_and_no_thread(tmp_path: Path, sample: Path) -> None:
    before = set(threading.enumerate())
    service = TileService(Settings(cache_dir=tmp_path / "cache"))
    document = service.open(sample)
    futures = [service.submit(document, page, 1, 0, 0) for page in range(document.page_count)]
    workers = [psutil.Process(worker) for worker in service.worker_process_ids()]
    service.close()
    assert all(future.done() for future in futures)
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    deadline_s = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not set(threading.enumerate()) - before
    assert not [file.path for file in psutil.Process().open_files() if file.path.startswith(str(tmp_path))]
    with pytest.raises(sb.ServiceClosed):
        service.open(sample)


def test_a_removed_or_damaged_cache_does_no_harm(tmp_path: Path, sample: Path) -> None:
    cache_dir = tmp_path / "cache"
    with TileService(Settings(cache_dir=cache_dir)) as service:
        document = service.open(sample)
        good = service.page_image(document, page=2, width_px=1000).data
    for file in [*cache_dir.rglob("*.val"), *cache_dir.rglob("cache.db")]:
        content = bytearray(file.read_bytes())
        for position in range(len(content) // 3, len(content), 97):
            content[position] ^= 0xFF
        file.write_bytes(bytes(content))
    with TileService(Settings(cache_dir=cache_dir)) as service:
        document = service.open(sample)
        assert service.page_image(document, page=2, width_px=1000).data == good


def test_prerender_fills_the_cache_and_resumes(tmp_path: Path, sample: Path) -> None:
    with TileService(Settings(cache_dir=tmp_path / "cache")) as service:
        document = service.open(sample)
        service.prerender(document, pages=range(6))
        made = service.statistics().renders
        service.prerender(document, pages=range(6))
        assert made > 0
        assert service.statistics().renders == made


def test_prerender_runs_on_any_executor_of_processes(tmp_path: Path, sample: Path) -> None:
    settings = Settings(cache_dir=tmp_path / "cache")
    spawn = multiprocessing.get_context("spawn")
    with TileService(settings) as service, ProcessPoolExecutor(2, mp_context=spawn) as executor:
        document = service.open(sample)
        report = service.prerender(document, pages=range(4), sizes=sb.Sizes(widths_px=[500], levels=[]), executor=executor)
        assert (report.rendered, report.failed) == (4, {})
        service.page_image(document, page=3, width_px=500)
        assert service.statistics().disk_hits == 1
        again = service.prerender(document, pages=range(4), sizes=sb.Sizes(widths_px=[500], levels=[]), executor=executor)
        assert (again.rendered, again.stored_already) == (0, 4)


def test_prerender_refuses_to_draw_in_the_host(service: TileService, sample: Path) -> None:
    document = service.open(sample)
    with ThreadPoolExecutor(1) as threads, pytest.raises(sb.RequestError, match="other processes"):
        service.prerender(document, pages=[0], executor=threads)


def test_a_document_that_nobody_has_any_more_is_not_identified_on_and_what_was_learned_is_remembered(
    service: TileService, sample: Path
) -> None:
    content = sample.read_bytes() + b"\n%"  # never opened before
    document: sb.Document | None = service.open(content)
    assert document is not None
    identification = service.parts.identification
    slice_of = identification.begin(document)
    assert slice_of is not None
    [background] = slice_of.work.backgrounds
    document.content_ids.learn(3, ["a" * 32, "b" * 32])
    document = None
    gc.collect()
    assert background.following() is None
    again = service.open(content)
    assert [again.known_content_id(page) for page in (3, 4)] == ["a" * 32, "b" * 32]
    assert again.known_content_id(20) is None


def test_waiting_to_be_identified_keeps_no_document(service: TileService, sample: Path) -> None:
    document: sb.Document | None = service.open(sample.read_bytes() + b"\n%%")
    assert document is not None
    waiting = service.parts.identification.begin(document)
    gone = weakref.ref(document)
    document = None
    gc.collect()
    assert waiting is not None
    assert gone() is None


@pytest.mark.parametrize("is_read", [False, True])
def test_a_page_drawn_before_a_quick_end_is_found_without_a_worker(tmp_path: Path, sample: Path, is_read: bool) -> None:
    settings = Settings(cache_dir=tmp_path / "cache")
    with TileService(settings) as service:
        document = service.open(sample)
        if is_read:
            with service.reader(document, (600, 800)) as reader:
                reader.turn_to(17)
                assert reader.wait_sharp(timeout_s=60).is_sharp
        else:
            drawn = service.page_image(document, 17, width_px=500)
    with TileService(settings) as service:
        document = service.open(sample)
        assert document.known_content_id(17) is not None
        if is_read:
            with service.reader(document, (600, 800), resume=True) as reader:
                assert reader.wait_sharp(timeout_s=60).is_sharp
                assert reader.page == 17
        else:
            assert service.page_image(document, 17, width_px=500) == drawn
        assert service.statistics().renders == 0


def test_pages_found_on_disk_are_reason_enough_to_identify_the_others(tmp_path: Path, sample: Path) -> None:
    settings = Settings(cache_dir=tmp_path / "cache")
    with TileService(settings) as service:
        document = service.open(sample)
        service.page_image(document, 0, width_px=500)
        first = document.content_id(0)
    for file in (tmp_path / "cache").glob("facts*"):
        file.unlink()
    with TileService(settings) as service:
        document = service.open(sample)
        document.content_ids.learn(0, [first])
        service.page_image(document, 0, width_px=500)
        wait_identified(service, document)
        assert service.statistics().renders == 0


class NoHost:
    """Of a document that no service has open. The test asks `Images` itself, so a call here is a failure of the test."""

    def identify(self, document: sb.Document, page: int) -> None:
        raise AssertionError(f"page {page} was to be known by then")

    def inspect(self, document: sb.Document) -> sb.DocumentInspection:
        raise AssertionError("nobody inspects here")


def test_pages_that_are_not_looked_into_are_identified_without_a_worker(service: TileService) -> None:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(out, "TIFF", save_all=True, append_images=[Image.new("RGB", (30, 40), "red")])
    document = service.open(out.getvalue())
    known = [document.known_content_id(page) for page in (0, 1)]
    assert None not in known
    unknown = Opened(document.ref, document.info, ContentIds([None, None]), is_likely_stored=False)
    again = sb.Document(unknown, NoHost(), data=document.data, direction=None, name="again")
    service.parts.images.identify(again, 0).result(60)
    service.parts.images.identify(again, 1).result(60)
    assert [again.known_content_id(page) for page in (0, 1)] == known
