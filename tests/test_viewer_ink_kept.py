"""Ink on papers is not lost, whatever is killed, and goes to all devices of its owner and to nobody else: in a browser."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from house import NEEDS_CHROMIUM, browser, pdf, sync_api
from ink_hand import LATE_MS, STROKES, Stylus, begin, middle, painted, samples, strokes, until_painted
from ink_house import InkHouse
from viewer_screen import shown

__all__ = ["browser"]
pytestmark = NEEDS_CHROMIUM
WORDS = [f"議案第{number}号 予算の説明" for number in range(1, 6)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InkHouse]:
    made = InkHouse(tmp_path_factory.mktemp("ink"))
    yield made
    made.kill()


@pytest.fixture
def paper(house: InkHouse) -> str:
    return house.paper(house.folder(f"委員会 {time.monotonic_ns()}"), "議案.pdf", pdf(*WORDS))


class Device:
    """A browser of its own, that keeps what it keeps when its tabs are killed."""

    def __init__(self, browser: Any, house: InkHouse, paper: str) -> None:
        self.house, self.paper = house, paper
        self.context = browser.new_context(viewport={"width": 900, "height": 1100}, locale="en-GB")
        self.context.add_init_script("localStorage.setItem('sidebooks hint', 'seen')")

    def open(self, page: int = 1, who: str | None = None) -> Any:
        if who:
            self.house.log_in(self.context, who)
        tab = self.context.new_page()
        tab.goto(f"{self.house.address}#paper={self.paper}/{page}")
        shown(tab, page)
        tab.wait_for_selector("#tools button", timeout=LATE_MS)
        return tab

    def marks(self, count: int) -> list[Any]:
        """By the server, when there are so many."""
        deadline_s = time.monotonic() + 30
        while len(found := self.house.marks(self.context, self.paper)) != count:
            assert time.monotonic() < deadline_s, f"{len(found)} marks, not {count}"
            time.sleep(0.05)
        return found


Made = Callable[..., Device]


@pytest.fixture
def device(browser: Any, house: InkHouse, paper: str) -> Iterator[Made]:
    devices: list[Device] = []

    def made() -> Device:
        devices.append(Device(browser, house, paper))
        return devices[-1]

    yield made
    for one in devices:
        one.context.close()


def draw(tab: Any, dy: float = 0) -> None:
    x, y = middle(tab)
    Stylus(tab).line([(x - 50, y + dy), (x, y + dy + 5), (x + 50, y + dy)])


def until_synced(tab: Any) -> None:
    """Until the server has all that the device has."""
    deadline_s = time.monotonic() + 30
    while any(one["isPending"] for one in tab.evaluate(STROKES)):
        assert time.monotonic() < deadline_s
        tab.wait_for_timeout(20)


def until_marks(tab: Any) -> None:
    """Until the marks of the paper are there."""
    tab.wait_for_selector("#wordbar", state="attached", timeout=LATE_MS)


def test_a_line_goes_to_the_server_and_to_other_devices_of_its_owner_at_once(device: Made) -> None:
    one, other = device(), device()
    first, second = one.open(2, "議員"), other.open(2, "議員")
    until_marks(second)
    until_marks(first)
    begin(first)
    draw(first)
    [mark] = one.marks(1)
    assert mark["mine"]
    assert mark["anchor"]["content_id"], "the server says what the page shows"
    until_painted(second, painted(first), 2)
    begin(second)
    assert second.locator("[data-ink=undo]").is_disabled(), "what was made elsewhere is not undone here"
    first.click("[data-ink=undo]")
    one.marks(0)
    second.wait_for_function("() => document.querySelector('.marks').hidden", timeout=LATE_MS)


def test_nobody_sees_the_ink_of_somebody_else_on_the_same_device(device: Made) -> None:
    tablet = device()
    tab = tablet.open(1, "議員")
    begin(tab)
    draw(tab)
    tablet.marks(1)
    until_painted(tab, painted(tab), 2)
    tab.close()
    tab = tablet.open(1, "事務局員")
    until_marks(tab)
    assert tablet.house.marks(tablet.context, tablet.paper) == []
    assert painted(tab) == []
    begin(tab)
    draw(tab, 60)
    tablet.marks(1)
    tab.close()
    tab = tablet.open(1, "議員")
    tab.wait_for_function("() => document.querySelector('.marks')?.hidden === false", timeout=LATE_MS)
    x, y = middle(tab)
    until_painted(tab, [x - 51, y - 1, x + 51, y + 5], 4)


def test_a_tab_that_is_killed_before_the_server_answers_loses_nothing(device: Made) -> None:
    tablet = device()
    tab = tablet.open(3, "議員")
    until_marks(tab)
    tab.route("**/marks", lambda route: None)  # the answer never comes
    begin(tab)
    draw(tab)
    strokes(tab, 1)
    crash(tab)
    assert tablet.house.marks(tablet.context, tablet.paper) == []
    again = tablet.open(3)
    [mark] = tablet.marks(1)
    assert len(mark["body"]["samples"]) == 3
    again.wait_for_function("() => document.querySelector('.marks')?.hidden === false", timeout=LATE_MS)


def crash(tab: Any) -> None:
    """Kill the process of a tab: nothing that it would do at its end is done."""
    with tab.expect_event("crash", timeout=LATE_MS), pytest.raises(sync_api.Error):
        tab.goto("chrome://crash")


def test_a_server_that_is_killed_loses_nothing_and_has_each_line_once(device: Made, house: InkHouse) -> None:
    tablet = device()
    tab = tablet.open(1, "議員")
    until_marks(tab)
    begin(tab)
    draw(tab)
    tablet.marks(1)
    house.kill()
    for row in (1, 2):
        draw(tab, 40 * row)
    strokes(tab, 3)
    house.start()
    tablet.marks(3)
    until_synced(tab)


def test_a_line_of_an_older_revision_stays_with_its_page(device: Made, house: InkHouse) -> None:
    tablet = device()
    tab = tablet.open(2, "議員")
    until_marks(tab)
    begin(tab)
    draw(tab)
    tablet.marks(1)
    place = painted(tab)
    house.ask("POST", f"papers/{tablet.paper}/revisions?filename=new.pdf", pdf("まえがき", *WORDS))
    shown(tab, 3)
    until_painted(tab, place, 2)
    assert tab.locator("#inkbar").is_visible(), "who draws goes on"
    draw(tab, 60)
    marks = tablet.marks(2)
    assert sorted((one["anchor"]["revision"], one["anchor"]["page"]) for one in marks) == [(1, 1), (2, 2)]


def test_a_line_under_the_pen_when_its_paper_is_replaced_is_of_the_page_it_was_drawn_on(device: Made, house: InkHouse) -> None:
    tablet = device()
    tab = tablet.open(2, "議員")
    until_marks(tab)
    begin(tab)
    x, y = middle(tab)
    pen = Stylus(tab)
    pen.down((x - 50, y))
    pen.move((x, y))
    house.ask("POST", f"papers/{tablet.paper}/revisions?filename=new.pdf", pdf("まえがき", *WORDS))
    shown(tab, 3)
    pen.move((x + 50, y))
    pen.up((x + 50, y))
    [mark] = tablet.marks(1)
    assert (mark["anchor"]["revision"], mark["anchor"]["page"], len(mark["body"]["samples"])) == (1, 1, 2)


ME = re.compile(r"/me$")


@pytest.mark.parametrize("answer", ["error", "none"])
def test_whoever_is_known_here_writes_although_the_server_does_not_say_who_reads(device: Made, answer: str) -> None:
    tablet = device()
    tab = tablet.open(1, "議員")
    until_marks(tab)
    tab.wait_for_function("() => localStorage.getItem('sidebooks person')", timeout=LATE_MS)
    tab.close()
    tab = tablet.context.new_page()
    tab.route(ME, lambda route: route.fulfill(status=500) if answer == "error" else None)
    tab.goto(f"{tablet.house.address}#paper={tablet.paper}/1")
    shown(tab, 1)
    begin(tab)
    draw(tab)
    assert tablet.marks(1)[0]["mine"]


def test_the_tool_comes_when_it_is_known_who_reads_and_that_is_said(device: Made) -> None:
    tablet = device()
    tablet.house.log_in(tablet.context, "議員")
    tab = tablet.context.new_page()
    tab.add_init_script("localStorage.removeItem('sidebooks person')")
    tab.route("**/position", lambda route: route.abort())
    asked: list[Any] = []
    tab.route(ME, lambda route: asked.append(route))
    tab.goto(f"{tablet.house.address}#paper={tablet.paper}/1")
    shown(tab, 1)
    tab.wait_for_selector("#tools button", timeout=LATE_MS)
    tab.wait_for_function("() => document.querySelector('.marks')", timeout=LATE_MS)
    tab.click("#draw-button")
    tab.wait_for_selector("text=You can write in a moment", timeout=LATE_MS)
    assert tab.locator("#inkbar").count() == 0
    tab.unroute(ME)
    for route in asked:
        route.continue_()
    tab.wait_for_selector("#inkbar", timeout=LATE_MS)
    assert tab.get_by_text("You can write in a moment").count() == 0
    draw(tab)
    tablet.marks(1)


def test_the_tool_comes_although_its_paper_is_replaced_while_it_is_waited_for(device: Made, house: InkHouse) -> None:
    tablet = device()
    tablet.house.log_in(tablet.context, "議員")
    tab = tablet.context.new_page()
    tab.add_init_script("localStorage.removeItem('sidebooks person')")
    tab.route("**/position", lambda route: route.abort())
    asked: list[Any] = []
    freed: list[bool] = []
    tab.route(ME, lambda route: route.continue_() if freed else asked.append(route))
    tab.goto(f"{tablet.house.address}#paper={tablet.paper}/2")
    shown(tab, 2)
    tab.wait_for_selector("#tools button", timeout=LATE_MS)
    tab.click("#draw-button")
    tab.wait_for_selector("text=You can write in a moment", timeout=LATE_MS)
    house.ask("POST", f"papers/{tablet.paper}/revisions?filename=new.pdf", pdf("まえがき", *WORDS))
    shown(tab, 3)
    deadline_s = time.monotonic() + 30
    while len(asked) < 2:  # for the marks of each revision
        assert time.monotonic() < deadline_s
        tab.wait_for_timeout(20)
    freed.append(True)
    for route in asked:
        route.continue_()
    tab.wait_for_selector("#inkbar", timeout=LATE_MS)


def test_what_is_written_without_a_connection_is_there_after_a_reload_without_it(device: Made) -> None:
    tablet = device()
    tab = tablet.open(1, "議員")
    until_marks(tab)
    begin(tab)
    tab.route("**/papers/*/marks*", lambda route: route.abort())
    draw(tab)
    strokes(tab, 1)
    tab.wait_for_selector("#inkbar .waiting", timeout=LATE_MS)
    tab.close()
    tab = tablet.context.new_page()
    tab.route("**/papers/*/marks*", lambda route: route.abort())
    tab.goto(f"{tablet.house.address}#paper={tablet.paper}/1")
    shown(tab, 1)
    tab.wait_for_function("() => document.querySelector('.marks')?.hidden === false", timeout=LATE_MS)
    tab.unroute("**/papers/*/marks*")
    tab.evaluate("() => dispatchEvent(new Event('online'))")
    [mark] = tablet.marks(1)
    assert [tuple(one) for one in mark["body"]["samples"]] == [tuple(one) for one in samples(strokes(tab, 1)[0])]


def test_what_one_paper_could_not_send_goes_when_the_viewer_is_opened_next(device: Made) -> None:
    tablet = device()
    tab = tablet.open(1, "議員")
    until_marks(tab)
    tab.route("**/papers/*/marks*", lambda route: route.abort())
    begin(tab)
    draw(tab)
    strokes(tab, 1)
    tab.close()
    tab = tablet.context.new_page()
    tab.goto(tablet.house.address)  # the shelf
    tablet.marks(1)
    tab.wait_for_function("() => localStorage.getItem('sidebooks unsent marks') === null", timeout=LATE_MS)


def test_who_logs_out_leaves_no_marks_on_the_device(device: Made) -> None:
    tablet = device()
    tab = tablet.open(1, "議員")
    until_marks(tab)
    begin(tab)
    draw(tab)
    tablet.marks(1)
    strokes(tab, 1)
    tab.goto(tablet.house.address)
    tab.locator("#shelf").get_by_role("button", name="議員").click()
    tab.locator("dialog").get_by_role("button", name="Log out").click()
    tab.wait_for_selector("input[type=password]", timeout=LATE_MS)
    strokes(tab, 0)
    tab.goto("about:blank")
    tablet.open(1, "議員").wait_for_function("() => document.querySelector('.marks')?.hidden === false", timeout=LATE_MS)
    tablet.marks(1)


def test_what_is_written_is_sent_when_whoever_wrote_goes_back_to_the_shelf(device: Made) -> None:
    tablet = device()
    tab = tablet.open(1, "議員")
    until_marks(tab)
    begin(tab)
    draw(tab)
    tab.evaluate("() => { location.hash = ''; }")
    tab.wait_for_selector("#shelf:not([hidden])", timeout=LATE_MS)
    tablet.marks(1)


def test_the_last_letters_of_a_note_are_sent_when_its_reader_goes_back_to_the_shelf(device: Made) -> None:
    tablet = device()
    tab = tablet.open(1, "議員")
    tab.wait_for_selector("#stage[data-marks]", timeout=LATE_MS)  # the panel lists the marks that are there
    tab.click("#bookmarks-button")
    tab.locator("#side").get_by_role("button", name="All marks in this paper").click()
    tab.wait_for_selector("#side[data-panel=marks]", timeout=LATE_MS)
    tab.get_by_role("button", name="Note on this page").click()
    tab.wait_for_selector("#side[data-panel=mark] textarea", timeout=LATE_MS)
    tablet.marks(1)
    tab.evaluate(
        """() => {
            const field = document.querySelector('#side textarea');
            field.value = '予算の根拠は？';
            field.dispatchEvent(new Event('input', { bubbles: true }));
            location.hash = '';
        }"""
    )
    deadline_s = time.monotonic() + 30
    while tablet.marks(1)[0]["body"]["text"] != "予算の根拠は？":
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_marks_of_somebody_else_on_the_device_are_not_forgotten_when_ones_own_are_sent(device: Made) -> None:
    tablet = device()
    tab = tablet.open(1, "議員")
    until_marks(tab)
    kept = tab.evaluate(
        """async ([paper]) => {
            const { id: person } = await (await fetch('me')).json();
            const [{ MarksDisk }, { Library }, { sendUnsent }] = await Promise.all(
                ['marks_disk', 'client', 'marks_left'].map(one => import(`./viewer/${one}.js`)));
            const stamp = [1, 0, 'x'];
            const body = { kind: 'bookmark', text: '' };
            const mark = { id: 'other', stamp, anchor: { revision: 1, page: 0, content_id: '' }, body };
            const record = { person: 'somebody', paper, id: 'other', mark, isMine: true, isPending: true };
            const disk = new MarksDisk('sidebooks');
            const found = [];
            for (const change of [{ records: [record] }, { gone: ['other'], over: [stamp] }]) {
                localStorage.setItem('sidebooks unsent marks', 'yes');
                await disk.write('somebody', paper, change);
                await sendUnsent(new Library(''), person);
                found.push(localStorage.getItem('sidebooks unsent marks'));
            }
            return found;
        }""",
        [tablet.paper],
    )
    assert kept == ["yes", None]


def test_whoever_logs_out_does_not_wait_for_a_server_that_takes_no_marks(device: Made) -> None:
    tablet = device()
    tab = tablet.open(1, "議員")
    until_marks(tab)
    tab.route("**/papers/*/marks*", lambda route: None)  # the answer never comes
    begin(tab)
    draw(tab)
    strokes(tab, 1)
    tab.evaluate("() => localStorage.setItem('sidebooks marks hidden', 'shared')")
    tab.goto(tablet.house.address)
    tab.locator("#shelf").get_by_role("button", name="議員").click()
    tab.locator("dialog").get_by_role("button", name="Log out").click()
    tab.wait_for_selector("input[type=password]", timeout=LATE_MS)
    assert strokes(tab, 1)[0]["isPending"], "what the server does not have stays"
    assert tab.evaluate("() => localStorage.getItem('sidebooks unsent marks')") == "yes"
    assert tab.evaluate("() => localStorage.getItem('sidebooks marks hidden')") is None, "the next person sees all"


def test_a_tab_that_is_killed_while_somebody_logs_out_loses_nothing_and_leaves_nothing(device: Made) -> None:
    tablet = device()
    tab = tablet.open(2, "議員")
    until_marks(tab)
    tab.wait_for_function("() => localStorage.getItem('sidebooks person')", timeout=LATE_MS)
    tab.route("**/papers/*/marks*", lambda route: route.abort())
    begin(tab)
    draw(tab)
    strokes(tab, 1)
    tab.evaluate("() => { location.hash = ''; }")
    tab.locator("#shelf").get_by_role("button", name="議員").click()
    ended: list[int] = []
    tab.route("**/logout", lambda route: ended.append(route.fetch().status))  # the tab never hears of it
    tab.locator("dialog").get_by_role("button", name="Log out").click()
    deadline_s = time.monotonic() + 30
    while not ended:
        assert time.monotonic() < deadline_s
        tab.wait_for_timeout(20)
    assert ended == [204]
    assert tab.evaluate("() => localStorage.getItem('sidebooks leaving')")
    crash(tab)
    after = tablet.context.new_page()
    after.goto(tablet.house.address)
    after.wait_for_function("() => !localStorage.getItem('sidebooks leaving')", timeout=LATE_MS)
    keys = after.evaluate("() => Object.keys(localStorage)")
    assert [one for one in keys if one.startswith(("sidebooks page", "sidebooks person", "sidebooks opened"))] == []
    assert strokes(after, 1)[0]["isPending"], "what the server does not have stays"
    tablet.open(2, "事務局員")
    assert tablet.marks(0) == []
    tablet.open(2, "議員")
    tablet.marks(1)


def test_a_tab_whose_login_is_another_persons_shows_and_sends_nothing_of_the_first(device: Made) -> None:
    tablet = device()
    tab = tablet.open(1, "議員")
    until_marks(tab)
    begin(tab)
    draw(tab)
    tablet.marks(1)
    until_painted(tab, painted(tab), 2)
    tablet.house.log_in(tablet.context, "事務局員")  # in another tab
    draw(tab, 60)
    tab.wait_for_function("() => document.querySelector('.marks').hidden", timeout=LATE_MS)
    assert tablet.marks(0) == [], "what the first person drew is not the second one's"
    deadline_s = time.monotonic() + 30
    while [one["isPending"] for one in tab.evaluate(STROKES)] != [True]:  # it waits on the device, and what the server has goes
        assert time.monotonic() < deadline_s
        tab.wait_for_timeout(20)
    tab.wait_for_selector("#stage[data-marks]", timeout=LATE_MS)  # of who is logged in now
    later = tablet.open(1, "事務局員")
    until_marks(later)
    begin(later)
    draw(later, -60)
    tablet.marks(1)
    tablet.open(1, "議員")
    tablet.marks(2)
