"""How people move through documents, as data: seeded, and the same in every run."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SEED = 20261124
TURNS_BEFORE_NEXT = 3


@dataclass(frozen=True, slots=True)
class Step:
    """At a moment, a page is wanted."""

    at_s: float
    screen: int
    """Which page, or which spread, from 0."""
    zoom: float = 1.0
    document: int = 0
    """Which of the documents that are open."""


@dataclass(frozen=True, slots=True)
class Course:
    """What a trace knows of a document."""

    screens: tuple[tuple[int, ...], ...]
    """The pages, from 0, that are shown together: one each, or the spreads."""
    marks: tuple[int, ...]
    """The screens that the outline leads to; none where there is no outline."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A way through a document, or several."""

    name: str
    what: str
    make: Callable[[random.Random, Course, int], list[Step]]
    """(random, document, about how many turns) -> steps."""
    is_spread: bool = False
    """Two pages side by side, on the screen turned to landscape."""
    documents: int = 1
    """That are open at once and read in turn."""
    stops: bool = False
    """It ends where a hand comes to rest: how soon that page is sharp is compared with its bare draw."""

    def steps(self, courses: Sequence[Course], turns: int) -> list[Step]:
        """The first step shows the first page, at 0 s; the turns follow."""
        each = max(2, turns // len(courses))
        ways = []
        for course in courses:
            chance = random.Random(f"{SEED} {self.name} {len(course.screens)}")
            ways.append(self.make(chance, course, each if len(courses) > 1 else turns))
        return ways[0] if len(ways) == 1 else _in_turn(ways)


def _in_turn(ways: list[list[Step]]) -> list[Step]:
    """A few turns in one document, then the next, and back to each where it was left: a second a turn."""
    steps: list[Step] = []
    left = [list(way) for way in ways]
    while any(left):
        for number, way in enumerate(left):
            for step in way[:TURNS_BEFORE_NEXT]:
                steps.append(Step(float(len(steps)), step.screen, document=number))
            del way[:TURNS_BEFORE_NEXT]
    return steps


def _onward(chance: random.Random, course: Course, turns: int, pace_s: Callable[[random.Random], float]) -> list[Step]:
    """Forward from a page that leaves room; back again at the end of a short document."""
    count = len(course.screens)
    start = chance.randrange(max(1, count - turns))
    at_s, screen, direction = 0.0, start, 1
    steps = [Step(0.0, start)]
    for _ in range(turns):
        at_s += pace_s(chance)
        if not 0 <= screen + direction < count:
            direction = -direction
        screen = max(0, min(screen + direction, count - 1))
        steps.append(Step(at_s, screen))
    return steps


def _read(chance: random.Random, course: Course, turns: int) -> list[Step]:
    return _onward(chance, course, min(turns, 6), lambda c: c.uniform(2, 20))


def _steady(pace_s: float) -> Callable[[random.Random, Course, int], list[Step]]:
    return lambda chance, course, turns: _onward(chance, course, turns, lambda _: pace_s)


def _fling(chance: random.Random, course: Course, turns: int) -> list[Step]:
    """A hand that slows down: 30 turns a second at first, 5 at the end."""
    number = iter(range(1 << 30))
    return _onward(chance, course, turns, lambda _: 1 / (30 - 25 * next(number) / max(1, turns)))


def _back_and_forth(chance: random.Random, course: Course, turns: int) -> list[Step]:
    last = len(course.screens) - 1
    here = chance.randrange(last + 1)
    other = min(here + 1, last) if chance.random() < 0.5 else max(here - 1, 0)
    return [Step(index * 0.7, (here, other)[index % 2]) for index in range(turns + 1)]


def _jump(chance: random.Random, course: Course, turns: int) -> list[Step]:
    """By the outline; anywhere, where there is none."""
    targets = course.marks or range(len(course.screens))
    return [Step(index * 1.5, chance.choice(targets)) for index in range(min(turns, 10) + 1)]


def _presenter(chance: random.Random, course: Course, turns: int) -> list[Step]:
    """Mostly on, now and then back to a slide or ahead to an appendix, at a speaker's pace."""
    last = len(course.screens) - 1
    screen, at_s, steps = 0, 0.0, [Step(0.0, 0)]
    for _ in range(min(turns, 10)):
        at_s += chance.uniform(1, 6)
        screen = chance.randrange(last + 1) if chance.random() < 0.2 else min(screen + 1, last)
        steps.append(Step(at_s, screen))
    return steps


def _zoom(chance: random.Random, course: Course, turns: int) -> list[Step]:
    screen = chance.randrange(len(course.screens))
    return [Step(index * 1.0, screen, (1.0, 3.0)[index % 2]) for index in range(min(turns, 10) + 1)]


def _zoom_anew(chance: random.Random, course: Course, turns: int) -> list[Step]:
    """To a page anywhere, and into it after a second; then to the next."""
    steps: list[Step] = []
    for number in range(min(turns, 10) // 2 + 1):
        screen = chance.randrange(len(course.screens))
        steps += [Step(number * 2.5, screen), Step(number * 2.5 + 1.0, screen, 3.0)]
    return steps


TRACES = (
    Trace("read", "2 to 20 s a page", _read),
    Trace("skim", "a page a second", _steady(1.0)),
    Trace("riffle-5", "5 pages a second", _steady(0.2)),
    Trace("riffle-10", "10 pages a second", _steady(0.1)),
    Trace("fling", "30 pages a second, slowing down, and stop", _fling, stops=True),
    Trace("back-and-forth", "between two pages", _back_and_forth),
    Trace("jump", "by the outline", _jump),
    Trace("presenter", "follow somebody who speaks", _presenter),
    Trace("zoom", "into a page and out", _zoom),
    Trace("zoom-anew", "into one page after the other, anywhere in the document", _zoom_anew),
    Trace("spread", "two pages side by side, a spread a second", _steady(1.0), is_spread=True),
    Trace("in-turn", "three documents, a few pages of each, a page a second", _steady(1.0), documents=3),
)
