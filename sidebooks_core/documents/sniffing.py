"""Tells the kind of a document by its content, since names and endings lie. In any process."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable

from sidebooks_core.documents import archives
from sidebooks_core.documents.source import Source

HEAD_BYTES = 4096
PROLOG_BYTES = 1 << 20
"""Most bytes that are searched for the root element of an XML document, after comments and declarations."""
MOST_MEMBERS = 100_000

IMAGE_ENDINGS = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".jp2", ".jpx", ".jpf", ".j2k", ".jxr", ".wdp",
    ".pnm", ".pbm", ".ppm", ".pgm", ".pam", ".webp", ".avif", ".psd", ".jb2", ".jxl", ".heic", ".heif",
)  # fmt: skip
"""Endings of members of a comic archive that are pages. Pages with the last three cannot be drawn, and the user is told."""
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
"""Kinds whose pages are one image each. The same holds for "cbz"."""
CONVERTED_KINDS = frozenset({"webp", "avif"})
"""Images that Pillow can read and the engine cannot."""
ARCHIVE_KINDS = frozenset({"epub", "cbz", "xps"})
REFLOWABLE_KINDS = frozenset({"epub", "fb2", "mobi"})
ENGINE_TYPES = {"jpeg": "jpg", "jbig2": "jb2", "webp": "pnm", "avif": "pnm"}
"""The engine's names of kinds that differ from ours."""

_SYSTEM_FOLDERS = frozenset(
    ("__macosx", "@eadir", "@recycle", "#recycle", "@recently-snapshot", "$recycle.bin", "system volume information")
)
"""Folders of macOS, of network storage (Synology, QNAP) and of Windows, with previews and deleted files."""
_GZIP = b"\x1f\x8b\x08"
_PACKED = b"PK\x03\x04"
_CONVERT = "convert it to PDF first"
_FOREIGN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"an Office file of the old kind; {_CONVERT}"),
    (0, b"{\\rtf", f"an RTF text; {_CONVERT}"),
    (0, b"Rar!\x1a\x07", "a RAR archive; unpack it, or make a ZIP archive (CBZ) of its images"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it, or make a ZIP archive (CBZ) of its images"),
    (257, b"ustar", "a tar archive; unpack it, or make a ZIP archive (CBZ) of its images"),
    (0, b"\xff\x0a", "a JPEG XL image; convert it to PNG or JPEG first"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image; convert it to PNG or JPEG first"),
    (4, b"ftyphei", "a HEIC image; convert it to JPEG first"),
    (4, b"ftyphev", "a HEIC image; convert it to JPEG first"),
    (4, b"ftypmif1", "a HEIC image; convert it to JPEG first"),
    (0, b"AT&TFORM", f"a DjVu document; {_CONVERT}"),
    (0, _GZIP, "a file packed by gzip; unpack it first"),
)
_OFFICE = (("word/", "a Word file"), ("xl/", "an Excel file"), ("ppt/", "a PowerPoint file"), ("visio/", "a Visio file"))
_DOCUMENT_ENDINGS = (
    ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".ods", ".odp", ".rtf", ".epub", ".jtd", ".jtdc",
)  # fmt: skip
_PDF_OBJECT = re.compile(rb"%PDF|\d+ \d+ obj\b")


def sniff(source: Source) -> str | None:
    """The kind of a document, such as "pdf"; None if it cannot be opened. Raises OSError."""
    head = source.head(HEAD_BYTES)
    if head.startswith(b"%PDF-"):
        return "pdf"
    kind = image_kind(head)
    if kind is not None:
        return kind
    if _is_archive(source, head):
        return _archive_kind(source)
    if not head.startswith(_GZIP) and foreign_file(head) is not None:
        return None  # also if it holds a PDF that is not packed
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(_GZIP):
        return "svg" if _root(unpacked(source, PROLOG_BYTES) or b"") == "svg" else None
    text = _text(head)
    if re.search(r"<(?:\w+:)?svg[\s>]", text):
        return "svg"
    if re.search(r"<(?:\w+:)?FictionBook[\s>]", text):
        return "fb2"
    root = _root(source.head(PROLOG_BYTES)) if len(head) == HEAD_BYTES else None
    if root in ("svg", "FictionBook"):
        return {"svg": "svg", "FictionBook": "fb2"}[root]
    # A PDF whose first line is damaged can be repaired. At least one object must show that it is a PDF.
    return "pdf" if _PDF_OBJECT.search(head) else None


def image_kind(head: bytes) -> str | None:
    """The kind of an image, or "mobi". head: the first 4096 bytes, or all."""
    for offset, magic, kind in _MAGIC:
        if head.startswith(magic, offset) and (kind != "webp" or head.startswith(b"RIFF")):
            return kind
    return "pnm" if _PNM.match(head) else None


def foreign(source: Source) -> str | None:
    """What a document is that cannot be opened, and what to do with it, in words; None if that is not known."""
    head = source.head(HEAD_BYTES)
    if _is_archive(source, head):
        return _foreign_archive(source)
    return foreign_file(head)


def foreign_file(head: bytes) -> str | None:
    """As `foreign`, for a file that is no zip archive, by its first bytes."""
    return next((what for offset, magic, what in _FOREIGN if head.startswith(magic, offset)), None)


def is_page_name(name: str) -> bool:
    """Whether a member of a comic archive is a page, by its name: an image, and no file of a system."""
    parts = name.replace("\\", "/").split("/")
    is_hidden = any(part.startswith(".") or part.lower() in _SYSTEM_FOLDERS for part in parts if part not in (".", ".."))
    return not is_hidden and parts[-1].lower().endswith(IMAGE_ENDINGS)


def unpacked(source: Source, most_bytes: int) -> bytes | None:
    """The beginning of gzip data, unpacked, at most `most` bytes; None if it is no gzip data."""
    try:
        return zlib.decompressobj(wbits=31).decompress(source.data, most_bytes) if source.head(3) == _GZIP else None
    except zlib.error:
        return None


def _is_archive(source: Source, head: bytes) -> bool:
    """Whether it is a zip archive, possibly after other data, that does not lie in a PDF. Its members may be PDFs that are not
    packed.
    """
    place = head.find(_PACKED)
    if place <= 0:
        return place == 0 or head.startswith(b"PK\x05\x06")
    pdf = head.find(b"%PDF-", 0, 1024)
    return (pdf < 0 or place < pdf) and bool(archives.members(source))


def _text(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "replace")
    return head.decode("latin-1")


_PROLOG = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE\s[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL)
_ROOT = re.compile(r"<(?:[\w.-]+:)?([\w.-]+)[\s/>]")


def _root(head: bytes) -> str | None:
    """The name of the root element of an XML document, without its prefix."""
    text = _text(head).removeprefix("\ufeff").removeprefix("ï»¿")
    place = 0
    while found := _PROLOG.match(text, place):
        place = found.end()
    root = _ROOT.match(text, place)
    return root[1] if root else None


def _archive_kind(source: Source) -> str | None:
    members = archives.members(source)
    if members is None:  # a cut archive has lost its directory but not its beginning
        return "epub" if b"application/epub+zip" in source.head(200) else None
    names = [member.filename for member in members[:MOST_MEMBERS]]
    lower = {name.lower() for name in names}
    if "meta-inf/container.xml" in lower:
        return "epub"
    if any(name.endswith((".fdseq", "fixeddocseq", ".fdoc")) or name.startswith("fixeddocseq") for name in lower):
        return "xps"
    if "[content_types].xml" in lower or _is_open_document(source, lower):
        return None  # an office document
    pages = sum(map(is_page_name, names))
    return "cbz" if pages and pages >= sum(_counted_documents(names).values()) else None


def _is_open_document(source: Source, lower_names: set[str]) -> bool:
    return "mimetype" in lower_names and (archives.beginning(source, "mimetype", 64) or b"").startswith(
        (b"application/vnd.oasis", b"application/vnd.sun")
    )


def _counted_documents(names: Iterable[str]) -> Counter[str]:
    """The number of documents in an archive, by ending."""
    visible = (name.lower() for name in names if not name.startswith("__MACOSX") and "/." not in f"/{name}")
    return Counter(name[name.rindex(".") + 1 :] for name in visible if name.endswith(_DOCUMENT_ENDINGS))


def _foreign_archive(source: Source) -> str:
    members = archives.members(source)
    if members is None:
        return "a ZIP archive that is damaged or cut off"
    names = [member.filename for member in members[:MOST_MEMBERS]]
    lower = {name.lower() for name in names}
    if "[content_types].xml" in lower:
        kind = next((kind for folder, kind in _OFFICE if any(name.startswith(folder) for name in lower)), "an Office file")
        return f"{kind} (Office); {_CONVERT}"
    if _is_open_document(source, lower):
        return f"an OpenDocument file (Office); {_CONVERT}"
    counted = _counted_documents(names)
    if counted:
        held = ", ".join(f"{count} {ending.upper()}" for ending, count in counted.most_common())
        return f"a ZIP archive of documents ({held}); unpack it, and open each by itself"
    return "a ZIP archive without images; unpack it, and open what it holds by itself"
