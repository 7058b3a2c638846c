"""What a worker lets go of while it has no job, and that nothing of a document is lost by it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.engine.mupdf import mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf import forgetting
from sidebooks_core.engine.pdf.forgetting import forget_read_objects
from sidebooks_core.fonts.discovery import discover
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.worker import desk, main, memory
from sidebooks_core.worker.freeing import GROWTH_BYTES
from sidebooks_core.worker.sheets import MANY_PAGES
from sidebooks_core.workers.jobs import Draw, Identify, Open, ReadLinks, ReadWords

MIB = 1 << 20
PAGES = 12
NOTES_OF_A_PAGE = 7_000
needs_account = pytest.mark.skipif(memory.used_bytes() == 0, reason="needs glibc's account of the heap")


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PDF of few pages with so many objects that reading them takes much memory. Each page leads to the next by a name."""
    path = tmp_path_factory.mktemp("forgetting") / "notes.pdf"
    with pymupdf.open() as made:
        for number in range(PAGES):
            page = made.new_page(width=300, height=300)
            page.insert_text((20, 50), f"page {number}")
        names = " ".join(f"/n{number} [{page.xref} 0 R /Fit]" for number, page in enumerate(made))
        made.xref_set_key(made.pdf_catalog(), "Dests", f"<< {names} >>")
        for number, page in enumerate(made):
            target = (number + 1) % PAGES
            links = [f"<< /Type /Annot /Subtype /Link /Rect [20 20 90 90] /Dest /n{target} >>"]
            links += [f"<< /Type /Annot /Subtype /Popup /Rect [0 0 {n} 1] >>" for n in range(NOTES_OF_A_PAGE)]
            numbers = []
            for link in links:
                numbers.append(made.get_new_xref())
                made.update_object(numbers[-1], link)
            made.xref_set_key(page.xref, "Annots", "[" + " ".join(f"{one} 0 R" for one in numbers) + "]")
        made.save(path, use_objstms=1)
    return path


@pytest.fixture
def held() -> Iterator[desk.Desk]:
    gc.collect()  # else what other tests have left may go meanwhile
    found = desk.Desk(discover([]), 4 * MIB, opens_paths=True)
    yield found
    found.forget_everything()


def ref(path: Path) -> DocumentRef:
    state = path.stat()
    file_state = (state.st_ino, state.st_size, state.st_mtime_ns)
    return DocumentRef(token=path.name, name=path.name, path=str(path).encode(), file_state=file_state)


def drawing(path: Path, page: int, long_px: int) -> Draw:
    spec = RasterSpec.whole_page(long_px / 300, long_px, long_px)
    return Draw(document=ref(path), timeout_s=60.0, page=page, spec=spec, image_format="png", quality=85)


def shown(held: desk.Desk, path: Path, page: int) -> tuple[object, ...]:
    """All that a worker tells of a page."""
    asked = {"document": ref(path), "timeout_s": 60.0, "page": page}
    identified = held.do(Identify(**asked, stop=page + 1, budget_s=1.0), None)
    record = held.do(drawing(path, page, 600), None).record
    return record, identified, held.do(ReadLinks(**asked), None), held.do(ReadWords(**asked), None)


def read_many(held: desk.Desk, path: Path) -> None:
    """So many pages that it pays to let go of objects. They are one page here, whose list is there."""
    for _ in range(MANY_PAGES):
        held.do(drawing(path, 0, 16), None)


def read_all(held: desk.Desk, path: Path) -> None:
    """Have the engine keep all objects of a document."""
    for page in range(PAGES):
        held.do(ReadLinks(document=ref(path), timeout_s=60.0, page=page), None)


def test_a_page_shows_the_same_after_its_objects_were_let_go(held: desk.Desk, notes: Path) -> None:
    info = held.do(Open(document=ref(notes), timeout_s=60.0), None)
    before = [shown(held, notes, page) for page in range(3)]
    assert [link.page for link in before[1][2]] == [2]  # type: ignore[attr-defined]
    read_many(held, notes)
    held.freeing.free_idle()
    assert [shown(held, notes, page) for page in range(3)] == before
    held.forget_everything()
    assert held.do(Open(document=ref(notes), timeout_s=60.0), None) == info
    read_many(held, notes)
    held.freeing.rest()
    assert [shown(held, notes, page) for page in range(3)] == before


@needs_account
def test_a_worker_without_a_job_lets_go_of_the_objects_it_has_read(
    held: desk.Desk, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    while held.has_chores:
        held.do_chore()
    least_bytes = memory.used_bytes()
    read_many(held, notes)
    read_all(held, notes)
    full_bytes = memory.used_bytes()
    assert full_bytes > least_bytes + GROWTH_BYTES, "the document is large enough for this test"
    grown_bytes = memory.resident_bytes() + 2 * GROWTH_BYTES  # the heap may have grown into room that other tests have left
    monkeypatch.setattr(memory, "resident_bytes", lambda: grown_bytes)
    assert held.has_chores
    while held.has_chores:
        held.do_chore()
    assert memory.used_bytes() < least_bytes + (full_bytes - least_bytes) / 4
    assert not held.freeing.is_due


@needs_account
def test_objects_stay_where_few_pages_were_read(held: desk.Desk, notes: Path) -> None:
    """The next page would wait for them."""
    read_all(held, notes)
    full_bytes = memory.used_bytes()
    held.freeing.free_idle()
    assert memory.used_bytes() > full_bytes - GROWTH_BYTES // 2


def test_what_was_changed_in_a_document_stays(notes: Path) -> None:
    with pymupdf.open(notes) as document:
        pdf = raw_pdf(document)
        page_object = mupdf.ll_pdf_lookup_page_obj(pdf, 1)
        mupdf.ll_pdf_dict_puts_drop(page_object, "Rotate", mupdf.ll_pdf_new_int(90))
        added = document.get_new_xref()
        document.update_object(added, "<< /Added 7 >>")
        forget_read_objects(document)
        assert mupdf.ll_pdf_to_int(mupdf.ll_pdf_dict_gets(mupdf.ll_pdf_lookup_page_obj(pdf, 1), "Rotate")) == 90
        assert document.xref_get_key(added, "Added") == ("int", "7")
        assert document[0].rotation == 0
        assert document[1].rotation == 90


def test_a_changed_document_of_very_many_objects_is_left_alone(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "MOST_SEARCHED", 10)
    with pymupdf.open(notes) as document:
        pdf = raw_pdf(document)
        mupdf.ll_pdf_dict_puts_drop(mupdf.ll_pdf_lookup_page_obj(pdf, 1), "Rotate", mupdf.ll_pdf_new_int(90))
        forget_read_objects(document)
        assert document[1].rotation == 90


def test_a_document_that_was_rebuilt_keeps_its_objects(notes: Path) -> None:
    damaged = notes.read_bytes().replace(b"startxref", b"startxxxx")
    with pymupdf.open(stream=damaged, filetype="pdf") as document:
        assert document.is_repaired
        pdf = raw_pdf(document)
        mupdf.ll_pdf_dict_puts_drop(mupdf.ll_pdf_lookup_page_obj(pdf, 1), "Rotate", mupdf.ll_pdf_new_int(90))
        forget_read_objects(document)
        assert document[1].rotation == 90


@needs_account
def test_who_rests_has_no_more_to_let_go_of(held: desk.Desk, notes: Path) -> None:
    assert not held.freeing.can_rest
    held.do(drawing(notes, 0, 600), None)
    assert held.freeing.can_rest
    held.freeing.rest()
    assert not held.freeing.can_rest
    held.do(ReadLinks(document=ref(notes), timeout_s=60.0, page=1), None)
    assert held.freeing.can_rest


@pytest.mark.skipif(sys.platform == "win32", reason="a worker cannot look into a pipe there")
def test_a_worker_that_waits_long_rests_once_and_is_ready_for_colours(
    held: desk.Desk, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "CHORES_AFTER_S", 0.0)
    monkeypatch.setattr(main, "REST_AFTER_S", 0.0)
    held.do(drawing(notes, 0, 600), None)
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as requests, os.fdopen(theirs, "wb", buffering=0) as host:
        host.write(b"a request")
        main.use_pause(held, requests)
        assert held.freeing.can_rest, "a request waits"
        requests.read(9)
        main.use_pause(held, requests)
    assert not held.freeing.can_rest
    assert not held.has_chores
