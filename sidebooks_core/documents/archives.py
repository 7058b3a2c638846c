"""Reads zip archives (EPUB, CBZ, XPS), as far as Python's zipfile can. In any process.

The engine has a reader of its own that repairs more. So an archive that cannot be read here is no error: the caller is told,
and goes on with less. A document that cannot be read at all fails when the engine opens it.
"""

from __future__ import annotations

import zipfile
import zlib

from sidebooks_core.documents.source import Source, Viewed

UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,  # encrypted, or packed in a way that zipfile does not know and the engine may know
    ValueError,  # offsets outside of the file
)
"""All errors of zipfile for a damaged or unusual archive."""
_IS_UTF8 = 0x800
"""The flag of a member whose name is in UTF-8."""
_OLD_NAMES = ("utf-8", "cp932")
"""Encodings of names without that flag, tried in turn: of programs that forget the flag, and of Japanese Windows."""


def members(source: Source) -> list[zipfile.ZipInfo] | None:
    """The members by the archive's directory; None if the directory cannot be read, since it was cut or damaged."""
    try:
        with source.file() as content, zipfile.ZipFile(content) as archive:
            return archive.infolist()
    except UNREADABLE:
        return None


def beginning(source: Source, name: str, most_bytes: int) -> bytes | None:
    """The first bytes of a member; None if there is no such member, or if it cannot be read."""
    try:
        with source.file() as content, zipfile.ZipFile(content) as archive, archive.open(name) as file:
            return file.read(most_bytes)
    except (KeyError, *UNREADABLE):
        return None


def shown_name(member: zipfile.ZipInfo) -> str:
    """The name of a member as its writer saw it. zipfile reads each name without the flag of UTF-8 as that of an old IBM PC."""
    if member.flag_bits & _IS_UTF8 or member.filename.isascii():
        return member.filename
    try:
        raw = member.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return member.filename
    for encoding in _OLD_NAMES:
        try:
            return raw.decode(encoding).replace("\\", "/")
        except UnicodeDecodeError:
            continue
    return member.filename


class Archive:
    """An archive that is read again and again. Names of members may be written in other case. Not for two threads at once."""

    def __init__(self, source: Source) -> None:
        """Raises the errors in UNREADABLE."""
        self._file = zipfile.ZipFile(Viewed(source))
        self.members = [member for member in self._file.infolist() if not member.is_dir()]
        self._by_name = {member.filename: member for member in reversed(self.members)}
        self._by_folded_name = {member.filename.casefold(): member for member in reversed(self.members)}

    def find(self, name: str) -> zipfile.ZipInfo | None:
        """The member of that name; in exactly that case, if there is one."""
        return self._by_name.get(name) or self._by_folded_name.get(name.casefold())

    def read(self, member: zipfile.ZipInfo, most_bytes: int) -> bytes:
        """The first `most` bytes of a member. Raises the errors in UNREADABLE."""
        with self._file.open(member) as file:
            return file.read(most_bytes)
