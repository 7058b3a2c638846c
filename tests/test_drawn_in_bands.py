"""A visible page that two workers draw in bands: the pixels of the page drawn by one, and one clear answer whatever they do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from processes import Watched, processes
from quiet import wait_identified, wait_idle

import sidebooks_core as sb
from benchmarks.corpus import documents, some_pages
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.source import Source
from sidebooks_core.encoding.bands import MOST_BANDS
from sidebooks_core.engine.drawing import draw, draw_rows, fit_lines
from sidebooks_core.engine.grey import is_grey
from sidebooks_core.engine.opening import open_document
from sidebooks_core.engine.seams import WHOLE, bands_of
from sidebooks_core.images import helping
from sidebooks_core.images.landing import Landing
from sidebooks_core.images.work import Flight
from sidebooks_core.workers.jobs import AnyJob, DrawBands, EncodeBands, Hold
from sidebooks_core.workers.process import Process

FIT_PX = (2000, 2000)
DOCUMENTS_OF_A_KIND = 4


class Pair:
    """A service with two workers, which both hold a document."""

    def __init__(self, service: sb.TileService, watched: Watched) -> None:
        self.service = service
        self.watched = watched

    def open(self, path: Path) -> sb.Document:
        """Also has page 0 drawn in many sizes, until two workers have drawn one of them."""
        document = self.service.open(path)
        for size_px in range(1900, 2300):
            self.service.page_image(document, 0, fit_px=(size_px, size_px))
            wait_identified(self.service, document)
            if self.asked(DrawBands):
                break
        else:
            pytest.fail("nobody ever helped")
        self.openers = {process for process, asked in self.watched.asked.items() if len(asked) > 0}
        self.watched.asked.clear()
        return document

    def asked(self, kind: type) -> list[AnyJob]:
        return [one.job for asked in list(self.watched.asked.values()) for one in asked if isinstance(one.job, kind)]


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    monkeypatch.setattr(helping, "PAYS_FROM_S", 1e-6)  # the sample's pages cost too little, on any machine
    settings = sb.Settings(cache_dir=None, workers=2, image_format="png")
    watched = Watched()
    with sb.TileService(settings, pool=processes(watched, settings)) as service:
        yield Pair(service, watched)


def drawn_alone(path: Path, page: int) -> np.ndarray:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1, image_format="png")) as service:
        return service.page_image(service.open(path), page, fit_px=FIT_PX).pixels()


@pytest.fixture
def before(pair: Pair) -> Callable[[Callable[[Process, AnyJob], None]], None]:
    def set_before(do: Callable[[Process, AnyJob], None]) -> None:
        pair.watched.before = do

    return set_before


def test_page_drawn_by_two_has_the_pixels_of_one(pair: Pair, sample: Path) -> None:
    document = pair.open(sample)
    found = pair.service.page_image(document, 7, fit_px=FIT_PX)
    parts = pair.asked(DrawBands)
    assert sorted(part.is_helper for part in parts) == [False, True]
    assert {part.page for part in parts} == {7}
    assert len(pair.asked(EncodeBands)) >= 1
    assert np.array_equal(found.pixels(), drawn_alone(sample, 7))
    assert pair.service.statistics().worker_deaths == 0


def test_tiles_drawn_by_two_have_the_pixels_of_one(pair: Pair, sample: Path) -> None:
    """A zoomed window, whose tiles need no plan."""
    document = pair.open(sample)
    level = document.pyramid(7).levels[-1]
    assert level.rows > 2
    found = [pair.service.tile(document, 7, level.index, 0, row).pixels() for row in range(level.rows)]
    assert sorted(part.is_helper for part in pair.asked(DrawBands)) == [False, True]
    assert pair.asked(EncodeBands) == []
    with sb.TileService(sb.Settings(cache_dir=None, workers=1, image_format="png")) as alone:
        document = alone.open(sample)
        expected = [alone.tile(document, 7, level.index, 0, row).pixels() for row in range(level.rows)]
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_only_what_somebody_looks_at_is_drawn_by_two(pair: Pair, sample: Path) -> None:
    document = pair.open(sample)
    pair.service.submit_page_image(document, 3, fit_px=FIT_PX, priority=sb.Priority.NEXT).result()
    pair.service.page_image(document, 4, fit_px=(200, 200))  # too small to pay
    assert pair.asked(DrawBands) == []


def test_all_workers_hold_the_document_that_somebody_looks_at(pair: Pair, sample: Path) -> None:
    document = pair.open(sample)
    assert len(pair.openers) >= 2
    pair.service.page_image(document, 2, fit_px=FIT_PX)
    wait_identified(pair.service, document)
    assert pair.asked(Hold) == []


def test_page_is_drawn_although_the_helper_dies(pair: Pair, sample: Path, before: Callable) -> None:
    document = pair.open(sample)
    killed = threading.Event()

    def kill_helper(process: Process, job: AnyJob) -> None:
        if isinstance(job, DrawBands) and job.is_helper:
            process.kill()
            process.wait()
            killed.set()

    before(kill_helper)
    found = pair.service.page_image(document, 7, fit_px=FIT_PX)
    assert killed.is_set()
    assert np.array_equal(found.pixels(), drawn_alone(sample, 7))


@pytest.mark.parametrize("kind", [DrawBands, EncodeBands])
def test_page_is_drawn_although_the_lead_dies(pair: Pair, sample: Path, before: Callable, kind: type) -> None:
    """Before it has the job, another worker gets it. Later its death costs the page, as it does for a page drawn alone."""
    document = pair.open(sample)
    killed = threading.Event()

    def kill_lead(process: Process, job: AnyJob) -> None:
        is_leads = not isinstance(job, DrawBands) or not job.is_helper
        if isinstance(job, kind) and is_leads and not killed.is_set():
            killed.set()
            process.kill()
            process.wait()

    before(kill_lead)
    try:
        found = pair.service.page_image(document, 7, fit_px=FIT_PX)
    except sb.RenderFailed:
        assert kind is EncodeBands
        found = pair.service.page_image(document, 7, fit_px=FIT_PX)
    assert killed.is_set()
    assert np.array_equal(found.pixels(), drawn_alone(sample, 7))


def test_document_that_is_gone_is_not_opened_ahead_again_and_again(
    tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file cannot be handed over to the worker that lacks it."""
    path = tmp_path / "paper.pdf"
    path.write_bytes(sample.read_bytes())
    tried: list[str] = []
    landed = Landing.landed

    def noted(self: Landing, flight: Flight, *given: object, **more: bool) -> list[Flight]:
        tried.extend(["hold"] if isinstance(flight.work.job, Hold) else [])
        return landed(self, flight, *given, **more)

    monkeypatch.setattr(Landing, "landed", noted)
    with sb.TileService(sb.Settings(cache_dir=None, workers=2)) as service:
        document = service.open(path)
        wait_idle(service)
        path.rename(tmp_path / "elsewhere.pdf")
        service.page_image(document, 2, fit_px=(300, 300))  # by the worker that holds it
        wait_idle(service)
        wait_idle(service)
    assert len(tried) <= 1


def test_page_with_a_problem_tells_of_it(pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "broken.pdf"
    with pymupdf.open() as written:
        for number in range(3):
            page = written.new_page()
            for row in range(60):
                page.insert_text((40, 40 + 12 * row), f"Page {number}, line {row}, of which some are missing")
        written.update_stream(written[1].get_contents()[0], b"BT /F9 12 Tf (lost) Tj ET q 1 0 0 1 0 0 cm /Nothing Do Q 5 5 m (")
        written.save(path)
    document = pair.open(path)
    alone = sb.TileService(sb.Settings(cache_dir=None, workers=1))
    with alone:
        expected = alone.page_image(alone.open(path), 1, fit_px=FIT_PX).problems
    assert pair.service.page_image(document, 1, fit_px=FIT_PX).problems == expected
    assert expected


def test_bands_put_together_are_the_page_drawn_whole(corpus: Path) -> None:
    """Pixel for pixel, whether the engine clips at the seams or not."""
    counted = {"clipped": 0, "halves": 0, "whole": 0}
    by_kind: dict[str, int] = {}
    for one in documents(corpus):
        by_kind[one.kind] = by_kind.get(one.kind, 0) + 1
        if one.path.suffix != ".pdf" or by_kind[one.kind] > DOCUMENTS_OF_A_KIND:
            continue
        source = Source(one.path.read_bytes())
        opened = open_document(source, password=one.password, name=one.path.name, limits=Limits(), chapters=())
        for page in some_pages(opened.page_count, 2):
            listed = opened.display_list(page)
            scale = 1400 / max(listed.rect.width, listed.rect.height)
            width_px, height_px = max(1, round(listed.rect.width * scale)), max(1, round(listed.rect.height * scale))
            grey = is_grey(listed)
            fit_lines(listed, scale)
            found = bands_of(listed, scale, (0, height_px), MOST_BANDS)
            counted["whole" if found == WHOLE else "clipped" if found.are_clipped else "halves"] += 1
            box = (0, 0, width_px, height_px)
            whole = draw(listed, scale, box, grey=grey)
            bands = []
            for top, bottom in zip(found.tops_px, (*found.tops_px[1:], height_px), strict=True):
                if found.are_clipped:
                    bands.append(draw(listed, scale, (0, top, width_px, bottom), grey=grey))
                else:
                    bands.append(draw_rows(listed, scale, box, (top, bottom), grey=grey))
            assert np.array_equal(np.concatenate(bands), whole), (one.path.name, page, found)
        opened.close()
    assert min(counted.values()) >= 3, counted
