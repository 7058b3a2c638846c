"""How long from the presenter's message to the page in real, slow browsers among the followers?

    python -m benchmarks meeting.screens [--browsers N] [--followers N] [--slower N] [--turns N] [--documents PATH]
        [--json FILE] [--html FILE] [--quick]

One follower is Chromium with the viewer, slowed down as a cheap tablet is; the others are clients of `followers`. One browser
comes after the other: a slowed one keeps a processor busy, so that more at once would wait for each other, as no tablets do.
The presenter turns page by page. The clock starts when the presenter's message is written, and stops in a browser in the first
task after the one that painted the page. A row has how long the state took to arrive in the browser, and another one the rest.

What the numbers do not say: how long a tablet of one's own takes. The browser, the others and the server share the processors,
which no tablet does; the slowing is of the browser's main thread, and simulated.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import corpus, results
from benchmarks.browser_turn.__main__ import BROWSER_ARGUMENTS, PIXEL_RATIO, SCREEN
from benchmarks.meeting.followers import Place
from benchmarks.meeting.scene import Show, crowd_in, meeting_of, result_of
from benchmarks.meeting.serving import bundle_like, in_process
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

BOUND_MS = 100
TURN_EVERY_S = 2.0
PATIENCE_MS = 60_000
SETTLE_S, QUICK_SETTLE_S = 12.0, 1.0
"""After all are there: their thumbnails come within ten seconds (`PREVIEWS_MS` of follow.js)."""
PROBE = """
window.probe = { arrived: {}, sharp: {} };
const now = () => (performance.timeOrigin + performance.now()) / 1000;
const say = WebSocket.prototype.send;
WebSocket.prototype.send = function (text) {
  if (JSON.parse(text).kind === 'hello') {
    this.addEventListener('message', event => {
      const heard = JSON.parse(event.data);
      if (heard.kind === 'state') probe.arrived[heard.page] ??= now();
    });
  }
  say.call(this, text);
};
addEventListener('DOMContentLoaded', () => {
  const canvas = document.getElementById('canvas');
  const tell = new MutationObserver(() => {
    const { page, shown } = canvas.dataset;
    if (shown !== 'sharp' || page in probe.sharp) return;
    const channel = new MessageChannel();
    channel.port1.onmessage = () => { probe.sharp[page] ??= now(); };
    channel.port2.postMessage(0);
  });
  tell.observe(canvas, { attributeFilter: ['data-page', 'data-turn', 'data-shown'] });
});
"""


@dataclass(frozen=True, slots=True)
class Tablet:
    """What the browsers are."""

    chromium: str
    slower: float
    """How many times slower than this machine."""
    settle_s: float
    """From the first page to the first turn."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks meeting.screens", description=__doc__.split("\n\n")[0])
    parser.add_argument("--browsers", type=int, default=8)
    parser.add_argument("--followers", type=int, default=99, help="beside it")
    parser.add_argument("--slower", type=float, default=6.0, help="how many times the browsers are slower than this machine")
    parser.add_argument("--turns", type=int, default=10, help="for each browser")
    parser.add_argument("--documents", type=Path, help="of these the PDF with about 600 pages is shown (default: the corpus)")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="one browser, few followers and turns")
    chosen = parser.parse_args(arguments)
    browsers, count, turns = (1, 4, 3) if chosen.quick else (chosen.browsers, chosen.followers, chosen.turns)
    with corpus.needed_by(parser):
        path = bundle_like(chosen.documents, is_quick=chosen.quick)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("needs chromium")
    begun = begin(chosen, "pymupdf", "uvicorn", "playwright", browsers=f"{browsers}, {chosen.slower:g} times slower")
    with meeting_of(path, 1) as place:
        tablet = Tablet(chromium, chosen.slower, QUICK_SETTLE_S if chosen.quick else SETTLE_S)
        found = in_process(turning, place, tablet, browsers, count, turns)
    report(path, found)
    begun.finish(series_of(found), found)


async def turning(place: Place, tablet: Tablet, browsers: int, count: int, turns: int) -> dict[str, Any]:
    """The presenter turns page by page."""
    async with crowd_in(place, count) as (presenter, followers):
        show = Show(place, presenter, followers)
        waits: list[dict[str, float]] = []
        pages = iter(range(2, show.page_count + 1))
        shown = 1
        for _ in range(browsers):
            async with tab_in(place, tablet, shown) as tab:
                await asyncio.sleep(tablet.settle_s)
                for shown in islice(pages, turns):
                    await show.load_ahead([shown, shown + 1])
                    await asyncio.sleep(TURN_EVERY_S)
                    await show.page(shown)
                    waits.append(await _seen(tab, show, shown))
        return result_of(show, followers) | {"browsers": browsers, "screens_s": waits}


@asynccontextmanager
async def tab_in(place: Place, tablet: Tablet, page: int) -> AsyncIterator[Any]:
    """A browser that follows the meeting. page: that is shown; it is on the screen."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=tablet.chromium, args=BROWSER_ARGUMENTS)
        try:
            context = await browser.new_context(
                viewport=SCREEN,  # type: ignore[arg-type]
                device_scale_factor=PIXEL_RATIO,
                extra_http_headers={"X-Remote-User": "browser", "X-Remote-Groups": "members"},
            )
            await context.add_init_script(PROBE)
            tab = await context.new_page()
            tab.set_default_timeout(PATIENCE_MS)
            await tab.goto(f"{place.address}#meeting={place.meeting}")
            await tab.wait_for_selector(f'#canvas[data-page="{page}"][data-sharp="true"]')
            tools = await context.new_cdp_session(tab)
            await tools.send("Emulation.setCPUThrottlingRate", {"rate": tablet.slower})
            yield tab
        finally:
            await browser.close()


async def _seen(tab: Any, show: Show, page: int) -> dict[str, float]:
    """When a page that was shown just now was on the screen of a browser, in seconds after it was shown."""
    await tab.wait_for_function("page => page in probe.sharp", arg=page)
    arrived_s, painted_s = await tab.evaluate("page => [probe.arrived[page], probe.sharp[page]]", page)
    return {"arrived": arrived_s - show.sent_s, "painted": painted_s - show.sent_s}


def series_of(found: dict[str, Any]) -> list[Series]:
    """The browsers, and the others."""
    screens, others, group = found["screens_s"], found["waits_s"], "From the presenter's message"
    return [
        *results.measured(group, "browsers: the state is there", "ms", (one["arrived"] * 1000 for one in screens)),
        *results.measured(group, "browsers: the page is painted", "ms", (one["painted"] * 1000 for one in screens)),
        *results.measured(group, "the others: the page is painted", "ms", (one["sharp"] * 1000 for one in others)),
    ]


def report(path: Path, found: dict[str, Any]) -> None:
    """The browsers, and those beside them."""
    screens, others = found["screens_s"], found["waits_s"]
    rows = [
        [what, str(len(waits)), *Percentiles.of(wait * 1000 for wait in waits).cells()]
        for what, waits in (
            ("browsers: the state is there", [one["arrived"] for one in screens]),
            ("browsers: from there to the page", [one["painted"] - one["arrived"] for one in screens]),
            ("browsers: the page is painted", [one["painted"] for one in screens]),
            ("the others: the page is painted", [one["sharp"] for one in others]),
        )
    ]
    print(
        f"\n{path.name}: {found['browsers']} browsers, one after the other, among the followers "
        f"(the bound of p99 is {BOUND_MS} ms)"
    )
    print(table(["until", "times", *[f"{one}, ms" for one in HEADERS]], rows))
    print(f"  never on a screen: {found['late']}; requests that failed: {len(found['failures'])}")


if __name__ == "__main__":
    main()
