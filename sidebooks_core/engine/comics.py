"""Comic archives (CBZ): images in a zip archive, in the order of their names. Worker side.

The engine's own reader leaves out images that the engine cannot draw (WebP, AVIF), takes files that systems keep beside images
for pages, and knows ASCII digits alone.
"""

from __future__ import annotations

import zipfile
from contextlib import suppress
from functools import partial
from xml.etree.ElementTree import Element

from sidebooks_core.documents.archives import UNREADABLE, Archive, shown_name
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import Direction
from sidebooks_core.documents.natural_order import NaturalKey, natural_key
from sidebooks_core.documents.sniffing import HEAD_BYTES, foreign_file, image_kind, is_page_name
from sidebooks_core.documents.source import Source
from sidebooks_core.documents.syntax import markup
from sidebooks_core.engine.images import pages as image_pages
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, EngineDocument
from sidebooks_core.engine.sequence import PageSequence, Part, Size
from sidebooks_core.errors import DamagedDocument, UnsupportedDocument

DESCRIPTION_BYTES = 4 << 20
JPEG_HEAD_BYTES = 64 << 10
"""Most of a page that is read for its size at first. A JPEG with a profile or a preview of itself may have a longer head."""
MOST_NAMED = 5
"""Most members that a note names. Of further ones it gives the number."""
LONGEST_NAME = 80
LONGEST_TITLE = 400
_DESCRIPTION = "comicinfo.xml"


def open_comic(source: Source, name: str, limits: Limits) -> PageSequence:
    """Open a comic. Raises DamagedDocument, UnsupportedDocument."""
    try:
        archive = Archive(source)
    except UNREADABLE as error:
        raise DamagedDocument(f"{name} cannot be read as cbz ({error})") from None
    pages = sorted((member for member in archive.members if is_page_name(member.filename)), key=_order)
    undrawable = {member.filename: why for member in pages if (why := _foreign(archive, member)) is not None}
    if len(undrawable) == len(pages):
        first = next(iter(undrawable))
        raise UnsupportedDocument(f"{name} has no page that can be drawn: {first} is {undrawable[first]}")
    title, direction = _description(archive)
    parts = [
        Part(
            partial(_open_page, archive, member, limits),
            drawn=partial(_drawn, archive, member, limits),
            size=partial(_size, archive, member, limits),
        )
        for member in pages
    ]
    return PageSequence(parts, title=title, direction=direction, notes=_notes(archive, pages, undrawable))


def _order(member: zipfile.ZipInfo) -> tuple[tuple[NaturalKey, str], int]:
    return natural_key(shown_name(member)), member.header_offset


def _foreign(archive: Archive, member: zipfile.ZipInfo) -> str | None:
    """The kind of a page that cannot be drawn, in words; None for other pages. Only members with the ending of such a kind are
    looked into.
    """
    if not member.filename.lower().endswith((".jxl", ".heic", ".heif")):
        return None
    try:
        head = archive.read(member, HEAD_BYTES)
    except UNREADABLE:
        return None
    return foreign_file(head)


def _open_page(archive: Archive, member: zipfile.ZipInfo, limits: Limits) -> EngineDocument:
    """Open one page. Raises DamagedDocument, UnsupportedDocument, DocumentTooLarge, and the engine's errors."""
    shown = shown_name(member)
    data = _read(archive, member, limits)
    kind = image_kind(data[:HEAD_BYTES])
    if kind is None or kind == "mobi":
        what = foreign_file(data[:HEAD_BYTES])
        raise UnsupportedDocument(f"{shown} is {what or 'no image'}")
    return image_pages.open_image(Source(data), kind, shown, limits)


def _drawn(archive: Archive, member: zipfile.ZipInfo, limits: Limits) -> bytes | None:
    try:
        return _read(archive, member, limits)
    except DamagedDocument:
        return None


def _size(archive: Archive, member: zipfile.ZipInfo, limits: Limits) -> Size | None:
    """The size of a page. Of a JPEG only the beginning is read, if it tells the size: all of a comic may be some GB."""
    data = _read(archive, member, limits, JPEG_HEAD_BYTES)
    kind = image_kind(data[:HEAD_BYTES])
    if kind == "jpeg":
        with suppress(*ENGINE_ERRORS):
            return image_pages.size(data, kind, shown_name(member))
    return image_pages.size(_read(archive, member, limits), kind, shown_name(member))


def _read(archive: Archive, member: zipfile.ZipInfo, limits: Limits, most_bytes: int | None = None) -> bytes:
    try:
        return archive.read(member, limits.member_bytes if most_bytes is None else min(most_bytes, limits.member_bytes))
    except UNREADABLE as error:
        raise DamagedDocument(f"{shown_name(member)} cannot be unpacked ({error})") from None


def _description(archive: Archive) -> tuple[str, Direction]:
    """Title and direction, from the ComicInfo.xml in the topmost folder; defaults if there is none."""
    found = [member for member in archive.members if member.filename.rpartition("/")[2].lower() == _DESCRIPTION]
    for member in sorted(found, key=lambda member: member.filename.count("/")):
        if not member.filename.startswith("__MACOSX"):
            try:
                root = markup.read(archive.read(member, DESCRIPTION_BYTES))
            except (markup.BadMarkup, *UNREADABLE):
                continue
            return _described(root)
    return "", "ltr"


def _described(root: Element) -> tuple[str, Direction]:
    fields = {child.tag.lower(): markup.text_of(child) for child in root}
    title = fields.get("title") or " ".join(filter(None, (fields.get("series"), fields.get("number"))))
    return title[:LONGEST_TITLE], "rtl" if fields.get("manga", "").lower() == "yesandrighttoleft" else "ltr"


def _notes(archive: Archive, pages: list[zipfile.ZipInfo], undrawable: dict[str, str]) -> tuple[str, ...]:
    notes = [
        f"page {place + 1} cannot be drawn: {_brief(member)} is {undrawable[member.filename]}"
        for place, member in enumerate(pages)
        if member.filename in undrawable
    ][:MOST_NAMED]
    left_out = [_brief(member) for member in archive.members if _is_left_out(member.filename)]
    if left_out:
        named = ", ".join(left_out[:MOST_NAMED]) + (" …" if len(left_out) > MOST_NAMED else "")
        notes.append(f"no pages of the comic, and left out ({len(left_out)}): {named}")
    return tuple(notes)


def _brief(member: zipfile.ZipInfo) -> str:
    return shown_name(member)[-LONGEST_NAME:]


def _is_left_out(name: str) -> bool:
    """Whether a user may miss a member that is no page: documents and archives, but no descriptions and files of systems."""
    return name.lower().endswith((".pdf", ".zip", ".cbz", ".rar", ".cbr", ".epub", ".svg", ".docx", ".doc", ".xlsx", ".pptx"))
