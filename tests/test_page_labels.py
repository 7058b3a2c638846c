"""What pages are called: every style of numbering, prefixes however they are written, rules in a tree."""

from __future__ import annotations

import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sidebooks_core as sb
from sidebooks_core.engine.pdf.labels import LabelRule, label


def labelled(tree: str, pages: int = 6) -> bytes:
    document = pymupdf.open()
    for _ in range(pages):
        document.new_page()
    document.xref_set_key(document.pdf_catalog(), "PageLabels", tree)
    return bytes(document.tobytes())


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ("<</Nums[0<</S/r>>2<</S/D>>]>>", ["i", "ii", "1", "2", "3", "4"]),
        ("<</Nums[0<</S/R/St 8>>3<</S/D/P(A-)/St 40>>]>>", ["VIII", "IX", "X", "A-40", "A-41", "A-42"]),
        ("<</Nums[0<</S/a/St 25>>]>>", ["y", "z", "aa", "bb", "cc", "dd"]),
        ("<</Nums[0<</S/A>>]>>", ["A", "B", "C", "D", "E", "F"]),
        ("<</Nums[0<</P<FEFF88687D19>>>1<</S/D/P<FEFF7B2C>>>]>>", ["表紙", "第1", "第2", "第3", "第4", "第5"]),
        ("<</Nums[2<</P(\\(x\\)/S)>>]>>", ["1", "2", "(x)/S", "(x)/S", "(x)/S", "(x)/S"]),
        ("<</Kids[<</Nums[0<</S/D/St 7>>]>><</Kids[<</Nums[4<</S/r>>]>>]>>]>>", ["7", "8", "9", "10", "i", "ii"]),
        ("<</Nums[0<</S/r/St 2000000000>>]>>", [str(2_000_000_000 + n) for n in range(6)]),
        ("<</Nums[0<</S/a/St 2000000000>>]>>", [str(2_000_000_000 + n) for n in range(6)]),
        ("<</Nums[0<</S/X>>1 7 2<<>>]>>", ["1", "2", "3", "4", "5", "6"]),
        ("<</Nums 7/Kids 8>>", ["1", "2", "3", "4", "5", "6"]),
        ("[1 2 3]", ["1", "2", "3", "4", "5", "6"]),
    ],
)
def test_pages_are_called_what_the_document_says(service: sb.TileService, tree: str, expected: list[str]) -> None:
    assert [page.label for page in service.open(labelled(tree)).pages] == expected


def test_a_prefix_of_any_length_is_cut(service: sb.TileService) -> None:
    document = service.open(labelled(f"<</Nums[0<</P({'x' * 5000})/S/D>>]>>"))
    assert document.pages[0].label == "x" * 100 + "1"


@given(st.integers(1, 4999))
def test_roman_numerals_lead_back(number: int) -> None:
    written = label([LabelRule(0, style="R", start=number)], 0)
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}[numeral] for numeral in written]
    pairs = zip(values, [*values[1:], 0], strict=True)
    assert sum(-value if value < after else value for value, after in pairs) == number
