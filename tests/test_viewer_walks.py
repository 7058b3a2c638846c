"""The viewer without a pointer: by the keyboard, and by a switch, which has only Tab, Enter and Space, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from house import NEEDS_CHROMIUM, browser
from task_house import BUDGET, RESERVES, ROMAN, SESSION, Hall, Hand, Room, Task, hall

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "hall"]

MOST_STEPS = 90
"""To what is wanted: a folder has a row, and a button perhaps, for each of its papers."""

FOCUSED = """
() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const box = one.getBoundingClientRect();
  const style = getComputedStyle(one);
  const [x, y] = [box.left + box.width / 2, box.top + Math.min(box.height / 2, 20)];
  const at = document.elementFromPoint(x, y);
  const name = one.ariaLabel || one.labels?.[0]?.textContent || one.placeholder || one.textContent;
  return {
    name: name.replace(/\\s+/g, " ").trim(), tag: one.tagName,
    isMarked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    isSeen: Boolean(at && (one.contains(at) || at.contains(one))),
  };
}
"""


class Walk:
    """Somebody who goes from one control to the next, and always sees where they are."""

    def __init__(self, room: Room, who: str) -> None:
        self.hand: Hand = room.start(who=who)
        self.tab: Any = self.hand.tab

    def to(self, name: str, back: bool = False) -> None:
        """Tab until the control with this name has the focus. Each control on the way is marked, and not covered."""
        way = []
        for _ in range(MOST_STEPS):
            self.tab.keyboard.press("Shift+Tab" if back else "Tab")
            found = self.tab.evaluate(FOCUSED)
            if found is None:
                continue  # the browser's own controls
            way.append(found["name"])
            assert found["isMarked"], f"the focus is not seen: {found}"
            assert found["isSeen"], f"covered, or off the screen: {found}"
            if found["name"].startswith(name):
                return
        raise AssertionError(f"{name} is not reached: {way}")

    def press(self, name: str, key: str = "Enter", back: bool = False) -> None:
        self.to(name, back)
        self.tab.keyboard.press(key)

    def write(self, name: str, text: str) -> None:
        """With the keyboard on the screen, which a switch runs, too."""
        self.to(name)
        self.tab.keyboard.insert_text(text)

    def open(self, name: str, title: str, back: bool = False) -> None:
        """Press what opens a panel, which takes the focus when it is filled."""
        self.press(name, back=back)
        self.hand.panel(title).wait_for()
        self.tab.wait_for_function("() => document.querySelector('#side').contains(document.activeElement)")

    def focused(self) -> str:
        found = self.tab.evaluate(FOCUSED)
        return str(found["name"]) if found else ""


@pytest.fixture
def room(browser: Any, hall: Hall, tmp_path: Path) -> Any:
    made = Room(browser, hall, tmp_path, Task("desktop", "議員", "", "", "", "ja", lambda room: None))
    yield made
    made.end()
    assert made.problems == []


def test_a_paper_is_read_with_the_keyboard_alone(room: Room) -> None:
    walk = Walk(room, "議員")
    hand, keys = walk.hand, walk.tab.keyboard
    hand.sees_link(SESSION)
    walk.press(SESSION)
    hand.sees_link(BUDGET)
    walk.press(BUDGET)
    hand.sees_page(1)
    hand.sees("目次")
    keys.press("ArrowRight")
    hand.sees("ii–iii (2–3 / 60)")
    keys.press("PageDown")
    hand.sees("1–2 (4–5 / 60)")
    keys.press("g")
    walk.tab.wait_for_function("() => document.activeElement.tagName === 'INPUT'")
    keys.type("37")
    keys.press("Enter")
    hand.sees("37–38 (40–41 / 60)")
    keys.press("Escape")
    keys.press("/")
    walk.tab.wait_for_function("() => document.activeElement.type === 'search'")
    keys.insert_text("予備費")
    keys.press("Enter")
    hand.sees("3 / 3")
    keys.press("Escape")
    assert not hand.panel("検索").is_visible()
    keys.press("n")
    hand.sees("1 / 3")
    hand.sees("13–14 (16–17 / 60)")
    keys.press("b")
    walk.open("しおり", "しおり", back=True)
    hand.sees("ページ 14", within=hand.panel("しおり"))
    keys.press("Escape")
    assert walk.focused() == "しおり", "the focus comes back to what opened it"
    keys.press("+")
    hand.sees_zoom("zoom > 1.3")
    keys.press("0")
    hand.sees_zoom("zoom === 1")
    keys.press("?")
    hand.sees("指・マウスの操作")
    keys.press("Escape")
    walk.press("本棚", back=True)
    hand.sees_link(BUDGET)
    walk.tab.wait_for_function(f"() => document.activeElement.textContent.includes('{BUDGET}')")


def test_a_paper_is_read_with_a_switch(room: Room) -> None:
    walk = Walk(room, "事務局員")
    hand = walk.hand
    hand.sees_link(SESSION)
    walk.press(SESSION)
    hand.sees_link(BUDGET)
    walk.press(BUDGET)
    hand.sees_page(1)
    hand.sees("目次")
    walk.press("次へ")
    hand.sees("ii–iii (2–3 / 60)")
    assert walk.focused() == "次へ", "a second press turns again"
    walk.tab.keyboard.press("Space")
    hand.sees("1–2 (4–5 / 60)")
    walk.open("検索", "検索")
    walk.tab.keyboard.insert_text("予備費")
    walk.press("検索", "Space")
    hand.sees("1 / 3")
    walk.press("閉じる")
    assert walk.focused() == "検索"
    walk.press("次", "Space")
    hand.sees("2 / 3")
    hand.sees_page(RESERVES[1] + ROMAN)
    walk.open("しおり", "しおり")
    walk.press("このページにしおりをはさむ")
    hand.sees("しおりを外す")
    walk.press("閉じる")
    walk.press("本棚")
    hand.sees_link(BUDGET)
