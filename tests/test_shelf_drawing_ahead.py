"""New papers are drawn ahead in the sizes that readers ask for, while nobody reads, within a part of the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper_house import PEOPLE, House
from quiet import wait_until
from test_shelf_preparing import pages

import sidebooks_core as sb
from sidebooks_core.access import Principal
from sidebooks_core.errors import Conflict, StorageFailed
from sidebooks_core.shelf import Paper, Shelf, catalogue
from sidebooks_core.shelf.drawing_ahead import DrawingAhead
from sidebooks_core.shelf.originals import Originals
from sidebooks_core.shelf.screens import LEAST_TIMES, MOST_SIZES, MOST_TIMES, Asked, Screens, chosen, faded
from sidebooks_core.testing import FakeEngine
from sidebooks_core.workers.jobs import Draw, NoWorker

TABLET = (600, 960)
COUNTS = st.lists(st.builds(Asked, st.integers(1, 9), st.integers(1, 9), st.integers(1, 10_000)), max_size=99)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidebooks_core.shelf.preparing.LOOK_EVERY_S", 0.02)
    monkeypatch.setattr("sidebooks_core.shelf.drawing_ahead.REST_S", 0.02)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(engine: FakeEngine, tmp_path: Path) -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=1), pool=engine.pool) as made:
        yield made


@pytest.fixture
def shelf(service: sb.TileService, tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path / "data", service) as made:
        yield made


def ask_often(shelf: Shelf, size_px: tuple[int, int] = TABLET) -> None:
    for _ in range(LEAST_TIMES):
        shelf.screens.seen(*size_px)


def drawn(shelf: Shelf) -> list[str]:
    with shelf.database.reading() as reading:
        return reading.all(str, "SELECT paper FROM drawn_ahead JOIN paper ON id = paper ORDER BY name")


def test_whoever_opens_a_new_paper_on_a_tablet_waits_for_no_drawing(shelf: Shelf, engine: FakeEngine) -> None:
    ask_often(shelf)
    paper = shelf.register(pages(*range(40)), name="議案")
    wait_until(lambda: drawn(shelf) == [paper.id], "it is not drawn")
    before = engine.count(Draw)
    document = shelf.document(paper.id)
    assert all(shelf.service.page_image(document, page, fit_px=TABLET).data for page in range(40))
    assert engine.count(Draw) == before


def test_the_first_page_is_begun_before_the_paper_is_on_the_shelf(
    shelf: Shelf, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.screens.seen(*TABLET)
    add_paper = catalogue.add_paper
    with engine.hold(Draw) as held:

        def added_when_it_is_begun(*given: Any) -> Paper:
            held.wait_begun()
            return add_paper(*given)

        monkeypatch.setattr(catalogue, "add_paper", added_when_it_is_begun)
        paper = shelf.register(pages(1, 2), name="議案")
        held.release()
    shelf.service.page_image(shelf.document(paper.id), 0, fit_px=TABLET)
    assert shelf.wait_prepared(20)
    assert engine.count(Draw) == 3, "the first page once, and two previews"


def test_a_revision_draws_what_changed(shelf: Shelf, engine: FakeEngine) -> None:
    ask_often(shelf)
    paper = shelf.register(pages(*range(20)), name="議案")
    wait_until(lambda: drawn(shelf) == [paper.id], "it is not drawn")
    before = engine.count(Draw)
    shelf.replace(paper.id, pages(*range(19), 99))
    wait_until(lambda: drawn(shelf) == [paper.id] * 2, "it is not drawn")
    assert engine.count(Draw) - before == 2, "the preview and the page"


def test_drawing_stops_at_its_part_of_the_cache_and_the_newest_go_first(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "一二三":
        shelf.register(pages(ord(name), 2), name=name)
    assert shelf.wait_prepared(20)
    monkeypatch.setattr("sidebooks_core.shelf.drawing_ahead.SHARE", 1 / shelf.service.settings.disk_bytes)  # one byte
    ask_often(shelf)
    wait_until(lambda: drawn(shelf), "nothing is drawn")
    wait_for_looks(shelf, monkeypatch)
    assert drawn(shelf) == [next(one.id for one in shelf.papers(None) if one.name == "三")]
    newest = shelf.register(pages(7), name="四")
    wait_until(lambda: newest.id in drawn(shelf), "room for the newest is found always: older ones are evicted")


def test_nothing_is_drawn_while_somebody_reads(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    first = shelf.register(pages(1), name="一")
    assert shelf.wait_prepared(20)
    document = shelf.document(first.id)
    with monkeypatch.context() as patch:
        draw_some = DrawingAhead.draw_some

        def read_before(ahead: DrawingAhead, is_wanted_elsewhere: Callable[[], bool]) -> bool:
            shelf.service.page_image(document, 0, fit_px=TABLET)
            return draw_some(ahead, is_wanted_elsewhere)

        patch.setattr(DrawingAhead, "draw_some", read_before)
        ask_often(shelf, (300, 480))
        wait_for_looks(shelf, patch)
        assert not drawn(shelf)
    wait_until(lambda: drawn(shelf) == [first.id], "nobody reads any more")


def wait_for_looks(shelf: Shelf, patch: pytest.MonkeyPatch) -> None:
    """Until it was looked several times whether there is something to draw."""
    looks: list[object] = []
    draw_some = DrawingAhead.draw_some

    def counted(ahead: DrawingAhead, is_wanted_elsewhere: Callable[[], bool]) -> bool:
        looks.append(ahead)
        return draw_some(ahead, is_wanted_elsewhere)

    patch.setattr(DrawingAhead, "draw_some", counted)
    wait_until(lambda: len(looks) > 5, "it does not look")


def test_without_a_cache_folder_nothing_is_drawn_ahead(engine: FakeEngine, tmp_path: Path) -> None:
    with (
        sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=engine.pool) as service,
        Shelf(tmp_path / "data", service) as shelf,
    ):
        ask_often(shelf)
        shelf.register(pages(1, 2), name="一")
        assert shelf.wait_prepared(20)
        ahead = DrawingAhead(shelf.database, service, "", lambda _: pytest.fail("opened"), shelf.screens)
        assert not any(ahead.draw_some(lambda: False) for _ in range(5))


def stored(shelf: Shelf) -> int:
    """Records in the cache folder."""
    store = shelf.service.parts.images.keeper.store
    store.flush()
    found = store.statistics().disk
    assert found is not None
    return found.records


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_purge_while_a_paper_is_drawn_ahead_leaves_no_image(
    shelf: Shelf, engine: FakeEngine, tmp_path: Path, *, is_elsewhere: bool
) -> None:
    paper = shelf.register(pages(*range(60)), name="長い")
    assert shelf.wait_prepared(20)
    with engine.hold(Draw) as held:
        ask_often(shelf)
        held.wait_begun()
        if is_elsewhere:
            with (
                sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as theirs,
                Shelf(tmp_path / "data", theirs, prepares=False) as other,
            ):
                other.purge(paper.id)
        else:
            shelf.purge(paper.id)
        held.release()
    again = shelf.register(pages(1000), name="後")
    assert shelf.wait_prepared(20)
    wait_until(lambda: drawn(shelf) == [again.id], "it does not go on")
    wait_until(lambda: shelf.pending_purges().is_empty, "the purge does not end")
    shelf.purge(again.id)
    wait_until(lambda: stored(shelf) == 0, "images of a purged paper stay")


def test_a_file_that_is_refused_leaves_no_image(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.screens.seen(*TABLET)
    paper = shelf.register(pages(1), name="一")
    assert shelf.wait_prepared(20)
    before, files = stored(shelf), set(shelf.originals.all())
    shelf.replace(paper.id, pages(2))
    assert shelf.wait_prepared(20)
    shelf.replace(paper.id, pages(1))
    assert shelf.wait_prepared(20)
    kept, files = stored(shelf), set(shelf.originals.all())
    assert kept > before
    with pytest.raises(Conflict):
        shelf.replace(paper.id, pages(3), after=1)
    wait_until(lambda: stored(shelf) == kept, "an image of a file that is on no shelf stays")

    def full(*_: Any) -> None:
        raise StorageFailed("the disk is full")

    monkeypatch.setattr(Originals, "flush", full)
    with pytest.raises(StorageFailed):
        shelf.register(pages(4), name="二")
    assert (stored(shelf), set(shelf.originals.all())) == (kept, files)


def test_one_paper_that_cannot_be_drawn_ahead_holds_up_no_other(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    older = shelf.register(pages(1), name="一")
    newer = shelf.register(pages(2), name="二")
    assert shelf.wait_prepared(20)
    shelf.originals.path(shelf.revision(newer.id).original).unlink()
    shelf.document(older.id)
    for _ in range(64):  # its document is open no longer
        shelf.preparer.wake()
    shelf.close()
    with Shelf(shelf.data_dir, shelf.service) as again:
        ask_often(again)
        wait_until(lambda: drawn(again) == [older.id], "one that is missing holds it up")
    assert "cannot be drawn ahead" in caplog.text


def test_what_could_not_be_drawn_for_a_passing_reason_does_not_count_as_drawn(
    shelf: Shelf, service: sb.TileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.shelf.preparing.AGAIN_S", 0.02)
    paper = shelf.register(pages(1, 2), name="一")
    assert shelf.wait_prepared(20)
    asked: list[object] = []

    def no_worker(request: object, *_: object) -> Future[Any]:
        asked.append(request)
        future: Future[Any] = Future()
        future.set_exception(NoWorker("no worker is at hand"))
        return future

    with monkeypatch.context() as patch:
        patch.setattr(service.parts.images, "find", no_worker)
        ask_often(shelf)
        wait_until(lambda: len(asked) > 4, "it is not tried again")
        assert not drawn(shelf)
    wait_until(lambda: drawn(shelf) == [paper.id], "it is not drawn when there are workers")


def test_screens_that_another_process_has_seen_count(shelf: Shelf, tmp_path: Path) -> None:
    paper = shelf.register(pages(1, 2), name="一")
    assert shelf.wait_prepared(20)
    with (
        sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as theirs,
        Shelf(tmp_path / "data", theirs) as other,
    ):
        ask_often(other)
        wait_until(lambda: drawn(shelf) == [paper.id], "this process does not know of them")


def test_sizes_of_few_are_not_common_and_leave_room_for_others(shelf: Shelf) -> None:
    for number in range(1, 200):
        shelf.screens.seen(number, 4096)
    for _ in range(100):
        shelf.screens.seen(*TABLET)
    assert shelf.screens.commonest() == [TABLET]
    shelf.screens.seen(1 << 20, 1 << 20)
    assert len(shelf.screens.commonest()) == 1


def test_a_restart_goes_on_and_a_purge_forgets(shelf: Shelf, service: sb.TileService, tmp_path: Path) -> None:
    ask_often(shelf)
    paper = shelf.register(pages(1, 2), name="一")
    wait_until(lambda: drawn(shelf) == [paper.id], "it is not drawn")
    shelf.close()
    with Shelf(tmp_path / "data", service) as again:
        assert Screens(again.database).chosen() == [TABLET]
        again.purge(paper.id)
        with again.database.reading() as reading:
            assert reading.one(int, "SELECT count(*) FROM drawn_ahead") == 0


def test_the_server_notes_the_sizes_of_readers_and_not_those_of_strangers(
    service: sb.TileService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(service, tmp_path / "house")
    try:
        paper = house.register("公開", None, *range(40))
        path = f"/documents/{paper.document_id}/pages"
        for page in range(1, 41):
            monkeypatch.setitem(PEOPLE, f"member {page}", Principal(f"m{page}", "", "member"))
            assert house.ask(f"member {page}", f"{path}/{page}/60x96").status == 200
            assert house.ask("member", f"{path}/{page}/90x90").status == 200  # one person, who turns pages
            house.ask("outsider", f"{path}/{page}/70x70")
        assert Screens(house.papers.database).chosen() == []
        assert house.papers.screens.chosen() == [(60, 96)]
        assert house.ask("member", f"{path}/1/wide").status == 404
    finally:
        house.close()


@given(COUNTS)
def test_few_common_sizes_are_chosen(asked: list[Asked]) -> None:
    found = chosen(asked)
    assert len(found) <= 2
    assert all(any((one.width_px, one.height_px) == size and one.times >= LEAST_TIMES for one in asked) for size in found)


@given(COUNTS)
def test_counts_fade(asked: list[Asked]) -> None:
    left = faded(asked)
    assert sum(one.times for one in left) <= MOST_TIMES
    assert len(left) <= MOST_SIZES
    assert {(one.width_px, one.height_px) for one in left} <= {(one.width_px, one.height_px) for one in asked}
