"""The helpers that are shipped for tests: a service on a fake engine behaves like one on worker processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from msgspec.structs import replace
from quiet import wait_idle

import sidebooks_core as sb
from sidebooks_core.testing import DocumentContract, FakeDocument, FakeEngine, FakePage, Task, words_of
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers.jobs import Draw, Identify, Inspect, Job, Open, ReadLinks, ReadWords

SETTINGS = sb.Settings(cache_dir=None, workers=2, image_format="png")


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(engine: FakeEngine) -> Iterator[sb.TileService]:
    with sb.TileService(SETTINGS, pool=engine.pool) as made:
        yield made


def test_a_fake_document_is_opened_from_bytes_and_from_a_file(service: sb.TileService, tmp_path: Path) -> None:
    made = FakeDocument.of_pages(7)
    made = replace(made, title="Minutes", direction="rtl")
    from_bytes, from_file = service.open(made.to_bytes()), service.open(made.write(tmp_path / "minutes.fake"))
    for document in (from_bytes, from_file):
        assert (document.page_count, document.title, document.direction) == (7, "Minutes", "rtl")
        assert [page.label for page in document.pages] == list("1234567")
        assert document.content_id(3) == made.pages[3].content_id
    assert from_bytes.id == from_file.id


def test_its_tiles_put_together_are_the_page(service: sb.TileService) -> None:
    made = FakeDocument.of_pages(1, is_gradient=True)
    document = service.open(made.to_bytes())
    level = document.pyramid(0).levels[-1]
    assert level.columns * level.rows > 1
    tiles = [
        np.concatenate(
            [service.tile(document, 0, level.index, column, row).pixels() for column in range(level.columns)], axis=1
        )
        for row in range(level.rows)
    ]
    spec = RasterSpec.whole_page(level.scale, level.width_px, level.height_px)
    assert np.array_equal(np.concatenate(tiles), made.pages[0].pixels(spec))


def test_pages_differ_and_look_the_same_however_slow_they_are() -> None:
    made = FakeDocument.of_pages(2000)
    assert len({page.content_id for page in made.pages}) == len({page.colour for page in made.pages}) == 2000
    slow = made.slowed(0.5)
    assert [page.content_id for page in slow.pages] == [page.content_id for page in made.pages]
    assert slow.to_bytes() != made.to_bytes()
    killer = FakePage(is_killer=True, error="broken", label="x")
    assert killer.content_id == FakePage().content_id != FakePage(words=words_of("a")).content_id


def test_what_stands_on_its_pages_is_found(service: sb.TileService) -> None:
    link = sb.Link(10.0, 10.0, 90.0, 20.0, 1, None)
    pages = (FakePage(words=words_of("The budget of 2026"), links=(link,)), FakePage(problems=("an image is missing",)))
    document = service.open(FakeDocument(pages=pages).to_bytes())
    assert [word.text for word in service.text(document, 0)] == ["The", "budget", "of", "2026"]
    assert service.links(document, 0) == (link,)
    [hit] = service.search(document, "BUDGET")
    assert (hit.page, hit.text) == (0, "The budget of 2026")
    assert service.page_image(document, 1, width_px=100).problems == ("an image is missing",)
    assert [page.problems for page in service.inspect(document).pages] == [(), ("an image is missing",)]


def test_what_is_no_fake_document_is_refused(service: sb.TileService, sample: Path) -> None:
    with pytest.raises(sb.UnsupportedDocument, match="fake engine"):
        service.open(sample)
    secret = replace(FakeDocument.of_pages(1), password="open")
    with pytest.raises(sb.PasswordRequired):
        service.open(secret.to_bytes())
    assert service.open(secret.to_bytes(), "open").page_count == 1


def test_a_file_that_changed_or_went_is_told(service: sb.TileService, tmp_path: Path) -> None:
    path = FakeDocument.of_pages(2).write(tmp_path / "a.fake")
    document = service.open(path)
    FakeDocument.of_pages(3).write(path)
    with pytest.raises(sb.SidebooksError, match="changed on disk"):
        service.text(document, 0)
    path.unlink()
    with pytest.raises(sb.SidebooksError, match="cannot be opened any more"):
        service.text(document, 1)


def test_no_process_is_started_and_no_thread_is_left(engine: FakeEngine) -> None:
    threads, children = set(threading.enumerate()), psutil.Process().children(recursive=True)
    with sb.TileService(SETTINGS, pool=engine.pool) as service:
        document = service.open(FakeDocument.of_pages(3, draw_s=60).to_bytes())
        futures = [service.submit(document, page, 0, 0, 0) for page in range(3)]
        engine.wait_begun(Draw, 3)
        assert psutil.Process().children(recursive=True) == children
        assert service.worker_process_ids() == []
    assert all(isinstance(future.exception(0), sb.ServiceClosed) for future in futures)
    assert set(threading.enumerate()) <= threads


def test_jobs_are_told_by_worker_in_their_order(service: sb.TileService, engine: FakeEngine) -> None:
    wait_idle(service)
    document = service.open(FakeDocument.of_pages(3).to_bytes())
    service.tile(document, 0, 0, 0, 0)
    wait_idle(service)
    [kinds] = engine.kinds_by_worker().values()
    assert kinds[:3] == ["Open", "Draw", "Identify"]
    assert engine.count(Draw) == engine.count(Draw, 0) == 1
    assert engine.count(Draw, 1) == 0
    assert engine.count(Job) == len(kinds) == len(engine.begun)
    assert [one.kind for one in engine.begun] == kinds


def test_a_slow_document_takes_its_time(service: sb.TileService) -> None:
    document = service.open(FakeDocument.of_pages(2, draw_s=0.2).to_bytes())
    service.page_image(document, 0, width_px=100)
    assert service.statistics().latency["render"].max_s >= 0.2


def test_held_jobs_wait_until_they_are_released(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(FakeDocument.of_pages(3).to_bytes())
    with engine.hold(ReadWords) as held:
        futures = [service.parts.questions.words(document, page) for page in range(2)]
        held.wait_begun(2)
        assert not any(future.done() for future in futures)
        with pytest.raises(TimeoutError):
            held.wait_begun(3, timeout_s=0.01)
    assert [future.result(30) for future in futures] == [(), ()]
    assert service.text(document, 2) == (), "further ones are not held"


def test_only_jobs_about_the_page_are_held(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(FakeDocument.of_pages(3).to_bytes())
    held = engine.hold(ReadWords, page=1)
    waiting = service.parts.questions.words(document, 1)
    held.wait_begun()
    assert service.text(document, 0) == ()
    assert service.links(document, 1) == ()
    held.release()
    assert waiting.result(30) == ()


def test_jobs_fail_as_often_as_they_are_told_to(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(FakeDocument.of_pages(3).to_bytes())
    engine.fail(ReadLinks, sb.RenderFailed("torn"), times=1)
    with pytest.raises(sb.RenderFailed, match="torn") as told:
        service.links(document, 2)
    assert (told.value.document_id, told.value.page) == (document.id, 2)
    assert service.links(document, 2) == ()
    assert service.statistics().worker_deaths == 0
    broken = service.open(FakeDocument(pages=(FakePage(error="torn in two"),)).to_bytes())
    with pytest.raises(sb.RenderFailed, match="torn in two"):
        service.tile(broken, 0, 0, 0, 0)


def test_lost_workers_are_replaced(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(FakeDocument.of_pages(3).to_bytes())
    engine.lose_worker(ReadWords, page=1, times=1)
    with pytest.raises(sb.RenderFailed, match="died"):
        service.text(document, 1)
    assert service.statistics().worker_deaths == 1
    assert service.text(document, 1) == ()
    lost, other = (one.worker for one in engine.begun if isinstance(one.job, ReadWords))
    assert lost != other
    killer = service.open(FakeDocument(pages=(FakePage(is_killer=True),)).to_bytes())
    with pytest.raises(sb.RenderFailed, match="died"):
        service.tile(killer, 0, 0, 0, 0)


def test_work_that_overruns_is_given_up(engine: FakeEngine) -> None:
    with sb.TileService(replace_timeouts(0.2), pool=engine.pool) as service:
        document = service.open(FakeDocument.of_pages(1, draw_s=60).to_bytes())
        with pytest.raises(sb.RenderTimeout, match=r"0\.2 s"):
            service.tile(document, 0, 0, 0, 0)
        with engine.hold(Open), pytest.raises(sb.DamagedDocument, match=r"0\.2 s"):
            service.open(FakeDocument.of_pages(2).to_bytes())
        assert service.statistics().worker_deaths == 2


def replace_timeouts(timeout_s: float) -> sb.Settings:
    return sb.Settings(cache_dir=None, workers=1, render_timeout_s=timeout_s, open_timeout_s=timeout_s)


def test_work_that_nobody_wants_gives_way(engine: FakeEngine) -> None:
    settings = sb.Settings(cache_dir=None, workers=1)
    with sb.TileService(settings, pool=engine.pool) as service:
        document = service.open(FakeDocument.of_pages(3).to_bytes())
        with engine.hold(Draw) as held:
            unwanted = [service.submit(document, page, 0, 0, 0) for page in range(2)]
            held.wait_begun(2)
            seen = service.submit(document, 2, 0, 0, 0)
            assert unwanted[0].cancel()
            held.wait_begun(3)
        assert seen.result(30)
        assert service.statistics().drops == 1
        assert service.statistics().worker_deaths == 0


def test_a_rule_answers_in_the_engines_place(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(FakeDocument.of_pages(3).to_bytes())
    tasks: list[Task] = []

    def answer(task: Task) -> object:
        tasks.append(task)
        return words_of("made up") if len(tasks) == 1 else None

    with engine.on(ReadWords, answer):
        assert [word.text for word in service.text(document, 0)] == ["made", "up"]
        assert service.text(document, 1) == ()
    assert service.text(document, 2) == ()
    assert [task.job.page for task in tasks] == [0, 1]


def test_a_fault_of_a_rule_is_told_to_who_waits(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(FakeDocument.of_pages(1).to_bytes())
    with (
        engine.on(ReadWords, lambda task: 1 // 0),
        pytest.raises(sb.RenderFailed, match="fault of the test: ZeroDivisionError"),
    ):
        service.text(document, 0)
    assert service.text(document, 0) == ()


def test_documents_of_two_domains_share_no_worker(engine: FakeEngine) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=engine.pool) as service:
        made = FakeDocument.of_pages(1).to_bytes()
        for domain in ("a", "b", "a"):
            service.text(service.open(made, trust_domain=domain), 0)
    seen: dict[int, set[str]] = {}
    for one in engine.begun:
        seen.setdefault(one.worker, set()).add(one.job.document.trust_domain)
    assert all(len(domains) == 1 for domains in seen.values())
    assert set.union(*seen.values()) == {"a", "b"}


def test_a_reader_reads_and_a_prerendering_fills_the_cache(engine: FakeEngine, tmp_path: Path) -> None:
    made = FakeDocument.of_pages(5).write(tmp_path / "a.fake")
    settings = sb.Settings(cache_dir=tmp_path / "cache", workers=1)
    with sb.TileService(settings, pool=engine.pool) as service:
        document = service.open(made)
        report = service.prerender(document, fit_px=[(400, 600)])
        assert report.failed == {}
    with sb.TileService(settings, pool=engine.pool) as service, service.reader(service.open(made), (400, 600)) as reader:
        reader.turn_to(4)
        assert reader.wait_sharp(timeout_s=30).is_sharp
        assert service.statistics().renders == 0


def test_an_inspection_measures(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(FakeDocument.of_pages(2, draw_s=0.05).to_bytes())
    assert all((page.draw_s or 0) >= 0.05 for page in service.inspect(document).pages)
    assert engine.count(Inspect) == 2
    assert engine.count(Identify) == 0


class TestFakeDocument(DocumentContract):
    """A fake engine keeps the contract of a document, too."""

    def make_source(self) -> bytes:
        return FakeDocument(pages=(FakePage(words=words_of("one two")), FakePage(is_gradient=True))).to_bytes()

    def make_service(self) -> sb.TileService:
        return sb.TileService(SETTINGS, pool=FakeEngine().pool)
