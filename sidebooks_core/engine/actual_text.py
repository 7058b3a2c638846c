"""Whether the engine would repeat the replacement text of a structure element. Worker side.

A structure element of a tagged PDF can give the text that its contents stand for. The engine gives this text once for each
marked content of the element on the page. An element may have a marked content for each of its lines or words.
"""

from __future__ import annotations

from sidebooks_core.engine.mupdf import as_pdf, as_pdf_page, mupdf, pymupdf

MOST_FORMS = 64
MOST_CONTENTS = 1 << 16
MOST_LEVELS = 32


def is_repeated(page: pymupdf.Page) -> bool:
    """Whether an element with a text of its own has several marked contents on a page of a PDF, those in forms included. Raises
    the engine's errors.
    """
    pdf = as_pdf(page.parent)
    root = mupdf.pdf_dict_getp(mupdf.pdf_trailer(pdf), "Root/StructTreeRoot/ParentTree")
    if not mupdf.pdf_is_dict(root):
        return False
    own = as_pdf_page(page).obj()
    return any(_repeats(root, holder) for holder in (own, *_forms(own)))


def _forms(page: mupdf.PdfObj) -> list[mupdf.PdfObj]:
    drawn = mupdf.pdf_dict_gets(mupdf.pdf_dict_gets_inheritable(page, "Resources"), "XObject")
    count = min(mupdf.pdf_dict_len(drawn), MOST_FORMS)
    return [mupdf.pdf_dict_get_val(drawn, place) for place in range(count)]


def _repeats(root: mupdf.PdfObj, holder: mupdf.PdfObj) -> bool:
    key = mupdf.pdf_dict_gets(holder, "StructParents")
    if not mupdf.pdf_is_int(key):
        return False
    parents = mupdf.pdf_lookup_number(root, mupdf.pdf_to_int(key))
    seen: set[int] = set()
    spoken: dict[int, bool] = {}
    for place in range(min(mupdf.pdf_array_len(parents), MOST_CONTENTS)):
        element = mupdf.pdf_array_get(parents, place)
        for _ in range(MOST_LEVELS):
            number = mupdf.pdf_to_num(element)
            if not number:
                break
            if number not in spoken:
                spoken[number] = bool(mupdf.pdf_is_string(mupdf.pdf_dict_gets(element, "ActualText")))
            if spoken[number]:
                if number in seen:
                    return True
                seen.add(number)
            element = mupdf.pdf_dict_gets(element, "P")
    return False
