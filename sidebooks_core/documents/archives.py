"""What a zip archive (EPUB, CBZ, XPS) holds, as far as Python's zipfile can read it.

The engine has a reader of its own that repairs more. So an archive that cannot be read here is no error: who asks is told
so, and goes on with less. A document that nobody can read fails where the engine opens it.
"""

from __future__ import annotations

import zipfile
import zlib

from sidebooks_core.documents.source import Source

UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,  # encrypted; or packed in a way that zipfile does not know, while the engine may
    ValueError,  # offsets outside the file
)
"""All that zipfile raises of a damaged or unusual archive."""


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
