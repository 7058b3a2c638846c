"""IIIF Presentation 3.0 manifests, Content Search 2.0 answers, Deep Zoom: documents as the viewers of others read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from msgspec import Raw, Struct, field

from sidebooks_core.access.policy import UNLIMITED, Limits
from sidebooks_core.documents.model import SearchHit
from sidebooks_core.encoding.formats import FORMATS
from sidebooks_core.marks.w3c import page_reference
from sidebooks_core.server.allowance import first_page, levels_within
from sidebooks_core.server.iiif.image_api import MAX_AREA_PX
from sidebooks_core.server.json_text import json_bytes
from sidebooks_core.server.shelf import page_id
from sidebooks_core.service import Document
from sidebooks_core.tiling.pyramid import Level, Pyramid
from sidebooks_core.tiling.spreads import Spreads

PRESENTATION_CONTEXT = "http://iiif.io/api/presentation/3/context.json"
SEARCH_CONTEXT = "http://iiif.io/api/search/2/context.json"
DZI_TILE_PX = 512
PIECE_CANVASES = 500
"""Canvases in one piece of a manifest that is sent piece by piece."""
_NO_CANVASES = b'"items":[]'
"""The first of these in a Manifest is its own: what stands before has none, and quotes within a text are escaped."""
MEDIA_TYPES: dict[str, str] = {
    "pdf": "application/pdf",
    "xps": "application/oxps",
    "epub": "application/epub+zip",
    "cbz": "application/vnd.comicbook+zip",
    "svg": "image/svg+xml",
    "tiff": "image/tiff",
    **{one.name: one.media_type for one in FORMATS},
}


Json = dict[str, object]


class Stretch(Struct, frozen=True):
    """A document within a manifest of several."""

    name: str
    document: Document
    first: int
    """The running number of its first page, from 1."""
    limits: Limits
    """Of the reader."""


class _Range(Struct, kw_only=True):
    """A part of the outline."""

    id: str
    type: str = "Range"
    label: Json
    items: list[Json | _Range] = field(default_factory=list)


def manifest(base: str, document: Document, has_original: bool, limits: Limits = UNLIMITED, *, has_marks: bool = False) -> Json:
    """A document as a Manifest: a Canvas for each page, the outline as Ranges. base: of all addresses, no slash at the end.

    The Canvas of a page that the reader may not have is empty, so all pages keep their places. has_marks: each Canvas names the
    page of its annotations, which are the marks that the reader sees.
    """
    made = _manifest_alone(base, document, has_original, limits)
    # As text at once: thousands of pages are 100,000 objects.
    made["items"] = [Raw(canvas) for canvas in _canvases(base, document, limits, has_marks=has_marks)]
    return made


def manifest_pieces(
    base: str, document: Document, has_original: bool, limits: Limits = UNLIMITED, *, has_marks: bool = False
) -> Iterator[bytes]:
    """The same as text, piece by piece, for documents of many pages: the whole of 100,000 pages has 100 MB."""
    before, empty, after = json_bytes(_manifest_alone(base, document, has_original, limits)).partition(_NO_CANVASES)
    yield before + empty[:-1]
    canvases = iter(_canvases(base, document, limits, has_marks=has_marks))
    separator = b""
    while piece := b",".join(islice(canvases, PIECE_CANVASES)):
        yield separator + piece
        separator = b","
    yield empty[-1:] + after


def _canvases(base: str, document: Document, limits: Limits, *, has_marks: bool) -> Iterator[bytes]:
    """The Canvas of each page, as JSON."""
    alone = _pages_alone(document) or ()
    for page in range(document.page_count):
        canvas = _canvas(base, document, page, limits, is_alone=page in alone)
        if has_marks:
            canvas["annotations"] = _marks(base, document, page, limits)
        yield json_bytes(canvas)


def _manifest_alone(base: str, document: Document, has_original: bool, limits: Limits) -> Json:
    """A Manifest without its Canvases."""
    here = f"{base}/presentation/3/{document.id}"
    alone = _pages_alone(document)
    first = first_page(limits, document)
    thumbnails = [] if first is None else _thumbnails(base, document, first, _levels(document, first, limits))
    made: Json = {
        "@context": PRESENTATION_CONTEXT,
        "id": f"{here}/manifest.json",
        "type": "Manifest",
        "label": {"none": [document.name]},
        "viewingDirection": "right-to-left" if document.direction == "rtl" else "left-to-right",
        "behavior": ["individuals" if alone is None else "paged"],
        "thumbnail": thumbnails,
        "items": [],
        "service": [{"id": f"{base}/search/2/{document.id}", "type": "SearchService2"}],
    }
    told = _metadata(document, limits)
    if told:
        made["metadata"] = told
    ranges = _ranges(base, document, limits)
    if ranges:
        made["structures"] = ranges
    if has_original:
        made["rendering"] = [
            {
                "id": f"{base}/documents/{document.id}/original",
                "type": "Text" if not MEDIA_TYPES.get(document.kind, "").startswith("image/") else "Image",
                "label": {"none": [document.name]},
                "format": MEDIA_TYPES.get(document.kind, "application/octet-stream"),
            }
        ]
    return made


def joined_manifest(base: str, here: str, name: str, stretches: Sequence[Stretch]) -> Json:
    """Several documents as one Manifest, with a Range for each. here: the beginning of its own addresses. Pages are numbered as
    the stretches say.
    """
    canvases: list[Json] = []
    ranges: list[_Range] = []
    for number, one in enumerate(stretches, 1):
        document, own = one.document, [f"{here}/canvas/{one.first + page}" for page in range(one.document.page_count)]
        for page, canvas in enumerate(own):
            made = _canvas(base, document, page, one.limits, canvas=canvas)
            canvases.append({**made, "label": {"none": [str(one.first + page)]}})
        items: list[Json | _Range] = [{"id": canvas, "type": "Canvas"} for canvas in own]
        ranges.append(_Range(id=f"{here}/range/{number}", label={"none": [one.name]}, items=items))
    return {
        "@context": PRESENTATION_CONTEXT,
        "id": f"{here}/manifest.json",
        "type": "Manifest",
        "label": {"none": [name]},
        "behavior": ["individuals"],
        "items": canvases,
        "structures": ranges,
    }


def _metadata(document: Document, limits: Limits) -> list[Json]:
    """What a reader of the manifest should know that no canvas shows."""
    pairs = [(("Title", "題名"), [document.info.title])] if document.info.title else []
    pairs += [(("Repaired", "修復"), [what[:500]]) for what in document.info.repaired]
    if document.attachments and limits.pages is None:
        pairs.append((("Attached files", "添付ファイル"), [attachment.name or "-" for attachment in document.attachments]))
    return [{"label": {"en": [english], "ja": [japanese]}, "value": {"none": values}} for (english, japanese), values in pairs]


def canvas_id(base: str, document: Document, page: int) -> str:
    """The address of a page's Canvas."""
    return f"{base}/presentation/3/{document.id}/canvas/{page + 1}"


def marks_address(base: str, document: Document, page: int) -> str:
    """Of the page of annotations of a Canvas."""
    return f"{base}/presentation/3/{document.id}/annotations/{page + 1}.json"


def _marks(base: str, document: Document, page: int, limits: Limits) -> list[Json]:
    return [page_reference(marks_address(base, document, page))] if limits.has_page(page) else []


def _pages_alone(document: Document) -> frozenset[int] | None:
    """Pages that viewers would pair with another and a Reader shows alone; None where turning pages makes no sense.

    Viewers pair from the second page on: the cover needs no word, nor a last page that is left over. "facing-pages" takes the
    whole opening, so that those after it begin a new one, as in `tiling.spreads`; "non-paged" would pair across it.
    """
    sizes = [(page.width_pt, page.height_pt) for page in document.info.pages]
    spreads = Spreads.of_pages(sizes).spreads
    if len(sizes) == 1 or all(width_pt > height_pt for width_pt, height_pt in sizes):
        return None
    alone: set[int] = set()
    for page, *others in reversed(spreads):
        would_pair = 0 < page < len(sizes) - 1 and page + 1 not in alone
        if not others and (would_pair or sizes[page][0] > sizes[page][1]):
            alone.add(page)
    return frozenset(alone)


def _canvas(
    base: str, document: Document, page: int, limits: Limits, *, is_alone: bool = False, canvas: str | None = None
) -> Json:
    """canvas: its address. None: that of the page in its document."""
    canvas = canvas or canvas_id(base, document, page)
    finest = document.pyramid(page).finest
    levels = _levels(document, page, limits)
    made: Json = {
        "id": canvas,
        "type": "Canvas",
        "label": {"none": [(limits.has_page(page) and document.info.pages[page].label) or str(page + 1)]},
        **({"behavior": ["facing-pages"]} if is_alone else {}),
        "width": finest.width_px,
        "height": finest.height_px,
        "thumbnail": _thumbnails(base, document, page, levels),
        "items": [{"id": f"{canvas}/page", "type": "AnnotationPage", "items": _painted(base, document, page, levels, canvas)}],
    }
    problems = document.problems.of(page) if levels else ()
    if problems:
        value = {"none": list(problems)}
        made["metadata"] = [{"label": {"en": ["Not drawn"], "ja": ["描画できなかったもの"]}, "value": value}]
    return made


def _painted(base: str, document: Document, page: int, levels: Sequence[Level], canvas: str) -> list[Json]:
    """The image on a Canvas. levels: those that the reader may have."""
    if not levels:
        return []
    service = f"{base}/iiif/3/{page_id(document, page)}"
    body = _screen_sized(levels)
    return [
        {
            "id": f"{canvas}/image",
            "type": "Annotation",
            "motivation": "painting",
            "target": canvas,
            "body": {
                "id": f"{service}/full/{body.width_px},{body.height_px}/0/default.jpg",
                "type": "Image",
                "format": "image/jpeg",
                "width": body.width_px,
                "height": body.height_px,
                "service": [{"id": service, "type": "ImageService3", "profile": "level2"}],
            },
        }
    ]


def _screen_sized(levels: Sequence[Level]) -> Level:
    allowed = [level for level in levels if level.area_px <= MAX_AREA_PX]
    return next((level for level in reversed(allowed) if level.columns == level.rows == 1), allowed[0])


def _levels(document: Document, page: int, limits: Limits) -> tuple[Level, ...]:
    """The levels of a page that the reader may have."""
    return levels_within(limits, document.pyramid(page)) if limits.has_page(page) else ()


def _thumbnails(base: str, document: Document, page: int, levels: Sequence[Level]) -> list[Json]:
    service = f"{base}/iiif/3/{page_id(document, page)}"
    return [
        {
            "id": f"{service}/full/{level.width_px},{level.height_px}/0/default.jpg",
            "type": "Image",
            "format": "image/jpeg",
            "width": level.width_px,
            "height": level.height_px,
            "service": [{"id": service, "type": "ImageService3", "profile": "level2"}],
        }
        for level in levels[:1]
    ]


def _ranges(base: str, document: Document, limits: Limits) -> list[_Range]:
    """The outline as nested ranges; entries that lead nowhere and hold nothing are left out, as are those that lead to a page
    which the reader may not have.
    """
    top: list[Json | _Range] = []
    open_ranges: list[tuple[int, _Range]] = []
    for number, item in enumerate(document.outline):
        if item.page is not None and not limits.has_page(item.page):
            continue
        address = f"{base}/presentation/3/{document.id}/range/{number + 1}"
        one = _Range(id=address, label={"none": [item.title or "-"]})
        if item.page is not None:
            one.items.append({"id": canvas_id(base, document, item.page), "type": "Canvas"})
        while open_ranges and open_ranges[-1][0] >= item.level:
            open_ranges.pop()
        (open_ranges[-1][1].items if open_ranges else top).append(one)
        open_ranges.append((item.level, one))
    return _without_empty(top)


def _without_empty(ranges: list[Json | _Range]) -> list[_Range]:
    kept = [one for one in ranges if isinstance(one, _Range)]
    for one in kept:
        one.items = [*(item for item in one.items if not isinstance(item, _Range)), *_without_empty(one.items)]
    return [one for one in kept if one.items]


def search_answer(base: str, document: Document, address: str, hits: Sequence[SearchHit]) -> Json:
    """Hits as an AnnotationPage of Content Search 2.0, each line of each hit a box on its canvas."""
    items = []
    for hit_number, hit in enumerate(hits):
        scale = document.pyramid(hit.page).finest.scale
        for box_number, (x0_pt, y0_pt, x1_pt, y1_pt) in enumerate(hit.boxes):
            x, y = round(x0_pt * scale), round(y0_pt * scale)
            width, height = max(1, round((x1_pt - x0_pt) * scale)), max(1, round((y1_pt - y0_pt) * scale))
            items.append(
                {
                    "id": f"{base}/search/2/{document.id}/hit/{hit_number + 1}-{box_number + 1}",
                    "type": "Annotation",
                    "motivation": "supplementing",
                    "body": {"type": "TextualBody", "value": hit.text, "format": "text/plain"},
                    "target": f"{canvas_id(base, document, hit.page)}#xywh={max(0, x)},{max(0, y)},{width},{height}",
                }
            )
    return {"@context": SEARCH_CONTEXT, "id": address, "type": "AnnotationPage", "items": items}


def dzi(pyramid: Pyramid, image_format: str) -> str:
    """The Deep Zoom description of a page."""
    finest = pyramid.finest
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="{image_format}" Overlap="0" '
        f'TileSize="{DZI_TILE_PX}"><Size Width="{finest.width_px}" Height="{finest.height_px}"/></Image>\n'
    )
