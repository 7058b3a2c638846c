"""Other files of the kinds in `checks_draw.py`, built here."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pymupdf
import pytest

from sidebooks_core import Settings, TileService
from sidebooks_core.engine.drawing import draw

sys.path.insert(0, str(Path(__file__).parents[1]))
from identity_documents import pdf, stream

FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


@pytest.fixture(scope="module")
def quick_service() -> Iterator[TileService]:
    with TileService(Settings(cache_dir=None)) as running:
        yield running


def one_page(
    content: bytes, resources: str = "", page: str = "", catalog: str = "", more: Mapping[int, bytes] | None = None
) -> bytes:
    """400 x 400 pt; font /F; objects from 10 on are free for the test."""
    return pdf(
        {
            1: f"<</Type/Catalog/Pages 2 0 R{catalog}>>".encode(),
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 400 400]>>",
            3: f"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>{resources}>>{page}>>".encode(),
            4: stream("", content),
            5: FONT,
            **(more or {}),
        }
    )


def seen(service: TileService, data: bytes, page: int = 0) -> str:
    return " ".join(word.text for word in service.text(service.open(data), page=page))


def ink(service: TileService, data: bytes, width_px: int = 400) -> int:
    """Darkest value of the page."""
    return int(service.page_image(service.open(data), page=0, width_px=width_px).pixels().min())


ON, OFF, OTHER = "10 0 R", "11 0 R", "12 0 R"
MEMBERSHIPS = [
    (f"/OCGs[{ON} {OFF}]/P/AllOn", False),
    (f"/OCGs[{OFF} {ON}]/P/AllOn", False),
    (f"/OCGs[{ON} {OTHER}]/P/AllOn", True),
    (f"/OCGs[{ON} {OFF}]/P/AnyOn", True),
    (f"/OCGs[{OFF} {ON}]", True),
    (f"/OCGs[{OFF} {OFF}]", False),
    (f"/OCGs[{ON} {OFF}]/P/AnyOff", True),
    (f"/OCGs[{OFF} {ON}]/P/AnyOff", True),
    (f"/OCGs[{ON} {OTHER}]/P/AnyOff", False),
    (f"/OCGs[{OFF} {OFF}]/P/AllOff", True),
    (f"/OCGs[{OFF} {ON}]/P/AllOff", False),
    (f"/OCGs {OFF}", False),
    (f"/OCGs {OFF}/P/AllOff", True),
    ("/OCGs[]/P/AllOn", True),
    ("/OCGs[]", True),
    ("/OCGs[null 99 0 R]/P/AllOff", True),
    ("", True),
    (f"/VE[/And {ON} {OFF}]", False),
    (f"/VE[/Or {ON} {OFF}]", True),
    (f"/VE[/Not {ON}]", False),
    (f"/VE[/Not {OFF}]", True),
    (f"/VE[/And[/Not {OFF}][/Or {OFF} {ON}]]", True),
    (f"/VE[/And[/Not[/Or {OFF} {ON}]]{ON}]", False),
    (f"/VE[/Not[/And {ON} {OTHER}]]/OCGs {ON}", False),
]


def layered(membership: str, *, on: str, configuration: str = f"/OFF[{OFF}]", groups: Mapping[int, str] | None = None) -> bytes:
    """A page with the word `always`, and the word `layer` that the membership governs, in one of several ways."""
    named = {10: "/Name(On)", 11: "/Name(Off)", 12: "/Name(Other)"} | dict(groups or {})
    more = {number: f"<</Type/OCG{entries}>>".encode() for number, entries in named.items()}
    more[20] = f"<</Type/OCMD{membership}>>".encode()
    word = b"BT /F 12 Tf 20 100 Td (layer) Tj ET"
    content, resources, page = b"BT /F 12 Tf 20 200 Td (always) Tj ET ", "", ""
    if on == "content":
        content += b"/OC /M BDC " + word + b" EMC"
        resources = "/Properties<</M 20 0 R>>"
    elif on == "in line":
        content += b"/OC /M BDC " + word + b" EMC"
        resources = f"/Properties<</M<</Type/OCMD{membership}>>>>"
    elif on == "nested":
        content += b"/OC /Seen BDC /Span <</X 1>> BDC /OC /M BDC " + word + b" EMC EMC EMC"
        resources = "/Properties<</M 20 0 R/Seen 10 0 R>>"
    elif on == "form":
        content += b"/X Do"
        resources = "/XObject<</X 21 0 R>>"
        more[21] = stream("/Type/XObject/Subtype/Form/BBox[0 0 400 400]/OC 20 0 R/Resources<</Font<</F 5 0 R>>>>", word)
    elif on == "content of a form":
        content += b"/X Do"
        resources = "/XObject<</X 21 0 R>>/Properties<</M 10 0 R>>"
        entries = "/Type/XObject/Subtype/Form/BBox[0 0 400 400]/Resources<</Font<</F 5 0 R>>/Properties<</M 20 0 R>>>>"
        more[21] = stream(entries, b"/OC /M BDC " + word + b" EMC")
    elif on == "annotation":
        page = "/Annots[22 0 R]"
        more[22] = b"<</Type/Annot/Subtype/Stamp/Rect[0 0 400 400]/F 4/OC 20 0 R/AP<</N 21 0 R>>>>"
        more[21] = stream("/Type/XObject/Subtype/Form/BBox[0 0 400 400]/Resources<</Font<</F 5 0 R>>>>", word)
    listed = " ".join(f"{number} 0 R" for number in named)
    return one_page(content, resources, page, f"/OCProperties<</OCGs[{listed}]/D<<{configuration}>>>>", more)


PLACES = ["content", "in line", "nested", "form", "content of a form", "annotation"]


@pytest.mark.parametrize("on", PLACES)
@pytest.mark.parametrize(("membership", "is_shown"), MEMBERSHIPS)
def test_a_membership_hides_what_it_must(quick_service: TileService, membership: str, is_shown: bool, on: str) -> None:
    data = layered(membership, on=on)
    assert seen(quick_service, data) == ("always layer" if is_shown else "always")
    assert len(quick_service.search(quick_service.open(data), "layer")) == is_shown


GROUPS = [
    ("the base state", f"/BaseState/OFF/ON[{OTHER}]", {}, False),
    ("switched on over the base state", f"/BaseState/OFF/ON[{ON}]", {}, True),
    ("usage without a configuration that asks for it", f"/OFF[{ON}]", {10: "/Usage<</View<</ViewState/ON>>>>"}, False),
    (
        "usage that the configuration asks for, on",
        f"/OFF[{ON}]/AS[<</Event/View/OCGs[{ON}]/Category[/View]>>]",
        {10: "/Usage<</View<</ViewState/ON>>>>"},
        True,
    ),
    (
        "usage that the configuration asks for, off",
        f"/AS[<</Event/View/OCGs[{ON}]/Category[/View]>>]",
        {10: "/Usage<</View<</ViewState/OFF>>>>"},
        False,
    ),
    (
        "usage for print",
        f"/AS[<</Event/Print/OCGs[{ON}]/Category[/Print]>>]",
        {10: "/Usage<</Print<</PrintState/OFF>>>>"},
        True,
    ),
    ("made for design alone, off", f"/OFF[{ON}]", {10: "/Intent/Design"}, True),
    ("made for design alone, all off", "/BaseState/OFF", {10: "/Intent[/Design]"}, True),
    ("made for design, usage off", "", {10: "/Intent/Design/Usage<</View<</ViewState/OFF>>>>"}, True),
    ("made for both, off", f"/OFF[{ON}]", {10: "/Intent[/View/Design]"}, False),
    ("a group written like another that is off", f"/OFF[{OFF}]", {10: "/Name(Same)", 11: "/Name(Same)"}, True),
    ("another configuration that is not the default", f"/OFF[{ON}]>>/Configs[<</Name(All)>>]/X<<", {}, False),
]


@pytest.mark.parametrize(
    ("configuration", "groups", "is_shown"), [case[1:] for case in GROUPS], ids=[case[0] for case in GROUPS]
)
def test_a_group_is_as_the_default_configuration_has_it(
    quick_service: TileService, configuration: str, groups: dict[int, str], is_shown: bool
) -> None:
    data = layered(f"/OCGs {ON}", on="content", configuration=configuration, groups=groups)
    for named in (data, data.replace(b"/M 20 0 R", b"/M 10 0 R")):  # by way of a membership, and at once
        assert seen(quick_service, named) == ("always layer" if is_shown else "always")


def test_expressions_that_name_each_other_many_times_over_are_judged_at_once(quick_service: TileService) -> None:
    doubled = {30 + index: f"[/And {31 + index} 0 R {31 + index} 0 R]".encode() for index in range(30)}
    for last, is_shown in ((f"[/Not {OFF}]", True), (f"[/Not {ON}]", False), ("[/And 30 0 R]", True)):
        more = {10: b"<</Type/OCG>>", 11: b"<</Type/OCG>>", 20: b"<</Type/OCMD/VE 30 0 R>>", **doubled, 60: last.encode()}
        catalog = f"/OCProperties<</OCGs[{ON} {OFF}]/D<</OFF[{OFF}]>>>>"
        content = b"/OC /M BDC BT /F 12 Tf 20 100 Td (layer) Tj ET EMC"
        assert (
            seen(quick_service, one_page(content, "/Properties<</M 20 0 R>>", catalog=catalog, more=more)) == "layer" * is_shown
        )


def test_layers_that_cannot_be_judged_are_told(quick_service: TileService) -> None:
    more = {10: b"<</Type/OCG>>", 11: b"<</Type/OCG>>", 20: b"<</Type/OCMD/VE 30 0 R>>"}
    more[30] = f"[/And {f'{ON} ' * 30_000}]".encode()
    catalog = f"/OCProperties<</OCGs[{ON} {OFF}]/D<</OFF[{OFF}]>>>>"
    content = b"/OC /M BDC BT /F 12 Tf 20 100 Td (layer) Tj ET EMC"
    document = quick_service.open(one_page(content, "/Properties<</M 20 0 R>>", catalog=catalog, more=more))
    assert [note for note in document.info.repaired if "layers cannot be judged" in note]


def test_a_link_of_a_hidden_layer_is_none(quick_service: TileService) -> None:
    link = "<</Type/Annot/Subtype/Link/Rect[%d 10 %d 20]/OC %s/A<</S/URI/URI(http://127.0.0.1/)>>>>"
    more = {
        10: b"<</Type/OCG/Name(On)>>",
        11: b"<</Type/OCG/Name(Off)>>",
        12: (link % (10, 20, OFF)).encode(),
        13: (link % (30, 40, ON)).encode(),
    }
    catalog = f"/OCProperties<</OCGs[{ON} {OFF}]/D<</OFF[{OFF}]>>>>"
    links = quick_service.links(
        quick_service.open(one_page(b"", page="/Annots[12 0 R 13 0 R]", catalog=catalog, more=more)), page=0
    )
    assert [round(link.x0_pt) for link in links] == [30]


@pytest.mark.parametrize("on", PLACES)
def test_pages_that_differ_in_what_is_shown_have_other_ids(quick_service: TileService, on: str) -> None:
    shown, hidden = (
        quick_service.open(layered(f"/OCGs[{ON} {OFF}]/P/{policy}", on=on)).pages[0].content_id for policy in ("AnyOn", "AllOn")
    )
    assert shown != hidden


def borders(thickness_pt: float, kind: str) -> bytes:
    """Ten lines across the page and ten down, at places that fall on the pixels in all ways."""
    lines = []
    for index in range(10):
        at = 30 + 33.37 * index
        if kind == "stroke":
            lines.append(f"{thickness_pt} w 20 {at} m 380 {at} l S {at} 20 m {at} 380 l S")
        elif kind == "strip":
            lines.append(f"20 {at} 360 {thickness_pt} re f {at} 20 {thickness_pt} 360 re f*")
        elif kind == "strip with a border":
            lines.append(f"{thickness_pt} w 20 {at} 360 {thickness_pt} re B {at} 20 {thickness_pt} 360 re B")
        elif kind == "polygon":
            end = at + thickness_pt
            lines.append(f"20 {at} m 380 {at} l 380 {end} l 20 {end} l h f {at} 20 m {at} 380 l {end} 380 l {end} 20 l f")
        else:
            lines.append(f"20 {at} 360 {thickness_pt} re {at} 20 {thickness_pt} 360 re f")
    return " ".join(lines).encode()


@pytest.mark.parametrize("rotation", [0, 90, 180])
@pytest.mark.parametrize("kind", ["stroke", "strip", "polygon", "several in one path"])
def test_thin_lines_are_dark_and_a_pixel_wide(quick_service: TileService, kind: str, rotation: int) -> None:
    for thickness_pt in (0.05, 0.1, 0.25, 0.48):
        document = quick_service.open(one_page(borders(thickness_pt, kind), page=f"/Rotate {rotation}"))
        for width_px in (256, 831):
            pixels = quick_service.page_image(document, page=0, width_px=width_px).pixels()[..., 0]
            # Between two lines, where no line crosses.
            for values in (pixels[:, round(55 / 400 * width_px)], pixels[round(55 / 400 * width_px)]):
                dark = values < 64
                assert dark.sum() == 10
                assert (values < 200).sum() == 10


@pytest.mark.parametrize("thickness_pt", [0.05, 0.1, 0.25])
def test_thin_strips_that_are_filled_and_stroked_are_dark(quick_service: TileService, thickness_pt: float) -> None:
    """Their edges lie closer than pixels and are no crowd of lines."""
    document = quick_service.open(one_page(borders(thickness_pt, "strip with a border")))
    for width_px in (256, 831):
        pixels = quick_service.page_image(document, page=0, width_px=width_px).pixels()[..., 0]
        for values in (pixels[:, round(55 / 400 * width_px)], pixels[round(55 / 400 * width_px)]):
            inside = np.concatenate(([False], values < 64, [False]))
            assert np.count_nonzero(inside[1:] > inside[:-1]) == 10, "ten lines, each dark"


def test_thin_lines_in_a_scaled_form_and_lines_that_are_not_thin(quick_service: TileService) -> None:
    form = stream("/Type/XObject/Subtype/Form/BBox[0 0 40000 40000]/Matrix[.01 0 0 .01 0 0]", b"2000 20030 36000 10 re f")
    document = quick_service.open(one_page(b"/X Do 20 100 360 3 re f", "/XObject<</X 10 0 R>>", more={10: form}))
    values = quick_service.page_image(document, page=0, width_px=400).pixels()[:, 200, 0]
    assert [int(value) for value in values if value < 255] == [pytest.approx(0, abs=20), 0, 0, 0]


@pytest.mark.parametrize("scale", [0.61, 1.7])
def test_thin_lines_cut_into_slabs_are_the_page_drawn_whole(scale: float) -> None:
    content = borders(0.3, "strip") + b" " + borders(0.1, "stroke").replace(b".37", b".81")
    with pymupdf.open(stream=one_page(content), filetype="pdf") as document:
        listed = document[0].get_displaylist()
        side_px = round(400 * scale)
        draw(listed, 3 * scale, (0, 0, 10, 10), grey=True)  # at another scale before
        whole = draw(listed, scale, (0, 0, side_px, side_px), grey=False)
        for step in (1, 7):
            slabs = [
                draw(listed, scale, (0, top, side_px, min(top + step, side_px)), grey=False) for top in range(0, side_px, step)
            ]
            assert np.array_equal(np.concatenate(slabs), whole)
        assert np.array_equal(draw(listed, scale, (0, 0, side_px, side_px), grey=True), whole[..., 0])


@pytest.mark.parametrize("place", ["page", "form", "annotation", "the page's resources", "the form's resources"])
@pytest.mark.parametrize("box", ["[-276 -3473 4185 422]", "[0 0 30000 30000]", "[0 0 3 3]", "[0 0 0 0]"])
@pytest.mark.parametrize(
    "glyph", [b"1 0 -276 -3473 4185 422 d1 0 0 3 3 re f", b"3 0 d0 0 0 3 3 re f", b"1 0 0 0 3 3 d1 0 0 3 3 re f"]
)
def test_a_type3_glyph_is_drawn_whatever_its_box(quick_service: TileService, glyph: bytes, box: str, place: str) -> None:
    text = b'BT /T 8 Tf 40 200 Td ("") Tj 100 0 Td (") Tj ET'
    font = f"<</Type/Font/Subtype/Type3/FontBBox{box}/FontMatrix[1 0 0 1 0 0]/FirstChar 34/LastChar 34/Widths[10]"
    more = {
        10: (font + "/Encoding<</Differences[34/x]>>/CharProcs<</x 11 0 R>>>>").encode(),
        11: stream("", glyph),
        12: stream("/Type/XObject/Subtype/Form/BBox[0 0 400 400]/Resources<</Font<</T 10 0 R>>>>", text),
        13: b"<</Type/Annot/Subtype/Stamp/Rect[0 0 400 400]/F 4/AP<</N 12 0 R>>>>",
    }
    if place == "the form's resources":
        more[12] = more[12].replace(b"10 0 R", more[10])
    if place in ("page", "the page's resources"):
        named = b"10 0 R" if place == "page" else more[10]
        data = pdf(
            {
                1: b"<</Type/Catalog/Pages 2 0 R>>",
                2: b"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 400 400]>>",
                3: b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</T %s>>>>>>" % named,
                4: stream("", text),
                **more,
            }
        )
    elif place in ("form", "the form's resources"):
        data = one_page(b"/X Do", "/XObject<</X 12 0 R>>", more=more)
    else:
        data = one_page(b"", page="/Annots[13 0 R]", more=more)
    document = quick_service.open(data)
    for width_px in (100, 390, 400, 800):
        pixels = quick_service.page_image(document, page=0, width_px=width_px).pixels()[..., 0]
        assert (pixels < 128).sum() / pixels.size == pytest.approx(3 * 24 * 24 / 160_000, rel=0.2)


ARRAYS = [
    (b"[(one) 0 Tc -300 (two)] TJ 0 -30 Td (three) Tj", "one two three"),
    (b"[(one) -300 (two) TJ 0 -30 Td (three) Tj", "one two three"),
    (b"[(one) ET -300 (two)] TJ 0 -30 Td (three) Tj", "one two three"),
    (b"[<6f6e65> BT -300 <74776f>] TJ 0 -30 Td (three) Tj", "one two three"),
    (b"[(one) ET BT /F 20 Tf 20 100 Td [(two)] TJ 0 -30 Td (three) Tj", "two three"),
    (b"[(one) <</A 1>> (two)] TJ 0 -30 Td (three) Tj", "onetwo three"),
    (b"[(one) /Name null true -300 (two)] TJ 0 -30 Td (three) Tj", "one two three"),
    (b"[(one) [-300 (two)]] TJ 0 -30 Td (three) Tj", "onetwo three"),
    (b"[(one) Tj 0 -30 Td (two) Tj", "one two"),
    (b"(one] \\) [) Tj 0 -30 Td [(two) 0 Tc <32> -300 (three)] TJ", "one] ) [ two2 three"),
    (b"(one) Tj BI /W 1/H 1/IM true ID \x80 EI 0 -30 Td [(two) Tw] TJ", "one two"),
    (b"(one) Tj [3 2 0 d 0 -30 Td [(two) q] TJ", "one two"),
]


@pytest.mark.parametrize("place", ["page", "form", "contents in parts"])
@pytest.mark.parametrize(("content", "right"), ARRAYS)
def test_an_array_that_breaks_the_rules_keeps_its_text(
    quick_service: TileService, content: bytes, right: str, place: str
) -> None:
    content = b"BT /F 12 Tf 20 300 Td " + content + b" ET"
    if place == "page":
        data = one_page(content)
    elif place in ("form", "the form's resources"):
        form = stream("/Type/XObject/Subtype/Form/BBox[0 0 400 400]/Resources<</Font<</F 5 0 R>>>>", content)
        data = one_page(b"/X Do", "/XObject<</X 10 0 R>>", more={10: form})
    else:
        data = one_page(
            b"", more={3: PAGE.replace(b"4 0 R", b"[10 0 R 11 0 R]"), 10: stream("", b"q"), 11: stream("", content + b" Q")}
        )
    assert seen(quick_service, data) == right
    assert ink(quick_service, data) < 60


PAGE = b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
TREE = b"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 400 400]>>"
SLIPS = {
    "a string in a font": {5: FONT.replace(b">>", b" (MS)/X 1>>")},
    "a name with a space": {5: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica Bold/X 1>>"},
    "an entry without a value in a page": {3: PAGE.replace(b"/Resources", b"/Tabs /Resources")},
    "a string in a page's resources": {3: PAGE.replace(b"/Font<<", b"(x)/Font<<")},
    "an odd entry at a page's end": {3: PAGE[:-2] + b"/Tabs>>"},
    "a page that nothing closes": {3: PAGE[:-4]},
    "a number in a page": {3: PAGE.replace(b"/Contents", b" 7 8 /Contents")},
    "resources apart": {3: PAGE.replace(b"<</Font<</F 5 0 R>>>>", b"6 0 R"), 6: b"<<foo/Font<</F 5 0 R>>bar>>"},
    "a word in the catalog": {1: CATALOG.replace(b"/Pages", b" foo /Pages")},
    "an entry without a value in the catalog": {1: CATALOG.replace(b"/Pages", b"/Lang /Pages")},
    "a string in the page tree": {2: TREE.replace(b"/Count", b"(x)/Count")},
    "an array that nothing closes": {2: b"<</Type/Pages/Count 1/MediaBox[0 0 400 400/Kids[3 0 R]>>"},
    "a string in a stream's dictionary": {4: stream("(x)", b"BT /F 12 Tf 20 300 Td (Minutes) Tj ET", deflate=True)},
    "a word in a stream's dictionary, and a wrong length": {
        4: stream("foo /Bar", b"BT /F 12 Tf 20 300 Td (Minutes) Tj ET").replace(b"/Length", b"/Length 9 /Long")
    },
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_dictionary_is_read_on_behind_a_stray_token(quick_service: TileService, slip: str) -> None:
    data = one_page(b"BT /F 12 Tf 20 300 Td (Minutes) Tj ET", more=SLIPS[slip])
    document = quick_service.open(data)
    assert (document.page_count, document.pages[0].width_pt) == (1, 400)
    assert seen(quick_service, data) == "Minutes"
    assert ink(quick_service, data) < 60


def test_damaged_pages_with_other_fonts_have_other_ids() -> None:
    """Whether identity or drawing reads the damaged font first."""
    ids = []
    for draws_first in (False, True):
        with TileService(Settings(cache_dir=None, workers=1)) as service:
            for name in (b"Helvetica (x)", b"Courier (x)"):
                content = b"BT /F 12 Tf 20 300 Td (Minutes) Tj ET"
                document = service.open(one_page(content, more={5: FONT.replace(b"Helvetica", name)}))
                if draws_first:
                    service.text(document, page=0)
                ids.append(document.pages[0].content_id)
    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]
