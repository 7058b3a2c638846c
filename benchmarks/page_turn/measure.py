"""Runs a trace with a peer in a fresh process and measures each turn.

The clock of a turn starts when the trace wants it, not when the peer gets round to it: who is late with one page is late with
the next. A peer that is more than one turn behind goes straight to the newest, as an application that drops stale events does;
the turns it skipped count as painted when that one is.
"""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

from benchmarks import corpus
from benchmarks.page_turn.peers import PEERS
from benchmarks.page_turn.profiles import Profile, enforce
from benchmarks.page_turn.traces import TRACES, Step

AFTER_LAST_S = 3.0
"""How long the last page is looked at."""
SAMPLE_EVERY_S = 0.05
LIMIT_S = 900.0


def run(document: corpus.Document, peer: str, trace: str, profile: Profile, turns: int) -> dict[str, Any] | None:
    """The turns of one run; None where the peer cannot open the document or fails on it."""
    import psutil

    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    arguments = (str(document.path), document.password, peer, trace, profile, turns, there)
    process = context.Process(target=_child, args=arguments)
    process.start()
    there.close()
    watched = psutil.Process(process.pid)
    peak_bytes = 0
    deadline_s = time.monotonic() + LIMIT_S
    result: dict[str, Any] | None = None
    while time.monotonic() < deadline_s:
        try:
            if here.poll(SAMPLE_EVERY_S):
                result = here.recv()
                break
            family = [watched, *watched.children(recursive=True)]
            peak_bytes = max(peak_bytes, sum(_own_bytes(one) for one in family))
        except (EOFError, psutil.Error):
            break
    process.join(30)
    if process.is_alive():
        process.kill()
        process.join()
    if result is None or "error" in result:
        return None
    head = {"document": document.path.name, "kind": document.kind, "peer": peer, "trace": trace, "profile": profile.name}
    return head | result | {"peak_bytes": peak_bytes}


def _own_bytes(process: Any) -> int:
    import psutil

    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it ended between the listing and the look
        return 0


def _child(path: str, password: str | None, peer: str, trace: str, profile: Profile, turns: int, answer: Connection) -> None:
    enforce(profile)
    try:
        opened = PEERS[peer](path, password, profile)
    except Exception as error:  # noqa: BLE001 - a peer that cannot open a document is left out, the others go on
        answer.send({"error": repr(error)})
        return
    chosen = next(one for one in TRACES if one.name == trace)
    steps = chosen.steps(opened.page_count, turns)
    try:
        opened.show(steps[0].page, 1.0, time.perf_counter() + 60.0)
        opened.ready()
        answer.send({"turns": _follow(opened, steps), **opened.figures()})
    except Exception as error:  # noqa: BLE001 - likewise for a page
        answer.send({"error": repr(error)})
    finally:
        opened.close()


def _follow(peer: Any, steps: list[Step]) -> list[dict[str, Any]]:
    start_s = time.perf_counter() + 0.5
    turns: list[dict[str, Any]] = []
    index = 1
    while index < len(steps):
        pause_s = start_s + steps[index].at_s - time.perf_counter()
        if pause_s > 0:
            time.sleep(pause_s)
        first = index
        now_s = time.perf_counter() - start_s
        while index + 1 < len(steps) and steps[index + 1].at_s <= now_s:
            index += 1
        step = steps[index]
        until_s = start_s + (steps[index + 1].at_s if index + 1 < len(steps) else step.at_s + AFTER_LAST_S)
        called_s = time.perf_counter()
        shown = peer.show(step.page, step.zoom, until_s)
        for skipped in range(first, index + 1):
            late_s = called_s - start_s - steps[skipped].at_s
            turns.append(
                {
                    "at_s": steps[skipped].at_s,
                    "page": steps[skipped].page,
                    "painted_s": late_s + shown.painted_s,
                    "sharp_s": late_s + shown.sharp_s if shown.sharp_s is not None and skipped == index else None,
                    "resolution": shown.resolution,
                    "bytes": shown.bytes if skipped == index else 0,
                    "is_last": skipped == len(steps) - 1,
                }
            )
        index += 1
    return turns
