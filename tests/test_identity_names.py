"""Which resources a page draws with, by name: what the engine finds must be digested, however it finds it.

Each case is a page with two images, one of which is drawn in a way of its own, and the same page with that one changed.
"""

from __future__ import annotations

from collections.abc import Mapping

import pymupdf
import pytest
from identity_documents import drawn, image, one_page, stream

from sidebooks_core.engine.identity.page import PdfPages
from sidebooks_core.engine.identity.pages import PageIdentifier

DRAWN = 20
FORM = "/Type/XObject/Subtype/Form/BBox[0 0 100 100]"
PATTERN = "/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 50 50]/XStep 50/YStep 50"
TYPE3 = (
    "/Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/FontMatrix[1 0 0 1 0 0]/FirstChar 97/LastChar 97/Widths[1]"
    "/Encoding<</Differences[97/A]>>/CharProcs<</A 11 0 R>>"
)
GLYPH = stream("", b"1 0 d0 /Im Do")
IMAGE = f"/XObject<</Im {DRAWN} 0 R>>"
LISTED = f"/XObject<</Im {DRAWN} 0 R/Fm 10 0 R>>"
PAINT = b"50 0 0 50 0 0 cm /Im Do"
PAINT_PATTERN = b"/Pattern cs /P scn 0 0 80 80 re f"

CASES: dict[str, tuple[bytes, str, Mapping[int, bytes]]] = {
    "named by the page": (PAINT, IMAGE, {}),
    "name escaped in the content": (b"50 0 0 50 0 0 cm /I#6d Do", IMAGE, {}),
    "name escaped in the resources": (PAINT, f"/XObject<</#49#6D {DRAWN} 0 R>>", {}),
    "name with a broken escape": (b"50 0 0 50 0 0 cm /I#6 Do", f"/XObject<</I#236 {DRAWN} 0 R/I#06 {DRAWN} 0 R>>", {}),
    "a long name": (b"50 0 0 50 0 0 cm /" + b"I" * 200 + b" Do", f"/XObject<</{'I' * 200} {DRAWN} 0 R>>", {}),
    "no blank around names": (b"50 0 0 50 0 0 cm/Im Do", IMAGE, {}),
    "named by a form without resources": (b"/Fm Do", LISTED, {10: stream(FORM, PAINT)}),
    "named by a form with other resources": (b"/Fm Do", LISTED, {10: stream(FORM + "/Resources<</Font<<>>>>", PAINT)}),
    "named by a form in a form": (
        b"/Fm Do",
        f"/XObject<</Im {DRAWN} 0 R/Fm 10 0 R/Fm2 11 0 R>>",
        {10: stream(FORM + "/Resources<</XObject<<>>>>", b"/Fm2 Do"), 11: stream(FORM, PAINT)},
    ),
    "found on the way to a form": (
        b"/Fm Do",
        "/XObject<</Fm 10 0 R/Fm2 11 0 R/Im 21 0 R>>",
        {10: stream(FORM + f"/Resources<</XObject<</Im {DRAWN} 0 R>>>>", b"/Fm2 Do"), 11: stream(FORM, PAINT)},
    ),
    "named by a pattern": (
        PAINT_PATTERN,
        "/Pattern<</P 10 0 R>>",
        {10: stream(PATTERN + f"/Resources<<{IMAGE}>>", PAINT)},
    ),
    "named by a pattern without resources": (
        PAINT_PATTERN,
        f"/Pattern<</P 10 0 R>>{IMAGE}",
        {10: stream(PATTERN, PAINT)},
    ),
    "named by a page's pattern painted in a form": (
        b"/Pattern cs /P scn /Fm Do",
        "/Pattern<</P 10 0 R>>/XObject<</Fm 11 0 R/Im 21 0 R>>",
        {
            10: stream(PATTERN + "/Resources<</Font<<>>>>", PAINT),
            11: stream(FORM + f"/Resources<<{IMAGE}>>", b"0 0 80 80 re f"),
        },
    ),
    "named by a Type 3 glyph": (
        b"BT /F 50 Tf 10 10 Td (a) Tj ET",
        "/Font<</F 10 0 R>>",
        {10: f"<<{TYPE3}/Resources<<{IMAGE}>>>>".encode(), 11: GLYPH},
    ),
    "named by a Type 3 glyph of a font without resources": (
        b"BT /F 50 Tf 10 10 Td (a) Tj ET",
        f"/Font<</F 10 0 R>>{IMAGE}",
        {10: f"<<{TYPE3}>>".encode(), 11: GLYPH},
    ),
    "named by a soft mask without resources": (
        b"/G gs 0 0 80 80 re f",
        f"/ExtGState<</G<</SMask<</S/Luminosity/G 10 0 R>>>>>>{IMAGE}",
        {10: stream(FORM + "/Group<</S/Transparency/CS/DeviceRGB>>", PAINT)},
    ),
    "drawn by an annotation without resources": (
        b"",
        IMAGE,
        {10: stream(FORM, PAINT), 11: b"<</Type/Annot/Subtype/Stamp/Rect[0 0 100 100]/F 4/AP<</N 10 0 R>>>>"},
    ),
    "drawn by an annotation in its present state": (
        b"",
        "",
        {
            10: stream(FORM + f"/Resources<<{IMAGE}>>", PAINT),
            11: b"<</Type/Annot/Subtype/Stamp/Rect[0 0 100 100]/F 4/AS/A/AP<</N<</A 10 0 R>>>>>>",
        },
    ),
    "a glyph whose name is that of a key left out elsewhere": (
        b"BT /F 50 Tf 10 10 Td (a) Tj ET",
        "/Font<</F 10 0 R>>",
        {
            10: f"<<{TYPE3.replace('/A', '/Metadata')}/Resources<<{IMAGE}>>>>".encode(),
            11: GLYPH,
        },
    ),
    "colour space named by an inline image": (
        b"q 50 0 0 50 0 0 cm BI /W 2 /H 1 /BPC 8 /CS /Cs ID \x00\x01 EI Q",
        "/ColorSpace<</Cs[/Indexed/DeviceRGB 1 30 0 R]>>",
        {},
    ),
    "shading named by sh": (
        b"/S sh",
        "/Shading<</S<</ShadingType 1/ColorSpace/DeviceRGB/Domain[0 100 0 100]/Function 31 0 R>>>>",
        {},
    ),
}


UNCERTAIN = {"name with a broken escape", "a long name"}
"""What the engine makes of these does not matter."""


def variant(case: str, changed: bool) -> pymupdf.Document:
    content, resources, more = CASES[case]
    objects = {
        **more,
        DRAWN: image(91 if changed else 37),
        21: image(55),
        30: stream("", b"\xff\x00\x00\x00\x00\xff" if changed else b"\x00\xff\x00\xff\xff\x00"),
        31: stream("/FunctionType 4/Domain[0 100 0 100]/Range[0 1 0 1 0 1]", b"{100 div exch 100 div 0}")
        if changed
        else stream("/FunctionType 4/Domain[0 100 0 100]/Range[0 1 0 1 0 1]", b"{100 div exch 100 div 1}"),
    }
    page = "/Annots[11 0 R]" if "annotation" in case else ""
    return pymupdf.open("pdf", one_page(content, resources, page, objects))


def content_id(document: pymupdf.Document) -> str:
    return PageIdentifier(document, "digest", "pdf").content_id(0)


@pytest.mark.parametrize("case", CASES)
def test_what_the_engine_finds_is_digested(case: str) -> None:
    one, other = variant(case, False), variant(case, True)
    shows = drawn(one, 0) != drawn(other, 0)
    assert shows or case in UNCERTAIN, "the image is not drawn: the test is void"
    assert content_id(one) != content_id(other)
    again = pymupdf.open("pdf", variant(case, False).tobytes(garbage=3, deflate=True))
    assert content_id(again) == content_id(one)
    PdfPages(one).drawing(0)  # nothing fell back to the document's digest


def test_the_engine_draws_no_link_and_no_popup() -> None:
    """They are not digested. Should a later engine draw them, they must be."""
    for kind in ("Link/Border[0 0 9]/C[1 0 0]", "Popup/Open true/Contents(note)"):
        annotation = f"<</Type/Annot/Subtype/{kind}/Rect[0 0 90 90]/F 4/AP<</N 10 0 R>>>>".encode()
        more = {10: stream(FORM, b"1 0 0 rg 0 0 100 100 re f"), 11: annotation}
        with_it = pymupdf.open("pdf", one_page(b"", "", "/Annots[11 0 R]", more))
        assert drawn(with_it, 0) == drawn(pymupdf.open("pdf", one_page(b"")), 0)


def test_a_loop_has_an_id_that_does_not_depend_on_numbers() -> None:
    def loop(first: int, second: int, shade: bytes) -> pymupdf.Document:
        objects = {
            first: stream(FORM + f"/Resources<</XObject<</B {second} 0 R>>>>", b"/B Do 0 0 10 10 re f"),
            second: stream(FORM + f"/Resources<</XObject<</A {first} 0 R>>>>", b"/A Do " + shade + b" g 20 20 9 9 re f"),
        }
        return pymupdf.open("pdf", one_page(b"/A Do", f"/XObject<</A {first} 0 R>>", "", objects))

    assert content_id(loop(10, 11, b"0")) == content_id(loop(15, 12, b"0"))
    assert content_id(loop(10, 11, b"0")) != content_id(loop(10, 11, b"0.5"))
    PdfPages(loop(10, 11, b"0")).drawing(0)


def test_a_dictionary_that_lists_its_own_forms_is_no_trouble() -> None:
    """Forms that all carry the page's dictionary, themselves in it."""
    forms = {10 + k: stream(FORM + "/Resources 9 0 R", b"%d 0 10 10 re f" % k) for k in range(300)}
    listed = "".join(f"/Fm{k} {10 + k} 0 R" for k in range(300))
    document = one_page(b"/Fm7 Do", "", "", {9: f"<</XObject<<{listed}>>>>".encode(), **forms})
    document = document.replace(b"/Resources<<>>", b"/Resources 9 0 R")
    PdfPages(pymupdf.open("pdf", document)).drawing(0)


NET = "".join(f"/A{j} {10 + j} 0 R" for j in range(40))
HOSTILE = {
    "a chain of forms": one_page(
        b"/F Do",
        "/XObject<</F 10 0 R>>",
        "",
        {10 + k: stream(FORM + f"/Resources<</XObject<</F {11 + k} 0 R>>>>", b"/F Do") for k in range(3000)},
    ),
    "an array in arrays": one_page(b"/G gs", "/ExtGState<</G 10 0 R>>", "", {10: b"<</D" + b"[" * 450 + b"]" * 450 + b">>"}),
    "a net of loops": one_page(
        b"/A0 Do",
        "/XObject<</A0 10 0 R>>",
        "",
        {
            10 + k: stream(FORM + f"/Resources<</XObject<<{NET}>>>>", b" ".join(b"/A%d Do" % j for j in range(40)))
            for k in range(40)
        },
    ),
    "a bomb of content": one_page(b"").replace(stream("", b""), stream("", b"0 0 9 9 re f " * (5 << 20), deflate=True)),
    "a reference to itself": one_page(b"/G gs", "/ExtGState 10 0 R", "", {10: b"10 0 R"}),
    "a page without anything": one_page(b"").replace(b"/Contents 4 0 R", b"/Contents 99 0 R/Annots 98 0 R/Group 97 0 R"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.timeout(20)
def test_a_hostile_page_has_an_id_in_bounded_time(data: bytes) -> None:
    one, other = (PageIdentifier(pymupdf.open("pdf", data), digest, "pdf").content_id(0) for digest in ("a", "b"))
    assert len(one) == len(other) == 32
