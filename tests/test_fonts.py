"""What is drawn where a document's fonts are not embedded. Each set of fonts is installed in a process of its own."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgpack
import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from sidebooks_core.fonts.discovery import Face, FontSet, discover

_MAKER = Path(__file__).parents[1] / "docs/explanation/images/make_fonts.py"
_spec = importlib.util.spec_from_file_location("make_fonts", _MAKER)
assert _spec is not None
assert _spec.loader is not None
make_fonts = importlib.util.module_from_spec(_spec)
sys.modules["make_fonts"] = make_fonts
_spec.loader.exec_module(make_fonts)
Line, document, draw = make_fonts.Line, make_fonts.document, make_fonts.draw

FORMS = "直骨令角化"
# What the stored picture was made with.
PICTURE_FONTS = "d022f730ad322883"


@cache
def fonts() -> FontSet:
    found = discover()
    styles = {face.is_serif for face in found.faces if face.ordering == "japan1"}
    if styles != {True, False}:
        pytest.skip("no Mincho and Gothic here: install the fonts extra, or Debian's fonts-noto-cjk or fonts-ipaexfont")
    return found


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.int16)


def difference(a: Image.Image, b: Image.Image) -> float:
    """Share of the ink of both that is not common to them, 0 to 1."""
    x, y = 255 - pixels(a), 255 - pixels(b)
    return float(np.abs(x - y).sum() / max(1, (x + y).sum()))


def ink_box(image: Image.Image) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 of the ink in a picture of one character's square, as shares of its size."""
    rows, columns = np.nonzero(pixels(image) < 128)
    return (
        columns.min() / image.width,
        rows.min() / image.height,
        (columns.max() + 1) / image.width,
        (rows.max() + 1) / image.height,
    )


def one_character(character: str, font: bytes = b"Ryumin-Light", *, vertical: bool) -> Image.Image:
    # The square of the character fills the page: vertical text hangs from its top centre, horizontal stands on a base line.
    x, y = (50, 100) if vertical else (0, 12)
    return draw(document([Line(font, character, x, y, 100, vertical=vertical)], 100, 100), fonts(), dpi=72)


_DIRECT = """
import math
import sys
import pymupdf
path, index, text, x, y, size, scale = sys.argv[1:8]
m = pymupdf.mupdf
font = m.fz_new_font_from_file(None, path, int(index), 0)
text_object = m.fz_new_text()
m.fz_show_string(text_object, font, m.FzMatrix(float(size), 0, 0, -float(size), float(x), 240 - float(y)), text, 0, 0, 0, 0)
scale = float(scale)
box = m.FzIrect(0, 0, math.ceil(300 * scale), math.ceil(240 * scale))
pixmap = m.fz_new_pixmap_with_bbox(m.fz_device_gray(), box, m.FzSeparations(), 0)
m.fz_clear_pixmap_with_value(pixmap, 255)
device = m.fz_new_draw_device(m.FzMatrix(scale, 0, 0, scale, 0, 0), pixmap)
m.fz_fill_text(device, text_object, m.FzMatrix(), m.fz_device_gray(), (0,), 1, m.FzColorParams())
m.fz_close_device(device)
sys.stdout.buffer.write(pymupdf.Pixmap(pixmap).tobytes("png"))
"""


def drawn_directly(line: make_fonts.Line, face: Face) -> Image.Image:
    """The line in a face, drawn without any document."""
    numbers = (line.x_pt, line.y_pt, line.size_pt, make_fonts.DPI / 72)
    command = [sys.executable, "-c", _DIRECT, face.path, str(face.index), line.text, *map(str, numbers)]
    run = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return Image.open(io.BytesIO(run.stdout)).convert("L")


@pytest.mark.parametrize(
    ("name", "is_serif"),
    [
        (b"Ryumin-Light", True),
        (b"GothicBBB-Medium", False),
        (make_fonts.GARBLED_MS_MINCHO, True),
        (b"ABCDEF+MS-PGothic", False),
    ],
)
def test_japanese_forms_of_the_style_that_the_name_says(name: bytes, is_serif: bool) -> None:
    face = fonts().face("japan1", serif=is_serif, bold=False)
    assert face is not None
    line = Line(name, FORMS, 20, 100, 40)
    drawn = draw(document([line]), fonts())
    assert difference(drawn, drawn_directly(line, face)) < 0.03
    assert difference(drawn, draw(document([line]), None)) > 0.15
    other = b"GothicBBB-Medium" if is_serif else b"Ryumin-Light"
    assert difference(drawn, draw(document([Line(other, FORMS, 20, 100, 40)]), fonts())) > 0.15


def test_bold_is_heavier() -> None:
    regular, bold = (draw(document([Line(name, FORMS, 20, 100, 40)]), fonts()) for name in (b"MS-Mincho", b"MS-Mincho,Bold"))
    assert (255 - pixels(bold)).sum() > 1.1 * (255 - pixels(regular)).sum()


@pytest.mark.parametrize("character", "、。ょっァ")
def test_punctuation_and_small_kana_move_to_the_upper_right_in_vertical_writing(character: str) -> None:
    across, down = (ink_box(one_character(character, vertical=v)) for v in (False, True))
    assert down[0] > across[0] + 0.05, "further right"
    assert down[3] < across[3] - 0.05, "further up"


@pytest.mark.parametrize("character", "ー…（「『〜")
def test_long_marks_and_brackets_turn_in_vertical_writing(character: str) -> None:
    across, down = (ink_box(one_character(character, vertical=v)) for v in (False, True))
    wide = (across[2] - across[0]) / (across[3] - across[1])
    assert ((down[2] - down[0]) / (down[3] - down[1]) > 1) is (wide < 1)


def test_vertical_writing_keeps_kanji_and_latin_upright() -> None:
    across, down = (ink_box(one_character("直", vertical=v)) for v in (False, True))
    assert across == pytest.approx(down, abs=0.05)


def test_kana_of_a_proportional_font_fit_the_widths_given() -> None:
    narrow = Line(b"MS-PMincho", "あおめぬ", 0, 12, 100, widths=b"/W[842 924 600]")
    drawn = pixels(draw(document([narrow], 240, 100), fonts(), dpi=72))
    for edge in (60, 120, 180):
        assert (drawn[:, edge - 1 : edge + 1] < 100).sum() == 0, "no ink where one character ends and the next begins"


def test_half_width_kana_do_not_narrow_the_full_width_ones() -> None:
    plain = Line(b"Ryumin-Light", "あおめぬ", 0, 12, 60)
    halves = Line(b"Ryumin-Light", "あおめぬ", 0, 12, 60, widths=b"/W[231 632 500]")
    assert difference(*(draw(document([line], 240, 100), fonts()) for line in (plain, halves))) == 0


def test_the_stored_picture_is_what_is_drawn() -> None:
    packaged = make_fonts.packaged_fonts()
    if packaged.id != PICTURE_FONTS:
        pytest.skip(f"the picture is of fonts {PICTURE_FONTS}, the extra here has {packaged.id}")
    drawn = make_fonts.side_by_side(draw(make_fonts.sample(), None), draw(make_fonts.sample(), packaged))
    stored = Image.open(make_fonts.PICTURE).convert("L")
    assert drawn.size == stored.size
    assert difference(drawn, stored) < 0.03


@pytest.mark.parametrize("language", ["", ' lang="ja"'])
def test_a_book_whose_fonts_lack_kanji_is_drawn_with_japanese_forms(language: str) -> None:
    book = f"<html{language}><body><p>{FORMS}</p><p>かなカナ</p></body></html>".encode()
    ours, built_in = draw(book, fonts(), 50, "xhtml"), draw(book, None, 50, "xhtml")
    assert difference(ours, built_in) > 0.1


def test_latin_text_is_left_to_the_engine() -> None:
    script = (
        "import sys, pymupdf\n"
        "d = pymupdf.open(); p = d.new_page(width=300, height=240)\n"
        "for i, n in enumerate(['helv', 'tiro', 'cour']): p.insert_text((20, 40 + 40 * i), 'Century Gothic 12', fontname=n)\n"
        "sys.stdout.buffer.write(d.tobytes())\n"
    )
    latin = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=60).stdout
    for data in (latin, latin.replace(b"/Helvetica", b"/CentGothic")):
        assert difference(draw(data, fonts()), draw(data, None)) == 0


def test_a_form_filled_in_with_ms_mincho_is_not_drawn_with_courier() -> None:
    # A simple TrueType font: no East Asian collection; fixed pitch, so the engine would take Courier.
    data = document([Line(b"MS-Mincho", "あ", 0, 0)])
    start, end = data.index(b"<</Type/Font/Subtype/Type0"), data.index(b"\nendobj", data.index(b"<</Type/Font/Subtype/Type0"))
    simple = (
        b"<</Type/Font/Subtype/TrueType/BaseFont/MS-Mincho/Encoding/WinAnsiEncoding/FirstChar 32/LastChar 126/Widths[%s]"
        b"/FontDescriptor<</Type/FontDescriptor/FontName/MS-Mincho/Flags 33>>>>" % (b"500 " * 95)
    )
    text = b"<" + "あ".encode("utf-16-be").hex().encode() + b"> Tj"
    data = (data[:start] + simple + data[end:]).replace(b"0 0 Td " + text, b"9 99 Td (12a) Tj")
    assert difference(draw(data, fonts()), draw(data, None)) > 0.1


_MANY = """
import sys
import msgpack
data, wire, count = msgpack.unpackb(sys.stdin.buffer.read())
from sidebooks_core.engine.mupdf import pymupdf
from sidebooks_core.engine.fonts import hooks as fonts
from sidebooks_core.fonts.discovery import FontSet
installed = fonts.install(FontSet.from_wire(wire))
assert fonts.install(FontSet.from_wire(wire)) is installed
import psutil
sizes = []
for i in range(count):
    document = pymupdf.open(stream=data)
    page = document[0]
    shown = page.get_displaylist()
    if fonts.settle(page):
        shown = page.get_displaylist()
    assert not fonts.settle(page)
    shown.get_pixmap()
    del shown, page
    document.close()
    sizes.append(psutil.Process().memory_info().rss)
sys.stdout.buffer.write(msgpack.packb([sizes[count // 2], sizes[-1], installed.problems]))
"""


def test_two_hundred_documents_leave_no_memory_behind() -> None:
    job = msgpack.packb([make_fonts.sample(), fonts().to_wire(), 200])
    done = subprocess.run([sys.executable, "-c", _MANY], input=job, capture_output=True, check=True, timeout=120)
    middle, last, problems = msgpack.unpackb(done.stdout)
    assert problems == []
    assert last - middle < 8 << 20


def test_a_font_file_that_is_gone_leaves_the_engines_own_font() -> None:
    lost = FontSet(tuple(replace(face, path="/nowhere/" + Path(face.path).name) for face in fonts().faces))
    line = document([Line(b"Ryumin-Light", FORMS, 20, 100, 40)])
    with pytest.raises(RuntimeError, match="FileNotFoundError"):
        draw(line, lost)


def test_corpus_documents_without_embedded_fonts_draw_and_settle() -> None:
    folder = (Path(__file__).parents[1] / "../shared/corpus/japanese").resolve()
    if not folder.is_dir():
        pytest.skip(f"no corpus at {folder.name}")
    for name in ("issue11555", "test-jlreq", "noembed-sjis", "developers-reference", "jlshort"):
        data = (folder / f"{name}.pdf").read_bytes()
        # Little of a page may be replaced text; but some is, in each of these.
        assert difference(draw(data, fonts(), 60), draw(data, None, 60)) > 0.001, name
