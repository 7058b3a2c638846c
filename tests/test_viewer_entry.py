"""The ways into the shelf in a real browser: names and passwords, links for guests, logins that end."""

from __future__ import annotations

import re
from typing import Any

from house import (
    NEEDS_CHROMIUM,
    PASSWORD,
    House,
    Visits,
    browser,
    house,
    more,
    pdf,
    visit,
)
from viewer_screen import shown

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "house", "visit"]


def test_a_name_and_a_password_open_the_shelf(visit: Visits, house: House) -> None:
    tab = visit(None)
    name, password = tab.get_by_label("Name"), tab.get_by_label("Password", exact=True)
    assert (name.get_attribute("autocomplete"), password.get_attribute("autocomplete")) == ("username", "current-password")
    assert name.evaluate("one => one === document.activeElement")
    name.fill("係長")
    password.fill("wrong, wrong")
    tab.get_by_label("Show the password").check()
    assert password.get_attribute("type") == "text"
    password.press("Enter")
    tab.wait_for_selector(".error:visible")
    assert tab.inner_text(".error") == "The name or the password is wrong."
    password.fill(PASSWORD)
    password.press("Enter")
    tab.wait_for_selector(".account")
    assert "係長" in tab.inner_text(".account")
    tab.click(".account")
    tab.get_by_role("button", name="Log out").click()
    tab.get_by_role("heading", name="Log in").wait_for()


def test_who_must_wait_is_told_how_long(visit: Visits) -> None:
    tab = visit(None)
    tab.route("**/login", lambda route: route.fulfill(status=429, headers={"Retry-After": "2"}, json={"detail": "later"}))
    tab.get_by_label("Name").fill("x")
    tab.get_by_label("Password", exact=True).fill("x")
    tab.get_by_role("button", name="Log in").click()
    tab.wait_for_selector("text=Please wait 2 seconds")
    assert tab.get_by_role("button", name="Log in").is_disabled()
    tab.wait_for_selector("text=Please wait 1 seconds")
    tab.wait_for_function("() => !document.querySelector('button.main').disabled")


def test_a_link_to_a_paper_leads_there_after_the_login(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("深い所"), "議案.pdf", pdf("一", "二", "三"))
    tab = visit(None, f"#paper={paper}/2")
    tab.get_by_label("Name").fill("議員")
    tab.get_by_label("Password", exact=True).fill(PASSWORD)
    tab.get_by_role("button", name="Log in").click()
    shown(tab, 2)
    assert tab.inner_text("#title") == "議案"


def test_a_guest_comes_by_a_link(visit: Visits, house: House) -> None:
    folder = house.folder("傍聴席")
    house.paper(folder, "資料.pdf", pdf("傍聴"))
    clerk = visit(place=f"#folder={folder}")
    clerk.get_by_role("button", name="Guests’ link").click()
    clerk.get_by_role("button", name="Make a link").click()
    clerk.wait_for_function("() => document.querySelector('.qr')?.naturalWidth > 20")
    address = clerk.input_value(".address")
    guest = visit(None, address.removeprefix(house.address))
    guest.get_by_label("What are you called?").fill("山田")
    guest.get_by_role("button", name="Open the papers").click()
    guest.wait_for_selector(".account")
    assert "#join" not in guest.url, "the secret is in no history"
    guest.get_by_role("link", name="傍聴席").click()
    guest.get_by_role("link", name="資料").wait_for()
    assert guest.get_by_role("button", name=re.compile("Add|More|New")).count() == 0
    guest.get_by_role("link", name="資料").click()
    shown(guest, 1)
    clerk.keyboard.press("Escape")
    more(clerk, "資料", "Who has opened it")
    clerk.locator("dialog", has_text="山田").last.wait_for()
    again = visit(None, f"#join={'x' * 43}")
    again.get_by_role("button", name="Open the papers").click()
    again.wait_for_selector("text=This link is not valid any more")


def test_the_login_of_a_lost_tablet_is_ended_from_elsewhere(visit: Visits, house: House) -> None:
    folder = house.folder("紛失")
    paper = house.paper(folder, "秘密.pdf", pdf("秘密"))
    lost = visit("議員", f"#paper={paper}/1")
    shown(lost, 1)
    lost.wait_for_timeout(1500)
    mine = visit("議員")
    mine.click(".account")
    rows = mine.locator("dialog .rows li")
    rows.first.wait_for()
    while mine.locator("dialog .rows button").count():
        before = rows.count()
        mine.locator("dialog .rows button").first.click()
        mine.wait_for_function(f"() => document.querySelectorAll('dialog .rows li').length < {before}")
    lost.get_by_role("heading", name="Log in").wait_for(timeout=20_000)
    assert lost.evaluate("window.sidebooks.book") is None


def test_a_link_that_opens_on_this_machine_alone_says_so(visit: Visits, house: House) -> None:
    clerk = visit("事務局員", f"#folder={house.folder('手元')}")

    def make() -> Any:
        clerk.get_by_role("button", name="Guests’ link").click()
        clerk.get_by_role("button", name="Make a link").click()
        clerk.wait_for_selector("dialog .qr")
        return clerk.locator("dialog").get_by_text("opens on this computer alone")

    assert make().is_visible()
    clerk.keyboard.press("Escape")

    def publish(route: Any) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        told = route.fetch().json()
        route.fulfill(status=201, json={**told, "address": "https://books.town.example/#join=x"})

    clerk.route("**/folders/*/links", publish)
    assert make().count() == 0


def test_a_login_screen_that_comes_late_does_not_name_the_screen_that_is_there_by_now(visit: Visits, house: House) -> None:
    folder = house.folder("広場")
    house.ask("PUT", f"folders/{folder}/access", {"grants": [{"kind": "role", "subject": "citizen"}]})
    tab = visit(None, f"#folder={folder}")
    tab.wait_for_selector("#shelf h1")
    tab.evaluate("""() => {
        const real = window.fetch;
        window.fetch = (address, options) => {
          if (!String(address).endsWith("/me")) return real(address, options);
          window.fetch = real;
          return new Promise((done) => { window.goOn = () => done(real(address, options)); });
        };
    }""")
    tab.locator(".tools").get_by_role("button", name="Log in").click()
    tab.wait_for_function("() => window.goOn")
    tab.evaluate("location.hash = '#search=%E4%BA%88%E7%AE%97'")
    tab.wait_for_function("() => document.title.startsWith('Search')")
    tab.evaluate("void window.goOn()")
    tab.wait_for_timeout(300)
    assert tab.title().startswith("Search"), tab.title()
