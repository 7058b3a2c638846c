"""Plots of series as SVG that lies within a page: no script, no file beside it.

Not a library's, since the three kinds are a hundred lines, and the smallest library that has them brings ten megabytes.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.results import Series
from benchmarks.tables import Percentiles

COLOURS = ("#0b7a57", "#c2414f", "#c9772a", "#4a6fc4", "#8a65b5", "#777777", "#0e8a9c", "#a3842c")
WIDTH = 860
LEFT, RIGHT = 250, 20
"""Pixels beside the axis: for names, and for the last number."""
ROW = 26
HEIGHT = 200
WIDE = 12.0
"""An axis is logarithmic if its greatest value is more than so many times its least."""
FEW = 12
"""So many samples are all drawn; of more, ranks."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Values on pixels from `LEFT` on."""

    low: float
    high: float
    is_log: bool
    unit: str

    @classmethod
    def of(cls, group: Sequence[Series]) -> Axis:
        """An axis for all samples of a group."""
        values = [value for one in group for value in one.samples]
        low, high = min(values), max(values)
        if low > 0 and high / low > WIDE:
            return cls(low, high, is_log=True, unit=group[0].unit)
        return cls(min(0.0, low), high if high > min(0.0, low) else 1.0, is_log=False, unit=group[0].unit)

    def at(self, value: float) -> float:
        """The pixel."""
        if self.is_log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    def ticks(self) -> list[float]:
        """Round values, at most some ten."""
        if not self.is_log:
            step = 10 ** math.floor(math.log10(self.high - self.low))
            step = next(step * part for part in (0.1, 0.2, 0.5, 1, 2) if (self.high - self.low) / (step * part) <= 8)
            return [index * step for index in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        parts = (1, 2, 5) if self.high / self.low <= 1000 else (1,)
        found = [part * 10.0**power for power in powers for part in parts]
        return [value for value in found if self.low <= value <= self.high]

    def drawn(self, height: float) -> str:
        """Ticks and their lines, below a plot of a height."""
        return (
            "".join(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height:.0f}" stroke="currentColor" stroke-opacity=".18"/>'
                f'<text x="{x:.1f}" y="{height + 15:.0f}" text-anchor="middle">{number(value)}</text>'
                for value, x in ((value, self.at(value)) for value in self.ticks())
            )
            + f'<text x="{LEFT - 12}" y="{height + 15:.0f}" text-anchor="end">{html.escape(self.unit)}</text>'
        )


def number(value: float) -> str:
    """The number with three digits."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:.2e}"


def colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def spreads(group: Sequence[Series]) -> str:
    """A row for each series: all samples if they are few; else the median, from there to p95, and the extremes."""
    axis, height = Axis.of(group), ROW * len(group) + 8
    parts = [axis.drawn(height)]
    for index, one in enumerate(group):
        y = 8 + ROW * index + ROW / 2 - 4
        parts.append(f'<text x="{LEFT - 12}" y="{y + 4:.0f}" text-anchor="end">{html.escape(_short(one.name))}</text>')
        if len(one.samples) <= FEW:
            parts += [f'<circle cx="{axis.at(value):.1f}" cy="{y:.0f}" r="4" fill="{colour(index)}"/>' for value in one.samples]
            continue
        ranks = Percentiles.of(one.samples)
        least, median, p95, most = (axis.at(value) for value in (min(one.samples), ranks.median, ranks.p95, ranks.max))
        parts.append(
            f'<line x1="{least:.1f}" x2="{most:.1f}" y1="{y:.0f}" y2="{y:.0f}" stroke="{colour(index)}"/>'
            f'<rect x="{min(median, p95):.1f}" y="{y - 6:.0f}" width="{abs(p95 - median):.1f}" height="12" '
            f'fill="{colour(index)}" fill-opacity=".45"/>'
            f'<line x1="{median:.1f}" x2="{median:.1f}" y1="{y - 9:.0f}" y2="{y + 9:.0f}" stroke="{colour(index)}" '
            'stroke-width="3"/>'
        )
    return _svg(height + 22, f"spread of {group[0].group}", parts)


def shares(group: Sequence[Series]) -> str:
    """The share of samples that are at most a value."""
    axis = Axis.of(group)
    parts = [axis.drawn(HEIGHT)]
    for index, one in enumerate(group):
        points, last_y = [], float(HEIGHT)
        for rank, value in enumerate(sorted(one.samples), 1):
            x, y = axis.at(value), HEIGHT - (HEIGHT - 8) * rank / len(one.samples)
            points.append(f"{x:.1f},{last_y:.1f} {x:.1f},{y:.1f}")
            last_y = y
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour(index)}" stroke-width="2"/>')
    parts += [_name(index, one, HEIGHT) for index, one in enumerate(group)]
    return _svg(HEIGHT + 22, f"shares of {group[0].group}", parts)


def courses(group: Sequence[Series]) -> str:
    """Each sample in the order of measurement, from left to right: who gets slower in a run, and what came at once to all."""
    axis = Axis.of(group)

    def y_of(value: float) -> float:
        return HEIGHT - (HEIGHT - 12) * (axis.at(value) - LEFT) / (WIDTH - LEFT - RIGHT)

    parts = [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_of(value):.1f}" y2="{y_of(value):.1f}" stroke="currentColor" '
        f'stroke-opacity=".18"/><text x="{WIDTH - RIGHT}" y="{y_of(value) - 3:.1f}" text-anchor="end">{number(value)} '
        f"{html.escape(axis.unit)}</text>"
        for value in axis.ticks()
    ]
    for index, one in enumerate(group):
        width = (WIDTH - LEFT - RIGHT - 60) / max(1, len(one.samples) - 1)
        parts += [
            f'<circle cx="{LEFT + width * place:.1f}" cy="{y_of(value):.1f}" r="2" fill="{colour(index)}"/>'
            for place, value in enumerate(one.samples)
        ]
    parts += [_name(index, one, HEIGHT) for index, one in enumerate(group)]
    return _svg(HEIGHT + 8, f"course of {group[0].group}", parts)


PLOTS: tuple[tuple[str, Callable[[Sequence[Series]], str]], ...] = (
    ("Share of samples that are at most a value", shares),
    ("In the order of measurement", courses),
)
"""The plots of groups with many samples, beside the spreads."""


def _name(index: int, one: Series, height: float) -> str:
    y = min(16 + 18 * index, int(height))
    return f'<text x="0" y="{y}" style="fill:{colour(index)}">■ {html.escape(_short(one.name))}</text>'


def _short(name: str) -> str:
    return name if len(name) <= 36 else name[:35] + "…"


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}" role="img" '
        f'aria-label="{html.escape(label)}">{"".join(parts)}</svg>'
    )
