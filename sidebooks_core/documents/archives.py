"""What a zip archive (EPUB, CBZ, XPS) holds, as far as Python's zipfile can read it.

The engine has a reader of its own that repairs more. So an archive that cannot be read here is no error: who asks is told
so, and goes on with less. A document that nobody can read fails where the engine opens it.
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
    RuntimeError,  # encrypted; or packed in a way that zipfile does not know, while the engine may
    ValueError,  # offsets outside the file
)
"""All that zipfile raises of a damaged or unusual archive."""
_IS_UTF8 = 0x800
"""The flag of a member whose name is in UTF-8."""
_OLD_NAMES = ("utf-8", "cp932")
"""What a name without that flag is written in, tried in turn: programs that forget the flag, and Japanese Windows."""


def members(source: Source) -> list[zipfile.ZipInfo] | None:
    """What the archive says that it holds; None where its directory cannot be read, since it was cut or damaged."""
    try:
        with source.file() as content, zipfile.ZipFile(content) as archive:
            return archive.infolist()
    except UNREADABLE:
        return None


def beginning(source: Source, name: str, most_bytes: int) -> bytes | None:
    """The first bytes of a member; None where there is none of that name, or it cannot be read."""
    try:
        with source.file() as content, zipfile.ZipFile(content) as archive, archive.open(name) as file:
            return file.read(most_bytes)
    except (KeyError, *UNREADABLE):
        return None


def shown_name(member: zipfile.ZipInfo) -> str:
    """A member's name as its writer saw it: zipfile reads all names without the flag of UTF-8 as those of an old IBM PC."""
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
    """An archive that is read again and again, by names that may be written in other case. Not for two threads at once."""

    def __init__(self, source: Source) -> None:
        """Raises what UNREADABLE lists."""
        self._file = zipfile.ZipFile(Viewed(source))
        self.members = [member for member in self._file.infolist() if not member.is_dir()]
        self._by_name = {member.filename: member for member in reversed(self.members)}
        self._by_folded_name = {member.filename.casefold(): member for member in reversed(self.members)}

    def find(self, name: str) -> zipfile.ZipInfo | None:
        """The member of that name, in that case if there is one."""
        return self._by_name.get(name) or self._by_folded_name.get(name.casefold())

    def read(self, member: zipfile.ZipInfo, most_bytes: int) -> bytes:
        """The first bytes of a member, at most so many. Raises what UNREADABLE lists."""
        with self._file.open(member) as file:
            return file.read(most_bytes)
