"""Two runs of a benchmark, or several of each, beside each other: ratios with an interval, and which differences are real.

What is bootstrapped: the runs of each side, and in them the samples; the interval holds 99 of 100 ratios found so. Where all
runs label their samples alike, a sample is compared with that of the same label, so that a hard page is compared with itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np

from benchmarks.results import Result, Series
from benchmarks.tables import table

RESAMPLES = 2000
SEED = 20261130
SHARE = 0.99
"""The share of the resampled ratios that the interval holds. With 95 of 100, five of 100 equal things would differ."""
P95_NEEDS = 100
"""Samples of each side from which on the 95th percentile is compared: five lie above it."""
MOST_RESAMPLED = 2000
"""Samples of a series that are resampled: of more, so many quantiles are taken, which tell a median as well."""
HEADERS = ("what", "of", "", "A", "B", "unit", "B / A", "99 % interval", "")
WORD = {"better": "B is better", "worse": "B is worse", "same": "no difference shown", "single": "single figures"}


class NotComparable(ValueError):
    """The runs differ in more than the code."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure on both sides."""

    group: str
    name: str
    figure: str
    """Which one of the samples: median, or p95."""
    unit: str
    before: float
    after: float
    ratio: float
    """after / before; in series that are compared one by one, the median of the ratios. NaN: there is none."""
    interval: tuple[float, float] | None
    """The interval is around the ratio. None: there are too few samples."""
    better: Literal["lower", "higher"]

    @property
    def verdict(self) -> Literal["better", "worse", "same", "single"]:
        """What the side B is. It differs if the interval does not hold 1."""
        if self.interval is None:
            return "single"
        if self.interval[0] <= 1 <= self.interval[1]:
            return "same"
        return "better" if (self.ratio < 1) == (self.better == "lower") else "worse"

    @property
    def worse_by(self) -> float:
        """The ratio, turned so that more is worse."""
        return self.ratio if self.better == "lower" else 1 / self.ratio if self.ratio else math.inf


def obstacles(before: Sequence[Result], after: Sequence[Result]) -> list[str]:
    """What differs beside the code so that the figures say little: the machine, the parameters."""
    found = []
    first = before[0]
    for one in chain(before[1:], after):
        for field in ("processor", "processors", "memory_bytes", "system"):
            had, has = getattr(first.machine, field), getattr(one.machine, field)
            if had != has:
                found.append(f"another machine: {field} {had}, and {has}")
        for name in sorted(first.parameters.keys() | one.parameters.keys()):
            had, has = first.parameters.get(name, "none"), one.parameters.get(name, "none")
            if had != has:
                found.append(f"other parameters: {name} {had}, and {has}")
    return list(dict.fromkeys(found))


def remarks(before: Sequence[Result], after: Sequence[Result]) -> list[str]:
    """What else differs, and what was going on."""
    found = []
    for what, told in (
        ("Python", [{one.machine.python for one in side} for side in (before, after)]),
        ("kernel", [{one.machine.kernel for one in side} for side in (before, after)]),
        ("peers", [{f"{name} {number}" for one in side for name, number in one.peers.items()} for side in (before, after)]),
    ):
        if told[0] != told[1]:
            found.append(
                f"{what}: {', '.join(sorted(told[0] - told[1]) or ['—'])} became {', '.join(sorted(told[1] - told[0]))}"
            )
    loads = [", ".join("unknown" if one.machine.load is None else f"{one.machine.load:.2f}" for one in side)
             for side in (before, after)]  # fmt: skip
    found.append(f"load at the start: A {loads[0]}; B {loads[1]}")
    if len(before) == len(after) == 1:
        found.append(
            "one run of each: an interval knows the spread within the runs, not what changed on the machine between them. "
            "Measure in turns (A, B, A, B) and give two folders."
        )
    return found


def differences(before: Sequence[Result], after: Sequence[Result]) -> list[Difference]:
    """The differences of all series that both sides have, in the order of A."""
    theirs = _by_name(after)
    found: list[Difference] = []
    for key, ours in _by_name(before).items():
        if key in theirs:
            found += _compared(ours, theirs[key])
    return found


def missing(before: Sequence[Result], after: Sequence[Result]) -> list[str]:
    """Series that only one side has."""
    sides = [_by_name(before), _by_name(after)]
    return [
        f"only in {name}: {group}, {one}"
        for name, here, there in (("A", *sides), ("B", *reversed(sides)))
        for group, one in here
        if (group, one) not in there
    ]


def text(found: Sequence[Difference]) -> str:
    """The table."""
    return table(HEADERS, [_row(one) for one in found])


def _row(one: Difference) -> list[str]:
    interval = "—" if one.interval is None else f"{one.interval[0]:.2f} to {one.interval[1]:.2f}"
    ratio = "—" if math.isnan(one.ratio) else f"{one.ratio:.2f}"
    values = [f"{value:.4g}" for value in (one.before, one.after)]
    return [one.group, one.name, one.figure, *values, one.unit, ratio, interval, WORD[one.verdict]]


def _by_name(runs: Sequence[Result]) -> dict[tuple[str, str], list[Series]]:
    found: dict[tuple[str, str], list[Series]] = {}
    for run in runs:
        for one in run.series:
            found.setdefault((one.group, one.name), []).append(one)
    return found


def _compared(before: Sequence[Series], after: Sequence[Series]) -> list[Difference]:
    first = before[0]
    units = {one.unit for one in chain(before, after)}
    if len(units) > 1:
        raise NotComparable(f"{first.group}, {first.name}: the units are {', '.join(sorted(units))}")
    chance = np.random.default_rng(SEED)
    a, b = _pooled(before), _pooled(after)
    labels = _common_labels([*before, *after])
    medians = _ranked(a, 0.5), _ranked(b, 0.5)
    interval: tuple[float, float] | None
    if labels and min(medians) > 0:
        ratio, interval = _one_by_one(_matrix(before, labels), _matrix(after, labels), chance)
    else:
        ratio, interval = _apart(before, after, 0.5, chance)
    found = [Difference(first.group, first.name, "median", first.unit, *medians, ratio, interval, first.better)]
    if min(sum(one.count for one in side) for side in (before, after)) >= P95_NEEDS:
        high = _ranked(a, 0.95), _ranked(b, 0.95)
        ratio, interval = _apart(before, after, 0.95, chance)
        found.append(Difference(first.group, first.name, "p95", first.unit, *high, ratio, interval, first.better))
    return found


def _common_labels(all_series: Sequence[Series]) -> list[str]:
    """Those that all runs measured with a positive sample; none if that is less than half of what any measured."""
    if not all(one.labels for one in all_series):
        return []
    shared = set.intersection(
        *({label for label, value in zip(one.labels, one.samples, strict=True) if value > 0} for one in all_series)
    )
    most = max(len(one.labels) for one in all_series)
    return [label for label in all_series[0].labels if label in shared] if len(shared) >= max(2, most / 2) else []


def _matrix(runs: Sequence[Series], labels: Sequence[str]) -> Any:
    """A row for each run, a column for each label: logarithms."""
    rows = []
    for one in runs:
        known = dict(zip(one.labels, one.samples, strict=True))
        rows.append([math.log(known[label]) for label in labels])
    return np.array(rows)


def _one_by_one(a: Any, b: Any, chance: np.random.Generator) -> tuple[float, tuple[float, float]]:
    """The median of the ratios by label."""
    drawn = []
    for _ in range(RESAMPLES):
        columns = chance.integers(a.shape[1], size=a.shape[1])
        sides = [side[chance.integers(len(side), size=len(side))][:, columns] for side in (a, b)]
        drawn.append(np.median(np.median(sides[1], axis=0) - np.median(sides[0], axis=0)))
    ratio = float(np.exp(np.median(np.median(b, axis=0) - np.median(a, axis=0))))
    return ratio, _interval(np.exp(drawn))


def _apart(
    before: Sequence[Series], after: Sequence[Series], rank: float, chance: np.random.Generator
) -> tuple[float, tuple[float, float] | None]:
    """The ratio of a quantile of all samples of each side."""
    old, new = (_ranked(_pooled(side), rank) for side in (before, after))
    ratio = new / old if old > 0 else math.nan
    if math.isnan(ratio) or min(sum(one.count for one in side) for side in (before, after)) < 2:
        return ratio, None
    sides = [[_few(np.array(one.samples)) for one in side] for side in (before, after)]
    drawn = []
    for _ in range(RESAMPLES):
        found = []
        for runs in sides:
            chosen = [runs[index] for index in chance.integers(len(runs), size=len(runs))]
            parts = [run[chance.integers(len(run), size=len(run))] for run in chosen]
            found.append(_ranked(np.concatenate(parts), rank))
        if found[0] > 0:
            drawn.append(found[1] / found[0])
    return ratio, _interval(np.array(drawn)) if len(drawn) == RESAMPLES else None


def _ranked(values: Any, rank: float) -> float:
    """A quantile by nearest rank, as in tables."""
    place = max(0, math.ceil(rank * len(values)) - 1)
    return float(np.partition(values, place)[place])


def _interval(drawn: Any) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return float(low), float(high)


def _pooled(runs: Sequence[Series]) -> Any:
    return np.concatenate([np.array(one.samples) for one in runs])


def _few(samples: Any) -> Any:
    return samples if len(samples) <= MOST_RESAMPLED else np.quantile(samples, np.linspace(0, 1, MOST_RESAMPLED))
