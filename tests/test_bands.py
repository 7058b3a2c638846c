"""One image from bands: the same pixels as the image encoded whole, whoever encodes which band."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sidebooks_core.encoding import bands
from sidebooks_core.encoding.band_pixels import BandPixels
from sidebooks_core.encoding.encode import encode
from sidebooks_core.errors import RequestError

HEIGHT_PX, WIDTH_PX = 640, 300
TOPS_PX = (0, 64, 208, 336, 512)


def ramp(count: int) -> NDArray[np.uint8]:
    return (np.arange(HEIGHT_PX * WIDTH_PX).reshape(HEIGHT_PX, WIDTH_PX) // 7 % count).astype(np.uint8)


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, shape, np.uint8)


def text_like(colours: int) -> NDArray[np.uint8]:
    """White paper with runs of some colours."""
    page = np.full((HEIGHT_PX, WIDTH_PX, 3), 255, np.uint8)
    places = np.random.default_rng(5).integers(0, WIDTH_PX - 9, (HEIGHT_PX, 6))
    for row in range(0, HEIGHT_PX, 2):
        for number, place in enumerate(places[row]):
            page[row, place : place + 8] = ((row * 6 + number) % colours, number * 9, 40)
    return page


IMAGES = {
    "white": np.full((HEIGHT_PX, WIDTH_PX, 3), 255, np.uint8),
    "one colour": np.full((HEIGHT_PX, WIDTH_PX, 3), (200, 10, 30), np.uint8),
    "black and white": (ramp(2) * 255).astype(np.uint8),
    "four levels": (ramp(4) * 85).astype(np.uint8),
    "grey": ramp(250),
    "grey in three": np.repeat(ramp(250)[..., None], 3, axis=2),
    "few colours": text_like(20),
    "many colours": text_like(256),
    "grey above, colours below": np.concatenate([np.repeat(ramp(200)[:320, :, None], 3, axis=2), text_like(9)[320:]], axis=0),
}


def in_bands(pixels: NDArray[np.uint8], image_format: str = "auto", workers: int = 2) -> tuple[bytes, str, bands.Plan]:
    """The bands are dealt out to workers, as whoever is free takes the next one."""
    ends_px = (*TOPS_PX[1:], HEIGHT_PX)
    parts = {top: pixels[top:end] for top, end in zip(TOPS_PX, ends_px, strict=True)}
    held = [BandPixels({top: parts[top] for top in TOPS_PX[first::workers]}, HEIGHT_PX) for first in range(workers)]
    seen = [one.see() for one in held]
    if image_format == "jpeg":
        plan = bands.jpeg_plan(seen)
    else:
        plan = bands.plan_of(seen, WIDTH_PX, HEIGHT_PX, may_lose=image_format != "png")
    encoded: dict[int, bands.Encoded] = {}
    if plan.kind != bands.FLAT_KIND:
        for one in held:
            encoded.update(one.encoded(plan, 85))
    data, media_type = bands.joined(plan, [encoded[top] for top in sorted(encoded)], WIDTH_PX, HEIGHT_PX)
    return data, media_type, plan


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("name", IMAGES)
def test_png_has_the_pixels_of_all_bands(name: str, workers: int) -> None:
    pixels = IMAGES[name]
    data, media_type, _ = in_bands(pixels, "png", workers)
    assert media_type == "image/png"
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    assert np.array_equal(np.array(decoded(data).convert("RGB")), rgb)


@pytest.mark.parametrize("name", IMAGES)
def test_png_is_of_the_kind_of_the_image_encoded_whole(name: str) -> None:
    whole = decoded(encode(IMAGES[name], "png", 85).data)
    data, _, _ = in_bands(IMAGES[name], "png")
    assert decoded(data).mode == whole.mode
    assert data[24:26] == encode(IMAGES[name], "png", 85).data[24:26]  # bits, colour type


@pytest.mark.parametrize("pixels", [noise(HEIGHT_PX, WIDTH_PX, 3), noise(HEIGHT_PX, WIDTH_PX), text_like(256)])
def test_jpeg_has_the_pixels_of_the_jpeg_encoded_whole(pixels: NDArray[np.uint8]) -> None:
    data, media_type, _ = in_bands(pixels, "jpeg")
    assert media_type == "image/jpeg"
    whole = encode(pixels, "jpeg", 85)
    assert np.array_equal(np.array(decoded(data)), np.array(decoded(whole.data)))


def test_picture_becomes_a_jpeg_only_where_pixels_may_be_lost() -> None:
    picture = noise(HEIGHT_PX, WIDTH_PX, 3)
    assert in_bands(picture)[1] == "image/jpeg"
    assert in_bands(picture, "png")[1] == "image/png"
    assert in_bands(text_like(30))[1] == "image/png"


def test_first_row_of_a_band_needs_no_row_above() -> None:
    """A shading is filtered by rows, and the row above the first may be another worker's."""
    shading = np.repeat((np.arange(HEIGHT_PX) // 3 % 256).astype(np.uint8)[:, None], WIDTH_PX, axis=1)
    shading = (shading + (ramp(251) // 50)).astype(np.uint8)
    held = BandPixels({top: shading[top : top + 64] for top in range(0, HEIGHT_PX, 64)}, HEIGHT_PX)
    plan = bands.Plan(bands.GREY_KIND, row_filter=2, is_grey=True)
    encoded = held.encoded(plan, 85)
    data, _ = bands.joined(plan, [encoded[top] for top in sorted(encoded)], WIDTH_PX, HEIGHT_PX)
    assert np.array_equal(np.array(decoded(data)), shading)


def test_stream_has_the_checksum_of_all_rows() -> None:
    data, _, _ = in_bands(IMAGES["many colours"], "png")
    stream, at = b"", 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        name, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert zlib.crc32(name + content) == int.from_bytes(data[at + 8 + length : at + 12 + length], "big"), name
        stream += content if name == b"IDAT" else b""
        at += 12 + length
    assert len(zlib.decompress(stream)) == HEIGHT_PX * (1 + 3 * WIDTH_PX)  # raises if the checksum is wrong


def test_missed_picture_is_seen_in_its_bytes() -> None:
    plan = bands.Plan(bands.RGB_KIND, expected_bytes=1_000)
    assert bands.is_missed_picture(plan, [bands.Encoded(bytes(70_000))])
    assert not bands.is_missed_picture(plan, [bands.Encoded(bytes(60_000))])
    assert not bands.is_missed_picture(bands.Plan(bands.JPEG_KIND), [bands.Encoded(bytes(70_000))])


def test_plan_for_other_pixels_is_refused() -> None:
    held = BandPixels({0: text_like(256)}, HEIGHT_PX)
    held.see()
    with pytest.raises(RequestError, match="no part of a grey image"):
        held.encoded(bands.Plan(bands.GREY_KIND, is_grey=True), 85)
    with pytest.raises(RequestError, match="other colours"):
        held.encoded(bands.Plan(bands.PALETTE_KIND, colours=b"\x00\x00\x00\xff\xff\xff\xff\xff"), 85)
