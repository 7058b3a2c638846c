"""Tables for the terminal, and series for the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks import results
from benchmarks.page_turn.measure import AFTER_LAST_S
from benchmarks.results import Series
from benchmarks.tables import Percentiles, table

FRAME_S = 1 / 60
SLOW_S = 0.1


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
                    f"{max(run['peak_pss_bytes'] for run in chosen) / 2**20:.0f}",
                ]
            )
    return found


HEADERS = [
    "trace", "peer", "turns", "painted median", "p95", "p99", "max", "in 16.7 ms", "in 100 ms", "sharp on arrival",
    "sharp p95", "renders", "waste", "peak MiB", "PSS MiB",
]  # fmt: skip
SHARP_HEADERS = ["until sharp, ms", "peer", "turns", "median", "p95", "p99", "max", "never"]


def text(runs: Sequence[dict[str, Any]]) -> str:
    """The table."""
    return table(HEADERS, rows(runs))


def sharp_text(runs: Sequence[dict[str, Any]]) -> str:
    """Until the page is sharp: all percentiles. Who turns on before that never sees it so."""
    found = []
    for trace in dict.fromkeys(run["trace"] for run in runs):
        for peer in dict.fromkeys(run["peer"] for run in runs):
            turns = [turn for run in runs if (run["trace"], run["peer"]) == (trace, peer) for turn in run["turns"]]
            sharp_ms = [turn["sharp_s"] * 1000 for turn in turns if turn["sharp_s"] is not None]
            if sharp_ms:
                never = str(len(turns) - len(sharp_ms))
                found.append([trace, peer, str(len(turns)), *Percentiles.of(sharp_ms).cells(".1f"), never])
    return table(SHARP_HEADERS, found)


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


def series_of(runs: Sequence[dict[str, Any]]) -> list[Series]:
    """For each trace: until something is painted, and until the page is sharp. Of each peer: the memory of its processes."""
    found: list[Series] = []
    for peer in dict.fromkeys(run["peer"] for run in runs):
        peaks = {f"{run['document']} {run['trace']}": run["peak_pss_bytes"] / 2**20 for run in runs if run["peer"] == peer}
        found += results.measured("Peak of PSS of all processes", peer, "MiB", peaks.values(), labels=peaks)
    for trace in dict.fromkeys(run["trace"] for run in runs):
        for moment, key in (("something is painted", "painted_s"), ("the page is sharp", "sharp_s")):
            for peer in dict.fromkeys(run["peer"] for run in runs):
                turns = {
                    f"{run['document']} {number}": turn[key] * 1000
                    for run in runs
                    if (run["trace"], run["peer"]) == (trace, peer)
                    for number, turn in enumerate(run["turns"], 1)
                    if turn[key] is not None
                }
                found += results.measured(f"{trace}: until {moment}", peer, "ms", turns.values(), labels=turns)
    return found


def _share(holds: Any) -> str:
    outcomes = list(holds)
    return f"{sum(outcomes) / len(outcomes):.1%}"
