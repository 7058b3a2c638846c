"""How long from a pen that goes down to its line on the screen, on a page full of ink?

    python -m benchmarks ink [--throttle N…] [--strokes N] [--on N] [--json FILE] [--html FILE] [--quick]

Of each stroke: `down`, from the time that the event carries to the moment when the browser's display has swapped in a frame
with the line, both from a trace of the browser; `move`, from a sample to the end of the frame after it; whether the line was on
the canvas in that frame; and whether all samples that the browser delivered are in the marks that the device keeps. `--quick`
judges what is seen and kept, and no time.

Beside it, stroke by stroke, a bare page does the least that shows a line over a picture of the same size: one small canvas,
moved to the pen, and a dot. What it needs is what this browser needs on this machine, which may emulate a graphics card. Only
the page that is drawn on is throttled: a throttled page that rests takes a whole processor, too.

What the numbers do not say: how long the digitizer of a tablet takes to tell of the pen, and its screen to show the frame.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pymupdf

from benchmarks import results
from benchmarks.browser_turn.serving import get_json, our_server
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

SCREEN = {"width": 810, "height": 1080}
PIXEL_RATIO = 2
"""Together an iPad of the seventh to ninth generation: 1620 x 2160 pixels."""
HERTZ = 240
SAMPLES = 120
"""Of a stroke: half a second of such a pen."""
BETWEEN_S = 0.25
"""From one stroke to the next, as somebody writes."""
PATIENCE_MS = 60_000
FRAME_MS = 1000 / 60
TRACED = ["blink.user_timing", "gpu", "viz"]
MOST_LIVE_PX = 512 * 512 * 2
"""Of the canvas that a growing line is on: those of the pages have more."""
BOUND_MS = 50.0
"""For 95 of 100 strokes, at 6x."""

PROBE = """
window.probe = { move: [], blind: 0, delivered: [], isSeen: true };
const frame = does => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = does;
  channel.port2.postMessage(0);
});
const sees = () => {
  if (!probe.isSeen) return true;
  return [...document.querySelectorAll('.live')].some(canvas => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 3; at < data.length; at += 4) if (data[at]) return true;
    return false;
  });
};
addEventListener('pointerdown', event => {
  if (event.pointerType !== 'pen') return;
  probe.delivered.push(1);
  performance.mark('pen down', { detail: event.timeStamp });
  frame(() => { if (!sees()) probe.blind += 1; });
}, true);
addEventListener('pointermove', event => {
  if (event.pointerType !== 'pen' || !event.buttons) return;
  const all = event.getCoalescedEvents();
  probe.delivered[probe.delivered.length - 1] += all.length || 1;
  const from = (all[all.length - 1] || event).timeStamp;
  frame(() => probe.move.push(performance.now() - from));
}, true);
"""

BARE = """<!doctype html><meta name="viewport" content="width=device-width">
<body style="margin:0;background:#fff;touch-action:none">
<canvas id="page" width="1620" height="2160" style="position:absolute;left:0;top:0;width:810px;height:1080px"></canvas>
<canvas class="live" width="656" height="656" style="position:absolute;left:0;top:0;width:328px;height:328px"></canvas>
<script>
const page = document.querySelector('#page').getContext('2d');
page.fillStyle = '#fff';
page.fillRect(0, 0, 1620, 2160);
page.fillStyle = '#000';
for (let line = 0; line < 60; line++) page.fillText('A page that is full of ink '.repeat(9), 60, 60 + 34 * line);
const canvas = document.querySelector('.live');
const context = canvas.getContext('2d', { willReadFrequently: true });
const dot = (x, y) => { context.beginPath(); context.arc(x, y, 3, 0, 7); context.fill(); };
addEventListener('pointerdown', event => {
  context.clearRect(0, 0, 656, 656);
  canvas.style.transform = `translate(${event.clientX - 164}px, ${event.clientY - 164}px)`;
  dot(328, 328);
});
addEventListener('pointermove', event => {
  if (event.buttons) for (const one of event.getCoalescedEvents()) dot(one.clientX % 656, one.clientY % 656);
});
</script>"""

FILL = """async ([document, count]) => {
  const { MarksDisk } = await import('./viewer/marks_disk.js');
  const { newMarkId } = await import('./viewer/marks_clock.js');
  const { id: person } = await (await fetch('me')).json();
  const records = Array.from({ length: count }, (_, at) => {
    const stamp = [Date.now() - count, at, 'before'];
    const [x, y] = [30 + (at % 50) * 10.5, 40 + Math.floor(at / 50) * 18.5];
    const samples = Array.from({ length: 40 }, (_, n) => [x + n / 4, y + 5 * Math.sin(n / 3), 0.3 + (n % 20) / 50]);
    const mark = { id: newMarkId(stamp), stamp, anchor: { revision: 1, page: 0, content_id: '' },
      body: { kind: 'ink', samples, width_pt: 1, colour: '#0b4fa3' } };
    return { person, paper: document, id: mark.id, mark, isMine: true, isPending: false };
  });
  const disk = new MarksDisk('sidebooks');
  await disk.write(person, document, { records });
  disk.close();
}"""

KEPT = """async document => {
  const { MarksDisk } = await import('./viewer/marks_disk.js');
  const { id: person } = await (await fetch('me')).json();
  const disk = new MarksDisk('sidebooks');
  const { records } = await disk.read(person, document);
  disk.close();
  const made = records.filter(one => one.mark.stamp[2] !== 'before').sort((a, b) => (a.id < b.id ? -1 : 1));
  return made.map(one => one.mark.body.samples.length);
}"""

READY = """count => {
  const canvas = document.querySelector('.marks');
  if (!count) return Boolean(canvas);
  if (!canvas || canvas.hidden) return false;
  const share = (40 + Math.floor((count - 1) / 50) * 18.5) / 842 - 0.02;
  const part = [0.3 * canvas.width, share * canvas.height, 0.4 * canvas.width, 0.04 * canvas.height].map(Math.round);
  const { data } = canvas.getContext('2d').getImageData(...part);
  for (let at = 3; at < data.length; at += 4) if (data[at]) return true;
  return false;
}"""
"""Whether the last of the strokes that were there are painted."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks ink", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--throttle", type=float, nargs="+", default=[1, 6], help="times slower the main thread is (default 1 6)"
    )
    parser.add_argument("--strokes", type=int, default=40, help="strokes that are drawn and measured (default 40)")
    parser.add_argument("--on", type=int, nargs="+", default=[0, 2000], help="strokes that are on the page (default 0 2000)")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="three strokes on a page with 200: nothing is timed")
    chosen = parser.parse_args(arguments)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is not installed: apt-get install chromium")
    if chosen.quick:
        chosen.throttle, chosen.strokes, chosen.on = [1.0], 3, [200]
    begun = begin(chosen, "playwright", screen=f"{SCREEN['width']}x{SCREEN['height']}@{PIXEL_RATIO}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.pdf"
        with pymupdf.open() as made:
            made.new_page().insert_text((72, 72), "A page that is full of ink", fontsize=20)
            made.save(path)
        runs = [
            _drawn(chromium, path, throttle=throttle, on=on, strokes=chosen.strokes, is_timed=not chosen.quick)
            for throttle in chosen.throttle
            for on in chosen.on
        ]
    print(_report(runs, is_timed=not chosen.quick))
    begun.finish(series_of(runs), runs)
    if any(one["blind"] or one["kept"] != one["delivered"] for one in runs):
        sys.exit("a line was not on the screen in the frame after its event, or samples were lost")


def _drawn(chromium: str, path: Path, *, throttle: float, on: int, strokes: int, is_timed: bool) -> dict[str, Any]:
    """What a browser of its own did with strokes of a pen, on a page with so many on it, and what one did on a bare page."""
    from playwright.sync_api import sync_playwright

    with our_server(path) as address, sync_playwright() as playwright:
        document = get_json(f"{address}documents")["documents"][0]["id"]
        context, bare_context = (_context(playwright, chromium) for _ in range(2))
        bare = bare_context.new_page()
        bare.route("**/bare", lambda route: route.fulfill(body=BARE, content_type="text/html"))
        bare.goto(f"{address}bare")
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.goto(address)
        tab.wait_for_selector("#shelf a")
        if on:
            tab.evaluate(FILL, [document, on])
        tab.goto(f"{address}#{document}")
        tab.wait_for_selector('#canvas[data-sharp="true"]')
        tab.wait_for_function(READY, arg=on)
        tab.click("#draw-button")
        tab.wait_for_selector("#inkbar")
        tab.evaluate("isSeen => { probe.isSeen = isSeen; }", not is_timed)
        bare.evaluate("probe.isSeen = false")
        pages = [(tab, context.new_cdp_session(tab)), (bare, bare_context.new_cdp_session(bare))]
        for page, _ in pages:
            page.context.browser.start_tracing(page=page, categories=TRACED)
        for number in range(strokes):
            for _, session in pages:
                session.send("Emulation.setCPUThrottlingRate", {"rate": throttle})
                _stroke(session, number)
                session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        down, bare_down = (shown_ms(json.loads(page.context.browser.stop_tracing())["traceEvents"]) for page, _ in pages)
        deadline_s = time.monotonic() + PATIENCE_MS / 1000
        while len(kept := tab.evaluate(KEPT, document)) < strokes and time.monotonic() < deadline_s:
            time.sleep(0.05)
        found: dict[str, Any] = tab.evaluate("() => ({ move: probe.move, blind: probe.blind, delivered: probe.delivered })")
        bare_move: list[float] = bare.evaluate("probe.move")
        for one in (context, bare_context):
            one.browser.close()
    return {"throttle": throttle, "on": on, "kept": kept, **found, "bare_move": bare_move, "down": down, "bare_down": bare_down}


def shown_ms(events: list[dict[str, Any]]) -> list[float]:
    """From each pen that went down to the end of the display's first swap with its line, in ms, from a browser's trace.

    A line is on its way when the page that heard of the pen hands a small canvas over, and in the display's reach with the
    next frame that a surface commits. Raises ValueError for a trace that lacks one of these.
    """
    timed = sorted((one for one in events if "ts" in one), key=lambda one: one["ts"])
    found = []
    for at, one in enumerate(timed):
        if one["name"] != "pen down" or "detail" not in one["args"].get("data", {}):
            continue
        mark = one["args"]["data"]
        event_us = one["ts"] + (float(json.loads(mark["detail"])) - mark["startTime"]) * 1000
        after = iter(timed[at:])
        _first(after, "ClientSharedImage::Map", partial(_is_small, one["pid"]))
        _first(after, "Surface::CommitFrame")
        swap = _first(after, "Display::DrawAndSwap")
        found.append((swap["ts"] + swap["dur"] - event_us) / 1000)
    return found


def _first(events: Iterator[dict[str, Any]], name: str, fits: Callable[[dict[str, Any]], bool] = bool) -> dict[str, Any]:
    """The first of that name that fits; what stands before it is taken, too. Raises ValueError."""
    found = next((one for one in events if one["name"] == name and fits(one)), None)
    if found is None:
        raise ValueError(f"the trace has no {name!r} after a pen that went down: does this browser name its events otherwise?")
    return found


def _is_small(page: int, handed: dict[str, Any]) -> bool:
    """Whether a canvas that was handed over is of the process of a page, and not larger than those that a line grows on."""
    return handed["pid"] == page and math.prod(int(side) for side in handed["args"]["size"].split("x")) <= MOST_LIVE_PX


def _context(playwright: Any, chromium: str) -> Any:
    """In a browser of its own, so that what one page does is not in the way of the other."""
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    context = browser.new_context(viewport=SCREEN, device_scale_factor=PIXEL_RATIO)
    context.add_init_script("localStorage.setItem('sidebooks hint', 'seen')")
    context.add_init_script(PROBE)
    return context


def series_of(runs: list[dict[str, Any]]) -> list[Series]:
    """A group for each throttle and moment."""
    return [
        one
        for what in ("down", "move")
        for run in runs
        for whose, key in (("", what), (", bare page", f"bare_{what}"))
        for one in results.measured(
            f"Pen {what} to the frame, at {run['throttle']:g}x", f"on {run['on']} strokes{whose}", "ms", run[key]
        )
    ]


def _stroke(session: Any, number: int) -> None:
    """Half a second of a pen that tells of itself 240 times a second, as fast as this machine sends it."""
    x0, y0 = 120 + (number * 37) % 200, 330 + (number * 53) % 400

    def send(kind: str, step: int, buttons: int, force: float) -> None:
        x, y = x0 + step * 2.5, y0 + 40 * math.sin(step / 9)
        told = {"type": kind, "x": x, "y": y, "pointerType": "pen", "force": force, "buttons": buttons, "button": "left"}
        session.send("Input.dispatchMouseEvent", {**told, "clickCount": int(kind != "mouseMoved")})

    send("mousePressed", 0, 1, 0.3)
    begun_s = time.monotonic()
    for step in range(1, SAMPLES):
        time.sleep(max(0.0, begun_s + step / HERTZ - time.monotonic()))
        send("mouseMoved", step, 1, 0.3 + 0.4 * step / SAMPLES)
    send("mouseReleased", SAMPLES - 1, 0, 0.0)
    time.sleep(BETWEEN_S)


def _report(runs: list[dict[str, Any]], *, is_timed: bool) -> str:
    lines = []
    for one in runs:
        lost = sum(one["delivered"]) - sum(one["kept"])
        lines.append(
            f"{one['throttle']:g}x, {one['on']} strokes on the page: {len(one['delivered'])} drawn, "
            f"{sum(one['delivered'])} samples delivered, {lost} lost, {one['blind']} not on the screen in the next frame"
        )
    if not is_timed:
        return "\n".join(lines)
    rows = [
        [f"{one['throttle']:g}x", f"{one['on']} {what}{whose}", *Percentiles.of(one[key]).cells()]
        for one in runs
        for what in ("down", "move")
        for whose, key in (("", what), (", bare page", f"bare_{what}"))
    ]
    lines += ["", "From the event to the frame, ms", table(["throttle", "strokes, what", *HEADERS], rows), ""]
    for one in runs:
        p95 = Percentiles.of(one["down"]).p95
        bound = 2 * FRAME_MS if one["throttle"] == 1 else BOUND_MS
        least = Percentiles.of(one["bare_down"]).p95
        lines.append(
            f"Pen down at {one['throttle']:g}x over {one['on']} strokes, p95: {p95:.1f} ms (bound {bound:.1f}; "
            f"a bare page {least:.1f})"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
