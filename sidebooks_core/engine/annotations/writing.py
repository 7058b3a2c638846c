"""Writes annotations into a copy of a PDF, or draws them into its pages. Worker side.

All that a PDF had stays as it was: the file is the old one, with what is new behind it. So a signature still holds for what it
was given to, and the answer of a worker is short. A file that is damaged is written anew as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from msgspec import Struct

from sidebooks_core.documents.annotations import Annotation, Changes
from sidebooks_core.documents.syntax.pdf_date import to_pdf_date
from sidebooks_core.engine.annotations.appearances import Look, components_of, corners, look_of
from sidebooks_core.engine.annotations.hanging import Away, hang, listed_often
from sidebooks_core.engine.annotations.letters import Letters
from sidebooks_core.engine.annotations.listing import append, contents_of, has_words
from sidebooks_core.engine.annotations.plane import Plane, moved, plane_of, written
from sidebooks_core.engine.mupdf import RawObj, mupdf, owned, parsed
from sidebooks_core.engine.pdf.objects import items
from sidebooks_core.engine.pdf.resources import copied, new_stream

_PRINTED = 4
"""The flag of an annotation that is printed, too."""
PRESSURES = "SDBK_Pressures"
"""Our own entry of an ink annotation: the pressure at each point, stroke after stroke. PDF knows none."""
ORIGIN = "SDBK_Mark"
"""Our own entry of an annotation: see `Annotation.origin`."""
NOTE, BOOKMARK = "Note", "Bookmark"
"""Names of the icons of annotations that are notes and bookmarks."""
_SUBTYPES = {
    "ink": "Ink",
    "highlight": "Highlight",
    "underline": "Underline",
    "strikeout": "StrikeOut",
    "note": "Text",
    "stamp": "Stamp",
    "bookmark": "Text",
}
_ICONS = {"note": NOTE, "bookmark": BOOKMARK, "stamp": "Draft"}
_TURNED = "Stamp"
"""What a note or a bookmark is on a page that is rotated, or has a unit of its own. Viewers do not agree where they show a text
annotation there: some turn it with the page, some about its upper left corner, and the engine takes the unit twice."""


class _Placed(Struct, frozen=True):
    """An annotation with its appearance in the file."""

    annotation: Annotation
    look: Look
    form: mupdf.PdfObj
    plane: Plane


class _Page(Struct, frozen=True):
    object: mupdf.PdfObj
    placed: list[_Placed]
    away: Away


def annotate(pdf: mupdf.PdfDocument, changes: Changes) -> None:
    """Change the annotations of a PDF that is open. Raises the engine's errors, IndexError for a page that it does not have.

    If they become part of what the pages draw, what they say and do not show stands on pages behind the others.
    """
    letters = Letters()
    pages: dict[int, _Page] = {}
    for number in sorted({one.page for one in changes.added} | {page for page, _ in changes.removed + changes.replaced}):
        if number >= mupdf.pdf_count_pages(pdf):
            raise IndexError(f"there is no page {number + 1}")
        removed, replaced = (
            {place for page, place in listed if page == number} for listed in (changes.removed, changes.replaced)
        )
        pages[number] = _Page(mupdf.pdf_lookup_page_obj(pdf, number), [], Away(removed, replaced))
    told: list[tuple[int, Annotation]] = []
    for number, some in groupby(sorted(changes.added, key=lambda one: one.page), key=lambda one: one.page):
        page = pages[number]
        plane = plane_of(page.object.m_internal)
        for annotation in some:
            if changes.is_flattened and has_words(annotation):
                told.append((len(told) + 1, annotation))
                look = look_of(annotation, plane, letters, told[-1][0])
            else:
                look = look_of(annotation, plane, letters)
            page.placed.append(_Placed(annotation, look, _form(pdf, look, plane), plane))
    often = listed_often(pdf) if changes.replaced else frozenset[int]()
    listed = contents_of(told, letters)
    fonts = "".join(f"/L{number} {mupdf.pdf_to_num(font)} 0 R" for number, font in enumerate(letters.fonts(pdf)))
    for page in pages.values():
        for one in page.placed:
            if one.look.has_letters:
                mupdf.pdf_dict_puts(mupdf.pdf_dict_gets(one.form, "Resources"), "Font", parsed(pdf, f"<<{fonts}>>"))
        if changes.is_flattened:
            _draw(pdf, page)
        if page.away.removed or page.away.replaced or not changes.is_flattened:
            made = [] if changes.is_flattened else [_added(pdf, one, page) for one in page.placed]
            hang(pdf, page.object, page.away, made, often)
    for content in listed:
        append(pdf, content, fonts)


def _form(pdf: mupdf.PdfDocument, look: Look, plane: Plane) -> mupdf.PdfObj:
    """A form that shows a look at its place on the page. Returns a reference."""
    state = ""
    content = look.content
    if look.opacity < 1 or look.is_multiplied:
        blend = "/BM/Multiply" if look.is_multiplied else ""
        state = f"/ExtGState<</G<</Type/ExtGState/ca {written(look.opacity)}/CA {written(look.opacity)}{blend}>>>>"
        content = f"/G gs\n{content}"
    described = (
        f"<</Type/XObject/Subtype/Form/BBox[{written(*look.box)}]/Matrix[{written(*plane.to_pdf)}]/Resources<<{state}>>>>"
    )
    return new_stream(pdf, content.encode("ascii"), parsed(pdf, described))


def _added(pdf: mupdf.PdfDocument, one: _Placed, page: _Page) -> tuple[int, mupdf.PdfObj]:
    """A new annotation, and the place of the one that it replaces."""
    described = parsed(pdf, _described(one, mupdf.pdf_to_num(page.object)))
    return one.annotation.place, mupdf.pdf_add_object(pdf, described)


def _described(one: _Placed, page_number: int) -> str:
    """An annotation as a PDF has it."""
    annotation, look = one.annotation, one.look
    subtype = _SUBTYPES[annotation.kind]
    if subtype == "Text" and not one.plane.is_upright:
        subtype = _TURNED
    entries = [
        f"<</Type/Annot/Subtype/{subtype}/F {_PRINTED}/P {page_number} 0 R",
        f"/Rect[{written(*moved(one.plane.to_pdf, look.box))}]",
        f"/C[{written(*components_of(annotation.colour))}]/CA {written(look.opacity)}",
        f"/AP<</N {mupdf.pdf_to_num(one.form)} 0 R>>",
    ]
    strings = {"NM": annotation.name, "T": annotation.author, "Contents": annotation.text, ORIGIN: annotation.origin}
    entries += [f"/{key}{_string(value)}" for key, value in strings.items() if value]
    dates = {"M": annotation.changed_ms, "CreationDate": annotation.made_ms}
    entries += [f"/{key}({to_pdf_date(at_ms)})" for key, at_ms in dates.items() if at_ms]
    if annotation.kind in _ICONS:
        entries.append(f"/Name/{_ICONS[annotation.kind]}")
    if annotation.packed_quads:
        entries.append(f"/QuadPoints[{_points(one.plane, (point for quad in annotation.quads for point in corners(quad)))}]")
    strokes = annotation.strokes
    if strokes:
        lists = "".join(f"[{_points(one.plane, ((x, y) for x, y, _ in stroke))}]" for stroke in strokes)
        pressures = written(*(pressure for stroke in strokes for *_, pressure in stroke))
        entries.append(
            f"/InkList[{lists}]/BS<</W {written(annotation.width_pt / one.plane.unit_pt)}>>/{PRESSURES}[{pressures}]"
        )
    return "".join((*entries, ">>"))


def _points(plane: Plane, points: Iterable[tuple[float, float]]) -> str:
    return " ".join("{:.4f} {:.4f}".format(*plane.in_pdf(x, y)) for x, y in points)


def _string(value: str) -> str:
    return f"<feff{value.encode('utf-16-be', 'replace').hex()}>"


def _draw(pdf: mupdf.PdfDocument, page: _Page) -> None:
    """Draw annotations over all that a page draws. What the page does to the state of graphics does not reach them."""
    resources = mupdf.pdf_dict_gets_inheritable(page.object, "Resources")
    own = copied(pdf, resources)
    forms = copied(pdf, mupdf.pdf_dict_gets(own, "XObject"))
    taken = {mupdf.pdf_to_name(mupdf.pdf_dict_get_key(forms, place)) for place in range(mupdf.pdf_dict_len(forms))}
    free = (f"Mark{number}" for number in range(len(taken) + 1))
    begin = next(one for one in free if not any(name.startswith(f"{one}-") for name in taken))
    for number, one in enumerate(page.placed):
        mupdf.pdf_dict_puts(forms, f"{begin}-{number}", one.form)
    old = mupdf.pdf_dict_gets(page.object, "Contents")
    unopened, unclosed = mupdf.pdf_count_q_balance(pdf, resources, old)
    drawn = "\n".join(f"/{begin}-{number} Do" for number in range(len(page.placed)))
    contents = mupdf.pdf_new_array(pdf, 4)
    mupdf.pdf_array_push(contents, _content(pdf, "q\n" * (1 + unopened)))
    for stream in items(old.m_internal) if mupdf.pdf_is_array(old) else [old.m_internal]:
        _push(contents, stream)
    mupdf.pdf_array_push(contents, _content(pdf, "\nQ" * (1 + unclosed) + f"\nq\n{drawn}\nQ\n"))
    mupdf.pdf_dict_puts(own, "XObject", forms)
    mupdf.pdf_dict_puts(page.object, "Resources", own)
    mupdf.pdf_dict_puts(page.object, "Contents", contents)


def _push(contents: mupdf.PdfObj, stream: RawObj) -> None:
    if mupdf.ll_pdf_to_num(stream):  # a stream is an object with a number; all else is a fault of the file
        mupdf.pdf_array_push(contents, owned(stream))


def _content(pdf: mupdf.PdfDocument, operators: str) -> mupdf.PdfObj:
    return new_stream(pdf, operators.encode("ascii"), mupdf.pdf_new_dict(pdf, 1))
