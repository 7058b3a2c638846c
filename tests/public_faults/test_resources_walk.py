"""What a walk through the resources of a page reads: a dictionary that many objects share is listed once."""

from __future__ import annotations

import pymupdf
import pytest
from identity_documents import stream
from test_draw import one_page

from sidebooks_core.engine.mupdf import as_pdf, mupdf
from sidebooks_core.engine.pdf import resources

FORMS = range(20, 70)
NAMED = "".join(f"/F{number} {number} 0 R" for number in FORMS)


def walked(document: bytes, *, in_place: bool) -> list[resources.Entry]:
    with pymupdf.open(stream=document) as opened:
        page = mupdf.pdf_lookup_page_obj(as_pdf(opened), 0)
        return list(resources.walk([resources.of_page(page.m_internal)], most=20_000, in_place=in_place))


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    "shared",
    [
        pytest.param({"of": "12 0 R", 12: f"<</XObject<<{NAMED}>>>>"}, id="resources"),
        pytest.param({"of": "<</XObject 12 0 R>>", 12: f"<<{NAMED}>>"}, id="one category"),
    ],
)
def test_what_forms_share_is_listed_once(shared: dict[str | int, str], *, in_place: bool) -> None:
    form = stream(f"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources {shared['of']}", b"")
    more = {12: shared[12].encode(), **dict.fromkeys(FORMS, form)}
    entries = walked(one_page(b"", f"/XObject<<{NAMED}>>", more=more), in_place=in_place)
    found = [entry for entry in entries if entry.category == "XObject"]
    assert [entry.number for entry in found if entry.is_new] == list(FORMS)
    assert len(found) == 2 * len(FORMS), "of the page, and of what the forms share"


def test_fonts_that_are_written_in_their_place_do_not_lead_back_for_ever() -> None:
    fonts = "".join(f"/T{number}<</Subtype/Type3/Resources<</Font 11 0 R>>>>" for number in range(3))
    found = walked(one_page(b"", "/Font 11 0 R", more={11: f"<<{fonts}>>".encode()}), in_place=True)
    assert len(found) == 3
