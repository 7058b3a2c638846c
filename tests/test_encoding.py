"""The encoder: lossless but for pictures, never fewer colours than there are, small, and sound for any shape of array."""

from __future__ import annotations

import io
import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sidebooks_core.encoding import content, png
from sidebooks_core.encoding.encode import EncodedImage, decode, encode
from sidebooks_core.encoding.formats import IMAGE_FORMATS
from sidebooks_core.encoding.png_file import flat_png
from sidebooks_core.errors import RequestError

Pixels = NDArray[np.uint8]
SIDES = st.integers(1, 40)


def as_rgb(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def opened(image: EncodedImage) -> Image.Image:
    """As another reader sees it."""
    return Image.open(io.BytesIO(image.data))


def text_page(ink: tuple[int, int, int] = (0, 0, 0), accent: tuple[int, int, int] | None = None, scale: int = 1) -> Pixels:
    """Antialiased letters on white, at 700 x 900, or a multiple of that."""
    image = Image.new("RGB", (700 * scale, 900 * scale), "white")
    pen = ImageDraw.Draw(image)
    for line in range(44):
        colour = accent if accent is not None and line % 7 == 3 else ink
        pen.text(
            (40.3 * scale, (20.4 + line * 19.7) * scale),
            "It is a truth universally acknowledged, that a page " * 2,
            fill=colour,
            font_size=12.7 * scale,
        )
    return np.array(image)


def photograph(height: int = 300, width: int = 400, seed: int = 7) -> Pixels:
    """Soft shapes with the noise of a camera."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), np.uint8))
    soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    return np.clip(soft + random.normal(0, 5, soft.shape), 0, 255).astype(np.uint8)


@given(
    hnp.arrays(np.uint8, st.one_of(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES, st.just(3)))),
    st.sampled_from([1, 2, 4, 17, 256]),
)
@settings(deadline=None)
def test_png_gives_back_every_pixel(pixels: Pixels, levels: int) -> None:
    pixels = (pixels.astype(np.uint16) * levels // 256 * (255 // max(1, levels - 1))).astype(np.uint8)
    image = encode(pixels, "png", 85)
    assert image.media_type == "image/png"
    assert np.array_equal(decode(image.data, image.media_type), as_rgb(pixels))


@given(
    palette=hnp.arrays(np.uint8, st.tuples(st.integers(1, 256), st.just(3))),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_palettes_of_any_size_are_exact(palette: Pixels, height: int, width: int, seed: int) -> None:
    pixels = palette[np.random.default_rng(seed).integers(0, len(palette), (height, width))]
    indexed = content.few_colours(pixels, content.Sample.of(pixels))
    assert indexed is not None
    assert np.array_equal(indexed.palette[indexed.indices], pixels)
    data = png.palette_png(indexed.indices, indexed.palette)
    assert np.array_equal(decode(data, "image/png"), pixels)


@given(
    background=st.tuples(*[st.integers(0, 255)] * 3),
    shapes=st.lists(st.tuples(st.tuples(*[st.integers(0, 255)] * 3), *[st.integers(0, 180)] * 4), min_size=0, max_size=20),
)
@settings(max_examples=50, deadline=None)
def test_flat_colour_is_lossless(
    background: tuple[int, int, int], shapes: list[tuple[tuple[int, int, int], int, int, int, int]]
) -> None:
    image = Image.new("RGB", (200, 180), background)
    pen = ImageDraw.Draw(image)
    for colour, x0, y0, x1, y1 in shapes:
        pen.ellipse((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), fill=colour)
    pixels = np.array(image)
    encoded = encode(pixels, "auto", 85)
    assert encoded.media_type == "image/png"
    assert np.array_equal(decode(encoded.data, encoded.media_type), pixels)


@pytest.mark.parametrize("accent", [None, (0, 0, 200), (34, 31, 32)])
@pytest.mark.parametrize("shrunk", [1, 2, 4])
def test_text_is_lossless_at_any_level(accent: tuple[int, int, int] | None, shrunk: int) -> None:
    pixels = np.asarray(Image.fromarray(text_page(accent=accent)).reduce(shrunk))
    encoded = encode(pixels, "auto", 20)
    assert encoded.media_type == "image/png"
    assert np.array_equal(decode(encoded.data, encoded.media_type), pixels)


def test_black_text_takes_at_most_three_fifths_of_jpeg() -> None:
    pixels = text_page()
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG", quality=85)
    assert len(encode(pixels, "auto", 85).data) <= 0.6 * jpeg.tell()


def coloured_page() -> Pixels:
    """Text in two inks, which are more colours than a palette holds, within margins."""
    pixels = np.pad(text_page(accent=(9, 99, 199), scale=2), ((250, 250), (300, 300), (0, 0)), constant_values=255)
    assert content.few_colours(pixels, content.Sample.of(pixels)) is None
    return pixels


class TestCompact:
    def test_a_page_of_coloured_text_takes_at_most_three_fifths_of_jpeg(self) -> None:
        pixels = coloured_page()
        jpeg = io.BytesIO()
        Image.fromarray(pixels).save(jpeg, "JPEG", quality=85)
        image = encode(pixels, "compact", 85)
        assert image.media_type == "image/webp"
        assert np.array_equal(decode(image.data, image.media_type), pixels)
        assert len(image.data) <= 0.6 * jpeg.tell()
        assert len(image.data) <= 0.6 * len(encode(pixels, "auto", 85).data)

    @pytest.mark.parametrize("kind", ["grey", "plane", "one ink", "one colour", "picture", "tile"])
    def test_all_else_is_as_by_content(self, kind: str) -> None:
        pixels = {
            "grey": lambda: text_page(),
            "plane": lambda: np.ascontiguousarray(text_page()[..., 0]),
            "one ink": lambda: text_page(ink=(34, 31, 32)),
            "one colour": lambda: np.full((1100, 800, 3), (1, 2, 3), np.uint8),
            "picture": lambda: photograph(900, 700),
            "tile": lambda: np.ascontiguousarray(coloured_page()[400:900, 400:900]),
        }[kind]()
        assert encode(pixels, "compact", 85) == encode(pixels, "auto", 85)

    def test_a_picture_between_the_sampled_rows_is_found(self) -> None:
        pixels = picture_between_sampled_rows()
        assert encode(pixels, "compact", 85) == encode(pixels, "auto", 85)


def test_text_in_one_ink_gets_a_palette() -> None:
    image = encode(text_page(ink=(34, 31, 32)), "auto", 85)
    assert opened(image).mode == "P"


@pytest.mark.parametrize("plane", [False, True])
def test_pictures_become_jpeg_of_the_asked_quality(plane: bool) -> None:
    pixels = photograph()
    if plane:
        pixels = np.ascontiguousarray(pixels[..., 0])
    good, poor = encode(pixels, "auto", 90), encode(pixels, "auto", 30)
    assert good.media_type == poor.media_type == "image/jpeg"
    assert len(good.data) > 2 * len(poor.data)
    assert opened(good).mode == ("L" if plane else "RGB")
    error = np.abs(decode(good.data, good.media_type).astype(int) - as_rgb(pixels))
    assert error.mean() < 4


def picture_between_sampled_rows() -> Pixels:
    pixels = np.full((4096, 600, 3), 255, np.uint8)
    tops = np.linspace(0, 4096 - 16, 16).astype(int)
    for top, following in itertools.pairwise(tops):
        pixels[top + 16 : following] = photograph(following - top - 16, 600, seed=top)
    pixels[:16, :9] = 7
    return pixels


def test_a_picture_between_the_sampled_rows_is_found() -> None:
    assert encode(picture_between_sampled_rows(), "auto", 85).media_type == "image/jpeg"


def test_the_kind_of_image_does_not_depend_on_the_quality() -> None:
    for pixels in (text_page(), photograph()):
        assert len({encode(pixels, "auto", quality).media_type for quality in (1, 50, 100)}) == 1


def test_the_same_pixels_give_the_same_bytes() -> None:
    for pixels in (text_page(accent=(200, 0, 0)), photograph(), text_page(ink=(9, 99, 199))):
        assert encode(pixels, "auto", 85) == encode(pixels.copy(), "auto", 85)


@pytest.mark.parametrize("image_format", ["auto", "png", "jpeg", "webp"])
def test_grey_stays_grey_however_it_comes(image_format: str) -> None:
    plane = np.ascontiguousarray(text_page()[..., 0])
    image = encode(as_rgb(plane), image_format, 85)
    assert image == encode(plane, image_format, 85)
    if image_format != "webp":  # which has no grey of its own
        assert opened(image).mode == "L"
    pixels = decode(image.data, image.media_type)
    assert np.array_equal(pixels[..., 0], pixels[..., 1])
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("place", [(0, 0), (899, 699), (450, 311)])
def test_one_pixel_of_the_faintest_colour_is_kept(channel: int, place: tuple[int, int]) -> None:
    pixels = text_page()
    pixels[*place, channel] ^= 1
    image = encode(pixels, "auto", 85)
    assert np.array_equal(decode(image.data, image.media_type), pixels)


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (77, 77, 77), (255, 254, 250)])
def test_one_colour_takes_a_few_bytes(colour: tuple[int, int, int]) -> None:
    pixels = np.full((2048, 1449, 3), colour, np.uint8)
    image = encode(pixels, "auto", 85)
    assert len(image.data) < 1000
    assert opened(image).size == (1449, 2048)
    assert np.array_equal(decode(image.data, image.media_type), pixels)


@pytest.mark.parametrize("levels", [2, 4, 16])
def test_few_levels_of_grey_are_packed(levels: int) -> None:
    random = np.random.default_rng(3)
    plane = (random.integers(0, levels, (300, 301)) * (255 // (levels - 1))).astype(np.uint8)
    image = encode(plane, "png", 85)
    assert len(image.data) < 300 * 301 * (levels.bit_length() - 1) / 8 * 1.05 + 200
    assert np.array_equal(decode(image.data, image.media_type), as_rgb(plane))


@pytest.mark.parametrize("image_format", IMAGE_FORMATS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (1, 1, 3), (1, 700, 3), (700, 1, 3), (3, 5, 3)])
def test_any_shape_is_encoded(image_format: str, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, shape, np.uint8)
    image = encode(pixels, image_format, 85)
    assert image_format in ("auto", "compact") or image.media_type == f"image/{image_format}"
    assert decode(image.data, image.media_type).shape == (*shape[:2], 3)


def test_tiles_cut_out_of_a_read_only_raster() -> None:
    raster = np.concatenate([text_page(accent=(200, 10, 10)), photograph(900, 700)], axis=1)
    raster.setflags(write=False)
    for part in (raster[100:612, 50:562], raster[100:612, 800:1312], raster[::-1, ::-2], raster[..., 1][33:99:3]):
        assert encode(part, "auto", 85) == encode(part.copy(), "auto", 85)


def test_webp_is_lossless_where_auto_is() -> None:
    pixels = text_page(accent=(0, 90, 0))
    image = encode(pixels, "webp", 50)
    assert np.array_equal(decode(image.data, image.media_type), pixels)
    assert len(encode(photograph(), "webp", 50).data) < photograph().size / 20


def test_colours_of_a_drawing_keep_their_resolution_in_jpeg() -> None:
    drawing, picture = (encode(pixels, "jpeg", 85) for pixels in (text_page(accent=(255, 0, 0)), photograph()))
    layers = [[layer[1:3] for layer in opened(image).layer] for image in (drawing, picture)]  # type: ignore[attr-defined]  # of JPEG only
    assert layers == [[(1, 1)] * 3, [(2, 2), (1, 1), (1, 1)]]


@pytest.mark.parametrize(
    ("pixels", "image_format"),
    [
        (np.zeros((0, 5), np.uint8), "auto"),
        (np.zeros((4, 5, 4), np.uint8), "auto"),
        (np.zeros((4, 5), np.uint16), "auto"),
        (np.zeros((4, 5), np.uint8), "gif"),
        (np.zeros((1, 16_384), np.uint8), "webp"),
        (np.zeros((1, 70_000), np.uint8), "jpeg"),
    ],
)
def test_what_cannot_be_encoded_is_refused(pixels: Pixels, image_format: str) -> None:
    with pytest.raises(RequestError):
        encode(pixels, image_format, 85)


def test_a_row_too_long_for_jpeg_is_still_encoded() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 70_000, 3), np.uint8)
    image = encode(pixels, "auto", 85)
    assert np.array_equal(decode(image.data, image.media_type), pixels)


def test_large_tiles_are_decoded_without_a_warning() -> None:
    pixels = np.zeros((9500, 9500), np.uint8)  # above the 89 million pixels at which Pillow warns
    image = encode(pixels, "auto", 85)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(image.data, image.media_type).shape == (9500, 9500, 3)


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp", "image/avif", "image/gif", "text/html"])
def test_what_is_not_the_named_image_is_refused(media_type: str) -> None:
    other = encode(photograph(), "jpeg" if media_type != "image/jpeg" else "png", 85).data
    for data in (b"", b"not an image", other):
        with pytest.raises(RequestError):
            decode(data, media_type)


def test_a_cut_image_is_refused() -> None:
    for image_format in ("png", "jpeg", "webp", "avif"):
        image = encode(photograph(), image_format, 85)
        with pytest.raises(RequestError):
            decode(image.data[: len(image.data) // 2], image.media_type)


def test_claimed_sizes_are_bounded() -> None:
    huge = flat_png(60_000, 8, (0,)).replace((60_000).to_bytes(4, "big"), (1 << 30).to_bytes(4, "big"))
    with pytest.raises(RequestError):
        decode(huge, "image/png")


def test_zlib_stands_in_for_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    import zlib

    monkeypatch.setattr(png, "deflate", zlib)
    for pixels in (text_page(accent=(0, 0, 250)), text_page()):
        image = encode(pixels, "auto", 85)
        assert np.array_equal(decode(image.data, image.media_type), pixels)
