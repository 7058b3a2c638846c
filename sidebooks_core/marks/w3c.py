"""Marks as Web Annotations (W3C, 2017), whose targets are the canvases of IIIF manifests.

Places are in units of the canvas. A rectangle has an xywh selector, which every client knows. Several rectangles and ink have
an SVG one, since there is no standard selector for several rectangles on a page of a PDF. Who sees a mark, and on which device
it was made, stays out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape

from msgspec import Struct

from sidebooks_core.documents.annotations import NOTE_SIDE_PT, STAMP_PADDING, is_downwards
from sidebooks_core.marks.annotations import made_ms
from sidebooks_core.marks.model import Bookmark, Highlight, Ink, Mark, Note, Quad, StampText, StrikeOut, Underline, text_of
from sidebooks_core.marks.placing import PlacedMark

Json = dict[str, object]
W3C_CONTEXT = "http://www.w3.org/ns/anno.jsonld"
OWN_CONTEXT = {"contentId": "urn:sidebooks:contentId"}
IIIF_CONTEXT = "http://iiif.io/api/presentation/3/context.json"
MEDIA_FRAGMENTS = "http://www.w3.org/TR/media-frags/"
PDF_FRAGMENTS = "http://tools.ietf.org/rfc/rfc8118"
AROUND = 32
"""Characters before and after a quote."""
_MOST_MS = 253_402_300_799_000
"""The end of the year 9999."""
_LATIN_WIDTH = 0.6
_FIRST_WIDE = "\u2e80"
_HIGHLIGHT_OPACITY = 0.4
_ADVICE = {
    "ink": ["commenting"],
    "highlight": ["highlighting", "commenting"],
    "underline": ["highlighting", "commenting"],
    "strikeout": ["editing", "commenting"],
    "note": ["commenting"],
    "stamp": ["tagging"],
    "bookmark": ["bookmarking", "commenting"],
}
"""What marks are made for. Clients of IIIF show what comments or tags, and leave out the rest."""


class Canvas(Struct, frozen=True):
    """The canvas of a page."""

    id: str
    """Its address."""
    width: int
    height: int
    scale: float
    """Units of the canvas for a point."""
    file: str = ""
    """The address of the PDF that the page is from; empty: there is none, or the reader may not have it."""
    text: str = ""
    """The text of the page; empty: it is not known."""


def annotation(placed: PlacedMark, canvas: Canvas, address: str, author: str = "") -> Json:
    """A mark as an annotation, without a context. address: its own. author: the name of its owner; empty: it is not told.

    The mark stands on this canvas and has a body.
    """
    mark, body = placed.mark, placed.mark.body
    if body is None:
        raise ValueError("a mark that was deleted is no annotation")
    kind = body.__struct_config__.tag
    assert isinstance(kind, str)
    text = text_of(mark)
    made: Json = {"id": address, "type": "Annotation", "motivation": _ADVICE[kind]}
    times = {"created": made_ms(mark.id), "modified": mark.stamp.at_ms}
    made |= {name: _time(at_ms) for name, at_ms in times.items() if 0 < at_ms <= _MOST_MS}
    if author:
        made["creator"] = {"type": "Person", "name": author}
    if text:
        purpose = "tagging" if isinstance(body, StampText) else "commenting"
        made["body"] = [{"type": "TextualBody", "value": text, "format": "text/plain", "purpose": purpose}]
    made["target"] = _targets(placed, canvas)
    if mark.anchor.content_id:
        made["contentId"] = mark.anchor.content_id
    return made


def annotation_page(
    address: str, placed: Iterable[PlacedMark], canvases: Mapping[int, Canvas], names: Mapping[str, str], *, for_iiif: bool
) -> Json:
    """Marks as an AnnotationPage. Marks whose page has no canvas here are left out.

    canvases: by page, from 0. names: of owners, by their ids. for_iiif: as the page of one canvas that its manifest names.
    """
    items = [
        annotation(one, canvases[one.page], f"{canvases[one.page].id}/mark/{one.mark.id}", names.get(one.mark.owner, ""))
        for one in placed
        if one.page is not None and one.page in canvases and one.mark.body is not None
    ]
    context: list[object] = [W3C_CONTEXT, IIIF_CONTEXT if for_iiif else OWN_CONTEXT]
    return {"@context": context, "id": address, "type": "AnnotationPage", "items": items}


def page_reference(address: str) -> Json:
    """What a canvas of a manifest says of its annotations: the page is fetched when it is shown."""
    return {"id": address, "type": "AnnotationPage"}


def text_quote(quote: str, text: str) -> Json:
    """A quote, with what stands around it in a text. A quote that the text does not have, or has twice, stands alone.

    Spaces and ends of lines make no difference: a quote that runs over two lines is found.
    """
    selector: Json = {"type": "TextQuoteSelector", "exact": quote}
    wanted = "".join(quote.split())
    places = [place for place, character in enumerate(text) if not character.isspace()]
    bare = "".join(text[place] for place in places)
    at = bare.find(wanted) if wanted else -1
    if at >= 0 and bare.find(wanted, at + 1) < 0:
        first, last = places[at], places[at + len(wanted) - 1]
        before, after = text[max(0, first - AROUND) : first], text[last + 1 :][:AROUND]
        selector |= {name: value for name, value in (("prefix", before), ("suffix", after)) if value}
    return selector


def _targets(placed: PlacedMark, canvas: Canvas) -> object:
    mark = placed.mark
    targets: list[object] = []
    selectors = _selectors(mark, canvas)
    targets.append({"type": "SpecificResource", "source": canvas.id, "selector": selectors} if selectors else canvas.id)
    if canvas.file and placed.page is not None:
        fragment = {"type": "FragmentSelector", "conformsTo": PDF_FRAGMENTS, "value": f"page={placed.page + 1}"}
        targets.append({"type": "SpecificResource", "source": canvas.file, "selector": [fragment]})
    return targets[0] if len(targets) == 1 else targets


def _selectors(mark: Mark, canvas: Canvas) -> list[Json]:
    body = mark.body
    found: list[Json] = []
    match body:
        case Ink():
            found.append(_svg(_stroke(body, canvas.scale), canvas))
        case Highlight(quads=[quad]) | Underline(quads=[quad]) | StrikeOut(quads=[quad]) if _is_upright(quad):
            found.append(_rectangle(quad[::2], quad[1::2], canvas))
        case Highlight() | Underline() | StrikeOut():
            shapes = " ".join(_outline(quad, canvas.scale) for quad in body.quads)
            found.append(_svg(f'<path d="{shapes}" fill="{body.colour}" fill-opacity="{_HIGHLIGHT_OPACITY}"/>', canvas))
        case Note(x_pt=x_pt, y_pt=y_pt):
            half = NOTE_SIDE_PT / 2
            found.append(_rectangle((x_pt - half, x_pt + half), (y_pt - half, y_pt + half), canvas))
        case StampText(x_pt=x_pt, y_pt=y_pt, height_pt=height_pt):
            half_width = height_pt * (_letters_width(body.text) / 2 + STAMP_PADDING)
            half_height = height_pt * (0.5 + STAMP_PADDING)
            xs, ys = (x_pt - half_width, x_pt + half_width), (y_pt - half_height, y_pt + half_height)
            found.append(_rectangle(xs, ys, canvas))
        case Bookmark() | None:
            return []
    if mark.anchor.quote:
        found.append(text_quote(mark.anchor.quote, canvas.text))
    return found


def _is_upright(quad: Quad) -> bool:
    """Whether its sides run along those of the page."""
    xs, ys = {round(x, 2) for x in quad[::2]}, {round(y, 2) for y in quad[1::2]}
    is_box = len(xs) <= 2 and len(ys) <= 2
    return is_box and (is_downwards(quad) or quad[1] == quad[3])


def _rectangle(xs: Iterable[float], ys: Iterable[float], canvas: Canvas) -> Json:
    """In whole units, within the canvas, and at least one wide and high."""
    left, right = _within(xs, canvas.scale, canvas.width)
    top, bottom = _within(ys, canvas.scale, canvas.height)
    value = f"xywh={left},{top},{right - left},{bottom - top}"
    return {"type": "FragmentSelector", "conformsTo": MEDIA_FRAGMENTS, "value": value}


def _within(values_pt: Iterable[float], scale: float, most: int) -> tuple[int, int]:
    values = [value * scale for value in values_pt]
    first = min(most - 1, max(0, math.floor(min(values) + 0.001)))
    return first, max(first + 1, min(most, math.ceil(max(values) - 0.001)))


def _svg(shape: str, canvas: Canvas) -> Json:
    size = f'width="{canvas.width}" height="{canvas.height}"'
    return {"type": "SvgSelector", "value": f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{shape}</svg>'}


def _stroke(body: Ink, scale: float) -> str:
    first, *others = [f"{_number(x * scale)} {_number(y * scale)}" for x, y, _ in body.samples]
    line = " ".join((f"M {first}", *(f"L {one}" for one in others or [first])))
    look = f'fill="none" stroke="{escape(body.colour)}" stroke-width="{_number(body.width_pt * scale)}"'
    return f'<path d="{line}" {look} stroke-opacity="{_number(body.opacity)}" stroke-linecap="round" stroke-linejoin="round"/>'


def _outline(quad: Quad, scale: float) -> str:
    upper_left, upper_right, lower_left, lower_right = (
        f"{_number(quad[at] * scale)} {_number(quad[at + 1] * scale)}" for at in (0, 2, 4, 6)
    )
    return f"M {upper_left} L {upper_right} L {lower_right} L {lower_left} Z"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _letters_width(text: str) -> float:
    """Of a stamp, in heights of its letters, about."""
    return sum(1.0 if character >= _FIRST_WIDE else _LATIN_WIDTH for character in text)


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
