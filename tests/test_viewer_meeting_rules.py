"""The rules of a meeting as the viewer has them, without a browser: following, connections, rectangles on other screens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meeting_hall import words
from viewer_node import NODE, run

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")

CASES = json.loads(Path(__file__).with_name("meeting_following.json").read_text(encoding="utf-8"))
SCREENS = [(1536, 1980), (2560, 1480), (780, 1500), (2880, 1560)]
"""Of stages, in their own pixels: iPad, Android, phone, desktop."""


def named(cases: list[dict[str, Any]], found: list[Any]) -> list[tuple[str, Any]]:
    return [(case["name"], one) for case, one in zip(cases, found, strict=True)]


def test_a_follower_does_in_the_viewer_what_it_does_on_the_server() -> None:
    found = run(
        """
        const f = await import("./following.js");
        const known = { meeting: "m", paper: "p", revision: 1, page: 1, spread: null, view_pt: null, mode: "follow", called: 0,
          details: 1, presenter: "p", t: 0 };
        const acts = {
          state: (follower, told) => f.received(follower, { ...known, ...told }), moved: f.moved, returned: f.returned,
          details: (follower, [epoch, seq]) => f.hasDetails(follower, { epoch, seq }),
        };
        return given[0].map(({ steps }) => {
          const follower = steps.reduce((one, [name, told]) => acts[name](one, told), f.NOBODY);
          const { state, isFollowing } = follower;
          return { position: state && f.positionOf(state), is_following: isFollowing, shows: f.shows(follower)?.page ?? null,
            needs_details: f.needsDetails(follower) };
        });
        """,
        CASES["following"],
    )
    told = [{name: one[name] for name in case["then"]} for case, one in zip(CASES["following"], found, strict=True)]
    assert named(CASES["following"], told) == [(case["name"], case["then"]) for case in CASES["following"]]


@pytest.mark.parametrize("kind", ["is_behind", "fitted", "seen", "repeats"])
def test_the_viewer_reckons_as_the_server_does(kind: str) -> None:
    found = run(
        """
        const f = await import("./following.js");
        const state = (has) => has && { epoch: has[0], seq: has[1] };
        const does = {
          is_behind: ({ has, ping }) => f.isBehind({ ...f.NOBODY, state: state(has) }, ping),
          fitted: ({ rect, view }) => { const { scale, x, y } = f.fitted(rect, ...view); return [scale, x, y]; },
          seen: ({ fit: [scale, x, y], view }) => f.seen({ scale, x, y }, ...view),
          repeats: ({ told, had, state }) => f.repeats(told, had, state, "me"),
        };
        return given[1].map(does[given[0]]);
        """,
        kind,
        CASES[kind],
    )
    answers = {"is_behind": "is_behind", "fitted": "fit", "seen": "rect", "repeats": "repeats"}
    expected = [case[answers[kind]] for case in CASES[kind]]
    for name, one, other in zip([case["name"] for case in CASES[kind]], found, expected, strict=True):
        assert one == pytest.approx(other), name


def test_a_rectangle_that_nothing_can_show_is_refused() -> None:
    found = run(
        """
        const { fitted } = await import("./following.js");
        return given.map((rect) => { try { fitted(rect, 600, 800); return "shown"; } catch (error) { return error.name; } });
        """,
        [0, 0, 0, 10],
        [5, 5, 4, 9],
        [0, 0, 10, 10],
    )
    assert found == ["RangeError", "RangeError", "shown"]


ON_ANOTHER = """
const { clamped } = await import("./reading.js");
const { fit, zoomed } = await import("./layout.js");
const { turnedPages } = await import("./frames.js");
const { placeShowing, rectSeen } = await import("./rectangles.js");
const margin = 8;
return given[0].map(({ sizes, page, zoom, x, y, from, to, quarters }) => {
  const upright = sizes.map(([width_pt, height_pt]) => ({ width_pt, height_pt }));
  const lie = ([width, height], pages) => {
    const boxes = fit(pages, pages.map((_, index) => index + 1), width - 2 * margin, height - 2 * margin);
    return { view: { width, height, ratio: 2 }, boxes: boxes.map((one) => ({ ...one, x: one.x + margin, y: one.y + margin })) };
  };
  const there = lie(from, upright);
  const place = clamped({ mode: "free", zoom, x, y }, there.boxes, there.view);
  const rect = rectSeen(there.boxes[page - 1], place, there.view, 0);
  const here = lie(to, turnedPages(upright, quarters, {}));
  const shown = placeShowing(rect, here.boxes[page - 1], here.boxes, here.view, quarters);
  const again = rectSeen(here.boxes[page - 1], shown, here.view, quarters);
  return { rect, shown, again, held: clamped(shown, here.boxes, here.view) };
});
"""

CASE = st.fixed_dictionaries(
    {
        "sizes": st.lists(st.tuples(st.integers(300, 1200), st.integers(300, 1200)), min_size=1, max_size=2),
        "page": st.just(1),
        "zoom": st.floats(1.02, 6),
        "x": st.floats(-4000, 4000),
        "y": st.floats(-4000, 4000),
        "from": st.sampled_from(SCREENS),
        "to": st.sampled_from(SCREENS),
        "quarters": st.sampled_from([0, 1, 2, 3]),
    }
)


@settings(max_examples=4, deadline=None)
@given(st.lists(CASE, min_size=60, max_size=60))
def test_another_screen_shows_all_that_the_presenter_sees_of_the_page(cases: list[dict[str, Any]]) -> None:
    for case in cases:
        if case["quarters"]:
            case["sizes"] = case["sizes"][:1]  # pages of a turned spread lie in another order
    for case, found in zip(cases, run(ON_ANOTHER, cases), strict=True):
        rect, again, shown = found["rect"], found["again"], found["shown"]
        assert shown == found["held"], "it covers the view, or lies in its middle"
        if again is None:
            continue  # the whole spread
        width_pt, height_pt = sum(one[0] for one in case["sizes"]), max(one[1] for one in case["sizes"])
        down_pt = (height_pt - case["sizes"][0][1]) / 2  # the first page lies in the middle of the spread
        least = max(rect[0], 0), max(rect[1], -down_pt)
        most = min(rect[2], width_pt), min(rect[3], height_pt - down_pt)
        slack_pt = 3.0  # boxes lie on whole pixels
        assert again[0] <= least[0] + slack_pt, (case, found)
        assert again[1] <= least[1] + slack_pt, (case, found)
        assert again[2] >= most[0] - slack_pt, (case, found)
        assert again[3] >= most[1] - slack_pt, (case, found)


def test_the_same_screen_shows_the_same_and_the_whole_page_is_the_whole_page() -> None:
    screens = {"from": SCREENS[0], "to": SCREENS[0]}
    case = {"sizes": [[595, 842]], "page": 1, "zoom": 2.5, "x": 100, "y": -300, "quarters": 0, **screens}
    found, whole = run(ON_ANOTHER, [case, {**case, "zoom": 1}])
    assert found["again"] == pytest.approx(found["rect"], abs=0.5)
    assert found["shown"]["zoom"] == pytest.approx(2.5, rel=0.01)
    assert (whole["rect"], whole["shown"]["mode"]) == (None, "page")


def test_what_the_bar_says() -> None:
    part = {
        "over": "",
        "problem": "",
        "isLost": False,
        "isSure": True,
        "isPresenter": False,
        "isLocked": False,
        "presenterName": "係長",
        "state": {"paper": "p", "mode": "follow"},
        "meeting": {"isBehind": False, "isFollowing": True},
    }
    away = {"isBehind": False, "isFollowing": False}
    cases: list[tuple[dict[str, Any], str, bool]] = [
        ({}, "m_following", False),
        ({"meeting": away}, "m_away", False),
        ({"meeting": away, "state": {"paper": "p", "mode": "free"}}, "m_free", False),
        ({"isLocked": True}, "m_locked", False),
        ({"isPresenter": True}, "m_you_present", False),
        ({"isPresenter": True, "state": {"paper": "", "mode": "follow"}}, "m_open_something", False),
        ({"state": {"paper": "", "mode": "follow"}}, "m_nothing_open", False),
        ({"state": None}, "m_joining", False),
        ({"state": None, "isLost": True}, "m_joining", False),
        ({"isLost": True, "isPresenter": True}, "m_lost", True),
        ({"meeting": {"isBehind": True, "isFollowing": True}}, "m_behind", True),
        ({"isSure": False}, "m_unsure", True),
        ({"problem": "paper_closed"}, "paper_closed", True),
        ({"over": "ended", "isLost": True}, "m_ended", False),
        ({"over": "revoked"}, "m_revoked", True),
        ({"over": "closed"}, "m_closed", True),
        ({"over": "protocol"}, "m_load_again", True),
        ({"over": "no such meeting"}, "m_gone", True),
    ]
    found = run(
        'const { saidBy } = await import("./meeting_bar.js"); return given[0].map((one) => saidBy(one));',
        [{**part, **one} for one, _, _ in cases],
    )
    assert [(one["key"], one["isGrave"]) for one in found] == [(key, is_grave) for _, key, is_grave in cases]


def test_pointers_fade_and_of_each_hand_the_newest_counts() -> None:
    found = run(
        """
        const { heardAfter, strengthOf } = await import("./pointers.js");
        const place = { paper: "p", page: 1, points_pt: [[1, 1]] };
        const pointer = { by: "a", tool: "pointer", ...place, count: 5, at_ms: 1000 };
        const seen = (...all) => [...all.reduce(heardAfter, new Map()).values()];
        const hear = (...all) => seen(...all).map((one) => [one.by, one.tool, one.points_pt]);
        return {
          strengths: [0, 1500, 1800, 2100, 9000].map(strengthOf),
          newest: hear(pointer, { ...pointer, count: 6, points_pt: [[2, 2]] }),
          late: hear(pointer, { ...pointer, count: 4, points_pt: [[0, 0]] }),
          anew: hear(pointer, { ...pointer, count: 1, at_ms: 9000, points_pt: [[3, 3]] }),
          two: hear(pointer, { ...pointer, by: "b" }).length,
          faded: hear(pointer, { ...pointer, by: "b", at_ms: 9000 }).map(([by]) => by),
          away: hear(pointer, { ...pointer, tool: "away", count: 7 }),
          late_away: hear(pointer, { ...pointer, tool: "away", count: 4 }).length,
        };
        """
    )
    assert found["strengths"] == [1, 1, 0.5, 0, 0]
    assert found["newest"] == [["a", "pointer", [[2, 2]]]]
    assert found["late"] == [["a", "pointer", [[1, 1]]]]
    assert found["anew"] == [["a", "pointer", [[3, 3]]]], "by another client, or after another start"
    assert (found["two"], found["faded"], found["away"]) == (2, ["b"], [])
    assert found["late_away"] == 1, "of each tool the server sends the newest: the finger is there again"


def test_pieces_of_a_stroke_are_joined_in_whatever_order_they_come() -> None:
    found = run(
        """
        const { drawnAfter } = await import("./live_strokes.js");
        const sample = (number) => [number, number, 0.5];
        const piece = (first, count, more = {}) => ({
          by: "a", mark: "m", paper: "p", revision: 1, page: 1, colour: "#000000", width_pt: 1, opacity: 1, first,
          samples_pt: [...Array(count).keys()].map((at) => sample(first + at)), end: "", ...more,
        });
        const hear = (...all) => all.reduce((drawn, [stroke, at_ms]) => drawnAfter(drawn, stroke, at_ms), new Map());
        const parts = (...all) => [...hear(...all).values()].map(({ pieces }) => (
          pieces.map(({ first, samples }) => [first, samples.map(([x]) => x)])));
        return {
          whole: parts([piece(0, 2), 0], [piece(2, 2), 70]),
          overlapping: parts([piece(0, 3), 0], [piece(1, 3), 70]),
          again: parts([piece(0, 3), 0], [piece(0, 2), 70]),
          lost: parts([piece(0, 2), 0], [piece(5, 2), 70], [piece(7, 1), 140]),
          late: parts([piece(0, 2), 0], [piece(5, 2), 70], [piece(2, 2), 140]),
          kept: parts([piece(0, 2), 0], [piece(2, 0, { end: "kept" }), 70]),
          gone: parts([piece(0, 2), 0], [piece(2, 0, { end: "gone" }), 70]),
          old: parts([piece(0, 2), 0], [piece(0, 1, { mark: "n" }), 40_000]),
          stolen: parts([piece(0, 2), 0], [piece(0, 1, { by: "b" }), 70]),
          endless: parts([piece(0, 1), 0], [piece(20_000, 1), 70]),
          many: hear(...[...Array(310).keys()].map((number) => [piece(0, 1, { mark: `m${number}` }), number])).size,
        };
        """
    )
    assert found["whole"] == [[[0, [0, 1, 2, 3]]]]
    assert found["overlapping"] == [[[0, [0, 1, 2, 3]]]]
    assert found["again"] == [[[0, [0, 1, 2]]]], "what is known already changes nothing"
    assert found["lost"] == [[[0, [0, 1]], [5, [5, 6, 7]]]], "a gap stays a gap"
    assert found["late"] == [[[0, [0, 1]], [5, [5, 6]]]]
    assert (found["kept"], found["gone"]) == ([[[0, [0, 1]]]], [])
    assert found["old"] == [[[0, [0]]]], "nothing had come of the first one for long"
    assert found["stolen"] == [[[0, [0, 1]]]], "a stroke is of one hand, and nobody else takes it away"
    assert found["endless"] == [[[0, [0]]]]
    assert found["many"] == 300


def test_a_stroke_that_is_drawn_is_told_in_pieces_that_overlap_and_none_is_too_long() -> None:
    found = run(
        """
        const { drawnAfter, ShownStroke } = await import("./live_strokes.js");
        const sent = [];
        const part = {
          id: "m", app: { reader: { state: { book: { paper: { id: "p", revision: 2 } } } } },
          meeting: { stroke: (piece) => sent.push(piece) },
        };
        const shown = new ShownStroke(part, 3, { colour: "#c8102e", width_pt: 2, opacity: 1 });
        const samples = [];
        for (let at = 0; at < 150; at += 1) {
          samples.push([at, at, 0.5]);
          shown.extend(samples);
        }
        shown.finish("kept");
        const until = async (holds) => { while (!holds()) await new Promise((done) => setTimeout(done, 5)); };
        await until(() => sent.length && sent[sent.length - 1].end === "kept");
        const drawn = sent.reduce((all, piece) => drawnAfter(all, { by: "a", ...piece }, 0), new Map());
        const gone = new ShownStroke(part, 3, { colour: "#c8102e", width_pt: 2, opacity: 1 });
        gone.extend(samples);
        gone.finish("gone");
        await until(() => sent[sent.length - 1].end === "gone");
        return {
          lengths: sent.map((one) => one.samples_pt.length),
          places: [...new Set(sent.map((one) => [one.paper, one.revision, one.page].join()))],
          whole: [...drawn.values()][0].pieces.map((one) => one.samples.length),
          isOne: sent.every((one) => /^[0-9a-f-]{36}$/.test(one.mark)),
          options: [shown.options.visibility, shown.options.meeting, shown.options.id === sent[0].mark],
        };
        """
    )
    assert max(found["lengths"]) <= 64
    assert found["whole"] == [150]
    assert (found["places"], found["isOne"]) == (["p,2,3"], True)
    assert found["options"] == ["shared", "m", True]


def test_who_is_asked_for_a_vote_and_who_is_on_its_roll() -> None:
    voters = [
        {"participant": "a", "is_present": True, "has_left": False},
        {"participant": "b", "is_present": True, "has_left": True},
        {"participant": "c", "is_present": False, "has_left": False},
    ]
    found = run(
        """
        const { whyNoVote } = await import("./ballot.js");
        const { rollOf } = await import("./votes.js");
        const { mayTake } = await import("./course.js");
        const open = { stage: "open", rule: "simple", chair: "x" };
        const asked = ["a", "b", "c", "d"].map((one) => whyNoVote(open, given[0], one));
        const rules = ["simple", "cast", "absolute", "two thirds"];
        const chair = rules.map((rule) => whyNoVote({ ...open, rule, chair: "a" }, given[0], "a"));
        const roll = rollOf([{ id: "a", name: "甲", isHere: true }, { id: "b", name: "乙", isHere: false }], "\\n 丙 \\n\\n丁");
        return [asked, chair, whyNoVote({ ...open, stage: "closed" }, given[0], "a"), roll,
          [["viewer", "speaker"], ["speaker", "speaker"], ["chair", "viewer"]].map((one) => mayTake(...one))];
        """,
        voters,
    )
    asked, chair, closed, roll, takes = found
    assert asked == ["", "not in the room", "not in the room", "not on the roll"]
    assert chair == ["chair does not vote", "chair does not vote", "", ""]
    assert closed == "not open"
    assert [one["name"] for one in roll["voters"]] == ["甲", "乙", "丙", "丁"]
    assert roll["present"] == ["a"]
    assert takes == [False, True, True]


def test_codes_orders_and_lists() -> None:
    found = run(
        """
        const { codeMeant } = await import("./code_page.js");
        const { movedBy } = await import("./agenda.js");
        const { inOrder } = await import("./attendance.js");
        const stays = [["a", 1, 5], ["b", 3, null], ["c", 2, null]];
        const people = stays.map(([name, joined_s, left_s]) => ({ name, joined_s, left_s }));
        return [
          given.map(codeMeant),
          [[0, 1], [2, -1], [0, -1]].map(([at, by]) => movedBy(["x", "y", "z"], at, by).join("")),
          inOrder(people).map((one) => one.name).join(""),
        ];
        """,
        "abcd-efgh",
        "ＡＢＣＤ２３４５",
        " ab cd ",
        "",
    )
    assert found == [["ABCD-EFGH", "ABCD-2345", "ABCD", ""], ["yxz", "xzy", "xyz"], "cba"]


def test_addresses_of_meetings() -> None:
    found = run(
        """
        const { addressOf, parsePlace } = await import("./place.js");
        const told = ({ kind, id, token }) => [kind, id, token];
        return [given.map((one) => told(parsePlace(one))), addressOf({ kind: "meeting", id: "wIh3k0Tq-s" })];
        """,
        "#meeting=wIh3k0Tq-s",
        "#meeting=wIh3k0Tq-s&projector",
        "#meeting=wIh3k0Tq-s&code=ABCD-EFGH",
        "#meeting=",
        "#code=",
        "#code=ABCD-EFGH",
    )
    places, address = found
    assert places == [
        ["meeting", "wIh3k0Tq-s", ""],
        ["meeting", "wIh3k0Tq-s", "projector"],
        ["meeting", "wIh3k0Tq-s", "code=ABCD-EFGH"],
        ["unknown", "", ""],
        ["code", "", ""],
        ["code", "", "ABCD-EFGH"],
    ]
    assert address == "meeting=wIh3k0Tq-s"


def test_whoever_asks_for_texts_that_are_coming_waits_for_them() -> None:
    found = run(
        """
        const { speakAlsoOf } = await import("./matters.js");
        const { t } = await import("./words.js");
        speakAlsoOf("meeting");
        await speakAlsoOf("meeting");
        return t("m_menu");
        """
    )
    assert found == words("en")["m_menu"]


PRESENTS = """
globalThis.document = { addEventListener() {} };
const { Presenting } = await import("./present.js");
const view = { width: 600, height: 800, ratio: 1, margin: 0 };
const reader = {
  stage: { addEventListener() {} }, spread: [1], view: () => view, quartersOf: () => 0,
  state: { book: { paper: { id: "p", revision: 1 } }, zoom: 1, x: 0, y: 0 },
  boxes: () => [{ page: reader.spread[0], x: 0, y: 0, width: 600, height: 800, scale: 1 }],
};
const sent = [];
const show = ({ page, view_pt }) => new Promise((done) => { sent.push({ told: [page, view_pt === null], done }); });
const part = {
  app: { reader }, signal: new AbortController().signal, isPresenter: true, meeting: { show, hasNewest: true },
  state: { paper: "p", revision: 1, page: 1, spread: null, view_pt: null }, following: { apply() {} },
};
const presenting = new Presenting(part);
presenting.tell(); // the meeting is there
for (const [page, zoom] of given) {
  reader.spread = [page];
  reader.state.zoom = zoom;
  presenting.tell();
}
for (let waits = 0; waits < 1000 && !(sent.length === 2); waits += 1) {
  sent[0].done();
  await new Promise((done) => setTimeout(done, 10));
}
return sent.map(({ told }) => told);
"""


@pytest.mark.parametrize("away", [(1, 2.0), (2, 1.0)])
def test_a_presenter_who_goes_back_before_the_server_has_answered_is_followed_back(away: tuple[int, float]) -> None:
    assert run(PRESENTS, away, (1, 1.0)) == [[away[0], away[1] == 1], [1, True]]
