"""The viewer's arithmetic, without a browser: places on a page, turned pages, page numbers, contents, keys."""

from __future__ import annotations

from typing import Any

import pytest
from viewer_node import NODE, run

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")

VIEW = {"width": 1280, "height": 600}
A4 = {"page": 1, "x": 428, "y": 0, "width": 424, "height": 600, "scale": 0.7126}


def reading(expression: str, **given: Any) -> Any:
    """An expression over reading.js, `view`, `boxes`, and what is given."""
    script = f"""
        const r = {{ ...(await import("./reading.js")), ...(await import("./columns.js")), ...(await import("./zooming.js")) }};
        const [{{ view, boxes, {", ".join(given)} }}] = given;
        return {expression};
    """
    return run(script, {"view": VIEW, "boxes": [A4], **given})


def test_the_full_width_shows_the_top_of_the_page_first_and_its_end_when_one_comes_back() -> None:
    top = reading('r.fitted("width", boxes, view)')
    assert top["zoom"] == pytest.approx(1280 / 424)
    assert top["y"] == pytest.approx((600 * top["zoom"] - 600) / 2)
    end = reading('r.placeOn({ mode: "width", zoom: 1, x: 0, y: 0 }, boxes, view, "end")')
    assert end["y"] == -top["y"]
    assert reading("r.room(top, boxes, view)", top=top) == {"left": 0, "right": 0, "up": 2 * top["y"], "down": 0}


def test_a_zoom_is_kept_on_the_next_page_and_its_column_too() -> None:
    place = {"mode": "free", "zoom": 4, "x": -120, "y": -300}
    kept = reading("r.placeOn(place, boxes, view)", place=place)
    assert (kept["mode"], kept["zoom"], kept["x"]) == ("free", 4, -120)
    assert kept["y"] == 900, "its top"


def test_what_is_under_the_fingers_stays_there() -> None:
    place = {"mode": "free", "zoom": 3, "x": 40, "y": 60}
    at = {"x": 100, "y": -50}
    after = reading("r.zoomedAt(place, 1.5, at, boxes, view, 8)", place=place, at=at)
    for side in "xy":
        assert (at[side] - after[side]) / after["zoom"] == pytest.approx((at[side] - place[side]) / place["zoom"])


def test_a_page_cannot_be_moved_out_of_sight() -> None:
    place = {"mode": "free", "zoom": 4, "x": 1e6, "y": -1e6}
    assert reading("r.clamped(place, boxes, view)", place=place) == {"mode": "free", "zoom": 4, "x": 208, "y": -900}


def test_zooming_out_ends_at_the_whole_page() -> None:
    place = {"mode": "free", "zoom": 1.2, "x": 0, "y": 40}
    assert reading("r.zoomedAt(place, 0.5, { x: 9, y: 9 }, boxes, view, 8)", place=place) == {
        "mode": "page",
        "zoom": 1,
        "x": 0,
        "y": 0,
    }


def test_a_long_strip_can_be_enlarged_until_it_can_be_read() -> None:
    strip = {"page": 1, "x": 630, "y": 0, "width": 12, "height": 600, "scale": 600 / 14400}
    assert reading("r.mostZoom(boxes, 1)") == pytest.approx(12 / 0.7126)
    most = reading("r.mostZoom([strip], 1)", strip=strip)
    assert most * strip["scale"] == pytest.approx(12), "a point is as large as on any other page"


WORDS = [
    [50, 100, 90, 112, "left", 0, 0],
    [200, 100, 280, 112, "column", 0, 0],
    [50, 130, 280, 142, "goes on", 1, 0],
    [310, 100, 540, 112, "right", 2, 0],
    [50, 700, 540, 712, "footer over both", 3, 0],
]


def test_a_double_tap_finds_the_column() -> None:
    assert reading("r.columnAt(words, 100, 106)", words=WORDS)[::2] == [50, 280]
    assert reading("r.columnAt(words, 60, 135)", words=WORDS)[::2] == [50, 280]
    assert reading("r.columnAt(words, 400, 106)", words=WORDS)[::2] == [310, 540]
    assert reading("r.columnAt(words, 300, 400)", words=WORDS) is None


def test_a_double_tap_lets_the_column_fill_the_screen() -> None:
    column = {"left": 470, "right": 630}
    place = reading(
        'r.columnPlace({ mode: "page", zoom: 1, x: 0, y: 0 }, { x: 0, y: 0 }, column, boxes, view, 16)', column=column
    )
    assert place["zoom"] * 160 == pytest.approx(0.94 * 1280)
    assert (550 - 640) * place["zoom"] + place["x"] == pytest.approx(0), "in the middle"


def test_a_double_tap_enlarges_a_table_that_is_as_wide_as_the_screen() -> None:
    place = reading(
        'r.columnPlace({ mode: "page", zoom: 1, x: 0, y: 0 }, { x: 0, y: 0 }, column, boxes, view, 16)',
        column={"left": 60, "right": 1220},
    )
    assert place["zoom"] > 2


def test_pages_lie_side_by_side_if_the_screen_is_wide_and_that_costs_no_size() -> None:
    rows = reading(
        """[["auto", 1, 1, view], ["auto", 1, 0.95, view], ["auto", 1, 0.5, view], ["auto", 1, 1, upright],
            ["two", 1, 0.1, upright], ["one", 1, 1, view]].map((one) => r.isTogether(...one))""",
        upright={"width": 600, "height": 1280},
    )
    assert rows == [True, True, False, False, True, False]


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_turned_page_is_painted_where_it_lies(quarters: int) -> None:
    found = run(
        """
        const [quarters] = given;
        const { frameOf, intoFrame, onView } = await import("./frames.js");
        const view = { width: 1000, height: 700 };
        const lying = { page: 1, x: 100, y: 150, width: 600, height: 400, scale: 2 };
        const box = quarters % 2 ? lying : { page: 1, x: 200, y: 50, width: 400, height: 600, scale: 2 };
        const { box: upright, view: seen, matrix: [a, b, c, d, e, f] } = frameOf(box, view, quarters);
        const back = (u, v) => [a * u + c * v + e, b * u + d * v + f];
        const corners = [back(upright.x, upright.y), back(upright.x + upright.width, upright.y + upright.height)];
        const round = intoFrame(...back(37, 41), view, quarters);
        return { upright, seen, corners, round, whole: onView([0, 0, 200, 300], box, view, quarters), box };
        """,
        quarters,
    )
    box = found["box"]
    assert (found["upright"]["width"], found["upright"]["height"]) == (400, 600), "as the page is"
    xs, ys = zip(*found["corners"], strict=True)
    assert (min(xs), min(ys), max(xs), max(ys)) == (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
    assert found["round"] == [37, 41]
    assert found["whole"] == {"left": min(xs), "top": min(ys), "right": max(xs), "bottom": max(ys)}
    first = {0: (0, 0), 1: (1, 0), 2: (1, 1), 3: (0, 1)}[quarters]
    assert found["corners"][0] == [box["x"] + first[0] * box["width"], box["y"] + first[1] * box["height"]], (
        "the page's upper left corner"
    )


def test_a_page_that_was_turned_alone_lies_on_its_side_among_the_others() -> None:
    found = run(
        """
        const { turnedPages } = await import("./frames.js");
        const pages = [1, 2, 3].map((page) => ({ page, width_pt: 595, height_pt: 842 }));
        const none = {};
        const widths = (quarters, turns) => turnedPages(pages, quarters, turns).map((one) => one.width_pt);
        return {
          rows: [widths(0, none), widths(0, { 2: 1 }), widths(1, { 2: 1 }), widths(0, { 2: 2 })],
          same: [turnedPages(pages, 0, none) === pages, turnedPages(pages, 1, none) === turnedPages(pages, 1, none)],
        };
        """
    )
    assert found["rows"] == [[595, 595, 595], [595, 842, 595], [842, 595, 842], [595, 595, 595]]
    assert found["same"] == [True, True], "pairs are kept by the list"


def meant(text: str, labels: list[str], offset: int | None = None) -> Any:
    script = """
        const { pageMeant } = await import("./numbers.js");
        const [text, labels, offset] = given;
        return pageMeant(text, labels.map((label) => ({ label })), offset);
    """
    return run(script, text, labels, offset)


def test_a_page_is_found_by_its_label_its_printed_number_or_the_count() -> None:
    plain = [str(number) for number in range(1, 144)]
    book = ["i", "ii", "iii", *(str(number) for number in range(1, 20))]
    assert meant("12", plain) == 12
    assert meant("１２ページ", plain) == 12
    assert meant("― 6 ―", plain, 6) == 12, "printed, where six pages come before the first"
    assert meant("#12", plain, 6) == 12
    assert meant("iii", book) == 3
    assert meant("ⅲ", book) == 3
    assert meant("3", book) == 6
    assert meant("#3", book) == 3
    for wrong in ("", "0", "144", "x", "1.5", "-3x", "1e9"):
        assert meant(wrong, plain) is None, wrong


def test_the_place_is_told_as_the_paper_says_it() -> None:
    found = run(
        """
        const { placeText } = await import("./numbers.js");
        const plain = Array.from({ length: 14 }, (_, index) => ({ label: String(index + 1) }));
        const book = plain.map((one, index) => ({ label: index < 3 ? "i".repeat(index + 1) : String(index - 2) }));
        const rows = [[[2], plain, null], [[3, 2], plain, null], [[8], plain, 6], [[2], plain, 6], [[2], book, null]];
        return rows.map((row) => placeText(...row));
        """
    )
    assert found == ["2 / 14", "2–3 / 14", "2 (8 / 14)", "2 / 14", "ii (2 / 14)"]


def test_the_contents_are_a_tree_even_if_levels_are_left_out() -> None:
    outline = [
        {"level": level, "title": title, "page": page}
        for level, title, page in ((1, "a", 1), (3, "b", 2), (2, "c", 4), (1, "d", 9))
    ]
    found = run(
        """
        const { currentOf, treeOf } = await import("./contents.js");
        const shape = (one) => [one.title, one.children.map(shape)];
        const current = (page) => given[0][currentOf(given[0], page)]?.title;
        return [treeOf(given[0]).map(shape), [1, 3, 8, 9, 100].map(current)];
        """,
        outline,
    )
    assert found == [[["a", [["b", []], ["c", []]]], ["d", []]], ["a", "b", "c", "d", "d"]]


def test_keys_belong_to_whoever_has_the_focus() -> None:
    found = run(
        """
        const { actionOf } = await import("./keys.js");
        const none = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false };
        return given.map(([key, where, more]) => actionOf({ key, ...none, ...more }, where));
        """,
        ["PageDown", "range", {}],
        ["ArrowRight", "range", {}],
        ["g", "field", {}],
        ["Escape", "field", {}],
        ["f", "page", {"ctrlKey": True}],
        ["f", "field", {"ctrlKey": True}],
        ["f", "page", {}],
        [" ", "button", {}],
        [" ", "page", {"shiftKey": True}],
        ["c", "page", {"ctrlKey": True}],
    )
    assert found == ["on", "right", "", "leave", "find", "find", "bars", "", "back", ""]


def test_keys_of_one_character_can_be_switched_off_and_the_others_stay() -> None:
    found = run(
        """
        const { actionOf, CHARACTERS } = await import("./keys.js");
        const none = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false };
        const act = (key, more, isOn) => actionOf({ key, ...none, ...more }, "page", isOn);
        const told = CHARACTERS.flatMap(([, keys]) => keys.split(" / ").map((one) => one.toLowerCase()));
        const rows = given[0].map(([key, more]) => [act(key, more, true), act(key, more, false)]);
        return [...rows, told.map((one) => act(one, {}, true))];
        """,
        [[key, {}] for key in "nbgpfrw/?+-=;0"]
        + [["N", {"shiftKey": True}]]
        + [[key, {}] for key in ("ArrowRight", "PageDown", "PageUp", "Home", "End", "Escape", " ")]
        + [["f", {"ctrlKey": True}]],
    )
    characters, others, told = found[:15], found[15:-1], found[-1]
    assert all(on and not off for on, off in characters)
    assert all(on and on == off for on, off in others)
    assert all(told), "the help tells of keys that act"


PLACES: list[dict[str, Any]] = [
    {"kind": "shelf"},
    *(
        {"kind": kind, "id": one, "page": page}
        for kind in ("paper", "document")
        for one in ("a1", "a/b", "a/3", "100%", "%2F", "a#b", "a&beside=b", "paper=x", "folder=f", "議案 第1号", "?a=b")
        for page in (None, 12)
    ),
    *({"kind": "folder", "id": one} for one in ("f1", "a/b", "100%", "令和8年", "a&b=c")),
    *({"kind": "search", "query": one} for one in ("予算 補正", "100%", "a/b#c&d=e", "")),
    {"kind": "join", "token": "t/1=%"},
    {"kind": "setup", "token": "t"},
    {"kind": "paper", "id": "100%", "page": 3, "beside": {"kind": "document", "id": "a/b"}},
    {"kind": "document", "id": "議案", "beside": {"kind": "paper", "id": "a&beside=b", "page": 4}},
]


@pytest.mark.parametrize("is_encoded", [False, True], ids=["as it is", "encoded on its way"])
def test_what_an_address_is_made_of_is_read_from_it_again(is_encoded: bool) -> None:
    found = run(
        """
        const { addressOf, parsePlace } = await import("./place.js");
        return given[0].map((one) => {
          const hash = new URL(`https://a.example/#${addressOf(one)}`).hash;
          return parsePlace(given[1] ? `#${encodeURIComponent(hash.slice(1))}` : hash);
        });
        """,
        PLACES,
        is_encoded,
    )
    empty = {"id": "", "page": None, "query": "", "token": "", "beside": None}

    def whole(one: dict[str, Any]) -> dict[str, Any]:
        return {**empty, **one, "beside": whole(one["beside"]) if "beside" in one else None}

    for place, read in zip(PLACES, found, strict=True):
        assert read == whole(place)


def test_keys_go_through_the_grid_of_pages_by_its_columns() -> None:
    found = run(
        """
        const { pageTowards } = await import("./page_grid.js");
        return given.map((one) => pageTowards(...one));
        """,
        [5, "ArrowDown", 3, 11],
        [5, "ArrowDown", 4, 11],
        [5, "ArrowUp", 3, 11],
        [2, "ArrowUp", 3, 11],
        [9, "ArrowDown", 3, 11],
        [10, "ArrowDown", 3, 11],
        [3, "ArrowRight", 3, 11],
        [1, "ArrowLeft", 3, 11],
        [11, "ArrowRight", 3, 11],
        [5, "Home", 3, 11],
        [5, "End", 3, 11],
        [5, "PageDown", 3, 11],
    )
    assert found == [8, 9, 2, 2, 11, 10, 4, 1, 11, 1, 11, None], "from the last row but one, down is the last page"


def test_a_reader_is_led_to_the_same_page_of_a_new_revision() -> None:
    fates = [[1, 1], [2, None], [3, 4], [None, 2], [None, 3]]
    found = run(
        """
        const { placeIn } = await import("./fates.js");
        const fates = given[0].map(([old_page, new_page]) => ({ old_page, new_page }));
        return [1, 2, 3].map((page) => placeIn(fates, page));
        """,
        fates,
    )
    assert found == [1, 1, 4]
