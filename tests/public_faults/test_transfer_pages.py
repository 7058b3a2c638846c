"""Pages by chance: functions that change hardly anything are drawn as no function is, or are told."""

from __future__ import annotations

import random

import numpy as np
import pytest
from identity_documents import pdf, stream
from numpy.typing import NDArray
from test_draw import FONT

from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.problems import COLOUR_LOST, of_warnings
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.drawing import draw
from sidebooks_core.engine.messages import take_warnings
from sidebooks_core.engine.opening import open_document

PAGES = 30
VISIBLE = 24
"""Of 255: more than the functions below change anywhere, less than any mistake does."""
NEARLY_STRAIGHT = b"<</FunctionType 2/Domain[0 1]/C0[0]/C1[.99]/N 1>>"
NEARLY_STRAIGHT_CURVE = b"<</FunctionType 2/Domain[0 1]/C0[0]/C1[1]/N 1.01>>"
IMAGE = "/Type/XObject/Subtype/Image/Height 1"
IMAGES = {
    20: stream(f"{IMAGE}/Width 4/BitsPerComponent 8/ColorSpace/DeviceGray", bytes([0, 64, 128, 255])),
    21: stream(f"{IMAGE}/Width 8/BitsPerComponent 1/ImageMask true", b"\x55"),
    22: stream(f"{IMAGE}/Width 4/BitsPerComponent 8/ColorSpace/DeviceRGB/SMask 20 0 R", bytes([255, 128, 0] * 4)),
}
GLYPHS = (
    "<</Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/FontMatrix[1 0 0 1 0 0]/FirstChar 97/LastChar 97/Widths[1]"
    "/Encoding<</Type/Encoding/Differences[97/a]>>/CharProcs<</a {} 0 R>>/Resources<<>>>>"
)
STATES = "/ExtGState<</G<</TR 10 0 R>>/H<</TR 11 0 R>>/Off<</TR/Identity>>/Half<</ca .5>>>>"
OTHER_STATES = "/ExtGState<</Other<</TR 10 0 R>>/G<</TR 11 0 R>>/Off<</TR/Identity>>/Half<</ca .5>>>>"
DRAWN = "/XObject<</I 20 0 R/M 21 0 R/K 22 0 R/A 30 0 R/B 31 0 R/C 32 0 R>>"
FONTS = f"/Font<</F 5 0 R/T {GLYPHS.format(40)}/U 42 0 R>>"
ALL = STATES + DRAWN + FONTS
OF_FORMS = (
    "",
    "/Resources 9 0 R",
    f"/Resources<<{ALL}>>",
    "/Resources<</XObject<</I 20 0 R/A 31 0 R>>>>",
    f"/Resources<<{STATES}>>",
    f"/Resources<<{OTHER_STATES}{DRAWN}>>",
)
NUMBERS = ("0", "1", ".5", ".25", "-1", "2", "0.75", "+.5", "1.")


def operators(chance: random.Random) -> str:
    def numbers(count: int) -> str:
        return " ".join(chance.choice(NUMBERS) for _ in range(count))

    x_pt, y_pt = chance.randrange(300), chance.randrange(300)
    kinds = {
        f"{numbers(1)} {chance.choice('gG')} 3 w": 16,
        f"{numbers(3)} {chance.choice(('rg', 'RG'))}": 8,
        f"{numbers(4)} {chance.choice('kK')}": 6,
        "q": 10,
        "Q": 8,
        f"/{chance.choice(('G', 'H', 'Off', 'Half'))} gs": 14,
        f"{x_pt} {y_pt} 60 60 re {chance.choice(('f', 'B', 'f*', 'S', 'b*'))}": 10,
        f"q 80 0 0 60 {x_pt} {y_pt} cm /{chance.choice('IMK')} Do Q": 5,
        f"q 1 0 0 1 {x_pt // 2} {y_pt // 2} cm /{chance.choice('ABC')} Do Q": 9,
        f"BT /{chance.choice('TUF')} 60 Tf {x_pt} {y_pt} Td (aa) Tj ET": 5,
        f"q 30 0 0 30 {x_pt} {y_pt} cm BI /W 8/H 1/IM true ID \x55 EI Q": 2,
        "/DeviceRGB cs .2 .4 .6 sc": 2,
        "/DeviceGray CS .5 SC": 1,
        "% comment\n": 4,
    }
    return chance.choices(tuple(kinds), tuple(kinds.values()))[0]


def content(chance: random.Random, most: int) -> bytes:
    return "\n".join(operators(chance) for _ in range(chance.randrange(1, most))).encode()


def shown(objects: dict[int, bytes], straight: bytes, curve: bytes) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    data = pdf({**objects, 10: straight, 11: curve})
    document = open_document(Source(data), password=None, name="paper", limits=Limits())
    take_warnings()
    pixels = draw(document.display_list(0), 1, (0, 0, 400, 400), grey=False)
    document.close()
    return pixels, of_warnings(take_warnings())


@pytest.mark.parametrize("seed", range(4))
def test_functions_that_change_hardly_anything(seed: int) -> None:
    chance = random.Random(seed)
    compared = 0
    for _ in range(PAGES):
        named = chance.choice(("9 0 R", f"<<{ALL}>>"))
        page = f"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources {named}>>"
        objects = {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 400 400]>>",
            3: page.encode(),
            4: stream("", content(chance, 14)),
            5: FONT,
            9: f"<<{ALL}>>".encode(),
            40: stream("", b"1 0 0 0 1 1 d1 0 0 .8 .8 re f"),
            41: stream("", b"1 0 d0 .5 g 0 0 .8 .8 re f"),
            42: GLYPHS.format(41).encode(),
            **IMAGES,
        }
        for number in (30, 31, 32):
            entries = chance.choice(OF_FORMS) + chance.choice(
                ("", "/Group<</S/Transparency/I true>>", "/Matrix[.5 0 0 .5 9 9]")
            )
            described = f"/Type/XObject/Subtype/Form/BBox[0 0 400 400]{entries}"
            objects[number] = stream(described, content(chance, 8))
        plain, told_plain = shown(objects, b"null", b"null")
        nearly, told = shown(objects, NEARLY_STRAIGHT, NEARLY_STRAIGHT_CURVE)
        if COLOUR_LOST in told and COLOUR_LOST not in told_plain:
            continue
        compared += 1
        assert told == told_plain
        assert (np.abs(plain.astype(int) - nearly).max(axis=2) > VISIBLE).sum() <= 50, objects[4]
    assert compared > PAGES / 3
