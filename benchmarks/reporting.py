"""Percentile tables and JSON for all benchmarks. High percentiles, never a mean: a reader feels the slow turns."""

from __future__ import annotations

import json
import os
import platform
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

HEADERS = ("median", "p95", "p99", "max")


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of a sample, in the sample's own unit."""

    count: int
    median: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Percentiles:
        """By nearest rank: each is a value that occurred. Raises ValueError for no values."""
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


def machine(*distributions: str) -> dict[str, str]:
    """What the figures depend on: to be printed above them."""
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
        "python": platform.python_version(),
        **{name: version(name) for name in distributions},
    }


def print_machine(described: dict[str, str]) -> None:
    """One line."""
    print(", ".join(f"{name} {value}" for name, value in described.items()))


def write_json(path: Path, described: dict[str, str], measurements: Sequence[Any], **more: Any) -> None:
    """Every single measurement (dictionaries or dataclasses), so that others can draw their own conclusions."""
    plain = [one if isinstance(one, dict) else asdict(one) for one in measurements]
    document = {"machine": described, "arguments": sys.argv[1:], "measurements": plain, **more}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
