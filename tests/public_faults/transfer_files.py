"""Pages with transfer functions, and what is drawn and told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from identity_documents import stream
from test_draw import one_page

from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.problems import COLOUR_LOST, of_warnings
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.drawing import draw
from sidebooks_core.engine.messages import take_warnings
from sidebooks_core.engine.opening import open_document

INVERTS = b"<</FunctionType 2/Domain[0 1]/C0[1]/C1[0]/N 1>>"
SQUARES = b"<</FunctionType 2/Domain[0 1]/C0[0]/C1[1]/N 2>>"
RAMP = stream("/Type/XObject/Subtype/Image/Width 4/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray", bytes([0, 64, 128, 255]))
COLOURED = stream("/Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceRGB", bytes([255, 128, 0]))
BITS = stream("/Type/XObject/Subtype/Image/Width 4/Height 1/BitsPerComponent 1/ColorSpace/DeviceGray/Decode[1 0]", b"\x50")


Colours = list[tuple[int, int, int]]


def drawn(data: bytes, *indices: int) -> tuple[Colours, tuple[str, ...]]:
    """The colours of eight squares across the foot of the page that is read last, and what its reader is told."""
    document = open_document(Source(data), password=None, name="paper", limits=Limits())
    for index in indices or (0,):
        take_warnings()
        listed = document.display_list(index)
        pixels = draw(listed, 1, (0, 0, 400, 400), grey=False)
    document.close()
    return [tuple(int(value) for value in pixels[375, 25 + 50 * index]) for index in range(8)], of_warnings(take_warnings())


def transferred(entry: str, functions: list[bytes], content: bytes, forms: Mapping[int, bytes] | None = None) -> Colours:
    """The colours of eight squares across the page's foot, which the content paints."""
    more = {10 + index: function for index, function in enumerate(functions)}
    more |= {20: RAMP, 21: COLOURED, 22: BITS, **(forms or {})}
    named = "/I 20 0 R/C 21 0 R/B 22 0 R" + "".join(f"/Fm{number} {number} 0 R" for number in forms or ())
    resources = f"/ExtGState<</G<<{entry}>>/Off<</TR/Identity>>/Other<</LW 2>>>>/XObject<<{named}>>"
    return drawn(one_page(content, resources, more=more))[0]


def form(content: bytes, resources: str = "") -> bytes:
    return stream(f"/Type/XObject/Subtype/Form/BBox[0 0 400 400]{resources}", content)


def assert_near(found: Colours, right: Sequence[tuple[int, int, int] | int]) -> None:
    """right: the colours of the first squares; one number is a grey."""
    wanted = [(value,) * 3 if isinstance(value, int) else value for value in right]
    compared = found[: len(wanted)]
    assert np.abs(np.subtract(compared, wanted)).max() <= 2, f"{compared}, not {wanted}"


FORM_RESOURCES = "/Resources<</ExtGState<</G<</TR 10 0 R>>/Off<</TR/Identity>>>>/XObject<</I 20 0 R/C 21 0 R/Fm31 31 0 R>>>>"


def is_transfer_told(content: bytes, more: Mapping[int, bytes] | None = None, resources: str = "", page: str = "") -> bool:
    """Whether the reader of a page is told of one. The page has states G and Off, form Fm, shading Sh and what is given."""
    shading = b"<</ShadingType 2/ColorSpace/DeviceGray/Coords[0 0 9 0]/Function 10 0 R>>"
    named = f"/ExtGState<</G<</TR 10 0 R>>/Off<</TR/Identity>>>>/XObject<</Fm 11 0 R>>/Shading<</Sh 12 0 R>>{resources}"
    data = one_page(
        content, named, page, more={10: INVERTS, 11: form(b"0 0 5 5 re f", "/Resources<<>>"), 12: shading, **(more or {})}
    )
    return COLOUR_LOST in drawn(data)[1]


SETS = form(b"/G gs 0 g 0 0 9 9 re f", FORM_RESOURCES)
DRAWS_20 = "/Resources<</XObject<</X 20 0 R>>>>"
GLYPHS = "<</Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/FontMatrix[1 0 0 1 0 0]/FirstChar 97/LastChar 97/Widths[1]"
GLYPHS += "/Encoding<</Type/Encoding/Differences[97/a]>>/CharProcs<</a 21 0 R>>"
TYPE_3 = f"{GLYPHS}{DRAWS_20}>>".encode()
SHOWS = b"BT /T 9 Tf (a) Tj ET"
