"""Highlights without a browser: which words a drag means, where their quads lie, and where a mark is hit."""

from __future__ import annotations

import pytest
from viewer_node import NODE, run

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")

LATIN = [
    [10, 10, 40, 20, "The", 0, 0], [45, 10, 90, 20, "budget,", 0, 0], [95, 10, 130, 20, "line", 0, 0],
    [10, 30, 30, 40, "by", 0, 1], [35, 30, 60, 40, "line", 0, 1],
]  # fmt: skip
"""Two lines. Of the height 10 pt."""
DOWN = [[100, 10, 120, 90, "予算書", 0, 0], [70, 10, 90, 90, "の説明", 0, 1]]
"""Two lines that run downwards, the right one first."""
BETWEEN = """
    const { linesOf } = await import("./text_lines.js");
    const { piecesBetween, quadOf, quoteOf, spotAt } = await import("./marks_words.js");
    const [words, from, to] = given;
    const lines = linesOf(words);
    const spots = [from, to].map(([x, y]) => spotAt(lines, x, y));
    if (spots.includes(null)) return null;
    const pieces = piecesBetween(lines, ...spots);
    return { quads: pieces.map(quadOf), quote: quoteOf(pieces) };
"""


def test_a_drag_means_whole_words_over_the_end_of_a_line() -> None:
    found = run(BETWEEN, LATIN, [60, 15], [12, 36])
    assert found["quote"] == "budget, line by"
    assert found["quads"] == [[45, 10, 130, 10, 45, 20, 130, 20], [10, 30, 30, 30, 10, 40, 30, 40]]


def test_the_way_of_a_drag_does_not_matter() -> None:
    assert run(BETWEEN, LATIN, [12, 36], [60, 15]) == run(BETWEEN, LATIN, [60, 15], [12, 36])


def test_a_point_beside_a_line_means_its_nearest_word_and_one_far_from_all_text_none() -> None:
    assert run(BETWEEN, LATIN, [12, 15], [150, 15])["quote"] == "The budget, line"
    assert run(BETWEEN, LATIN, [12, 15], [400, 400]) is None


def test_lines_that_run_downwards_have_their_upper_edge_at_the_right() -> None:
    found = run(BETWEEN, DOWN, [110, 15], [80, 85])
    assert found["quote"] == "予算書の説明"
    assert found["quads"] == [[120, 10, 120, 90, 100, 10, 100, 90], [90, 10, 90, 90, 70, 10, 70, 90]]


def test_japanese_without_spaces_is_taken_by_words_and_by_characters_where_words_are_not_known() -> None:
    line = [[0, 0, 80, 10, "令和八年度予算書", 0, 0]]
    assert run(BETWEEN, line, [62, 5], [63, 5])["quote"] in ("予算", "予算書")
    without = "Intl.Segmenter = undefined;" + BETWEEN
    found = run(without, line, [51, 5], [65, 5])
    assert found == {"quads": [[50, 0, 70, 0, 50, 10, 70, 10]], "quote": "予算"}


def test_cells_of_a_row_are_pieces_of_their_own() -> None:
    row = [[0, 0, 40, 10, "歳入", 0, 0], [200, 0, 240, 10, "歳出", 1, 1]]
    found = run(BETWEEN, row, [2, 5], [238, 5])
    assert len(found["quads"]) == 2, "what is between them is no text"


def test_marks_are_hit_within_reach_and_not_beyond() -> None:
    hit = """
        const { highlight } = await import("./kind_words.js");
        const { note, stamp } = await import("./kind_points.js");
        const words = { quads: [[10, 10, 50, 10, 10, 20, 50, 20], [10, 100, 50, 100, 10, 110, 50, 110]] };
        const place = { x_pt: 100, y_pt: 100, height_pt: 20, text: "済" };
        return {
          words: [[30, 15], [30, 60], [30, 104], [53, 15], [60, 15]].map(([x, y]) => highlight.hits(words, x, y, 4)),
          box: highlight.box(words), note: [[105, 105], [130, 100]].map(([x, y]) => note.hits(place, x, y, 4)),
          stamp: stamp.box(place), long: stamp.box({ ...place, text: "要確認" }),
        };
    """
    found = run(hit)
    assert found["words"] == [True, False, True, True, False]
    assert found["box"] == [10, 10, 50, 110]
    assert found["note"] == [True, False]
    assert found["stamp"] == [84, 84, 116, 116]
    assert found["long"][2] - found["long"][0] == 72, "three letters are wider than one"


def test_underlines_and_strikeouts_follow_their_words_whichever_way_these_run() -> None:
    painted = """
        const { strikeout, underline } = await import("./kind_words.js");
        const quads = [[10, 10, 50, 10, 10, 20, 50, 20], [120, 10, 120, 90, 100, 10, 100, 90]];
        const lines = (kind) => {
          const told = [];
          const context = {
            save() {}, restore() {}, beginPath() {}, stroke() {}, moveTo: (...at) => told.push([context.lineWidth, ...at]),
            lineTo: (...at) => told[told.length - 1].push(...at),
          };
          kind.paint(context, { quads, colour: "#c81e1e" }, 10);
          return told.map((all) => all.map((one) => Math.round(100 * one) / 100));
        };
        return { under: lines(underline), through: lines(strikeout) };
    """
    found = run(painted)
    assert found["under"] == [[0.7, 10, 20, 50, 20], [1.4, 120, 10, 120, 90]]
    assert found["through"] == [[0.7, 10, 15, 50, 15], [1.4, 110, 10, 110, 90]]
