"""Prepares text of a document or file system for people: titles, bookmarks, labels, names. In any process."""

from __future__ import annotations

import re

_BREAKS = re.compile(r"[ \u00a0]*[\x01-\x1f\x7f-\x9f\u2028\u2029][ \u00a0\x01-\x1f\x7f-\x9f\u2028\u2029]*")
"""Tabs, line ends and other control characters, with the spaces around them. NUL, which only pads, is not among them."""
_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
"""Spaces of other widths. The ideographic space U+3000 is kept."""


def shown(value: str) -> str:
    """The text on one line, printable, in characters that every Unicode encoding has.

    Control characters and line ends become one space. U+3000 is kept. Characters that turn the direction of writing are
    dropped.
    """
    if value.isprintable():  # surrogates are not printable
        return value.strip()
    encodable = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    one_line = _SPACES.sub(" ", _BREAKS.sub(" ", encodable))
    return "".join(c for c in one_line if c.isprintable() or c == "\u3000").strip()
