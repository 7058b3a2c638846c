"""Gives ruby in an EPUB the size by which it is recognised (`ruby_style`), if its elements ask for sizes of their own. Worker
side.

The engine prefers an element's own `style` to any style sheet, even to `!important`, and takes the last size in it. So ruby's
size is added at the end of these styles, in a copy of the archive in memory. All other declarations stay.
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
"""Most bytes that a book may unpack to. A larger book is not copied, and keeps its ruby as it is."""
_RUBY = frozenset(("ruby", "rb", "rt", "rp", "rtc"))
_READING = re.compile(r"<(?:[\w.-]+:)?rt[\s/>]", re.IGNORECASE)
_MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)"
    r"|<(?P<end>/?)(?P<name>[^\s<>/=!?]++)(?P<attributes>(?:[^<>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')|=)*+)",
    re.DOTALL | re.ASCII,
)
"""Comments and the like, and tags up to their `>`. The time of both patterns grows with the length only: `++` and `*+` never
backtrack, and what is never closed is a match, too."""
_ATTRIBUTE = re.compile(r"(?P<name>[^\s=]++)(?:\s*+=\s*+(?P<value>\"[^\"]*+\"|'[^']*+'|[^\s\"'<>]++))?", re.ASCII)
_MAY_SET_SIZE = re.compile(r"(?<![\w-])font(?:-size)?\s*+:|[&\\]|/\*", re.IGNORECASE | re.ASCII)
"""In a style: the beginning of a declaration that sets a size, alone or with the whole font; or characters that may hide one. A
match too many does no harm."""


def without_own_sizes(archive: Archive, package: Package) -> bytes | None:
    """A copy of the archive in which readings have no sizes of their own; None if no reading has one, or if no copy can be
    made.
    """
    if sum(member.file_size for member in archive.members) > MOST_UNPACKED_BYTES:
        return None
    try:
        changed = _changed_files(archive, package)
        return _copy(archive, changed) if changed else None
    except UNREADABLE:
        return None  # damaged: the engine may still read some of it


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
            if archive.find(member.filename) is member:  # of several members with one name, the engine also reads the first
                kept = changed.get(member.filename) or archive.read(member, MOST_UNPACKED_BYTES)
                written.writestr(member.filename, kept)
    return copy.getvalue()


def with_ruby_sizes(text: str) -> str:
    """Markup with ruby's size at the end of each `style` in a reading that sets a size. The same object if there is none."""
    if _READING.search(text) is None:
        return text
    parts: list[str] = []
    done = 0
    level = 0  # of elements, counted from a reading down; 0 outside of readings
    for tag in _MARKUP.finditer(text):
        end, name, attributes = tag.groups()
        if name is None:
            continue
        name = name.rpartition(":")[2].lower()
        if name in _RUBY:
            level = 0  # in HTML a part of ruby ends where the next begins, even if it is not closed
        elif end:
            level = max(level - 1, 0)  # below 1, an element ends in which the reading was not closed
        if end or not (level or name == "rt"):
            continue
        if not attributes.endswith("/"):
            level += 1
        for place in _ends_of_styles(text, *tag.span("attributes")) if attributes else ():
            # Elements inside a reading are as large as the reading.
            parts += text[done:place], f";font-size:{SIZE if name == 'rt' else '1em'}"
            done = place
    if not parts:
        return text
    return "".join((*parts, text[done:]))


def _ends_of_styles(text: str, start: int, stop: int) -> Iterator[int]:
    """The ends of the declarations in each `style` that may set a size."""
    for attribute in _ATTRIBUTE.finditer(text, start, stop):
        value = attribute["value"]
        if value and attribute["name"].lower() == "style" and _MAY_SET_SIZE.search(value):
            brace = value.find("}")  # a stray one: the engine reads up to it
            yield attribute.end() - (value[0] in "\"'") if brace < 0 else attribute.start("value") + brace


def _encoding(content: bytes) -> str:
    """UTF-16 if its mark is there. Else an encoding that keeps all bytes, since markup is ASCII in all other encodings that the
    engine knows.
    """
    if content.startswith(b"\xff\xfe"):
        return "utf-16-le"
    return "utf-16-be" if content.startswith(b"\xfe\xff") else "latin-1"
