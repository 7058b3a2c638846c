"""Highlights, underlines, notes, stamps and the list of marks in the viewer, with a browser."""

from __future__ import annotations

from typing import Any

import pymupdf
from ink_hand import Stylus
from reading_room import NEEDS_CHROMIUM, Hand, Open, Room, browser, open_at, room, shown

__all__ = ["browser", "open_at", "room"]
pytestmark = NEEDS_CHROMIUM
LATE_MS = 30_000


def await_text(tab: Any) -> None:
    """Until the words of the page can be selected, and its marks are there."""
    tab.wait_for_selector("#text:not([hidden]) .line", timeout=LATE_MS)
    tab.wait_for_selector("#stage[data-marks]", timeout=LATE_MS)


SELECT = """([first, last]) => {
    const lines = [...document.querySelectorAll('#text .line')];
    const found = (text) => {
        for (const line of lines) {
            const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
            for (let node = walker.nextNode(); node; node = walker.nextNode()) {
                const at = node.data.indexOf(text);
                if (at >= 0) return [node, at];
            }
        }
        throw new Error(`there is no ${text}`);
    };
    const [[from, start], [to, end]] = [found(first), found(last)];
    const range = document.createRange();
    range.setStart(from, start);
    range.setEnd(to, end + last.length);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
}"""


def select(tab: Any, first: str, last: str | None = None) -> None:
    for word in (first, last or first):
        tab.locator("#text:not([hidden]) .line", has_text=word).first.wait_for(timeout=LATE_MS)
    tab.evaluate(SELECT, [first, last or first])
    tab.wait_for_selector("#wordbar:not([hidden])", timeout=LATE_MS)


KEPT = """async ([count, late_ms]) => {
    const [{ name }] = await indexedDB.databases();
    const database = await new Promise((done, failed) => {
        const asked = indexedDB.open(name);
        asked.onsuccess = () => done(asked.result);
        asked.onerror = () => failed(asked.error);
    });
    try {
        for (const from_ms = performance.now(); ;) {
            const asked = database.transaction('marks').objectStore('marks').getAll();
            await new Promise((done) => { asked.onsuccess = done; });
            const found = asked.result.map((one) => one.mark).filter((one) => one.body);
            if (found.length === count || performance.now() - from_ms > late_ms) return found;
            await new Promise((done) => { setTimeout(done, 50); });
        }
    } finally { database.close(); }
}"""


def kept(tab: Any, count: int) -> list[Any]:
    """The marks that the device keeps, when there are so many."""
    found: list[Any] = tab.evaluate(KEPT, [count, LATE_MS])
    assert len(found) == count, found
    return found


def test_selected_words_are_highlighted_and_stay_so(open_at: Open) -> None:
    tab = open_at("予算書", 3)
    await_text(tab)
    select(tab, "水道", "予算")
    tab.locator("#wordbar").get_by_role("button", name="Highlight").click()
    [mark] = kept(tab, 1)
    assert mark["body"]["kind"] == "highlight"
    assert mark["anchor"]["quote"] == "水道の予算"
    assert mark["anchor"]["page"] == 2
    assert tab.locator("#wordbar").is_hidden()
    tab.reload()
    shown(tab, 3)
    await_text(tab)
    tab.wait_for_function(PAINTED, arg=[74, 775], timeout=LATE_MS)


PAINTED = """([x_pt, y_pt]) => {
    const canvas = document.getElementById('canvas');
    const context = canvas.getContext('2d');
    const [left, right] = [0, canvas.width - 1].map((from) => {
        for (let x = from; x >= 0 && x < canvas.width; x += from ? -1 : 1) {
            if (context.getImageData(x, canvas.height >> 1, 1, 1).data[3]) return x;
        }
        return from;
    });
    const scale = (right - left + 1) / 595;
    const top = (canvas.height - 842 * scale) / 2;
    const area = context.getImageData(left + x_pt * scale, top + y_pt * scale, 3, 3).data;
    const colours = Array.from({ length: 9 }, (_, at) => [...area.slice(at * 4, at * 4 + 3)]);
    return colours.some(([red, green, blue]) => Math.max(red, green, blue) - Math.min(red, green, blue) > 60);
}"""
"""Whether there is colour at a place of the page."""


def place_of(tab: Any, x_pt: float, y_pt: float) -> tuple[float, float]:
    """Where a point of the page is in the window."""
    found: list[float] = tab.evaluate(
        """([x_pt, y_pt]) => {
            const canvas = document.getElementById('canvas');
            const context = canvas.getContext('2d');
            const row = context.getImageData(0, canvas.height >> 1, canvas.width, 1).data;
            let [left, right] = [0, canvas.width - 1];
            while (!row[left * 4 + 3]) left += 1;
            while (!row[right * 4 + 3]) right -= 1;
            const scale = (right - left + 1) / 595;
            const top = (canvas.height - 842 * scale) / 2;
            const frame = canvas.getBoundingClientRect();
            const ratio = canvas.width / frame.width;
            return [frame.left + (left + x_pt * scale) / ratio, frame.top + (top + y_pt * scale) / ratio];
        }""",
        [x_pt, y_pt],
    )
    return found[0], found[1]


def tools(tab: Any) -> Any:
    """The list of marks, which has the tools."""
    tab.click("#bookmarks-button")
    tab.locator("#side").get_by_role("button", name="All marks in this paper").click()
    tab.wait_for_selector("#side[data-panel=marks]")
    return tab.locator("#side")


def test_words_are_highlighted_by_dragging_over_them(open_at: Open) -> None:
    tab = open_at("予算書", 3)
    await_text(tab)
    tools(tab).locator("[data-tool=highlight]").click()
    tab.locator("#toolbar-marks").get_by_text("Drag over words").wait_for()
    tab.locator("#toolbar-marks").get_by_role("button", name="Move up").click()
    tab.locator("#toolbar-marks").get_by_role("button", name="Move down").wait_for()
    [(x0, y0), (x1, y1)] = [place_of(tab, 75, 776), place_of(tab, 120, 777)]
    tab.mouse.move(x0, y0)
    tab.mouse.down()
    tab.mouse.move((x0 + x1) / 2, y0)
    tab.mouse.move(x1, y1)
    tab.mouse.up()
    [mark] = kept(tab, 1)
    assert mark["anchor"]["quote"].startswith("水道")
    assert mark["body"]["kind"] == "highlight"
    shown(tab, 3)
    tab.keyboard.press("Escape")
    assert tab.locator("#toolbar-marks").count() == 0


def touch(tab: Any, *moves: list[tuple[float, float]]) -> None:
    """Fingers go down at the first places, follow the others, and go up."""
    session = tab.context.new_cdp_session(tab)
    for index, places in enumerate(moves):
        points = [{"x": x, "y": y, "id": at} for at, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": "touchStart" if index == 0 else "touchMove", "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_marks_words_and_two_fingers_still_zoom(open_at: Open) -> None:
    tab = open_at("予算書", 3)
    await_text(tab)
    tools(tab).locator("[data-tool=underline]").click()
    tab.wait_for_selector("#toolbar-marks")
    (x0, y0), (x1, y1) = place_of(tab, 130, 106), place_of(tab, 190, 123)
    touch(tab, [(x0, y0)], [((x0 + x1) / 2, y0 + 4)], [(x1, y1)])
    [mark] = kept(tab, 1)
    assert mark["body"]["kind"] == "underline"
    assert len(mark["body"]["quads"]) == 2, "it goes over the end of a line"
    shown(tab, 3)
    middle = (x0, y0 + 200)
    steps = [[(middle[0] - away, middle[1]), (middle[0] + away, middle[1])] for away in (40, 60, 90, 130, 170)]
    touch(tab, *steps)
    tab.wait_for_function("() => sidebooks.zoom > 1.5", timeout=LATE_MS)
    assert len(kept(tab, 1)) == 1


def test_a_pen_marks_words_while_a_palm_lies_on_the_page(open_at: Open) -> None:
    tab = open_at("予算書", 3)
    await_text(tab)
    tools(tab).locator("[data-tool=underline]").click()
    tab.wait_for_selector("#toolbar-marks")
    (x0, y0), (x1, y1) = place_of(tab, 130, 106), place_of(tab, 190, 123)
    pen, palm = Stylus(tab), Hand(tab)
    palm.down(x0 + 100, y0 + 300)
    pen.down((x0, y0))
    palm.move(x0 + 140, y0 + 340)
    palm.down(x0 + 180, y0 + 300, finger=1)
    pen.move(((x0 + x1) / 2, y0 + 4))
    pen.move((x1, y1))
    pen.up((x1, y1))
    palm.move(x0 + 200, y0 + 380)
    [mark] = kept(tab, 1)
    assert len(mark["body"]["quads"]) == 2
    palm.up(1)
    palm.up(0)
    assert tab.evaluate("() => [sidebooks.page, sidebooks.zoom, sidebooks.slide]") == [3, 1, 0]
    assert len(kept(tab, 1)) == 1


def test_a_mark_is_tapped_changed_removed_and_put_back(open_at: Open) -> None:
    tab = open_at("予算書", 3)
    await_text(tab)
    select(tab, "水道", "予算")
    tab.locator("#wordbar").get_by_role("button", name="Highlight").click()
    kept(tab, 1)
    tab.touchscreen.tap(*place_of(tab, 90, 776))
    side = tab.locator("#side[data-panel=mark]")
    side.get_by_text("水道の予算").wait_for()
    assert not tab.evaluate("document.documentElement.hasAttribute('data-bare')"), "a tap on a mark is none on the page"
    side.get_by_role("button", name="Green").click()
    side.get_by_label("Note", exact=True).fill("前年度は？")
    side.get_by_text("Saved on this device.").wait_for(timeout=LATE_MS)
    [mark] = kept(tab, 1)
    assert mark["body"]["colour"] == "#a6e9a0"
    assert mark["body"]["text"] == "前年度は？"
    side.get_by_role("button", name="Remove").click()
    kept(tab, 0)
    tab.locator("#news").get_by_role("button", name="Put back").click()
    [again] = kept(tab, 1)
    assert again["body"] == mark["body"]


def test_notes_and_stamps_are_put_where_the_page_is_tapped(open_at: Open) -> None:
    tab = open_at("予算書", 5)
    await_text(tab)
    tools(tab).locator("[data-tool=note]").click()
    tab.wait_for_selector("#toolbar-marks")
    tab.touchscreen.tap(*place_of(tab, 200, 60))
    side = tab.locator("#side[data-panel=mark]")
    side.get_by_label("Note", exact=True).fill("質問する")
    side.get_by_role("button", name="Close").click()
    [note] = kept(tab, 1)
    assert note["body"]["text"] == "質問する", "closing saves what was written a moment ago"
    assert abs(note["body"]["x_pt"] - 200) < 3
    assert abs(note["body"]["y_pt"] - 60) < 3
    tools(tab).locator("[data-tool=stamp]").click()
    tab.locator("#toolbar-marks").get_by_role("textbox", name="Your own words").fill("議決済")
    tab.touchscreen.tap(*place_of(tab, 450, 60))
    marks = kept(tab, 2)
    stamp = next(one["body"] for one in marks if one["body"]["kind"] == "stamp")
    assert stamp["text"] == "議決済"
    tab.locator("#toolbar-marks").get_by_role("button", name="Put it on this page").click()
    kept(tab, 3)


def test_a_note_without_a_word_goes_away_again(open_at: Open) -> None:
    tab = open_at("予算書", 5)
    await_text(tab)
    tools(tab).get_by_role("button", name="Note on this page").click()
    tab.locator("#side[data-panel=mark]").get_by_role("button", name="Close").click()
    kept(tab, 0)


def test_the_list_is_searched_limited_and_leads_to_the_page(open_at: Open) -> None:
    tab = open_at("予算書", 3)
    await_text(tab)
    select(tab, "水道", "予算")
    tab.locator("#wordbar").get_by_role("button", name="Write a note").click()
    tab.locator("#side").get_by_label("Note", exact=True).fill("水源の工事")
    tab.locator("#side").get_by_role("button", name="Close").click()
    tab.locator("#position").fill("7")
    shown(tab, 7)
    select(tab, "水道")
    tab.locator("#wordbar").get_by_role("button", name="Underline").click()
    side = tools(tab)
    side.get_by_text("2 marks").wait_for()
    side.get_by_role("searchbox", name="Search in my notes").fill("工事")
    side.get_by_text("1 mark", exact=True).wait_for()
    side.locator("[data-kind=highlight] button.line").click()
    shown(tab, 3)
    tab.locator("#side[data-panel=mark]").get_by_text("水道の予算").wait_for()
    side = tools(tab)
    side.get_by_label("My marks", exact=True).uncheck()
    tab.wait_for_function(f"() => !({PAINTED})([74, 775])", timeout=LATE_MS)
    tab.reload()
    shown(tab, 3)
    await_text(tab)
    assert not tab.evaluate(PAINTED, [74, 775]), "the device keeps what is hidden"
    tools(tab).get_by_label("My marks", exact=True).check()
    tab.wait_for_function(PAINTED, arg=[74, 775], timeout=LATE_MS)


def test_old_device_bookmarks_of_a_document_work_as_before(open_at: Open, room: Room) -> None:
    tab = open_at("予算書", 4)
    await_text(tab)
    tab.click("#bookmarks-button")
    tab.locator("#side").get_by_role("button", name="Mark this page").click()
    tab.wait_for_selector("#bookmarks-button.marked")
    key = room.documents()["予算書"]
    assert tab.evaluate("(key) => JSON.parse(localStorage.getItem(`sidebooks bookmarks ${key}`)).pages", key) == [4]


COLUMNS = ("縦書きの一列目です。", "縦書きの二列目です。")


def columns(room: Room) -> None:
    """A page with two columns of words that run downwards."""
    if (room.folder / "縦書き.pdf").exists():
        return
    with pymupdf.open() as made:
        page = made.new_page(width=595, height=842)
        for x, text in zip((520, 500), COLUMNS, strict=True):
            for place, char in enumerate(text):
                page.insert_text((x, 400 + 13 * place), char, fontname="japan", fontsize=12)
        made.save(room.folder / ".coming.pdf")
    (room.folder / ".coming.pdf").rename(room.folder / "縦書き.pdf")
    room.await_document("縦書き")


def test_words_that_run_downwards_are_marked_and_tapped_on_a_turned_page_too(open_at: Open, room: Room) -> None:
    columns(room)
    tab = open_at("縦書き", 1)
    await_text(tab)
    tools(tab).locator("[data-tool=underline]").click()
    tab.wait_for_selector("#toolbar-marks")
    start, end = place_of(tab, 526, 470), place_of(tab, 506, 440)
    touch(tab, [start], [((start[0] + end[0]) / 2, start[1])], [end])
    [mark] = kept(tab, 1)
    assert "です。縦書き" in mark["anchor"]["quote"]
    quads = mark["body"]["quads"]
    assert len(quads) == 2
    for x_ul, y_ul, x_ur, y_ur, x_ll, *_ in quads:
        assert x_ul == x_ur > x_ll, "its upper edge is at its right"
        assert y_ur > y_ul
    assert quads[0][0] > quads[1][0], "the right column is read first"
    tab.keyboard.press("Escape")
    tab.keyboard.press("r")
    tab.wait_for_function("() => sidebooks.quarters === 1")
    shown(tab, 1)
    # The page lies on its side: what was at (x, y) of 595 x 842 points is at (842 - y, x).
    where = tab.evaluate(
        """([x_pt, y_pt]) => {
            const stage = document.getElementById('stage').getBoundingClientRect();
            const scale = Math.min((stage.width - 16) / 842, (stage.height - 16) / 595);
            return [stage.left + stage.width / 2 + (x_pt - 421) * scale, stage.top + stage.height / 2 + (y_pt - 297.5) * scale];
        }""",
        [842 - (quads[0][1] + quads[0][3]) / 2, (quads[0][0] + quads[0][4]) / 2],
    )
    tab.touchscreen.tap(*where)
    tab.locator("#side[data-panel=mark]").get_by_text("Underline").wait_for(timeout=LATE_MS)


def test_selected_words_of_two_papers_side_by_side_go_to_their_own(open_at: Open, room: Room) -> None:
    columns(room)
    other = room.documents()["縦書き"]
    tab = open_at("予算書", 3, device="desktop")
    await_text(tab)
    tab.click("#more-button")
    tab.locator("#side").get_by_role("button", name="Two papers side by side").click()
    tab.locator("#side").get_by_role("button", name="縦書き").click()
    beside = tab.locator(".stage:not(#stage)")
    beside.locator(".text-layer .line").first.wait_for(timeout=LATE_MS)
    tab.wait_for_selector(".stage:not(#stage)[data-marks]", timeout=LATE_MS)
    tab.evaluate(
        """() => {
            const line = document.querySelector('.stage:not(#stage) .text-layer .line');
            const range = document.createRange();
            range.selectNodeContents(line);
            getSelection().removeAllRanges();
            getSelection().addRange(range);
        }"""
    )
    tab.locator("#wordbar").get_by_role("button", name="Highlight").click()
    [mark] = kept(tab, 1)
    assert mark["anchor"]["quote"] == COLUMNS[0]
    assert tab.evaluate(PAPERS) == [other]


PAPERS = """async () => {
    const [{ name }] = await indexedDB.databases();
    const database = await new Promise((done) => {
        const asked = indexedDB.open(name);
        asked.onsuccess = () => done(asked.result);
    });
    const asked = database.transaction('marks').objectStore('marks').getAll();
    await new Promise((done) => { asked.onsuccess = done; });
    database.close();
    return asked.result.map((one) => one.paper);
}"""


def test_words_that_a_tablet_lets_go_of_while_the_button_is_touched_are_marked_all_the_same(open_at: Open) -> None:
    tab = open_at("予算書", 3)
    await_text(tab)
    select(tab, "水道", "予算")
    button = tab.locator("#wordbar").get_by_role("button", name="Highlight")
    button.dispatch_event("pointerdown", {"pointerType": "touch", "pointerId": 7, "isPrimary": True})
    tab.evaluate("() => getSelection().removeAllRanges()")
    tab.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    button.click()
    [mark] = kept(tab, 1)
    assert mark["anchor"]["quote"] == "水道の予算"


def test_a_tab_does_not_overwrite_what_another_tab_has_waiting(open_at: Open) -> None:
    tab = open_at("予算書", 3)
    assert tab.evaluate(TWO_TABS) == [["offline", True], ["offline", True], ["server", False]]


TWO_TABS = """async () => {
    const { MarksDisk } = await import('./viewer/marks_disk.js');
    const version = (at_ms, text, isPending) => ({ person: 'x', paper: 'y', id: 'i', isMine: true, isPending,
        mark: { id: 'i', stamp: [at_ms, 0, 'd'], anchor: { revision: 1, page: 0, content_id: '' },
            body: { kind: 'note', text } } });
    const [one, other] = [new MarksDisk('two tabs'), new MarksDisk('two tabs')];
    const kept = async () => {
        const { records } = await one.read('x', 'y');
        return records.map(({ mark, isPending }) => [mark.body.text, isPending])[0];
    };
    await one.write('x', 'y', { records: [version(5, 'offline', true)] });
    await other.write('x', 'y', { records: [version(9, 'server', false)], known: { since: 3, epoch: 'e' } });
    const found = [await kept()];
    await other.write('x', 'y', { gone: ['i'] });
    found.push(await kept());
    await one.write('x', 'y', { records: [version(9, 'server', false)], over: [[5, 0, 'd']] });
    found.push(await kept());
    one.close();
    other.close();
    return found;
}"""
