"""A council's session on a shelf, and hands that know of the viewer only what its screen says: for first-time tasks."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymupdf
import pytest
from house import PASSWORD, House, sync_api
from PIL import Image

DEVICES: dict[str, dict[str, Any]] = {
    "iPad": {"viewport": {"width": 810, "height": 1080}, "device_scale_factor": 2, "has_touch": True},
    "Android": {"viewport": {"width": 1280, "height": 800}, "has_touch": True},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True},
    "desktop": {"viewport": {"width": 1440, "height": 900}},
}
LOCALES = {"ja": "ja-JP", "en": "en-GB"}
PATIENCE_MS = 15_000
PICTURE_PX = 800
"""Of the longest side of a picture in the docs."""
PICTURE_BYTES = 60_000
PICTURE_AFTER_MS = 700
"""Only if pictures are taken: covers are there, and pages are sharp."""

SESSION, BUDGET, ACCOUNTS = "令和8年3月定例会", "令和8年度予算書", "令和6年度決算書"
PETITION, LOCKED, ARCHIVED = "陳情第1号（縦書き）", "財政見通し（非公開）", "令和7年3月 会議録"
SECRET = "2026"
"""The password of the locked file."""
BUDGET_PAGES, ROMAN = 60, 3
"""Pages of the budget, and those of them before the printed page 1."""
TABLE, RESERVES = 12, (14, 31, 50)
"""Printed pages: of the wide table, and with 予備費."""


def _lines(page: Any, lines: list[str], size: float = 13) -> None:
    for row, line in enumerate(lines):
        page.insert_text((72, 150 + row * size * 2), line, fontsize=size, fontname="japan")


def _heading(page: Any, text: str, foot: str) -> None:
    page.insert_text((72, 100), text, fontsize=22, fontname="japan")
    page.insert_text((page.rect.width / 2 - 20, page.rect.height - 36), foot, fontsize=11, fontname="japan")


def _rows(number: int) -> list[str]:
    """Lines of a budget, other ones on each page."""
    return [
        f"{number}款 {item}項  {number * 137 + item * 4211:,}千円  前年度 {number * 131 + item * 4007:,}千円"
        for item in range(1, 19)
    ]


def _wide_table(page: Any) -> None:
    for row in range(27):
        y = 130 + row * 15
        page.draw_line((40, y), (802, y), width=0.4)
        cells = [f"{row * 7 + column * 3:,}千円" if row and column else f"{row}節 区分{column}" for column in range(12)]
        for column, cell in enumerate(cells):
            page.insert_text((44 + column * 63, y + 11), cell, fontsize=7, fontname="japan")
    for column in range(13):
        page.draw_line((40 + column * 63.5, 130), (40 + column * 63.5, 520), width=0.4)


def budget() -> bytes:
    """60 pages: i to iii, then 1 to 57, as its labels say; contents; a wide table; 予備費 on three pages."""
    with pymupdf.open() as made:
        for number in range(1 - ROMAN, BUDGET_PAGES - ROMAN + 1):
            page = made.new_page(width=842, height=595) if number == TABLE else made.new_page()
            if number < 1:
                title = ["令和8年度予算書", "予算書の目次", "予算書の凡例"][number + ROMAN - 1]
                _heading(page, title, f"― {['i', 'ii', 'iii'][number + ROMAN - 1]} ―")
                continue
            _heading(page, "事項別明細書" if number == TABLE else f"第{number}款 歳出", f"― {number} ―")
            if number == TABLE:
                _wide_table(page)
            else:
                _lines(page, [*_rows(number), *(["予備費  30,000千円"] if number in RESERVES else [])])
        made.set_toc(
            [
                [1, "第1表 歳入歳出予算", 4],
                [1, "事項別明細書", TABLE + ROMAN],
                [2, "総務費", 21],
                [2, "民生費", 31],
                [1, "給与費明細書", 53],
            ]
        )
        roman = {"startpage": 0, "style": "r", "prefix": "", "firstpagenum": 1}
        made.set_page_labels([roman, {"startpage": ROMAN, "style": "D", "prefix": "", "firstpagenum": 1}])
        content: bytes = made.tobytes()
        return content


def plain(title: str, count: int, before: int = 0, **locked: Any) -> bytes:
    """A paper whose pages say what they are. before: pages before the printed page 1."""
    with pymupdf.open() as made:
        for number in range(1, count + 1):
            page = made.new_page()
            printed = number - before
            _heading(page, f"{title} 第{number}葉", f"― {printed} ―" if printed > 0 else "")
            _lines(page, [f"{title} {number}－{row} {_rows(number + row)[0]}" for row in range(12)])
        content: bytes = made.tobytes(**locked)
        return content


def upright(title: str, count: int) -> bytes:
    """A paper that is written from top to bottom, and bound on the right."""
    with pymupdf.open() as made:
        made.xref_set_key(made.pdf_catalog(), "ViewerPreferences", "<</Direction/R2L>>")
        for number in range(1, count + 1):
            page = made.new_page()
            for column in range(9):
                text = (
                    f"{title}{'一二三四五六七八九'[number - 1]}の{'一二三四五六七八九'[column]}　市長に対し必要な措置を求める"
                )
                for row, character in enumerate(text):
                    page.insert_text((500 - column * 48, 100 + row * 22), character, fontsize=18, fontname="japan")
        content: bytes = made.tobytes()
        return content


class Hall(House):
    """The shelf of a council with a session: an agenda, a budget, twelve bills, other papers, and an archive."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.logins: dict[str, list[Any]] = {}
        self.session = self.ask("POST", "folders/top", {"name": SESSION, "kind": "meeting"})["id"]
        self.papers = {
            name: self.paper(self.session, f"{name}.pdf", content)
            for name, content in (("議事日程", plain("議事日程", 2)), (BUDGET, budget()))
        }
        bills, others, archive = (self.inner(self.session, name) for name in ("議案", "資料", "過年度"))
        for number in range(1, 13):
            name = f"議案第{number}号"
            self.papers[name] = self.paper(bills, f"{name}.pdf", plain(name, 3))
        locked = {"encryption": pymupdf.PDF_ENCRYPT_AES_256, "user_pw": SECRET, "owner_pw": SECRET}
        for name, content in (
            (ACCOUNTS, plain("決算書", 50, before=4)),
            (PETITION, upright("陳情", 6)),
            (LOCKED, plain("財政見通し", 2, **locked)),
        ):
            self.papers[name] = self.paper(others, f"{name}.pdf", content)
        self.papers[ARCHIVED] = self.paper(self.inner(archive, "令和7年"), f"{ARCHIVED}.pdf", plain("会議録", 4))
        self.until_read()

    def inner(self, parent: str, name: str) -> str:
        made: str = self.ask("POST", f"folders/{parent}", {"name": name})["id"]
        return made

    def until_read(self) -> None:
        """Until the search knows the words of all papers."""
        ends_s = time.monotonic() + 120
        while self.ask("GET", f"search?q={quote('予備費')}&limit=1")["unindexed"] > 0:
            assert time.monotonic() < ends_s, "papers are not read"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    made = Hall(tmp_path_factory.mktemp("hall"))
    yield made
    made.process.kill()
    made.process.wait()


class Hand:
    """Somebody at a device. Of the viewer they know what its screen says, and what they read of in its help."""

    def __init__(self, tab: Any, device: str) -> None:
        self.tab = tab
        self.has_fingers = "has_touch" in DEVICES[device]
        self.width, self.height = (DEVICES[device]["viewport"][side] for side in ("width", "height"))

    # What they do.

    def press(self, words: str, kind: str = "button", within: Any = None, exact: bool = True) -> None:
        """Press what has these words, and shows words of its name."""
        one = (within or self.tab).get_by_role(kind, name=words, exact=exact)
        one.wait_for(timeout=PATIENCE_MS)
        shown = re.sub(r"\s+", " ", one.inner_text()).strip()
        assert shown, f"{words}: nothing to read on it"
        assert shown in words or words in shown, f"{words}: the screen says {shown}"
        self.touch(one)

    def touch(self, one: Any) -> None:
        if self.has_fingers:
            one.tap(timeout=PATIENCE_MS)
        else:
            one.click(timeout=PATIENCE_MS)

    def open(self, name: str) -> None:
        """Follow a link of a list, by the name that stands in it."""
        self.touch(self.tab.get_by_role("link").filter(has_text=name).filter(visible=True).first)

    def write(self, label: str, text: str, within: Any = None) -> None:
        """Into the field with this label, or with this text in it."""
        one = (within or self.tab).get_by_label(label, exact=True).filter(visible=True).last
        self.touch(one)
        one.fill(text)

    def choose(self, label: str, answer: str) -> None:
        self.tab.get_by_label(label, exact=True).filter(visible=True).last.select_option(label=answer)

    def enter(self) -> None:
        """The key of the keyboard on the screen."""
        self.tab.keyboard.press("Enter")

    def tap_at(self, across: float, down: float = 0.5, times: int = 1) -> None:
        """Touch the screen: shares of its width and height."""
        for _ in range(times):
            self.tab.touchscreen.tap(across * self.width, down * self.height)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """A finger that goes down, moves, and goes up; in pixels."""
        session = self.tab.context.new_cdp_session(self.tab)
        steps = [tuple(a + (b - a) * part / 6 for a, b in zip(start, end, strict=True)) for part in range(7)]
        for index, (x, y) in enumerate(steps):
            kind = "touchMove" if index else "touchStart"
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y, "id": 0}]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        session.detach()

    def swipe(self, to: str) -> None:
        """Across the middle of the page, "left" or "right"."""
        places = [(self.width * 0.8, self.height * 0.5), (self.width * 0.25, self.height * 0.5 + 12)]
        self.drag(*(places if to == "left" else reversed(places)))

    def spread_fingers(self) -> None:
        session = self.tab.context.new_cdp_session(self.tab)
        x, y = self.width / 2, self.height / 2
        for index, half in enumerate((40, 70, 100, 130)):
            points = [{"x": x - half, "y": y, "id": 0}, {"x": x + half, "y": y, "id": 1}]
            session.send("Input.dispatchTouchEvent", {"type": "touchMove" if index else "touchStart", "touchPoints": points})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        session.detach()

    def files(self, words: str, *paths: Path, within: Any = None) -> None:
        """Press a button, and choose files in the dialog of the device."""
        with self.tab.expect_file_chooser() as chooser:
            self.press(words, within=within)
        chooser.value.set_files(list(paths))

    # Where they look.

    @property
    def dialog(self) -> Any:
        return self.tab.get_by_role("dialog").last

    def panel(self, title: str) -> Any:
        return self.tab.get_by_role("region", name=title, exact=True)

    def sees(self, text: str, within: Any = None) -> None:
        (within or self.tab).get_by_text(text).filter(visible=True).first.wait_for(timeout=PATIENCE_MS)

    def sees_no(self, text: str) -> None:
        self.tab.wait_for_function(
            """text => ![...document.querySelectorAll('body *')].some(
                one => !one.children.length && one.textContent.includes(text) && one.checkVisibility())""",
            arg=text, timeout=PATIENCE_MS,
        )  # fmt: skip

    def sees_link(self, name: str) -> None:
        self.tab.get_by_role("link").filter(has_text=name).filter(visible=True).first.wait_for(timeout=PATIENCE_MS)

    def sees_page(self, page: int, pane: int = 0) -> None:
        """A page of the file, sharp, on a stage: the words that are painted cannot be read by a test."""
        wanted = f'[data-page="{page}"][data-sharp="true"]'
        self.tab.locator(".canvas").nth(pane).and_(self.tab.locator(wanted)).wait_for(timeout=PATIENCE_MS)

    def sees_zoom(self, holds: str) -> None:
        """How large the page is, 1 for the whole of it: a condition of `zoom`."""
        told = f"() => {{ const zoom = Number(document.querySelector('.canvas').dataset.zoom); return {holds}; }}"
        self.tab.wait_for_function(told, timeout=PATIENCE_MS)


@dataclass(frozen=True)
class Task:
    """A task, as the docs tell it. `does` takes a Room and begins at its own start."""

    device: str
    who: str
    ja: str
    en: str
    press: str
    language: str
    does: Callable[[Any], None]


TASKS: dict[str, Task] = {}
"""By name, in order; docs/render_tasks.py reads the same from the source, without a browser."""


def task(device: str, who: str, ja: str, en: str, press: str, language: str = "ja") -> Callable[[Callable[[Any], None]], Any]:
    """A task of the table in the docs. ja: what shall be done; en: the same in English; press: what is pressed on the way."""

    def made(does: Callable[[Any], None]) -> Callable[[Any], None]:
        TASKS[does.__name__] = Task(device, who, ja, en, press, language, does)
        return does

    return made


class Room:
    """Where tasks are done: one browser, one house; somebody comes with a device of their own each time."""

    def __init__(self, browser: Any, hall: Hall, files: Path, one: Task) -> None:
        self.browser, self.hall, self.files, self.task = browser, hall, files, one
        self.contexts: list[Any] = []
        self.problems: list[str] = []
        self.last: Hand | None = None

    def start(self, place: str = "", who: str | None = "", device: str = "", has_read: bool = True) -> Hand:
        """Open the viewer. who: who is logged in, "" for whom the task is of, None for nobody; has_read: the hint was seen."""
        name, on = self.task.who if who == "" else who, device or self.task.device
        seen = [{"origin": self.hall.address.rstrip("/"), "localStorage": [{"name": "sidebooks hint", "value": "seen"}]}]
        state = {"cookies": self._login(name) if name else [], "origins": seen if has_read else []}
        context = self.browser.new_context(**DEVICES[on], locale=LOCALES[self.task.language], storage_state=state)
        self.contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.on("pageerror", lambda error: self.problems.append(str(error)))
        tab.goto(f"{self.hall.address}{place}")
        self.last = Hand(tab, on)
        return self.last

    def start_at(self, paper: str, page: int = 1, **how: Any) -> Hand:
        """In a paper, at a page of its file."""
        hand = self.start(f"#paper={self.hall.papers[paper]}/{page}", **how)
        hand.sees_page(page)
        hand.tab.get_by_role("heading", name=paper).first.wait_for()
        return hand

    def start_in(self, folder: str, **how: Any) -> Hand:
        return self.start(f"#folder={folder}", **how)

    def _login(self, who: str) -> list[Any]:
        """The cookies of somebody, who logs in once."""
        if who not in self.hall.logins:
            context = self.browser.new_context()
            reply = context.request.post(f"{self.hall.address}login", data={"name": who, "password": PASSWORD})
            assert reply.ok, reply.text()
            self.hall.logins[who] = context.storage_state()["cookies"]
            context.close()
        return self.hall.logins[who]

    def end(self) -> None:
        for context in self.contexts:
            context.close()


def run_task(name: str, browser: Any, hall: Hall, files: Path) -> None:
    """Do a task, and take its picture where the environment names a folder."""
    room = Room(browser, hall, files, TASKS[name])
    try:
        room.task.does(room)
    finally:
        folder = os.environ.get("SIDEBOOKS_TASK_PICTURES")
        if folder and room.last:
            room.last.tab.wait_for_timeout(PICTURE_AFTER_MS)
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{name.replace('_', '-')}.png").write_bytes(small(room.last.tab.screenshot()))
        room.end()
    assert room.problems == []


def small(picture: bytes) -> bytes:
    """A picture of few colours and few bytes."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.thumbnail((PICTURE_PX, PICTURE_PX), Image.Resampling.LANCZOS)
    for colours in (64, 32, 16, 8):
        written = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
        if written.tell() <= PICTURE_BYTES:
            break
    return written.getvalue()


__all__ = [
    "ACCOUNTS", "ARCHIVED", "BUDGET", "LOCKED", "PETITION", "RESERVES", "ROMAN", "SECRET", "SESSION", "TABLE", "TASKS",
    "Hall", "Hand", "Room", "Task", "hall", "plain", "run_task", "sync_api", "task",
]  # fmt: skip
