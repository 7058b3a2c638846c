"""How people move through documents, as data: seeded, and the same in every run."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

SEED = 20261124


@dataclass(frozen=True, slots=True)
class Step:
    """At a moment, a page is wanted."""

    at_s: float
    page: int
    """From 0."""
    zoom: float = 1.0


@dataclass(frozen=True, slots=True)
class Trace:
    """A way through a document."""

    name: str
    what: str
    make: Callable[[random.Random, int, int], list[Step]]
    """(random, page count, about how many turns) -> steps."""
    is_fling: bool = False
    """Only the last step is looked at."""

    def steps(self, page_count: int, turns: int) -> list[Step]:
        """The first step shows the first page, at 0 s; the turns follow."""
        chance = random.Random(f"{SEED} {self.name} {page_count}")
        return self.make(chance, page_count, turns)


def _onward(chance: random.Random, count: int, turns: int, pace_s: Callable[[random.Random], float]) -> list[Step]:
    """Forward from a page that leaves room; back again at the end of a short document."""
    start = chance.randrange(max(1, count - turns))
    at_s, page, direction = 0.0, start, 1
    steps = [Step(0.0, start)]
    for _ in range(turns):
        at_s += pace_s(chance)
        if not 0 <= page + direction < count:
            direction = -direction
        page = max(0, min(page + direction, count - 1))
        steps.append(Step(at_s, page))
    return steps


def _read(chance: random.Random, count: int, turns: int) -> list[Step]:
    return _onward(chance, count, min(turns, 6), lambda c: c.uniform(2, 20))


def _steady(pace_s: float) -> Callable[[random.Random, int, int], list[Step]]:
    return lambda chance, count, turns: _onward(chance, count, turns, lambda _: pace_s)


def _fling(chance: random.Random, count: int, turns: int) -> list[Step]:
    """A hand that slows down: 30 turns a second at first, 5 at the end."""
    number = iter(range(1 << 30))
    return _onward(chance, count, turns, lambda _: 1 / (30 - 25 * next(number) / max(1, turns)))


def _back_and_forth(chance: random.Random, count: int, turns: int) -> list[Step]:
    here = chance.randrange(count)
    other = min(here + 1, count - 1) if chance.random() < 0.5 else max(here - 1, 0)
    return [Step(index * 0.7, (here, other)[index % 2]) for index in range(turns + 1)]


def _jump(chance: random.Random, count: int, turns: int) -> list[Step]:
    return [Step(index * 1.5, chance.randrange(count)) for index in range(min(turns, 10) + 1)]


def _presenter(chance: random.Random, count: int, turns: int) -> list[Step]:
    """Mostly on, now and then back to a slide or ahead to an appendix, at a speaker's pace."""
    page, at_s, steps = 0, 0.0, [Step(0.0, 0)]
    for _ in range(min(turns, 10)):
        at_s += chance.uniform(1, 6)
        page = chance.randrange(count) if chance.random() < 0.2 else min(page + 1, count - 1)
        steps.append(Step(at_s, page))
    return steps


def _zoom(chance: random.Random, count: int, turns: int) -> list[Step]:
    page = chance.randrange(count)
    return [Step(index * 1.0, page, (1.0, 3.0)[index % 2]) for index in range(min(turns, 10) + 1)]


TRACES = (
    Trace("read", "2 to 20 s a page", _read),
    Trace("skim", "a page a second", _steady(1.0)),
    Trace("riffle-5", "5 pages a second", _steady(0.2)),
    Trace("riffle-10", "10 pages a second", _steady(0.1)),
    Trace("fling", "30 pages a second, slowing down, and stop", _fling, is_fling=True),
    Trace("back-and-forth", "between two pages", _back_and_forth),
    Trace("jump", "anywhere, as by the outline", _jump),
    Trace("presenter", "follow somebody who speaks", _presenter),
    Trace("zoom", "into a page and out", _zoom),
)
