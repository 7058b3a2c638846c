"""Tables of percentiles for all benchmarks. High percentiles, never a mean: a reader feels the slow turns."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEADERS = ("median", "p95", "p99", "max")


@dataclass(frozen=True, slots=True)
class Percentiles:
    """The percentiles of a sample, in the sample's own unit."""

    count: int
    median: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Percentiles:
        """The percentiles by nearest rank: each is a value that occurred. Raises ValueError for no values."""
        ordered = sorted(values)
        if not ordered:
            raise ValueError("no values to take percentiles of")

        def ranked(share: float) -> float:
            return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]

        return cls(len(ordered), ranked(0.5), ranked(0.95), ranked(0.99), ordered[-1])

    def cells(self, form: str = ".1f") -> list[str]:
        """The four numbers, formatted, in the order of `HEADERS`."""
        return [format(value, form) for value in (self.median, self.p95, self.p99, self.max)]


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with aligned columns; all but the first two columns to the right."""
    cells = [list(headers), *map(list, rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(headers))]

    def line(row: Sequence[str]) -> str:
        padded = []
        for column, cell in enumerate(row):
            blank = " " * (widths[column] - _width(cell))
            padded.append(cell + blank if column < 2 else blank + cell)
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (width + 1) + ("-" if column < 2 else ":") for column, width in enumerate(widths)) + "|"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
