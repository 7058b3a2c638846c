"""What hostile documents bring to the readers that are ours: each reads a megabyte of it in time that grows with its length.

Nothing here is timed: a reader whose time grows with the square would not end within the tests' own limit.
"""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest

from sidebooks_core.documents.syntax import css, lenient_content, lenient_objects, markup, xmp
from sidebooks_core.engine.epub import ruby as epub_ruby
from sidebooks_core.text import ruby_style

MEGABYTE = 1_000_000
TITLE = b'<x xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>'


def test_a_title_of_a_million_pieces_is_cut() -> None:
    for piece in (b"a\n", b"a&amp;"):
        title = xmp.title(TITLE + piece * (MEGABYTE // len(piece)))
        assert title.startswith("a")
        assert len(title) <= 10_000


def test_elements_deep_in_each_other_beside_a_title() -> None:
    assert xmp.title(TITLE + b"Budget</dc:title>" + b"<a>" * (MEGABYTE // 3)) == "Budget"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (b"<</A " + b"1" * 500_000 + b"x /B 2>>", b"<</A /B>>"),
        (b"<</A " + b"1" * 500_000 + b" 2 /B 2>>", b"<</A " + b"1" * 500_000 + b" /B 2>>"),
    ],
)
def test_an_object_with_a_long_number(text: bytes, read: bytes) -> None:
    assert lenient_objects.rewritten(text) == (read, len(text))


@pytest.mark.parametrize("number", [b"1", b"-1", b"+.5", b"1.", b"--1.5", b"1.5.", b"00"])
def test_numbers_as_careless_writers_write_them(number: bytes) -> None:
    assert lenient_objects.rewritten(b"[" + number + b"]") == (b"[" + number + b"]", len(number) + 2)


def test_an_array_of_text_with_a_long_number_or_with_many_operators() -> None:
    assert lenient_content.rewritten(b"[(a) " + b"1" * 500_000 + b"x (b)] TJ") == b"[(a) (b)] TJ"
    assert lenient_content.rewritten((b"[(a)" + b"Tj " * 900 + b"] TJ ") * 400) == b"[(a)] TJ " * 400


STYLED = "<svg><style>{}</style><a/></svg>"


@pytest.mark.parametrize(
    "sheet",
    [
        "a{fill:red}" + "/*" * 500_000,
        "a{fill:red}" + "b" * MEGABYTE,
        "a{fill:red}" + "@font-face " * 90_000,
        "a{fill:red}" + "@media all " * 90_000,
        "a{fill:red;font:1/" + "1" * MEGABYTE + "}",
        "a{fill:red;font:" + "a " * 500_000 + "}",
        "a{fill:red} a" + " " * MEGABYTE + "b{fill:blue}",
        "a{fill:red}" + "[a" * 500_000 + "{fill:blue}",
    ],
)
def test_a_style_sheet_that_goes_on_and_on(sheet: str) -> None:
    root = fromstring(STYLED.format(sheet))
    assert css.inline(root, frozenset({"fill"}))
    assert root[0].attrib == {"fill": "red"}


def test_rules_and_declarations_by_the_million_are_bounded_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(css, "MOST_STEPS", 100_000)
    root = fromstring("<svg><style>" + "*," * 9000 + "*{fill:red}</style>" + "<a/>" * 5000 + "</svg>")
    assert not css.inline(root, frozenset({"fill"}))
    assert (root[0].get("fill"), root[-1].get("fill")) == ("red", None)


def test_declarations_by_the_million_are_bounded() -> None:
    root = fromstring(STYLED.format("*," * 9000 + "*{" + "fill:red;" * 3000 + "}"))
    css.inline(root, frozenset({"fill"}))
    assert root[0].get("fill") == "red"


@pytest.mark.parametrize(
    ("sheet", "fill"),
    [
        ("/* a{fill:red} */ a{fill:blue} /* open", "blue"),
        ("a{fill:red} @media print{a{fill:blue}} @import 'x'; @page{margin:1} @keyframes k{from{fill:green}}", "red"),
        ("@charset 'utf-8'; @media screen and (min-width:1px){a{fill:blue}} b{fill:red}", "blue"),
        ("@font-face{font-family:x;src:url(y)} a{stroke:red;fill:blue}", "blue"),
        ("svg>a{fill:red}", "red"),
        ("@supports (fill:red){@media all{a{fill:red}}} a{fill:blue}", "blue"),
        ("<!-- a{fill:red} -->", "red"),
    ],
)
def test_blocks_comments_and_rules_with_an_at(sheet: str, fill: str) -> None:
    root = fromstring("<svg><style><![CDATA[" + sheet + "]]></style><a/></svg>")
    css.inline(root, frozenset({"fill"}))
    assert root[0].get("fill") == fill


@pytest.mark.parametrize("encoding", ["undefined", "idna", "base64", "no-such"])
def test_encodings_of_no_text(encoding: str) -> None:
    data = f'<?xml version="1.0" encoding="{encoding}"?><a/>'.encode()
    if encoding == "no-such":
        assert markup.read(data).tag == "a"
    else:
        with pytest.raises(markup.BadMarkup):
            markup.read(data)


@pytest.mark.parametrize(
    ("before", "piece"),
    [
        ("", "<rt>a"), ("", "<rt a><b>"), ("", "<rt/>"), ("", "<rt></"), ("", "<rt"), ("", "<"), ("", "<a"), ("", "<!--"),
        ("", "<![CDATA["), ("", "<?"), ("", "<rt style='font:'>"), ("", "<rt style='"), ("", "<rt a=' b=\""),
        ("<", "a"), ("<", "a:"), ("<rt ", "a"), ("<rt ", "a "), ("<rt a", " "), ("<rt ", "="), ("<rt ", "= "), ("<rt ", "a="),
        ("<rt ", "'"), ("<rt ", "='"), ("<rt ", "='\""), ("<rt ", "style "), ("<rt ", "style= "), ("<rt ", "a='b' "),
        ("<rt style=", "font"), ("<rt style='", "font "), ("<rt style='", "font-size"), ("<rt style='font:a", " "),
        ('<rt style="', "&quot;"),
    ],
)  # fmt: skip
def test_a_chapter_of_a_book_that_goes_on_and_on(before: str, piece: str) -> None:
    chapter = "<rt style='font:a'/>" + before + piece * (MEGABYTE // len(piece))
    found = epub_ruby.with_ruby_sizes(chapter)
    assert found.startswith(f"<rt style='font:a;font-size:{ruby_style.SIZE}'/>")
    assert found.replace(f";font-size:{ruby_style.SIZE}", "") == chapter
