"""Drawings (SVG). The engine draws those that it can draw in full; resvg draws the others, with the engine's text on top.
Worker side.

The engine ignores style sheets, gradients, patterns, clipping, masks, filters and dashes.
docs/explanation/decisions/0014-svg.md says why resvg.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.sniffing import HEAD_BYTES, image_kind
from sidebooks_core.documents.syntax import css, markup
from sidebooks_core.engine.mupdf import EngineDocument, EnginePage, Opened, mupdf, pymupdf
from sidebooks_core.engine.placed_pages import fitted
from sidebooks_core.engine.sequence import OwnDocument, opened
from sidebooks_core.errors import DamagedDocument

InnerFile = Callable[[str], bytes | None]
"""Returns a file to which a drawing refers, by its reference; None if there is no such file."""

RASTER_LONG_PX = 3072
"""Long side of a drawing by resvg: more than a tablet's screen has. At 4096, the finest level of a page, it takes twice as
long."""
LONGEST_NOTE = 100
MOST_NOTES = 5
DEFAULT_SIZE = (300.0, 150.0)
"""Size of a drawing that states none (CSS 2.2, 10.3.2)."""
LONGEST_SIDE = 20_000.0
_ENGINE_TAGS = frozenset(
    ("svg", "g", "defs", "title", "desc", "metadata", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon",
     "text", "tspan", "use", "symbol", "image", "a", "namedview", "RDF", "Work", "format", "type", "script")
)  # fmt: skip
"""Elements that the engine draws, or that draw nothing."""
_NOT_ENGINES = (
    "clip-path", "mask", "filter", "marker", "marker-start", "marker-mid", "marker-end", "stroke-dasharray", "mix-blend-mode",
    "paint-order", "vector-effect", "isolation",
)  # fmt: skip
_PROPERTIES = frozenset(
    (*_NOT_ENGINES, "fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap",
     "stroke-linejoin", "stroke-miterlimit", "stroke-dashoffset", "opacity", "color", "display", "visibility", "stop-color",
     "stop-opacity", "font-family", "font-size", "font-weight", "font-style", "text-anchor", "letter-spacing", "clip-rule",
     "dominant-baseline", "writing-mode", "text-decoration", "font-variant", "font-stretch", "word-spacing", "flood-color",
     "flood-opacity", "lighting-color", "color-interpolation-filters", "image-rendering", "shape-rendering", "overflow", "x",
     "y", "cx", "cy", "r", "rx", "ry", "width", "height", "transform", "baseline-shift")
)  # fmt: skip
"""Properties of style sheets that are also attributes of elements (SVG 2, 6.6)."""
_PLACES = ("x", "y", "width", "height", "cx", "cy", "r", "rx", "ry", "x1", "y1", "x2", "y2", "stroke-width")
"""Lengths that may be shares of the drawing's size. The engine reads shares wrongly."""
_HIDDEN = ("hidden", "collapse")
_PLAIN_COLOUR = re.compile(r"(?:#[0-9a-fA-F]{3}|#[0-9a-fA-F]{6}|rgb\([\d\s.,%]*\)|[a-zA-Z]+)", re.ASCII)
_LENGTH = re.compile(r"\s*\+?(\d*\.?\d+(?:[eE][+-]?\d+)?)\s*(px|pt|pc|mm|cm|in|em|ex|)\s*")
_PER_UNIT = {"": 1.0, "px": 1.0, "pt": 1.0, "pc": 12.0, "mm": 72 / 25.4, "cm": 72 / 2.54, "in": 72.0, "em": 12.0, "ex": 6.0}
"""In points. A pixel is a point, as in the engine."""
_TEXT_KEEPS = frozenset(("svg", "g", "a", "defs", "symbol", "use", "switch", "text", "tspan", "textPath"))
_ENGINE_IMAGE = re.compile("$|data:image/(?:png|jpe?g|gif)[;,]")
_MEDIA = {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}


def open_drawing(data: bytes | memoryview, name: str, limits: Limits, inner_file: InnerFile | None = None) -> EngineDocument:
    """Open a drawing: as the engine's document, or as one of ours.

    inner_file: returns files to which the drawing refers. Without it they are left out. Nothing is ever fetched from elsewhere.
    Raises DamagedDocument, and the engine's errors.
    """
    try:
        root = markup.read(bytes(data))
    except markup.BadMarkup:
        return opened(data, "svg")  # the engine reads some files that are no XML, and reports what it cannot read
    if root.tag != "svg":
        raise DamagedDocument(f"{name} is no drawing")
    return open_element(root, name, limits, inner_file)


def open_element(root: Element, name: str, limits: Limits, inner_file: InnerFile | None = None) -> EngineDocument:
    """As `open_drawing`, for an element that is already read. The element is changed."""
    is_styled = css.inline(root, _PROPERTIES)
    _leave_out_hidden(root)
    width, height = _size(root)
    root.set("width", f"{width:g}")
    root.set("height", f"{height:g}")
    left_out = [*(() if is_styled else ("a part of the style sheets",)), *_take_in(root, inner_file), *_undrawn(root)]
    document: EngineDocument
    document = opened(_written(root), "svg") if _is_engines(root) else _Drawing(root, name, (width, height), limits)
    document.notes = tuple(f"left out of the drawing: {reference[:LONGEST_NOTE]}" for reference in left_out[:MOST_NOTES])
    for note in document.notes:
        mupdf.fz_warn(note)
    return document


def view_box_px(root: Element) -> tuple[float, float]:
    """The size of a drawing in its own units."""
    return _size(root)


def _size(root: Element) -> tuple[float, float]:
    sides = [_length(root.get(key)) for key in ("width", "height")]
    box = _numbers(root.get("viewBox"))
    own = (box[2], box[3]) if len(box) == 4 and box[2] > 0 and box[3] > 0 else None
    width, height = sides
    if own is not None:
        if width is None and height is None:
            width, height = own
        elif width is None and height is not None:
            width = height * own[0] / own[1]
        elif height is None and width is not None:
            height = width * own[1] / own[0]
    width, height = width or DEFAULT_SIZE[0], height or DEFAULT_SIZE[1]
    shrunk = min(1.0, LONGEST_SIDE / max(width, height))
    return max(1.0, width * shrunk), max(1.0, height * shrunk)


def _length(text: str | None) -> float | None:
    """A length in points; None if it is not a length of its own, such as a share of the surroundings."""
    found = _LENGTH.fullmatch(text or "")
    value = float(found[1]) * _PER_UNIT[found[2]] if found else 0.0
    return value if 0 < value < math.inf else None


def _numbers(text: str | None) -> list[float]:
    try:
        return [float(part) for part in (text or "").replace(",", " ").split()]
    except ValueError:
        return []


def _take_in(root: Element, inner_file: InnerFile | None) -> list[str]:
    """Put the images to which a drawing refers into it. Remove all other references, and return them."""
    left_out = []
    for element in root.iter():
        reference = element.get("href")
        if reference is None or reference.startswith("#") or element.tag == "a":
            continue
        if reference.lstrip().lower().startswith("data:image/") and element.tag in ("image", "feImage"):
            continue
        data = inner_file(reference) if inner_file is not None and element.tag == "image" else None
        media = _MEDIA.get(image_kind(data[:HEAD_BYTES]) or "") if data is not None else None
        if data is not None and media is not None:
            element.set("href", f"data:{media};base64,{base64.b64encode(data).decode()}")
        else:
            del element.attrib["href"]
            left_out.append(reference)
    return left_out


def _undrawn(root: Element) -> list[str]:
    """Elements that neither the engine nor resvg draws, and that have no other form beside them."""
    return [child.tag for parent in root.iter() if parent.tag != "switch" for child in parent if child.tag == "foreignObject"]


def _is_engines(root: Element) -> bool:
    """Whether the engine draws every part of it."""
    for element in root.iter():
        if element.tag not in _ENGINE_TAGS or (element.tag == "svg" and element is not root):
            return False
        if element.tag == "image" and not _ENGINE_IMAGE.match(element.get("href") or ""):
            return False
        if any(element.get(name, "none") != "none" for name in _NOT_ENGINES):
            return False
        if any(not _PLAIN_COLOUR.fullmatch(element.get(name, "none").strip()) for name in ("fill", "stroke")):
            return False
        if any(element.get(name) == "currentColor" for name in ("fill", "stroke")):
            return False
        if element.get("visibility") in _HIDDEN or (element.tag == "symbol" and "viewBox" in element.attrib):
            return False
        if element is not root and any(element.get(name, "").rstrip().endswith("%") for name in _PLACES):
            return False
    return True


class _Drawing(OwnDocument):
    """A drawing by resvg. It is drawn when its page is first drawn, not on opening."""

    def __init__(self, root: Element, name: str, size: tuple[float, float], limits: Limits) -> None:
        """size: width and height in points."""
        self._root = root
        self._name = name
        self._size = size
        self._limits = limits
        self._text = opened(_written(_only_text(root)), "svg")
        self._raster: Opened | None = None
        self.metadata = self._text.metadata

    def load_page(self, page_id: int | tuple[int, int]) -> EnginePage:
        return _DrawnPage(self._text.load_page(page_id), self)

    def raster_page(self) -> EnginePage:
        """The page with resvg's image. Raises DamagedDocument."""
        if self._raster is None:
            self._raster = opened(self._drawn(), "png")
        return fitted(self._raster.load_page(0), *self._size)

    def close(self) -> None:
        self._text.close()
        if self._raster is not None:
            self._raster.close()

    def _drawn(self) -> bytes:
        from resvg_py import svg_to_bytes

        width, height = self._size
        scale = min(RASTER_LONG_PX / max(width, height), math.sqrt(self._limits.image_pixels / (width * height)))
        width_px, height_px = max(1, round(width * scale)), max(1, round(height * scale))
        drawing = _written(_without_text(self._root)).decode()
        try:
            return bytes(svg_to_bytes(svg_string=drawing, width=width_px, height=height_px, skip_system_fonts=True))
        except ValueError as error:
            raise DamagedDocument(f"{self._name}: the drawing cannot be read ({error})") from None


class _DrawnPage:
    """The image, with the text on top, which stays text."""

    def __init__(self, text_page: pymupdf.Page, drawing: _Drawing) -> None:
        self._text_page = text_page
        self._drawing = drawing

    @property
    def rect(self) -> pymupdf.Rect:
        return self._text_page.rect

    def get_image_info(self) -> list[pymupdf.ImageInfo]:
        return self._text_page.get_image_info()

    def get_links(self) -> list[pymupdf.LinkInfo]:
        return self._text_page.get_links()

    def get_displaylist(self, annots: int = 1) -> pymupdf.DisplayList:
        box = mupdf.FzRect(*self._text_page.rect)
        both = mupdf.FzDisplayList(box)
        device = mupdf.fz_new_list_device(both)
        for page in (self._drawing.raster_page(), self._text_page):
            listed = page.get_displaylist(annots=annots)
            mupdf.fz_run_display_list(listed.this, device, mupdf.FzMatrix(), box, mupdf.FzCookie())
        mupdf.fz_close_device(device)
        return pymupdf.DisplayList(both)


def _leave_out_hidden(root: Element) -> None:
    """Remove hidden elements, which the engine would draw. Hidden groups are left to resvg: elements in them may be visible."""
    waiting = [(root, root.get("visibility", ""))]
    while waiting:
        parent, inherited = waiting.pop()
        for child in list(parent):
            visibility = child.get("visibility", inherited)
            if child.get("display") == "none" or (child.tag == "text" and visibility in _HIDDEN):
                parent.remove(child)
            else:
                waiting.append((child, visibility))


def _only_text(root: Element) -> Element:
    """The texts alone, in colours that the engine knows."""
    first_stops = {one.get("id", ""): _first_stop(one) for one in root.iter() if one.tag.endswith("Gradient")}
    kept = _kept(root, lambda child: child.tag in _TEXT_KEEPS)
    waiting = [(kept, "black")]
    while waiting:
        element, current = waiting.pop()
        current = element.get("color", current)
        if element.tag == "textPath":
            element.tag = "tspan"  # the engine knows no paths for text; in a straight line the text can be read
            element.attrib.pop("href", None)
        for name in ("fill", "stroke"):
            if name in element.attrib:
                element.set(name, _plain_colour(element.attrib[name].strip(), current, first_stops))
        waiting += [(child, current) for child in element]
    return kept


def _first_stop(gradient: Element) -> str:
    stop = next(gradient.iter("stop"), None)
    return stop.get("stop-color", "black") if stop is not None else "black"


def _plain_colour(colour: str, current: str, first_stops: dict[str, str]) -> str:
    """A colour that the engine reads; for a gradient its first colour."""
    reference = re.match(r"""url\(\s*["']?#([^"')]+)["']?\s*\)""", colour)
    if reference is not None:
        colour = first_stops.get(reference[1], "black")
    if colour == "currentColor":
        colour = current
    if _PLAIN_COLOUR.fullmatch(colour):
        return colour
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(colour)[:3]
    except ValueError:
        return "black"
    return f"#{red:02x}{green:02x}{blue:02x}"


def _without_text(element: Element) -> Element:
    return _kept(element, lambda child: child.tag != "text")


def _kept(element: Element, is_kept: Callable[[Element], bool]) -> Element:
    """A copy that has only some of the elements inside. The depth is bounded by `markup`."""
    copy = Element(element.tag, dict(element.attrib))
    copy.text, copy.tail = element.text, element.tail
    copy.extend(_kept(child, is_kept) for child in element if is_kept(child))
    return copy


def _written(root: Element) -> bytes:
    parts = ['<?xml version="1.0" encoding="UTF-8"?>']
    _write(root, parts, ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"')
    return "".join(parts).encode("utf-8", "replace")


def _write(element: Element, parts: list[str], spaces: str = "") -> None:
    attributes = "".join(
        f" {'xml:space' if key == 'space' else key}={quoteattr(value)}"
        for key, value in element.attrib.items()
        if key != "xmlns" and re.fullmatch(r"[A-Za-z_][\w.-]*", key) and key not in ("xlink", "svg")
    )
    parts.append(f"<{element.tag}{spaces}{attributes}>{escape(element.text or '')}")
    for child in element:
        _write(child, parts)
        parts.append(escape(child.tail or ""))
    parts.append(f"</{element.tag}>")
