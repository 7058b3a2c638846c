"""Transfer functions: what they reach is drawn with them, and what they do not reach is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pymupdf
import pytest
from identity_documents import pdf, stream
from test_draw import one_page
from transfer_files import (
    COLOURED,
    DRAWS_20,
    FORM_RESOURCES,
    INVERTS,
    RAMP,
    SETS,
    SHOWS,
    SQUARES,
    TYPE_3,
    assert_near,
    drawn,
    form,
    is_transfer_told,
    transferred,
)

from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.opening import open_document
from sidebooks_core.engine.pdf import faults as page_faults
from sidebooks_core.engine.transfer import applying as transfer

CALCULATES = stream("/FunctionType 4/Domain[0 1]/Range[0 1]", b"{1 exch sub}")
SAMPLED = stream("/FunctionType 0/Domain[0 1]/Range[0 1]/Size[3]/BitsPerSample 8", bytes([255, 64, 0]))


SQUARES_OF_GREY = (
    b"/G gs 0 0 50 50 re f .8 g 50 0 50 50 re f q /Off gs 100 0 50 50 re f Q 150 0 50 50 re f 1 .5 0 rg 200 0 50 50 re f"
)
IMAGES = b"q /G gs q 200 0 0 50 0 0 cm /I Do Q q 50 0 0 50 200 0 cm /C Do Q Q q 150 0 0 50 250 0 cm /C Do Q"


@pytest.mark.parametrize(
    ("entry", "functions"),
    [
        ("/TR 10 0 R", [INVERTS]),
        ("/TR 10 0 R", [CALCULATES]),
        ("/TR2 10 0 R/TR/Identity", [INVERTS]),
        ("/TR[10 0 R 10 0 R 10 0 R 10 0 R]", [INVERTS]),
    ],
)
def test_a_transfer_function_that_inverts(entry: str, functions: list[bytes]) -> None:
    assert_near(transferred(entry, functions, SQUARES_OF_GREY), [255, 51, 204, 51, (0, 128, 255)])
    assert_near(transferred(entry, functions, IMAGES), [255, 191, 127, 0, (0, 127, 255), (255, 128, 0)])


def test_a_transfer_function_of_a_curve_and_of_one_colour() -> None:
    assert_near(transferred("/TR 10 0 R", [SQUARES], IMAGES), [0, 16, 64, 255, (255, 64, 0), (255, 128, 0)])
    assert_near(transferred("/TR 10 0 R", [SAMPLED], SQUARES_OF_GREY), [255, 26, 204, 26, (0, 64, 255)])
    one = "/TR[10 0 R/Identity/Identity/Identity]"
    assert_near(transferred(one, [INVERTS], SQUARES_OF_GREY), [0, 204, 204, 204, (0, 128, 0)])


def test_a_transfer_function_of_a_bilevel_scan() -> None:
    content = b"q /G gs q 200 0 0 50 0 0 cm /B Do Q Q q 200 0 0 50 200 0 cm /B Do Q"
    assert transferred("/TR 10 0 R", [INVERTS], content) == [
        (value, value, value) for value in (0, 255, 0, 255, 255, 0, 255, 0)
    ]


def test_a_transfer_function_is_of_the_colours_of_the_screen() -> None:
    """Which have no inks: black of 0.2 is the grey of a screen, and its opposite is dark, not black."""
    content = b"0 0 0 .2 k 0 0 50 50 re f /G gs 50 0 50 50 re f 0 0 0 .2 k 100 0 50 50 re f q 0 1 1 0 k 150 0 50 50 re f Q"
    plain, *inverted = transferred("/TR 10 0 R", [INVERTS], content + b" /Off gs 200 0 50 50 re f")
    assert_near(inverted[:2], [(255 - plain[0], 255 - plain[1], 255 - plain[2])] * 2)
    assert inverted[2][0] < 40 < 200 < min(inverted[2][1:]), "red becomes cyan"
    assert_near(inverted[3:4], [plain])


@pytest.mark.parametrize("entry", ["/TR/Identity", "/TR2/Default/TR 10 0 R", "/TR 99 0 R", "/TR(no function)"])
def test_no_transfer_function(entry: str) -> None:
    assert_near(transferred(entry, [INVERTS], SQUARES_OF_GREY), [0, 204, 204, 204, (255, 128, 0)])


INLINE = {
    "what touches its end": b"/W 1/H 1/BPC 8/CS/G ID \x80EI",
    "what touches its end, as text": b"/W 1/H 1/BPC 8/CS/G/F/AHx ID 80>EI",
    "its end within it": b"/W 6/H 1/BPC 8/CS/G ID \x80 EI q EI",
    "its end within its text": b"/W 1/H 1/BPC 8/CS/G/F[/A85]ID J,\nEI\n~>EI",
    "packed samples": b"/W 1/H 1/BPC 8/CS/G/F/RL/DP<</K 1>>ID \x00\x80\x80\nEI",
    "a palette": b"/W 1/H 1/BPC 8/CS[/I/RGB 0<808080>]ID \x00EI",
    "packed samples and what is no text": b"/W 1/H 1/BPC 8/CS/G/F/RL ID \x00\x80\x80 EI Q %\xe9\nq",
    "packed samples that touch a name": b"/W 1/H 1/BPC 8/CS/G/F/RL ID \x00\x80\x80 EI/Off gs",
    "packed samples and zeros": b"/W 1/H 1/BPC 8/CS/G/F/RL ID \x00\x80\x80 EI Q\0\0\0 q",
    "bits of a mask": b"/W 9/H 1/IM true ID \x00\x00EI",
}


@pytest.mark.parametrize("case", INLINE)
def test_what_follows_an_inline_image_has_its_transfer_function(case: str) -> None:
    content = b"q 50 0 0 50 100 0 cm BI " + INLINE[case] + b" Q /G gs 0 0 50 50 re f .8 g 50 0 50 50 re f"
    content += b" /Off gs q 50 0 0 50 100 0 cm BI /W 1/H 1/BPC 8/CS/G ID \x80 EI Q"
    found, told = drawn(one_page(content, "/ExtGState<</G<</TR 10 0 R>>/Off<</TR/Identity>>>>", more={10: INVERTS}))
    assert_near(found[:2], [255, 51])
    assert not told


def test_a_page_is_drawn_the_same_whichever_was_drawn_before() -> None:
    """A form written in place has no number, as the resources of the next page have none."""
    resources = "/ExtGState<</G<</TR 10 0 R>>>>"
    first = f"{resources}/XObject<</Fm<</Subtype/Form/BBox[0 0 9 9]/Resources<<>>>>>>"
    content = stream("", b"/G gs .8 g 0 0 50 50 re f /Fm Do")
    pages = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R 6 0 R]/Count 2/MediaBox[0 0 400 400]>>",
        3: f"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<<{first}>>>>".encode(),
        4: content,
        6: f"<</Type/Page/Parent 2 0 R/Contents 7 0 R/Resources<<{resources}>>>>".encode(),
        7: stream("", b"/G gs .8 g 0 0 50 50 re f"),
        10: INVERTS,
    }
    assert_near(drawn(pdf(pages), 1)[0], [51])
    assert_near(drawn(pdf(pages), 0, 1)[0], [51])


OPERANDS = [b"/G 5 gs .8 g", b"/G gs 0.5-1 g", b"/G gs .3 .8 g", b"/G gs -1 g", b"/G gs .5 1 rg", b"/G gs 1 g g", b"/G gs Q"]
OPERANDS += [b"/G gs <</A 1>> .8 g", b"/G gs [1] .8 g", b"/G gs .8 g Q", b"/G gs .8 g Q .8 g Q", b"q /G gs Q Q /G gs .8 g Q"]


@pytest.mark.parametrize("operators", OPERANDS)
def test_operands_are_read_as_the_engine_reads_them(operators: bytes) -> None:
    content = operators + b" 0 0 50 50 re f"
    (plain, _), (found, told) = (
        drawn(one_page(content, f"/ExtGState<</G<</TR {function}>>>>", more={10: INVERTS})) for function in ("null", "10 0 R")
    )
    assert_near(found, [tuple(255 - value for value in plain[0])])
    assert not told


WITHIN_FORMS: dict[str, tuple[bytes, dict[int, Callable[[bytes], bytes]]]] = {
    "the page sets it and the form paints": (b"/G gs /Fm30 Do", {30: form}),
    "the form sets it for itself": (b"/Fm30 Do", {30: lambda painted: form(b"/G gs " + painted, FORM_RESOURCES)}),
    "the form sets it and one within it paints": (
        b"/Fm30 Do",
        {30: lambda _: form(b"/G gs /Fm31 Do", FORM_RESOURCES), 31: lambda painted: form(painted, FORM_RESOURCES)},
    ),
    "the form within sets it": (
        b"/Fm30 Do",
        {30: lambda _: form(b"q /Fm31 Do Q", FORM_RESOURCES), 31: lambda painted: form(b"/G gs " + painted, FORM_RESOURCES)},
    ),
}


@pytest.mark.parametrize("case", WITHIN_FORMS)
def test_a_transfer_function_in_forms(case: str) -> None:
    content, makers = WITHIN_FORMS[case]
    for painted, right in (
        (b"0 0 50 50 re f .8 g 50 0 50 50 re f q /Off gs 100 0 50 50 re f Q 150 0 50 50 re f", [255, 51, 204, 51]),
        (b"q 200 0 0 50 0 0 cm /I Do Q q 50 0 0 50 200 0 cm /C Do Q", [255, 191, 127, 0, (0, 127, 255)]),
    ):
        forms = {number: make(painted) for number, make in makers.items()}
        assert_near(transferred("/TR 10 0 R", [INVERTS], content, forms), right)


def test_a_form_is_drawn_with_the_function_of_its_place_and_no_other() -> None:
    forms = {30: form(b"0 0 50 50 re f")}
    content = b"/Fm30 Do q /G gs 1 0 0 1 50 0 cm /Fm30 Do Q 1 0 0 1 100 0 cm .8 g /Fm30 Do /G gs 1 0 0 1 50 0 cm /Fm30 Do"
    assert_near(transferred("/TR 10 0 R", [INVERTS], content, forms), [0, 255, 204, 51])


def test_forms_that_draw_each_other_with_a_transfer_function() -> None:
    """What stands for a form would draw the form itself, without the function, where the engine refuses it."""
    resources = FORM_RESOURCES.replace("/Fm31 31 0 R", "/Fm30 30 0 R/Fm31 31 0 R")
    forms = {
        30: form(b"/G gs .8 g 0 0 50 50 re f .8 g /Fm31 Do", resources),
        31: form(b".8 g 50 0 50 50 re f /Fm30 Do", resources),
    }
    assert_near(transferred("", [INVERTS], b"/Fm30 Do", forms), [51, 51])
    itself = {30: form(b"/G gs .8 g 0 0 50 50 re f /Fm30 Do", resources)}
    assert_near(transferred("", [INVERTS], b"/Fm30 Do", itself), [51])


@pytest.mark.parametrize(
    "content", [b"/Fm30 Do 1 0 0 1 50 0 cm /Fm31 Do", b"1 0 0 1 50 0 cm /Fm31 Do 1 0 0 1 -50 0 cm /Fm30 Do"]
)
def test_a_form_without_resources_has_those_of_its_place_in_any_order(content: bytes) -> None:
    """Form 31 means another graphics state by the name."""
    other = "/Resources<</ExtGState<</G<</TR/Identity>>>>/XObject<</Fm30 30 0 R>>>>"
    forms = {30: form(b"/G gs 0 g 0 0 50 50 re f"), 31: form(b"/Fm30 Do", other)}
    assert_near(transferred("/TR 10 0 R", [INVERTS], content, forms), [255, 0])


OUTER = "/ExtGState<</G<</TR 10 0 R>>/Off<</TR/Identity>>>>/XObject<</A 30 0 R/B 31 0 R/I 20 0 R/C 21 0 R>>"
SURROUNDINGS: dict[str, tuple[bytes, bytes, bytes, list[int | tuple[int, int, int]]]] = {
    "an image": (b"/G gs /A Do", b"q 200 0 0 50 0 0 cm /I Do Q", b"", [255, 191, 127, 0]),
    "a function": (b"/A Do", b"/G gs 0 0 50 50 re f .8 g 50 0 50 50 re f", b"", [255, 51]),
    "no function": (b"/G gs /A Do", b"/Off gs 0 g 0 0 50 50 re f .8 g 50 0 50 50 re f", b"", [0, 204]),
    "the colour of its place": (b"/G gs .8 g /A Do", b"0 0 50 50 re f /Off gs 50 0 50 50 re f", b"", [51, 204]),
    "a form": (b"/G gs .8 g /A Do", b"/B Do", b"0 0 50 50 re f /Off gs 50 0 50 50 re f", [51, 204]),
    "a form that names an image": (b"/G gs /A Do", b"/B Do", b"q 50 0 0 50 0 0 cm /C Do Q", [(0, 127, 255)]),
    "a form that sets a function": (b".8 g /A Do /Off gs 50 0 50 50 re f", b"/B Do 0 0 50 50 re f", b"/G gs", [204, 204]),
}


@pytest.mark.parametrize("case", SURROUNDINGS)
@pytest.mark.parametrize("own", ["<<>>", "<</ExtGState<</Other<</LW 2>>>>/XObject<</X 20 0 R>>>>"])
def test_a_form_finds_names_in_its_surroundings(own: str, case: str) -> None:
    """As the engine and PDFium look for a name that the form's own resources lack."""
    content, first, second, right = SURROUNDINGS[case]
    forms = {30: form(first, f"/Resources{own}"), 31: form(second, f"/Resources{own}")}
    found, told = drawn(one_page(content, OUTER, more={10: INVERTS, 20: RAMP, 21: COLOURED, **forms}))
    assert_near(found, right)
    assert not told


def test_a_form_that_finds_names_in_its_surroundings_is_drawn_by_those_of_each_place() -> None:
    own = "/Resources<<>>"
    forms = {
        30: form(b"0 g /G gs 0 0 50 50 re f", own),
        31: form(b"/A Do", "/Resources<</ExtGState<</G<</TR/Identity>>>>>>"),
    }
    for content, right in (
        (b"/A Do 1 0 0 1 50 0 cm /B Do 1 0 0 1 50 0 cm /A Do", [255, 0, 255]),
        (b"/B Do 1 0 0 1 50 0 cm /A Do 1 0 0 1 50 0 cm /B Do", [0, 255, 0]),
    ):
        assert_near(drawn(one_page(content, OUTER, more={10: INVERTS, **forms}))[0], right)


@pytest.mark.parametrize("name", [b"I#31", b"I\xe9", b"I#8e", b"I#23x"])
def test_a_transfer_function_of_an_image_with_a_name_that_is_escaped_or_no_text(name: bytes) -> None:
    pixels = []
    for resource in (b"/G", b"/#47"):
        content = resource + b" gs q 50 0 0 50 0 0 cm /" + name + b" Do Q"
        named = {b"I#31": b"I1"}.get(name, name)
        resources = f"/ExtGState<</G<</TR 10 0 R>>>>/XObject<</{named.decode('latin-1')} 20 0 R>>"
        pixels += drawn(one_page(content, resources.replace("\xe9", "#e9"), more={10: INVERTS, 20: COLOURED}))[0][:1]
    assert_near(pixels, [(0, 127, 255)] * 2)


def test_a_rewritten_page_is_as_it_was_afterwards() -> None:
    """Its images have the names that what stands for them would have."""
    names = "".join(f"/transferred{number} 20 0 R" for number in range(100))
    page = f"/Resources<</ExtGState<</G<</TR 10 0 R>>>>/XObject<<{names}>>>>"
    document = open_document(
        Source(
            pdf(
                {
                    1: b"<</Type/Catalog/Pages 2 0 R>>",
                    2: f"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 8 8]{page}>>".encode(),
                    3: b"<</Type/Page/Parent 2 0 R/Contents 4 0 R>>",
                    4: stream("", b"q 8 0 0 4 0 0 cm /transferred1 Do Q q /G gs 8 0 0 4 0 4 cm /transferred1 Do Q"),
                    10: INVERTS,
                    20: RAMP,
                }
            )
        ),
        password=None,
        name="paper",
        limits=Limits(),
    )
    numbers = range(1, document.handle.xref_length())
    before = [document.handle.xref_object(number) for number in numbers]
    drawn = pymupdf.Pixmap(document.display_list(0).get_pixmap(), 0)
    assert [drawn.pixel(1, row)[0] for row in (2, 6)] == [255, 0]
    assert [document.handle.xref_object(number) for number in numbers] == before
    document.close()


SHADED = form(b"/Sh sh", "/Resources<</Shading<</Sh 12 0 R>>>>")
TILE = "/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 9 9]/XStep 9/YStep 9"
LOOK = "/Annots[<</Type/Annot/Subtype/Stamp/Rect[0 0 9 9]/AP<</N 21 0 R>>>>]"
PATTERN_13 = "/Pattern<</P 13 0 R>>"
MASKED = "/ExtGState<</M<</SMask<</S/Luminosity/G 20 0 R>>>>>>"
MASKED_FORM = form(b"/M gs 0 0 5 5 re f", f"/Resources<<{MASKED}>>")
OF_SHADING = "<</PatternType 2/Shading 12 0 R/ExtGState<</TR 10 0 R>>>>"
RECURSIVE = b"<</FunctionType 3/Domain[0 1]/Functions[10 0 R]/Bounds[]/Encode[0 1]>>"
MANY_GLYPHS = b"/CharProcs<<" + b"".join(b"/g%d 21 0 R" % number for number in range(transfer.MOST_GLYPHS))
DAMAGED = b"<</FunctionType 9/Domain[0 1]>>"
TOLD: dict[str, tuple[Any, ...]] = {
    "a shading under a function": (b"/G gs /Sh sh",),
    "a shading of a form": (b"/G gs /Fm Do", {11: SHADED}),
    "an inline image": (b"/G gs BI /W 1/H 1/BPC 8/CS/G ID \x00 EI",),
    "a colour of another space": (b"/G gs /Pattern cs 0 0 9 9 re f",),
    "a pattern that sets one": (b"/Fm Do", {13: stream(TILE + FORM_RESOURCES, b"/G gs")}, PATTERN_13),
    "a form of a pattern": (b"/Fm Do", {13: stream(TILE + DRAWS_20, b"/X Do"), 20: SETS}, PATTERN_13),
    "a form of a glyph": (SHOWS, {13: TYPE_3, 20: SETS, 21: stream("", b"1 0 d0 /X Do")}, "/Font<</T 13 0 R>>"),
    "a form of a font in its place": (SHOWS, {20: SETS, 21: stream("", b"1 0 d0 /X Do")}, f"/Font<</T{TYPE_3.decode()}>>"),
    "a coloured glyph after one that is none": (
        b"/G gs BT /P 9 Tf (a) Tj /T 9 Tf (a) Tj ET",
        {21: stream("", b"1 0 0 0 1 1 d1 0 0 1 1 re f"), 22: stream("", b"1 0 d0 0 g 0 0 1 1 re f")},
        f"/Font<</P{TYPE_3.decode()}/T{TYPE_3.decode().replace('21 0 R', '22 0 R')}>>",
    ),
    "a coloured glyph of a graphics state": (
        b"/G gs /S gs BT (a) Tj ET",
        {13: TYPE_3, 21: stream("", b"1 0 d0 0 g 0 0 1 1 re f")},
        "/ExtGState<</G<</TR 10 0 R>>/S<</Font[13 0 R 9]>>>>",
    ),
    "inks where red, green and blue are of a space": (b"/G gs 0 .5 1 0 k", {}, "/ColorSpace<</DefaultRGB/DeviceRGB>>"),
    "an inline image without an end": (b"/G gs /Off gs BI /W 1/H 1/BPC 8/CS/G/F/Fl ID \x00",),
    "a coloured glyph": (b"/G gs " + SHOWS, {13: TYPE_3, 21: stream("", b"1 0 d0 0 g 0 0 1 1 re f")}, "/Font<</T 13 0 R>>"),
    "the look of an annotation": (b"", {21: SETS}, "", LOOK),
    "a form of the look of an annotation": (b"", {20: SETS, 21: form(b"/X Do", DRAWS_20)}, "", LOOK),
    "a soft mask": (b"/Fm Do", {11: MASKED_FORM, 20: SETS}),
    "the state of a shading": (b"/Fm Do", {13: OF_SHADING.encode()}, PATTERN_13),
    "the state of a shading in its place": (b"/Fm Do", {}, f"/Pattern<</P{OF_SHADING}>>"),
    "a function of itself": (
        b"/G gs 0 0 9 9 re f",
        {10: RECURSIVE},
    ),
    "a function that is damaged": (b"/G gs 0 0 9 9 re f", {10: DAMAGED}),
    "an image that cannot be read": (b"/G gs /Fm Do", {11: RAMP.replace(b"/DeviceGray", b"/NoSpace")}),
    "a font of more glyphs than are looked at": (
        b"/G gs " + SHOWS,
        {13: TYPE_3.replace(b"/CharProcs<<", MANY_GLYPHS), 21: stream("", b"1 0 0 0 1 1 d1 0 0 1 1 re f")},
        "/Font<</T 13 0 R>>",
    ),
}
SETS_NONE = ("/Identity", "[/Identity/Identity/Identity/Identity]", "99 0 R", "null", "(no function)", "[10 0 R]")
SAME = "<</FunctionType 2/Domain[0 1]/C0[0]/C1[1]/N 1>>"
NOT_TOLD: dict[str, tuple[Any, ...]] = {
    **{
        f"a pattern that sets {none}": (
            b"/Fm Do",
            {13: stream(f"{TILE}/Resources<</ExtGState<</G<</TR {none}>>>>>>", b"/G gs")},
            PATTERN_13,
        )
        for none in (*SETS_NONE, SAME)
    },
    **{f"a page that sets {none}": (b"/N gs /Sh sh", {}, f"/ExtGState<</N<</TR {none}>>>>") for none in (*SETS_NONE, SAME)},
    "an inline mask": (b"/G gs BI /W 1/H 1/IM true/BPC 1 ID \x00 EI",),
    "a font that names the resources it lies in": (
        b"/Fm Do",
        {13: b"<</Font<</T<</Subtype/Type3/Resources 13 0 R>>>>>>", 11: form(b"", "/Resources 13 0 R")},
    ),
    "a state of an annotation that is not shown": (
        b"",
        {20: form(b""), 21: SETS},
        "",
        "/Annots[<</Subtype/Widget/FT/Btn/AS/A/Rect[0 0 9 9]/AP<</N<</A 20 0 R/B 21 0 R>>>>>>]",
    ),
    "a hidden annotation": (b"", {21: SETS}, "", LOOK.replace("/Rect", "/F 2/Rect")),
    "a shading after it": (b"/G gs /Off gs /Sh sh",),
    "a colour": (b"/G gs 0 0 5 5 re f",),
    "a form": (b"/G gs /Fm Do",),
    "a form that is drawn by a pattern, too": (
        b"/G gs /Fm Do",
        {13: stream(TILE + DRAWS_20, b"/X Do"), 20: form(b"f")},
        PATTERN_13,
    ),
    "a glyph of its text's colour": (
        b"/G gs " + SHOWS,
        {13: TYPE_3, 21: stream("", b"1 0 0 0 1 1 d1 0 0 1 1 re f")},
        "/Font<</T 13 0 R>>",
    ),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_a_transfer_function_does_not_reach_is_told(case: str) -> None:
    assert is_transfer_told(*TOLD[case])


def test_what_is_not_looked_at_for_transfer_functions_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_faults, "MOST_OBJECTS", 2)
    way = {11: form(b"/X Do", DRAWS_20), 20: form(b"/Y Do", "/Resources<</XObject<</Y 21 0 R>>>>"), 21: SETS}
    assert is_transfer_told(b"/Fm Do", way)
    del way[21]
    assert not is_transfer_told(b"/Fm Do", {**way, 20: form(b"")})
    monkeypatch.setattr(page_faults, "DEEPEST", 2)
    within = "<</PatternType 1/Resources<</Pattern<</P{}>>>>>>"
    assert is_transfer_told(b"", resources=f"/Pattern<</P{within.format(within.format(within))}>>")
    assert not is_transfer_told(b"", resources="/Pattern<</P<</PatternType 2>>>>")


def test_one_damaged_function_costs_no_other() -> None:
    content = b"/G gs 0 0 50 50 re f /H gs /G gs .8 g 50 0 50 50 re f"
    found = transferred("/TR 10 0 R>>/H<</TR 11 0 R", [INVERTS, DAMAGED], content)
    assert_near(found, [255, 51])


def test_a_page_of_many_links_is_told_for_what_lies_behind_them_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_faults, "MOST_OBJECTS", 2)
    links = "/Annots[" + "<</Type/Annot/Subtype/Link/Rect[0 0 9 9]>>" * 5
    assert not is_transfer_told(b"", page=f"{links}]")
    assert is_transfer_told(b"", {21: SETS}, page=LOOK.replace("/Annots[", links))


@pytest.mark.parametrize("case", NOT_TOLD)
def test_what_a_transfer_function_reaches_is_not_told(case: str) -> None:
    assert not is_transfer_told(*NOT_TOLD[case])
