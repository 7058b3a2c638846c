"""The writer of lossless WebP: every pixel comes back through another's decoder, in few bytes, whatever the image."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sidebooks_core.encoding import webp
from sidebooks_core.encoding.runs import BLOCK_PIXELS, Runs
from sidebooks_core.encoding.webp import code_lengths, lossless_webp

Pixels = NDArray[np.uint8]


def decoded(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "WEBP"
        assert image.mode == "RGB"
        return np.array(image)


def written(pixels: Pixels) -> bytes:
    return lossless_webp(Runs.of(np.ascontiguousarray(pixels)), pixels.shape[1])


def assert_exact(pixels: Pixels) -> bytes:
    data = written(pixels)
    assert np.array_equal(decoded(data), pixels)
    return data


def text(width: int, height: int, seed: int = 1) -> Pixels:
    """Letters in many inks."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    for line in range(0, height, 17):
        ink = tuple(int(level) for level in random.integers(0, 200, 3))
        pen.text((7.3, line + 0.4), "All happy families are alike; each " * (width // 90 + 1), fill=ink, font_size=12.7)
    return np.array(image)


@given(
    palette=hnp.arrays(np.uint8, st.tuples(st.integers(1, 300), st.just(3))),
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    longest_run=st.integers(1, 200),
    repeated=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_every_pixel_comes_back(palette: Pixels, shape: tuple[int, int], longest_run: int, repeated: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    count = shape[0] * shape[1]
    colours = np.repeat(random.integers(0, len(palette), count), random.integers(1, longest_run + 1, count))[:count]
    pixels = palette[colours].reshape(*shape, 3)
    assert_exact(np.concatenate([pixels] * repeated, axis=seed % 2))


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 2), (2, 1), (1, 16_383), (16_383, 1), (1, 4095), (1, 4096), (1, 4097), (64, 64), (64, 1024), (1020, 1024)],
)
def test_sizes_at_which_something_ends(shape: tuple[int, int]) -> None:
    height, width = shape
    assert_exact(np.full((height, width, 3), (1, 2, 3), np.uint8))
    assert_exact(np.broadcast_to(np.random.default_rng(4).integers(0, 256, (1, width, 3), np.uint8), (height, width, 3)))
    assert_exact(text(width, height))


def test_what_was_before_is_copied() -> None:
    block = np.repeat(np.random.default_rng(9).integers(0, 256, (300, 250, 3), np.uint8), 4, axis=1)
    data = assert_exact(np.concatenate([block] * 3))
    assert len(data) < 1.1 * len(written(block))


@pytest.mark.parametrize("height", [1, 40])
def test_runs_are_the_pixels_in_pieces(height: int) -> None:
    pixels = text(1300, height)
    runs = Runs.of(pixels)
    ends = runs.starts + runs.sizes
    assert np.array_equal(runs.starts // BLOCK_PIXELS, (ends - 1) // BLOCK_PIXELS)
    stretches = runs.stretches(3)
    assert all(stretch.starts[0] == 0 and stretch.pixel_count <= 3 * BLOCK_PIXELS for stretch in stretches)
    for pieces in ([runs], stretches):
        numbers = np.concatenate([np.repeat(piece.colours, piece.sizes) for piece in pieces])
        assert np.array_equal(numbers.astype("<u4").view(np.uint8).reshape(height, 1300, 4)[..., :3], pixels)


@pytest.mark.parametrize("hashes", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_what_only_hashes_alike_is_not_copied(monkeypatch: pytest.MonkeyPatch, hashes: int) -> None:
    """As in a document that was made for it."""
    monkeypatch.setattr(webp, "_hashes", lambda colours, sizes: np.full(len(colours), hashes, np.uint32))
    assert_exact(text(900, 700))
    assert_exact(np.random.default_rng(2).integers(0, 256, (200, 300, 3), np.uint8))


def test_noise() -> None:
    assert_exact(np.random.default_rng(2).integers(0, 256, (1100, 1000, 3), np.uint8))


def test_the_same_pixels_give_the_same_bytes() -> None:
    pixels = text(600, 800)
    assert written(pixels) == written(pixels.copy())


def test_text_takes_half_of_jpeg_and_less() -> None:
    pixels = text(1400, 1800)
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG", quality=85)
    assert len(assert_exact(pixels)) < 0.5 * jpeg.tell()


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=300), st.integers(9, 15))
def test_codes_are_complete_and_bounded(counts: list[int], most_bits: int) -> None:
    lengths = code_lengths(np.array(counts), most_bits)
    used = [length for length in lengths.tolist() if length]
    assert [count > 0 for count in counts] == [length > 0 for length in lengths]
    assert all(length <= most_bits for length in used)
    if len(used) > 1:
        assert sum(2.0**-length for length in used) == 1


def test_codes_are_huffmans_where_nothing_bounds_them() -> None:
    assert code_lengths(np.array([5, 0, 1, 1, 2]), 7).tolist() == [1, 0, 3, 3, 2]


def test_a_steep_tree_is_cut_to_the_bound() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 40:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = code_lengths(np.array(fibonacci), 6).tolist()
    assert max(lengths) == 6
    assert sum(2.0**-length for length in lengths) == 1
