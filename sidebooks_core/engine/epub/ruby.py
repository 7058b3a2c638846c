"""Gives ruby in an EPUB the size by which it is known again (`ruby_style`), where its elements ask for sizes of their own.

The engine heeds an element's own `style` before any style sheet, `!important` or not, and in it the last declaration of a
size. So ruby's is put at the end of those styles, in a copy of the archive in memory; all else that they declare stays.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator

from sidebooks_core.documents.archives import UNREADABLE, Archive
from sidebooks_core.documents.epub_package import FILE_BYTES, Package
from sidebooks_core.text.ruby_style import SIZE

MOST_UNPACKED_BYTES = 256 << 20
"""Most that a book may unpack to for a copy to be made; a larger one keeps its ruby as it is."""
_RUBY = frozenset(("ruby", "rb", "rt", "rp", "rtc"))
_READING = re.compile(r"<(?:[\w.-]+:)?rt[\s/>]", re.IGNORECASE)
_MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)"
    r"|<(?P<end>/?)(?P<name>[^\s<>/=!?]++)(?P<attributes>(?:[^<>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')|=)*+)",
    re.DOTALL | re.ASCII,
)
"""Comments and the like, and tags but for the `>`. Reading takes time that grows with the length, as with the next pattern:
`++` and `*+` give nothing back, and what is never closed is a match, too.
"""
_ATTRIBUTE = re.compile(r"(?P<name>[^\s=]++)(?:\s*+=\s*+(?P<value>\"[^\"]*+\"|'[^']*+'|[^\s\"'<>]++))?", re.ASCII)
_MAY_SET_SIZE = re.compile(r"(?<![\w-])font(?:-size)?\s*+:|[&\\]|/\*", re.IGNORECASE | re.ASCII)
"""In a style: where a declaration begins that sets a size, of it alone or of the whole font, or characters by which that may
be written otherwise. One too many does no harm."""


def without_own_sizes(archive: Archive, package: Package) -> bytes | None:
    """A copy of the archive in which readings have no sizes of their own; None where none has, or no copy can be made."""
    if sum(member.file_size for member in archive.members) > MOST_UNPACKED_BYTES:
        return None
    try:
        changed = _changed_files(archive, package)
        return _copy(archive, changed) if changed else None
    except UNREADABLE:
        return None  # damaged: the engine may make something of it


def _changed_files(archive: Archive, package: Package) -> dict[str, bytes]:
    found = {member.filename: member for item in package.spine if (member := archive.find(item.path)) is not None}
    changed: dict[str, bytes] = {}
    for name, member in found.items():
        if member.file_size > FILE_BYTES:
            continue
        content = archive.read(member, FILE_BYTES)
        encoding = _encoding(content)
        text = content.decode(encoding, "replace")
        mended = with_ruby_sizes(text)
        if mended is not text:
            changed[name] = mended.encode(encoding)
    return changed


def _copy(archive: Archive, changed: dict[str, bytes]) -> bytes:
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as written:  # not packed: only the engine reads it, and packing takes seconds
        for member in archive.members:
            if archive.find(member.filename) is member:  # of those of one name, the engine, too, reads the first
                kept = changed.get(member.filename) or archive.read(member, MOST_UNPACKED_BYTES)
                written.writestr(member.filename, kept)
    return copy.getvalue()


def with_ruby_sizes(text: str) -> str:
    """Markup with ruby's size at the end of each `style` in a reading that sets one; the same object where there is none."""
    if _READING.search(text) is None:
        return text
    parts: list[str] = []
    done = 0
    level = 0  # of elements from a reading down; 0 outside of readings
    for tag in _MARKUP.finditer(text):
        end, name, attributes = tag.groups()
        if name is None:
            continue
        name = name.rpartition(":")[2].lower()
        if name in _RUBY:
            level = 0  # in HTML a part of ruby ends where the next begins, closed or not
        elif end:
            level = max(level - 1, 0)  # below 1 an element ends in which the reading was not closed
        if end or not (level or name == "rt"):
            continue
        if not attributes.endswith("/"):
            level += 1
        for place in _ends_of_styles(text, *tag.span("attributes")) if attributes else ():
            # What is in a reading is as large as the reading.
            parts += text[done:place], f";font-size:{SIZE if name == 'rt' else '1em'}"
            done = place
    if not parts:
        return text
    return "".join((*parts, text[done:]))


def _ends_of_styles(text: str, start: int, stop: int) -> Iterator[int]:
    """Where the declarations of each `style` end that may set a size."""
    for attribute in _ATTRIBUTE.finditer(text, start, stop):
        value = attribute["value"]
        if value and attribute["name"].lower() == "style" and _MAY_SET_SIZE.search(value):
            brace = value.find("}")  # a stray one: the engine reads on to there
            yield attribute.end() - (value[0] in "\"'") if brace < 0 else attribute.start("value") + brace


def _encoding(content: bytes) -> str:
    """UTF-16 by its mark; else what keeps any bytes, as markup is ASCII in all other encodings that the engine knows."""
    if content.startswith(b"\xff\xfe"):
        return "utf-16-le"
    return "utf-16-be" if content.startswith(b"\xfe\xff") else "latin-1"
