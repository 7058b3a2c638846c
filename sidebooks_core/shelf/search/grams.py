"""Runs of one to four neighbouring characters: the words of the index, for pages and for queries. Pure, with numpy.

A council's commonest words have two characters (予算, 議会), and words are not divided by spaces. So every run of one to four
neighbours is a word of the index, and no dictionary is needed. A query of up to four characters is one word, so the index knows
which pages have it. A longer query is several words, and pages that have all of them may match. Whether a page matches is
decided by `text.pages.search` on its text, as in the search of one document.

So that no match is missed, a page and a query lose everything that a match may skip or exchange: white space, hyphens, old
forms of characters, radicals that look like ideographs.

A gram is such a run as a number of 32 bits. Different runs may have the same number, so the text has the last word. The numbers
are in the database: whoever changes how they are made adds a migration that has the index made again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sidebooks_core.text.folding import fold_exchangeable, fold_old_forms

Grams = NDArray[np.uint32]

LONGEST = 4
"""Characters of the longest run. With five, Latin text would have more grams than characters of a book have neighbours."""
MOST_GRAMS = 16
"""A longer query is looked up by its first grams. The text decides about the rest."""
_FIRST, _NEXT, _LAST = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)
"""Odd factors that spread the bits (those of splitmix64 and xxHash64)."""


_UNKNOWN, _DROPPED = np.uint32(0xFFFFFFFF), np.uint32(0)
_keys = np.full(sys.maxunicode + 1, _UNKNOWN, np.uint32)
"""For each character the one that stands for it in the index. Found when the character is first met."""


def key_codes(folded: str) -> NDArray[np.uint32]:
    """A folded text as it is divided into runs: the numbers of its characters."""
    codes = np.frombuffer(folded.encode("utf-32-le", "surrogatepass"), "<u4")
    keys = _keys[codes]
    if (keys == _UNKNOWN).any():
        for code in np.unique(codes[keys == _UNKNOWN]).tolist():
            char = fold_exchangeable(fold_old_forms(chr(code)))
            _keys[code] = ord(char) if _is_kept(char) else _DROPPED
        keys = _keys[codes]
    kept: NDArray[np.uint32] = keys[keys != _DROPPED]
    return kept


def grams_of_page(folded: Iterable[str]) -> Grams:
    """The grams of a page, each once, ascending. folded: the folded texts of the page."""
    found = [runs for text in folded for runs in _runs(key_codes(text))]
    if not found:
        return np.zeros(0, np.uint32)
    grams = np.concatenate(found)
    grams.sort()
    is_first = np.ones(len(grams), bool)
    np.not_equal(grams[1:], grams[:-1], out=is_first[1:])
    return grams[is_first]


def grams_of_query(folded_query: str) -> list[int]:
    """The grams that every page that matches a query has; none if the index cannot tell.

    The words of a query that spaces divide are one run, as in the search of one document.
    """
    key = key_codes(folded_query)
    if not len(key):
        return []
    grams = _runs(key)[min(LONGEST, len(key)) - 1].tolist()
    # Grams that share no character come first: the least pages have both.
    apart = grams[::LONGEST] + grams[-1:] + grams
    return list(dict.fromkeys(apart))[:MOST_GRAMS]


def _runs(key: NDArray[np.uint32]) -> list[Grams]:
    """For each length from 1 on the gram of the run that begins at each character."""
    codes = key.astype(np.uint64) + np.uint64(1)
    codes *= _FIRST
    state, found = codes, []
    for length in range(1, LONGEST + 1):
        if length > 1:
            state = ((state[:-1] ^ (state[:-1] >> np.uint64(29))) * _NEXT) + codes[length - 1 :]
        if not len(state):
            break
        found.append((((state ^ (state >> np.uint64(32))) * _LAST) >> np.uint64(32)).astype(np.uint32))
    return found


def _is_kept(char: str) -> bool:
    code = ord(char)
    return char != "-" and char != "\u00ad" and not char.isspace() and code > 0x20 and not 0x7F <= code < 0xA0 and (
        not 0xD800 <= code < 0xF900
    )  # fmt: skip
