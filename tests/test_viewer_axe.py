"""No rule of an accessibility checker is broken on any screen, panel or dialog of the viewer, in both languages."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from house import NEEDS_CHROMIUM, browser
from task_house import BUDGET, PETITION, Hall, Hand, Room, Task, hall
from viewer_screen import address, choose, folder, picture, tab

pytestmark = NEEDS_CHROMIUM
__all__ = ["address", "browser", "folder", "hall", "tab"]

AXE = "axe-core-4.14.1"
PANELS = {
    "find": "search",
    "contents": "contents",
    "pages": "pages_list",
    "bookmarks": "bookmarks",
    "display": "display",
    "more": "menu",
}
# The words over the picture are transparent: what is seen is the picture, whose contrast is the document's.
RUN = """() => axe.run({exclude: ['.text span']}, {resultTypes: ['violations']})
    .then(found => found.violations.map(one => [one.id, one.nodes.map(node => node.html)]))"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An accessibility checker, as published."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, which fetches the checker")
    folder = tmp_path_factory.mktemp("npm")
    command = [npm, "pack", "--silent", AXE.replace("-core-", "-core@")]
    subprocess.run(command, cwd=folder, check=True, timeout=240, stdout=subprocess.DEVNULL)
    with tarfile.open(folder / f"{AXE}.tgz") as archive:
        file = archive.extractfile("package/axe.min.js")
        assert file is not None
        return file.read().decode()


class Checked:
    """Somebody's browser, whose screens are checked one after the other."""

    def __init__(self, room: Room, axe: str, language: str) -> None:
        self.room, self.axe = room, axe
        text = (ROOT / "sidebooks_core" / "server" / "viewer" / f"words-{language}.js").read_text(encoding="utf-8")
        self.words = dict(re.findall(r'^  "?([\w ]+)"?: "(.*)",$', text, re.M))
        self.found: dict[str, Any] = {}
        self.count = 0

    def t(self, key: str, **values: object) -> str:
        return re.sub(r"{(\w+)}", lambda one: str(values[one[1]]), self.words[key])

    def check(self, hand: Hand, where: str) -> None:
        if not hand.tab.evaluate("'axe' in window"):
            hand.tab.evaluate(self.axe)
        self.count += 1
        found = hand.tab.evaluate(RUN)
        if found:
            self.found[where] = found

    def opened(self, hand: Hand, key: str, where: str = "", exact: bool = True, **values: object) -> None:
        """Press a button that opens a dialog, and check what comes."""
        before = hand.tab.get_by_role("dialog").count()
        hand.tab.get_by_role("button", name=self.t(key, **values), exact=exact).last.click()
        hand.tab.wait_for_function(f"() => document.querySelectorAll('dialog').length === {before + 1}")
        self.check(hand, where or key)

    def close(self, hand: Hand) -> None:
        before = hand.tab.get_by_role("dialog").count()
        hand.tab.keyboard.press("Escape")
        hand.tab.wait_for_function(f"() => document.querySelectorAll('dialog').length === {before - 1}")


@pytest.fixture(params=["ja", "en"])
def checked(request: pytest.FixtureRequest, browser: Any, hall: Hall, axe: str, tmp_path: Path) -> Iterator[Checked]:
    room = Room(browser, hall, tmp_path, Task("desktop", "係長", "", "", "", request.param, lambda room: None))
    made = Checked(room, axe, request.param)
    yield made
    room.end()
    assert room.problems == []
    assert made.found == {}


def test_the_checker_finds_what_is_wrong(browser: Any, axe: str) -> None:
    tab = browser.new_page()
    tab.set_content('<html lang="en"><title>x</title><main><h1>x</h1><input><p style="color: #aaa">grey</p></main>')
    tab.evaluate(axe)
    assert sorted(rule for rule, _ in tab.evaluate(RUN)) == ["color-contrast", "label"]
    tab.close()


def test_screens_of_the_shelf(checked: Checked) -> None:
    room = checked.room
    hand = room.start(who=None)
    hand.tab.wait_for_selector(".entry input")
    checked.check(hand, "login")
    hand.tab.get_by_role("button", name=checked.t("log_in"), exact=True).last.click()
    hand.tab.locator("input[type=password]").fill("x")
    hand.tab.locator("input").first.fill("x")
    hand.tab.get_by_role("button", name=checked.t("log_in"), exact=True).last.click()
    hand.sees(checked.t("wrong"))
    checked.check(hand, "login refused")
    guest = room.start("#join=nothing", who=None)
    guest.sees(checked.t("your_name"))
    checked.check(guest, "join")
    lost = room.start("#%E0%A4%A")
    lost.sees(checked.t("unknown_title"))
    checked.check(lost, "unknown")
    hand = room.start()
    hand.sees(checked.t("people"))
    checked.check(hand, "shelf")
    hand.tab.get_by_role("button", name=checked.t("night"), exact=True).click()
    checked.check(hand, "shelf at night")
    hand.tab.get_by_role("button", name=checked.t("night"), exact=True).click()
    hand.tab.goto(f"{room.hall.address}#folder={room.hall.session}")
    hand.sees_link(BUDGET)
    checked.check(hand, "folder")
    hand.tab.goto(f"{room.hall.address}#search=予備費")
    hand.sees_link(checked.t("page", n=17))
    checked.check(hand, "search")
    hand.tab.goto(f"{room.hall.address}#search=" + "どこにもない言葉")
    hand.sees(checked.t("nothing", q="どこにもない言葉"))
    checked.check(hand, "search without hits")


def test_dialogs_of_the_shelf(checked: Checked) -> None:
    room = checked.room
    hand = room.start()
    hand.sees(checked.t("people"))
    checked.opened(hand, "people")
    hand.sees("議員", within=hand.dialog)
    checked.check(hand, "people, listed")
    checked.close(hand)
    hand.tab.get_by_role("button", name="係長", exact=True).click()
    hand.sees(checked.t("this_device"))
    hand.tab.get_by_text(checked.t("change_password")).click()
    checked.check(hand, "account")
    checked.close(hand)
    checked.opened(hand, "make_folder")
    checked.close(hand)
    hand.tab.goto(f"{room.hall.address}#folder={room.hall.session}")
    hand.sees_link(BUDGET)
    checked.opened(hand, "guests")
    checked.close(hand)
    checked.opened(hand, "who_sees")
    hand.tab.get_by_role("radio", name=checked.t("some_people")).check()
    checked.check(hand, "rights of people and groups")
    checked.close(hand)
    checked.opened(hand, "folder_more")
    for key in ("about_folder", "move_to", "destroy_marks", "remove_folder"):
        checked.opened(hand, key, f"folder: {key}")
        checked.close(hand)
    checked.close(hand)
    checked.opened(hand, "give_password")
    checked.close(hand)
    checked.opened(hand, "more_of", name=BUDGET)
    for key in ("rename", "about_paper", "window", "move_to", "readers", "revisions", "withdraw", "purge"):
        checked.opened(hand, key, f"paper: {key}", exact=key != "window")
        checked.close(hand)
    checked.close(hand)


def test_screens_of_the_reader(checked: Checked) -> None:
    room = checked.room
    hand = room.start(f"#paper={room.hall.papers[BUDGET]}/17", has_read=False)
    hand.sees_page(17)
    hand.sees(checked.t("hint_title"))
    checked.check(hand, "hint")
    hand.tab.get_by_role("button", name=checked.t("understood"), exact=True).click()
    checked.check(hand, "reader")
    for name, key in PANELS.items():
        hand.tab.get_by_role("button", name=checked.t(key), exact=True).first.click()
        panel = hand.panel(checked.t(key))
        panel.get_by_role("heading").first.wait_for()
        if name == "contents":
            panel.get_by_role("button", name="総務費").wait_for()
        if name == "pages":
            panel.get_by_text(checked.t("printed_numbers")).click()
        if name == "bookmarks":
            add, remove = (hand.tab.get_by_role("button", name=checked.t(one)) for one in ("add_bookmark", "remove_bookmark"))
            add.or_(remove).wait_for()
            if add.is_visible():  # else another device of theirs has set it
                add.click()
        checked.check(hand, f"panel: {name}")
        if name == "find":
            hand.tab.get_by_label(checked.t("search_here")).fill("予備費")
            hand.enter()
            hand.sees("1 / 3")
            checked.check(hand, "panel: hits")
    for key in ("help", "two_papers"):
        if key == "two_papers":
            hand.tab.get_by_role("button", name=checked.t("menu"), exact=True).click()
        hand.tab.get_by_role("button", name=checked.t(key)).click()
        hand.panel(checked.t(key)).get_by_role("heading").first.wait_for()
        if key == "two_papers":
            hand.tab.get_by_role("button", name="資料", exact=True).click()
            hand.tab.get_by_role("button", name=PETITION).wait_for()
        checked.check(hand, f"panel: {key}")
    hand.tab.get_by_role("button", name=PETITION).click()
    hand.sees_page(1, pane=1)
    names = [checked.t("page_word") + " " + number for number in ("14", "1")]
    for paper, page in zip((BUDGET, PETITION), names, strict=True):
        hand.tab.get_by_role("region", name=f"{paper}, {page}").wait_for()
    checked.check(hand, "two papers")
    hand.tab.get_by_role("button", name=checked.t("close"), exact=True).click()
    hand.tab.get_by_role("button", name=checked.t("display"), exact=True).click()
    hand.tab.get_by_role("button", name=checked.t("night"), exact=True).click()
    checked.check(hand, "reader at night")
    hand.tab.keyboard.press("Escape")
    hand.tab.keyboard.press("f")
    checked.check(hand, "without bars")


def test_a_page_that_failed_and_news(checked: Checked) -> None:
    room = checked.room
    hand = room.start(f"#paper={room.hall.papers[BUDGET]}/17")
    hand.sees_page(17)
    hand.tab.route(re.compile(r"/pages/4\d/"), lambda route: route.fulfill(status=500, body="broken"))
    hand.tab.evaluate(f"() => {{ location.hash = '#paper={room.hall.papers[BUDGET]}/44'; }}")
    hand.sees(checked.t("page_failed"))
    checked.check(hand, "a page that failed")
    hand.tab.evaluate("() => { location.hash = '#paper=nothing/3'; }")
    hand.sees(checked.t("unknown_text"))
    checked.check(hand, "a notice")


@pytest.mark.parametrize("where", ["shelf", "reader", "night", "find", "contents", "pages", "bookmarks", "display", "more"])
def test_no_accessibility_rule_is_broken(tab: Any, axe: str, where: str) -> None:
    if where == "shelf":
        tab.click("#back")
        tab.wait_for_selector("#shelf a")
    elif where == "night":
        choose(tab, "night")
    elif where != "reader":
        tab.click(f"#tools [data-panel={where}]")
        tab.wait_for_selector("#side h2")
    if where != "shelf":
        tab.wait_for_selector("#text span", state="attached")
    picture(tab, where)
    tab.evaluate(axe)
    # The words over the picture are transparent: what is seen is the picture, whose contrast is the document's.
    found = tab.evaluate(
        """() => axe.run({exclude: ['#text span']})
        .then(found => found.violations.map(one => [one.id, one.nodes.map(node => node.html)]))"""
    )
    assert found == []
