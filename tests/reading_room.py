"""A served folder of small documents, devices that read them, and fingers: for the tests of the findings about the viewer."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from house import NEEDS_CHROMIUM, browser
from served import Served, until_listed
from viewer_screen import shown

__all__ = ["NEEDS_CHROMIUM", "Hand", "Open", "Room", "browser", "open_at", "room", "shown"]

DEVICES: dict[str, dict[str, Any]] = {
    "ipad": {"viewport": {"width": 810, "height": 1080}, "device_scale_factor": 2, "has_touch": True},
    "android": {"viewport": {"width": 1280, "height": 800}, "device_scale_factor": 1, "has_touch": True},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True},
    "small": {"viewport": {"width": 320, "height": 640}, "device_scale_factor": 2, "has_touch": True},
    "desktop": {"viewport": {"width": 1440, "height": 900}, "device_scale_factor": 1},
}
PAGES = 30
LONG_NAME = (
    "議案第123号 令和8年度一般会計補正予算（第3号）並びに関連する条例の一部を改正する条例の制定について（常任委員会付託分）"
)


def _book(path: Path, title: str = "", **labels: Any) -> None:
    """Thirty pages of two columns; "水道" on the pages 3, 7 and 20; a link to page 9 on page 2; chapters from 1, 5, 9, 21."""
    with pymupdf.open() as made:
        for number in range(1, PAGES + 1):
            page = made.new_page()
            for x in (72, 320):
                box = pymupdf.Rect(x, 100, x + 200, 700)
                page.insert_textbox(box, f"page {number} of the budget, line by line as it is. " * 24, fontsize=12)
            if number in (3, 7, 20):
                page.insert_text((72, 780), "水道の予算", fontsize=12, fontname="japan")
            page.insert_text((280, 60), f"{number}", fontsize=24)
        made[1].insert_link(
            {"kind": pymupdf.LINK_GOTO, "from": pymupdf.Rect(100, 720, 500, 760), "page": 8, "to": pymupdf.Point(0, 0)}
        )
        made.set_toc([[1, "第一章 総則", 1], [1, "第二章 歳入", 5], [2, "市税", 9], [1, "第三章 歳出", 21]])
        made.set_metadata({"title": title})
        if labels:
            made.set_page_labels(
                [{"startpage": 0, "style": "r", "firstpagenum": 1}, {"startpage": 6, "style": "D", "firstpagenum": 1}]
            )
        made.save(path)


def _plain(path: Path, pages: int, width: int = 595, height: int = 842, direction: str = "", many: str = "") -> None:
    with pymupdf.open() as made:
        for number in range(1, pages + 1):
            page = made.new_page(width=width, height=height)
            page.insert_text((72, 72), f"sheet {number}", fontsize=14)
            if many:
                page.insert_textbox(pymupdf.Rect(72, 100, 540, 800), f"{many} " * 400, fontsize=7)
        if direction:
            made.xref_set_key(made.pdf_catalog(), "ViewerPreferences", f"<</Direction/{direction}>>")
        made.save(path)


class Room:
    """A folder that is served, and what it holds by name."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.cache = folder, cache
        _book(folder / "予算書.pdf", title="Microsoft Word - 0228_議案第14号")
        _book(folder / "番号.pdf", title="labelled", labelled=True)
        _plain(folder / "右とじ.pdf", 8, direction="R2L")
        _plain(folder / "帯.pdf", 1, 300, 14_400)
        _plain(folder / "多い.pdf", 2, many="the")
        _plain(folder / f"{LONG_NAME}.pdf", 3)
        self.server = Served(folder, cache=cache)
        until_listed(self.address, 6)

    @property
    def address(self) -> str:
        return self.server.address

    def documents(self) -> dict[str, str]:
        """Names, and what documents are called in addresses."""
        return {one["name"].removesuffix(".pdf"): one["id"] for one in self.server.get("documents")["documents"]}

    def put(self, name: str, words: Sequence[str]) -> None:
        """A document of a page for each text, in one step, in the place of what may be there."""
        with pymupdf.open() as made:
            for text in words:
                made.new_page().insert_text((72, 100), text, fontsize=20, fontname="japan")
            made.save(self.folder / ".coming.pdf")
        shutil.move(self.folder / ".coming.pdf", self.folder / f"{name}.pdf")

    def await_document(self, name: str) -> str:
        deadline_s = time.monotonic() + 30
        while name not in (found := self.documents()):
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        return found[name]

    def stop(self) -> None:
        self.server.kill()
        assert self.server.process.stdout is not None
        self.server.process.stdout.close()

    def start(self) -> None:
        """Again, at the same address."""
        self.server = Served(self.folder, "--port", str(self.server.port), cache=self.cache)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    made = Room(tmp_path_factory.mktemp("room"), tmp_path_factory.mktemp("room-cache"))
    yield made
    made.stop()


Open = Callable[..., Any]


@pytest.fixture
def open_at(browser: Any, room: Room) -> Iterator[Open]:
    """Opens a document, or the shelf, on a device of its own. What scripts complain of fails the test."""
    contexts: list[Any] = []
    problems: list[str] = []

    def made(name: str = "", page: int = 0, device: str = "ipad", place: str | None = None, **options: Any) -> Any:
        context = browser.new_context(**{**DEVICES[device], "locale": "en-GB", **options})
        contexts.append(context)
        context.add_init_script("try { localStorage.setItem('sidebooks hint', 'seen'); } catch { /* of an empty page */ }")
        tab = context.new_page()
        tab.on("pageerror", lambda error: problems.append(f"{error}\n{error.stack}"))
        where = place if place is not None else f"#{room.documents()[name]}" if name else ""
        tab.goto(f"{room.address}{where}{f'/{page}' if page else ''}")
        if name:
            shown(tab, page or 1)
            tab.wait_for_selector("#tools button")  # the buttons are there, and gestures with them
            tab.wait_for_function("() => document.querySelector('#tools span').textContent")
        return tab

    yield made
    for context in contexts:
        context.close()
    assert not problems, "\n".join(problems)


class Hand:
    """Fingers on a screen, as the browser's own touch events. Their times do not depend on how busy this machine is."""

    def __init__(self, tab: Any) -> None:
        self.session = tab.context.new_cdp_session(tab)
        self.fingers: dict[int, tuple[float, float]] = {}
        self.now_s = time.time()

    def _send(self, kind: str) -> None:
        points = [{"id": one, "x": x, "y": y} for one, (x, y) in self.fingers.items()]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points, "timestamp": self.now_s})

    def down(self, x: float, y: float, finger: int = 0) -> None:
        self.now_s = max(self.now_s, time.time())
        self.fingers[finger] = (x, y)
        self._send("touchStart")

    def move(self, x: float, y: float, finger: int = 0, ms: float = 16) -> None:
        self.now_s += ms / 1000
        self.fingers[finger] = (x, y)
        self._send("touchMove")

    def up(self, finger: int = 0, ms: float = 16) -> None:
        self.now_s += ms / 1000
        x, y = self.fingers.pop(finger)
        lifted = [{"id": finger, "x": x, "y": y}] if self.fingers else []
        self.session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": lifted, "timestamp": self.now_s})

    def rest(self, seconds: float) -> None:
        time.sleep(seconds)
        self.now_s = max(self.now_s + seconds, time.time())

    def tap(self, x: float, y: float, ms: float = 60) -> None:
        self.down(x, y)
        self.up(ms=ms)

    def double_tap(self, x: float, y: float) -> None:
        self.tap(x, y)
        self.fingers[0] = (x, y)
        self.now_s += 0.08
        self._send("touchStart")
        self.up(ms=60)

    def drag(
        self, start: tuple[float, float], end: tuple[float, float], steps: int = 8, finger: int = 0, ms: float = 16
    ) -> None:
        self.down(*start, finger)
        for step in range(1, steps + 1):
            share = step / steps
            x, y = (start[side] + (end[side] - start[side]) * share for side in (0, 1))
            self.move(x, y, finger, ms)
        self.up(finger)

    def both(
        self, first: tuple[float, float], second: tuple[float, float], steps: Sequence[tuple[float, float, float, float]]
    ) -> None:
        """Two fingers that go down together, and move by steps of (dx, dy) each."""
        self.down(*first, 0)
        self.down(*second, 1)
        for dx, dy, other_dx, other_dy in steps:
            (x, y), (other_x, other_y) = self.fingers[0], self.fingers[1]
            self.fingers[1] = (other_x + other_dx, other_y + other_dy)
            self.move(x + dx, y + dy, 0)
        self.up(1)
        self.up(0)
