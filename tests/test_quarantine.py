"""What is refused after a page overran or failed: that scale, then the page."""

from __future__ import annotations

import pytest

from sidebooks_core.errors import PageError, RenderFailed, RenderTimeout
from sidebooks_core.images.quarantine import FAILURES_TO_QUARANTINE, OVERRUNS_TO_QUARANTINE, QUARANTINE_S, Quarantine


def scale(width_px: int) -> float:
    """Of a page of 600 points, drawn so wide."""
    return width_px / 600


def overran(width_px: int) -> RenderTimeout:
    return RenderTimeout(f"slow at {width_px}", document_id="d", page=0)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_page_that_overran_at_one_size_is_drawn_at_others(clock: Clock) -> None:
    quarantine = Quarantine(clock)
    quarantine.note("page", scale(270), overran(270))
    refusal = quarantine.refusal("page", scale(270))
    assert isinstance(refusal, RenderTimeout)
    assert (refusal.document_id, refusal.page) == ("d", 0)
    assert quarantine.refusal("page", scale(610)) is None
    assert quarantine.refusal("other", scale(270)) is None
    clock.now_s += QUARANTINE_S
    assert quarantine.refusal("page", scale(270)) is None


def test_slabs_of_the_scale_that_overran_are_refused_with_it(clock: Clock) -> None:
    """A slab is named by its page and scale: which part of the page it is does not matter."""
    quarantine = Quarantine(clock)
    quarantine.note("page", 2.0, overran(1))
    assert quarantine.refusal("page", 2.0) is not None


def test_a_page_that_overran_at_several_sizes_is_refused_at_all(clock: Clock) -> None:
    quarantine = Quarantine(clock)
    for number in range(OVERRUNS_TO_QUARANTINE):
        assert quarantine.refusal("page", scale(5000)) is None
        quarantine.note("page", scale(100 + number), overran(number))
    assert isinstance(quarantine.refusal("page", scale(5000)), RenderTimeout)
    clock.now_s += QUARANTINE_S
    assert quarantine.refusal("page", scale(5000)) is None


def test_overruns_long_ago_do_not_add_up(clock: Clock) -> None:
    quarantine = Quarantine(clock)
    for number in range(2 * OVERRUNS_TO_QUARANTINE):
        quarantine.note("page", scale(100 + number), overran(number))
        clock.now_s += QUARANTINE_S / 2
        assert quarantine.refusal("page", scale(5000)) is None


def test_a_page_that_kills_workers_is_refused_at_all_sizes(clock: Clock) -> None:
    quarantine = Quarantine(clock)
    for number in range(FAILURES_TO_QUARANTINE):
        assert quarantine.refusal("page", scale(5000)) is None
        quarantine.note("page", scale(100 + number), RenderFailed("the worker process died", page=0))
    assert isinstance(quarantine.refusal("page", scale(5000)), RenderFailed)


def test_a_refusal_is_no_failure(clock: Clock) -> None:
    """Who waited in the queue is told it, and it must not make the refusal last."""
    quarantine, other = Quarantine(clock), Quarantine(clock)
    quarantine.note("page", scale(270), overran(270))
    clock.now_s += QUARANTINE_S / 2
    refusal: PageError | None = quarantine.refusal("page", scale(270))
    assert refusal is not None
    quarantine.note("page", scale(270), refusal)
    other.note("page", scale(270), refusal)
    assert other.refusal("page", scale(270)) is None
    clock.now_s += QUARANTINE_S / 2
    assert quarantine.refusal("page", scale(270)) is None
