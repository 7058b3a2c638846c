"""What a document is, by its content: names and endings lie."""

from __future__ import annotations

import re

from sidebooks_core.documents import archives
from sidebooks_core.documents.source import Source

HEAD_BYTES = 4096
MOST_MEMBERS = 100_000

_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".jp2", ".jpx", ".jxr", ".pnm", ".ppm", ".pgm")
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"II+\0", "tiff"),
    (0, b"MM\0+", "tiff"),
    (0, b"II\xbc", "jxr"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"BM", "bmp"),
    (8, b"WEBP", "webp"),
    (4, b"ftypavif", "avif"),
    (4, b"ftypavis", "avif"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (0, b"\xff\x4f\xff\x51", "jp2"),
    (0, b"\x97JB2\r\n\x1a\n", "jbig2"),
    (0, b"8BPS", "psd"),
    (60, b"BOOKMOBI", "mobi"),
)
_PNM = re.compile(rb"P[1-7]\s")
IMAGE_KINDS = frozenset(
    {"png", "jpeg", "tiff", "jxr", "gif", "bmp", "webp", "avif", "jp2", "jbig2", "psd", "pnm"}
)  # fmt: skip
"""Kinds whose pages are one image each; so are those of a "cbz"."""
CONVERTED_KINDS = frozenset({"webp", "avif"})
"""Images that the engine cannot read, and Pillow can."""
ARCHIVE_KINDS = frozenset({"epub", "cbz", "xps"})
REFLOWABLE_KINDS = frozenset({"epub", "fb2", "mobi"})
ENGINE_TYPES = {"jpeg": "jpg", "jbig2": "jb2", "webp": "png", "avif": "png"}
"""The engine's names, where they are not ours."""


def sniff(source: Source) -> str | None:
    """The kind of a document, such as "pdf"; None if it is none that can be opened. Raises OSError."""
    head = source.head(HEAD_BYTES)
    for offset, magic, kind in _MAGIC:
        if head.startswith(magic, offset) and (kind != "webp" or head.startswith(b"RIFF")):
            return kind
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if _PNM.match(head):
        return "pnm"
    if head.startswith(b"PK\x03\x04"):
        return _archive_kind(source)
    text = _text(head)
    if re.search(r"<(?:\w+:)?svg[\s>]", text):
        return "svg"
    if re.search(r"<(?:\w+:)?FictionBook[\s>]", text):
        return "fb2"
    # A PDF whose first line is damaged can be repaired; one object at least must show what it was.
    if re.search(rb"%PDF|\d+ \d+ obj\b", head):
        return "pdf"
    return None


def _text(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "replace")
    return head.decode("latin-1")


def _archive_kind(source: Source) -> str | None:
    members = archives.members(source)
    if members is None:  # a cut archive has lost its directory, not its beginning
        return "epub" if b"application/epub+zip" in source.head(200) else None
    lower = {member.filename.lower() for member in members[:MOST_MEMBERS]}
    if "meta-inf/container.xml" in lower:
        return "epub"
    if any(name.endswith((".fdseq", "fixeddocseq", ".fdoc")) or name.startswith("fixeddocseq") for name in lower):
        return "xps"
    if "[content_types].xml" in lower:
        return None  # an office document
    return "cbz" if any(name.endswith(_IMAGE_ENDINGS) for name in lower) else None
