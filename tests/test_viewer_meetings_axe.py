"""No rule of an accessibility checker is broken on the screens of a meeting, in both languages, and all is in its place."""

from __future__ import annotations

import re
from typing import Any

import pytest
from house import NEEDS_CHROMIUM, browser, fits, house, picture, visit
from meeting_hall import CHAIR, MEMBER, PATIENCE_MS, PHONE, Hall, hall, words
from test_viewer_axe import RUN, axe

pytest.importorskip("websockets", reason="needs the extra server")
pytestmark = NEEDS_CHROMIUM

__all__ = ["axe", "browser", "hall", "house", "visit"]

SCREENS = {"ja": (820, 1100), "en": (320, 640)}


class Checked:
    """What the checker finds."""

    def __init__(self, axe: str, language: str) -> None:
        self.axe, self.language, self.found = axe, language, dict[str, Any]()
        self.words = words(language)

    def t(self, key: str, **values: object) -> str:
        return re.sub(r"{(\w+)}", lambda one: str(values[one[1]]), self.words[key])

    def look(self, tab: Any, where: str) -> None:
        if not tab.evaluate("'axe' in window"):
            tab.evaluate(self.axe)
        picture(tab, f"meeting-{self.language}-{where}")
        if found := tab.evaluate(RUN):
            self.found[where] = found


@pytest.mark.parametrize("language", ["ja", "en"])
def test_screens_of_a_meeting(hall: Hall, axe: str, language: str) -> None:
    checked = Checked(axe, language)
    t, look = checked.t, checked.look
    options = {"locale": {"ja": "ja-JP", "en": "en-GB"}[language]}
    code = hall.seat(None, "#code=", screen=PHONE, **options).tab
    code.wait_for_selector("input[name=code]")
    look(code, "code")
    shelf = hall.seat(MEMBER, "", screen=SCREENS[language], **options)
    shelf.tab.get_by_role("link", name=t("join_one", name="令和8年第1回定例会")).first.wait_for()
    look(shelf.tab, "shelf")
    chair = hall.seat(CHAIR, screen=SCREENS[language], **options).sees(1).says(t("m_you_present"))
    shelf.tab.evaluate(f"location.hash = '{hall.place}'")
    member = shelf.sees(1).says(t("m_following", name=CHAIR))
    look(member.tab, "follower")
    member.turns()
    member.says(t("m_away", name=CHAIR))
    look(member.tab, "away")
    fits(member.tab)
    look(chair.tab, "presenter")
    fits(chair.tab)
    chair.tab.locator("#meetingbar").get_by_role("button", name=t("m_menu"), exact=True).click()
    for side in ("agenda", "present", "votes", "course"):
        chair.tab.locator(f"#meetingside [data-side={side}]").click()
        chair.tab.wait_for_selector(f"#meetingside [data-side={side}][aria-pressed=true]")
        if side == "agenda":
            chair.tab.get_by_role("button", name=t("agenda_edit")).click()
        if side == "present":
            chair.tab.locator("#meetingside summary").first.click()
        look(chair.tab, side)
        fits(chair.tab)
    chair.tab.get_by_role("button", name=t("guest_code")).click()
    chair.tab.locator("dialog").get_by_role("button", name=t("make_code"), exact=True).click()
    chair.tab.wait_for_selector("dialog p.code")
    look(chair.tab, "guest code")
    fits(chair.tab)
    chair.tab.keyboard.press("Escape")
    chair.tab.locator("#meetingside [data-side=votes]").click()
    chair.tab.locator("#meetingside").get_by_role("button", name=t("open_vote")).click()
    chair.tab.locator("dialog summary").click()
    look(chair.tab, "opening a vote")
    fits(chair.tab)
    chair.tab.locator("dialog button[type=submit]").click()
    ballot = member.tab.locator(".ballot")
    ballot.wait_for(timeout=PATIENCE_MS)
    look(member.tab, "ballot")
    ballot.locator("[data-choice=yes]").click()
    look(member.tab, "choice")
    fits(member.tab)
    ballot.locator(".main").click()
    chair.tab.get_by_role("button", name=t("close_vote")).click()
    chair.tab.get_by_role("button", name=t("confirm_vote")).click()
    member.tab.locator(".result").wait_for(timeout=PATIENCE_MS)
    look(member.tab, "result")
    fits(member.tab)
    member.tab.keyboard.press("Escape")
    member.tab.evaluate("document.documentElement.toggleAttribute('data-night', true)")
    look(member.tab, "night")
    chair.tab.keyboard.press("Escape")
    chair.tab.locator("#meetingside [data-side=course]").click()
    chair.tab.locator("[data-choice=locked]").click()
    member.says(t("m_locked", name=CHAIR))
    look(member.tab, "locked")
    assert checked.found == {}


def test_a_meeting_is_held_with_a_keyboard(hall: Hall) -> None:
    t = Checked("", "ja").t
    chair = hall.seat(CHAIR).sees(1).says(t("m_you_present"))
    menu = chair.tab.locator("#meetingbar").get_by_role("button", name=t("m_menu"))
    menu.focus()
    chair.tab.keyboard.press("Enter")
    chair.tab.wait_for_selector("#meetingside h2:focus")
    following = chair.tab.get_by_role("button", name=t("next_paper", name="請願書"))
    following.focus()
    chair.tab.keyboard.press("Enter")
    chair.sees(1, hall.petition)
    chair.tab.locator("#meetingside [data-side=course]").focus()
    chair.tab.keyboard.press("Enter")
    free = chair.tab.locator("#meetingside [data-choice=free]")
    free.focus()
    chair.tab.keyboard.press("Enter")
    chair.tab.wait_for_selector("#meetingside [data-choice=free][aria-pressed=true]:focus")
    chair.tab.keyboard.press("Escape")
    chair.tab.locator("#meetingside").wait_for(state="hidden")
    assert menu.evaluate("one => one === document.activeElement")
