"""How long from the presenter's message to the page on the screens of 100, 300 and 1,000 followers?

    python -m benchmarks meeting.following [--followers N,N] [--turns N] [--processes N] [--documents PATH] [--only SCENE,SCENE]
        [--json FILE] [--html FILE] [--quick]

turns: the presenter turns page by page; every tablet has fetched and decoded the next pages, as the viewer does.
jumps: the presenter goes to pages that nobody has. Each tablet has the previews of the paper, which the viewer fetches soon
after it has opened it. It shows one at once, and asks for the sharp page within 0.2 s. Measured beyond the bare draw of it.
disturbed: turns, in blocks that take turns: nobody disturbs; one follower never reads; one has a line that loses 20 % of its
packets; ten connect anew each second. The table has the others.

The clock starts when the presenter's message is written, and stops for each follower when the page is on its screen: arrival,
and decoding if the page was not decoded before. With --processes, server processes share the meeting through a Redis, which
must be on this machine.

What the numbers do not say: how long the server alone takes. Followers are tasks of one process on the same processors, so that
what is measured is more. Nor what a wireless network adds. `meeting.screens` has real browsers.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from pathlib import Path
from typing import Any

from benchmarks import corpus, results
from benchmarks.meeting.disturbing import DISTURBANCES, disturbing
from benchmarks.meeting.followers import Place
from benchmarks.meeting.redis_server import has_redis
from benchmarks.meeting.scene import Show, crowd_in, meeting_of, result_of
from benchmarks.meeting.serving import bare_draw_s, bundle_like, in_process
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

SEED = 20261130
BOUNDS_MS = {100: 100, 300: 150, 1000: 300}
PREVIEW_MS = 150
OVER_DRAW_MS = 250
TURN_EVERY_S = 0.7
JUMPERS = 100
SCENES = ("turns", "jumps", "disturbed")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks meeting.following", description=__doc__.split("\n\n")[0])
    parser.add_argument("--followers", type=_numbers, default=(100, 300, 1000), metavar="N,N", help="how many, in turn")
    parser.add_argument("--turns", type=int, default=30, help="of the presenter, in each scene")
    parser.add_argument("--processes", type=int, default=1, help="server processes; more than one share a Redis")
    parser.add_argument("--documents", type=Path, help="of these the PDF with about 600 pages is shown (default: the corpus)")
    parser.add_argument("--only", type=lambda text: tuple(text.split(",")), default=SCENES, help=", ".join(SCENES))
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="few followers, few turns; two processes if there is a Redis")
    chosen = parser.parse_args(arguments)
    crowds, turns, jumpers, processes = chosen.followers, chosen.turns, JUMPERS, chosen.processes
    if chosen.quick:
        crowds, turns, jumpers, processes = (8,), 3, 8, 2 if has_redis() else 1
    if unknown := set(chosen.only) - set(SCENES):
        parser.error(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(SCENES)}")
    begun = begin(chosen, "pymupdf", "uvicorn", "websockets", processes=str(processes))
    with corpus.needed_by(parser):
        path = bundle_like(chosen.documents, is_quick=chosen.quick)
    measured: list[Any] = []
    with meeting_of(path, processes) as place:
        print(f"{path.name}, {next(iter(place.documents.values()))[1]} pages")
        if "turns" in chosen.only:
            for crowd in crowds:
                measured.append({"scene": "turns", "followers": crowd} | in_process(turning, place, crowd, turns))
                report_turns(measured[-1])
        if "jumps" in chosen.only:
            measured.append({"scene": "jumps", "followers": jumpers} | in_process(jumping, place, jumpers, turns))
            report_jumps(measured[-1], path)
        if "disturbed" in chosen.only:
            measured.append({"scene": "disturbed", "followers": jumpers} | in_process(disturbed, place, jumpers, turns))
            report_disturbed(measured[-1])
    begun.finish(series_of(measured), measured)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in text.split(","))


async def turning(place: Place, count: int, turns: int) -> dict[str, Any]:
    """The presenter turns page by page."""
    async with crowd_in(place, count) as (presenter, followers):
        show = Show(place, presenter, followers)
        for page in range(2, 2 + min(turns, show.page_count - 1)):
            await show.load_ahead([page, page + 1])
            await asyncio.sleep(TURN_EVERY_S)
            await show.page(page)
        await presenter.until(lambda: presenter.progress.get("painted", 0) > count)
        return result_of(show, followers) | {"progress": presenter.progress}


async def jumping(place: Place, count: int, jumps: int) -> dict[str, Any]:
    """The presenter goes to pages that nobody has seen."""
    chance = random.Random(SEED)
    async with crowd_in(place, count) as (presenter, followers):
        show = Show(place, presenter, followers)
        await asyncio.gather(*(one.load_previews() for one in followers))
        pages = chance.sample(range(min(100, show.page_count // 2), show.page_count + 1), min(jumps, show.page_count // 3))
        for page in pages:
            await show.page(page)
            await asyncio.sleep(TURN_EVERY_S)
        return result_of(show, followers)


async def disturbed(place: Place, count: int, turns: int) -> dict[str, Any]:
    """Turns in blocks, each with another disturbance."""
    waits: dict[str, list[float]] = {name: [] for name in DISTURBANCES}
    page = 1
    async with crowd_in(place, count) as (presenter, followers):
        show = Show(place, presenter, followers)
        for _ in range(max(1, turns // 5)):
            for name in DISTURBANCES:
                async with disturbing(name, place):
                    for _ in range(min(turns, 5)):
                        page = page % show.page_count + 1
                        await show.load_ahead([page])
                        await asyncio.sleep(TURN_EVERY_S / 2)
                        show.waits.clear()
                        await show.page(page)
                        waits[name] += [one["sharp"] for one in show.waits]
        failures = [failure for one in followers for failure in one.failures]
        return {"waits_s": waits, "late": show.late, "failures": failures}


def series_of(measured: list[Any]) -> list[Series]:
    """A group for each scene."""
    found: list[Series] = []
    for one in measured:
        waits, scene = one["waits_s"], f"{one['scene']}, {one['followers']} followers"
        if one["scene"] == "disturbed":
            for name, some in waits.items():
                found += results.measured(
                    f"The page is sharp: {scene}", f"disturbed by {name}", "ms", (wait * 1000 for wait in some)
                )
            continue
        for what, key in (
            ("the state is there", "arrived"),
            ("a preview is painted", "preview"),
            ("the page is sharp", "sharp"),
        ):
            found += results.measured(f"From the message: {scene}", what, "ms", (wait[key] * 1000 for wait in waits))
    return found


def report_turns(found: dict[str, Any]) -> None:
    """Against the bound for so many followers."""
    count = found["followers"]
    bound_ms = BOUNDS_MS.get(count)
    rows = [
        [what, str(len(found["waits_s"])), *Percentiles.of(one[key] * 1000 for one in found["waits_s"]).cells()]
        for what, key in (("the state is there", "arrived"), ("the page is painted", "sharp"))
    ]
    print(f"\n{count} followers, page by page" + (f" (the bound of p99 is {bound_ms} ms)" if bound_ms else ""))
    print(table(["until", "times", *[f"{one}, ms" for one in HEADERS]], rows))
    _report_faults(found)
    print(f"  the presenter read at the end: {found['progress']['painted']} of {count + 1} screens have the page, its own too")


def report_jumps(found: dict[str, Any], path: Path) -> None:
    """Beyond the bare draw of each page."""
    waits = found["waits_s"]
    bare_s = {page: bare_draw_s(path, page) for page in {one["page"] for one in waits}}
    draws = Percentiles.of(one * 1000 for one in bare_s.values())
    over = Percentiles.of((one["sharp"] - bare_s[one["page"]]) * 1000 for one in waits)
    count = str(len(waits))
    rows = [
        ["the preview is painted", count, *Percentiles.of(one["preview"] * 1000 for one in waits).cells(), str(PREVIEW_MS)],
        ["the page is sharp", count, *Percentiles.of(one["sharp"] * 1000 for one in waits).cells(), "—"],
        ["sharp, less its bare draw", count, *over.cells(), str(OVER_DRAW_MS)],
    ]
    print(
        f"\n{found['followers']} followers, {len(bare_s)} jumps to pages that nobody has; "
        f"bare draw: {draws.median:.0f} ms in the median, {draws.max:.0f} at most"
    )
    print(table(["until", "times", *[f"{one}, ms" for one in HEADERS], "bound of p99, ms"], rows))
    _report_faults(found)


def report_disturbed(found: dict[str, Any]) -> None:
    """The others, with each disturbance."""
    calm = Percentiles.of(one * 1000 for one in found["waits_s"]["nobody"])
    rows = []
    for name, waits in found["waits_s"].items():
        here = Percentiles.of(one * 1000 for one in waits)
        rows.append([name, str(len(waits)), *here.cells(), f"{here.median / calm.median:.2f}", f"{here.p99 / calm.p99:.2f}"])
    print(f"\n{found['followers']} followers beside others who disturb")
    print(table(["who disturbs", "times", *[f"{one}, ms" for one in HEADERS], "median/calm", "p99/calm"], rows))
    _report_faults(found)


def _report_faults(found: dict[str, Any]) -> None:
    print(f"  never on a screen: {found['late']}; requests that failed: {len(found['failures'])}")
    for failure in found["failures"][:3]:
        print(f"    {failure}")


if __name__ == "__main__":
    main()
