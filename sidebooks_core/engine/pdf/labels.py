"""The labels of a PDF's pages (ISO 32000-1, 12.4.2). Worker side.

PyMuPDF's own reader reads all rules anew for each page, which is half the time of opening a long book. It also shows a prefix
that is written in hexadecimal digits as those digits.
"""

from __future__ import annotations

from bisect import bisect_right

from msgspec import Struct

from sidebooks_core.engine.mupdf import RawObj, mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf.objects import catalog, get, items, name, text

_DEPTH = 32
_MOST_RULES = 100_000
_LONGEST_PREFIX = 100
_LARGEST_WRITTEN_OUT = 4999
"""Larger numbers are written in digits, since Roman numerals and letters grow with the number itself."""
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
    (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


class LabelRule(Struct, frozen=True):
    """How pages are numbered, from one page on."""

    first_page: int
    """The first page with this rule, from 0."""
    prefix: str = ""
    style: str = ""
    """One of "D", "R", "r", "A", "a"; empty for no number."""
    start: int = 1
    """The number of that first page, at least 1."""


def read_rules(document: pymupdf.Document) -> list[LabelRule]:
    """The rules of an open PDF, by first page; none if it has no labels. Raises the engine's errors."""
    labels = get(catalog(raw_pdf(document)), "PageLabels")
    waiting: list[tuple[RawObj, int]] = [(labels, 0)] if labels else []
    rules: dict[int, LabelRule] = {}
    while waiting and len(rules) < _MOST_RULES:
        node, depth = waiting.pop()
        numbers = get(node, "Nums")
        for place in range(0, mupdf.ll_pdf_array_len(numbers) - 1, 2):
            first_page = mupdf.ll_pdf_to_int(mupdf.ll_pdf_array_get(numbers, place))
            rules[first_page] = _rule(first_page, mupdf.ll_pdf_array_get(numbers, place + 1))
        if depth < _DEPTH:
            waiting += [(kid, depth + 1) for kid in items(get(node, "Kids"))]
    return [rules[first_page] for first_page in sorted(rules)]


def label(rules: list[LabelRule], page: int) -> str:
    """The label of a page (from 0); its number from 1 if no rule applies."""
    place = bisect_right(rules, page, key=lambda rule: rule.first_page) - 1
    if place < 0:
        return str(page + 1)
    rule = rules[place]
    return (rule.prefix + _written(rule.style, page - rule.first_page + rule.start)) or str(page + 1)


def _rule(first_page: int, entries: RawObj) -> LabelRule:
    start = get(entries, "St")
    return LabelRule(
        first_page,
        text(get(entries, "P"))[:_LONGEST_PREFIX],
        name(get(entries, "S")),
        mupdf.ll_pdf_to_int(start) if mupdf.ll_pdf_is_int(start) else 1,
    )


def _written(style: str, number: int) -> str:
    if style not in ("D", "R", "r", "A", "a"):
        return ""
    if style == "D" or not 0 < number <= _LARGEST_WRITTEN_OUT:
        return str(number)
    if style in ("A", "a"):  # z is followed by aa, bb and so on
        written = chr(ord("a") + (number - 1) % 26) * (1 + (number - 1) // 26)
    else:
        written = ""
        for value, numeral in _ROMAN:
            written += numeral * (number // value)
            number %= value
    return written.upper() if style.isupper() else written
