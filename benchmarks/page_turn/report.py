"""Tables for the terminal, and an HTML page that opens offline."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.page_turn.measure import AFTER_LAST_S
from benchmarks.reporting import Percentiles, table

FRAME_S = 1 / 60
SLOW_S = 0.1
COLOURS = ("#0b6e4f", "#b23a48", "#e08e45", "#4062bb", "#7d5ba6", "#555555")
LIMITS = """Times are milliseconds. What these numbers do not say: the time a client takes to decode and paint an image, and
the network; how a person judges a coarse page that sharpens; other machines, and other loads on this one. The clock of a turn
starts when the trace wants it, so a peer that is late with one page is late with the next. All peers have their document open
and, ours, its previews made before the first turn. Peak memory counts pages shared by processes once for each."""


def rows(runs: Sequence[dict[str, Any]]) -> list[list[str]]:
    """One row for each trace and peer."""
    found = []
    for trace in dict.fromkeys(run["trace"] for run in runs):
        for peer in dict.fromkeys(run["peer"] for run in runs):
            chosen = [run for run in runs if (run["trace"], run["peer"]) == (trace, peer)]
            turns = [turn for run in chosen for turn in run["turns"]]
            if not turns:
                continue
            painted = Percentiles.of(turn["painted_s"] * 1000 for turn in turns)
            sharp = [turn["sharp_s"] for turn in turns if turn["sharp_s"] is not None]
            prefetched = sum(run.get("prefetched", 0) for run in chosen)
            waste = sum(run.get("wasted", 0) for run in chosen) / prefetched if prefetched else None
            found.append(
                [
                    trace,
                    peer,
                    str(len(turns)),
                    *painted.cells(".1f"),
                    _share(turn["painted_s"] <= FRAME_S for turn in turns),
                    _share(turn["painted_s"] <= SLOW_S for turn in turns),
                    _share((turn["sharp_s"] or 9e9) <= FRAME_S for turn in turns),
                    Percentiles.of(one * 1000 for one in sharp).cells(".1f")[1] if sharp else "-",
                    str(sum(run["renders"] for run in chosen)),
                    "-" if waste is None else f"{waste:.0%}",
                    f"{max(run['peak_bytes'] for run in chosen) / 2**20:.0f}",
                ]
            )
    return found


HEADERS = [
    "trace", "peer", "turns", "painted median", "p95", "p99", "max", "in 16.7 ms", "in 100 ms", "sharp on arrival",
    "sharp p95", "renders", "waste", "peak MiB",
]  # fmt: skip


def text(runs: Sequence[dict[str, Any]]) -> str:
    """The table."""
    return table(HEADERS, rows(runs))


STOP_BOUND = 1.3
STOP_HEADERS = [
    "where a trace stops", "", "stops", "sharp / bare draw: median", "p95", "p99", "max", f"at most {STOP_BOUND}",
]  # fmt: skip


def stop_rows(runs: Sequence[dict[str, Any]]) -> list[list[str]]:
    """One row for each peer: until the page is sharp that a trace stops at, over the time of its bare draw."""
    found = []
    for peer in dict.fromkeys(run["peer"] for run in runs):
        chosen = [run for run in runs if run["peer"] == peer and run["bare_stop_s"] is not None]
        # A page that never became sharp was looked at for so long.
        sharp_s = [_stop(run)["sharp_s"] or AFTER_LAST_S for run in chosen]
        if chosen:
            shares = [took_s / run["bare_stop_s"] for took_s, run in zip(sharp_s, chosen, strict=True)]
            within = _share(one <= STOP_BOUND for one in shares)
            found.append([peer, "", str(len(shares)), *Percentiles.of(shares).cells(".2f"), within])
    return found


def stops_text(runs: Sequence[dict[str, Any]]) -> str:
    """The table of stops."""
    return table(STOP_HEADERS, stop_rows(runs))


def _stop(run: dict[str, Any]) -> dict[str, Any]:
    return next(turn for turn in run["turns"] if turn["is_last"])


def write_html(path: Path, described: dict[str, str], runs: Sequence[dict[str, Any]]) -> None:
    """Tables, the distribution of latencies, and a riffle turn by turn."""
    peers = list(dict.fromkeys(run["peer"] for run in runs))
    traces = list(dict.fromkeys(run["trace"] for run in runs))
    stops = f"<h2>Where a trace stops</h2>{_html_table(STOP_HEADERS, found)}" if (found := stop_rows(runs)) else ""
    plots = "".join(f"<h3>{html.escape(trace)}</h3>{_cdf(runs, trace, peers)}" for trace in traces)
    riffle = next((trace for trace in traces if trace.startswith("riffle")), None)
    lines = _timeline([run for run in runs if run["trace"] == riffle], peers) if riffle else ""
    machine = ", ".join(f"{name} {value}" for name, value in described.items())
    path.write_text(
        f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Page turns</title>
<style>body{{font:15px system-ui,sans-serif;margin:2em;max-width:75em}}table{{border-collapse:collapse;font-size:13px}}
td,th{{padding:.2em .6em;border-bottom:1px solid #ccc;text-align:right}}td:nth-child(-n+2){{text-align:left}}
svg{{background:#fafafa;border:1px solid #ddd}}</style>
<h1>Page turns</h1><p>{html.escape(machine)}</p><p>{html.escape(LIMITS)}</p>
{_html_table(HEADERS, rows(runs))}{stops}
<h2>Share of turns painted within a time</h2><p>{_legend(peers)} The line at 16.7 ms is one frame.</p>{plots}
<h2>A riffle, turn by turn</h2><p>Each dot is a turn: how late it was painted.</p>{lines}</html>""",
        encoding="utf-8",
    )


def _html_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(one)}</th>" for one in headers)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _share(holds: Any) -> str:
    outcomes = list(holds)
    return f"{sum(outcomes) / len(outcomes):.1%}"


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def _legend(peers: list[str]) -> str:
    return " ".join(
        f'<span style="color:{_colour(index)}">&#9632; {html.escape(peer)}</span>' for index, peer in enumerate(peers)
    )


def _cdf(runs: Sequence[dict[str, Any]], trace: str, peers: list[str]) -> str:
    import math

    def x(seconds: float) -> float:
        return 20 + 560 * (math.log10(min(max(seconds, 1e-4), 10.0)) + 4) / 5

    lines = [f'<line x1="{x(FRAME_S)}" x2="{x(FRAME_S)}" y1="10" y2="190" stroke="#999" stroke-dasharray="4"/>']
    for index, peer in enumerate(peers):
        waits = sorted(t["painted_s"] for run in runs if (run["trace"], run["peer"]) == (trace, peer) for t in run["turns"])
        points = " ".join(f"{x(wait):.1f},{190 - 180 * (rank + 1) / len(waits):.1f}" for rank, wait in enumerate(waits))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{_colour(index)}" stroke-width="2"/>')
    ticks = "".join(
        f'<text x="{x(10.0**power)}" y="205" font-size="11" text-anchor="middle">{label}</text>'
        for power, label in ((-4, "0.1 ms"), (-3, "1 ms"), (-2, "10 ms"), (-1, "100 ms"), (0, "1 s"), (1, "10 s"))
    )
    return (
        f'<svg width="600" height="212" role="img" aria-label="latencies of {html.escape(trace)}">{"".join(lines)}{ticks}</svg>'
    )


def _timeline(runs: Sequence[dict[str, Any]], peers: list[str]) -> str:
    if not runs:
        return ""
    document = runs[0]["document"]
    chosen = [run for run in runs if run["document"] == document]
    last_s = max(turn["at_s"] for run in chosen for turn in run["turns"]) or 1.0
    worst_s = max(0.05, max(turn["painted_s"] for run in chosen for turn in run["turns"]))
    dots = [
        f'<circle cx="{20 + 760 * turn["at_s"] / last_s:.1f}" cy="{190 - 180 * turn["painted_s"] / worst_s:.1f}" r="3" '
        f'fill="{_colour(peers.index(run["peer"]))}"/>'
        for run in chosen
        for turn in run["turns"]
    ]
    label = f"{html.escape(document)}: 0 to {worst_s * 1000:.0f} ms"
    return f'<p>{label}</p><svg width="800" height="200" role="img" aria-label="timeline">{"".join(dots)}</svg>'
