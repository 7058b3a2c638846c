"""One page of HTML for any results: what was asked, on what machine, tables, plots, and what the numbers do not say.

It needs nothing beside itself: it can be sent as a file, and opens without a network.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from benchmarks.plots import FEW, PLOTS, number, spreads
from benchmarks.results import Result, Series
from benchmarks.running import machine_line
from benchmarks.tables import HEADERS, Percentiles

STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em }
table { border-collapse: collapse; font-size: 13px; margin: .5em 0 1em; font-variant-numeric: tabular-nums }
td, th { padding: .15em .7em; border-bottom: 1px solid #8886; text-align: right }
td:first-child, th:first-child { text-align: left }
svg { max-width: 100%; height: auto; font: 12px system-ui, sans-serif; display: block }
svg text { fill: currentColor }
details { margin: .3em 0 }
summary { cursor: pointer }
.told { font-size: 13px; opacity: .8 }
nav li { line-height: 1.7 }
"""


def write_page(path: Path, results: Sequence[Result]) -> None:
    """A section for each result."""
    title = results[0].benchmark if len(results) == 1 else "Benchmarks of sidebooks_core"
    links = "".join(
        f'<li><a href="#{_id(place)}">{html.escape(one.benchmark)}</a> {html.escape(one.question)}'
        for place, one in enumerate(results)
    )
    contents = f"<nav><ul>{links}</ul></nav>" if len(results) > 1 else ""
    sections = "".join(_section(place, one) for place, one in enumerate(results))
    path.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style><h1>{html.escape(title)}</h1>{contents}{sections}</html>\n",
        encoding="utf-8",
    )


def grouped(result: Result) -> dict[str, list[Series]]:
    """The series by group, in the order of the benchmark."""
    found: dict[str, list[Series]] = {}
    for one in result.series:
        found.setdefault(one.group, []).append(one)
    return found


def cells(one: Series) -> list[str]:
    """A row of a table: the name, how many, and ranks."""
    ranks = Percentiles.of(one.samples)
    return [one.name, f"{one.count:,}", *(number(value) for value in (ranks.median, ranks.p95, ranks.p99, ranks.max))]


def _section(place: int, one: Result) -> str:
    command = f"python -m benchmarks {one.benchmark}"
    parameters = "; ".join(f"{name}: {value}" for name, value in one.parameters.items()) or "none"
    groups = "".join(_group(title, found) for title, found in grouped(one).items())
    return (
        f'<section id="{_id(place)}"><h2>{html.escape(one.benchmark)}</h2><p>{html.escape(one.question)}</p>'
        f'<p class="told">sidebooks_core {html.escape(one.version)}, {html.escape(one.date)}, '
        f"{html.escape(machine_line(one.machine, one.peers))}. <code>{html.escape(command)}</code>, with "
        f"{html.escape(parameters)}.</p>"
        f"<p><b>What the numbers do not say:</b> {html.escape(one.limits)}</p>{groups}</section>"
    )


def _group(title: str, found: Sequence[Series]) -> str:
    unit, better = found[0].unit, found[0].better
    head = "".join(f"<th>{html.escape(one)}</th>" for one in ("", "samples", *HEADERS))
    rows = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells(one))}</tr>" for one in found)
    many = [one for one in found if len(one.samples) > FEW]
    others = "".join(f"<details><summary>{name}</summary>{plot(many)}</details>" for name, plot in PLOTS) if many else ""
    return (
        f"<h3>{html.escape(title)}, {html.escape(unit)}</h3><table><tr>{head}</tr>{rows}</table>"
        f'<p class="told">{better.capitalize()} is better.</p>{spreads(found)}{others}'
    )


def _id(place: int) -> str:
    return f"b{place + 1}"
