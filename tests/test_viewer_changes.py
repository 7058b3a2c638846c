"""What becomes of papers while somebody reads them, one or two side by side; and logins that end meanwhile."""

from __future__ import annotations

from typing import Any

from house import NEEDS_CHROMIUM, PASSWORD, House, Visits, browser, house, pdf, visit
from test_viewer import canvas_pixels, shown

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "house", "visit"]
LATE_MS = 30_000
TEXTS = ("表紙の紙", "第一章 予算", "第二章 決算", "終わりの紙")


def names(tab: Any) -> list[str]:
    found: list[str] = tab.locator(".pane-head strong").all_text_contents()
    return found


def log_in(tab: Any, who: str) -> None:
    tab.get_by_role("heading", name="Log in", exact=True).wait_for(timeout=LATE_MS)
    tab.get_by_label("Name").fill(who)
    tab.get_by_label("Password", exact=True).fill(PASSWORD)
    tab.get_by_role("button", name="Log in", exact=True).last.click()


def end_logins(house: House, who: str) -> None:
    people = house.ask("GET", "people")["people"]
    house.ask("DELETE", f"people/{next(one['id'] for one in people if one['name'] == who)}/sessions")


def test_what_becomes_of_the_second_of_two_papers_is_told_in_its_pane(visit: Visits, house: House) -> None:
    folder, other = house.folder("並べて"), house.folder("別の棚")
    left, right = (house.paper(folder, f"{name}.pdf", pdf(*TEXTS)) for name in ("左", "右"))
    tab = visit("議員", f"#paper={left}/1&beside=paper={right}/3")
    second, news = tab.locator(".pane .canvas"), tab.locator(".pane .pane-news")

    def shows(page: int) -> None:
        second.and_(tab.locator(f"[data-page='{page}'][data-sharp='true']")).wait_for(timeout=LATE_MS)

    shows(3)
    assert names(tab) == ["左", "右"]
    house.ask("POST", f"papers/{right}/revisions?filename=b.pdf", pdf(TEXTS[0], "新しい目次の頁", *TEXTS[1:]))
    news.get_by_text("replaced").wait_for(timeout=LATE_MS)
    shows(4)
    house.ask("PATCH", f"papers/{right}", {"name": "右（改）"})
    tab.locator(".pane-head strong").get_by_text("右（改）").wait_for(timeout=LATE_MS)
    house.ask("PATCH", f"papers/{right}", {"folder": other})
    news.get_by_text("another folder now: 別の棚").wait_for(timeout=LATE_MS)
    house.ask("POST", f"papers/{right}/withdraw", {})
    news.get_by_text("This paper was withdrawn.").wait_for(timeout=LATE_MS)
    assert second.evaluate("one => [one.width, one.height]") == [1, 1], "nothing of it is left on the canvas"
    assert names(tab) == ["左", "右（改）"]
    assert tab.locator(".first-pane .pane-news, #news").filter(visible=True).count() == 0, "nothing became of the first"
    tab.wait_for_function(f"() => location.hash.startsWith('#paper={left}/') && !location.hash.includes('beside')")
    tab.keyboard.press("ArrowRight")
    tab.wait_for_selector("#canvas[data-page='2'][data-sharp='true']")
    tab.locator(".pane-head button").click()
    assert tab.evaluate(
        "[document.getElementById('stage').parentElement.id, document.querySelectorAll('.pane-head').length]"
    ) == [
        "panes",
        0,
    ]
    shown(tab, 2)


def test_a_login_that_ends_says_so_and_leads_back_to_the_same_page(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("期限"), "議案.pdf", pdf(*TEXTS))
    tab = visit("議員", f"#paper={paper}/3", size="phone")
    with tab.expect_response("**/position", timeout=LATE_MS):
        shown(tab, 3)
    end_logins(house, "議員")
    tab.get_by_text("Your login has ended").wait_for(timeout=LATE_MS)
    assert "withdrawn" not in tab.inner_text("body")
    assert not canvas_pixels(tab).any()
    log_in(tab, "議員")
    shown(tab, 3)
    tab.click("#back")
    tab.get_by_role("link", name="議案").wait_for()
    end_logins(house, "議員")
    tab.get_by_text("Your login has ended").wait_for(timeout=LATE_MS)


def test_a_page_that_comes_no_more_since_the_login_has_ended_offers_a_login(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("画像"), "議案.pdf", pdf(*TEXTS))
    tab = visit("議員", f"#paper={paper}/1", size="phone")
    with tab.expect_response("**/position", timeout=LATE_MS):  # who it is, is known then
        shown(tab, 1)
    tab.get_by_role("button", name="OK", exact=True).click()  # the first hint
    tab.route("**/pages/4/*", lambda route: route.fulfill(status=401, json={"detail": "log in first"}))
    tab.locator("#position").fill("4")
    tab.locator(".stage .failed").get_by_text("Your login has ended").wait_for(timeout=LATE_MS)
    tab.unroute("**/pages/4/*")
    tab.locator(".stage .failed").get_by_role("button", name="Log in").click()
    log_in(tab, "議員")
    shown(tab, 4)


def test_a_paper_that_is_closed_to_everybody_is_not_called_withdrawn(visit: Visits, house: House) -> None:
    folder, closed = house.folder("公開の棚"), house.folder("非公開の棚")
    for one, grants in ((folder, [{"kind": "role", "subject": "citizen"}]), (closed, [])):
        house.ask("PUT", f"folders/{one}/access", {"grants": grants})
    paper = house.paper(folder, "広報.pdf", pdf(*TEXTS))
    tab = visit(None, f"#paper={paper}/2", size="phone")
    shown(tab, 2)
    house.ask("PATCH", f"papers/{paper}", {"folder": closed})
    news = tab.locator("#news")
    news.get_by_text("not open to you any more").wait_for(timeout=LATE_MS)
    assert "withdrawn" not in tab.inner_text("body")
    assert not canvas_pixels(tab).any()
    tab.get_by_role("heading", name="公開の棚").wait_for(timeout=LATE_MS)
    news.get_by_role("button", name="Log in").click()
    log_in(tab, "係長")
    shown(tab, 2)


def test_who_logs_in_elsewhere_comes_back_to_the_same_page(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("外部認証"), "議案.pdf", pdf(*TEXTS))
    tab = visit(None, size="phone")
    tab.route("**/me", lambda route: route.fulfill(json={**route.fetch().json(), "login_address": "/elsewhere"}))

    def there(route: Any) -> None:
        tab.context.request.post(f"{house.address}login", data={"name": "議員", "password": PASSWORD})
        route.fulfill(content_type="text/html", body="<script>location.replace('/')</script>")

    tab.route("**/elsewhere", there)
    tab.evaluate(f"location.hash = 'paper={paper}/3'")
    tab.get_by_role("button", name="Log in with the town's account").click(timeout=LATE_MS)
    shown(tab, 3)
    tab.evaluate("location.hash = ''")
    tab.get_by_role("link", name="外部認証").wait_for()


def test_a_shelf_that_comes_late_leaves_the_login_alone(visit: Visits, house: House) -> None:
    folder, closed = house.folder("遅い棚"), house.folder("閉じた棚")
    house.ask("PUT", f"folders/{folder}/access", {"grants": [{"kind": "role", "subject": "citizen"}]})
    paper = house.paper(closed, "議案.pdf", pdf(*TEXTS))
    tab = visit(None, size="phone")
    tab.get_by_role("link", name="遅い棚").wait_for()
    held: list[Any] = []
    tab.route(f"**/folders/{folder}*", lambda route: held.append(route))
    with tab.expect_request(f"**/folders/{folder}*"):
        tab.evaluate(f"location.hash = 'folder={folder}'")
    tab.evaluate(f"location.hash = 'paper={paper}/3'")
    tab.get_by_role("heading", name="Log in", exact=True).wait_for(timeout=LATE_MS)
    tab.get_by_label("Name").fill("議員")
    with tab.expect_response(f"**/folders/{folder}*"):
        held[0].continue_()
    tab.wait_for_timeout(300)  # it would be there
    house.folder("何かが変わった")  # and this would bring it, too
    tab.wait_for_timeout(300)
    tab.get_by_label("Password", exact=True).fill(PASSWORD, timeout=LATE_MS)
    tab.get_by_role("button", name="Log in", exact=True).last.click()
    shown(tab, 3)


def test_of_two_choices_for_the_second_pane_the_later_one_holds(visit: Visits, house: House) -> None:
    folder = house.folder("選ぶ")
    left, first, later = (house.paper(folder, f"{name}.pdf", pdf(*TEXTS, name)) for name in ("本", "先", "後"))
    tab = visit("議員", f"#paper={left}/1")
    shown(tab, 1)
    second = tab.locator(".pane .canvas")

    def choose(paper: str, page: int) -> None:
        tab.evaluate(f"location.hash = '#paper={left}/1&beside=paper={paper}/{page}'")

    def held(path: str, begin: Any) -> Any:
        """What lets the request go on that `begin` causes, and that ends so."""
        tab.evaluate(
            """path => {
            const real = window.fetch;
            window.fetch = (address, options) => {
              if (!String(address).endsWith(path)) return real(address, options);
              window.fetch = real;
              return new Promise((done) => { (window.held ||= []).push(() => done(real(address, options))); });
            };
        }""",
            path,
        )
        count = tab.evaluate("window.held?.length || 0")
        begin()
        tab.wait_for_function(f"() => window.held?.length === {count + 1}", timeout=LATE_MS)
        return lambda: tab.evaluate(f"void window.held[{count}]()")

    go_on = held(f"/papers/{first}", lambda: choose(first, 2))
    choose(later, 3)
    second.and_(tab.locator("[data-page='3'][data-sharp='true']")).wait_for(timeout=LATE_MS)
    go_on()
    tab.wait_for_timeout(700)
    assert names(tab) == ["本", "後"], "the answer that came late"
    tab.locator(".pane-head button").click()
    of_first = held("/runs.json", lambda: choose(first, 2))
    of_later = held("/runs.json", lambda: choose(later, 4))
    of_first()
    tab.wait_for_timeout(300)
    of_later()
    second.and_(tab.locator("[data-page='4'][data-sharp='true']")).wait_for(timeout=LATE_MS)
    assert names(tab) == ["本", "後"]
    tab.locator(".pane-head button").click()
    go_on = held(f"/papers/{first}", lambda: choose(first, 2))
    tab.evaluate(f"location.hash = '#paper={left}/2'")
    tab.wait_for_selector("#canvas[data-page='2'][data-sharp='true']")
    go_on()
    tab.wait_for_timeout(700)
    assert names(tab) == [], "it is not asked for any more"
