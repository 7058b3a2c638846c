"""Reads a PDF object that breaks the rules as far as it can be read, and writes it as a valid one. Pure.

As in PDFium and pdf.js: a token in place of a key is skipped, a key may lack its value, and an object that is open at the end
is closed. If several values follow a key, the first is its value; but an array, dictionary or reference belongs to the name
before it.
"""

from __future__ import annotations

import re

_SPACE = rb"[\x00\t\n\f\r ]"
_REGULAR = rb"[^\x00\t\n\f\r ()<>\[\]{}/%]"
_TOKEN = re.compile(
    rb"(?:" + _SPACE + rb"++|%[^\r\n]*+)*+(?:"
    rb"(?P<open><<|\[)|(?P<close>>>|\])"
    rb"|(?P<text>\(|<[0-9A-Fa-f\s]*+>)"
    rb"|(?P<name>/" + _REGULAR + rb"*)"
    rb"|(?P<reference>\d++" + _SPACE + rb"++\d++" + _SPACE + rb"++R(?!" + _REGULAR + rb"))"
    rb"|(?P<number>[+-]*+(?:\d*+\.\d++|\d++)\.?+(?!" + _REGULAR + rb"))"
    rb"|(?P<constant>(?:true|false|null)(?!" + _REGULAR + rb"))"
    rb"|(?P<word>" + _REGULAR + rb"+|[(){}<>]))",
    re.DOTALL,
)
_ENDS = frozenset((b"endobj", b"stream", b"endstream", b"obj", b"xref", b"trailer"))
_BEYOND = re.compile(rb"[\x80-\xff]")
_DEPTH = 64

_IN_STRING = re.compile(rb"\\.|[()]", re.DOTALL)

Token = tuple[str, bytes]


def rewritten(data: bytes) -> tuple[bytes, int] | None:
    """The dictionary or array at the beginning of `data`, and where its text ends; None if there is neither."""
    reader = _Reader(data)
    kind, token = reader.take()
    if kind != "open":
        return None
    return (reader.dictionary(0) if token == b"<<" else reader.array(0)), reader.position


def string_end(data: bytes, start: int) -> int:
    """The end of a string whose bracket opened before `start`: behind its closing bracket, or the end of the data."""
    depth = 1
    for match in _IN_STRING.finditer(data, start):
        depth += (match[0] == b"(") - (match[0] == b")")
        if not depth:
            return match.end()
    return len(data)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.position = 0
        self._data = data

    def peek(self) -> tuple[Token, int]:
        match = _TOKEN.match(self._data, self.position)
        if match is None or match.lastgroup is None:
            return ("end", b""), self.position
        token = match[match.lastgroup]
        if token in _ENDS:
            return ("end", b""), self.position
        if token == b"(":
            end = string_end(self._data, match.end())
            return ("text", self._data[match.end() - 1 : end]), end
        return (match.lastgroup, token), match.end()

    def take(self) -> Token:
        token, self.position = self.peek()
        return token

    def dictionary(self, depth: int) -> bytes:
        entries: dict[bytes, bytes] = {}
        key: bytes | None = None
        """The name that waits for its value."""
        last: bytes | None = None
        """The last key if its value was a name: it may have had no value."""
        while True:
            kind, token = self.take()
            if kind == "end" or token == b">>":
                break
            value = self._value(kind, token, depth)
            if key is None and kind == "name":
                key = _plain(kind, token)
            elif key is not None:
                if value is not None:
                    entries[key], last, key = value, key if kind == "name" else None, None
            elif last is not None and kind in ("open", "reference") and value is not None:
                entries[entries.pop(last)] = value
                last = None
        return b"<<%s>>" % b" ".join(name + b" " + value for name, value in entries.items())

    def array(self, depth: int) -> bytes:
        items: list[bytes] = []
        kinds: set[str] = set()
        while True:
            (kind, token), after = self.peek()
            if kind == "end" or token == b">>" or (kind == "name" and kinds == {"number"}):
                break  # not closed: the object around it continues here
            self.position = after
            if token == b"]":
                break
            kinds.add(kind)
            value = self._value(kind, token, depth)
            if value is not None:
                items.append(value)
        return b"[%s]" % b" ".join(items)

    def _value(self, kind: str, token: bytes, depth: int) -> bytes | None:
        if kind == "open":
            if depth >= _DEPTH:
                return None
            return self.dictionary(depth + 1) if token == b"<<" else self.array(depth + 1)
        return _plain(kind, token) if kind in ("text", "name", "reference", "number", "constant") else None


def _plain(kind: str, token: bytes) -> bytes:
    """The token in ASCII."""
    if token.isascii():
        return token
    return _BEYOND.sub(lambda found: (b"#%02X" if kind == "name" else b"\\%03o") % found[0][0], token)
