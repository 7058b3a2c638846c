"""Rewrites content streams whose arrays break the rules, so that the engine can read them. Pure.

The engine gives up an array at the first token that may not stand in it, and the text of the array with it. As in pdf.js and
PDFium, only numbers and strings are kept in an array. An array that is not closed ends before the operator that takes it.
"""

from __future__ import annotations

import re

from sidebooks_core.documents.syntax.content_tokens import inline_image, token

_NUMBER = re.compile(rb"[+-]*+\d*+\.?+\d*+")
_MOST_AHEAD = 2_000
_SHOWS = b"TJ"
_TAKES_TEXT = (b"Tj", b"'", b'"')
_BOUNDS = frozenset((b"BT", b"ET", b"TJ", b"BI", b"["))
"""Operators that an array of text does not reach beyond."""
_TEXT_OBJECTS = (b"BT", b"ET")
"""It does not reach beyond these either, unless one of them stands alone before the closing bracket."""


def rewritten(data: bytes) -> bytes:
    """The content with arrays that can be read. All else stays as it is."""
    out: list[bytes] = []
    position = 0
    begun_at = 0
    """Where the entries of an inline image begin; 0: outside of one."""
    depth = 0
    """Depth inside dictionaries, whose arrays may hold anything."""
    while position < len(data):
        word, position = token(data, position)
        if word == b"[" and not depth:
            array, position = _array(data, position)
            out.append(array)
            continue
        depth += (word == b"<<") - (word == b">>" and depth > 0)
        out.append(word)
        if word == b"BI":
            begun_at = position
        elif word == b"ID" and begun_at:
            stop = inline_image(data, begun_at, position).stop
            out.append(data[position:stop])
            position, begun_at = stop, 0
    return b"".join(out)


def _array(data: bytes, start: int) -> tuple[bytes, int]:
    """An array from behind its bracket, and where the content continues."""
    items: list[bytes] = []
    position = start
    inner = 0
    closed_at = 0
    """Place up to which a bracket is known to close the array."""
    while True:
        word, after = token(data, position)
        if not word:
            break
        if word == b"[":
            inner += 1
        elif word == b"]":
            if not inner:
                return b"[" + b" ".join(items) + b"]", after
            inner -= 1
        elif word[:1] in (b"(", b"<") and len(word) > 1 and word != b"<<":
            items.append(word)
        elif _is_number(word):
            if not inner:
                items.append(word)
        elif word == _SHOWS:
            return b"[" + b" ".join(items) + b"]", position
        elif (
            after > closed_at and (word in _TAKES_TEXT or (word == b"d" and items)) and not (closed_at := _closing(data, after))
        ):
            if word == b"d":
                return b"[" + b" ".join(items[:-1]) + b"] " + items[-1] + b" ", position
            return b" ".join(item for item in items if not _is_number(item)) + b" ", position
        elif word in _BOUNDS and not (word in _TEXT_OBJECTS and (after <= closed_at or (closed_at := _closing(data, after)))):
            return b" ".join(items) + b" ", position
        position = after
    return b"[" + b" ".join(items) + b"]", len(data) if position >= len(data) else position + 1


def _is_number(token: bytes) -> bool:
    return _NUMBER.fullmatch(token) is not None and any(48 <= one <= 57 for one in token)


def _closing(data: bytes, position: int) -> int:
    """The place of a bracket that closes the array before something that it does not reach beyond; 0 if there is none."""
    for _ in range(_MOST_AHEAD):
        word, position = token(data, position)
        if word == b"]":
            return position
        if not word or word in _BOUNDS:
            return 0
    return 0
