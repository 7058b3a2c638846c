"""How much a worker keeps between two pages, and that it gives the rest back."""

from __future__ import annotations

import gc
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.engine import store
from sidebooks_core.engine.mupdf import pymupdf
from sidebooks_core.fonts.discovery import discover
from sidebooks_core.tiling import pyramid
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.worker import desk, memory
from sidebooks_core.worker.freeing import BEYOND_PREVIEWS_PX, GROWTH_BYTES
from sidebooks_core.worker.sheets import Keeping, Place, Sheet
from sidebooks_core.workers.jobs import Draw, ReadLinks, ReadText

MIB = 1 << 20
IMAGE_PX = 2048
IMAGE_BYTES = 3 * IMAGE_PX * IMAGE_PX
"""Of one unpacked image. The engine counts it twice: for the packed image, it counts what that will be unpacked."""
PAGES = 8


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A PDF with an image in colour of its own on each page."""
    with pymupdf.open() as made:
        for number in range(PAGES):
            file = io.BytesIO()
            Image.new("RGB", (IMAGE_PX, IMAGE_PX), (number * 20, 90, 200)).save(file, "PNG", compress_level=1)
            page = made.new_page(width=400, height=400)
            page.insert_image(page.rect, stream=file.getvalue())
        made.save(tmp_path / "images.pdf")
    return tmp_path / "images.pdf"


@pytest.fixture
def drawer() -> Iterator[Drawer]:
    gc.collect()  # else what other tests have left may go meanwhile
    found = Drawer(desk.Desk(discover([]), 4 * MIB, opens_paths=True))
    yield found
    found.desk.forget_everything()


class Drawer:
    """Has a desk draw pages of one document."""

    def __init__(self, at: desk.Desk) -> None:
        self.desk = at

    def draw(self, path: Path, page: int, long_px: int) -> None:
        """A page of 400 points, as one image."""
        spec = RasterSpec.whole_page(long_px / 400, long_px, long_px)
        job = Draw(document=_ref(path), timeout_s=60.0, page=page, spec=spec, image_format="auto", quality=85)
        self.desk.do(job, None)

    def read(self, kind: type[ReadText | ReadLinks], path: Path, page: int) -> None:
        """The text of a page, or its links."""
        self.desk.do(kind(document=_ref(path), timeout_s=60.0, page=page), None)


def _ref(path: Path) -> DocumentRef:
    state = path.stat()
    return DocumentRef(
        token=path.name,
        name=path.name,
        path=str(path).encode(),
        file_state=(state.st_ino, state.st_size, state.st_mtime_ns),
    )


def stored() -> dict[str, int]:
    """Bytes of unpacked images, of conversions between colours, and of all else in the engine's store."""
    found = {"image": 0, "link": 0, "other": 0}
    for size, key in re.findall(rb"store\[\*\]\[refs=\d+\]\[size=(\d+)\] key=\((\S*)", store.listing()):
        found[key.decode() if key in (b"image", b"link") else "other"] += int(size)
    return found


def test_unpacked_images_of_pages_before_go(images: Path, drawer: Drawer) -> None:
    most_bytes = 0
    for page in range(PAGES):
        drawer.draw(images, page, IMAGE_PX)
        now_bytes = stored()["image"]
        assert now_bytes >= IMAGE_BYTES, "the image of this page is there"
        most_bytes = max(most_bytes, now_bytes)
    assert most_bytes < PAGES * IMAGE_BYTES - GROWTH_BYTES


def test_a_spread_that_is_zoomed_keeps_its_images(images: Path, drawer: Drawer) -> None:
    for page in range(PAGES):
        drawer.draw(images, page, IMAGE_PX)
    for page in (0, 1, 0):
        drawer.draw(images, page, IMAGE_PX)
    before = stored()
    held = [bytearray(b"x") * (2 * GROWTH_BYTES)]
    for page in (0, 1, 0, 1):
        drawer.draw(images, page, IMAGE_PX)
        held.append(bytearray(b"x") * (2 * GROWTH_BYTES))
    assert stored() == before
    assert before["image"] >= 2 * IMAGE_BYTES


def test_previews_of_other_pages_leave_what_somebody_looks_at(images: Path, drawer: Drawer) -> None:
    for page in (0, 1):
        drawer.draw(images, page, IMAGE_PX)
    held = [bytearray(b"x") * (2 * GROWTH_BYTES)]
    for page in (2, 3):
        drawer.draw(images, page, pyramid.PREVIEW_LONG_PX)
    assert stored()["image"] >= 2 * IMAGE_BYTES
    drawer.draw(images, 1, IMAGE_PX)
    held.append(bytearray(b"x") * (2 * GROWTH_BYTES))
    drawer.draw(images, 0, IMAGE_PX)
    assert stored()["image"] >= 2 * IMAGE_BYTES, "no other page has come before somebody"


def test_previews_let_go_of_what_they_have_grown_by(images: Path, drawer: Drawer) -> None:
    drawer.draw(images, 0, IMAGE_PX)
    held = []
    for _ in range(2):
        drawer.draw(images, 2, pyramid.PREVIEW_LONG_PX)
        assert stored()["image"] >= IMAGE_BYTES
        held.append(bytearray(b"x") * (2 * GROWTH_BYTES))
        drawer.draw(images, 0, IMAGE_PX)  # does not begin another account
        drawer.draw(images, 3, pyramid.PREVIEW_LONG_PX)
        assert stored()["image"] < IMAGE_BYTES
        drawer.draw(images, 0, IMAGE_PX)


@pytest.mark.parametrize(("width_pt", "height_pt"), [(595, 842), (842, 595), (1, 1), (2000, 300), (20_000, 20_000), (819, 819)])
def test_a_preview_is_told_from_larger_rasters(width_pt: float, height_pt: float) -> None:
    levels = pyramid.Pyramid.of_page(width_pt, height_pt).levels
    preview, larger = (max(level.width_px, level.height_px) for level in levels[:2])
    assert preview < BEYOND_PREVIEWS_PX <= larger


@pytest.mark.parametrize("kind", [ReadText, ReadLinks])
def test_who_only_reads_lets_go_too(kind: type[ReadText | ReadLinks], images: Path, drawer: Drawer) -> None:
    drawer.draw(images, 0, IMAGE_PX)
    drawer.read(kind, images, 0)
    held = [bytearray(b"x") * (2 * GROWTH_BYTES)]
    drawer.read(kind, images, 0)
    drawer.read(kind, images, 1)
    assert stored()["image"] >= IMAGE_BYTES, "the page that is looked at has its image"
    held.append(bytearray(b"x") * (2 * GROWTH_BYTES))
    drawer.read(kind, images, 2)
    assert stored()["image"] < IMAGE_BYTES
    assert held


def test_conversions_between_colours_stay(images: Path, drawer: Drawer) -> None:
    """To make one again takes 25 to 40 ms."""
    while drawer.desk.has_chores:
        drawer.desk.do_chore()
    links = stored()["link"]
    for page in range(3):
        drawer.draw(images, page, IMAGE_PX)
    store.forget_old()
    after = stored()
    assert after["link"] == links > 0
    assert after["image"] <= IMAGE_BYTES + 1000, "one at most, which was used last"
    assert not store.lacks_colour_links()


def test_all_goes_where_little_is_counted(drawer: Drawer, images: Path) -> None:
    """Fonts are large, and count little."""
    drawer.draw(images, 0, 64)
    drawer.desk.forget_everything()
    while drawer.desk.has_chores:
        drawer.desk.do_chore()
    store.forget_old()
    assert stored() == {"image": 0, "link": 0, "other": 0}
    assert drawer.desk.has_chores, "what took long to make is made again when nobody waits"


def made(keeping: Keeping, kinds: str) -> list[tuple[Place, Sheet]]:
    """One sheet for each letter, of 10 bytes: "c" for one that is cheap to make, "d" for one that takes ten times as long."""
    found: list[tuple[Place, Sheet]] = []
    for number, kind in enumerate(kinds):
        found.append((("document", number), Sheet(None, 10, {}, 0.001 if kind == "c" else 0.01)))
        keeping.use(found[-1][1])
    return found


@pytest.mark.parametrize(
    ("kinds", "kept", "gone"),
    [
        ("ccccc", [], []),
        ("ccccccc", [], [0, 1]),
        ("ccccccc", [0], [1, 2]),
        ("ddccccd", [], [2, 3]),
        ("dddddcc", [5, 6], [0, 1]),
    ],
)
def test_lists_that_are_worth_least_go(kinds: str, kept: list[int], gone: list[int]) -> None:
    keeping = Keeping(50)
    found = keeping.surplus(made(keeping, kinds), [("document", number) for number in kept])
    assert [number for _, number in found] == gone


def test_a_list_that_is_used_again_stays_longer() -> None:
    keeping = Keeping(50)
    sheets = made(keeping, "cccccc")
    assert keeping.surplus(sheets, []) == [("document", 0)], "the clock goes on"
    keeping.use(sheets[1][1])
    more = [(("document", 6), Sheet(None, 10, {}, 0.001))]
    keeping.use(more[0][1])
    assert keeping.surplus(sheets[1:] + more, []) == [("document", 2)]


def test_the_clock_does_not_run_back() -> None:
    """A sheet that was kept for a while goes late, and is worth less than those that went before."""
    keeping = Keeping(20)
    sheets = made(keeping, "cdd")
    assert keeping.surplus(sheets, [("document", 0)]) == [("document", 1)]
    used = Sheet(None, 10, {}, 0.001)
    keeping.use(used)
    sheets = [sheets[0], sheets[2], (("document", 3), used)]
    assert keeping.surplus(sheets, []) == [("document", 0)]
    later = Sheet(None, 10, {}, 0.001)
    keeping.use(later)
    assert later.worth == used.worth


def test_a_dear_list_does_not_stay_for_ever() -> None:
    keeping = Keeping(50)
    sheets = made(keeping, "dcccc")
    for number in range(5, 100):
        one = Sheet(None, 10, {}, 0.001)
        keeping.use(one)
        sheets.append((("document", number), one))
        gone = keeping.surplus(sheets, [])
        sheets = [(place, sheet) for place, sheet in sheets if place not in gone]
    assert ("document", 0) not in [place for place, _ in sheets]


@pytest.mark.skipif(memory.used_bytes() == 0, reason="needs glibc's account of the heap")
def test_growth_is_what_is_in_use() -> None:
    growth = memory.Growth(32 * MIB)
    assert not growth.look()
    held = bytearray(b"x") * (48 * MIB)
    assert growth.look()
    growth.settle()
    assert not growth.look(), "counted from here"
    del held
    assert not growth.look()


@pytest.mark.skipif(sys.platform != "linux", reason="the platform does not tell resident memory cheaply")
def test_resident_memory_counts_where_the_heap_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """With musl, and with glibc before 2.33."""
    gc.collect()  # else what other tests have left may go meanwhile
    monkeypatch.setattr(memory, "_heap", None)
    growth = memory.Growth(32 * MIB)
    assert memory.used_bytes() == 0
    assert not growth.look()
    held = bytearray(b"x") * (128 * MIB)
    assert growth.look()
    growth.settle()
    assert not growth.look(), "counted from here"
    assert held


@pytest.mark.skipif(memory.used_bytes() == 0, reason="needs glibc's account of the heap")
def test_free_memory_that_has_grown_is_given_back() -> None:
    memory.give_back()
    growth = memory.Growth(32 * MIB)
    blocks = [bytearray(b"x") * 65_536 for _ in range(1024)]
    full_bytes = memory.resident_bytes()
    del blocks[:-1]
    assert not growth.look(), "it is free"
    assert memory.resident_bytes() <= full_bytes - 32 * MIB
    assert len(blocks) == 1


@pytest.mark.skipif(sys.platform != "linux" or memory.used_bytes() == 0, reason="needs glibc")
def test_free_memory_inside_the_heap_is_given_back() -> None:
    blocks = [bytearray(b"x") * 65_536 for _ in range(1024)]  # below the size from which glibc maps a block of its own
    full_bytes = memory.resident_bytes()
    del blocks[:-1]  # the last one holds the heap's end
    memory.give_back()
    assert memory.resident_bytes() <= full_bytes - 32 * MIB
    assert len(blocks) == 1
