"""What an application writes every day: pages give their images and texts, tiles are saved and shown, futures, iterators."""

from __future__ import annotations

import base64
import gc
import io
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import wait
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from PIL import Image

import sidebooks_core as sb
from sidebooks_core.service.opened import joined

WIDTH_PX = 300


@pytest.fixture
def document(service: sb.TileService, sample: Path) -> sb.Document:
    return service.open(sample)


def test_a_page_gives_its_image_words_text_and_links(service: sb.TileService, document: sb.Document) -> None:
    page = document[3]
    assert page.image(width_px=WIDTH_PX) == service.page_image(document, 3, width_px=WIDTH_PX)
    assert page.image(fit_px=(WIDTH_PX, WIDTH_PX)).height_px == WIDTH_PX
    assert page.words() == service.text(document, 3)
    assert page.links() == service.links(document, 3)
    text = page.text()
    assert "".join(text.split()) == "".join(word.text.replace(" ", "") for word in page.words())
    assert "\n" in text


def test_a_document_is_a_sequence_of_its_pages(document: sb.Document) -> None:
    assert len(document) == document.page_count
    assert [page.index for page in document] == list(range(len(document)))
    assert document[-1].index == len(document) - 1
    assert [page.index for page in document[1:4]] == [1, 2, 3]
    assert all(isinstance(page, sb.PageInfo) for page in document.pages)
    assert document[np.int64(2)] == document[2] != document[3]
    assert document[2] in document.pages
    with pytest.raises(sb.PageNotFound):
        document[len(document)]
    with pytest.raises(TypeError):
        document["0"]  # type: ignore[call-overload]


def word(text: str, x0_pt: float, line: int = 0, block: int = 0) -> sb.Word:
    return sb.Word(x0_pt, 0, x0_pt + 10 * len(text), 10, text, block, line)


def test_words_are_parted_as_the_page_parts_them() -> None:
    assert joined([word("one", 0), word("two", 33), word("three", 0, 1), word("four", 0, 0, 1)]) == "one two\nthree\n\nfour"
    assert joined([word("予算", 0), word("案", 20)]) == "予算案"
    assert joined([]) == ""


@pytest.mark.parametrize(("image_format", "media_type"), [("png", "image/png"), ("jpeg", "image/jpeg"), ("webp", "image/webp")])
def test_a_format_is_asked_for_by_image(
    service: sb.TileService, document: sb.Document, image_format: sb.ImageFormat, media_type: str
) -> None:
    tile = service.page_image(document, 0, width_px=WIDTH_PX, image_format=image_format)
    assert tile.media_type == media_type
    with Image.open(io.BytesIO(tile.data)) as image:
        assert image.size == (tile.width_px, tile.height_px)


def test_a_format_that_there_is_not_names_those_that_there_are(service: sb.TileService, document: sb.Document) -> None:
    with pytest.raises(sb.RequestError, match="auto, compact, png, jpeg, webp, avif, not 'gif'"):
        service.page_image(document, 0, width_px=WIDTH_PX, image_format="gif")  # type: ignore[arg-type]


def test_a_tile_is_saved_under_a_true_name(document: sb.Document, tmp_path: Path) -> None:
    tile = document[0].image(width_px=WIDTH_PX, image_format="jpeg")
    assert tile.extension == ".jpg"
    for name in ("a.jpg", "b.JPEG", "c"):
        tile.save(tmp_path / name)
        assert (tmp_path / name).read_bytes() == tile.data
    into = io.BytesIO()
    tile.save(into)
    assert into.getvalue() == bytes(tile) == tile.data
    with pytest.raises(sb.RequestError, match=r"image/jpeg. Call it d\.jpg"):
        tile.save(tmp_path / "d.png")
    assert not (tmp_path / "d.png").exists()


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_a_tile_is_an_image_and_an_array_and_is_shown_by_notebooks(document: sb.Document, image_format: sb.ImageFormat) -> None:
    tile = document[0].image(width_px=WIDTH_PX, image_format=image_format)
    assert tile.image().mode == "RGB"
    assert np.array_equal(np.asarray(tile.image()), tile.pixels())
    assert np.array_equal(np.asarray(tile), tile.pixels())
    assert np.asarray(tile, dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="copy"):
        np.array(tile, copy=False)
    bundle = getattr(tile, "_repr_mimebundle_")()  # noqa: B009 - IPython calls it by this name
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as shown:
        assert np.array_equal(np.asarray(shown.convert("RGB")), tile.pixels())
    assert bundle["text/plain"] == repr(tile)


def test_futures_give_what_the_methods_give(service: sb.TileService, sample: Path) -> None:
    document = service.submit_open(sample, name="minutes").result()
    assert document.name == "minutes"
    assert service.submit_text(document, 2).result() == service.text(document, 2)
    assert service.submit_links(document, 2).result() == service.links(document, 2)
    assert service.submit_search(document, "the", limit=7).result() == service.search(document, "the", limit=7)
    box_pt = (10.0, 10.0, 200.0, 100.0)
    region = service.submit_region_image(document, 1, box_pt, WIDTH_PX, image_format="png").result()
    assert region.data == service.region_image(document, 1, box_pt, WIDTH_PX, image_format="png").data
    with pytest.raises(FileNotFoundError):
        service.submit_open(sample.with_name("nowhere.pdf")).result()


def test_a_search_gives_hits_one_by_one_and_ends_when_it_is_left(service: sb.TileService, document: sb.Document) -> None:
    told: list[tuple[int, int]] = []
    hits = list(service.iter_search(document, "the", progress=lambda *done: told.append(done)))
    assert hits == service.search(document, "the", limit=len(hits) + 1)
    assert told[-1] == (len(document), len(document))
    some = service.iter_search(document, "the")
    assert next(some) == hits[0]
    some.close()  # type: ignore[attr-defined]
    assert service.submit_search(document, "no such words").result() == []


def test_a_search_that_is_cancelled_asks_for_no_more(service: sb.TileService, document: sb.Document) -> None:
    asked: list[int] = []
    search = service.parts.questions.search

    def counted(of: sb.Document, query: str, page: int, **options: bool) -> object:
        asked.append(page)
        return search(of, query, page, **options)

    service.parts.questions.search = counted  # type: ignore[method-assign, assignment]
    cancelled = service.submit_search(document, "zzzz")
    assert cancelled.cancel()
    assert service.submit_search(document, "yyyy").result() == []  # asked later, and done
    begun = asked.copy()
    assert begun.count(0) == 2
    assert len(begun) < 2 * begun[1:].index(0) + len(document)
    assert service.submit_search(document, "xxxx").result() == []
    assert asked[: len(begun)] == begun


@pytest.mark.parametrize("name", ["submit_search", "submit_text", "submit_page_image"])
def test_whoever_waits_for_a_cancelled_future_hears_of_it(service: sb.TileService, document: sb.Document, name: str) -> None:
    asked = {"submit_search": {"query": "zzzz"}, "submit_text": {"page": 3}, "submit_page_image": {"page": 3, "width_px": 900}}
    futures = [getattr(service, name)(document, **asked[name]) for _ in range(3)]
    for future in futures[:2]:
        future.cancel()
    assert wait(futures, timeout=60).not_done == set()


def test_images_come_in_order_with_some_ahead(service: sb.TileService, document: sb.Document) -> None:
    wanted = [5, 0, 3]
    got = list(service.images(document, wanted, width_px=WIDTH_PX, image_format="png"))
    assert [tile.data for tile in got] == [
        service.page_image(document, page, width_px=WIDTH_PX, image_format="png").data for page in wanted
    ]
    assert len(list(service.images(document, width_px=40))) == len(document)
    assert list(service.images(document, [], width_px=40)) == []


def test_images_that_are_not_taken_are_dropped(service: sb.TileService, document: sb.Document) -> None:
    with service.images(document, width_px=2000) as images:
        next(images)
        ahead = service.statistics()
    assert ahead.queued + ahead.in_flight + ahead.renders <= 1 + 3 * service.settings.workers
    with pytest.raises(StopIteration):
        next(images)


def test_the_error_of_a_page_comes_at_its_turn_and_the_others_come_too(service: sb.TileService, tmp_path: Path) -> None:
    path = tmp_path / "long.pdf"
    with pikepdf.new() as pdf:
        for height in (400, 400, 14_000, 400, 400):
            pdf.add_blank_page(page_size=(3 if height > 400 else 300, height))
        pdf.save(path)
    images, got = service.images(service.open(path), width_px=2000), list[int | None]()
    while True:
        try:
            got.append(next(images).width_px)
        except StopIteration:
            break
        except sb.RequestError:
            got.append(None)
    assert got == [2000, 2000, None, 2000, 2000]


@pytest.mark.parametrize("leave", ["next(images)", "for tile in images: break", "next(images); service.close()"])
def test_a_program_ends_that_leaves_its_images(sample: Path, leave: str) -> None:
    program = f"""
import sidebooks_core as sb
service = sb.TileService(sb.Settings(cache_dir=None, workers=1))
images = service.images(service.open({str(sample)!r}), width_px=300)
{leave}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_closed_service_says_so_to_those_who_wait_for_a_document(tmp_path: Path, sample: Path) -> None:
    reading, go_on = threading.Semaphore(0), threading.Event()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reading.release()
            go_on.wait(60)
            return super().read(size)

    service = sb.TileService(sb.Settings(cache_dir=tmp_path, workers=1))
    opening = [service.submit_open(Slow(sample.read_bytes())) for _ in range(8)]
    assert reading.acquire(timeout=60)
    service.close()
    go_on.set()
    assert {type(one.exception(60)) for one in opening} == {sb.ServiceClosed}


def test_wrong_sizes_and_pages_of_images_are_told_at_once(service: sb.TileService, document: sb.Document) -> None:
    with pytest.raises(sb.RequestError):
        service.images(document, width_px=0)
    with pytest.raises(sb.PageNotFound):
        service.images(document, [0, 99], width_px=WIDTH_PX)
    with pytest.raises(sb.RequestError, match="fit_px"):
        service.images(document, width_px=5, fit_px=(5, 5))


@pytest.mark.parametrize("page", ["0", 1.0, None, True])
def test_a_page_of_a_wrong_type_is_a_type_error_that_names_it(
    service: sb.TileService, document: sb.Document, page: int
) -> None:
    with pytest.raises(TypeError, match="page must be an int"):
        service.page_image(document, page, width_px=WIDTH_PX)


def test_what_it_is_is_told_by_its_repr(service: sb.TileService, document: sb.Document) -> None:
    assert repr(service) == f"<TileService: {service.settings.workers} workers, 1 documents>"
    assert repr(document.pages) == f"<{len(document)} pages of {document.name!r}>"
    with service.reader(document, (400, 500)) as reader:
        assert repr(reader) == f"<Reader: {document.name!r}, page 1 of {len(document)}>"
    assert repr(reader) == f"<Reader: {document.name!r}, closed>"


def test_a_service_that_nobody_closed_says_so_and_ends_its_workers() -> None:
    service = sb.TileService(sb.Settings(cache_dir=None, workers=1))
    pool = service.parts.pool
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        del service
        gc.collect()
    assert [str(one.message) for one in told if one.category is ResourceWarning] == [
        "<TileService: 1 workers, 0 documents> was not closed: use it in a `with` block"
    ]
    deadline_s = time.monotonic() + 60
    while pool.process_ids() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert pool.process_ids() == []


@pytest.mark.parametrize("zoom", [1.0, 1.37, 2.0, 3.3])
def test_a_place_of_the_screen_is_a_point_of_a_page_and_back(
    service: sb.TileService, document: sb.Document, zoom: float
) -> None:
    with service.reader(document, (800, 600), spread=True) as reader:
        reader.turn_to(2)
        view = reader.zoom(zoom)
        for placement in view.placements:
            page = placement.page
            x0, y0, x1, y1 = view.to_view(page, (30, 40, 130, 240))
            assert (x1 - x0, y1 - y0) == pytest.approx((100 * placement.scale, 200 * placement.scale))
            assert view.to_page((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((page, 80, 140))
        assert view.to_page(-1e6, 0) is None
        with pytest.raises(sb.RequestError, match="page 20 is not on the screen, which shows 2, 3"):
            view.to_view(19, (0, 0, 1, 1))


@pytest.mark.parametrize("zoom", [1.5, 2.0, 2.7, 3.3, 4.1, 5.9])
def test_images_on_whole_pixels_leave_no_seam(service: sb.TileService, document: sb.Document, zoom: float) -> None:
    width, height = 700, 500
    with service.reader(document, (width, height)) as reader:
        reader.zoom(zoom, centre_pt=(211.3, 307.9))
        view = reader.wait_sharp(60)
    painted = np.ones((height, width), bool)
    [place] = view.placements
    bottom, right = place.y0_view + place.rung.height_px, place.x0_view + place.rung.width_px
    painted[max(0, place.y0_view) : bottom, max(0, place.x0_view) : right] = False
    assert not painted.all()
    for image in view.images:
        if not image.is_coarse:
            x0, y0, x1, y1 = image.box_view
            painted[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True
    assert view.is_sharp
    assert painted.all()
