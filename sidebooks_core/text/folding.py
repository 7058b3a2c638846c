"""What is one and the same for a search: one folding of characters, for the text that is searched and for what is asked.

Pure, and of no process in particular. A text is folded character by character, so that each place in the folded text has
its place in the text. Folded are: compatibility forms (NFKD: half and full width, circled, vertical and presentation forms,
compatibility ideographs), case, the characters that CP932 and JIS tables convert differently, CJK radicals, accents.
Ignored are variation selectors and invisible formatting.
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
    # JIS X 0201, and with it CP932, has the yen sign at 5C: fonts and converters show the one for the other.
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
"""Folded form: characters that converters, keyboards and fonts give for one another. ～ － ￠ ￡ ￢ ￤ ￥ are NFKD's."""
_FOLDED = {twin: folded for folded, twins in _TWINS.items() for twin in twins} | {
    chr(first + place): ideograph
    for first, ideographs in ((0x2E80, folding_tables.SUPPLEMENT), (0x2F00, folding_tables.KANGXI))
    for place, ideograph in enumerate(ideographs)
    if ideograph != "."
}
_EITHER = {"⼾": "戸戶", "⿊": "黒黑", "⺫": "目罒"}
"""Radicals that fonts have one glyph for with either of two ideographs (Adobe-Japan1, and Noto by region): found by both, which
stay apart from each other. Folded they stay themselves."""
_ALTERNATIVES = {ideograph: ideograph + radical for radical, both in _EITHER.items() for ideograph in both} | {
    radical: radical + both for radical, both in _EITHER.items()
}
_SOFT_HYPHEN = "\u00ad"
"""Says where a word may be divided; but fonts that have one glyph for it and the hyphen make writers say it for a hyphen.
Found by a hyphen, and without."""
_IGNORED = re.compile(
    "[\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_ACCENT_CLASSES = (1, *range(10, 37), *range(200, 256))
"""Canonical combining classes of marks that a search does without, as PDF.js has it: accents, Hebrew and Arabic points. Not of
them: the voicing marks of kana (8), nuktas (7), viramas (9), vowels of Thai and Tibetan, which make another letter."""
_LETTER_MARKS = "\u3099\u309a\u1160-\u11ff"
"""Written after a letter of which they make another: voicing marks, and the vowels and finals of Hangul."""

_OLD_FORMS = {
    ord(old): forms[0]
    for table in (folding_tables.JOYO, folding_tables.JINMEI, folding_tables.HYOGAI, folding_tables.NAMES)
    for forms in table.split()
    for old in forms[1:]
}


def _fold(char: str) -> str:
    if char in _EITHER:
        return char
    folded = _FOLDED.get(char)
    if folded is None:
        parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
        folded = "".join(_FOLDED.get(part, part) for part in parts if unicodedata.combining(part) not in _ACCENT_CLASSES)
        if folded.isspace() and not char.isspace():
            return char  # an accent with a place of its own: ´
    return _IGNORED.sub("", folded)


class _Folds(dict[str, str]):
    """What each character folds to, worked out when it is first met; not kept of the many that no page has."""

    def __missing__(self, char: str) -> str:
        folded = _fold(char)
        if len(self) < 1 << 15:
            self[char] = folded
        return folded


_folds = _Folds()


def fold_each(text: str) -> list[str]:
    """What each character of a text folds to: nothing, one character, or several.

    A soft hyphen at a line's end is a hyphen there; elsewhere it stays, for `query_pattern` to go past or to take for one.
    """
    if "\u00ad" in text:
        text = re.sub("\u00ad(?=[^\\S\n]*\n)", "-", text)
    return [_folds[char] for char in text]


def fold(text: str) -> str:
    """A text as it is searched, but for old forms of characters."""
    return "".join(fold_each(text))


def fold_old_forms(folded: str) -> str:
    """A folded text with old forms of characters (國 邊 髙) made new ones (国 辺 高); its length stays."""
    return folded.translate(_OLD_FORMS)


def query_pattern(query: str, *, old_forms: bool = False) -> re.Pattern[str] | None:
    """What finds a query in a folded text; None for one that asks for nothing.

    Inside Japanese any white space may be there or not. Latin words stand apart by white space of any kind, and may be
    divided by a hyphen at a line's end. A match never ends before a mark that makes its last letter another.
    old_forms: the text is one that `fold_old_forms` made.
    """
    folded = _folded_query(query, old_forms=old_forms)
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
    """The characters without which a folded text, in whatever order it has its characters, does not match a query."""
    folded = _folded_query(query, old_forms=old_forms)
    return frozenset(char for char in folded if char != "-" and char not in _ALTERNATIVES and not char.isspace())


def _folded_query(query: str, *, old_forms: bool) -> str:
    folded = fold(query).replace(_SOFT_HYPHEN, "")
    return fold_old_forms(folded) if old_forms else folded


def _char_pattern(char: str) -> str:
    if char == "-":
        return f"[-{_SOFT_HYPHEN}]"
    return f"[{_ALTERNATIVES[char]}]" if char in _ALTERNATIVES else re.escape(char)


def _between(before: str, after: str, *, is_inside: bool) -> str:
    """What may stand between two characters of a query. is_inside: inside a word."""
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
