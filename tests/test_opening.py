"""What opening a document in a worker reads of it, and what it leaves."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image
from processes import Watched, processes
from quiet import wait_identified, wait_idle

import sidebooks_core as sb
from benchmarks.corpus import documents
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.documents.source import Source
from sidebooks_core.engine import opening, store
from sidebooks_core.engine.mupdf import mupdf, pymupdf
from sidebooks_core.fonts.discovery import discover
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.worker import desk
from sidebooks_core.worker import main as worker
from sidebooks_core.workers.jobs import KEPT_DOCUMENTS, MAX_DOCUMENTS, Draw, Hold, Open
from sidebooks_core.workers.process import WorkerProcess


def drawing(ref: DocumentRef, page: int, scale: float) -> Draw:
    """A corner of a page, 90 pixels wide."""
    spec = RasterSpec(scale=scale, x0_px=0, y0_px=0, x1_px=90, y1_px=90, tile_px=90)
    return Draw(document=ref, timeout_s=60.0, page=page, spec=spec, image_format="png", quality=85)


def counted(monkeypatch: pytest.MonkeyPatch, function: str) -> list[object]:
    """Grows by one with each call of a function of the engine from now on."""
    calls: list[object] = []
    its_own = getattr(mupdf, function)
    monkeypatch.setattr(mupdf, function, lambda *given: calls.append(given) or its_own(*given))
    return calls


def new_desk() -> desk.Desk:
    """A worker's desk in this process, with the fonts that all such desks of the tests have: one set holds for a process."""
    return desk.Desk(discover([]), 1 << 20, opens_paths=False)


def test_what_is_only_drawn_is_not_described(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes, titles = counted(monkeypatch, "ll_pdf_page_obj_transform"), counted(monkeypatch, "ll_pdf_to_str_buf")
    document = opening.open_document(Source(sample.read_bytes()), password=None, name="sample", limits=Limits())
    try:
        document.display_list(document.page_count - 1)
        assert (boxes, titles) == ([], []), "a second worker that draws this document has nothing to do with its other pages"
        assert document.info.page_count == document.page_count == len(boxes)
        assert 0 < len(document.info.outline) <= len(titles)
        seen = len(boxes), len(titles)
        assert document.info.pages
        assert (len(boxes), len(titles)) == seen, "once"
    finally:
        document.close()


def test_a_worker_tells_what_opening_took(sample: Path) -> None:
    """Once. So the host knows how long another worker would take to open the document."""
    taken = new_desk()
    ref = DocumentRef(token="t", name="sample", path=None, file_state=None)
    data = sample.read_bytes()
    assert taken.take_opened_s() == 0
    taken.do(drawing(ref, 0, 1.0), data)
    assert taken.take_opened_s() > 0
    taken.do(drawing(ref, 1, 1.0), None)
    assert taken.take_opened_s() == 0, "it holds the document"
    taken.do(Hold(document=ref, timeout_s=60.0), None)
    assert taken.take_opened_s() > 0, "what a late page would have to wait for counts, too"


def test_the_host_hears_what_opening_took(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    monkeypatch.setattr(Dispatcher, "opened", lambda self, flight, took_s: told.append(took_s))
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=processes(Watched())) as service:
        document = service.open(sample)
        wait_idle(service)
        assert len(told) == 1
        assert 0 < told[0] < 60
        service.page_image(document, 1, width_px=100)
        assert len(told) == 1


@pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="no descriptors are handed over on this platform")
def test_a_file_comes_with_the_first_job_that_needs_it(sample: Path) -> None:
    watched = Watched()
    with sb.TileService(sb.Settings(cache_dir=None), pool=processes(watched)) as service:
        service.open(sample)
    asked = [one for process in watched.asked.values() for one in process]
    assert [(type(one.job), one.has_file) for one in asked] == [(Open, True)], "asked once, with the file"


@pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="no descriptors are handed over on this platform")
def test_a_file_comes_once_to_each_worker(sample: Path) -> None:
    watched = Watched()
    with sb.TileService(sb.Settings(cache_dir=None), pool=processes(watched)) as service:
        document = service.open(sample)
        for page in range(6):
            service.page_image(document, page, width_px=90)
        wait_identified(service, document)
    for asked in watched.asked.values():
        assert [one.has_file for one in asked] == [True] + [False] * (len(asked) - 1)


def test_a_document_too_many_is_closed_when_nobody_waits() -> None:
    picture = io.BytesIO()
    Image.new("RGB", (6, 8), "red").save(picture, "PNG")
    held = new_desk()

    def answered(number: int, given: bytes | None) -> bool:
        ref = DocumentRef(token=str(number), name="picture.png", path=None, file_state=None)
        try:
            held.do(Open(document=ref, timeout_s=60.0), given)
        except desk.DocumentNeeded:
            return False
        return True

    while held.has_chores:
        held.do_chore()
    for number in range(MAX_DOCUMENTS + 1):
        assert not held.has_chores
        assert answered(number, picture.getvalue())
    assert held.has_chores
    assert answered(0, None), "nothing is closed while a request waits"
    while held.has_chores:
        held.do_chore()
    assert not answered(1, None), "the one that was not used for longest"
    assert answered(0, None)
    assert sum(answered(number, None) for number in range(MAX_DOCUMENTS + 1)) == KEPT_DOCUMENTS
    for number in range(100, 110):
        assert answered(number, picture.getvalue())
    opened = [*range(MAX_DOCUMENTS + 1), *range(100, 110)]
    assert sum(answered(number, None) for number in opened) == MAX_DOCUMENTS + 1, "a bound also where no moment comes"
    held.forget_everything()
    while held.has_chores:
        held.do_chore()


def test_the_host_takes_no_more_documents_for_open_than_a_worker_keeps() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    worker = WorkerProcess(process, None)
    held = worker.held_documents
    for number in range(MAX_DOCUMENTS):
        worker.note_held(str(number))
    worker.note_held("0")
    assert len(held) == MAX_DOCUMENTS
    worker.note_held("new")
    assert len(held) == KEPT_DOCUMENTS
    assert {"0", "new"} < held
    assert "1" not in held, "the one that was not used for longest"
    worker.note_closed("0")
    worker.note_closed("1")
    assert "0" not in held
    worker.bury()


@pytest.mark.skipif(sys.platform == "win32", reason="no descriptors are handed over on this platform")
def test_a_descriptor_of_a_document_that_is_open_already_is_closed() -> None:
    picture = io.BytesIO()
    Image.new("RGB", (6, 8), "red").save(picture, "PNG")
    held = new_desk()
    opening = Open(document=DocumentRef(token="1", name="picture.png", path=None, file_state=None), timeout_s=60.0)
    held.do(opening, picture.getvalue())
    given, other = os.pipe()
    held.do(opening, given)
    os.close(other)
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(given)
    held.forget_everything()


def test_the_first_page_of_what_was_just_opened_is_read_before_anybody_asks(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = counted(monkeypatch, "fz_new_display_list_from_page")
    held = new_desk()
    ref = DocumentRef(token="sample", name="sample.pdf", path=None, file_state=None)
    opening_it = Open(document=ref, timeout_s=60.0)
    assert not held.can_look_ahead
    held.do(opening_it, sample.read_bytes())
    assert held.can_look_ahead
    held.look_ahead()
    assert len(read) == 1
    assert not held.can_look_ahead, "once"
    held.do(drawing(ref, 0, 0.5), None)
    assert len(read) == 1, "and is not read again"
    held.do(opening_it, None)
    held.do(drawing(ref, 1, 0.5), None)
    assert not held.can_look_ahead, "somebody asked for another page"
    held.forget_everything()


@pytest.mark.skipif(sys.platform != "linux", reason="workers look ahead on Linux only")
def test_a_first_page_that_cannot_be_read_costs_nobody_a_worker(tmp_path: Path) -> None:
    with pymupdf.open() as document:
        for _ in range(2):
            document.new_page(width=90, height=90)
        document.xref_set_key(document[0].xref, "Contents", "(no stream)")
        document.xref_set_key(document[0].xref, "Resources", "[1 2 3]")
        broken = document.tobytes()
    with sb.TileService(sb.Settings(cache_dir=None)) as service:
        opened = service.open(broken)
        assert service.page_image(opened, 1, width_px=90).width_px == 90
        assert service.statistics().worker_deaths == 0


@pytest.mark.skipif(sys.platform != "linux", reason="workers look ahead on Linux only")
@pytest.mark.parametrize("error", [RuntimeError("no page tree"), MemoryError()])
def test_what_goes_wrong_with_a_page_that_nobody_asked_for_ends_no_worker(error: Exception) -> None:
    class Broken:
        def __init__(self) -> None:
            self.is_limited = self.is_emptied = False

        def look_ahead(self) -> None:
            self.is_limited = signal.getitimer(signal.ITIMER_REAL)[0] > 0
            raise error

        def forget_everything(self) -> None:
            self.is_emptied = True

    broken = Broken()
    worker.look_ahead(broken)
    assert broken.is_limited
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert broken.is_emptied is isinstance(error, MemoryError)


@pytest.mark.skipif(sys.platform != "linux", reason="workers look ahead on Linux only")
def test_a_first_page_that_hangs_when_it_is_read_ahead_fails_no_other(corpus: Path) -> None:
    [path] = [one.path for one in documents(corpus, without=()) if one.path.name == "test_2548.pdf"]
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document = service.open(path)
        time.sleep(worker.LOOK_AHEAD_S / 2)  # it reads ahead by then, unless it was asked at once
        assert document.content_id(document.page_count - 1)
        assert service.statistics().worker_deaths == 1


def test_the_first_colour_for_printing_waits_for_no_conversion_where_a_worker_had_a_moment() -> None:
    held = new_desk()
    store.shrink_store()
    assert links() == 0
    while held.has_chores:
        held.do_chore()
    made = links()
    with pymupdf.open() as document:
        page = document.new_page(width=90, height=90)
        page.draw_rect(pymupdf.Rect(9, 9, 50, 50), fill=(0.1, 0.9, 0.3, 0.2), color=(0, 0, 0, 0.5))
        printed = document.tobytes()
    ref = DocumentRef(token="printed", name="printed.pdf", path=None, file_state=None)
    assert held.do(drawing(ref, 0, 1.0), printed).record
    assert links() == made > 0
    held.forget_everything()
    assert links() == 0
    assert held.has_chores, "they went with the store"


def links() -> int:
    """Conversions between colours that the engine has at hand."""
    buffer = pymupdf.mupdf.FzBuffer(4096)
    output = pymupdf.mupdf.FzOutput(buffer)
    pymupdf.mupdf.fz_debug_store(output)
    output.fz_close_output()
    text: bytes = pymupdf.JM_BinFromBuffer(buffer)
    return sum(b"key=(link " in line for line in text.splitlines() if b"hash[" in line)


def test_a_comic_whose_description_is_damaged_still_opens() -> None:
    page, comic = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (60, 80), "red").save(page, "PNG")
    with zipfile.ZipFile(comic, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ComicInfo.xml", "<ComicInfo><Manga>YesAndRightToLeft</Manga></ComicInfo>")
        archive.writestr("1.png", page.getvalue())
    data = bytearray(comic.getvalue())

    def direction() -> str:
        document = opening.open_document(Source(bytes(data)), password=None, name="comic", limits=Limits())
        try:
            assert document.page_count == 1
            return document.info.direction
        finally:
            document.close()

    assert direction() == "rtl"
    start = data.index(b"ComicInfo.xml") + len("ComicInfo.xml")
    data[start] = 0x07  # a block of deflate's reserved type
    with pytest.raises(zlib.error), zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.read("ComicInfo.xml")
    assert direction() == "ltr", "it does not say how it is read, and its page is there"
