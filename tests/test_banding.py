"""What two workers' threads share while these draw one raster: nobody waits for ever, and nothing incomplete comes out."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image

from sidebooks_core.encoding.band_pixels import BandPixels
from sidebooks_core.encoding.bands import JPEG_KIND, MOST_BANDS, Plan
from sidebooks_core.encoding.cutting import record_of
from sidebooks_core.encoding.tileset import unpack_tile
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers import banding as workers_banding
from sidebooks_core.workers.answers import BandsDrawn, BandsEncoded, Drawn
from sidebooks_core.workers.banding import Banding

WAIT_S = 30.0
HEIGHT_PX, WIDTH_PX = 256, 200
TOPS_PX = (0, 64, 128, 192)
SPEC = RasterSpec.whole_page(1.0, WIDTH_PX, HEIGHT_PX)
PAGE = np.random.default_rng(2).integers(0, 3, (HEIGHT_PX, WIDTH_PX, 3), np.uint8) * 90


def banding_of(image_format: str, spec: RasterSpec = SPEC, workers: int = 2) -> Banding:
    """Of which so many workers have taken the pipe."""
    banding = Banding(spec, image_format, 85, WAIT_S)
    for _ in range(workers):
        pipe = banding.pipe()
        assert pipe is not None
        os.close(pipe)
    return banding


def never() -> bool:
    return False


class Drawer:
    """A worker that draws some bands of a page as a real one does."""

    def __init__(self, number: int, tops_px: tuple[int, ...], page: NDArray[np.uint8] = PAGE) -> None:
        self.number = number
        self.held = BandPixels({top: page[top : top + 64] for top in tops_px}, HEIGHT_PX) if tops_px else None
        self.plans: list[Plan] = []
        seen = None if self.held is None else self.held.see()
        self.answer = BandsDrawn(tops_px=TOPS_PX, drawn_px=tops_px, seen=seen, records={}, is_sound=True, draw_s=0.1)

    def takes_part(self, banding: Banding) -> None:
        plan = banding.drew(self.number, self.answer, never)
        while plan is not None:
            self.plans.append(plan)
            assert self.held is not None
            plan = banding.encoded(self.number, BandsEncoded(self.held.encoded(plan, 85), 0.1), never)
        if self.number:
            banding.leave()


@pytest.fixture
def begin() -> Callable[..., Future]:
    pool = ThreadPoolExecutor(4)
    yield lambda what, *given: pool.submit(what, *given)
    pool.shutdown(wait=False)


def pixels(drawn: Drawn | None) -> NDArray[np.uint8]:
    assert drawn is not None
    return np.array(Image.open(io.BytesIO(unpack_tile(drawn.record, 0, 0).data)).convert("RGB"))


def lead(banding: Banding, drawer: Drawer) -> Drawn | None:
    drawer.takes_part(banding)
    return banding.drawn(never)


@pytest.mark.parametrize("of_lead", [TOPS_PX, (0, 128), (192,), ()])
def test_raster_is_whole_whoever_drew_its_bands(begin: Callable[..., Future], of_lead: tuple[int, ...]) -> None:
    banding = banding_of("png")
    of_helper = tuple(top for top in TOPS_PX if top not in of_lead)
    told = begin(lead, banding, Drawer(0, of_lead))
    helper = begin(Drawer(1, of_helper).takes_part, banding)
    assert np.array_equal(pixels(told.result(WAIT_S)), PAGE)
    helper.result(WAIT_S)


def test_lead_alone_waits_for_nobody() -> None:
    assert np.array_equal(pixels(lead(banding_of("png", workers=1), Drawer(0, TOPS_PX))), PAGE)


@pytest.mark.parametrize("of_lead", [(0, 128), ()])
def test_helper_that_takes_bands_and_tells_of_none_is_not_waited_for(
    begin: Callable[..., Future], of_lead: tuple[int, ...]
) -> None:
    banding = banding_of("png")
    told = begin(lead, banding, Drawer(0, of_lead))
    Drawer(1, ()).takes_part(banding)
    assert told.result(WAIT_S) is None


def test_lead_whose_process_was_taken_away_waits_for_nobody(begin: Callable[..., Future]) -> None:
    banding, drawer = banding_of("png"), Drawer(0, (0, 128))
    assert begin(banding.drew, 0, drawer.answer, lambda: True).result(WAIT_S) is None
    assert begin(banding.drawn, lambda: True).result(WAIT_S) is None


def test_text_that_came_out_large_stays_lossless_if_a_jpeg_saves_little(
    begin: Callable[..., Future], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_banding, "is_missed_picture", lambda plan, encoded: True)
    banding, drawers = banding_of("auto"), [Drawer(0, (0, 128)), Drawer(1, (64, 192))]
    told = begin(lead, banding, drawers[0])
    begin(drawers[1].takes_part, banding).result(WAIT_S)
    assert np.array_equal(pixels(told.result(WAIT_S)), PAGE)
    assert [plan.kind == JPEG_KIND for plan in drawers[0].plans] == [False, True]


def test_page_of_one_colour_needs_no_encoding(begin: Callable[..., Future]) -> None:
    white = np.full((HEIGHT_PX, WIDTH_PX, 3), 255, np.uint8)
    banding, helper = banding_of("auto"), Drawer(1, (64, 192), white)
    told = begin(lead, banding, Drawer(0, (0, 128), white))
    begin(helper.takes_part, banding).result(WAIT_S)
    assert np.array_equal(pixels(told.result(WAIT_S)), white)
    assert helper.plans == []


@pytest.mark.parametrize("of_lead", [(0, 128), ()])
def test_lead_draws_alone_if_a_helper_fails(begin: Callable[..., Future], of_lead: tuple[int, ...]) -> None:
    banding = banding_of("png")
    told = begin(lead, banding, Drawer(0, of_lead))
    banding.fail()
    assert told.result(WAIT_S) is None
    assert banding.pipe() is None


def wrong_answers() -> dict[str, BandsDrawn]:
    right = Drawer(1, (64, 192)).answer
    return {
        "a problem": replace(right, is_sound=False, drawn_px=(), seen=None),
        "another cut": replace(right, tops_px=(0, 64, 192)),
        "a band of the lead": replace(right, drawn_px=(0, 64, 192)),
    }


@pytest.mark.parametrize("what", wrong_answers())
def test_raster_is_given_up_if_answers_do_not_fit(begin: Callable[..., Future], what: str) -> None:
    banding = banding_of("png")
    told = begin(lead, banding, Drawer(0, (0, 128)))
    assert begin(banding.drew, 1, wrong_answers()[what], never).result(WAIT_S) is None
    assert told.result(WAIT_S) is None


def test_encoded_bands_of_another_worker_are_not_taken(begin: Callable[..., Future]) -> None:
    banding, helper = banding_of("png"), Drawer(1, (64, 192))
    told = begin(lead, banding, Drawer(0, (0, 128)))
    plan = begin(banding.drew, 1, helper.answer, never).result(WAIT_S)
    assert plan is not None
    assert helper.held is not None
    encoded = helper.held.encoded(plan, 85)
    assert banding.encoded(1, BandsEncoded({0: encoded[64], 192: encoded[192]}, 0.1), never) is None
    assert told.result(WAIT_S) is None


def test_picture_that_the_estimate_missed_is_encoded_again(begin: Callable[..., Future]) -> None:
    noise = np.random.default_rng(4).integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    banding = banding_of("auto")
    drawers = [Drawer(0, (0, 128), noise), Drawer(1, (64, 192), noise)]
    for drawer in drawers:
        assert drawer.answer.seen is not None
        seen = replace(drawer.answer.seen, lossless_bytes=10, up_bytes=10, jpeg_bytes=None)
        drawer.answer = replace(drawer.answer, seen=seen)
    told = begin(lead, banding, drawers[0])
    begin(drawers[1].takes_part, banding).result(WAIT_S)
    drawn = told.result(WAIT_S)
    assert drawn is not None
    assert unpack_tile(drawn.record, 0, 0).media_type == "image/jpeg"
    assert [plan.kind == JPEG_KIND for plan in drawers[0].plans] == [False, True]


def test_tiles_of_both_workers_are_stacked(begin: Callable[..., Future]) -> None:
    spec = replace(SPEC, tile_px=64)
    records = {top: record_of(PAGE[top : top + 64], 64, "png", 85) for top in TOPS_PX}
    banding = banding_of("webp", spec)
    shared = {"tops_px": TOPS_PX, "seen": None, "is_sound": True, "draw_s": 0.1}

    def of_lead() -> Drawn | None:
        banding.drew(0, BandsDrawn(drawn_px=(64,), records={64: records[64]}, **shared), never)
        return banding.drawn(never)

    told = begin(of_lead)
    others = {top: records[top] for top in (0, 128, 192)}
    banding.drew(1, BandsDrawn(drawn_px=tuple(others), records=others, **shared), never)
    drawn = told.result(WAIT_S)
    assert drawn is not None
    for row, top in enumerate(TOPS_PX):
        tile = Image.open(io.BytesIO(unpack_tile(drawn.record, 1, row).data)).convert("RGB")
        assert np.array_equal(np.array(tile), PAGE[top : top + 64, 64:128])


def test_each_band_is_taken_once() -> None:
    banding = banding_of("png", workers=0)
    pipes = [banding.pipe(), banding.pipe()]
    taken = [os.read(pipe, 1)[0] for _ in range(MOST_BANDS // 2) for pipe in pipes if pipe is not None]
    assert sorted(taken) == list(range(MOST_BANDS))
    assert all(os.read(pipe, 1) == b"" for pipe in pipes if pipe is not None), "nobody waits for another"
    for pipe in pipes:
        assert pipe is not None
        os.close(pipe)
    banding.close()
    assert banding.pipe() is None
