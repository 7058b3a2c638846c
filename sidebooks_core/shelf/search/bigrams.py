"""Pairs of neighbouring characters: the words of the index, for pages and for queries. Pure.

A council's commonest words have two characters (予算, 議会), and words are not divided by spaces. So every pair of neighbours
is a word of the index: one character, two, or any number are found alike, and no dictionary is needed. The index finds every
page that may match. Whether a page matches is decided by `text.pages.search` on its text, as in the search of one document.

So that no match is missed, a page and a query lose everything that a match may skip or exchange: white space, hyphens, old
forms of characters, radicals that look like ideographs.
"""

from __future__ import annotations

from collections.abc import Iterable

from sidebooks_core.text.folding import fold_exchangeable, fold_old_forms

END = "\ue000"
"""Stands behind the last character, so that each character is the first one of a pair. Of a private area, which is dropped."""
_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
"""ASCII characters become full-width ones: FTS5's ASCII tokenizer divides words at ASCII, and takes all others for letters."""
MOST_PAIRS = 64
"""A longer query is looked up by its first pairs. The text decides about the rest."""


def key_text(folded: str) -> str:
    """A folded text as it is divided into pairs."""
    kept = "".join(filter(_is_kept, fold_exchangeable(fold_old_forms(folded))))
    return kept.translate(_WIDE)


def pairs_of_page(folded: Iterable[str]) -> str:
    """The words of the index for a page, divided by spaces. folded: the folded texts of the page."""
    return " ".join(pair for text in folded for pair in _pairs(key_text(text) + END))


def match_of(folded_query: str) -> str | None:
    """The FTS5 expression that finds every page that may match a query; None if the query asks for nothing.

    The words of a query that spaces divide are one phrase, as in the search of one document.
    """
    key = key_text(folded_query)
    if not key:
        return None
    if len(key) == 1:
        return f'"{key}" *'
    return '"' + " ".join(list(_pairs(key))[:MOST_PAIRS]) + '"'


def _pairs(text: str) -> Iterable[str]:
    return (text[at : at + 2] for at in range(len(text) - 1))


def _is_kept(char: str) -> bool:
    code = ord(char)
    return char != "-" and char != "\u00ad" and not char.isspace() and code > 0x20 and not 0x7F <= code < 0xA0 and (
        not 0xD800 <= code < 0xF900
    )  # fmt: skip
