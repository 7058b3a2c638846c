"""A page said to be grey has the same pixels drawn in grey as in RGB; a page with any colour is never said to be grey."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sidebooks_core.engine import grey
from sidebooks_core.engine.grey import is_grey
from sidebooks_core.engine.mupdf import mupdf, pymupdf

Objects = Sequence[tuple[str, bytes | None]]
"""Objects 5, 6, … of a file: the dictionary, or any object, and its stream."""

SCALES = (0.7, 3.1, 13.3)


def a_list(content: str, resources: str = "", objects: Objects = (), page: str = "") -> Any:
    """The display list of a page of 100 x 100 pt, annotations included."""
    stream = content.encode("latin-1")
    numbered: list[tuple[str, bytes | None]] = [
        ("<< /Type /Catalog /Pages 2 0 R >>", None),
        ("<< /Type /Pages /Kids [3 0 R] /Count 1 >>", None),
        (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 4 0 R /Resources << {resources} >> {page} >>",
            None,
        ),
        ("<< >>", stream),
        *objects,
    ]
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, (head, body) in enumerate(numbered, 1):
        offsets.append(len(out))
        if body is not None:
            head = head.replace("<<", f"<< /Length {len(body)}", 1)
        out += f"{number} 0 obj\n{head}\n".encode()
        if body is not None:
            out += b"stream\n" + body + b"\nendstream\n"
        out += b"endobj\n"
    start = len(out)
    out += f"xref\n0 {len(numbered) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    out += f"trailer << /Size {len(numbered) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode()
    document = pymupdf.open(stream=bytes(out), filetype="pdf")
    assert not document.is_repaired
    OPEN_DOCUMENTS.append(document)
    return document[0].get_displaylist()


OPEN_DOCUMENTS: list[Any] = []
"""The engine draws no Type 3 glyph of a closed document."""


@pytest.fixture(autouse=True)
def _close_documents() -> Iterator[None]:
    yield
    while OPEN_DOCUMENTS:
        OPEN_DOCUMENTS.pop().close()


def drawn(display_list: Any, scale: float, space: Any) -> NDArray[np.uint8]:
    pixmap = display_list.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=space, alpha=0)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.h, pixmap.w, -1)


def draws_alike(display_list: Any) -> bool:
    return all(
        bool((drawn(display_list, scale, pymupdf.csRGB) == drawn(display_list, scale, pymupdf.csGRAY)).all())
        for scale in SCALES
    )


def has_colour(display_list: Any) -> bool:
    pixels = drawn(display_list, SCALES[1], pymupdf.csRGB)
    return bool((pixels != pixels[..., :1]).any())


def form(content: str, entries: str) -> tuple[str, bytes]:
    return f"<< /Type /XObject /Subtype /Form /BBox [0 0 100 100] {entries} >>", content.encode()


def image(space: str, samples: bytes, width: int = 2, height: int = 2, more: str = "") -> tuple[str, bytes]:
    head = (
        f"<< /Type /XObject /Subtype /Image /Width {width} /Height {height} /BitsPerComponent 8 /ColorSpace {space} {more} >>"
    )
    return head, samples


def type3(glyph: str) -> Objects:
    font = (
        "<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1 1] /FontMatrix [1 0 0 1 0 0] /CharProcs << /a 6 0 R >> "
        "/Encoding << /Differences [97 /a] >> /FirstChar 97 /LastChar 97 /Widths [1] /Resources << >> >>"
    )
    return [(font, None), ("<< >>", glyph.encode())]


def shading(space: str, low: str, high: str) -> str:
    return (
        f"/Shading << /S << /ShadingType 2 /ColorSpace {space} /Coords [0 0 100 0] "
        f"/Function << /FunctionType 2 /Domain [0 1] /C0 [{low}] /C1 [{high}] /N 1 >> >> >>"
    )


TEXT3 = "BT /F 40 Tf 1 0 0 1 20 20 Tm (a) Tj ET"
FILL = "10 10 70 60 re f"
PICTURE = "q 80 0 0 80 10 10 cm /I Do Q"
FORM = "/Fm Do"
XOBJECT_I = "/XObject << /I 5 0 R >>"
XOBJECT_FM = "/XObject << /Fm 5 0 R >>"
CAL_GREY = "[/CalGray << /WhitePoint [0.9505 1 1.089] /Gamma 1.8 >>]"

SEPARABLE_BLEND_MODES = (
    "Multiply", "Screen", "Overlay", "Darken", "Lighten", "ColorDodge", "ColorBurn", "HardLight", "SoftLight", "Difference",
    "Exclusion",
)  # fmt: skip

COLOURED: dict[str, Any] = {
    "plain colour": lambda: a_list(f"1 0 0 rg {FILL}"),
    "black of CMYK ink": lambda: a_list(f"0 0 0 1 k {FILL}"),
    "one part in 255": lambda: a_list(f"0.5 0.5 0.50392 rg {FILL}"),
    "a tiny dot": lambda: a_list("0 0 1 rg 50 50 0.1 0.1 re f"),
    "line": lambda: a_list("0 1 0 RG 10 10 m 90 90 l S"),
    "separation": lambda: a_list(
        f"/Spot cs 1 scn {FILL}",
        "/ColorSpace << /Spot [/Separation /Gold /DeviceCMYK "
        "<< /FunctionType 2 /Domain [0 1] /C0 [0 0 0 0] /C1 [0 .2 .9 .1] /N 1 >>] >>",
    ),
    "shading": lambda: a_list("/S sh", shading("/DeviceRGB", "0.2 0.2 0.2", "0.2 0.2 0.9")),
    "image": lambda: a_list(PICTURE, XOBJECT_I, [image("/DeviceRGB", bytes(range(12)))]),
    "indexed image": lambda: a_list(
        PICTURE, XOBJECT_I, [image("[/Indexed /DeviceRGB 3 <000000 ff0000 00ff00 ffffff>]", bytes([0, 1, 2, 3]))]
    ),
    "image mask": lambda: a_list(
        f"1 0 0 rg {PICTURE}",
        XOBJECT_I,
        [("<< /Type /XObject /Subtype /Image /ImageMask true /Width 8 /Height 2 /BitsPerComponent 1 >>", b"\x55\xaa")],
    ),
    "Type 3 glyph with its own colour": lambda: a_list(TEXT3, "/Font << /F 5 0 R >>", type3("1 0 d0 1 0 0 rg 0 0 .8 .8 re f")),
    "Type 3 glyph in coloured ink": lambda: a_list(
        f"0 0 1 rg {TEXT3}", "/Font << /F 5 0 R >>", type3("1 0 0 0 1 1 d1 0 0 .8 .8 re f")
    ),
    "pattern": lambda: a_list(
        f"/Pattern cs /P scn {FILL}",
        "/Pattern << /P 5 0 R >>",
        [
            (
                "<< /Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 9 9] /XStep 9 /YStep 9 "
                "/Resources << >> >>",
                b"0 .5 0 rg 0 0 4 4 re f",
            )
        ],
    ),
    "blend mode over colour": lambda: a_list(
        f"1 1 0 rg 0 0 50 100 re f /G gs 0.5 g {FILL}", "/ExtGState << /G << /BM /Multiply >> >>"
    ),
    "transparent colour": lambda: a_list(f"/G gs 1 0 0 rg {FILL}", "/ExtGState << /G << /ca 0.1 >> >>"),
    "group": lambda: a_list(FORM, XOBJECT_FM, [form(f"0 0 1 rg {FILL}", "/Group << /S /Transparency /CS /DeviceRGB >>")]),
    "colour under a soft mask": lambda: a_list(
        f"/G gs 1 0 0 rg {FILL}",
        "/ExtGState << /G << /SMask << /S /Luminosity /G 5 0 R >> >> >>",
        [form("0.5 g 0 0 100 100 re f", "/Group << /S /Transparency /CS /DeviceGray >>")],
    ),
    "annotation": lambda: a_list(
        f"0.5 g {FILL}",
        page="/Annots [5 0 R]",
        objects=[
            ("<< /Type /Annot /Subtype /Stamp /Rect [20 20 60 60] /F 4 /AP << /N 6 0 R >> >>", None),
            form("1 0 0 rg 0 0 100 100 re f", ""),
        ],
    ),
    "default RGB of another kind": lambda: a_list(
        f"0.5 0.5 0.5 rg {FILL}",
        "/ColorSpace << /DefaultRGB [/CalRGB << /WhitePoint [0.9505 1 1.089] /Gamma [1 2 1] >>] >>",
    ),
}

GREY: dict[str, Any] = {
    "nothing": lambda: a_list(""),
    "grey": lambda: a_list(f"0.5 g {FILL} 0.1 G 10 10 m 90 95 l S"),
    "grey as RGB": lambda: a_list(f"0.25 0.25 0.25 rg {FILL}"),
    "image": lambda: a_list(PICTURE, XOBJECT_I, [image("/DeviceGray", bytes([0, 90, 180, 255]))]),
    "masked image": lambda: a_list(
        PICTURE,
        XOBJECT_I,
        [
            image("/DeviceGray", bytes([0, 90, 180, 255]), more="/SMask 6 0 R"),
            image("/DeviceGray", bytes([255, 128, 7, 60])),
        ],
    ),
    "Type 3 glyph": lambda: a_list(TEXT3, "/Font << /F 5 0 R >>", type3("1 0 0 0 1 1 d1 0 0 .8 .8 re f")),
    "group without a colour space": lambda: a_list(
        "/G gs /Fm Do",
        f"/ExtGState << /G << /ca 0.37 >> >> {XOBJECT_FM}",
        [form(f"0.3 g {FILL} 0.7 g 30 30 m 90 40 l 60 90 l f", "/Group << /S /Transparency >>")],
    ),
    "grey under a coloured soft mask": lambda: a_list(
        f"/G gs 0.1 g {FILL}",
        "/ExtGState << /G << /SMask << /S /Luminosity /G 5 0 R >> >> >>",
        [form("1 0 0 rg 0 0 50 100 re f 0 1 0 rg 50 0 40 100 re f", "/Group << /S /Transparency /CS /DeviceRGB >>")],
    ),
    **{
        f"blend mode {mode}": (
            lambda mode=mode: a_list(
                f"0.7 g 0 0 60 100 re f 0.3 g 0 0 100 30 re f /G gs 0.43 g {FILL} 0.1 g 30 20 m 95 50 l 40 90 l f",
                f"/ExtGState << /G << /BM /{mode} /ca 0.83 >> >>",
            )
        )
        for mode in SEPARABLE_BLEND_MODES
    },
}

UNDECIDED: dict[str, Any] = {
    # Grey to look at, but drawn otherwise in grey or not worth it: False is right, so is True with equal pixels.
    "shading": lambda: a_list("/S sh", shading("/DeviceGray", "0.1", "0.93")),
    "Type 3 glyph with its own grey": lambda: a_list(
        f"0.1 g {TEXT3}", "/Font << /F 5 0 R >>", type3("1 0 d0 0.6 g 0 0 .8 .8 re f")
    ),
    "grey group": lambda: a_list(
        "/G gs /Fm Do",
        f"/ExtGState << /G << /ca 0.37 >> >> {XOBJECT_FM}",
        [form(f"0.3 g {FILL} 0.7 g 30 30 m 90 40 l 60 90 l f", "/Group << /S /Transparency /CS /DeviceGray /I true >>")],
    ),
    "calibrated grey": lambda: a_list(f"/C cs 0.43 sc {FILL}", f"/ColorSpace << /C {CAL_GREY} >>"),
    "calibrated grey image": lambda: a_list(PICTURE, XOBJECT_I, [image(CAL_GREY, bytes([0, 90, 180, 255]))]),
    "default grey": lambda: a_list(f"0.43 g {FILL}", f"/ColorSpace << /DefaultGray {CAL_GREY} >>"),
    "default grey, image": lambda: a_list(
        PICTURE,
        f"{XOBJECT_I} /ColorSpace << /DefaultGray {CAL_GREY} >>",
        [image("/DeviceGray", bytes([0, 90, 180, 255]))],
    ),
    "Lab": lambda: a_list(f"/C cs 43 0 0 sc {FILL}", "/ColorSpace << /C [/Lab << /WhitePoint [0.9642 1 0.8249] >>] >>"),
    "light CMYK grey": lambda: a_list(f"0 0 0 0.01 k {FILL}"),
    "grey image in RGB": lambda: a_list(PICTURE, XOBJECT_I, [image("/DeviceRGB", bytes([9, 9, 9] * 4))]),
    "group in RGB": lambda: a_list(FORM, XOBJECT_FM, [form(FILL, "/Group << /S /Transparency /CS /DeviceRGB >>")]),
    "blend mode of hues": lambda: a_list(
        f"0.7 g 0 0 60 100 re f /G gs 0.45 g {FILL}", "/ExtGState << /G << /BM /Luminosity /ca 0.8 >> >>"
    ),
}


@pytest.mark.parametrize("name", COLOURED)
def test_colour_is_seen(name: str) -> None:
    display_list = COLOURED[name]()
    assert has_colour(display_list), "the page of this test must itself be coloured"
    assert not is_grey(display_list)


@pytest.mark.parametrize("name", GREY)
def test_grey_is_seen_and_drawn_alike(name: str) -> None:
    display_list = GREY[name]()
    assert not has_colour(display_list)
    assert draws_alike(display_list)
    assert is_grey(display_list)


@pytest.mark.parametrize("name", UNDECIDED)
def test_what_is_said_to_be_grey_is_drawn_alike(name: str) -> None:
    display_list = UNDECIDED[name]()
    assert not is_grey(display_list) or draws_alike(display_list)


@given(
    levels=st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=12),
    opacity=st.floats(0, 1),
    as_rgb=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_levels_said_to_be_grey_are_drawn_alike(levels: list[tuple[float, float, float]], opacity: float, as_rgb: bool) -> None:
    content = ["/G gs"]
    for level, x, y in levels:
        colour = f"{level:.5f} {level:.5f} {level:.5f} rg" if as_rgb else f"{level:.5f} g"
        content.append(f"{colour} {x * 80:.3f} {y * 80:.3f} m {x * 70 + 30:.3f} {y * 90:.3f} l {x * 20:.3f} 95.5 l f")
    display_list = a_list(" ".join(content), f"/ExtGState << /G << /ca {opacity:.3f} >> >>")
    assert not is_grey(display_list) or draws_alike(display_list)


def test_a_page_of_too_many_operations_is_not_looked_at_to_its_end() -> None:
    assert not is_grey(a_list("0 0 m 9 9 l S " * (grey.MOST_OPERATIONS + 1)))


def test_an_error_on_the_way_is_not_grey(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(mupdf, "ll_fz_convert_color", fail)
    assert not is_grey(a_list(f"0.5 g {FILL}"))


def test_pages_of_real_documents_are_drawn_alike(capsys: pytest.CaptureFixture[str]) -> None:
    corpus = (Path(__file__).parents[1] / "../shared/corpus").resolve()
    names = [
        "text/tracemonkey.pdf",
        "text/Alice.pdf",
        "japanese/vertical.pdf",
        "scan/ccitt.pdf",
        "vector/orchestra.pdf",
    ]
    if not corpus.is_dir():
        pytest.skip(f"no corpus at {corpus}")
    said = 0
    for name in names:
        document = pymupdf.open(corpus / name)
        for index in range(min(3, document.page_count)):
            display_list = document[index].get_displaylist()
            if is_grey(display_list):
                said += 1
                assert draws_alike(display_list), (name, index)
    assert said >= 5
