"""The looks of the shelf in a real browser: sizes, languages, keys, accessibility."""

from __future__ import annotations

from typing import Any

import pytest
from house import (
    NEEDS_CHROMIUM,
    SIZES,
    House,
    Visits,
    access_dialog,
    browser,
    fits,
    house,
    pdf,
    picture,
    visit,
)
from test_viewer_axe import axe
from viewer_screen import shown

pytestmark = NEEDS_CHROMIUM
__all__ = ["axe", "browser", "house", "visit"]


@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_screen_fits_and_fingers_reach_everything(
    visit: Visits, house: House, locale: str, size: str, scheme: str
) -> None:
    folder = house.folder(f"とても長い名前の会議 {locale} {size} {scheme} ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    house.paper(folder, "議案第1号 令和8年度一般会計補正予算（第3号）について.pdf", pdf("補正予算"))
    house.paper(folder, "鍵のある文書.pdf", pdf("鍵", password="x"))
    is_japanese = locale == "ja-JP"
    name = f"{size}-{scheme}-{locale}"
    options = {"locale": locale, "color_scheme": scheme}
    out = visit(None, "", size, **options)
    out.wait_for_selector(".entry input")
    assert out.inner_text("h1") == ("ログイン" if is_japanese else "Log in")
    fits(out)
    picture(out, f"login-{name}")
    tab = visit("係長", "", size, **options)
    tab.wait_for_selector(".folders a, .section h2 a")
    fits(tab)
    tab.goto(f"{house.address}#folder={folder}")
    tab.wait_for_selector(".way:not([hidden])")
    tab.wait_for_function("() => document.querySelectorAll('.papers li').length === 2")
    tab.wait_for_function("() => [...document.querySelectorAll('.preparing')].every(one => one.hidden)", timeout=30_000)
    fits(tab)
    picture(tab, f"folder-{name}")
    assert tab.evaluate("document.documentElement.lang") == locale[:2]
    for button in (
        ".papers .more",
        ".tools button.account",
        "#shelf > .buttons button:nth-child(3)",
        "#shelf > .buttons button:nth-child(4)",
    ):
        tab.locator(button).first.click()
        tab.wait_for_selector("dialog button")
        tab.wait_for_timeout(150)
        fits(tab)
        picture(tab, f"dialog{len(button)}-{name}")
        tab.keyboard.press("Escape")
        tab.wait_for_selector("dialog", state="detached")
    tab.locator(".papers a").click()
    shown(tab, 1)
    fits(tab)
    picture(tab, f"reader-{name}")
    assert tab.evaluate("document.scrollingElement.scrollHeight <= innerHeight"), "bars cannot be scrolled off the screen"
    tab.locator("#draw-button").click()
    tab.wait_for_selector("#inkbar")
    fits(tab)
    picture(tab, f"ink-{name}")


def test_all_of_it_works_by_keyboard(visit: Visits, house: House) -> None:
    folder = house.folder("鍵盤")
    house.paper(folder, "文書.pdf", pdf("一", "二"))
    tab = visit("係長", f"#folder={folder}")
    tab.get_by_role("link", name="文書").wait_for()

    def tab_to(name: str) -> None:
        for _ in range(40):
            tab.keyboard.press("Tab")
            if tab.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent").startswith(name):
                return
        raise AssertionError(f"{name} is not reached")

    tab_to("More: 文書")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("dialog .menu")
    tab.keyboard.press("Escape")
    tab.wait_for_selector("dialog", state="detached")
    assert tab.evaluate("document.activeElement.ariaLabel") == "More: 文書", "the focus comes back"
    tab.evaluate("document.activeElement.blur()")
    tab_to("文書")
    tab.keyboard.press("Enter")
    shown(tab, 1)
    tab.keyboard.press("ArrowRight")
    shown(tab, 2)


def test_the_language_changes_on_the_shelf(visit: Visits, house: House) -> None:
    tab = visit("係長", f"#folder={house.folder('言葉')}")
    tab.get_by_role("button", name="Add papers").wait_for()
    tab.get_by_role("button", name="日本語").click()
    tab.get_by_role("button", name="文書を追加").wait_for()
    tab.reload()
    tab.get_by_role("button", name="文書を追加").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_accessibility_rule_is_broken(visit: Visits, house: House, axe: str, scheme: str) -> None:
    folder = house.folder(f"軸 {scheme}")
    house.paper(folder, "文書.pdf", pdf("一"))
    house.paper(folder, "鍵.pdf", pdf("鍵", password="x"))

    def check(tab: Any) -> None:
        tab.evaluate(axe)
        found = tab.evaluate(
            "() => axe.run().then(found => found.violations.map(one => [one.id, one.nodes.map(node => node.html)]))"
        )
        assert found == []

    out = visit(None, color_scheme=scheme)
    out.wait_for_selector(".entry input")
    check(out)
    tab = visit("係長", f"#folder={folder}", color_scheme=scheme)
    tab.get_by_role("link", name="文書").wait_for()
    check(tab)
    tab.get_by_role("button", name="More: 文書").click()
    tab.wait_for_selector("dialog .menu")
    check(tab)
    tab.keyboard.press("Escape")
    access_dialog(tab).locator("[value=some_people]").check()
    check(tab)
