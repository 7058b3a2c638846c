"""Text strings of PDF (ISO 32000-2, 7.9.2.2), decoded from bytes. In any process."""

from __future__ import annotations

import re

from sidebooks_core.documents.syntax import legacy_text

_LANGUAGE = re.compile("\x1b[a-z]{2}(?:[A-Z]{2})?\x1b")
"""Escapes in Unicode strings that name the language of the text after them."""
_ACCENTS = dict(zip(range(0x18, 0x20), "\u02d8\u02c7\u02c6\u02d9\u02dd\u02db\u02da\u02dc", strict=True))
_UPPER = dict(
    zip(
        range(0x80, 0xA1),
        "\u2022\u2020\u2021\u2026\u2014\u2013\u0192\u2044\u2039\u203a\u2212\u2030\u201e\u201c\u201d\u2018\u2019\u201a\u2122"
        "\ufb01\ufb02\u0141\u0152\u0160\u0178\u017d\u0131\u0142\u0153\u0161\u017e\ufffd\u20ac",
        strict=True,
    )
)
_PDF_DOC = {**_ACCENTS, **_UPPER, 0x7F: "\ufffd", 0xAD: "\ufffd"}
"""Where PDFDocEncoding (ISO 32000-2, annex D.2) differs from ISO 8859-1. U+FFFD stands for undefined codes."""
DOC_CHARACTERS = frozenset([*map(chr, range(0x100)), *_PDF_DOC.values()])
"""All characters of PDFDocEncoding."""
_CONTROLS = re.compile(r"[\x80-\x9f]")


def doc_decoded(raw: bytes) -> str:
    """Decode PDFDocEncoding."""
    return raw.decode("latin-1").translate(_PDF_DOC)


def decoded(raw: bytes) -> str:
    """The text of a string: in Unicode if it begins so, else in PDFDocEncoding or an East Asian encoding."""
    if raw.startswith(b"\xfe\xff"):
        text = raw[2:].decode("utf-16-be", "replace")
    elif raw.startswith(b"\xff\xfe"):
        text = raw[2:].decode("utf-16-le", "replace")
    elif raw.startswith(b"\xef\xbb\xbf"):
        text = raw[3:].decode("utf-8", "replace")
    else:
        legacy = legacy_text.east_asian(raw)
        return doc_decoded(raw).replace("\ufffd", "") if legacy is None else legacy
    return widened(_LANGUAGE.sub("", text))


def widened(text: str) -> str:
    """The text; or the text of its bytes if each byte became a character, which control characters show."""
    if _CONTROLS.search(text) and all(c < "\u0100" for c in text):
        return legacy_text.east_asian(text.encode("latin-1")) or text
    return text
