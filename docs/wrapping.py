"""Breaks the lines of generated Markdown pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

WIDTH = 100
"""Characters of a line, as tests/test_docs.py checks them."""
STARTS_A_BLOCK = re.compile(r"[-+*>|#]|#+|\d+[.)]|```.*|[-=]{2,}")
"""A word that means a list, a heading, a quotation or a table if it stands first in a line."""


def wrapped(text: str, first: str = "", rest: str = "", *, width: int = WIDTH) -> Iterator[str]:
    """The lines of one paragraph, at most `width` characters each unless a single word is longer.

    first: what the first line begins with; rest: what each other line begins with. No line but the first begins with
    a word that Markdown would take for the start of a block.
    """
    line = first
    begins = True
    for word in _units(text):
        if not begins and len(line) + 1 + len(word) > width:
            yield line
            line, begins = rest, True
        line += word if begins else f" {word}"
        begins = False
    yield line.rstrip()


def paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a text, each on one line."""
    for one in re.split(r"\n\s*\n", text.strip()):
        yield " ".join(one.split())


def _units(text: str) -> Iterator[str]:
    """Words, each together with the words after it that may not begin a line."""
    unit = ""
    for word in text.split():
        if unit and not STARTS_A_BLOCK.fullmatch(word):
            yield unit
            unit = word
        else:
            unit = f"{unit} {word}" if unit else word
    if unit:
        yield unit
