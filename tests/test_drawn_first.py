"""Pages are drawn first and identified then: what an application, a reader and a browser see of it."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from asgi import ask
from by_hand import FakeLeases, LeasingStore
from msgspec.structs import replace
from processes import Watched, processes
from quiet import wait_identified, wait_idle, wait_until

import sidebooks_core as sb
from sidebooks_core.documents.document import ContentIds
from sidebooks_core.documents.fingerprint import RACY_NS
from sidebooks_core.errors import RenderFailed
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.server import Application, Shelf
from sidebooks_core.server.shelf import page_id
from sidebooks_core.stores.memory import MemoryStore
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage
from sidebooks_core.workers.jobs import Draw, Identify, Open
from sidebooks_core.workers.process import Process

VIEW_PX = (400, 500)
PAPER = FakeDocument.of_pages(5, is_gradient=True)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(engine: FakeEngine, tmp_path: Path) -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=2), pool=engine.pool) as made:
        wait_idle(made)
        yield made


def draws(engine: FakeEngine) -> list[tuple[int, object]]:
    """Page and raster of all drawings."""
    return [(one.job.page, one.job.spec) for one in engine.begun if isinstance(one.job, Draw)]


def test_the_worker_that_opened_a_document_draws_its_first_page_and_identifies_it_then(
    service: sb.TileService, engine: FakeEngine
) -> None:
    document = service.open(PAPER.to_bytes())
    service.page_image(document, 0, width_px=100)
    wait_idle(service)
    [kinds] = engine.kinds_by_worker().values()
    assert kinds == ["Open", "Draw", "Identify"], "it knows all pages by then"


@pytest.mark.parametrize("how", ["tile", "page_image", "region_image", "reader"])
def test_whoever_looks_at_a_page_has_it_before_it_is_identified(service: sb.TileService, engine: FakeEngine, how: str) -> None:
    document = service.open(PAPER.to_bytes())
    with engine.hold(Identify):
        if how == "tile":
            service.tile(document, 2, 0, 0, 0)
        elif how == "page_image":
            service.page_image(document, 2, width_px=100)
        elif how == "region_image":
            service.region_image(document, 2, (10, 10, 100, 100), 50)
        else:
            with service.reader(document, VIEW_PX) as reader:
                assert reader.wait_sharp(timeout_s=30).is_sharp
        assert document.known_content_id(2) is None


def test_two_readers_and_a_request_share_one_drawing_and_one_etag(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(PAPER.to_bytes())
    with engine.hold(Draw, page=0) as held:
        readers = [service.reader(document, VIEW_PX) for _ in range(2)]
        held.wait_begun()
    views = [reader.wait_sharp(timeout_s=30) for reader in readers]
    assert all(view.is_sharp for view in views)
    tiles = [view.images[-1].tile for view in views]
    image = service.page_image(document, 0, height_px=VIEW_PX[1])
    copied = pickle.loads(pickle.dumps(tiles[0]))  # noqa: S301 - made here
    assert tiles == [image, image] == [copied, copied]
    assert len({hash(tile) for tile in (image, copied, tiles[0])}) == 1
    wait_identified(service, document)
    assert {reader.view().images[-1].tile.etag for reader in readers} == {image.etag}
    for reader in readers:
        reader.close()
    assert len(draws(engine)) == len(set(draws(engine))), "nothing is drawn twice"
    assert service.statistics().failures == 0


def test_who_asks_for_a_page_that_a_reader_has_drawn_just_now_joins(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(PAPER.to_bytes())
    with engine.hold(Draw, page=0) as held, service.reader(document, VIEW_PX) as reader:
        held.wait_begun()
        image = service.submit_page_image(document, 0, height_px=VIEW_PX[1])
        document.content_id(0)
        late = service.submit_page_image(document, 0, height_px=VIEW_PX[1])
        held.release()
        assert reader.wait_sharp(timeout_s=30).images[-1].tile == image.result(30) == late.result(30)
    wait_idle(service)
    assert len(draws(engine)) == len(set(draws(engine))) == service.statistics().renders


def test_everybody_is_told_once_however_requests_and_answers_meet(service: sb.TileService, engine: FakeEngine) -> None:
    """Requests that come while a page is drawn, shown, identified, and while that ends."""
    document = service.open(FakeDocument.of_pages(60).to_bytes())
    told: list[bytes] = []
    for page in range(60):
        together = threading.Barrier(4)

        def want(page: int = page, together: threading.Barrier = together) -> None:
            together.wait()
            futures = [service.submit_page_image(document, page, width_px=50) for _ in range(10)]
            told.extend(future.result(30).data for future in futures)

        threads = [threading.Thread(target=want) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert len(told) == 60 * 40
    wait_idle(service)
    assert len(set(told)) == 60
    assert len(draws(engine)) == len(set(draws(engine))) == service.statistics().renders == 60
    assert service.parts.dispatcher.counts() == (0, 0)


def test_a_stored_page_that_takes_long_to_draw_is_shown_from_there(service: sb.TileService, engine: FakeEngine) -> None:
    shown = service.page_image(service.open(PAPER.to_bytes()), 0, width_px=300)
    slow = service.open(PAPER.slowed(60.0).to_bytes())
    wait_idle(service)
    assert service.page_image(slow, 0, width_px=300).data == shown.data
    assert service.statistics().renders == 1
    engine.wait_begun(Identify, 2)


def test_once_a_page_was_found_stored_the_others_are_identified_first(service: sb.TileService, engine: FakeEngine) -> None:
    first = service.open(PAPER.to_bytes())
    shown = [service.page_image(first, page, width_px=300).data for page in range(5)]
    wait_identified(service, first)
    slow = service.open(replace(PAPER.slowed(60.0), note="copy").to_bytes())
    wait_idle(service)
    began = len(engine.begun)
    assert [service.page_image(slow, page, width_px=300).data for page in range(5)] == shown
    assert sum(one.kind == "Draw" for one in engine.begun[began:]) == 1


def test_a_page_that_takes_long_and_is_not_stored_is_drawn_once(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(PAPER.slowed(0.3).to_bytes())
    wait_idle(service)
    service.page_image(document, 0, width_px=300)
    wait_idle(service)
    assert engine.count(Draw) == 1
    assert engine.count(Identify) == 2, "by another worker meanwhile, and by its own"


def test_pages_of_a_file_that_changed_are_identified_first(tmp_path: Path, engine: FakeEngine) -> None:
    path = PAPER.write(tmp_path / "minutes.fake")
    time.sleep(RACY_NS / 1e9 + 0.1)  # it could change unseen until then
    settings = sb.Settings(cache_dir=tmp_path / "cache", workers=2)
    with sb.TileService(settings, pool=engine.pool) as service:
        document = service.open(path)
        shown = service.page_image(document, 0, width_px=300)
        assert not document.is_likely_stored
    replace(PAPER, note="second").write(path)
    began = len(engine.begun)
    with sb.TileService(settings, pool=engine.pool) as service:
        document = service.open(path)
        assert document.is_likely_stored
        assert service.page_image(document, 0, width_px=300).data == shown.data
        assert service.statistics().disk_hits == 1
    assert [one.kind for one in engine.begun[began:]][:2] == ["Open", "Identify"]
    assert engine.count(Draw) == 1, "shown from there, not drawn: most of its pages are stored"


def test_what_was_shown_is_kept_though_the_service_closes_at_once(tmp_path: Path, engine: FakeEngine) -> None:
    path = PAPER.write(tmp_path / "minutes.fake")
    settings = sb.Settings(cache_dir=tmp_path / "cache", workers=2)
    with engine.on(Identify, lambda task: task.pause(0.3)), sb.TileService(settings, pool=engine.pool) as service:
        shown = service.page_image(service.open(path), 0, width_px=300)
    with sb.TileService(settings, pool=engine.pool) as service:
        assert service.page_image(service.open(path), 0, width_px=300) == shown
        assert service.statistics().disk_hits == 1
    assert engine.count(Draw) == 1


def test_closing_does_not_wait_for_ever_for_what_was_shown(engine: FakeEngine) -> None:
    service = sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=engine.pool)
    document = service.open(PAPER.to_bytes())
    with engine.hold(Identify) as held:
        service.page_image(document, 0, width_px=300)
        held.wait_begun()
        started_s = time.monotonic()
        service.close()
        assert 1 < time.monotonic() - started_s < 20
    assert service.parts.dispatcher.counts() == (0, 0)


def test_a_first_page_that_cannot_be_drawn_is_told_to_its_reader_with_the_reason(service: sb.TileService) -> None:
    document = service.open(FakeDocument(pages=(FakePage(error="torn in two"),)).to_bytes())
    with service.reader(document, VIEW_PX) as reader:
        view = reader.wait_sharp(timeout_s=30)
    assert not view.is_sharp
    assert "torn in two" in str(view.errors[0])


def test_a_page_that_cannot_be_identified_is_shown_and_kept_as_a_page_of_this_file_alone(
    service: sb.TileService, engine: FakeEngine
) -> None:
    document, copy = service.open(PAPER.to_bytes()), service.open(replace(PAPER, note="copy").to_bytes())
    with engine.fail(Identify, RenderFailed("it cannot be told")):
        for _ in range(6):
            assert service.page_image(document, 1, width_px=300).width_px == 300
            wait_idle(service)
        assert engine.count(Draw) == 1
        assert service.page_image(document, 1, width_px=200).width_px == 200
        with pytest.raises(RenderFailed, match="cannot be told"):
            document.content_id(2)
    wait_idle(service)
    assert service.statistics().in_flight == 0
    assert service.parts.images.keeper.store.statistics().records == 2
    assert copy.content_id(1) != document.content_id(1)


def test_a_page_that_is_likely_stored_and_cannot_be_identified_is_drawn(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(FakeDocument.of_pages(1).to_bytes())
    document.is_likely_stored = True
    engine.fail(Identify, RenderFailed("it cannot be told"))
    for _ in range(3):
        assert service.page_image(document, 0, width_px=300).width_px == 300
    wait_idle(service)
    assert (engine.count(Draw), engine.count(Identify)) == (1, 1)


def test_the_id_of_a_page_that_could_not_be_identified_stays_and_is_not_remembered() -> None:
    ids = ContentIds([None, None])
    assert ids.learn_own(0, "own") == "own"
    ids.learn(0, ["real", "other"])
    assert ids.all() == ["own", "other"], "images are kept under it"
    assert ids.news() == [None, "other"]
    assert ids.learn_own(1, "own, too") == "other"
    ids.fill(["remembered", "remembered"])
    assert ids.all() == ["own", "other"]


def test_purging_takes_what_is_kept_of_a_page_that_could_not_be_identified(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(PAPER.to_bytes())
    with engine.fail(Identify, RenderFailed("it cannot be told")):
        service.page_image(document, 1, width_px=300)
        wait_idle(service)
    service.parts.flush()
    assert service.parts.images.keeper.store.statistics().records == 1
    service.purge(service.open(replace(PAPER, note="other").to_bytes()))
    assert service.parts.images.keeper.store.statistics().records == 1, "it is another document's"
    service.purge(document)
    assert service.parts.images.keeper.store.statistics().records == 0


def test_a_page_whose_identification_kills_its_worker_costs_one_worker(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(FakeDocument.of_pages(1).to_bytes())
    engine.lose_worker(Identify)
    for _ in range(6):
        assert service.page_image(document, 0, width_px=300).width_px == 300
        wait_idle(service)
    assert service.statistics().worker_deaths == 1


def test_two_handles_of_a_file_share_what_is_learned_of_its_pages(service: sb.TileService, engine: FakeEngine) -> None:
    """A request of one joins the flight of the other, and must know the answer, too."""
    ours = service.open(PAPER.to_bytes())
    theirs = service.open(PAPER.to_bytes(), name="Budget")
    assert ours is not theirs
    told: list[str] = []
    with engine.hold(Identify) as held:
        first = threading.Thread(target=lambda: told.append(ours.content_id(2)))
        first.start()
        held.wait_begun()
        joins = service.statistics().joins
        second = threading.Thread(target=lambda: told.append(theirs.content_id(2)))
        second.start()
        wait_until(lambda: service.statistics().joins > joins, "the second does not join")
    for thread in (first, second):
        thread.join(30)
    assert told == [PAPER.pages[2].content_id] * 2
    assert engine.count(Identify) == 1


def test_a_file_that_changed_costs_no_worker_however_often_it_is_asked_for(sample: Path, tmp_path: Path) -> None:
    path = tmp_path / "paper.pdf"
    path.write_bytes(sample.read_bytes())
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document = service.open(path)
        document.is_likely_stored = False
        with path.open("ab") as file:  # it never gets shorter: a worker that looks ahead in a truncated file dies of it
            file.write(b"\n% changed\n")
        for _ in range(3):
            with pytest.raises(sb.SidebooksError, match="changed"):
                service.page_image(document, 1, width_px=200)
        wait_idle(service)
        assert service.statistics().worker_deaths == 0


def test_who_waits_for_a_drawing_that_nobody_wants_any_more_is_not_behind_the_one_that_asks_whether_it_is_stored(
    engine: FakeEngine,
) -> None:
    engine = FakeEngine(aged_s=0.05, slow_s=0.02)
    with sb.TileService(sb.Settings(cache_dir=None, workers=2), pool=engine.pool) as service:
        wait_idle(service)
        document = service.open(FakeDocument.of_pages(6).to_bytes())
        held = [engine.hold(Draw, page=page) for page in range(3)]
        futures = []
        for page in range(3):
            futures.append(service.submit(document, page, 0, 0, 0))
            held[page].wait_begun()
            time.sleep(0.1)  # the first is asked about meanwhile
        for future in futures:
            future.cancel()
        assert service.submit(document, 3, 0, 0, 0).result(10).width_px
        for one in held:
            one.release()


def test_a_worker_that_dies_between_its_two_answers_costs_nobody_an_image(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(PAPER.to_bytes())
    engine.lose_worker(Identify, times=1)
    assert service.page_image(document, 0, width_px=300).width_px == 300
    wait_idle(service)
    assert service.statistics().worker_deaths == 1
    assert service.page_image(document, 0, width_px=300).width_px == 300


def test_a_second_answer_that_does_not_come_ends_with_the_time_of_its_job(engine: FakeEngine) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1, render_timeout_s=0.3), pool=engine.pool) as service:
        document = service.open(PAPER.to_bytes())
        with engine.hold(Identify, page=0) as held:
            image = service.page_image(document, 0, width_px=300)
            held.wait_begun()
            assert service.page_image(document, 0, width_px=300) == image, "there meanwhile"
            wait_until(lambda: service.statistics().worker_deaths == 1, "the worker is not given up")
            wait_idle(service)
        assert service.statistics().failures == 1
        assert None not in document.content_ids.all(), "the first is a page of this file, the others are what they are"
        assert service.page_image(document, 1, width_px=300).width_px == 300


class TornLeases:
    """An application's leases whose server is away."""

    def try_acquire(self, _key: str) -> None:
        raise OSError("no connection")

    def wait(self, _key: str, _callback: Callable[[bool], None], _most_s: float) -> None:
        raise OSError("no connection")

    def advance(self, _key: str) -> None:
        raise OSError("no connection")

    def mark(self, _key: str) -> int:
        raise OSError("no connection")


class TornStore(MemoryStore):
    def leases(self) -> TornLeases:
        return TornLeases()


def test_leases_that_raise_cost_no_request_its_image(engine: FakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    store = TornStore(1 << 24, 0)
    settings = sb.Settings(cache_dir=None, workers=1, render_timeout_s=600.0)
    with sb.TileService(settings, store=store, pool=engine.pool) as service:
        document = service.open(PAPER.to_bytes())
        for page in range(5):
            document.content_id(page)
            image = service.submit_page_image(document, page, width_px=200)
            assert image.result(20).width_px == 200, "long before the time for another process is over"
        service.parts.flush()
        assert store.statistics().records == 5
    told = [record for record in caplog.records if "leases" in record.message]
    assert len(told) == 1


class ForgetfulLeases(FakeLeases):
    """Leases that cannot tell whether one was released: the mark is another one each time."""

    def mark(self, key: str) -> int:
        self.marks[key] = self.marks.get(key, 0) + 1
        return self.marks[key]

    def wait(self, _key: str, callback: Callable[[bool], None], _most_s: float) -> None:
        callback(True)


def test_leases_that_cannot_tell_cost_a_few_looks(engine: FakeEngine) -> None:
    store = LeasingStore(ForgetfulLeases())
    settings = sb.Settings(cache_dir=None, workers=1, render_timeout_s=600.0)
    with sb.TileService(settings, store=store, pool=engine.pool) as service:
        document = service.open(PAPER.to_bytes())
        document.content_id(0)
        assert service.submit_page_image(document, 0, width_px=200).result(20).width_px == 200
        service.parts.flush()
    assert len(store.looked_for) <= 6
    assert engine.count(Draw) == 1


def test_a_page_that_cannot_be_identified_keeps_no_other_from_being_purged(service: sb.TileService, engine: FakeEngine) -> None:
    document = service.open(PAPER.to_bytes())
    with engine.fail(Identify, RenderFailed("torn"), page=2):
        for page in (0, 1, 3, 4):
            document.content_id(page)
            service.page_image(document, page, width_px=200)
        service.parts.flush()
        assert service.parts.images.keeper.store.statistics().records == 4
        assert service.purge(document) >= 4
    assert service.parts.images.keeper.store.statistics().records == 0


def test_a_page_that_cannot_be_identified_fails_alone_where_other_processes_draw(
    service: sb.TileService, engine: FakeEngine
) -> None:
    document = service.open(PAPER.to_bytes())
    with engine.fail(Identify, RenderFailed("torn")), ThreadPoolExecutor(1) as nobody:
        report = service.prerender(document, [1], sizes=sb.Sizes(levels=[0], widths_px=[]), executor=nobody)
    assert list(report.failed) == [1]
    assert "torn" in str(report.failed[1])


def test_what_is_prerendered_is_identified_first_and_goes_behind_what_somebody_looks_at(
    service: sb.TileService, engine: FakeEngine
) -> None:
    document = service.open(PAPER.to_bytes())
    with engine.hold(Identify) as held:
        bulk = service.submit_page_image(document, 0, width_px=300, priority=Priority.BULK)
        held.wait_begun()
        assert engine.count(Draw) == 0
        seen = service.submit_page_image(document, 4, width_px=300)
        assert seen.result(30).width_px == 300
        assert not bulk.done()
    assert bulk.result(30).width_px == 300
    pages = [one.job.page for one in engine.begun if isinstance(one.job, Draw)]
    assert pages == [4, 0]


# Over HTTP.


@pytest.fixture
def application(service: sb.TileService) -> Iterator[Application]:
    shelf = Shelf(service)
    made = Application(shelf)
    yield made
    made.close()
    shelf.close()


def test_an_image_over_http_goes_out_before_its_page_is_identified(
    service: sb.TileService, engine: FakeEngine, application: Application, tmp_path: Path
) -> None:
    with engine.hold(Identify):
        document = registered(application, tmp_path)
        reply = ask(application, f"/iiif/3/{page_id(document, 1)}/full/300,/0/default.png")
        assert reply.status == 200
        assert document.known_content_id(1) is None


def test_what_a_browser_has_already_takes_no_worker(
    service: sb.TileService, engine: FakeEngine, application: Application, tmp_path: Path
) -> None:
    document = registered(application, tmp_path)
    address = f"/iiif/3/{page_id(document, 1)}/full/300,/0/default.png"
    tag = ask(application, address).headers["etag"]
    wait_idle(service)
    service.purge(document)
    with sb.TileService(service.settings, pool=engine.pool) as again, engine.fail(Identify, RenderFailed("it cannot be told")):
        shelf = Shelf(again)
        other = Application(shelf)
        reopened = registered(other, tmp_path)
        wait_idle(again)
        assert reopened.known_content_id(1) is None
        began = len(engine.begun)
        reply = ask(other, address, headers={"If-None-Match": tag})
        assert (reply.status, reply.body) == (304, b"")
        assert reply.headers["etag"] == tag
        assert len(engine.begun) == began
        other.close()
        shelf.close()


def registered(application: Application, folder: Path) -> sb.Document:
    path = folder / "minutes.fake"
    if not path.exists():
        PAPER.write(path)
    return application.shelf.register(path)


# With worker processes.


def test_one_process_opens_a_document_draws_its_first_page_and_identifies_it(sample: Path) -> None:
    watched = Watched()
    with sb.TileService(sb.Settings(cache_dir=None, workers=2), pool=processes(watched)) as service:
        wait_idle(service)
        document = service.open(sample)
        wait_idle(service)
        service.page_image(document, 0, width_px=800)
        wait_identified(service, document)
    asked = next(asked for asked in watched.asked.values() if isinstance(asked[0].job, Open))
    drawing = asked[1].job
    assert isinstance(drawing, Draw)
    assert drawing.then is not None


@pytest.mark.skipif(sys.platform != "linux", reason="a process is suspended")
def test_a_stored_page_whose_process_hangs_is_shown_from_the_store(sample: Path, tmp_path: Path) -> None:
    suspended: list[int] = []

    def suspend(process: Process, job: object) -> None:
        if isinstance(job, Draw) and job.then is not None and not suspended:
            os.kill(process.pid, signal.SIGSTOP)
            suspended.append(process.pid)

    watched = Watched()
    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=2), pool=processes(watched)) as service:
        sharp = service.page_image(service.open(sample), 0, width_px=800)
        copy = tmp_path / "copy.pdf"
        copy.write_bytes(sample.read_bytes() + b"\n%")
        document = service.open(copy)
        wait_idle(service)
        watched.before = suspend
        assert service.page_image(document, 0, width_px=800).data == sharp.data
        assert suspended
        os.kill(suspended[0], signal.SIGCONT)
