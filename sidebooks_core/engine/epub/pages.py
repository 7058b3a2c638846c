"""Books with fixed pages: each file of the spine is one page with a size of its own. Worker side.

The engine lays out all text as flowing, gives every page the size of the first, and knows no images in the spine. Files that
flow are left to the engine.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterable
from functools import partial
from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from sidebooks_core.documents import epub_package
from sidebooks_core.documents.archives import Archive
from sidebooks_core.documents.epub_package import Package, SpineItem, read_file, resolved
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.sniffing import HEAD_BYTES, image_kind
from sidebooks_core.documents.source import Source
from sidebooks_core.documents.syntax import markup
from sidebooks_core.engine import svg
from sidebooks_core.engine.images import pages as image_pages
from sidebooks_core.engine.mupdf import EngineDocument, EnginePage, Opened, mupdf
from sidebooks_core.engine.placed_pages import fitted
from sidebooks_core.engine.sequence import OwnDocument, PageSequence, Part, opened
from sidebooks_core.errors import DamagedDocument

DEFAULT_PAGE_PX = (600.0, 800.0)
LONGEST_SIDE_PX = 20_000.0
_IMAGE_TAGS = frozenset(("img", "image"))
_URL = re.compile(r"""url\(\s*["']?([^"')]+)""")
_REFERENCE = re.compile(r"""(?:src|href)\s*=\s*["']([^"'#]+)""", re.IGNORECASE)
_VIEWPORT = re.compile(r"""<meta\s[^>]*name=["']viewport["'][^>]*content=["']([^"']+)""", re.IGNORECASE)
_NO_MARGIN = b"<style>@page{margin:0}</style></head>"
_CONTAINER = (
    '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="page.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
_PACKAGE = (
    '<package xmlns="http://www.idpf.org/2007/opf" version="2.0"><metadata/><manifest>'
    '<item id="p" href={} media-type="application/xhtml+xml"/></manifest><spine><itemref idref="p"/></spine></package>'
)


def open_book(source: Source, archive: Archive, package: Package, limits: Limits) -> PageSequence:
    """Open a book. Raises the engine's errors for its part of the book."""
    flowing: list[Opened] = []

    def open_flowing() -> Opened:
        flowing.append(opened(source.data, "epub"))
        return flowing[-1]

    def chapter_of(path: str) -> int | None:
        """The engine's number of a file that flows; None if the engine does not have that file."""
        if not flowing:
            open_flowing()
        location, _, _ = mupdf.fz_resolve_link(flowing[-1].this, path)
        return location.chapter if location.chapter >= 0 else None

    parts = []
    for item in package.spine:
        chapter = None if item.is_fixed or item.is_image else chapter_of(item.path)
        if chapter is None:
            parts.append(Part(partial(_open_page, archive, package, item, limits)))
        else:
            parts.append(Part(open_flowing, chapter=chapter, shared=source))
    return PageSequence(parts, title=package.title, direction=package.direction, is_book=True)


class _Fitted(OwnDocument):
    """A document of the engine with one page, which is fitted to a sheet."""

    def __init__(self, document: EngineDocument, size_px: tuple[float, float] | None, warning: str = "") -> None:
        self._document = document
        self._size_px = size_px
        self._warning = warning

    def load_page(self, page_id: int | tuple[int, int]) -> EnginePage:
        page = self._document.load_page(page_id)
        return fitted(page, *(self._size_px or _own_px(page)), warning=self._warning)

    def close(self) -> None:
        self._document.close()


def _own_px(page: EnginePage) -> tuple[float, float]:
    """The size of an image in its pixels, of a drawing in its own units."""
    found = page.get_image_info()
    box = page.rect
    if len(found) != 1 or not box.width:
        return box.width, box.height
    long_px = max(found[0]["width"], found[0]["height"])
    scale = long_px / max(box.width, box.height)
    return box.width * scale, box.height * scale


def _open_page(archive: Archive, package: Package, item: SpineItem, limits: Limits) -> EngineDocument:
    """Open one page. Raises DamagedDocument, UnsupportedDocument, DocumentTooLarge, and the engine's errors."""
    if item.is_image:
        return _Fitted(_open_picture(archive, item.path, limits), package.page_px if item.is_fixed else None)
    data = _require_file(archive, item.path, limits.member_bytes)
    try:
        root = markup.read(data)
    except markup.BadMarkup:
        root = _outlined(data)  # the engine reads pages that are no XML, too
    size_px = _bounded(_viewport_px(root) or package.page_px)
    picture = _only_picture(root)
    if isinstance(picture, str):
        path = resolved(posixpath.dirname(item.path), picture)
        if path and archive.find(path) is not None:
            return _Fitted(_open_picture(archive, path, limits), size_px)
    if isinstance(picture, Element):
        return _Fitted(_open_drawing(archive, item.path, picture, limits), size_px)
    return _laid_out(archive, item.path, data, root, size_px or DEFAULT_PAGE_PX, limits)


def _outlined(data: bytes) -> Element:
    """The parts that matter here of a page that is no XML: its size, and the files to which it refers. Its text is not read."""
    text = data.decode("utf-8", "replace")
    root = Element("html")
    for content in _VIEWPORT.findall(text)[:1]:
        root.append(Element("meta", {"name": "viewport", "content": content}))
    root.extend(Element("link", {"href": reference}) for reference in _REFERENCE.findall(text))
    return root


def _bounded(size_px: tuple[float, float] | None) -> tuple[float, float] | None:
    return size_px if size_px is None or max(size_px) <= LONGEST_SIDE_PX else None


def _require_file(archive: Archive, path: str, most_bytes: int) -> bytes:
    data = read_file(archive, path, most_bytes)
    if data is None:
        raise DamagedDocument(f"{path} is missing in the book, or cannot be unpacked")
    return data


def _viewport_px(root: Element) -> tuple[float, float] | None:
    for meta in root.iter("meta"):
        if (meta.get("name") or "").lower() == "viewport":
            return epub_package.viewport_px(meta.get("content") or "")
    return svg.view_box_px(root) if root.tag == "svg" else None


def _only_picture(root: Element) -> str | Element | None:
    """If a page shows one picture and nothing else: the reference to it, or the drawing itself."""
    body = root.find("body")
    if body is None or markup.text_of(body, without=frozenset(("svg", "style", "script", "title", "desc"))):
        return None
    drawings = list(body.iter("svg"))
    pictures = [one for one in body.iter() if one.tag in _IMAGE_TAGS or one.tag == "object"]
    if len(drawings) == 1 and not any(one.tag in ("img", "object") for one in pictures):
        drawing = drawings[0]
        painted = [one for one in drawing.iter() if one.tag not in ("svg", "g", "title", "desc", "defs", "metadata")]
        if len(painted) == 1 and painted[0].tag == "image" and not _is_cropped(drawing, painted[0]):
            return painted[0].get("href") or ""
        return drawing
    if drawings:
        return None
    if len(pictures) == 1:
        return pictures[0].get("src") or pictures[0].get("data") or ""
    if not pictures:
        styles = [one.get("style") or "" for one in root.iter()] + [one.text or "" for one in root.iter("style")]
        found = [reference for style in styles for reference in _URL.findall(style) if not reference.startswith("data:")]
        images = [one for one in found if not one.lower().endswith((".ttf", ".otf", ".woff", ".woff2", ".css"))]
        return images[0] if len(images) == 1 else None
    return None


def _is_cropped(drawing: Element, image: Element) -> bool:
    """Whether the picture does not simply fill the drawing."""
    box = (drawing.get("viewBox") or "").replace(",", " ").split()
    sides = image.get("width", "").removesuffix("px"), image.get("height", "").removesuffix("px")
    is_whole = "%" in "".join(sides) or not any(sides) or len(box) != 4 or (box[2], box[3]) == sides
    return not is_whole or any(image.get(key, "0").strip("0.px") for key in ("x", "y")) or "transform" in image.attrib


def _open_picture(archive: Archive, path: str, limits: Limits) -> EngineDocument:
    data = _require_file(archive, path, limits.member_bytes)
    kind = image_kind(data[:HEAD_BYTES])
    if kind is None or kind == "mobi":
        return svg.open_drawing(data, path, limits, partial(_inner_file, archive, posixpath.dirname(path), limits))
    return image_pages.open_image(Source(data), kind, path, limits)


def _open_drawing(archive: Archive, page_path: str, drawing: Element, limits: Limits) -> EngineDocument:
    inner = partial(_inner_file, archive, posixpath.dirname(page_path), limits)
    return svg.open_element(drawing, page_path, limits, inner)


def _inner_file(archive: Archive, base: str, limits: Limits, reference: str) -> bytes | None:
    path = resolved(base, reference)
    return read_file(archive, path, limits.member_bytes) if path else None


def _laid_out(
    archive: Archive, path: str, data: bytes, root: Element, size_px: tuple[float, float], limits: Limits
) -> EngineDocument:
    """A page of text, laid out by the engine in a book of its own. Text that is too long for the page is made smaller, with a
    warning.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16", "replace").encode()
    needed = _needed_files(archive, posixpath.dirname(path), root, limits)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr("META-INF/container.xml", _CONTAINER)
        book.writestr("page.opf", _PACKAGE.format(quoteattr(path)))
        book.writestr(path, re.sub(rb"</head\s*>", _NO_MARGIN, data, count=1, flags=re.IGNORECASE))
        for name, content in needed.items():
            if name != path:
                book.writestr(name, content)
    document = opened(made.getvalue(), "epub")
    width_px, height_px = size_px
    document.layout(width=width_px, height=height_px, fontsize=16)
    pages = document.page_count
    warning = "text over a picture may be out of place" if any(root.iter("img")) or any(root.iter("svg")) else ""
    if pages > 1:
        warning = "too long for its page as the engine lays it out, and made smaller"
        document.layout(width=width_px, height=height_px * pages, fontsize=16)
    return _Fitted(document, size_px, warning and f"{path}: {warning}")


def _needed_files(archive: Archive, base: str, root: Element, limits: Limits) -> dict[str, bytes]:
    """The files that a page needs, by path: images, style sheets, and files to which those refer. Together at most
    `member_bytes`.
    """
    found: dict[str, bytes] = {}
    waiting = [(base, reference) for reference in _references(root)]
    left_bytes = limits.member_bytes
    while waiting and left_bytes > 0:
        folder, reference = waiting.pop()
        path = resolved(folder, reference)
        if not path or path in found:
            continue
        content = read_file(archive, path, left_bytes)
        if content is None:
            continue
        found[path] = content
        left_bytes -= len(content)
        if path.lower().endswith(".css"):
            inner = content.decode("utf-8", "replace")
            imported = re.findall(r"""@import\s+["']([^"']+)""", inner)
            waiting += [(posixpath.dirname(path), one) for one in (*_URL.findall(inner), *imported)]
    return found


def _references(root: Element) -> Iterable[str]:
    for element in root.iter():
        if element.tag in _IMAGE_TAGS:
            yield element.get("src") or element.get("href") or ""
        elif element.tag == "link":
            yield element.get("href") or ""
        elif element.tag == "style":
            yield from _URL.findall(element.text or "")
        yield from _URL.findall(element.get("style") or "")
