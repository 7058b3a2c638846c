"""The list of annotations of a page: some go, others come in their place, and what was said to those stays. Worker side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from msgspec import Struct

from sidebooks_core.engine.mupdf import RawObj, mupdf, owned
from sidebooks_core.engine.pdf.objects import get, items, name
from sidebooks_core.engine.pdf.resources import copied

REPLACED = frozenset({"Ink", "Highlight", "Underline", "StrikeOut", "Text", "Stamp", "FreeText", "Squiggly"})
"""Subtypes that are read as marks. A field of a form is none, nor a link: they stay whatever is written."""


class Away(Struct, frozen=True):
    """What leaves the list of a page: places in it."""

    removed: Set[int]
    """With what was replied to them."""
    replaced: Set[int]


def listed_often(pdf: mupdf.PdfDocument) -> frozenset[int]:
    """The numbers of annotations that several pages list."""
    seen, often = set[int](), set[int]()
    for number in range(mupdf.pdf_count_pages(pdf)):
        try:
            page = mupdf.pdf_lookup_page_obj(pdf, number)
        except mupdf.FzErrorBase:
            continue  # nobody reads the annotations of a page that is not found
        own = {mupdf.ll_pdf_to_num(one) for one in items(get(page.m_internal, "Annots"))} - {0}
        often |= seen & own
        seen |= own
    return frozenset(often)


def hang(
    pdf: mupdf.PdfDocument, page: mupdf.PdfObj, away: Away, made: Sequence[tuple[int, mupdf.PdfObj]], often: Set[int]
) -> None:
    """Give a page a list of annotations of its own: the old ones, without those that go, and new ones.

    made: new ones, each with the place of the one that it replaces, or -1. often: see `listed_often`.
    """
    listed = list(items(get(page.m_internal, "Annots")))
    removed, replaced = (
        {place for place in places if place < len(listed) and name(get(listed[place], "Subtype")) in REPLACED}
        for places in (away.removed, away.replaced)
    )
    kept = [owned(one) for one in _kept(listed, removed, replaced)]
    by_place = dict(made)
    instead = {number: by_place.get(place) for place in replaced if (number := mupdf.ll_pdf_to_num(listed[place]))}
    _answer(pdf, page, kept, instead, often)
    hung = mupdf.pdf_new_array(pdf, len(kept) + len(made))
    for annotation in (*kept, *(one for _, one in made)):
        mupdf.pdf_array_push(hung, annotation)
    mupdf.pdf_dict_puts(page, "Annots", hung)


def _answer(
    pdf: mupdf.PdfDocument,
    page: mupdf.PdfObj,
    kept: list[mupdf.PdfObj],
    instead: Mapping[int, mupdf.PdfObj | None],
    often: Set[int],
) -> None:
    """Let annotations that reply to one that is replaced reply to what takes its place, or to nothing.

    instead: what takes the place of annotations, by their numbers. One that has none, because it is written into the list
    itself, is not among them: nothing can reply to it. What other pages list, too, stays as it is for them, and
    the page gets copies of it.
    """
    links: dict[int, mupdf.PdfObj | None] = dict(instead)
    below = _below([one.m_internal for one in kept], instead)
    for place in below:
        number = mupdf.pdf_to_num(kept[place])
        if number and number not in often:
            continue
        copy = mupdf.pdf_add_object(pdf, copied(pdf, kept[place]))
        mupdf.pdf_dict_puts(copy, "P", page)
        kept[place] = copy
        if number:
            links[number] = copy
    for place in below:
        for key in ("IRT", "Parent", "Popup"):
            number = mupdf.ll_pdf_to_num(get(kept[place].m_internal, key))
            if not number or number not in links:
                continue
            linked = links[number]
            if linked is not None:
                mupdf.pdf_dict_puts(kept[place], key, linked)
            elif key == "IRT":
                mupdf.pdf_dict_dels(kept[place], key)
                mupdf.pdf_dict_dels(kept[place], "RT")


def _below(kept: Sequence[RawObj], numbers: Iterable[int]) -> list[int]:
    """The places of those that hang below some annotations, however deep."""
    under: dict[int, list[int]] = {}
    for place, one in enumerate(kept):
        key = "Parent" if name(get(one, "Subtype")) == "Popup" else "IRT"
        under.setdefault(mupdf.ll_pdf_to_num(get(one, key)), []).append(place)
    found: list[int] = []
    waiting = [one for one in numbers if one]
    while waiting:
        more = under.pop(waiting.pop(), [])
        found += more
        waiting += [number for place in more if (number := mupdf.ll_pdf_to_num(kept[place]))]
    return found


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
