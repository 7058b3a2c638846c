"""What is refused after a page overran or failed: that scale, then the page."""

from __future__ import annotations

import pytest

from sidebooks_core.errors import PageError, RenderFailed, RenderTimeout
from sidebooks_core.images import finding as records
from sidebooks_core.images.finding import FAILURES_TO_QUARANTINE, OVERRUNS_TO_QUARANTINE, QUARANTINE_S, _Quarantine
from sidebooks_core.tiling.raster import RasterSpec


def spec(width_px: int) -> RasterSpec:
    return RasterSpec.whole_page(width_px / 600, width_px, width_px)


def overran(width_px: int) -> RenderTimeout:
    return RenderTimeout(f"slow at {width_px}", document_id="d", page=0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now_s = [1000.0]
    monkeypatch.setattr(records.time, "monotonic", lambda: now_s[0])
    return now_s


def test_a_page_that_overran_at_one_size_is_drawn_at_others(clock: list[float]) -> None:
    quarantine = _Quarantine()
    quarantine.note("page", spec(270), overran(270))
    refusal = quarantine.refusal("page", spec(270))
    assert isinstance(refusal, RenderTimeout)
    assert (refusal.document_id, refusal.page) == ("d", 0)
    assert quarantine.refusal("page", spec(610)) is None
    assert quarantine.refusal("other", spec(270)) is None
    clock[0] += QUARANTINE_S
    assert quarantine.refusal("page", spec(270)) is None


def test_slabs_of_the_scale_that_overran_are_refused_with_it(clock: list[float]) -> None:
    quarantine = _Quarantine()
    first = RasterSpec(scale=2.0, x0_px=0, y0_px=0, x1_px=512, y1_px=512, tile_px=512)
    second = RasterSpec(scale=2.0, x0_px=512, y0_px=0, x1_px=1024, y1_px=512, tile_px=512)
    quarantine.note("page", first, overran(1))
    assert quarantine.refusal("page", second) is not None


def test_a_page_that_overran_at_several_sizes_is_refused_at_all(clock: list[float]) -> None:
    quarantine = _Quarantine()
    for number in range(OVERRUNS_TO_QUARANTINE):
        assert quarantine.refusal("page", spec(5000)) is None
        quarantine.note("page", spec(100 + number), overran(number))
    assert isinstance(quarantine.refusal("page", spec(5000)), RenderTimeout)
    clock[0] += QUARANTINE_S
    assert quarantine.refusal("page", spec(5000)) is None


def test_overruns_long_ago_do_not_add_up(clock: list[float]) -> None:
    quarantine = _Quarantine()
    for number in range(2 * OVERRUNS_TO_QUARANTINE):
        quarantine.note("page", spec(100 + number), overran(number))
        clock[0] += QUARANTINE_S / 2
        assert quarantine.refusal("page", spec(5000)) is None


def test_a_page_that_kills_workers_is_refused_at_all_sizes(clock: list[float]) -> None:
    quarantine = _Quarantine()
    for number in range(FAILURES_TO_QUARANTINE):
        assert quarantine.refusal("page", spec(5000)) is None
        quarantine.note("page", spec(100 + number), RenderFailed("the worker process died", page=0))
    assert isinstance(quarantine.refusal("page", spec(5000)), RenderFailed)


def test_a_refusal_is_no_failure(clock: list[float]) -> None:
    """Who waited in the queue is told it, and it must not make the refusal last."""
    quarantine, other = _Quarantine(), _Quarantine()
    quarantine.note("page", spec(270), overran(270))
    clock[0] += QUARANTINE_S / 2
    refusal: PageError | None = quarantine.refusal("page", spec(270))
    assert refusal is not None
    quarantine.note("page", spec(270), refusal)
    other.note("page", spec(270), refusal)
    assert other.refusal("page", spec(270)) is None
    clock[0] += QUARANTINE_S / 2
    assert quarantine.refusal("page", spec(270)) is None
