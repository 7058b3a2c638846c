"""Drawing on pages: pens, fingers and mice, erasing and undoing, zoomed or not, in a browser."""

from __future__ import annotations

from typing import Any

import pytest
from ink_hand import LATE_MS, STROKES, Stylus, begin, middle, painted, samples, strokes, until_painted
from reading_room import NEEDS_CHROMIUM, Hand, Open, Room, browser, open_at, room, shown
from viewer_screen import picture

__all__ = ["browser", "open_at", "room"]
pytestmark = NEEDS_CHROMIUM
UPRIGHT = {"width": 900, "height": 1100}


def zoom_of(tab: Any) -> float:
    found: float = tab.evaluate("() => sidebooks.zoom")
    return found


def page_of(tab: Any) -> int:
    found: int = tab.evaluate("() => sidebooks.page")
    return found


def test_a_mouse_draws_what_is_kept(open_at: Open) -> None:
    tab = open_at("予算書", 3, "desktop", viewport=UPRIGHT)
    x, y = middle(tab)
    begin(tab)
    Stylus(tab, "mouse").line([(x - 50, y), (x, y + 30), (x + 50, y)])
    [record] = strokes(tab, 1)
    assert record["mark"]["anchor"]["page"] == 2
    assert len(samples(record)) == 3
    assert {one[2] for one in samples(record)} == {0.5}
    until_painted(tab, [x - 51, y - 1, x + 51, y + 28], 6)
    place = painted(tab)
    tab.click("[data-ink=done]")
    tab.wait_for_selector("#inkbar", state="detached")
    assert tab.locator("#draw-button").get_attribute("aria-pressed") == "false"
    tab.reload()
    shown(tab, 3)
    until_painted(tab, place, 1)


@pytest.mark.parametrize("kind", ["pen", "mouse"])
def test_a_pointer_that_is_lifted_unseen_ends_its_line_and_draws_on(open_at: Open, kind: str) -> None:
    tab = open_at("予算書", 3, "desktop", viewport=UPRIGHT)
    x, y = middle(tab)
    begin(tab)
    tab.evaluate(
        "() => addEventListener('pointerup', (event) => event.stopImmediatePropagation(), { capture: true, once: true })"
    )
    pen = Stylus(tab, kind)
    pen.line([(x - 50, y), (x, y + 30), (x + 50, y)])
    assert tab.evaluate(STROKES) == []
    pen.line([(x - 50, y + 60), (x, y + 90), (x + 50, y + 60)])
    strokes(tab, 2)


def test_a_pen_draws_with_pressure_and_fingers_turn_and_zoom_beside_it(open_at: Open) -> None:
    tab = open_at("予算書", 3)
    x, y = middle(tab)
    begin(tab)
    pen, hand = Stylus(tab), Hand(tab)
    pen.down((x - 60, y), 0.2)
    for step in range(1, 7):
        pen.move((x - 60 + 20 * step, y), 0.2 + 0.1 * step)
    pen.up((x + 60, y))
    [record] = strokes(tab, 1)
    assert [one[2] for one in samples(record)] == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], abs=0.01)
    hand.drag((x + 100, y + 60), (x - 150, y + 60))
    shown(tab, 4)
    hand.drag((x - 150, y + 60), (x + 100, y + 60))
    shown(tab, 3)
    hand.both((x - 50, y), (x + 50, y), [(-10, 0, 10, 0)] * 8)
    assert zoom_of(tab) > 1.2
    strokes(tab, 1)


def test_a_palm_does_nothing_while_a_pen_is_down(open_at: Open) -> None:
    tab = open_at("予算書", 3)
    x, y = middle(tab)
    begin(tab)
    pen, hand = Stylus(tab), Hand(tab)
    pen.down((x - 100, y))
    hand.down(x + 200, y + 200)
    pen.move((x - 50, y))
    hand.move(x + 100, y + 200)
    hand.down(x + 260, y + 260, finger=1)
    hand.move(x + 320, y + 320, finger=1)
    pen.move((x, y))
    pen.up((x, y))
    hand.move(x - 100, y + 200)
    hand.up(1)
    hand.up(0)
    [record] = strokes(tab, 1)
    assert len(samples(record)) == 3
    assert (page_of(tab), zoom_of(tab)) == (3, 1)
    assert tab.evaluate("() => sidebooks.slide") == 0


def test_a_palm_that_came_before_the_first_pen_leaves_nothing(open_at: Open) -> None:
    tab = open_at("予算書", 3)
    x, y = middle(tab)
    begin(tab)
    pen, hand = Stylus(tab), Hand(tab)
    hand.down(x + 100, y + 100)
    hand.move(x + 105, y + 105)
    pen.line([(x - 100, y), (x - 50, y), (x, y)])
    hand.move(x - 100, y + 100)
    hand.up()
    [record] = strokes(tab, 1)
    assert len(samples(record)) == 3
    assert page_of(tab) == 3


def test_a_finger_draws_where_no_pen_was_seen_and_two_zoom(open_at: Open) -> None:
    tab = open_at("予算書", 3)
    x, y = middle(tab)
    begin(tab)
    hand = Hand(tab)
    hand.drag((x - 100, y), (x + 100, y))
    strokes(tab, 1)
    hand.both((x - 50, y + 100), (x + 50, y + 100), [(-10, 0, 10, 0)] * 8)
    assert zoom_of(tab) > 1.2
    strokes(tab, 1)
    hand.drag((x - 100, y + 50), (x + 100, y + 50))
    strokes(tab, 2)
    assert page_of(tab) == 3


def test_drawing_goes_on_after_zooming_and_zooming_after_drawing(open_at: Open) -> None:
    tab = open_at("予算書", 3, "desktop", viewport=UPRIGHT)
    x, y = middle(tab)
    begin(tab)
    pen = Stylus(tab)
    line = [(x - 40, y), (x + 40, y)]
    pen.line(line)
    [first] = strokes(tab, 1)
    for count in (2, 3):
        tab.keyboard.press("+")
        pen.line(line)
        strokes(tab, count)
    tab.keyboard.press("0")
    tab.wait_for_function("() => sidebooks.zoom === 1", timeout=LATE_MS)
    pen.line(line)
    *zoomed, last = strokes(tab, 4)[1:]
    widths = [samples(one)[-1][0] - samples(one)[0][0] for one in (first, *zoomed, last)]
    assert widths == pytest.approx([widths[0], widths[0] / 1.5, widths[0] / 2.25, widths[0]], abs=0.2)
    until_painted(tab, [x - 42, y - 2, x + 42, y + 2], 3)
    tab.keyboard.press("+")
    until_painted(tab, [x - 62, y - 3, x + 62, y + 3], 4)


def test_lines_are_erased_undone_and_done_again(open_at: Open) -> None:
    tab = open_at("予算書", 3, "desktop", viewport=UPRIGHT)
    x, y = middle(tab)
    begin(tab)
    pen = Stylus(tab)
    for row in range(4):
        pen.line([(x - 50, y + 30 * row), (x + 50, y + 30 * row)])
    kept = {one["id"] for one in strokes(tab, 4)}
    tab.click("[data-ink=eraser]")
    pen.line([(x, y - 20), (x, y + 45)])
    [*_, below, last] = strokes(tab, 2)
    assert {below["id"], last["id"]} < kept
    until_painted(tab, [x - 52, y + 58, x + 52, y + 92], 4)
    tab.click("[data-ink=undo]")
    assert len({one["id"] for one in strokes(tab, 4)} & kept) == 2, "what was deleted is made anew"
    until_painted(tab, [x - 52, y - 2, x + 52, y + 92], 4)
    tab.keyboard.press("Control+Shift+Z")
    strokes(tab, 2)
    for key, count in (("Control+z", 4), ("Control+z", 3), ("Control+y", 4), ("Control+y", 2)):
        tab.keyboard.press(key)
        strokes(tab, count)
    assert tab.locator("[data-ink=redo]").is_disabled()


def test_a_pen_that_the_browser_takes_away_keeps_its_line(open_at: Open) -> None:
    tab = open_at("予算書", 3, "desktop", viewport=UPRIGHT)
    x, y = middle(tab)
    begin(tab)
    tab.evaluate(
        """([x, y]) => {
            const told = (type, dx, pressure) => document.querySelector('.drawing').dispatchEvent(new PointerEvent(type, {
                pointerId: 7, pointerType: 'pen', clientX: x + dx, clientY: y, pressure, buttons: 1, button: 0,
                bubbles: true, cancelable: true,
            }));
            told('pointerdown', 0, 0.5);
            told('pointermove', 20, 0.5);
            told('pointermove', 40, 0.5);
            told('pointercancel', 0, 0);
        }""",
        [x, y],
    )
    [record] = strokes(tab, 1)
    assert len(samples(record)) == 3


@pytest.mark.parametrize(("given", "expected"), [("[event(10), event(20), event(30)]", 4), ("[]", 2), ("undefined", 2)])
def test_all_samples_that_the_browser_delivers_are_drawn(open_at: Open, given: str, expected: int) -> None:
    tab = open_at("予算書", 3, "desktop", viewport=UPRIGHT)
    x, y = middle(tab)
    begin(tab)
    tab.evaluate(
        f"""([x, y]) => {{
            const event = (dx, type = 'pointermove') => new PointerEvent(type, {{
                pointerId: 7, pointerType: 'pen', clientX: x + dx, clientY: y, pressure: 0.5, buttons: 1, button: 0,
                bubbles: true,
            }});
            const ground = document.querySelector('.drawing');
            const moved = event(30);
            const all = {given};
            Object.defineProperty(moved, 'getCoalescedEvents', {{ value: all && (() => all) }});
            ground.dispatchEvent(event(0, 'pointerdown'));
            ground.dispatchEvent(moved);
            ground.dispatchEvent(event(30, 'pointerup'));
        }}""",
        [x, y],
    )
    [record] = strokes(tab, 1)
    assert len(samples(record)) == expected


def test_pages_turn_while_one_draws_and_a_line_stays_on_its_page(open_at: Open) -> None:
    tab = open_at("予算書", 3, "ipad")
    x, y = middle(tab)
    begin(tab)
    pen = Stylus(tab)
    pen.down((x - 50, y))
    pen.move((x, y))
    tab.keyboard.press("PageDown")
    shown(tab, 4)
    pen.move((x + 50, y))
    pen.up((x + 50, y))
    [record] = strokes(tab, 1)
    assert (record["mark"]["anchor"]["page"], len(samples(record))) == (2, 2)
    tab.wait_for_function("() => document.querySelector('.marks').hidden", timeout=LATE_MS)
    tab.click("#next")
    shown(tab, 5)
    pen.line([(x, y), (x + 20, y + 20)])
    assert [one["mark"]["anchor"]["page"] for one in strokes(tab, 2)] == [2, 4]
    assert tab.locator("#inkbar").is_visible()


def test_a_line_is_drawn_without_painting_the_page_or_the_other_lines(open_at: Open, room: Room) -> None:
    tab = open_at("予算書", 3, "desktop", viewport=UPRIGHT)
    x, y = middle(tab)
    begin(tab)
    tab.evaluate(MANY, [room.documents()["予算書"], 2, 300])
    tab.reload()
    shown(tab, 3)
    begin(tab)
    tab.wait_for_function(f"() => (({PAINTED_SHARE})() > 0.005)", timeout=LATE_MS)
    tab.evaluate(COUNTS)
    pen = Stylus(tab)
    pen.down((x - 50, y))
    for step in range(20):
        pen.move((x - 50 + 5 * step, y + step))
    while_drawing = tab.evaluate("() => ({ ...counted })")
    pen.up((x + 50, y + 20))
    strokes(tab, 301)
    counted = tab.evaluate("() => counted")
    assert while_drawing.get("canvas", 0) == counted.get("canvas", 0) == 0, "tiles are not painted anew"
    assert while_drawing.get("marks", 0) == 0
    assert while_drawing["live"] >= 20
    assert counted.get("marks", 0) + counted.get("", 0) < 40, "only the new line is painted on the page's bitmap"


def test_a_stroke_grows_on_tiles_that_stay(open_at: Open) -> None:
    tab = open_at("予算書", 3, "desktop", viewport=UPRIGHT)
    x, y = middle(tab)
    begin(tab)
    tiles = tab.locator(".live").count()
    pen = Stylus(tab)
    pen.down((x - 300, y - 200))
    for step in range(1, 31):
        pen.move((x - 300 + 20 * step, y - 200 + step))
    along = [[x - 280 + 20 * step, y - 199 + step] for step in range(29)]
    assert tab.evaluate(GAPS, along) == [], "the line goes on from tile to tile"
    assert 1 < tab.evaluate(INKED) < tiles, "what is not under the line is not painted"
    assert tab.locator(".live").count() == tiles
    pen.up((x + 300, y - 170))
    strokes(tab, 1)
    assert tab.evaluate(INKED) == 0
    tab.set_viewport_size({"width": 1100, "height": 700})
    tab.wait_for_function(COVERED, timeout=LATE_MS)
    tab.click("[data-ink=done]")
    assert tab.locator(".live").count() == 0, "their memory is given back"


INKED = """() => [...document.querySelectorAll('.live')].filter(one =>
    one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some(value => value)).length"""

GAPS = """points => points.filter(([x, y]) => {
    for (const one of document.querySelectorAll('.live')) {
        const box = one.getBoundingClientRect();
        if (x < box.left || y < box.top || x >= box.right || y >= box.bottom) continue;
        const scale = one.width / box.width;
        const [u, v] = [x - box.left, y - box.top].map(value => Math.max(0, Math.floor(value * scale) - 2));
        return !one.getContext('2d').getImageData(u, v, 5, 5).data.some(value => value);
    }
    return true;
})"""

COVERED = """() => {
    const stage = document.querySelector('.ink').getBoundingClientRect();
    const boxes = [...document.querySelectorAll('.live')].map(one => one.getBoundingClientRect());
    const [right, bottom] = [Math.max(...boxes.map(one => one.right)), Math.max(...boxes.map(one => one.bottom))];
    return Math.abs(right - stage.right) < 1 && Math.abs(bottom - stage.bottom) < 1;
}"""


MANY = """async ([document, page, count]) => {
    const { id: person } = await (await fetch('me')).json();
    const { MarksDisk } = await import('./viewer/marks_disk.js');
    const { newMarkId } = await import('./viewer/marks_clock.js');
    const records = Array.from({ length: count }, (_, at) => {
        const stamp = [Date.now(), at, 'd'];
        const [x, y] = [100 + (at % 40) * 10, 150 + Math.floor(at / 40) * 12];
        const samples = Array.from({ length: 30 }, (_, n) => [x + n / 3, y + (n % 5), 0.5]);
        const mark = { id: newMarkId(stamp), stamp, anchor: { revision: 1, page, content_id: '' },
            body: { kind: 'ink', samples, width_pt: 1, colour: '#0b4fa3' } };
        return { person, paper: document, id: mark.id, mark, isMine: true, isPending: false };
    });
    await new MarksDisk('sidebooks').write(person, document, { records });
}"""

PAINTED_SHARE = """() => {
    const canvas = document.querySelector('.marks');
    if (!canvas || canvas.hidden) return 0;
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let count = 0;
    for (let at = 3; at < data.length; at += 4) if (data[at] > 128) count += 1;
    return count / (data.length / 4);
}"""

COUNTS = """() => {
    window.counted = {};
    const { prototype } = CanvasRenderingContext2D;
    for (const name of ['stroke', 'fill', 'drawImage']) {
        const does = prototype[name];
        prototype[name] = function (...given) {
            if (!(name === 'drawImage' && this.canvas.className === 'marks')) {
                counted[this.canvas.className.split(' ')[0]] = (counted[this.canvas.className.split(' ')[0]] || 0) + 1;
            }
            return does.apply(this, given);
        };
    }
}"""
"""How often something is painted on canvases, by their classes; bitmaps have none."""


@pytest.mark.parametrize("device", ["ipad", "small", "phone"])
@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
def test_the_tool_bar_fits_and_its_targets_are_large(open_at: Open, device: str, locale: str) -> None:
    tab = open_at("予算書", 3, device, locale=locale)
    begin(tab)
    for tool in ("pen", "marker", "eraser"):
        tab.click(f"[data-ink={tool}]")
        small = tab.evaluate(
            """() => [...document.querySelectorAll('#inkbar button, #draw-button')]
                .filter(one => one.getClientRects().length).map(one => [one.textContent, one.getBoundingClientRect()])
                .filter(([text, box]) => !text || box.width < 44 || box.height < 44
                    || box.left < 0 || box.right > innerWidth)"""
        )
        assert small == []
        assert tab.locator(f"[data-ink={tool}]").get_attribute("aria-pressed") == "true"
    tab.keyboard.press("Escape")
    tab.wait_for_selector("#inkbar", state="detached")


ROWS = """() => {
    const shown = [...document.querySelectorAll('#inkbar button')].filter(one => one.getClientRects().length);
    const boxes = shown.map(one => one.getBoundingClientRect());
    const small = boxes.filter(one => one.width < 44 || one.height < 44 || one.left < 0 || one.right > innerWidth).length;
    return { names: shown.map(one => one.dataset.ink), rows: new Set(boxes.map(one => Math.round(one.top))).size, small };
}"""
"""What of the tool bar is there on a screen."""
FIRST_ROW = {"pen", "marker", "eraser", "undo", "more", "done"}
OTHERS = {"highlight", "underline", "note", "stamp", "redo", "move"}


@pytest.mark.parametrize("size", [(320, 640), (360, 740), (740, 360)])
@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
def test_the_tool_bar_of_a_phone_has_two_rows(open_at: Open, size: tuple[int, int], locale: str) -> None:
    tab = open_at("予算書", 3, "phone", locale=locale, viewport={"width": size[0], "height": size[1]})
    begin(tab)
    for tool, own in (
        ("pen", {"black", "red", "blue", "green", "thin", "medium", "thick"}),
        ("marker", {"yellow", "pink", "sky"}),
    ):
        tab.click(f"[data-ink={tool}]")
        found = tab.evaluate(ROWS)
        assert set(found["names"]) == FIRST_ROW | own
        assert found["rows"] <= 2
        assert found["small"] == 0
        picture(tab, f"inkbar-{tool}-{size[0]}-{locale}")
    assert tab.get_by_role("button", name="ほかの道具" if locale == "ja-JP" else "Other tools").count() == 1
    tab.click("[data-ink=more]")
    found = tab.evaluate(ROWS)
    assert set(found["names"]) == FIRST_ROW | OTHERS
    assert (found["rows"] <= 2, found["small"]) == (True, 0)
    picture(tab, f"inkbar-more-{size[0]}-{locale}")
    tab.click("[data-ink=pen]")
    tab.wait_for_selector("[data-ink=red]")


def test_whoever_draws_sees_it_although_their_marks_were_hidden(open_at: Open) -> None:
    tab = open_at("予算書", 3, "desktop", viewport=UPRIGHT)
    tab.evaluate("() => localStorage.setItem('sidebooks marks hidden', 'mine collected')")
    tab.reload()
    shown(tab, 3)
    tab.wait_for_selector("#stage[data-marks]", timeout=LATE_MS)
    x, y = middle(tab)
    begin(tab)
    assert tab.evaluate("() => localStorage.getItem('sidebooks marks hidden')") == "collected"
    Stylus(tab).line([(x - 50, y), (x, y + 30), (x + 50, y)])
    until_painted(tab, [x - 51, y - 1, x + 51, y + 28], 6)


def test_the_tool_bar_comes_before_all_else_of_marks(open_at: Open) -> None:
    tab = open_at("", 0, "desktop", viewport=UPRIGHT)
    tab.route("**/marks_attend.js", lambda route: None)  # it is on its way
    tab.click("#shelf a")
    shown(tab, 1)
    tab.keyboard.press("d")
    tab.wait_for_selector("#inkbar", timeout=LATE_MS)


def test_the_tool_bar_is_used_by_keys(open_at: Open) -> None:
    tab = open_at("予算書", 3, "desktop", viewport=UPRIGHT)
    tab.wait_for_function("() => document.querySelector('.marks')", timeout=LATE_MS)  # then keys of marks are heard
    tab.keyboard.press("d")
    tab.wait_for_selector("#inkbar")
    tab.focus("[data-ink=red]")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("[data-ink=red][aria-pressed=true]")
    assert tab.evaluate("() => document.activeElement.dataset.ink") == "red"
    x, y = middle(tab)
    Stylus(tab, "mouse").line([(x, y), (x + 30, y)])
    assert strokes(tab, 1)[0]["mark"]["body"]["colour"] == "#c8102e"


def test_on_a_page_that_is_turned_a_line_is_where_it_was_drawn(open_at: Open) -> None:
    tab = open_at("予算書", 3, "desktop", viewport=UPRIGHT)
    x, y = middle(tab)
    begin(tab)
    pen = Stylus(tab)
    pen.line([(x, y - 40), (x, y + 40)])
    tab.keyboard.press("r")
    until_painted(tab, [x - 34, y - 2, x + 34, y + 2], 12)
    pen.line([(x - 40, y + 50), (x + 40, y + 50)])
    first, second = strokes(tab, 2)
    assert {round(one[0]) for one in samples(first)} == {298}
    assert len({round(one[0]) for one in samples(second)}) == 1, "of the upright page, it runs upwards"
    assert samples(second)[0][1] > samples(second)[-1][1]


@pytest.mark.parametrize("fails", ["transaction", "deleted"])
def test_a_line_is_kept_when_the_storage_of_the_device_failed(open_at: Open, fails: str) -> None:
    tab = open_at("予算書", 3, "desktop", viewport=UPRIGHT)
    x, y = middle(tab)
    begin(tab)
    Stylus(tab).line([(x, y), (x + 30, y)])
    strokes(tab, 1)
    tab.evaluate(
        """async (fails) => {
            if (fails === 'deleted') {
                const asked = indexedDB.deleteDatabase('sidebooks');
                await new Promise((done, failed) => { asked.onsuccess = done; asked.onerror = failed; });
                return;
            }
            const { prototype } = IDBDatabase;
            const { transaction } = prototype;
            prototype.transaction = function () {
                prototype.transaction = transaction;
                throw new DOMException('the connection is closing', 'InvalidStateError');
            };
        }""",
        fails,
    )
    Stylus(tab).line([(x, y + 50), (x + 30, y + 50)])
    kept = strokes(tab, 1 if fails == "deleted" else 2)
    assert samples(kept[-1])[0][1] > 450
    assert tab.locator("#inkbar .waiting").is_hidden()
