"""Makes the pictures of the shelf and of a meeting in docs/explanation/images/viewer; `docs/make_pictures.py` runs it.

The shelf, its people and what is pressed are those of the tests of the viewer.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from make_viewer_pictures import ANDROID, DESKTOP, IPAD, PHONE, SAMPLES, Screen, chromium, keep
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from house import PASSWORD, House
from meeting_hall import CHAIR, CLERK, MEMBER, Seat, t
from task_house import plain

SESSION, NOTE = "令和8年 第2回定例会（6月）", "6月5日開会　会期21日間"
BILL = "議案第1号　令和8年度一般会計補正予算（第3号）"
BILLS = (
    (BILL, 24),
    ("議案第2号　令和8年度介護保険特別会計補正予算（第1号）", 8),
    ("議案第8号　市税条例の一部を改正する条例", 6),
    ("議案第18号　工事請負契約の締結について（小学校校舎改築）", 5),
)
QUERY = "補正予算"
WAIT_MS = 30_000
REST_MS = 1500
"""Covers come in, and lists stop moving."""
PROJECTOR = Screen(1280, 720, 1, is_touch=False)


class Town:
    """The house of the tests with the papers of a session, and a meeting about one of them."""

    def __init__(self, folder: Path, browser: Any) -> None:
        self.house, self._browser = House(folder), browser
        self._contexts: list[Any] = []
        ask = self.house.ask
        self.session = ask("POST", "folders/top", {"name": SESSION, "kind": "meeting", "note": NOTE})["id"]
        self.agenda = self.house.paper(self.session, "議事日程（第1号）.pdf", plain("議事日程", 3))
        self.house.paper(self.session, "会期日程案.pdf", plain("会期日程", 2))
        bills = ask("POST", f"folders/{self.session}", {"name": "議案"})["id"]
        self.bills = [self.house.paper(bills, f"{name}.pdf", plain(name, pages)) for name, pages in BILLS]
        others = ask("POST", f"folders/{self.session}", {"name": "参考資料"})["id"]
        self.plan = self.house.paper(others, "地域防災計画 改定案.pdf", plain("地域防災計画", 30))
        for name in ("総務常任委員会", "産業建設常任委員会", "教育民生常任委員会"):
            self.house.paper(ask("POST", "folders/top", {"name": name, "kind": "meeting"})["id"], "次第.pdf", plain(name, 2))
        hall = self.house.folder("令和8年6月定例会")
        self.house.paper(hall, "日本語組版の要件.pdf", (SAMPLES / "jlreq-ja.pdf").read_bytes())
        self.house.paper(hall, "議事日程.pdf", plain("議事日程", 2))
        self.meeting = ask("POST", f"folders/{hall}/meetings", {"name": "令和8年6月定例会"})["id"]
        ends_s = time.monotonic() + 120
        while ask("GET", f"search?q={quote(QUERY)}&limit=1")["unindexed"] > 0:
            if time.monotonic() > ends_s:
                raise TimeoutError("papers are not read")
            time.sleep(0.2)

    def tab(self, who: str, screen: Screen, place: str = "", positions: dict[str, int] | None = None) -> Any:
        """Somebody's browser. positions: the pages at which they left papers."""
        context = self._browser.new_context(
            viewport={"width": screen.width, "height": screen.height},
            device_scale_factor=screen.ratio,
            has_touch=screen.is_touch,
            locale=screen.locale,
            color_scheme=screen.scheme,
        )
        self._contexts.append(context)
        context.request.post(f"{self.house.address}login", data={"name": who, "password": PASSWORD})
        for paper, page in (positions or {}).items():
            context.request.put(f"{self.house.address}papers/{paper}/position", data={"page": page, "revision": 1})
        context.add_init_script("if (!localStorage.length) localStorage.setItem('sidebooks hint', 'seen')")
        tab = context.new_page()
        tab.set_default_timeout(WAIT_MS)
        tab.goto(f"{self.house.address}{place}")
        return tab

    def seat(self, who: str, screen: Screen, more: str = "") -> Seat:
        return Seat(self.tab(who, screen, f"#meeting={self.meeting}{more}"))

    def end(self) -> None:
        for context in self._contexts:
            context.close()
        self.house.process.kill()
        self.house.process.wait()


Found = dict[str, Any]
"""Tabs by the names of pictures."""


def shelf(town: Town) -> Found:
    """The shelf as members and clerks see it."""
    left = {town.agenda: 2, town.bills[0]: 12, town.plan: 8}
    folder = f"#folder={town.session}"
    tabs = {
        "shelf-ipad-ja-day": town.tab(MEMBER, IPAD, positions=left),
        "shelf-phone-ja-day": town.tab(MEMBER, PHONE, folder),
        "shelf-android-ja-night": town.tab(MEMBER, ANDROID, folder),
        "shelf-desktop-en-day": town.tab(CLERK, DESKTOP, folder),
    }
    for tab in tabs.values():
        tab.locator("#shelf a[href*='#']").first.wait_for()
    found = town.tab(MEMBER, IPAD)
    asked = found.get_by_label(t("search_all"), exact=True).filter(visible=True).last
    asked.fill(QUERY)
    asked.press("Enter")
    found.locator("mark").first.wait_for()
    return {**tabs, "shelf-search-ja": found}


def changes(town: Town) -> Found:
    """What a clerk is shown of a new revision."""
    import pymupdf

    with pymupdf.open(stream=plain(BILL, 24)) as made:
        made[3].insert_text((72, 560), "正誤：第4葉を改める", fontsize=20, fontname="japan")
        made.new_page(5).insert_text((72, 150), "追加した説明", fontsize=20, fontname="japan")
        made.delete_page(8)
        content = made.tobytes()
    town.house.ask("POST", f"papers/{town.bills[0]}/revisions?filename=b.pdf", content)
    tab = town.tab(CLERK, IPAD, f"#folder={town.session}")
    tab.get_by_role("button", name=t("more_of", name=BILL), exact=True).click()
    tab.get_by_role("dialog").last.get_by_text(t("revisions"), exact=True).click()
    tab.get_by_role("button", name=t("see_changes"), exact=True).first.click()
    tab.wait_for_function("() => [...document.querySelectorAll('dialog img')].some(one => one.complete && one.naturalWidth)")
    return {"shelf-clerk-replace-map-ja": tab}


def meeting(town: Town) -> Found:
    """The same moment on four screens, then the agenda and a vote."""
    chair = town.seat(CHAIR, IPAD).sees(1)
    seats = {
        "meeting-follower-phone-ja": town.seat(MEMBER, PHONE._replace(ratio=1)),
        "meeting-follower-android-night-ja": town.seat(CLERK, ANDROID),
        "meeting-projector-ja": town.seat(CHAIR, PROJECTOR, "&projector"),
    }
    for seat in seats.values():
        seat.sees(1)
    for page in (2, 3, 4):
        chair.turns().sees(page)
    for seat in seats.values():
        seat.sees(4)
    return {"meeting-presenter-ipad-ja": chair.tab, **{name: seat.tab for name, seat in seats.items()}}


def agenda(town: Town) -> Found:
    chair = town.seat(CHAIR, IPAD).sees(4)
    chair.side("agenda")
    return {"meeting-agenda-ipad-ja": chair.tab}


def ballot(town: Town) -> Found:
    chair, member = town.seat(CHAIR, IPAD).sees(4), town.seat(MEMBER, PHONE._replace(ratio=1)).sees(4)
    chair.side("votes")
    chair.press("open_vote")
    chair.tab.locator("dialog button[type=submit]").click()
    member.tab.locator(".ballot").wait_for()
    return {"meeting-ballot-phone-ja": member.tab}


SCENES: dict[Callable[[Town], Found], tuple[str, ...]] = {
    shelf: ("shelf-ipad-ja-day", "shelf-phone-ja-day", "shelf-android-ja-night", "shelf-desktop-en-day", "shelf-search-ja"),
    changes: ("shelf-clerk-replace-map-ja",),
    meeting: (
        "meeting-presenter-ipad-ja",
        "meeting-follower-phone-ja",
        "meeting-follower-android-night-ja",
        "meeting-projector-ja",
    ),
    agenda: ("meeting-agenda-ipad-ja",),
    ballot: ("meeting-ballot-phone-ja",),
}
"""What is set up, in this order, and the pictures that come of it."""
PICTURES = tuple(name for names in SCENES.values() for name in names)


def main() -> None:
    """Make all of them."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = chromium(playwright)
        town = Town(Path(folder), browser)
        try:
            for scene, names in SCENES.items():
                tabs = scene(town)
                if set(tabs) != set(names):
                    raise ValueError(f"{scene.__name__} makes {sorted(tabs)}, not {sorted(names)}")
                for name, tab in tabs.items():
                    tab.wait_for_timeout(REST_MS)
                    keep(tab, name)
        finally:
            town.end()
            browser.close()


if __name__ == "__main__":
    main()
