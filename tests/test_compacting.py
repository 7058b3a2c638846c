"""`image_format="compact"`: the first answer is as fast as with "auto"; who comes later gets the same pixels in fewer bytes."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from asgi import ask

import sidebooks_core as sb
from sidebooks_core.encoding.encode import encode
from sidebooks_core.encoding.formats import COMPACT, FAST
from sidebooks_core.encoding.smaller import may_be_smaller, smaller
from sidebooks_core.encoding.tileset import PackedTile, pack, unpack_tile, unpack_tiles
from sidebooks_core.images import compacting
from sidebooks_core.images.compacting import Compacting, first_format
from sidebooks_core.images.requests import Request
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.server import Application, Shelf
from sidebooks_core.stores.record import Record

WIDTH_PX = 900
SMALLER = "image/webp"
GREY_PAGE = 1


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of text in two inks, and one in black."""
    path = tmp_path_factory.mktemp("compact") / "inks.pdf"
    with pymupdf.open() as document:
        for inks in (((0, 0, 0), (0.05, 0.4, 0.8)), ((0, 0, 0),)):
            page = document.new_page()
            for line in range(40):
                place = 72, 72 + 17 * line
                page.insert_text(place, f"line {line} of a page of text, in inks", fontsize=14, color=inks[line % len(inks)])
        document.save(path)
    return path


def settings(cache_dir: Path | None) -> sb.Settings:
    return sb.Settings(cache_dir=cache_dir, image_format="compact")


def page_image(service: sb.TileService, paper: Path, page: int = 0) -> sb.Tile:
    return service.page_image(service.open(paper), page, width_px=WIDTH_PX)


def test_later_readers_get_the_same_pixels_in_fewer_bytes(paper: Path, tmp_path: Path) -> None:
    with sb.TileService(settings(tmp_path)) as service:
        first = page_image(service, paper)
        assert first.media_type == "image/png"
        service.parts.flush()
        second = page_image(service, paper)
        assert second.media_type == SMALLER
        assert len(second.data) < 0.6 * len(first.data)
        assert np.array_equal(first.pixels(), second.pixels())
        assert first.etag != second.etag, "a strong ETag names bytes"
        assert service.statistics().renders == 1
    with sb.TileService(settings(tmp_path)) as service:
        third = page_image(service, paper)
        assert (third.media_type, third.etag) == (SMALLER, second.etag)
        assert service.statistics().renders == 0, "it is what was kept"


def test_a_page_that_cannot_be_smaller_stays_as_it_is(paper: Path) -> None:
    with sb.TileService(settings(None)) as service:
        first = page_image(service, paper, GREY_PAGE)
        service.parts.flush()
        assert page_image(service, paper, GREY_PAGE) == first


def test_bulk_work_is_encoded_once(paper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "smaller", lambda record, quality: pytest.fail("it is small already"))
    with sb.TileService(settings(tmp_path)) as service:
        service.prerender(service.open(paper), pages=[0], fit_px=[(WIDTH_PX, 4000)])
        drawn = service.statistics().renders
        service.parts.flush()
        tile = service.page_image(service.open(paper), 0, fit_px=(WIDTH_PX, 4000))
        assert tile.media_type == SMALLER
        assert service.statistics().renders == drawn


@pytest.mark.parametrize("priority", Priority)
def test_only_who_waits_is_answered_fast(priority: Priority) -> None:
    assert first_format(COMPACT, priority) == (COMPACT if priority >= Priority.BULK else FAST)
    for other in ("auto", "png", "jpeg", "webp", "avif"):
        assert first_format(other, priority) == other


def test_what_another_process_left_is_made_smaller_when_it_is_read(
    paper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, sb.TileService(settings(tmp_path)) as service:
        patched.setattr(Compacting, "offer", lambda self, request, key, record, asked_at: None)
        first = page_image(service, paper)
    with sb.TileService(settings(tmp_path)) as service:
        assert page_image(service, paper) == first
        service.parts.flush()
        assert page_image(service, paper).media_type == SMALLER
        assert service.statistics().renders == 0


def test_a_page_that_is_purged_meanwhile_is_not_kept_again(paper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sb.TileService(settings(None)) as service:

        def purging(record: bytes, quality: int) -> bytes | None:
            service.purge(document)
            return smaller(record, quality)

        monkeypatch.setattr(compacting, "smaller", purging)
        document = service.open(paper)
        service.page_image(document, 0, width_px=WIDTH_PX)
        service.parts.flush()
        assert service.statistics().memory_bytes == 0


def test_a_fault_costs_nothing_but_bytes(
    paper: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(record: bytes, quality: int) -> bytes | None:
        raise RuntimeError("as a damaged image would")

    monkeypatch.setattr(compacting, "smaller", failing)
    with sb.TileService(settings(None)) as service, caplog.at_level(logging.ERROR, "sidebooks_core.images"):
        first = page_image(service, paper)
        service.parts.flush()
        assert page_image(service, paper) == first
    assert "inks.pdf: a record could not be made smaller" in caplog.text


def coloured(width_px: int = 900) -> PackedTile:
    """An image of text in two inks."""
    ramp = np.abs(np.arange(1 << 8) - 128).astype(np.uint8) * 2
    pixels = np.full((width_px, width_px, 3), 255, np.uint8)
    pixels[100:800:20, 100:356, 0] = ramp
    pixels[110:800:20, 100:356] = ramp[:, None]
    pixels[105:800:20, 300:556, 2] = ramp
    image = encode(pixels, FAST, 85)
    return PackedTile(image.data, image.media_type, width_px, width_px)


def test_a_record_keeps_its_tiles_their_places_and_problems() -> None:
    flat = encode(np.full((10, 10, 3), 7, np.uint8), FAST, 85)
    blank = PackedTile(flat.data, flat.media_type, 10, 10)
    record = pack([blank, coloured(), blank], 3, ["an image is cut short"])
    assert may_be_smaller(record)
    made = smaller(record, 85)
    assert made is not None
    tiles, columns = unpack_tiles(made)
    assert columns == 3
    assert [one.media_type for one in tiles] == ["image/png", SMALLER, "image/png"]
    assert unpack_tile(made, 2, 0).data == flat.data
    assert all(one.problems == ("an image is cut short",) for one in tiles)
    assert not may_be_smaller(made)
    assert smaller(made, 85) is None


@pytest.mark.parametrize("record", [b"", b"no record", pack([PackedTile(b"short", "image/png", 5000, 5000)], 1)])
def test_what_is_no_record_of_ours_is_left_alone(record: bytes) -> None:
    assert not may_be_smaller(record)


def test_what_waits_is_bounded(paper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sb.TileService(settings(None)) as service:
        document = service.open(paper)
        keeper = service.parts.images.keeper
        request: Request = service.parts.images.whole_page(document, 0, WIDTH_PX).request
        record = Record(pack([coloured()], 1), "tag", 0.1)
        monkeypatch.setattr(compacting, "MOST_WAITING_BYTES", len(record.data) - 1)
        made = Compacting(keeper, None)
        made.offer(request, "key", record, 0)
        made.wait(60)
        assert keeper.store.get_memory("key") is None, "there was no room for it"
        monkeypatch.setattr(compacting, "MOST_WAITING_BYTES", len(record.data))
        made.offer(request, "key", record, 0)
        made.wait(60)
        kept = keeper.store.get_memory("key")
        assert kept is not None
        assert unpack_tile(kept.data, 0, 0).media_type == SMALLER
        made.close()


def test_each_answer_has_the_etag_and_the_type_of_its_bytes(paper: Path) -> None:
    with sb.TileService(settings(None)) as service:
        shelf = Shelf(service)
        document = shelf.register(paper)
        application = Application(shelf)
        try:
            _each_answer_fits(application, service, f"/documents/{document.id}/pages/1/900x1400")
        finally:
            application.close()
            shelf.close()


def _each_answer_fits(application: Application, service: sb.TileService, path: str) -> None:
    first = ask(application, path)
    service.parts.dispatcher.wait_shown(60)
    answers = [first, *(ask(application, path) for _ in range(3))]  # the last ones by the fast path, if they are early
    service.parts.flush()
    answers += [ask(application, path) for _ in range(3)]
    assert (answers[0].headers["content-type"], answers[-1].headers["content-type"]) == ("image/png", SMALLER)
    by_etag: dict[str, set[tuple[str, bytes]]] = {}
    for one in answers:
        assert one.status == 200
        by_etag.setdefault(one.headers["etag"], set()).add((one.headers["content-type"], one.body))
    assert len(by_etag) == 2
    assert all(len(bytes_of) == 1 for bytes_of in by_etag.values()), "a strong ETag names bytes"
    newest = answers[-1].headers["etag"]
    assert ask(application, path, headers={"if-none-match": newest}).status == 304
    [older] = by_etag.keys() - {newest}
    again = ask(application, path, headers={"if-none-match": older})
    assert again.status == 304 or again.headers["etag"] == newest, "it has the pixels, or gets the smaller bytes"


def test_a_bundle_has_another_etag_when_its_tiles_have(paper: Path) -> None:
    with sb.TileService(settings(None)) as service:
        shelf = Shelf(service)
        document = shelf.register(paper)
        application = Application(shelf)
        try:
            pyramid = document.pyramid(0)
            level = next(one.index for one in pyramid.levels if one.width_px * one.height_px > 1 << 20)
            path = f"/documents/{document.id}/pages/1/bundle/{level}"
            first = ask(application, path)
            assert first.status == 200, first.body
            service.parts.flush()
            second = ask(application, path)
            assert second.headers["etag"] != first.headers["etag"]
            assert len(second.body) < len(first.body)
            for one in (first, second):
                again = ask(application, path, headers={"if-none-match": one.headers["etag"]})
                assert again.status == (304 if one is second else 200)
        finally:
            application.close()
            shelf.close()
