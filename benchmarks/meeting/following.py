"""Followers of one presenter: from the presenter's message to the page on each screen, with the pages fetched before.

    python -m benchmarks.meeting.following [--followers N,N] [--turns N] [--processes N] [--documents PATH] [--only SCENE,SCENE]
        [--json FILE] [--quick]

turns: the presenter turns page by page; every tablet has fetched and decoded the next pages, as the viewer does.
jumps: the presenter goes to pages that nobody has; each tablet shows the preview first, and asks for the sharp page within
0.2 s, as the viewer does. Measured beyond the bare draw of the page.
disturbed: turns, in blocks that take turns: nobody disturbs; one follower never reads; one has a line that loses 20 % of its
packets; ten connect anew each second. The table has the others.

The clock starts when the presenter's message is written, and stops for each follower when the page is on its screen: arrival,
and decoding if the page was not decoded before. With --processes, server processes share the meeting through a Redis, which
must be on this machine. Followers are tasks of one process on the same processors as the server: what is measured is more
than the server takes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.meeting.__main__ import bare_draw_s, bundle_like, in_process, served
from benchmarks.meeting.disturbing import DISTURBANCES, disturbing
from benchmarks.meeting.followers import Follower, Place, Screens
from benchmarks.meeting.redis_server import redis_server
from benchmarks.reporting import HEADERS, Percentiles, machine, print_machine, table, write_json

SEED = 20261130
BOUNDS_MS = {100: 100, 300: 150, 1000: 300}
PREVIEW_MS = 150
OVER_DRAW_MS = 250
TURN_EVERY_S = 0.7
JUMPERS = 100
JOIN_WITHIN_S = 10.0
PREPARED_WITHIN_S = 600.0
SCENES = ("turns", "jumps", "disturbed")
PROXY = ("--trust-proxy", "127.0.0.1", "--group-role", "clerks=admin", "--group-role", "members=member")
"""Who asks is said by a header, as a proxy does that logs people in."""
CHAIR = {"X-Remote-User": "chair", "X-Remote-Groups": "clerks", "Content-Type": "application/json"}


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks.meeting.following", description=__doc__.split("\n\n")[0])
    parser.add_argument("--followers", type=_numbers, default=(100, 300, 1000), metavar="N,N", help="how many, in turn")
    parser.add_argument("--turns", type=int, default=30, help="of the presenter, in each scene")
    parser.add_argument("--processes", type=int, default=1, help="server processes; more than one share a Redis")
    parser.add_argument("--documents", type=Path, help="of these the PDF with about 600 pages is shown (default: the corpus)")
    parser.add_argument("--only", type=lambda text: tuple(text.split(",")), default=SCENES, help=", ".join(SCENES))
    parser.add_argument("--json", type=Path, help="write every measurement there")
    parser.add_argument("--quick", action="store_true", help="few followers, few turns; two processes if there is a Redis")
    chosen = parser.parse_args(arguments)
    crowds, turns, jumpers, processes = chosen.followers, chosen.turns, JUMPERS, chosen.processes
    if chosen.quick:
        crowds, turns, jumpers, processes = (8,), 3, 8, 2 if shutil.which("redis-server") else 1
    described = machine("pymupdf", "uvicorn", "websockets") | {"server processes": str(processes)}
    print_machine(described)
    path = bundle_like(chosen.documents)
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
    if chosen.json:
        write_json(chosen.json, described, measured)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in text.split(","))


@contextmanager
def meeting_of(path: Path, processes: int) -> Iterator[Place]:
    """A server with a meeting about one document, in which everybody may be."""
    with tempfile.TemporaryDirectory(prefix="sidebooks-meeting-") as folder:
        options = ["--data", f"{folder}/data", *PROXY]
        with ExitStack() as stack:
            if processes > 1:
                hub = stack.enter_context(redis_server(Path(folder)))
                options += ["--hub", hub, "--processes", str(processes)]
            yield _begun(stack.enter_context(served([path], f"{folder}/cache", *options)))


def _begun(address: str) -> Place:
    [paper] = ask(address, "GET", "folders/top")["papers"]
    meeting = ask(address, "POST", f"papers/{paper['id']}/meetings", {"name": "第1回定例会"})
    document = _prepared(address, paper["id"])["document"]
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    return Place(host, int(port), meeting["id"], {paper["id"]: (document["id"], paper["page_count"])})


def _prepared(address: str, paper: str) -> Any:
    """A paper, when its previews are there: it was registered days before."""
    until_s = time.monotonic() + PREPARED_WITHIN_S
    while True:
        found = ask(address, "GET", f"papers/{paper}")
        if found["progress"]["previews"] >= found["page_count"] > 0:
            return found
        if time.monotonic() > until_s:
            raise RuntimeError(f"the paper is not prepared after {PREPARED_WITHIN_S} s: {found['progress']}")
        time.sleep(0.2)


def ask(address: str, method: str, path: str, body: Any = None) -> Any:
    """What the server answers to the chair."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}{path}", data, CHAIR, method=method)
    with urllib.request.urlopen(request, timeout=120) as reply:
        read = reply.read()
        return json.loads(read) if read else None


@asynccontextmanager
async def crowd_in(place: Place, count: int) -> AsyncIterator[tuple[Follower, list[Follower]]]:
    """The presenter, and so many followers, all with the page on their screens."""
    screens = Screens()
    presenter = Follower(place, "chair", screens)
    presenter.calm = False
    followers = [Follower(place, f"tablet-{number}", screens) for number in range(count)]
    try:
        await presenter.join()
        await asyncio.gather(*(_later(one, JOIN_WITHIN_S * number / count) for number, one in enumerate(followers)))
        yield presenter, followers
    finally:
        for one in (presenter, *followers):
            one.close()


async def _later(follower: Follower, wait_s: float) -> None:
    await asyncio.sleep(wait_s)
    await follower.join()


class Show:
    """What the presenter shows, and when it was on the screens."""

    def __init__(self, place: Place, presenter: Follower, followers: Sequence[Follower]) -> None:
        self._presenter = presenter
        self._followers = followers
        [(self.paper, (_, self.page_count))] = place.documents.items()
        self.waits: list[dict[str, float]] = []
        self.late: int = 0
        """Pages that were on a screen only after `PATIENCE_S`, or not at all."""

    async def page(self, page: int) -> None:
        """Show a page, and wait until it is on all screens."""
        for one in self._followers:
            one.paints.clear()
        revision = 1 if self._presenter.state is None else max(1, self._presenter.state["revision"])
        sent_s = time.time()
        done = await self._presenter.command("show", paper=self.paper, revision=revision, page=page)
        if done["kind"] != "done":
            raise RuntimeError(f"the page cannot be shown: {done}")
        position = done["epoch"], done["seq"]
        for paint in await asyncio.gather(*(one.painted(position) for one in self._followers)):
            if paint is None:
                self.late += 1
                continue
            preview_s = paint.sharp_s if paint.preview_s is None else min(paint.preview_s, paint.sharp_s)
            self.waits.append(
                {
                    "page": page,
                    "arrived": paint.arrived_s - sent_s,
                    "preview": preview_s - sent_s,
                    "sharp": paint.sharp_s - sent_s,
                }
            )

    async def load_ahead(self, pages: Sequence[int]) -> None:
        """Every tablet fetches pages, at a time of its own."""
        there = [page for page in pages if page <= self.page_count]
        await asyncio.gather(*(one.load_ahead(there) for one in (self._presenter, *self._followers)))


async def turning(place: Place, count: int, turns: int) -> dict[str, Any]:
    """The presenter turns page by page."""
    async with crowd_in(place, count) as (presenter, followers):
        show = Show(place, presenter, followers)
        for page in range(2, 2 + min(turns, show.page_count - 1)):
            await show.load_ahead([page, page + 1])
            await asyncio.sleep(TURN_EVERY_S)
            await show.page(page)
        await presenter.until(lambda: presenter.progress.get("painted", 0) > count)
        return _result(show, followers) | {"progress": presenter.progress}


async def jumping(place: Place, count: int, jumps: int) -> dict[str, Any]:
    """The presenter goes to pages that nobody has seen."""
    chance = random.Random(SEED)
    async with crowd_in(place, count) as (presenter, followers):
        show = Show(place, presenter, followers)
        pages = chance.sample(range(min(100, show.page_count // 2), show.page_count + 1), min(jumps, show.page_count // 3))
        for page in pages:
            await show.page(page)
            await asyncio.sleep(TURN_EVERY_S)
        return _result(show, followers)


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


def _result(show: Show, followers: Sequence[Follower]) -> dict[str, Any]:
    return {
        "waits_s": show.waits,
        "late": show.late,
        "failures": [failure for one in followers for failure in one.failures],
        "message_bytes": sum(one.wire.bytes for one in followers if one.wire is not None),
    }


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
