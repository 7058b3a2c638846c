"""Text that a document or a file system gives for people to read: titles, bookmarks, labels, names. In any process."""

from __future__ import annotations

import re

_BREAKS = re.compile(r"[ \u00a0]*[\x01-\x1f\x7f-\x9f\u2028\u2029][ \u00a0\x01-\x1f\x7f-\x9f\u2028\u2029]*")
"""Tabs, ends of lines and other control characters, with the spaces around them. NUL, which pads, is none."""
_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
"""Spaces of other widths; the ideographic space U+3000 stays."""


def shown(value: str) -> str:
    """The text on one line, printable, in characters that every encoding of Unicode takes.

    Control characters and ends of lines become one space, U+3000 stays, what turns the direction of writing goes.
    """
    if value.isprintable():  # no surrogate is
        return value.strip()
    encodable = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    one_line = _SPACES.sub(" ", _BREAKS.sub(" ", encodable))
    return "".join(c for c in one_line if c.isprintable() or c == "\u3000").strip()
