"""Reads what a font's name says: its script, Mincho or Gothic, bold, slanted. Garbled names are read, too. Pure.

The engine passes the BaseFont of a PDF on as it is: often Shift-JIS bytes, or such bytes that were taken for Latin letters.
"""

from __future__ import annotations

import re
import unicodedata

from msgspec import Struct

_SUBSET = re.compile(r"^[A-Z]{6}\+")
# Written without separators and in lower case, as _squeeze leaves a name.
_SERIF = re.compile(
    r"mincho|minpro|minpr6|minstd|minchopro|ryumin|futomin|heiseimin|kozmin|hiramin|himin|yumin(?!gothic)|ipaexm|ipam"
    r"|song|sung|ming|simsun|fangsong|simfang|batang|gungsuh|myungjo|myeongjo|serif(?<!sansserif)|kyokasho|kyoka"
    r"|reisho|gyosho|kaisho|antique|midashimin|明朝|教科書|楷書|行書|隷書|宋|仿|바탕|명조"
)
_SANS = re.compile(
    r"gothic|gothicbbb|futogo|jun101|jun34|kakugo|kakupro|kakustd|kakupr|kozgo|marugo|meiryo|ipaexg|ipag|sans|hei(?!sei)"
    r"|simhei|jhenghei|yahei|gulim|dotum|malgun|maru|ゴシック|ゴチック|黒体|黑|丸ゴ|角ゴ|メイリオ|고딕|돋움|굴림"
)
_JAPANESE = re.compile(
    r"^(ms|@ms)(p|ui|)(mincho|gothic)|^(ryumin|gothicbbb|futomin|futogo|jun101|heisei|koz(min|go)|hira(gino|min|kaku|maru)"
    r"|yu(min|goth)|meiryo|ipa(ex|p|m|g|mona)|bizud|dfp?(mincho|gothic|kyoka|gyo|maru)|hg[psr]?(mincho|gothic|kyoka|gyo|sei"
    r"|maru|soei)|midashi(min|go)|takao|noto(sans|serif)(cjk)?jp|sourcehan(sans|serif)|haranoaji|shippori|zenoldmincho|vl(p|)gothic)"
    r"|[\u3040-\u30ff]|明朝|教科書|楷書|行書|隷書|游|丸|角"
)
_BOLD = re.compile(r"bold|heavy|black|ultra|[-w ](w[6-9]|[68]n?)$|w[6-9]$|demi|extrab|futomin|futogo|midashi|太|極")
_SLANTED = re.compile(r"italic|oblique|斜")


class FontName(Struct, frozen=True):
    """What a font's name says."""

    text: str
    """The name as a person would write it, without the prefix of a subset."""
    is_serif: bool | None
    """Mincho, Song, Ming, Batang and the like: True; Gothic, Hei, Dotum: False; None if the name does not say."""
    is_bold: bool
    is_italic: bool
    is_japanese: bool
    """Whether it is the name of a Japanese font; the Latin "Century Gothic" is none."""


def read_name(name: str | bytes) -> FontName:
    """Read a font's name. name: bytes, or text in which bytes that are no UTF-8 are surrogates (as from os.fsdecode)."""
    text = _SUBSET.sub("", _ungarble(name))
    squeezed = _squeeze(text)
    serif, sans = _SERIF.search(squeezed), _SANS.search(squeezed)
    return FontName(
        text,
        True if serif else False if sans else None,
        bool(_BOLD.search(squeezed)),
        bool(_SLANTED.search(squeezed)),
        bool(_JAPANESE.search(squeezed)),
    )


def _ungarble(name: str | bytes) -> str:
    """The most likely text of the bytes: UTF-8, or an East Asian encoding, after undoing one round of "taken for Latin"."""
    raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    if raw.isascii():
        return raw.decode("ascii")
    # Its patterns take as long to make as many modules to load, and the host has hardly ever a name for them.
    from sidebooks_core.documents.syntax.legacy_text import decoded, is_east_asian, readings

    plain = decoded(raw, "utf-8")
    if plain is not None and is_east_asian(plain):
        return plain
    sources = [raw] if plain is None else [b for b in (_windows_bytes(plain), _encoded(plain, "mac-roman")) if b is not None]
    found = [text for source in sources for text in readings(source)]
    # Garbage decodes to rare characters, too. But the name of a style does not appear by accident.
    for text in found:
        squeezed = _squeeze(text)
        if _SERIF.search(squeezed) or _SANS.search(squeezed):
            return text
    return min(found, key=len, default=plain or raw.decode("latin-1"))


def _encoded(text: str, encoding: str) -> bytes | None:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return None


def _windows_bytes(text: str) -> bytes | None:
    """The bytes that were taken for Latin text: Windows code page 1252, with its five holes as in ISO 8859-1."""
    parts = [_encoded(c, "cp1252") or _encoded(c, "latin-1") for c in text]
    return None if None in parts else b"".join(part for part in parts if part is not None)


def _squeeze(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\s_,.@-]+", "", folded)
