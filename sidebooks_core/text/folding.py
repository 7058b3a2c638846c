"""Folds characters that are one for a search: in the text that is searched, and in the query.

Pure. A text is folded character by character, so that each place in the folded text has its place in the text. Folded are:
compatibility forms (NFKD: half and full width, circled, vertical and presentation forms, compatibility ideographs), case,
characters that CP932 and JIS tables convert differently, CJK radicals, accents. Variation selectors and invisible formatting
are ignored.
"""

from __future__ import annotations

import re
import unicodedata

from sidebooks_core.text import folding_tables

FIRST_CJK = 0x2E80

_TWINS = {
    "~": "〜∼˜〰",
    "-": "‐‑‒–−",
    "—": "―─",
    "‖": "∥ǁ",
    "‾": "¯￣",
    # JIS X 0201, and so CP932, has the yen sign at 5C: fonts and converters show one for the other.
    "\\": "¥",
    "'": "‘’‚‛ʻʼ",
    '"': "“”„‟〝〞〟",
    "・": "·‧⋅∙",
    "...": "⋯",
    "/": "∕⁄",
    **{str(number): chr(0x277F + number) for number in range(1, 11)},
    "\u3099": "゛",
    "\u309a": "゜",
}
"""Characters that converters, keyboards and fonts exchange, with their folded form. NFKD folds ～ － ￠ ￡ ￢ ￤ ￥ already."""
_FOLDED = {twin: folded for folded, twins in _TWINS.items() for twin in twins} | {
    chr(first + place): ideograph
    for first, ideographs in ((0x2E80, folding_tables.SUPPLEMENT), (0x2F00, folding_tables.KANGXI))
    for place, ideograph in enumerate(ideographs)
    if ideograph != "."
}
_EITHER = {"⼾": "戸戶", "⿊": "黒黑", "⺫": "目罒"}
"""Radicals whose glyph fonts share with either of two ideographs (Adobe-Japan1, and Noto by region). Both ideographs find the
radical, and not each other. The radical folds to itself."""
_ALTERNATIVES = {ideograph: ideograph + radical for radical, both in _EITHER.items() for ideograph in both} | {
    radical: radical + both for radical, both in _EITHER.items()
}
_EXCHANGED = {ord(ideograph): radical for radical, both in _EITHER.items() for ideograph in both}
_SOFT_HYPHEN = "\u00ad"
"""The soft hyphen marks where a word may be divided. But fonts with one glyph for it and the hyphen make writers use it for a
hyphen. So it is found with a hyphen and without one."""
_IGNORED = re.compile(
    "[\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_ACCENT_CLASSES = (1, *range(10, 37), *range(200, 256))
"""Canonical combining classes of marks that a search ignores, as in PDF.js: accents, Hebrew and Arabic points. The voicing
marks of kana (8), nuktas (7), viramas (9) and vowels of Thai and Tibetan are not among them: they make another letter."""
_LETTER_MARKS = "\u3099\u309a\u1160-\u11ff"
"""Marks that make another letter of the one before: voicing marks, and the vowels and finals of Hangul."""

_OLD_FORMS = {
    ord(old): forms[0]
    for table in (folding_tables.JOYO, folding_tables.JINMEI, folding_tables.HYOGAI, folding_tables.NAMES)
    for forms in table.split()
    for old in forms[1:]
}


def _fold(char: str, *, keeps_case: bool) -> str:
    if char in _EITHER:
        return char
    folded = _FOLDED.get(char)
    if folded is None:
        parts = unicodedata.normalize("NFKD", char)
        parts = parts if keeps_case else unicodedata.normalize("NFKD", parts.casefold())
        folded = "".join(_FOLDED.get(part, part) for part in parts if unicodedata.combining(part) not in _ACCENT_CLASSES)
        if folded.isspace() and not char.isspace():
            return char  # an accent with a place of its own: ´
    return _IGNORED.sub("", folded)


class _Folds(dict[int, str]):
    """The folded form of each character, found when it is first met. Only characters that occur are kept."""

    def __init__(self, *, keeps_case: bool = False) -> None:
        super().__init__()
        self._keeps_case = keeps_case

    def __missing__(self, code: int) -> str:
        folded = _fold(chr(code), keeps_case=self._keeps_case)
        if len(self) < 1 << 15:
            self[code] = folded
        return folded


class _Lengths(dict[int, int]):
    """The length of the folded form of each character."""

    def __missing__(self, code: int) -> int:
        length = len(_folds[code])
        if len(self) < 1 << 15:
            self[code] = length
        return length


_folds = _Folds()
_cased_folds = _Folds(keeps_case=True)
_lengths = _Lengths()


def fold(text: str, *, keeps_case: bool = False) -> str:
    """A text as it is searched, apart from old forms of characters. keeps_case: capital letters stay.

    Each character becomes nothing, one character, or several. A soft hyphen at the end of a line becomes a hyphen. Elsewhere it
    stays, and `query_pattern` skips it or takes it for a hyphen.
    """
    if _SOFT_HYPHEN in text:
        text = re.sub("\u00ad(?=[^\\S\n]*\n)", "-", text)
    return text.translate(_cased_folds if keeps_case else _folds)


class Origins:
    """Finds for a place of a folded text the place in the text that it comes from.

    Lines end at the same characters in both. So only the lines with places that are asked for are looked at, each once.
    """

    def __init__(self, text: str, folded: str) -> None:
        self._text = text
        self._folded = folded
        self._starts = [0, *(end.end() for end in re.finditer("\n", text)), len(text)]
        self._lines: dict[int, list[int]] = {}

    def of(self, place: int) -> int:
        """The place in the text."""
        line = self._folded.count("\n", 0, place)
        known = self._lines.get(line)
        if known is None:
            start, stop = self._starts[line : line + 2]
            lengths = [_lengths[ord(char)] for char in self._text[start:stop]]
            known = [start + at for at, length in enumerate(lengths) for _ in range(length)]
            self._lines[line] = known
        return known[place - (self._folded.rfind("\n", 0, place) + 1)]


def fold_old_forms(folded: str) -> str:
    """A folded text with new forms of characters (国 辺 高) in place of old ones (國 邊 髙). Its length does not change."""
    return folded.translate(_OLD_FORMS)


def fold_exchangeable(folded: str) -> str:
    """A folded text with one form for characters that `query_pattern` finds for one another. Its length does not change."""
    return folded.translate(_EXCHANGED)


def query_pattern(query: str, *, old_forms: bool = False, keeps_case: bool = False) -> re.Pattern[str] | None:
    """The pattern that finds a query in a folded text; None if the query asks for nothing.

    In Japanese, white space may be there or not. Latin words are separated by white space of any kind, and may be divided by a
    hyphen at the end of a line. A match never ends before a mark that makes its last letter another one. old_forms: for a text
    from `fold_old_forms`. keeps_case: for one that keeps its case.
    """
    folded = _folded_query(query, old_forms=old_forms, keeps_case=keeps_case)
    parts: list[str] = []
    before = ""
    for word in folded.split():
        for position, char in enumerate(word):
            if before:
                parts.append(_between(before, char, is_inside=position > 0))
            parts.append(_char_pattern(char))
            before = char
    return re.compile("".join(parts) + f"(?![{_LETTER_MARKS}])") if parts else None


def needed(query: str, *, old_forms: bool = False) -> frozenset[str]:
    """Characters that every folded text with a match has, whatever their order."""
    folded = _folded_query(query, old_forms=old_forms)
    return frozenset(char for char in folded if char != "-" and char not in _ALTERNATIVES and not char.isspace())


def _folded_query(query: str, *, old_forms: bool, keeps_case: bool = False) -> str:
    folded = fold(query, keeps_case=keeps_case).replace(_SOFT_HYPHEN, "")
    return fold_old_forms(folded) if old_forms else folded


def _char_pattern(char: str) -> str:
    if char == "-":
        return f"[-{_SOFT_HYPHEN}]"
    return f"[{_ALTERNATIVES[char]}]" if char in _ALTERNATIVES else re.escape(char)


def _between(before: str, after: str, *, is_inside: bool) -> str:
    """The pattern between two characters of a query. is_inside: inside a word."""
    if re.match(f"[{_LETTER_MARKS}]", after):
        return ""
    if _runs_on(before) or _runs_on(after):
        return r"[\s\xad]*"
    if not is_inside:
        return r"\xad*\s[\s\xad]*"
    return r"(?:\s*\n\s*)?" if before == "-" else r"\xad*(?:-[^\S\n]*\n\s*)?"


def _runs_on(char: str) -> bool:
    """Whether a line may end beside a character without a space, as in Japanese."""
    return ord(char) >= FIRST_CJK or char in "~—‖"
