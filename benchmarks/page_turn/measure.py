"""Runs a trace with a peer in a fresh process and measures each turn.

The clock of a turn starts when the trace wants it, not when the peer gets round to it: who is late with one page is late with
the next. A peer that is more than one turn behind goes straight to the newest, as an application that drops stale events does;
the turns it skipped count as painted when that one is.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import psutil

import sidebooks_core as sb
from benchmarks import corpus
from benchmarks.page_turn.peers import PEERS, fit, open_pymupdf
from benchmarks.page_turn.profiles import Profile, Quota, bind
from benchmarks.page_turn.traces import Course, Step, Trace
from sidebooks_core.tiling.spreads import SINGLE_PAGES, SpreadRule, Spreads

AFTER_LAST_S = 3.0
"""How long the last page is looked at."""
SAMPLE_EVERY_S = 0.05
PSS_EVERY_S = 1.0
"""And at each new peak of RSS. PSS takes the kernel a walk through all memory of a process."""
LIMIT_S = 900.0
BARE_LIMIT_S = 60.0


def courses_of(documents: Sequence[corpus.Document], *, is_spread: bool) -> list[Course]:
    """What the traces go through, found by us for all peers: they need not know of spreads and outlines."""
    found = []
    with sb.TileService(sb.Settings(cache_dir=None)) as service:
        for document in documents:
            opened = service.open(document.path, document.password)
            sizes = [(page.width_pt, page.height_pt) for page in opened.info.pages]
            rule = SpreadRule() if is_spread else SINGLE_PAGES
            screens = Spreads.of_pages(sizes, "rtl" if opened.direction == "rtl" else "ltr", rule).spreads
            screen_of = {page: index for index, pages in enumerate(screens) for page in pages}
            targets = {item.page for item in opened.outline if item.page is not None}
            found.append(Course(tuple(screens), tuple(sorted({screen_of[page] for page in targets}))))
    return found


def run(
    documents: Sequence[corpus.Document], courses: Sequence[Course], peer: str, trace: Trace, profile: Profile, turns: int
) -> dict[str, Any] | None:
    """The turns of one run; None where the peer cannot open a document or fails on it."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    steps = trace.steps(courses, turns)
    files = [(str(document.path), document.password) for document in documents]
    arguments = (files, courses, peer, steps, trace.is_spread, profile, there)
    process = context.Process(target=_child, args=arguments)
    quota = Quota(profile)
    process.start()
    assert process.pid is not None
    quota.hold(process.pid)
    there.close()
    watched = psutil.Process(process.pid)
    peak_bytes = peak_pss_bytes = 0
    pss_at_s = 0.0
    deadline_s = time.monotonic() + LIMIT_S
    result: dict[str, Any] | None = None
    while time.monotonic() < deadline_s:
        try:
            if here.poll(SAMPLE_EVERY_S):
                result = here.recv()
                break
            family = [watched, *watched.children(recursive=True)]
            size_bytes = sum(_own_bytes(one) for one in family)
            if size_bytes > peak_bytes or time.monotonic() > pss_at_s + PSS_EVERY_S:
                pss_at_s = time.monotonic()
                peak_pss_bytes = max(peak_pss_bytes, sum(_shared_bytes(one) for one in family))
            peak_bytes = max(peak_bytes, size_bytes)
        except (EOFError, psutil.Error):
            break
    process.join(30)
    if process.is_alive():
        process.kill()
        process.join()
    quota.close()
    if result is None or "error" in result:
        return None
    names = ", ".join(document.path.name for document in documents)
    head = {
        "document": names,
        "kind": documents[0].kind,
        "peer": peer,
        "trace": trace.name,
        "profile": profile.name,
        "quota": quota.why_not or profile.quota,
    }
    return head | result | {"peak_bytes": peak_bytes, "peak_pss_bytes": peak_pss_bytes}


def bare_draw_s(document: corpus.Document, page: int, profile: Profile) -> float | None:
    """Seconds in which PyMuPDF draws a page to fit the screen and does nothing else, in a process that has drawn another.

    None where it dies of the page, or takes longer than anybody would wait.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_bare_child, args=(str(document.path), document.password, page, profile, there))
    quota = Quota(profile)
    process.start()
    assert process.pid is not None
    quota.hold(process.pid)
    there.close()
    try:
        took_s: float | None = here.recv() if here.poll(BARE_LIMIT_S) else None
    except EOFError:
        took_s = None
    process.kill()
    process.join()
    quota.close()
    return took_s


def _bare_child(path: str, password: str | None, page: int, profile: Profile, answer: Connection) -> None:
    import pymupdf

    bind(profile)
    document = open_pymupdf(path, password)
    for number in (page - 1 if page else min(1, document.page_count - 1), page):
        started_s = time.perf_counter()
        sheet = document[number]
        scale = fit(sheet.rect.width, sheet.rect.height, profile.view_px)
        sheet.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False)
        took_s = time.perf_counter() - started_s
    answer.send(took_s)


def _own_bytes(process: Any) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it ended between the listing and the look
        return 0


def _shared_bytes(one: Any) -> int:
    """PSS: a page that several processes share counts in parts. 0 where the system does not tell it."""
    try:
        return int(getattr(one.memory_full_info(), "pss", 0))
    except psutil.Error:
        return 0


def _child(
    files: list[tuple[str, str | None]],
    courses: Sequence[Course],
    peer: str,
    steps: list[Step],
    is_spread: bool,
    profile: Profile,
    answer: Connection,
) -> None:
    bind(profile)
    try:
        opened = PEERS[peer](files, profile, is_spread)
    except Exception as error:  # noqa: BLE001 - a peer that cannot open a document is left out, the others go on
        answer.send({"error": repr(error)})
        return
    try:
        opened.show(steps[0].document, courses[steps[0].document].screens[steps[0].screen], 1.0, time.perf_counter() + 60.0)
        opened.ready()
        answer.send({"turns": follow(opened, courses, steps), **opened.figures()})
    except Exception as error:  # noqa: BLE001 - likewise for a page
        answer.send({"error": repr(error)})
    finally:
        opened.close()


def follow(peer: Any, courses: Sequence[Course], steps: list[Step]) -> list[dict[str, Any]]:
    """Turn as the steps say, and return what each turn brought."""
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
        shown = peer.show(step.document, courses[step.document].screens[step.screen], step.zoom, until_s)
        for skipped in range(first, index + 1):
            late_s = called_s - start_s - steps[skipped].at_s
            turns.append(
                {
                    "at_s": steps[skipped].at_s,
                    "document": steps[skipped].document,
                    "pages": courses[steps[skipped].document].screens[steps[skipped].screen],
                    "painted_s": late_s + shown.painted_s,
                    "sharp_s": late_s + shown.sharp_s if shown.sharp_s is not None and skipped == index else None,
                    "resolution": shown.resolution,
                    "bytes": shown.bytes if skipped == index else 0,
                    "is_last": skipped == len(steps) - 1,
                }
            )
        index += 1
    return turns
