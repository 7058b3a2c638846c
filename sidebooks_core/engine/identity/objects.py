"""Reads the objects of a PDF as plain values, within bounds. Worker side.

The engine prints an object in one call, decrypted, with its numbers in their shortest exact form. One regular expression then
splits the text. To walk the same object through the binding takes three calls for each entry and is slower.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sidebooks_core.documents.problems import CONTENT_CUT, of_warning
from sidebooks_core.engine.messages import count_messages, messages_since
from sidebooks_core.engine.mupdf import RawObj, as_pdf, mupdf, pymupdf
from sidebooks_core.engine.pdf import empty_streams
from sidebooks_core.engine.pdf.rereading import reread

Value = bytes | int | list["Value"] | dict[bytes, "Value"]
"""bytes: a scalar, or an array of plain scalars, as printed. int: a reference, by object number. Keys keep their slash."""

DAMAGED = b"\n%damaged"
"""Stands behind bytes that the engine could not read to their end. Else a page that is cut short would have the id, and the
images, of a sound page that draws as much. In a content it is a comment."""
DECODED_BYTES = 32 << 20
"""Longest stream that is digested in decoded form, in bytes. A longer one is digested in encoded form."""
RAW_BYTES = 128 << 20
MOST_PARTS = 8
"""Of a content that are read one by one."""
PAGE_BYTES = 512 << 20
PAGE_OBJECTS = 50_000
TEXT_BYTES = 8 << 20

_TOKEN = re.compile(
    rb"<<|>>|\[[^\[\]<>()R]*+\]|\[|\]|\((?:[^\\()]++|\\.)*+\)|<[0-9A-Fa-f]*+>"
    rb"|/[^\s/<>\[\]()]*+|(\d+) \d+ R|[^\s/<>\[\]()]++",
    re.DOTALL,
)
_NAME = re.compile(rb"/[^\s/<>\[\]()]*+")

_INTEGER_KEYS = ("LC", "LJ", "Mask", "Differences", "Size")
"""Keys under which the engine treats 1 and 1.0 as different. It prints both as 1."""
_INTEGER_MARKS = tuple(b"/" + key.encode() for key in _INTEGER_KEYS)


class IdentityLimit(Exception):
    """A page exceeds a bound of this module. Its identity is then that of its document."""


class Objects:
    """The objects of one open PDF."""

    def __init__(self, document: pymupdf.Document) -> None:
        """document: a PDF; unlocked, if it is encrypted."""
        self._document = document
        self._owner = as_pdf(document)
        self.pdf = self._owner.m_internal
        self._objects_left = 0
        self._bytes_left = 0

    def start_page(self) -> None:
        """Give the next page its full allowance."""
        self._objects_left = PAGE_OBJECTS
        self._bytes_left = PAGE_BYTES

    def spend_object(self) -> None:
        """Count an object. Raises `IdentityLimit` if the page refers to too many."""
        self._objects_left -= 1
        if self._objects_left < 0:
            raise IdentityLimit("the page refers to too many objects")

    def value(self, number: int) -> Value:
        """The object of a number; `b"null"` if there is none."""
        reference = mupdf.ll_pdf_new_indirect(self.pdf, number, 0)
        try:
            # As in drawing, an object that is missing or cannot be read is null.
            found = mupdf.ll_pdf_resolve_indirect(reference)
            if not found and reread(self._document, number):  # as in drawing, too
                found = mupdf.ll_pdf_resolve_indirect(reference)
            return self.value_of(found) if found else b"null"
        finally:
            mupdf.ll_pdf_drop_obj(reference)

    def value_of(self, engine_object: RawObj) -> Value:
        """The value of an object of the engine. A reference stays one."""
        text = printed(engine_object)
        if len(text) > TEXT_BYTES:
            raise IdentityLimit("an object is too long")
        value = _parsed(text)
        if any(mark in text for mark in _INTEGER_MARKS):
            _mark_integral_reals(engine_object, value)
        elif isinstance(value, bytes) and mupdf.ll_pdf_is_real(engine_object) and b"." not in value:
            return value + b".0"
        return value

    def resolved(self, value: Value | None) -> Value | None:
        """Follow references to a value; `None` if there is none."""
        for _ in range(8):
            if not isinstance(value, int):
                return None if value == b"null" else value
            value = self.value(value)
        raise IdentityLimit("a reference leads to too many others")

    def as_dict(self, value: Value | None) -> dict[bytes, Value]:
        """The dictionary that a value is, or to which it leads; else an empty one."""
        value = self.resolved(value)
        return value if isinstance(value, dict) else {}

    def as_list(self, value: Value | None) -> list[Value]:
        """The array that a value is, or to which it leads, if it holds more than plain scalars; else an empty one."""
        value = self.resolved(value)
        return value if isinstance(value, list) else []

    def names(self, value: Value | None) -> list[bytes]:
        """The names in a value that is a name or an array of names, with their slashes."""
        value = self.resolved(value)
        if isinstance(value, list):
            return [name for item in value for name in self.names(item)]
        return _NAME.findall(value) if isinstance(value, bytes) and value[:1] in (b"/", b"[") else []

    def is_stream(self, value: Value | None) -> bool:
        if not isinstance(value, int):
            return False
        reference = mupdf.ll_pdf_new_indirect(self.pdf, value, 0)
        try:
            return bool(mupdf.ll_pdf_is_stream(reference))
        finally:
            mupdf.ll_pdf_drop_obj(reference)

    def named(self, number: int, key: str) -> bytes:
        """The name that an object has under a key, with its slash; only the slash if there is none. The object is not read as a
        whole: a page may have tens of thousands of links, of which only this counts.
        """
        reference = mupdf.ll_pdf_new_indirect(self.pdf, number, 0)
        try:
            name = mupdf.ll_pdf_to_name(mupdf.ll_pdf_dict_gets(reference, key))
            return b"/" + name.encode("utf-8", "surrogateescape")
        finally:
            mupdf.ll_pdf_drop_obj(reference)

    def decoded(self, number: int) -> bytes | None:
        """The decoded bytes of a stream as the engine reads them, damage included, see `DAMAGED`. `None` if it cannot decode
        them, or if they are more than `DECODED_BYTES`.
        """
        start = count_messages()
        try:
            data = self._read(mupdf.ll_pdf_open_stream_number(self.pdf, number), DECODED_BYTES)
        except mupdf.FzErrorBase:
            return None
        if len(data) > DECODED_BYTES:
            return None
        is_damaged = _is_cut(start) and (bool(data or self.raw(number)) or self._document.is_repaired)
        return data + DAMAGED if is_damaged else data

    def raw(self, number: int) -> bytes:
        """The bytes of a stream, decrypted but not decoded."""
        data = self._read(mupdf.ll_pdf_open_raw_stream_number(self.pdf, number), RAW_BYTES)
        if len(data) > RAW_BYTES:
            raise IdentityLimit("a stream is too long")
        return data

    def contents(self, page_object: RawObj) -> bytes | None:
        """The content of a page, its parts joined as the engine joins them, damage included, see `DAMAGED`; `None` if it is
        longer than `DECODED_BYTES`.
        """
        contents = mupdf.ll_pdf_dict_gets(page_object, "Contents")
        if not contents:
            return b""
        start = count_messages()
        data = self._read(mupdf.ll_pdf_open_contents_stream(self.pdf, contents), DECODED_BYTES)
        if len(data) > DECODED_BYTES:
            return None
        is_damaged = _is_cut(start) and self._is_damaged(empty_streams.contents(page_object))
        return data + DAMAGED if is_damaged else data

    def _is_damaged(self, parts: list[RawObj]) -> bool:
        """Whether a content that was cut lacks something: a part without a byte is cut, too, and lacks nothing.

        If all parts have bytes, or very many have, none of them is read again. In a file that was repaired, a part without a
        byte may have lost its bytes.
        """
        try:
            full = [number for number in map(mupdf.ll_pdf_to_num, parts) if self.raw(number)]
            if len(full) == len(parts) or len(full) > MOST_PARTS or self._document.is_repaired:
                return True
            return any((self.decoded(number) or DAMAGED).endswith(DAMAGED) for number in full)
        except mupdf.FzErrorBase:
            return True

    def is_hidden(self, number: int) -> bool:
        """Whether an optional content group or membership is hidden at present."""
        reference = mupdf.ll_pdf_new_indirect(self.pdf, number, 0)
        try:
            return bool(mupdf.ll_pdf_is_ocg_hidden(self.pdf, None, "View", reference))
        finally:
            mupdf.ll_pdf_drop_obj(reference)

    def root(self) -> dict[bytes, Value]:
        """The catalog."""
        return self.as_dict(self.value_of(mupdf.ll_pdf_dict_gets(mupdf.ll_pdf_trailer(self.pdf), "Root")))

    def _read(self, stream: mupdf.fz_stream, limit: int) -> bytes:
        """Read at most `limit` + 1 bytes. Takes the stream over. The engine's own guard against bombs begins at 100 MB."""
        try:
            limited = mupdf.ll_fz_open_null_filter(stream, min(limit, self._bytes_left) + 1, 0)
            try:
                data = _taken(mupdf.ll_fz_read_all(limited, 1024))
            finally:
                mupdf.ll_fz_drop_stream(limited)
        finally:
            mupdf.ll_fz_drop_stream(stream)
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise IdentityLimit("the page draws from too many bytes")
        return data


def _is_cut(start: int) -> bool:
    """Whether the engine could not decode something since it had so many messages. Others may come once for a document only."""
    return any(of_warning(line) == CONTENT_CUT for line in messages_since(start))


def _taken(buffer: mupdf.fz_buffer) -> bytes:
    try:
        return mupdf.ll_fz_buffer_to_bytes_internal(buffer, 0)
    finally:
        mupdf.ll_fz_drop_buffer(buffer)


def printed(engine_object: RawObj) -> bytes:
    """An object as the engine writes it, on one line."""
    buffer = mupdf.ll_fz_new_buffer(256)
    output = mupdf.ll_fz_new_output_with_buffer(buffer)
    try:
        mupdf.ll_pdf_print_obj(output, engine_object, 1, 1)
        mupdf.ll_fz_close_output(output)
    finally:
        mupdf.ll_fz_drop_output(output)
    return _taken(buffer)


def _parsed(text: bytes) -> Value:
    outer: list[list[Value]] = []
    current: list[Value] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        if match.lastindex:
            current.append(int(match[1]))
        elif token in (b"<<", b"["):
            outer.append(current)
            current = []
        elif token == b">>":
            inner: Value = dict(zip(_keys(current), current[1::2], strict=True))
            current = outer.pop()
            current.append(inner)
        elif token == b"]":
            inner = current
            current = outer.pop()
            current.append(inner)
        else:
            current.append(token)
    if outer or len(current) != 1:
        raise IdentityLimit("an object cannot be read back")
    return current[0]


def _keys(items: list[Value]) -> Iterator[bytes]:
    for key in items[::2]:
        if not isinstance(key, bytes):
            raise IdentityLimit("an object cannot be read back")
        yield key


def _mark_integral_reals(engine_object: RawObj, value: Value, depth: int = 0) -> None:
    """Note which numbers under `_INTEGER_KEYS` are reals without a fraction, in the dictionaries with these keys."""
    if depth > 32:
        raise IdentityLimit("an object nests too deep")
    if isinstance(value, dict):
        for index in range(mupdf.ll_pdf_dict_len(engine_object)):
            key = printed(mupdf.ll_pdf_dict_get_key(engine_object, index))
            inner = mupdf.ll_pdf_dict_get_val(engine_object, index)
            if key in _INTEGER_MARKS:
                places = b" ".join(_integral_reals(inner))
                if places:
                    value[key + b" reals"] = b"(" + places + b")"
            elif isinstance(value[key], (dict, list)):
                _mark_integral_reals(inner, value[key], depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, (dict, list)):
                _mark_integral_reals(mupdf.ll_pdf_array_get(engine_object, index), item, depth + 1)


def _integral_reals(engine_object: RawObj) -> Iterator[bytes]:
    """The index of each real without a fraction in an array; 0 for a single number."""
    numbers = [engine_object]
    if mupdf.ll_pdf_is_array(engine_object):
        numbers = [mupdf.ll_pdf_array_get(engine_object, index) for index in range(mupdf.ll_pdf_array_len(engine_object))]
    for index, item in enumerate(numbers):
        if mupdf.ll_pdf_is_real(item) and mupdf.ll_pdf_to_real(item).is_integer():
            yield b"%d" % index
