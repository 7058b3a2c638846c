"""Finds a query in the text of a page, by the rules of a search. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Self

from sidebooks_core.documents.model import Matching
from sidebooks_core.text.folding import Origins, fold, fold_old_forms, needed, query_pattern


class Finder:
    """A query, ready to be looked for. Made by `of`."""

    def __init__(self, pattern: re.Pattern[str], query: str, matching: Matching) -> None:
        self._pattern = pattern
        self._matching = matching
        self._cased = query_pattern(query, old_forms=matching.old_forms, keeps_case=True) if matching.match_case else None
        self.needed = needed(query, old_forms=matching.old_forms)
        """Characters that every text with a match has, once it went through `folded`."""

    @classmethod
    def of(cls, query: str, matching: Matching) -> Self | None:
        """None if the query asks for nothing."""
        pattern = query_pattern(query, old_forms=matching.old_forms)
        return None if pattern is None else cls(pattern, query, matching)

    def folded(self, text: str) -> str:
        """A text of `fold`, with new forms in place of old ones if these are one for the search."""
        return fold_old_forms(text) if self._matching.old_forms else text

    def may_match(self, text: str) -> bool:
        """Whether a text of `fold` has the query. It may be a match that does not count."""
        return self._pattern.search(self.folded(text)) is not None

    def places(self, written: str, text: str) -> Iterator[tuple[int, int]]:
        """The first and the last character of each match, as places in what is written, in order. text: `fold` of it."""
        searched = self.folded(text)
        match = self._pattern.search(searched)
        origins = Origins(written, text) if match is not None else None
        while match is not None and origins is not None:
            start, end = match.span()
            first, last = origins.of(start), origins.of(end - 1)
            counts = self._counts(written[first : last + 1], searched, start, end)
            if counts:
                yield first, last
            match = self._pattern.search(searched, end if counts else start + 1)

    def _counts(self, written: str, searched: str, start: int, end: int) -> bool:
        """Whether a match is one by all rules. written: the characters that it covers."""
        if self._cased is not None and not self._cased.search(self.folded(fold(written, keeps_case=True))):
            return False
        return not self._matching.whole_words or is_whole(searched, start, end)


def is_whole(text: str, start: int, end: int) -> bool:
    """Whether a part of a folded text begins and ends where words do.

    A word is a run of characters of one kind: letters and figures, ideographs, hiragana, or katakana. Japanese parts words by
    nothing else that can be seen: 京都 is not a whole word in 東京都. It is one in 京都は. A line's end ends a word, unless
    a hyphen divides it there.
    """
    return not _goes_on(text, _before(text, start), start) and not _goes_on(text, end - 1, _after(text, end))


def _goes_on(text: str, left: int, right: int) -> bool:
    """Whether two characters that stand side by side belong to one word. Places outside of the text have none."""
    if left < 0 or right >= len(text):
        return False
    kind = _kind(text, left)
    return kind is not None and kind == _kind(text, right)


def _before(text: str, place: int) -> int:
    """The place of the character before one, on the other side of a hyphen that divides a word. -1: there is none."""
    found = _DIVIDED_BEFORE.search(text, max(0, place - _LONGEST_GAP), place)
    return (found.start() if found else place) - 1


def _after(text: str, place: int) -> int:
    """The place of the character from a place on, on the other side of a hyphen that divides a word."""
    found = _DIVIDED.match(text, place, place + _LONGEST_GAP)
    return found.end() if found else place


def _kind(text: str, place: int) -> str | None:
    """The kind of a character; of an accent, of the one that it stands on. None: it belongs to no word."""
    while place > 0 and (unicodedata.category(text[place])[0] == "M" or text[place] == "ー"):
        place -= 1  # the sign of length is of the kana before it
    char = text[place]
    for kind, chars in _KINDS.items():
        if chars.match(char):
            return kind
    return "letter" if char.isalnum() or char == "_" else None


_KINDS = {
    "ideograph": re.compile("[\u2e80-\u2fdf々〆〇\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"),
    "hiragana": re.compile("[\u3041-\u309f]"),
    "katakana": re.compile("[\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff]"),
}
_LONGEST_GAP = 64
"""Characters of white space and hyphens between the two parts of a word, at most."""
_DIVIDED = re.compile(r"\xad*(?:-[^\S\n]*\n\s*)?")
_DIVIDED_BEFORE = re.compile(r"(?:\xad+|\xad*-[^\S\n]*\n\s*)$")
