"""The package document of an EPUB: the order of its files, which of them are fixed pages, its table of contents. In any
process.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from msgspec import Struct

from sidebooks_core.documents.archives import UNREADABLE, Archive
from sidebooks_core.documents.model import Direction
from sidebooks_core.documents.syntax import markup

FILE_BYTES = 16 << 20
"""Most bytes that are read of one file of text."""
_READING_AIDS = frozenset(("rt", "rp"))
"""Elements of ruby that give the reading of a text. They are no part of the text."""
_RESOLUTION = re.compile(r"(\d+)\s*x\s*(\d+)")


class SpineItem(Struct, frozen=True):
    """One file in reading order."""

    path: str
    """Path in the archive, without escapes."""
    media_type: str
    is_fixed: bool
    """Whether it is one page with a size of its own, and no text that flows."""

    @property
    def is_image(self) -> bool:
        return self.media_type.startswith("image/")


class Package(Struct, frozen=True):
    """The package document of an EPUB."""

    title: str
    direction: Direction
    spine: tuple[SpineItem, ...]
    contents: tuple[str, ...]
    """Paths of tables of contents, the better one first."""
    page_px: tuple[float, float] | None
    """Size of fixed pages that state none."""

    @property
    def is_flowing(self) -> bool:
        return not any(item.is_fixed or item.is_image for item in self.spine)


class Entry(Struct, frozen=True):
    """An entry of a table of contents."""

    level: int
    """From 1."""
    title: str
    path: str
    """Path in the archive; empty if the entry leads nowhere."""
    fragment: str


def read_package(archive: Archive) -> Package | None:
    """The package document; None if the book is too damaged. The engine may still show some of it."""
    container = read_markup(archive, "META-INF/container.xml")
    root_file = next((one for one in container.iter("rootfile")), None) if container is not None else None
    path = (root_file.get("full-path") or "") if root_file is not None else ""
    package = read_markup(archive, unquote(path))
    spine = package.find("spine") if package is not None else None
    if package is None or spine is None:
        return None
    base = posixpath.dirname(unquote(path))
    items = {item.get("id", ""): item for item in package.iter("item")}
    metadata = package.find("metadata")
    metas = list(metadata.iter("meta")) if metadata is not None else []
    is_fixed = _is_fixed(metas) or _is_fixed_for_apple(archive)
    title = metadata.find("title") if metadata is not None else None
    return Package(
        title=markup.text_of(title) if title is not None else "",
        direction="rtl" if spine.get("page-progression-direction") == "rtl" else "ltr",
        spine=tuple(_spine(spine, items, base, is_fixed)),
        contents=tuple(_contents(spine, items, base)),
        page_px=_page_px(metas),
    )


def read_markup(archive: Archive, path: str) -> Element | None:
    """The root element of a file; None if there is no such file, or if it cannot be read."""
    data = read_file(archive, path, FILE_BYTES)
    if data is None:
        return None
    try:
        return markup.read(data)
    except markup.BadMarkup:
        return None


def read_file(archive: Archive, path: str, most_bytes: int) -> bytes | None:
    """The bytes of a file; None if there is no such file, or if it cannot be read."""
    member = archive.find(path)
    if member is None:
        return None
    try:
        return archive.read(member, most_bytes)
    except UNREADABLE:
        return None


def resolved(base: str, reference: str) -> str:
    """The path in the archive to which a file in the folder `base` refers; empty for a target elsewhere."""
    path = unquote(reference.partition("#")[0].partition("?")[0])
    if not path or re.match(r"[a-z][a-z0-9+.-]*:", path, re.IGNORECASE):
        return ""
    return posixpath.normpath(posixpath.join(base, path)).lstrip("/")


def table_of_contents(archive: Archive, package: Package) -> list[Entry]:
    """The entries of the first table that has any; empty if there is none."""
    for path in package.contents:
        root = read_markup(archive, path)
        if root is None:
            continue
        base = posixpath.dirname(path)
        found = list(_ncx_entries(root, base)) if root.tag == "ncx" else list(_nav_entries(root, base, path))
        if found:
            return found
    return []


def _is_fixed(metas: list[Element]) -> bool:
    for meta in metas:
        if meta.get("property") == "rendition:layout":
            return markup.text_of(meta) == "pre-paginated"
        if meta.get("name") in ("fixed-layout", "rendition:layout"):
            return meta.get("content") in ("true", "pre-paginated")
    return False


def _is_fixed_for_apple(archive: Archive) -> bool:
    options = read_markup(archive, "META-INF/com.apple.ibooks.display-options.xml")
    found = options.iter("option") if options is not None else ()
    return any(option.get("name") == "fixed-layout" and markup.text_of(option) == "true" for option in found)


def _page_px(metas: list[Element]) -> tuple[float, float] | None:
    for meta in metas:
        if meta.get("name") == "original-resolution":
            size = _RESOLUTION.search(meta.get("content", ""))
        elif meta.get("property") == "rendition:viewport":
            return viewport_px(markup.text_of(meta))
        else:
            continue
        if size is not None:
            return float(size[1]), float(size[2])
    return None


def viewport_px(content: str) -> tuple[float, float] | None:
    """Width and height of `width=600, height=800`; None if a side is no number."""
    sides = dict(re.findall(r"(width|height)\s*=\s*[\"']?(\d+(?:\.\d+)?)", content))
    width_px, height_px = float(sides.get("width", 0)), float(sides.get("height", 0))
    return (width_px, height_px) if width_px and height_px else None


def _spine(spine: Element, items: dict[str, Element], base: str, is_fixed: bool) -> Iterator[SpineItem]:
    for reference in spine.iter("itemref"):
        item = items.get(reference.get("idref", ""))
        path = resolved(base, item.get("href", "")) if item is not None else ""
        if item is None or not path:
            continue
        properties = (reference.get("properties") or "").split()
        own = is_fixed
        if "rendition:layout-pre-paginated" in properties:
            own = True
        elif "rendition:layout-reflowable" in properties:
            own = False
        yield SpineItem(path, item.get("media-type", ""), own)


def _contents(spine: Element, items: dict[str, Element], base: str) -> Iterator[str]:
    navs = [item for item in items.values() if "nav" in (item.get("properties") or "").split()]
    ncx = [item for item in items.values() if item.get("media-type") == "application/x-dtbncx+xml"]
    ncx.sort(key=lambda item: item.get("id") != spine.get("toc"))
    for item in (*navs, *ncx):
        yield resolved(base, item.get("href", ""))


def _ncx_entries(root: Element, base: str) -> Iterator[Entry]:
    waiting = [(1, point) for point in reversed(root.findall("navMap/navPoint"))]
    while waiting:
        level, point = waiting.pop()
        label, content = point.find("navLabel"), point.find("content")
        reference = content.get("src", "") if content is not None else ""
        yield Entry(level, _title(label), resolved(base, reference), unquote(reference.partition("#")[2]))
        waiting += [(level + 1, inner) for inner in reversed(point.findall("navPoint"))]


def _nav_entries(root: Element, base: str, own_path: str) -> Iterator[Entry]:
    navs = list(root.iter("nav"))
    nav = next((nav for nav in navs if "toc" in (nav.get("type") or "").split()), None)
    if nav is None:
        nav = next((nav for nav in navs if not nav.get("type")), None)
    waiting = _list_items(nav, 1) if nav is not None else []
    while waiting:
        level, item = waiting.pop()
        shown = next((child for child in item.iter() if child.tag in ("a", "span")), None)
        reference = shown.get("href", "") if shown is not None else ""
        path = resolved(base, reference) or (own_path if reference.startswith("#") else "")
        yield Entry(level, _title(shown), path, unquote(reference.partition("#")[2]))
        waiting += _list_items(item, level + 1)


def _list_items(parent: Element, level: int) -> list[tuple[int, Element]]:
    """The items of the lists directly inside, the last one first."""
    return [(level, item) for each in parent if each.tag in ("ol", "ul") for item in each if item.tag == "li"][::-1]


def _title(element: Element | None) -> str:
    if element is None:
        return ""
    alternatives = (image.get("alt", "") for image in element.iter("img"))
    return markup.text_of(element, without=_READING_AIDS) or " ".join(filter(None, alternatives))
