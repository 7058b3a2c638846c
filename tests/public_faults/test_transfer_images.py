"""Images that a transfer function changes: in the colours that they show, and as transparent as they were."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import pytest
from identity_documents import stream
from PIL import Image
from test_draw import one_page
from transfer_files import (
    INVERTS,
    SQUARES,
    Colours,
    assert_near,
    drawn,
)

from sidebooks_core.documents.problems import COLOUR_LOST


def image(space: str, samples: bytes, more: str = "", bits: int = 8) -> bytes:
    return stream(f"/Subtype/Image/Width 4/Height 1/BitsPerComponent {bits}/ColorSpace {space}{more}", samples)


def repainted(function: bytes, drawn_image: bytes, more: Mapping[int, bytes]) -> tuple[Colours, tuple[str, ...]]:
    """An image over red, drawn with a function."""
    content = b"1 0 0 rg 0 0 200 50 re f /G gs q 200 0 0 50 0 0 cm /I Do Q"
    resources = "/ExtGState<</G<</TR 10 0 R>>>>/XObject<</I 20 0 R>>"
    return drawn(one_page(content, resources, more={10: function, 20: drawn_image, **more}))


TINT = {11: b"<</FunctionType 2/Domain[0 1]/C0[1]/C1[0]/N 1>>"}
SPOT = {11: b"<</FunctionType 2/Domain[0 1]/C0[1 1 1]/C1[1 0 0]/N 1>>"}
INKS = {11: stream("/FunctionType 4/Domain[0 1 0 1 0 1]/Range[0 1 0 1 0 1 0 1]", b"{0}")}
LAB = "[/Lab<</WhitePoint[.9505 1 1.089]/Range[-100 100 -100 100]>>]"
STEPS = bytes([0, 64, 128, 255])
HALVES = b"<</FunctionType 2/Domain[0 1]/C0[0]/C1[.5]/N 1>>"
SPACES: dict[str, tuple[bytes, dict[int, bytes]]] = {
    "grey": (image("/DeviceGray", STEPS), {}),
    "black ink": (image("[/Separation/Black/DeviceGray 11 0 R]", STEPS), TINT),
    "spot colour": (image("[/Separation/Spot/DeviceRGB 11 0 R]", STEPS), SPOT),
    "three inks": (
        image("[/DeviceN[/Cyan/Magenta/Yellow]/DeviceCMYK 11 0 R]", bytes([0, 0, 0, 255, 255, 255, 255, 0, 0, 128, 0, 128])),
        INKS,
    ),
    "four inks": (image("/DeviceCMYK", STEPS * 4), {}),
    "lightness and hue": (image(LAB, bytes([255, 128, 128, 128, 128, 128, 0, 128, 128, 128, 255, 128])), {}),
    "palette": (image("[/Indexed/DeviceRGB 3<000000404040808080FFFFFF>]", bytes(range(4))), {}),
    "palette of inks": (image("[/Indexed[/Separation/Spot/DeviceRGB 11 0 R]3<004080FF>]", bytes(range(4))), SPOT),
}


@pytest.mark.parametrize("function", [INVERTS, SQUARES, HALVES], ids=["inverts", "squares", "halves"])
@pytest.mark.parametrize("space", SPACES)
def test_a_transfer_function_of_an_image_is_of_the_colours_that_it_shows(space: str, function: bytes) -> None:
    made: Callable[[float], float] = {
        INVERTS: lambda value: 255 - value,
        SQUARES: lambda value: value**2 / 255,
        HALVES: lambda value: value / 2,
    }[function]
    plain, _ = repainted(b"null", *SPACES[space])
    found, told = repainted(function, *SPACES[space])
    assert_near(found, [tuple(round(made(value)) for value in colour) for colour in plain[:4]])
    assert not told


def translucent_jpeg_2000() -> bytes:
    made = io.BytesIO()
    Image.frombytes("LA", (4, 1), bytes([0, 255, 64, 255, 128, 0, 255, 128])).resize((64, 16), 0).save(made, "JPEG2000")
    return stream("/Subtype/Image/Width 64/Height 16/Filter/JPXDecode", made.getvalue())


MATTE = {12: image("/DeviceGray", bytes([255, 128, 128, 64]), "/Matte[0]")}
TRANSPARENT: dict[str, tuple[bytes, bytes, dict[int, bytes], bool]] = {
    "a mask": (
        INVERTS,
        image("/DeviceGray", STEPS, "/SMask 12 0 R"),
        {12: image("/DeviceGray", bytes([255, 0, 0, 255]))},
        True,
    ),
    "a key of grey": (INVERTS, image("/DeviceGray", bytes([155, 20, 155, 255]), "/Mask[150 160]"), {}, True),
    "a key of grey and a curve": (SQUARES, image("/DeviceGray", bytes([155, 200, 20, 255]), "/Mask[150 160]"), {}, False),
    "a key of a palette": (INVERTS, image("[/Indexed/DeviceGray 3<004080FF>]", bytes(range(4)), "/Mask[1 1]"), {}, False),
    "a matte": (INVERTS, image("/DeviceGray", bytes([100, 50, 50, 25]), "/SMask 12 0 R"), MATTE, False),
    "in its own samples, and a curve": (SQUARES, translucent_jpeg_2000(), {}, False),
    "in the samples": (INVERTS, image("/DeviceGray", STEPS, "/SMaskInData 1"), {}, False),
}


@pytest.mark.parametrize("case", TRANSPARENT)
def test_an_image_stays_transparent_where_it_was_or_is_told(case: str) -> None:
    function, drawn_image, more, is_applied = TRANSPARENT[case]
    plain, _ = repainted(b"null", drawn_image, more)
    found, told = repainted(function, drawn_image, more)
    if is_applied:
        red = (255, 0, 0)
        assert [one == red for one in found] == [one == red for one in plain]
        assert found[3] != plain[3]
        assert not told
    else:
        assert found == plain
        assert told == (COLOUR_LOST,)
