"""Reads bytes of unknown encoding as East Asian text if they surely are such text. In any process.

Programs of the time before Unicode, and some of today, write Shift-JIS or EUC into names and titles that are declared to be
Latin. Most Latin text with accents and quotation marks is not valid in those encodings, or is valid as scattered rare
ideographs. Real text has common characters side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ENCODINGS = ("utf-8", "cp932", "euc-jp", "gb18030")
"""Encodings, tried in this order: the likeliest first."""
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_NEVER = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd]")
"""Characters that no text has: control characters, private use, replacements."""
_COMMON = re.compile(r"[\u3000-\u303f\u3041-\u30ff\uff01-\uff5e\u2460-\u2473\u2160-\u2169\u3231\u3232\u2116]")
_UNCOMMON = re.compile(r"[\uff61-\uff9f\u9ad9\ufa11]")
"""Half-width kana, and forms of ideographs in names. They occur beside common characters, and are no evidence by themselves."""
_UNLIKELY = re.compile(r"[\x80-\x9f\u0180-\u036f\u0530-\u1fff\ue000-\uf8ff]")
"""Characters that two bytes of EUC make and UTF-8 text hardly has here."""
_JIS_ESCAPE = re.compile(rb"\x1b\$[@B]")


def decoded(raw: bytes, encoding: str) -> str | None:
    """The text, if the bytes are valid."""
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def is_east_asian(text: str) -> bool:
    """Whether a character of it is kana, an ideograph or hangul."""
    return any("\u3040" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7af" for c in text)


def readings(raw: bytes) -> Iterator[str]:
    """All readings of the bytes in an East Asian script."""
    for encoding in ENCODINGS:
        text = decoded(raw, encoding)
        if text is not None and is_east_asian(text):
            yield text


def east_asian(raw: bytes) -> str | None:
    """The text if the bytes are surely UTF-8 or in an East Asian encoding; None if they may be Latin text."""
    if _JIS_ESCAPE.search(raw):
        return decoded(raw, "iso2022_jp_ext")
    if raw.isascii():
        return None
    text = decoded(raw, "utf-8")
    if text is not None and not _UNLIKELY.search(text):
        return text
    best: tuple[int, str] | None = None
    for encoding in ENCODINGS[1:]:
        text = decoded(raw, encoding)
        good, bad = _evidence(text, encoding) if text is not None else (0, 0)
        if text is not None and good >= max(bad, 1) and (best is None or bad == 0 < best[0]):
            best = bad, text
    return best[1] if best is not None else None


def _evidence(text: str, encoding: str) -> tuple[int, int]:
    """How many characters speak for the encoding, namely common ones side by side, and how many against it."""
    if _NEVER.search(text):
        return 0, 1
    good = bad = 0
    for run in _FOREIGN.finditer(text):
        common = sum(_is_common(c, encoding) for c in run[0])
        unsure = len(run[0]) - common
        if len(run[0]) == 1:
            is_fit = _stands_alone(text, run.start(), encoding)
        else:  # accented letters stand in words, beside letters without accents
            is_fit = not unsure or not _touches_letters(text, run.start(), run.end())
        if not is_fit:
            common, unsure = 0, len(run[0])
        elif common:
            unsure -= len(_UNCOMMON.findall(run[0]))
        good += common
        bad += unsure
    return good, 2 * bad


def _touches_letters(text: str, start: int, stop: int) -> bool:
    return text[max(0, start - 1) : start].isalpha() or text[stop : stop + 1].isalpha()


def _stands_alone(text: str, place: int, encoding: str) -> bool:
    """Whether one character between ASCII is an ideograph, and no quotation mark or accent beside a Latin letter.

    An apostrophe with the letter behind it ("council's") is valid Shift-JIS; two accented letters are valid EUC.
    """
    follows, before = text[place + 1 : place + 2], text[max(0, place - 1) : place]
    if follows.isalpha():
        return False
    if encoding != "cp932":
        return not before.isalpha()
    last = text[place].encode(encoding)[-1:]
    return last >= b"\x80" or not (last.isalpha() or before.isalpha())


def _is_common(character: str, encoding: str) -> bool:
    """Kana, punctuation, and the ideographs of the first level of the encoding's standard."""
    if _COMMON.match(character):
        return True
    if encoding == "gb18030":
        code = character.encode(encoding)
        return len(code) == 2 and 0xB0 <= code[0] <= 0xD7 and code[1] >= 0xA1
    try:
        code = character.encode("cp932")
    except UnicodeEncodeError:
        return False
    return len(code) == 2 and b"\x88\x9f" <= code <= b"\x98\x72"
