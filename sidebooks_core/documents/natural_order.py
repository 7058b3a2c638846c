"""The order of files and pages in folders, as a person counts: 2 before 10, in all digits. Pure."""

from __future__ import annotations

import re
import unicodedata

_KANJI_DIGITS = {digit: value for value, digit in enumerate("〇一二三四五六七八九")}
_KANJI_UNITS = {"十": 10, "百": 100, "千": 1000}
_KANJI_ORDINAL = re.compile(f"(?<=第)[{''.join(_KANJI_DIGITS)}{''.join(_KANJI_UNITS)}]+")
"""Kanji count as a numeral only after 第: the same characters stand in names."""
_DIGITS = re.compile("([0-9]+)")

NaturalKey = tuple[tuple[str | tuple[int, str], ...], ...]


def natural_key(path: str) -> tuple[NaturalKey, str]:
    """A key to sort paths by folder, then by name: numbers by value, letters regardless of case and width. No two paths have
    equal keys.
    """
    folded = unicodedata.normalize("NFKC", path).casefold()
    return tuple(_part_key(part) for part in folded.split("/")), path


def _part_key(name: str) -> tuple[str | tuple[int, str], ...]:
    counted = _KANJI_ORDINAL.sub(lambda match: str(kanji_number(match[0])), name)
    # Text and digits alternate, text first, so that like is compared with like. A number is its length and its digits: Python
    # refuses to read a number of thousands of digits.
    return tuple(_number_key(part) if place % 2 else part for place, part in enumerate(_DIGITS.split(counted)))


def _number_key(digits: str) -> tuple[int, str]:
    significant = digits.lstrip("0")
    return len(significant), significant


def kanji_number(numeral: str) -> int:
    """The value of a numeral below 10 000, written with units (二十一) or by places (二一)."""
    total = 0
    digits = 0
    has_digit = False
    for char in numeral[:16]:
        unit = _KANJI_UNITS.get(char)
        if unit is None:
            digits = 10 * digits + _KANJI_DIGITS[char]
            has_digit = True
        else:
            total += (digits if has_digit else 1) * unit
            digits, has_digit = 0, False
    return total + digits
