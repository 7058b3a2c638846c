"""The bands of an image that one worker draws: what they show, and their bytes by the plan for the whole image. Worker side."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sidebooks_core.encoding import content, png, worth
from sidebooks_core.encoding.bands import GREY_KIND, JPEG_KIND, PALETTE_KIND, Encoded, Plan, Seen
from sidebooks_core.errors import RequestError

_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_START_OF_FRAME, _START_OF_SCAN = 0xC0, 0xDA
_END_BYTES = 2
_COLOURS_OF_TEXT = content.COLOURS_OF_TEXT * 5 // 8
"""Of the bands of one worker. Those of another one have about the same inks, and other shades."""


class BandPixels:
    """The bands of one image that one worker has drawn, and what was found out about them."""

    def __init__(self, bands: Mapping[int, NDArray[np.uint8]], image_height_px: int) -> None:
        """bands: by their first row in the image: uint8, shape (height, width) for grey, (height, width, 3) for sRGB."""
        self._tops_px = sorted(bands)
        parts = [np.ascontiguousarray(bands[top]) for top in self._tops_px]
        self._parts = _planes(parts) or parts
        self._image_height_px = image_height_px
        self._runs: content.ColourRuns | None = None

    def see(self) -> Seen:
        """What the bands show."""
        parts = self._parts
        sample = content.Sample.of_parts(parts, self._image_height_px)
        is_grey = parts[0].ndim == 2
        indices = None
        if is_grey:
            levels = set().union(*(content.grey_levels(part).tolist() for part in parts))
            colours: bytes | None = b"".join(bytes((level, level, level, 255)) for level in sorted(levels))
        else:
            self._runs = content.ColourRuns.of(parts, sample)
            colours = None if self._runs is None else self._runs.colours()
            indices = None if self._runs is None else content.sampled_indices(sample, self._runs.distinct)
        height_px, width_px = sum(map(len, parts)), parts[0].shape[1]
        jpeg: float | None = None
        if indices is None and sample.is_plainly_text(_COLOURS_OF_TEXT):
            lossless = up = worth.bytes_of_text(3 * height_px * width_px)
        else:
            written = sample.rows if indices is None else indices
            lossless = up = len(png.deflated(written, png.NONE)) / sample.share
            if indices is None and sample.flatness < worth.MOSTLY_FLAT:
                up = len(png.deflated(written, png.UP)) / sample.share
            if not worth.lossless_pays(min(lossless, up), 0, height_px * width_px, sample.flatness):
                jpeg = content.jpeg_estimate(sample.middle_rows(), height_px)
        pairs = sample.rows.shape[0] * (width_px - 1)
        return Seen(
            is_grey=is_grey,
            colours=colours,
            pairs=pairs,
            equal_pairs=round(sample.flatness * pairs),
            lossless_bytes=round(lossless),
            up_bytes=round(up),
            jpeg_bytes=None if jpeg is None else round(jpeg),
        )

    def encoded(self, plan: Plan, quality: int) -> dict[int, Encoded]:
        """The bands as parts of the image, by their first row. quality: of a JPEG, 1 to 100.

        Raises RequestError if the plan is not for these pixels.
        """
        if plan.kind == JPEG_KIND:
            jpegs = zip(self._tops_px, self._parts, strict=True)
            return {
                top: _jpeg(part if plan.is_grey else _rgb(part), plan, quality, (top, self._image_height_px))
                for top, part in jpegs
            }
        row_filter = png.UP if plan.row_filter and plan.bits == 8 else png.NONE
        written = zip(self._tops_px, self._samples(plan), strict=True)
        return {top: Encoded(*png.band_chunk(samples, row_filter)) for top, samples in written}

    def _samples(self, plan: Plan) -> list[NDArray[np.uint8]]:
        """The samples of a PNG, band by band."""
        if plan.kind == GREY_KIND:
            if self._parts[0].ndim != 2:
                raise RequestError("bands with colours are no part of a grey image")
            return [part if plan.bits == 8 else png.packed(part >> np.uint8(8 - plan.bits), plan.bits) for part in self._parts]
        if plan.kind == PALETTE_KIND:
            indices = self._indices(np.frombuffer(plan.colours, "<u4").astype(np.uint32))
            return indices if plan.bits == 8 else [png.packed(one, plan.bits) for one in indices]
        return [_rgb(part) for part in self._parts]

    def _indices(self, colours: NDArray[np.uint32]) -> list[NDArray[np.uint8]]:
        """The pixels as indices into the colours of the whole image."""
        if self._parts[0].ndim == 2:
            levels = np.arange(256, dtype=np.uint32) * np.uint32(0x010101) | np.uint32(0xFF000000)
            table = np.searchsorted(colours, levels).astype(np.uint8)
            return [table[part] for part in self._parts]
        indices = None if self._runs is None else self._runs.indices(colours)
        if indices is None:
            raise RequestError("bands with other colours are no part of an image with a palette")
        return np.split(indices, np.cumsum([len(part) for part in self._parts])[:-1])


def _planes(parts: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]] | None:
    """The parts as grey planes; None if one has colours."""
    planes = []
    for part in parts:
        plane = content.grey_plane(part) if part.ndim == 3 else part
        if plane is None:
            return None
        planes.append(plane)
    return planes


def _jpeg(pixels: NDArray[np.uint8], plan: Plan, quality: int, rows_px: tuple[int, int]) -> Encoded:
    """A band of a JPEG. rows_px: its first row in the image, and the rows of the image."""
    top_px, image_height_px = rows_px
    out = io.BytesIO()
    subsampling = "4:4:4" if plan.full_colour else "4:2:0"
    # A restart after each row of blocks, so that a band may begin at any of them.
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, subsampling=subsampling, restart_marker_rows=1)
    data = out.getvalue()
    frame_at, scan_at = _markers(data)
    scan = data[scan_at:-_END_BYTES]
    if not top_px:
        return Encoded(scan, header=data[: frame_at + 5] + struct.pack(">H", image_height_px) + data[frame_at + 7 : scan_at])
    first = top_px // (8 if plan.is_grey or plan.full_colour else 16)
    if first % 8:
        scan = _RESTART.sub(lambda found: bytes((0xFF, 0xD0 + (found[0][1] + first) % 8)), scan)
    return Encoded(bytes((0xFF, 0xD0 + (first - 1) % 8)) + scan)


def _rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _markers(data: bytes) -> tuple[int, int]:
    """Where the frame's segment begins in a JPEG of ours, and where the entropy-coded data begin."""
    at, frame_at = 2, 0
    while True:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _START_OF_FRAME:
            frame_at = at
        at += 2 + length
        if marker == _START_OF_SCAN:
            return frame_at, at
