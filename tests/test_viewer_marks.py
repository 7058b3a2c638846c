"""Highlights, underlines, notes, stamps and the list of marks in the viewer, with a browser."""

from __future__ import annotations

from typing import Any

from reading_room import NEEDS_CHROMIUM, Open, browser, open_at, room, shown

__all__ = ["browser", "open_at", "room"]
pytestmark = NEEDS_CHROMIUM
LATE_MS = 30_000


def await_text(tab: Any) -> None:
    """Until the words of the page can be selected, and its marks are there."""
    tab.wait_for_selector("#text:not([hidden]) .line", timeout=LATE_MS)
    tab.wait_for_function(
        "() => import('./viewer/marks_desk.js').then(({ deskOf }) => Boolean(document.getElementById('wordbar')))"
    )


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
    tab.evaluate(SELECT, [first, last or first])
    tab.wait_for_selector("#wordbar:not([hidden])", timeout=LATE_MS)


MARKS = """async () => {
    const database = await new Promise((done, failed) => {
        const asked = indexedDB.open('sidebooks');
        asked.onsuccess = () => done(asked.result);
        asked.onerror = () => failed(asked.error);
    });
    const asked = database.transaction('marks').objectStore('marks').getAll();
    await new Promise((done) => { asked.onsuccess = done; });
    database.close();
    return asked.result.map(one => one.mark).filter(one => one.body);
}"""


def kept(tab: Any, count: int) -> list[Any]:
    """The marks that the device keeps, when there are so many."""
    tab.wait_for_function(f"async () => (await ({MARKS})()).length === {count}", timeout=LATE_MS)
    found: list[Any] = tab.evaluate(MARKS)
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
