"""The tokens of content streams, and the ends of inline images. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from sidebooks_core.documents.syntax.lenient_objects import string_end

_TOKEN = re.compile(
    rb"[\x00\t\n\f\r ]+|%[^\r\n]*"
    rb"|<<|>>|<[^<>]*+>|[\[\]{}<>()]"
    rb"|/[^\x00\t\n\f\r ()<>\[\]{}/%]*|[^\x00\t\n\f\r ()<>\[\]{}/%]+",
    re.DOTALL,
)
_SPACE = b"\x00\t\n\f\r %"
_END = re.compile(
    rb"EI(?=\Z|[\x00\t\n\f\r ]*+(?:\Z"
    rb"|(?:[mlcvyhqQfFBbSsWnwMJjidgGkK]|[fBb]\*|W\*|re|rg|RG|cm|cs|CS|sc|SC|scn|SCN|gs|ri|sh|Do|BT|BI|BX|EX|MP|DP|BMC|BDC|EMC)"
    rb"(?:[\x00\t\n\f\r /<\[(%]|\Z)))"
    rb"|EI(?=[\x00\t\n\f\r /<\[(%][\t\n\f\r\x20-\x7e]{8})"
)
"""The end of packed pixels. Content follows: an operator, or text, which pixels hardly resemble. Pixels may touch the `EI`."""
_ENDS_OF_TEXT = {b"/A85": b"~>", b"/ASCII85Decode": b"~>", b"/AHx": b">", b"/ASCIIHexDecode": b">"}
"""The end of pixels that are written as text."""
_COMPONENTS = {b"/G": 1, b"/DeviceGray": 1, b"/CalGray": 1, b"/I": 1, b"/Indexed": 1}
_COMPONENTS |= {b"/RGB": 3, b"/DeviceRGB": 3, b"/CalRGB": 3, b"/CMYK": 4, b"/DeviceCMYK": 4}


class InlineImage(NamedTuple):
    """What code that rewrites content must know of an inline image."""

    stop: int
    """The place behind its `EI`; the end of the content if there is none."""
    is_mask: bool
    is_ended: bool
    """Whether an `EI` was found."""


def token(data: bytes, position: int) -> tuple[bytes, int]:
    """The token that begins at a position, and where it ends; empty at the end of the data."""
    match = _TOKEN.match(data, position)
    if match is None:
        return data[position : position + 1], min(position + 1, len(data))
    end = string_end(data, match.end()) if match[0] == b"(" else match.end()
    return data[position:end], end


def inline_image(data: bytes, begun_at: int, position: int) -> InlineImage:
    """Read an inline image. begun_at: behind its `BI`. position: behind its `ID`."""
    entries = _entries(data, begun_at, position)
    is_mask = b"true" in (entries.get(b"/IM"), entries.get(b"/ImageMask"))
    packing = entries.get(b"/F") or entries.get(b"/Filter")
    unpacked_bytes = None if packing else _unpacked_bytes(entries, is_mask=is_mask)
    if unpacked_bytes is not None:
        # As in the engine: the next `EI` behind the pixels, whatever touches it.
        found = data.find(b"EI", position + 1 + unpacked_bytes)
        stop = found + 2 if found >= 0 else -1
    else:
        written = data.find(_ENDS_OF_TEXT[packing], position) if packing in _ENDS_OF_TEXT else position
        match = _END.search(data, written) if written >= 0 else None
        stop = match.end() if match else -1
    return InlineImage(stop if stop >= 0 else len(data), is_mask, stop >= 0)


def _entries(data: bytes, position: int, stop: int) -> dict[bytes, bytes]:
    """Keys and values as they are written. Of an array only its first value."""
    entries: dict[bytes, bytes] = {}
    key = b""
    depth = 0
    while position < stop:
        word, position = token(data, position)
        if word[:1] in _SPACE:
            continue
        if word in (b"[", b"<<"):
            depth += 1
        elif word in (b"]", b">>"):
            depth -= 1
            key = key if depth else b""
        elif not key:
            key = word
        else:
            entries.setdefault(key, word)
            key = key if depth else b""
    return entries


def _unpacked_bytes(entries: dict[bytes, bytes], *, is_mask: bool) -> int | None:
    """The length of pixels that no filter has packed; None if the entries do not tell."""
    try:
        width, height = int(entries.get(b"/W") or entries[b"/Width"]), int(entries.get(b"/H") or entries[b"/Height"])
        if is_mask:
            bits = 1
        else:
            components = _COMPONENTS[entries.get(b"/CS") or entries[b"/ColorSpace"]]
            bits = components * int(entries.get(b"/BPC") or entries[b"/BitsPerComponent"])
    except (KeyError, ValueError):
        return None
    return max(0, (width * bits + 7) // 8 * height)
