"""Writes annotations into a copy of a PDF, or draws them into its pages. Worker side.

All that a PDF had stays as it was: the file is the old one, with what is new behind it. So a signature still holds for what it
was given to, and the answer of a worker is short. A file that is damaged is written anew as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import groupby

from msgspec import Struct

from sidebooks_core.documents.annotations import Annotation, Changes
from sidebooks_core.documents.syntax.pdf_date import to_pdf_date
from sidebooks_core.engine.annotations.appearances import Look, components_of, corners, look_of
from sidebooks_core.engine.annotations.letters import Letters
from sidebooks_core.engine.annotations.listing import append, contents_of, has_words
from sidebooks_core.engine.annotations.plane import Plane, moved, plane_of, written
from sidebooks_core.engine.mupdf import RawObj, mupdf, owned, parsed
from sidebooks_core.engine.pdf.objects import get, items, name
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
REPLACED = frozenset({*_SUBTYPES.values(), "FreeText", "Squiggly"})
"""Subtypes that are read as marks. A field of a form is none, nor a link: they stay whatever is written."""
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
    removed: set[int]
    """Places in its list."""
    replaced: set[int]


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
        pages[number] = _Page(mupdf.pdf_lookup_page_obj(pdf, number), [], removed, replaced)
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
    listed = contents_of(told, letters)
    fonts = "".join(f"/L{number} {mupdf.pdf_to_num(font)} 0 R" for number, font in enumerate(letters.fonts(pdf)))
    for page in pages.values():
        for one in page.placed:
            if one.look.has_letters:
                mupdf.pdf_dict_puts(mupdf.pdf_dict_gets(one.form, "Resources"), "Font", parsed(pdf, f"<<{fonts}>>"))
        if changes.is_flattened:
            _draw(pdf, page)
        if page.removed or page.replaced or not changes.is_flattened:
            _hang(pdf, page, [] if changes.is_flattened else page.placed)
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


def _hang(pdf: mupdf.PdfDocument, page: _Page, placed: list[_Placed]) -> None:
    """Give a page a list of annotations of its own: the old ones, without those that are removed, and new ones."""
    hung = mupdf.pdf_new_array(pdf, len(placed))
    listed = list(items(get(page.object.m_internal, "Annots")))
    removed, replaced = (
        {place for place in places if place < len(listed) and name(get(listed[place], "Subtype")) in REPLACED}
        for places in (page.removed, page.replaced)
    )
    kept = [owned(one) for one in _kept(listed, removed, replaced)]
    for annotation in kept:
        mupdf.pdf_array_push(hung, annotation)
    made: dict[int, mupdf.PdfObj] = {}
    for one in placed:
        added = mupdf.pdf_add_object(pdf, parsed(pdf, _described(one, mupdf.pdf_to_num(page.object))))
        mupdf.pdf_array_push(hung, added)
        made[one.annotation.place] = added
    answered = {mupdf.ll_pdf_to_num(listed[place]): made.get(place) for place in replaced}
    for annotation in kept:
        _answer(annotation, answered)
    mupdf.pdf_dict_puts(page.object, "Annots", hung)


def _answer(annotation: mupdf.PdfObj, answered: Mapping[int, mupdf.PdfObj | None]) -> None:
    """Let an annotation that replies to one that is replaced reply to what takes its place, or to nothing.

    answered: what takes the place of annotations, by their numbers.
    """
    number = mupdf.ll_pdf_to_num(get(annotation.m_internal, "IRT"))
    if not number or number not in answered:
        return
    made = answered[number]
    if made is None:
        mupdf.pdf_dict_dels(annotation, "IRT")
        mupdf.pdf_dict_dels(annotation, "RT")
    else:
        mupdf.pdf_dict_puts(annotation, "IRT", made)


def _kept(listed: Sequence[RawObj], removed: Set[int], replaced: Set[int]) -> Iterator[RawObj]:
    """The annotations of a page without some, and without the windows that show these and the replies to those removed."""
    gone = {*removed, *replaced}
    below: dict[int, list[int]] = {}
    for place, one in enumerate(listed if gone else ()):
        below.setdefault(_above(one), []).append(place)
    waiting = list(removed)
    while waiting:
        number = mupdf.ll_pdf_to_num(listed[waiting.pop()])
        more = below.pop(number, []) if number else []
        waiting += [place for place in more if place not in gone]
        gone.update(more)
    for number in {mupdf.ll_pdf_to_num(listed[place]) for place in replaced} - {0}:
        gone.update(one for one in below.get(number, ()) if name(get(listed[one], "Subtype")) == "Popup")
    return (one for place, one in enumerate(listed) if place not in gone)


def _above(annotation: RawObj) -> int:
    """The number of the annotation to which it replies, or whose window it is; 0: it stands alone."""
    if name(get(annotation, "Subtype")) == "Popup":
        return mupdf.ll_pdf_to_num(get(annotation, "Parent"))
    if name(get(annotation, "Subtype")) not in REPLACED or name(get(annotation, "RT")) == "Group":
        return 0
    return mupdf.ll_pdf_to_num(get(annotation, "IRT"))


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
