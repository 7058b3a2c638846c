"""Pens and mice on the pages of a reader, and what of their ink is kept and seen: for tests of drawing in a browser."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

LATE_MS = 30_000
Spot = tuple[float, float]

STROKES = """async () => {
    const database = await new Promise((done, failed) => {
        const asked = indexedDB.open('sidebooks');
        asked.onsuccess = () => done(asked.result);
        asked.onerror = () => failed(asked.error);
    });
    try {
        if (!database.objectStoreNames.contains('marks')) return [];
        const asked = database.transaction('marks').objectStore('marks').getAll();
        await new Promise((done, failed) => { asked.onsuccess = done; asked.onerror = () => failed(asked.error); });
        return asked.result.filter(one => one.mark.body?.kind === 'ink');
    } finally { database.close(); }
}"""
"""Ink on the device, as records of marks_disk.js."""

PAINTED = """(selector) => {
    const canvas = document.querySelector(selector);
    if (!canvas || canvas.hidden) return [];
    const { width, height } = canvas;
    const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
    const found = [];
    for (let at = 3; at < data.length; at += 4) if (data[at] > 128) found.push((at - 3) / 4);
    if (!found.length) return [];
    const [xs, ys] = [found.map(one => one % width), found.map(one => Math.floor(one / width))];
    const ends = all => [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
    const { left, top } = canvas.getBoundingClientRect();
    const scale = canvas.getBoundingClientRect().width / width;
    const [[x0, x1], [y0, y1]] = [ends(xs), ends(ys)];
    return [left + x0 * scale, top + y0 * scale, left + (x1 + 1) * scale, top + (y1 + 1) * scale];
}"""
"""The rectangle on the screen in which a canvas has ink: left, top, right, bottom, in pixels of CSS."""


def begin(tab: Any) -> None:
    """Draw from now on."""
    tab.wait_for_function("() => document.querySelector('.marks')", timeout=LATE_MS)
    tab.click("#draw-button")
    tab.wait_for_selector("#inkbar", timeout=LATE_MS)


def strokes(tab: Any, count: int) -> list[Any]:
    """The ink that the device keeps, in the order in which it was made, when there are so many strokes."""
    deadline_s = time.monotonic() + LATE_MS / 1000
    found: list[Any] = tab.evaluate(STROKES)
    while len(found) != count:
        assert time.monotonic() < deadline_s, f"{len(found)} strokes, not {count}"
        tab.wait_for_timeout(20)
        found = tab.evaluate(STROKES)
    return sorted(found, key=lambda one: one["id"])


def samples(record: Any) -> list[list[float]]:
    found: list[list[float]] = record["mark"]["body"]["samples"]
    return found


def painted(tab: Any, canvas: str = ".marks") -> list[float]:
    """Where a canvas has ink, on the screen; empty: nowhere."""
    found: list[float] = tab.evaluate(PAINTED, canvas)
    return found


def until_painted(tab: Any, expected: Sequence[float], within: float = 3.0) -> None:
    """Until all ink of the page lies in a rectangle of the screen, at its edges."""
    tab.wait_for_function(
        f"""([expected, within]) => {{
            const found = ({PAINTED})('.marks');
            return found.length === expected.length && found.every((one, at) => Math.abs(one - expected[at]) <= within);
        }}""",
        arg=[list(expected), within],
        timeout=LATE_MS,
    )


def middle(tab: Any) -> Spot:
    """Of the page on the screen."""
    box = tab.locator("#stage").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


class Stylus:
    """A pen, or a mouse, as the browser's own events."""

    def __init__(self, tab: Any, kind: str = "pen") -> None:
        self.session = tab.context.new_cdp_session(tab)
        self.kind = kind

    def _send(self, kind: str, at: Spot, buttons: int, force: float) -> None:
        told = {"type": kind, "x": at[0], "y": at[1], "pointerType": self.kind, "force": force, "buttons": buttons}
        button = {} if kind == "mouseMoved" and not buttons else {"button": "left"}
        self.session.send("Input.dispatchMouseEvent", {**told, **button, "clickCount": int(kind != "mouseMoved")})

    def hover(self, at: Spot) -> None:
        self._send("mouseMoved", at, 0, 0)

    def down(self, at: Spot, force: float = 0.5) -> None:
        self._send("mousePressed", at, 1, force)

    def move(self, at: Spot, force: float = 0.5) -> None:
        self._send("mouseMoved", at, 1, force)

    def up(self, at: Spot) -> None:
        self._send("mouseReleased", at, 0, 0)

    def line(self, spots: Iterable[Spot], force: float = 0.5) -> None:
        """A stroke through some places."""
        first, *rest = spots
        self.down(first, force)
        for one in rest:
            self.move(one, force)
        self.up(rest[-1] if rest else first)
