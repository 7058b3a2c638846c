"""What does a whole bundle cost a hundred followers and their server: drawings, bytes, memory?

    python -m benchmarks meeting.bundle [--followers N] [--pages N] [--every S] [--documents PATH] [--json FILE] [--quick]

They follow a presenter page by page: a meeting of two hours in ten minutes. Each tablet fetches the page and the next two, as
the viewer does. It tells how often pages were drawn, what each tablet fetched, how long the pages took to be on the screens,
and the memory of the server with its workers, from the first page to the last. Linux only, for the memory.

What the numbers do not say: what a wireless network adds, and what real browsers take. Server and tablets share the processors.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

from benchmarks import corpus, results
from benchmarks.meeting.followers import Place
from benchmarks.meeting.scene import CHAIR, Show, crowd_in, meeting_of, result_of
from benchmarks.meeting.serving import bundle_like, counters, in_process, tree_mib
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

SAMPLES = 10
"""Of the memory."""
MOST_GROWTH = 1.25
"""Of the memory beside the cache of images, whose own bound is in the settings: the last sample against that after a fifth of
the pages."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks meeting.bundle", description=__doc__.split("\n\n")[0])
    parser.add_argument("--followers", type=int, default=100)
    parser.add_argument("--pages", type=int, default=600)
    parser.add_argument("--every", type=float, default=1.0, metavar="S", help="seconds from page to page (default 1)")
    parser.add_argument("--documents", type=Path, help="of these the PDF with about 600 pages is shown (default: the corpus)")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="few followers, few pages")
    chosen = parser.parse_args(arguments)
    count, pages, every_s = (8, 12, 0.1) if chosen.quick else (chosen.followers, chosen.pages, chosen.every)
    begun = begin(chosen, "pymupdf", "uvicorn", "websockets")
    with corpus.needed_by(parser):
        path = bundle_like(chosen.documents, is_quick=chosen.quick)
    with meeting_of(path, 1) as place:
        before = counters(place.address, CHAIR)
        found = in_process(reading, place, count, pages, every_s)
        renders = counters(place.address, CHAIR)["sidebooks_renders_total"] - before["sidebooks_renders_total"]
    report(path, found, renders)
    begun.finish(series_of(found, renders), found)


async def reading(place: Place, count: int, pages: int, every_s: float) -> dict[str, Any]:
    """The presenter turns at fixed times, and everybody fetches what comes next."""
    memory: list[tuple[float, float]] = []
    async with crowd_in(place, count) as (presenter, followers):
        show = Show(place, presenter, followers)
        pages = min(pages, show.page_count)
        started_s = time.monotonic()
        for page in range(1, pages + 1):
            if page > 1:
                await show.page(page)
            await show.load_ahead([page, page + 1, page + 2])
            if page % max(1, pages // SAMPLES) == 0:
                memory.append(await asyncio.to_thread(memory_mib, place))
            await asyncio.sleep(max(0.0, started_s + page * every_s - time.monotonic()))
        return result_of(show, followers) | {
            "followers": count,
            "pages": pages,
            "took_s": time.monotonic() - started_s,
            "memory_mib": memory,
            "body_bytes": sum(one.browser.bytes for one in followers),
            "images": len(set().union(*(one.browser.kept for one in (presenter, *followers)))),
        }


def memory_mib(place: Place) -> tuple[float, float]:
    """Of the server and its workers, and what of it is the cache of images."""
    return tree_mib(place.pid), counters(place.address, CHAIR)["sidebooks_memory_bytes"] / (1 << 20)


def series_of(found: dict[str, Any], renders: float) -> list[Series]:
    """The waits; the rest are single figures, but for the memory over time."""
    count = found["followers"]
    return [
        *results.measured("From the message to the page", "followers", "ms", (one["sharp"] * 1000 for one in found["waits_s"])),
        *results.measured("Drawings", "different images", "count", [found["images"]]),
        *results.measured("Drawings", "drawn", "count", [renders]),
        *results.measured("Fetched by each tablet", "pages", "MB", [found["body_bytes"] / count / 1e6]),
        *results.measured("Fetched by each tablet", "messages", "MB", [found["message_bytes"] / count / 1e6]),
        *results.measured(
            "Memory of the server, over time", "server and workers", "MiB", (one for one, _ in found["memory_mib"])
        ),
    ]


def report(path: Path, found: dict[str, Any], renders: float) -> None:
    """What was drawn, fetched and kept."""
    count, memory = found["followers"], found["memory_mib"]
    print(f"\n{path.name}: {count} followers through {found['pages']} pages in {found['took_s']:.0f} s")
    waits = Percentiles.of(one["sharp"] * 1000 for one in found["waits_s"])
    row = ["the page is painted", str(waits.count), *waits.cells()]
    print(table(["until", "times", *[f"{one}, ms" for one in HEADERS]], [row]))
    print(f"  never on a screen: {found['late']}; requests that failed: {len(found['failures'])}")
    print(f"  {found['images']} different images; drawn: {renders:.0f}")
    print(
        f"  fetched by each tablet: {found['body_bytes'] / count / 1e6:.1f} MB of pages, "
        f"{found['message_bytes'] / count / 1e3:.0f} kB of messages"
    )
    beside = [whole - cache for whole, cache in memory]
    print(f"  memory of the server and its workers, MiB: {', '.join(f'{whole:.0f}' for whole, _ in memory)}")
    print(f"  of it the cache of images: {', '.join(f'{cache:.0f}' for _, cache in memory)}")
    growth = beside[-1] / beside[len(beside) // 5]
    print(f"  beside the cache the last is {growth:.2f} of that after a fifth of the pages (the bound is {MOST_GROWTH})")


if __name__ == "__main__":
    main()
