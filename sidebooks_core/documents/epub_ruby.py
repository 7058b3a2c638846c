"""Gives ruby in an EPUB the size by which it is known again (`ruby_style`), where its elements ask for sizes of their own.

The engine heeds an element's own `style` before any style sheet, `!important` or not. So the sizes are taken out of the files
that have them, in a copy of the archive in memory.
"""

from __future__ import annotations

import io
import re
import zipfile

from sidebooks_core.documents.archives import UNREADABLE, Archive
from sidebooks_core.documents.epub_package import FILE_BYTES, Package

COPIED_BYTES = 256 << 20
"""Most that a book may unpack to for a copy to be made; a larger one keeps its ruby as it is."""
_READING = re.compile(rb"<rt\b[^<>]*>.*?</rt\s*>", re.DOTALL)
_STYLE = re.compile(rb"(\sstyle\s*=\s*)(\"[^\"]*\"|'[^']*')")
_SIZE = re.compile(rb"(?<![\w-])font(?:-size)?\s*:[^;\"']*;?")
"""Declarations that set a size. In a value of `style` no other property ends in "font"."""


def without_own_sizes(archive: Archive, package: Package) -> bytes | None:
    """A copy of the archive in which readings have no sizes of their own; None where none has, or no copy can be made."""
    changed: dict[str, bytes] = {}
    try:
        for item in package.spine:
            member = archive.find(item.path)
            if member is None or item.is_image or member.file_size > FILE_BYTES:
                continue
            content = archive.read(member, FILE_BYTES)
            plain = _READING.sub(_without_sizes, content) if b"<rt" in content else content
            if plain != content:
                changed[member.filename] = plain
        if not changed or sum(member.file_size for member in archive.members) > COPIED_BYTES:
            return None
        copy = io.BytesIO()
        with zipfile.ZipFile(copy, "w") as written:
            for member in archive.members:
                kept = changed.get(member.filename) or archive.read(member, COPIED_BYTES)
                written.writestr(member.filename, kept)
    except UNREADABLE:
        return None  # damaged: the engine may make something of it
    return copy.getvalue()


def _without_sizes(reading: re.Match[bytes]) -> bytes:
    return _STYLE.sub(lambda style: style[1] + _SIZE.sub(b"", style[2]), reading[0])
