"""Form fields and notes without appearance. What they draw is compared with the same words drawn as plain text of a page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pdf_parts import cropped, difference, ink_of, stream, text_of, write_pdf
from PIL import Image

from sidebooks_core import Settings, TileService

NAME, SYMBOLS = "𠮷野花子", "①㈱〜"
WIDGET = "/Subtype/Widget/FT/Tx/T(a)"
LOOSE = 0.3
"""Most ink that two drawings of the same words may not share: they lie on the grid of pixels in different ways."""


@pytest.fixture(scope="module")
def quick() -> Iterator[TileService]:
    with TileService(Settings(cache_dir=None)) as running:
        yield running


def string(text: str) -> str:
    return f"<feff{text.encode('utf-16-be').hex()}>"


def with_annotation(path: Path, *annotations: str, form: str = "", extra: tuple[bytes, ...] = ()) -> Path:
    """A page of 260 x 120 points. Objects of `extra` are numbered after the annotations, which begin with 5."""
    listed = " ".join(f"{5 + index} 0 R" for index in range(len(annotations)))
    catalog = f"/AcroForm<</Fields[{listed}]/DA(/Helv 0 Tf 0 g)/DR<</Font<</Helv<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    catalog += f"/Mi<</Type/Font/Subtype/TrueType/BaseFont/MS-Mincho>>>>>>{form}>>"
    page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 260 120]/Contents 4 0 R/Annots[{listed}]/Resources<<>>>>"
    bodies = [f"<</Type/Annot/F 4/P 3 0 R{one}>>".encode() for one in annotations]
    return write_pdf(path, [page.encode(), stream(b""), *bodies, *extra], catalog.encode())


def plain(path: Path, text: str, base: str = "MS-Gothic") -> Path:
    """By a font of the page, which the same face replaces. JIS X 0213's characters are in the encoding too."""
    font = f"/BaseFont/{base}/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 6>>/FontDescriptor<</Flags 4>>"
    return write_pdf(
        path,
        [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 260 120]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
            stream(b"BT /F 12 Tf 20 60 Td <%s> Tj ET" % text.encode("utf-16-be").hex().encode()),
            f"<</Type/Font/Subtype/Type0/BaseFont/{base}/Encoding/UniJIS2004-UTF16-H/DescendantFonts[6 0 R]>>".encode(),
            f"<</Type/Font/Subtype/CIDFontType0{font}>>".encode(),
        ],
    )


def same_words(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two drawings show the same, whatever their sizes."""
    one, other = cropped(a), cropped(b)
    scaled = Image.fromarray(one.astype(np.uint8)).resize((other.shape[1], other.shape[0]), Image.Resampling.BILINEAR)
    return difference(np.asarray(scaled, np.int16), other) < LOOSE


def test_the_measure_tells_words_apart(tmp_path: Path, quick: TileService) -> None:
    assert not same_words(ink_of(quick, plain(tmp_path / "a.pdf", NAME)), ink_of(quick, plain(tmp_path / "b.pdf", "礜龶花子")))


@pytest.mark.parametrize("text", [NAME, SYMBOLS, "𣘺本と𠮟責", "東京都"])
@pytest.mark.parametrize("size", [0, 9, 12])
@pytest.mark.parametrize("needs", ["", "/NeedAppearances true"])
def test_a_text_field(tmp_path: Path, quick: TileService, text: str, size: int, needs: str) -> None:
    field = f"{WIDGET}/Rect[20 60 240 84]/DA(/Helv {size} Tf 0 g)/V{string(text)}"
    path = with_annotation(tmp_path / "field.pdf", field, form=needs)
    assert text_of(quick, path) == text
    assert same_words(ink_of(quick, path), ink_of(quick, plain(tmp_path / "plain.pdf", text)))


def test_the_font_of_the_field_says_mincho(tmp_path: Path, quick: TileService) -> None:
    path = with_annotation(tmp_path / "field.pdf", f"{WIDGET}/Rect[20 60 240 84]/DA(/Mi 12 Tf 0 g)/V{string(NAME)}")
    assert same_words(ink_of(quick, path), ink_of(quick, plain(tmp_path / "plain.pdf", NAME, "MS-Mincho")))
    assert not same_words(ink_of(quick, path), ink_of(quick, plain(tmp_path / "gothic.pdf", NAME)))


@pytest.mark.parametrize("size", [0, 12])
@pytest.mark.parametrize("text", ["Příliš žluťoučký", "Москва 東京 Ελλάδα", "Łódź ①", "서울 𠮷"])
def test_one_or_several_scripts_are_drawn_whole(tmp_path: Path, quick: TileService, text: str, size: int) -> None:
    """In a field of 24 points as in one of 60, which can cut nothing off."""
    size_of_both = size or 16
    low = with_annotation(tmp_path / "low.pdf", f"{WIDGET}/Rect[20 60 240 84]/DA(/Helv {size_of_both} Tf 0 g)/V{string(text)}")
    high = with_annotation(
        tmp_path / "high.pdf", f"{WIDGET}/Rect[20 30 240 90]/DA(/Helv {size_of_both} Tf 0 g)/V{string(text)}"
    )
    automatic = with_annotation(tmp_path / "auto.pdf", f"{WIDGET}/Rect[20 60 240 84]/DA(/Helv 0 Tf 0 g)/V{string(text)}")
    for path in (low, automatic):
        assert text_of(quick, path) == text.replace(" ", "")
        assert same_words(ink_of(quick, path), ink_of(quick, high))


def test_places_and_turns(tmp_path: Path, quick: TileService) -> None:
    def drawn(name: str, entries: str) -> np.ndarray:
        return ink_of(quick, with_annotation(tmp_path / name, f"{WIDGET}/DA(/Helv 12 Tf 0 g)/V{string(NAME)}{entries}"))

    left, centre, right = (drawn(f"{q}.pdf", f"/Rect[20 60 240 84]/Q {q}") for q in range(3))
    middles = [float(np.nonzero(ink.any(axis=0))[0].mean()) / 4 for ink in (left, centre, right)]
    assert middles == pytest.approx([46, 130, 214], abs=2)
    rows = np.nonzero(centre.any(axis=1))[0]
    assert (rows.min() + rows.max()) / 2 / 4 == pytest.approx(120 - 72, abs=1.5)  # the middle of the field
    upright = cropped(left)
    for turn in (90, 180, 270):
        ink = drawn(f"r{turn}.pdf", f"/MK<</R {turn}>>" + ("/Rect[20 10 44 110]" if turn != 180 else "/Rect[20 60 240 84]"))
        assert same_words(np.rot90(ink, -turn // 90), upright)


def test_a_comb_has_one_character_in_each_cell(tmp_path: Path, quick: TileService) -> None:
    field = f"{WIDGET}/Rect[20 60 240 84]/Ff 16777216/MaxLen 8/DA(/Helv 12 Tf 0 g)/V{string(NAME)}"
    path = with_annotation(tmp_path / "comb.pdf", field)
    document = quick.open(path)
    words = quick.text(document, page=0)
    assert "".join(word.text for word in words) == NAME
    ink = ink_of(quick, path)
    cells = [ink[:, round(4 * (20 + 27.5 * cell)) : round(4 * (20 + 27.5 * (cell + 1)))] for cell in range(8)]
    assert [bool(cell.any()) for cell in cells] == [True] * 4 + [False] * 4
    for cell in cells[:4]:
        columns = np.nonzero(cell.any(axis=0))[0]
        assert (columns.min() + columns.max()) / 2 == pytest.approx(cell.shape[1] / 2, abs=6)


@pytest.mark.parametrize("size", [0, 10])
def test_several_lines(tmp_path: Path, quick: TileService, size: int) -> None:
    text = "会議録の①について、「𠮷野」委員から質疑があった。\n以上 The end of the minutes of the whole committee."
    field = f"{WIDGET}/Rect[20 20 240 100]/Ff 4096/DA(/Helv {size} Tf 0 g)/V{string(text)}"
    path = with_annotation(tmp_path / "lines.pdf", field)
    assert text_of(quick, path) == text.replace("\n", "").replace(" ", "")
    for word in quick.text(quick.open(path), page=0):
        assert 20 <= word.x0_pt < word.x1_pt <= 241
        assert 18 <= word.y0_pt < word.y1_pt <= 102


def test_choices_and_captions(tmp_path: Path, quick: TileService) -> None:
    pairs = f"[[(1){string('第一委員会①')}][(2){string('第二𠮷')}]]"
    choice = f"/Subtype/Widget/FT/Ch/T(c)/Ff 131072/Opt{pairs}/Rect[20 90 240 110]/DA(/Helv 12 Tf 0 g)/V(2)"
    listed = f"/Subtype/Widget/FT/Ch/T(l)/Opt[{string('総務①')}{string('文教㈱')}]/Rect[20 40 120 80]/DA(/Helv 10 Tf 0 g)"
    button = f"/Subtype/Widget/FT/Btn/T(b)/Ff 65536/MK<</CA{string('送信𠮷')}>>/Rect[130 40 240 64]/DA(/Helv 12 Tf 0 g)"
    assert text_of(quick, with_annotation(tmp_path / "choice.pdf", choice)) == "第二𠮷"
    several = choice.replace("/V(2)", "/V[(1)]")
    assert text_of(quick, with_annotation(tmp_path / "several.pdf", several)) == "第一委員会①"
    assert text_of(quick, with_annotation(tmp_path / "list.pdf", listed)) == "総務①文教㈱"
    assert text_of(quick, with_annotation(tmp_path / "button.pdf", button)) == "送信𠮷"
    captions = ink_of(quick, plain(tmp_path / "plain.pdf", "送信𠮷"))
    assert same_words(ink_of(quick, tmp_path / "button.pdf"), captions)


@pytest.mark.parametrize("value", ["secret", "秘密①"])
@pytest.mark.parametrize("inherits", [False, True])
def test_a_password_is_not_shown(tmp_path: Path, quick: TileService, value: str, inherits: bool) -> None:
    entries = f"/FT/Tx/Ff 8192/DA(/Helv 12 Tf 0 g)/V{string(value)}"
    place = "/Subtype/Widget/Rect[20 60 240 84]"
    if inherits:
        path = with_annotation(tmp_path / "field.pdf", f"{place}/Parent 6 0 R", extra=(f"<</T(p){entries}>>".encode(),))
    else:
        path = with_annotation(tmp_path / "field.pdf", f"{place}/T(p){entries}")
    shown = text_of(quick, path)
    assert len(shown) == len(value)
    assert not set(shown) & set(value)
    assert ink_of(quick, path).any()


NOTE = "/Subtype/FreeText/Rect[20 40 240 80]"


@pytest.mark.parametrize(
    ("entries", "is_red"),
    [
        ("/DA(/Helv 12 Tf 1 0 0 rg)", True),
        ("/DA(/Helv 12 Tf 0 0 1 rg)/DS(font: 12pt Helvetica; color:#ff0000)", True),
        ("/DA(/Helv 12 Tf 0 0 1 rg)/RC" + string('<body><p style="color:#ff0000">𣘺本と𠮟責①</p></body>'), True),
        ("", False),
    ],
)
def test_a_note(tmp_path: Path, quick: TileService, entries: str, is_red: bool) -> None:
    path = with_annotation(tmp_path / "note.pdf", f"{NOTE}{entries}/BS<</W 0>>/Contents{string('𣘺本と𠮟責①')}")
    assert text_of(quick, path) == "𣘺本と𠮟責①"
    tile = quick.page_image(quick.open(path), 0, width_px=1040)
    red, green, blue = np.moveaxis(np.asarray(Image.open(io.BytesIO(tile.data)).convert("RGB"), np.int16), 2, 0)
    assert np.array_equal(green, blue)
    assert (int(red.min()) == 255) == is_red
    assert same_words(255 - green, ink_of(quick, plain(tmp_path / "plain.pdf", "𣘺本と𠮟責①")))


@pytest.mark.parametrize("rect", ["20 40 240 80", "5 5 240 110"])
def test_a_note_that_calls_out(tmp_path: Path, quick: TileService, rect: str) -> None:
    """The appearance's box holds the line too, and begins elsewhere than the text's."""
    text = f"/DA(/Helv 12 Tf 0 g)/Contents{string('𣘺本と𠮟責①')}"
    line = f"/IT/FreeTextCallout/CL[1 1 2 30 {rect.split()[0]} 40]/RD[0 0 0 0]/BS<</W 0>>"
    called = ink_of(quick, with_annotation(tmp_path / "called.pdf", f"/Subtype/FreeText/Rect[{rect}]{line}{text}"))
    quiet = ink_of(quick, with_annotation(tmp_path / "quiet.pdf", f"/Subtype/FreeText/Rect[{rect}]/BS<</W 0>>{text}"))
    left = int(quiet.shape[1] * (int(rect.split()[0]) + 2) / 260)
    assert np.array_equal(called[:, left:], quiet[:, left:])
    assert quiet[:, left:].any()
    assert text_of(quick, tmp_path / "called.pdf") == "𣘺本と𠮟責①"


@pytest.mark.parametrize("value", ["stream", "utf-8", "inherited"])
def test_wherever_the_value_stands(tmp_path: Path, quick: TileService, value: str) -> None:
    widget = "/Subtype/Widget/Rect[20 60 240 84]/DA(/Helv 12 Tf 0 g)"
    extra = (stream(b"\xfe\xff" + NAME.encode("utf-16-be")),)
    if value == "stream":
        widget += "/FT/Tx/T(a)/V 6 0 R"
    elif value == "utf-8":
        widget += f"/FT/Tx/T(a)/V<efbbbf{NAME.encode().hex()}>"
    else:
        widget += "/Parent 6 0 R"
        extra = (f"<</FT/Tx/T(a)/Kids[5 0 R]/V{string(NAME)}>>".encode(),)
    path = with_annotation(tmp_path / "field.pdf", widget, extra=extra)
    assert text_of(quick, path) == NAME
    assert same_words(ink_of(quick, path), ink_of(quick, plain(tmp_path / "plain.pdf", NAME)))


def test_an_appearance_that_is_out_of_date(tmp_path: Path, quick: TileService) -> None:
    """The form says so."""
    stale = stream(b"0 0 1 rg 0 0 100 20 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 220 24]/Resources<<>>")
    field = f"{WIDGET}/Rect[20 60 240 84]/DA(/Helv 12 Tf 0 g)/AP<</N 6 0 R>>/V{string(NAME)}"
    path = with_annotation(tmp_path / "field.pdf", field, form="/NeedAppearances true", extra=(stale,))
    assert same_words(ink_of(quick, path), ink_of(quick, plain(tmp_path / "plain.pdf", NAME)))


def test_hundreds_of_fields_share_their_fonts(tmp_path: Path, quick: TileService) -> None:
    fields = [
        f"{WIDGET}/Rect[{20 + n % 20 * 10} {n // 20 * 6} {30 + n % 20 * 10} {6 + n // 20 * 6}]/V{string('𠮷')}"
        for n in range(400)
    ]
    path = with_annotation(tmp_path / "many.pdf", *fields)
    assert text_of(quick, path) == 400 * "𠮷"


def test_an_appearance_that_is_there_stays(tmp_path: Path, quick: TileService) -> None:
    made = stream(b"0 0 1 rg 0 0 100 20 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 220 40]/Resources<<>>")
    for name, entries in (
        ("note", f"{NOTE}/Contents{string(NAME)}"),
        ("field", f"{WIDGET}/Rect[20 40 240 80]/V{string(NAME)}"),
    ):
        with_one = with_annotation(tmp_path / f"{name}.pdf", f"{entries}/DA(/Helv 12 Tf 0 g)/AP<</N 6 0 R>>", extra=(made,))
        ink = ink_of(quick, with_one)
        assert text_of(quick, with_one) == ""
        assert cropped(ink).shape == (80, 400)


def test_a_character_that_no_font_has_is_told(tmp_path: Path, quick: TileService) -> None:
    path = with_annotation(tmp_path / "field.pdf", f"{WIDGET}/Rect[20 60 240 84]/DA(/Helv 12 Tf 0 g)/V{string('ไทย𠮷')}")
    [page] = quick.inspect(quick.open(path)).pages
    assert any("U+0E17" in one for one in page.warnings)
    assert text_of(quick, path) == "ไทย𠮷"
    fine = with_annotation(tmp_path / "fine.pdf", f"{WIDGET}/Rect[20 60 240 84]/DA(/Helv 12 Tf 0 g)/V{string(SYMBOLS)}")
    assert not quick.inspect(quick.open(fine)).pages[0].warnings


def test_content_ids_hold_what_a_field_draws_and_not_what_was_drawn_before(tmp_path: Path, quick: TileService) -> None:
    field = f"{WIDGET}/Rect[20 60 240 84]/DA(/Helv 12 Tf 0 g)/V"
    one = with_annotation(tmp_path / "one.pdf", field + string(NAME))
    other = with_annotation(tmp_path / "other.pdf", field + string("𠮷野花江"))
    ids = [quick.open(path).pages[0].content_id for path in (one, other)]
    assert ids[0] != ids[1]
    with TileService(Settings(cache_dir=None, workers=1)) as later:
        assert text_of(later, one) == NAME
        assert later.open(one).pages[0].content_id == ids[0]
