"""How the text of form fields and notes is set, by arithmetic: full-width characters are 1 em wide, others half an em."""

from __future__ import annotations

import pytest

from sidebooks_core.engine.forms.layout import ASCENT, CENTRE, DESCENT, LEFT, RIGHT, Box, broken, set_text, shown


def width(character: str) -> float:
    return 1.0 if ord(character) >= 0x2E80 else 0.5


def test_size_zero_fills_the_height_of_a_short_line_and_the_width_of_a_long_one() -> None:
    short = set_text("会議", Box(200, 24, 2, 0), width)
    assert short.size == pytest.approx(20 / (ASCENT + DESCENT))
    long = set_text("会" * 40, Box(200, 24, 2, 0), width)
    assert long.size == pytest.approx(196 / 40)


@pytest.mark.parametrize("size", [0, 6, 12, 40])
def test_a_line_stands_within_what_its_box_shows(size: float) -> None:
    setting = set_text("会議g", Box(200, 24, 2, size), width)
    [baseline] = {glyph.y for glyph in setting.glyphs}
    assert baseline + ASCENT * setting.size <= 24 - 1 + 1e-6
    assert baseline - DESCENT * setting.size >= 1 - 1e-6
    assert setting.size == pytest.approx(min(size or 20 / 1.09, 22 / 1.09))


@pytest.mark.parametrize(("quadding", "first", "end"), [(LEFT, 2, 26), (CENTRE, 38, 62), (RIGHT, 74, 98)])
def test_quadding(quadding: int, first: float, end: float) -> None:
    glyphs = set_text("会議", Box(100, 30, 2, 12, quadding), width).glyphs
    assert glyphs[0].x == pytest.approx(first)
    assert glyphs[-1].x + 12 == pytest.approx(end)


def test_a_line_that_is_too_long_begins_at_the_left() -> None:
    assert set_text("会" * 40, Box(100, 30, 2, 12, RIGHT), width).glyphs[0].x == 2


def test_cells() -> None:
    setting = set_text("会1", Box(80, 24, 0, 10, cells=8), width)
    assert [glyph.x for glyph in setting.glyphs] == pytest.approx([0, 12.5])
    assert set_text("会会", Box(80, 24, 0, 0, cells=8), width).size == pytest.approx(10)


@pytest.mark.parametrize(
    ("text", "most", "lines"),
    [
        ("会議録会議録", 4, ["会議録会", "議録"]),
        ("会議録。会", 3, ["会議", "録。会"]),
        ("会議「録会", 3, ["会議", "「録会"]),
        ("the end of it", 4, ["the end ", "of it"]),
        ("abcdefghij", 2, ["abcd", "efgh", "ij"]),
        ("会\n\n議", 9, ["会", "", "議"]),
        ("第1号 budget", 4, ["第1号 ", "budget"]),
        ("", 4, [""]),
    ],
)
def test_lines(text: str, most: float, lines: list[str]) -> None:
    assert broken(text, most, width) == lines


def test_several_lines_of_size_zero_shrink_until_they_fit() -> None:
    box = Box(104, 44, 2, 0, is_multiline=True)
    assert set_text("会議", box, width).size == 12
    many = set_text("会" * 60, box, width)
    assert 4 <= many.size < 12
    assert min(glyph.y for glyph in many.glyphs) - DESCENT * many.size >= 0
    assert max(glyph.x for glyph in many.glyphs) + many.size <= 102 + 1e-6
    assert set_text("会" * 6000, box, width).size == 4


def test_a_box_without_room_shows_nothing() -> None:
    assert not set_text("会議", Box(3, 24, 2, 12), width).glyphs
    assert not set_text("会議", Box(24, -5, 2, 12), width).glyphs


def test_what_has_no_shape_is_left_out() -> None:
    assert shown("葛\U000e0100城\ufe00市\u200b\x07") == "葛城市"
    assert shown("a\r\nb\rc\td") == "a\nb\nc d"
