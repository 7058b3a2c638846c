"""A reader: turns that return with something to paint, sharp pages that follow, and no work for nothing."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import cast

import apsw
import numpy as np
import pytest
from PIL import Image

import sidebooks_core as sb
from benchmarks.long_documents import flat_pdf
from sidebooks_core.images.finding import Images
from sidebooks_core.images.requests import Request
from sidebooks_core.images.work import Found
from sidebooks_core.reading.asks import Asks
from sidebooks_core.reading.layout import Layout
from sidebooks_core.reading.screen import Painter, Screen
from sidebooks_core.reading.stage import Stage
from sidebooks_core.reading.view import preview_request
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.tiling.viewport import PageBox, Viewport

VIEW_PX = (800, 1000)


@pytest.fixture
def document(service: sb.TileService, sample: Path) -> sb.Document:
    return service.open(sample)


@pytest.fixture
def reader(service: sb.TileService, document: sb.Document) -> Iterator[sb.Reader]:
    with service.reader(document, VIEW_PX) as running:
        yield running


def painted(view: sb.PageView, size: tuple[int, int] = VIEW_PX) -> Image.Image:
    """The screen as an application would paint it; what no image covers stays red."""
    screen = Image.new("RGB", size, (255, 0, 0))
    for one in view.images:
        image = Image.open(io.BytesIO(one.tile.data)).convert("RGB")
        width, height = max(1, round(one.width_view)), max(1, round(one.height_view))
        if image.size != (width, height):
            image = image.resize((width, height))
        screen.paste(image, (round(one.x0_view), round(one.y0_view)))
    return screen


def places(view: sb.PageView) -> list[tuple[int, float, float, float, float, bool]]:
    """Of the images, sorted. Their tiles may differ: a window and a slab hold the same pixels, whichever came first."""
    return sorted((one.page, one.x0_view, one.y0_view, one.width_view, one.height_view, one.is_coarse) for one in view.images)


def until(holds: object, timeout_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.01)


def test_a_turn_always_has_something_to_paint(reader: sb.Reader, document: sb.Document) -> None:
    view = reader.turn_to(4)
    assert (view.page, view.pages) == (4, (4,))
    assert view.images
    placement = Viewport.fitted(*VIEW_PX, [PageBox(4, document.pages[4].width_pt, document.pages[4].height_pt)]).placements[0]
    page = np.asarray(painted(view))[:, placement.x0_view + 1 : placement.x0_view + placement.rung.width_px - 1]
    assert not (page == (255, 0, 0)).all(axis=2).any(), "a part of the page is not covered"


def _settle(future: Future[Found], found: Found) -> None:
    if future.set_running_or_notify_cancel():
        future.set_result(found)


@pytest.mark.parametrize("is_crowded", [False, True])
def test_a_turn_waits_half_of_its_deadline_and_less_where_workers_keep_all_processors_busy(
    service: sb.TileService, document: sb.Document, monkeypatch: pytest.MonkeyPatch, *, is_crowded: bool
) -> None:
    images = service.parts.images
    find = images.find

    def late(request: Request, priority: sb.Priority, client: str) -> Future[Found]:
        """Found after a quarter of the deadline."""
        found = find(request, priority, client).result(60)
        future: Future[Found] = Future()
        threading.Timer(0.5, _settle, (future, found)).start()
        return future

    def in_memory(_request: Request) -> None:
        """Nothing is."""

    monkeypatch.setattr(images, "is_crowded", lambda: is_crowded)
    find(images.whole_page(document, 20, *VIEW_PX).request).result(60)
    with service.reader(document, VIEW_PX, deadline_s=2.0) as reader:
        reader.wait_sharp(60)
        monkeypatch.setattr(images, "find", late)
        monkeypatch.setattr(images, "at_hand", in_memory)
        view = reader.turn_to(20)
    assert view.images
    assert view.is_sharp == (not is_crowded)


def test_the_sharp_page_is_the_page_image_of_that_size(
    service: sb.TileService, reader: sb.Reader, document: sb.Document
) -> None:
    reader.turn_to(4)
    view = reader.wait_sharp(timeout_s=10)
    assert view.is_sharp
    assert view.resolution == 1.0
    [image] = view.images
    assert not image.is_coarse
    assert image.tile == service.page_image(document, 4, height_px=VIEW_PX[1])


def test_better_pixels_are_told(reader: sb.Reader) -> None:
    told: list[sb.PageView] = []
    reader.on_refined = told.append
    view = reader.turn_to(9)
    reader.wait_sharp(timeout_s=10)
    if not view.is_sharp:
        until(lambda: told and told[-1].is_sharp)
        assert {one.page for one in told} == {9}
        resolutions = [view.resolution, *(one.resolution for one in told)]
        assert resolutions == sorted(resolutions)


def test_an_exception_of_the_application_does_not_end_the_reader(reader: sb.Reader, caplog: pytest.LogCaptureFixture) -> None:
    called = threading.Event()

    def broken(view: sb.PageView) -> None:
        called.set()
        raise RuntimeError("the application's own")

    reader.on_refined = broken
    for page in range(1, 22):
        if called.is_set():
            break
        reader.turn_to(page)
        reader.wait_sharp(timeout_s=10)
    assert called.wait(5)
    until(lambda: "on_refined failed" in caplog.text)
    reader.turn_to(0)
    assert reader.wait_sharp(timeout_s=10).is_sharp


def test_reading_on_is_sharp_on_arrival_and_draws_each_page_once(
    service: sb.TileService, reader: sb.Reader, document: sb.Document
) -> None:
    assert reader.wait_previews(timeout_s=60)
    reader.wait_sharp(timeout_s=10)
    for step in (1, -1):
        for _ in range(document.page_count - 1):
            following = reader.page + step
            request = service.parts.images.whole_page(document, following, None, VIEW_PX[1]).request
            until(lambda request=request: service.parts.images.keeper.in_memory(request))
            assert reader.turn(step).is_sharp
    pages = document.page_count
    assert service.statistics().renders == 2 * pages, "a preview and a sharp page of each"
    assert service.statistics().prefetch_wasted_bytes == 0


def pages_with_preview(service: sb.TileService, document: sb.Document) -> set[int]:
    """The pages whose previews are in memory."""
    requests = {page: preview_request(document, page, service.settings.raster_pixels) for page in range(document.page_count)}
    return {page for page, request in requests.items() if service.parts.images.at_hand(request) is not None}


def test_of_a_long_document_the_pages_around_the_shown_one_get_previews() -> None:
    pages = 400
    with sb.TileService(sb.Settings(workers=1, preview_bytes=60_000)) as service:
        document = service.open(flat_pdf(pages))
        with service.reader(document, VIEW_PX) as reader:
            assert reader.wait_previews(timeout_s=60)
            assert pages_with_preview(service, document) >= set(range(10))
            assert service.statistics().renders < pages / 2
            for page in (300, 0):  # there and back: the first previews have left the memory
                reader.turn_to(page)
                reader.wait_sharp(timeout_s=60)
                assert reader.wait_previews(timeout_s=60)
                assert pages_with_preview(service, document) >= set(range(max(0, page - 5), page + 10))


def test_every_page_gets_a_preview_and_a_far_jump_shows_it(reader: sb.Reader, document: sb.Document) -> None:
    assert reader.wait_previews(timeout_s=60)
    view = reader.turn_to(document.page_count - 1)
    assert view.resolution > 0.1
    assert painted(view).convert("L").getextrema()[0] < 200, "a preview has ink"


def test_an_end_holds(reader: sb.Reader, document: sb.Document) -> None:
    assert reader.turn(-1).page == 0
    assert reader.turn_to(document.page_count - 1).page == document.page_count - 1
    assert reader.turn(+5).page == document.page_count - 1
    with pytest.raises(sb.PageNotFound):
        reader.turn_to(document.page_count)
    with pytest.raises(sb.PageNotFound):
        reader.turn_to(-1)


def test_jumps(service: sb.TileService, reader: sb.Reader, document: sb.Document) -> None:
    item = next(item for item in document.outline if item.page)
    assert reader.jump(item).page == item.page
    hit = service.search(document, "日本語")[-1]
    assert reader.jump(hit).page == hit.page
    assert reader.jump(document.pages[7].label).page == 7
    with pytest.raises(sb.PageNotFound):
        reader.jump("no such label")


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_spreads_turn_by_two(service: sb.TileService, sample: Path, direction: str) -> None:
    document = service.open(sample, direction=direction)
    with service.reader(document, (1600, 1000), spread=True) as reader:
        assert reader.view().pages == (0,)
        view = reader.turn(+1)
        assert view.pages == ((1, 2) if direction == "ltr" else (2, 1))
        assert view.page == 1
        assert reader.turn(+1).page == 3
        view = reader.wait_sharp(timeout_s=10)
        assert view.is_sharp
        left, right = sorted(view.images, key=lambda image: image.x0_view)
        assert (left.page, right.page) == view.pages
        assert left.x0_view + left.width_view <= right.x0_view
        assert reader.turn_to(2).page == 1


def test_zooming_shows_the_page_enlarged_and_panning_moves_it(
    service: sb.TileService, reader: sb.Reader, document: sb.Document
) -> None:
    reader.turn_to(2)
    reader.wait_sharp(timeout_s=10)
    view = reader.zoom(3.0, centre_pt=(200, 300))
    assert view.zoom == 3.0
    assert view.images, "the fitted page stands in"
    sharp = reader.wait_sharp(timeout_s=20)
    assert sharp.is_sharp
    first = sharp.images[0]
    centre = (VIEW_PX[0] / 2, VIEW_PX[1] / 2)
    distances = [
        abs(one.x0_view + one.width_view / 2 - centre[0]) + abs(one.y0_view + one.height_view / 2 - centre[1])
        for one in sharp.images
    ]
    assert distances[0] <= min(distances) + 300, first
    screen = np.asarray(painted(sharp).convert("L"), np.float64)
    pane = Viewport.fitted(*VIEW_PX, [PageBox(2, document.pages[2].width_pt, document.pages[2].height_pt)])
    visible = pane.zoomed(3.0, 2, 200, 300).visible_pt(2)
    region = (visible.x0_pt, visible.y0_pt, visible.x1_pt, visible.y1_pt)
    drawn = service.region_image(document, 2, region, width_px=VIEW_PX[0]).pixels().mean(axis=2)
    rows = min(len(screen), len(drawn))
    small = [
        np.asarray(Image.fromarray(np.uint8(one[:rows])).resize((80, 100), Image.Resampling.BOX)) for one in (screen, drawn)
    ]
    assert np.abs(small[0].astype(int) - small[1]).mean() < 4
    before = sharp.images[0].x0_view
    moved = reader.pan(100, 0)
    assert moved.images
    assert before != moved.images[0].x0_view or moved.images[0].is_coarse
    assert reader.zoom(1.0).zoom == 1.0
    assert reader.wait_sharp(timeout_s=10).is_sharp
    with pytest.raises(sb.RequestError):
        reader.zoom(0)


def test_another_screen_size(reader: sb.Reader) -> None:
    reader.resize((500, 400))
    view = reader.wait_sharp(timeout_s=10)
    assert view.is_sharp
    assert view.images[0].tile.height_px == 400
    with pytest.raises(sb.RequestError):
        reader.resize((0, 400))
    assert reader.wait_sharp(timeout_s=10).images[0].tile.height_px == 400


def test_two_readers_share_renders(service: sb.TileService, document: sb.Document) -> None:
    with service.reader(document, VIEW_PX) as one, service.reader(document, VIEW_PX) as other:
        for reader in (one, other):
            reader.turn_to(10)
        for reader in (one, other):
            assert reader.wait_sharp(timeout_s=10).is_sharp
            assert reader.wait_previews(timeout_s=60)
        until(lambda: service.statistics().queued + service.statistics().in_flight == 0)
    assert service.statistics().renders <= document.page_count + 2 * 4, "previews once, page 0 and 10 with their neighbours"


def test_a_closed_reader_frees_what_only_it_wanted(service: sb.TileService, document: sb.Document) -> None:
    reader = service.reader(document, VIEW_PX)
    reader.turn_to(3)
    reader.close()
    reader.close()
    with pytest.raises(sb.ServiceClosed):
        reader.turn(+1)
    until(lambda: service.statistics().in_flight == 0)
    assert service.parts.readers.count() == 0


def test_a_closed_service_closes_its_readers(sample: Path, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    service = sb.TileService(sb.Settings(cache_dir=tmp_path / "cache"))
    reader = service.reader(service.open(sample), VIEW_PX)
    service.close()
    with pytest.raises(sb.ServiceClosed):
        reader.turn(+1)
    until(lambda: not {thread for thread in threading.enumerate() if thread not in before and thread.is_alive()})


def test_a_page_that_cannot_be_drawn_is_told_as_such(
    service: sb.TileService, monkeypatch: pytest.MonkeyPatch, sample: Path
) -> None:
    document = service.open(sample)
    bad = sb.RenderFailed("sample, page 6: cannot be drawn", document_id=document.id, page=5)
    find = service.parts.images.find

    def refusing(request: Request, priority: sb.Priority, client: str) -> Future[Found]:
        if request.page != 5:
            return find(request, priority, client)
        refused: Future[Found] = Future()
        refused.set_exception(bad)
        return refused

    monkeypatch.setattr(service.parts.images, "find", refusing)
    with service.reader(document, VIEW_PX) as reader:
        reader.turn_to(5)
        view = reader.wait_sharp(timeout_s=10)
        assert not view.is_sharp
        assert view.errors == (bad,)
        assert view.images, "its paper"
        assert reader.turn(+1).page == 6
        assert reader.wait_sharp(timeout_s=10).is_sharp
        assert reader.wait_previews(timeout_s=60)


def test_reading_resumes_where_it_ended_without_a_render(sample: Path, tmp_path: Path) -> None:
    settings = sb.Settings(cache_dir=tmp_path / "cache")
    with sb.TileService(settings) as service, service.reader(service.open(sample), VIEW_PX) as reader:
        reader.turn_to(11)
        assert reader.wait_sharp(timeout_s=10).is_sharp
    with sb.TileService(settings) as service:
        document = service.open(sample)
        with service.reader(document, VIEW_PX, resume=True) as reader:
            view = reader.wait_sharp(timeout_s=10)
            assert (view.page, view.is_sharp) == (11, True)
            assert service.statistics().disk_hits >= 1
        with service.reader(document, VIEW_PX) as reader:
            assert reader.page == 0


def test_a_reader_that_never_turned_leaves_the_position_as_it_is(service: sb.TileService, document: sb.Document) -> None:
    """It may not have been able to read it. One that turned back has a position."""
    with service.reader(document, VIEW_PX) as reader:
        reader.turn_to(7)
    with service.reader(document, VIEW_PX) as reader:
        assert reader.page == 0
    with service.reader(document, VIEW_PX, resume=True) as reader:
        assert reader.page == 7
    with service.reader(document, VIEW_PX) as reader:
        reader.turn_to(3)
        reader.turn_to(0)
    with service.reader(document, VIEW_PX, resume=True) as reader:
        assert reader.page == 0


def test_each_reader_resumes_where_that_reader_left_off(sample: Path, tmp_path: Path) -> None:
    settings = sb.Settings(cache_dir=tmp_path / "cache")
    left_off = {True: 3, "Tanaka": 7, "Sato": 11}
    with sb.TileService(settings) as service:
        document = service.open(sample)
        for resume, page in left_off.items():
            with service.reader(document, VIEW_PX, resume=resume) as reader:
                assert reader.page == 0
                reader.turn_to(page)
    with sb.TileService(settings) as service:
        document = service.open(sample)
        for resume, page in {**left_off, "": 3, "Suzuki": 0}.items():
            with service.reader(document, VIEW_PX, resume=resume) as reader:
                assert reader.page == page
        service.purge(document)
        again = service.open(sample)
        with service.reader(again, VIEW_PX, resume="Sato") as reader:
            assert reader.page == 11, "what is stored of the document is gone, and not where somebody left off"
        service.purge(again, positions=True)
        with service.reader(service.open(sample), VIEW_PX, resume="Sato") as reader:
            assert reader.page == 0


@pytest.mark.parametrize("resume", [None, 3, b"Sato"])
def test_a_reader_has_a_text_for_a_name(service: sb.TileService, sample: Path, resume: object) -> None:
    with pytest.raises(sb.RequestError, match="resume"):
        service.reader(service.open(sample), VIEW_PX, resume=resume)  # type: ignore[arg-type]


def test_a_turn_waits_for_no_disk_that_is_locked(sample: Path, tmp_path: Path) -> None:
    """Another process has the facts locked while positions are to be written."""
    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache")) as service:
        document = service.open(sample)
        with service.reader(document, VIEW_PX) as reader:
            reader.wait_previews(timeout_s=60)
            with closing(apsw.Connection(str(tmp_path / "cache" / "facts.sqlite3"))) as other:
                other.execute("BEGIN IMMEDIATE")
                for _ in range(3):
                    reader.turn()
                    time.sleep(2.2)  # long enough to be where the next reading begins
                    started_s = time.perf_counter()
                    reader.turn()
                    assert time.perf_counter() - started_s < 0.1
                    assert service.parts.readers.page_of(document, "") == reader.page - 1
                other.execute("ROLLBACK")


def test_a_memory_smaller_than_a_page_still_shows_it(sample: Path) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, memory_bytes=20_000, preview_bytes=10_000)) as service:
        document = service.open(sample)
        with service.reader(document, VIEW_PX) as reader:
            reader.turn_to(3)
            assert reader.wait_sharp(timeout_s=10).is_sharp
            assert service.statistics().memory_bytes <= 20_000


def test_a_document_replaced_while_it_is_read_is_told_once_and_asked_for_no_more(
    service: sb.TileService, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "minutes.pdf"
    path.write_bytes(sample.read_bytes())
    document = service.open(path)
    document.content_id(8)
    asked: list[int] = []
    find = service.parts.images.find

    def counting(request: Request, priority: sb.Priority, client: str) -> Future[Found]:
        asked.append(request.page)
        return find(request, priority, client)

    monkeypatch.setattr(service.parts.images, "find", counting)
    path.write_bytes(sample.read_bytes() + b"\n% another revision")
    with service.reader(document, VIEW_PX) as reader:
        reader.turn_to(8)
        view = reader.wait_sharp(timeout_s=20)
        assert not view.is_sharp
        assert isinstance(view.errors[0], sb.DamagedDocument)
        assert "changed on disk" in str(view.errors[0])
        until(lambda: service.statistics().queued + service.statistics().in_flight == 0)
        time.sleep(0.3)
        assert asked.count(8) <= 3, "the page, its preview, and once more at most"


def test_a_full_queue_is_asked_again(sample: Path) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, queue_jobs=1, workers=1)) as service:
        document = service.open(sample)
        with service.reader(document, VIEW_PX) as reader:
            for page in (5, 9, 2):
                reader.turn_to(page)
                assert reader.wait_sharp(timeout_s=20).is_sharp
            assert reader.wait_previews(timeout_s=60)


def test_turns_from_many_threads_are_all_counted(
    service: sb.TileService, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = service.open(sample)
    screen_of = Painter.screen

    def slow(self: Painter, *arguments: object) -> object:
        time.sleep(0.002)  # between the look at the present spread and the turn
        return screen_of(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Painter, "screen", slow)
    with service.reader(document, VIEW_PX, deadline_s=0.001) as reader, ThreadPoolExecutor(4) as threads:
        for turned in [threads.submit(reader.turn, +1) for _ in range(12)]:
            turned.result()
        assert reader.page == 12


def test_moves_during_turns_raise_nothing_and_belong_to_the_page_that_is_shown(
    service: sb.TileService, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = service.open(sample)
    zoomed_of, panned_of = Viewport.zoomed, Viewport.panned

    def slow_zoom(self: Viewport, *arguments: object) -> Viewport:
        time.sleep(0.001)
        return zoomed_of(self, *arguments)  # type: ignore[arg-type]

    def slow_pan(self: Viewport, *arguments: int) -> Viewport:
        moved = panned_of(self, *arguments)
        time.sleep(0.001)
        return moved

    monkeypatch.setattr(Viewport, "zoomed", slow_zoom)
    monkeypatch.setattr(Viewport, "panned", slow_pan)
    with service.reader(document, VIEW_PX, spread=True, deadline_s=0.001) as reader, ThreadPoolExecutor(4) as threads:
        jobs: list[Future[sb.PageView]] = []
        for number in range(40):
            jobs.append(threads.submit(reader.turn_to, number % document.page_count))
            jobs.append(threads.submit(reader.zoom, 2.0))
            jobs.append(threads.submit(reader.pan, 30, 30))
            jobs.append(threads.submit(reader.resize, (800, 1000 - number)))
        for job in jobs:
            view = job.result()
            assert {image.page for image in view.images} <= set(view.pages)


def test_pans_from_many_threads_add_up(service: sb.TileService, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = service.open(sample)
    panned_of = Viewport.panned

    def slow(self: Viewport, *arguments: int) -> Viewport:
        moved = panned_of(self, *arguments)
        time.sleep(0.002)
        return moved

    with service.reader(document, VIEW_PX) as reader:
        reader.zoom(4.0)
        reader.pan(60, 84)
        once = reader.wait_sharp(timeout_s=60)
    monkeypatch.setattr(Viewport, "panned", slow)
    with service.reader(document, VIEW_PX, deadline_s=0.001) as reader:
        reader.zoom(4.0)
        with ThreadPoolExecutor(4) as threads:
            for moved in [threads.submit(reader.pan, 5, 7) for _ in range(12)]:
                moved.result()
        in_pieces = reader.wait_sharp(timeout_s=60)
    assert once.is_sharp
    assert places(in_pieces) == places(once)
    assert painted(in_pieces) == painted(once)


class FutureImages:
    """Images that are asked for and never come."""

    def __init__(self) -> None:
        self.asked: list[Future[Found]] = []

    def find(self, _request: Request, _priority: Priority, _client: str) -> Future[Found]:
        self.asked.append(Future())
        return self.asked[-1]


@pytest.mark.parametrize(("before", "is_cancelled"), [(Priority.NEXT, True), (Priority.PREVIEW, False)])
def test_a_request_that_a_more_urgent_one_replaces_is_wanted_no_more(
    service: sb.TileService, document: sb.Document, before: Priority, is_cancelled: bool
) -> None:
    """A preview goes on: each page needs one at some time."""
    request = service.parts.images.whole_page(document, 1, 100).request
    images, stage = FutureImages(), Stage(cast("Layout", None), cast("Screen", None))
    asks = Asks(cast("Images", images), "client", stage, lambda *_: None)
    asks.ask(request, before)
    asks.ask(request, Priority.VISIBLE)
    assert [one.cancelled() for one in images.asked] == [is_cancelled, False]
