"""Our own writer of lossless WebP, for text and drawings in more colours than a palette holds.

libwebp takes four times as long, at its fastest useful setting. Here numpy looks only at the places where the colour changes, a
tenth of the pixels or fewer (docs/explanation/decisions/0005-encoding.md).

The pixels, in reading order, become *runs* of one colour. A run is written as its colour and how often that is repeated; runs
that follow one another as they did before, as a copy from there. All of them end at multiples of 4096 pixels, which is the
longest copy there is. Red and blue are written less green. The format: RFC 9649, section 3.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

LONGEST_SIDE_PX = 16_383

_BLOCK_PIXELS = 1 << 12
_BAND_PIXELS = 16 * _BLOCK_PIXELS
"""Compared at once: few enough for the processor's cache."""
_STRETCH_PIXELS = 255 * _BLOCK_PIXELS
"""Searched for copies at once; one reaches back 120 pixels less than 256 blocks."""
_CONTEXTS_RUNS = (8, 3)
"""Rows of runs that are looked for, the longer first: what is alike for longer needs fewer copies, nearer or not."""
_FEWEST_RUNS = 4
"""In a copy: one of fewer takes more bits than the colours."""
_CONTEXT_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_PLACE_MASK = np.uint64((1 << 20) - 1)

_FIRST_LENGTH, _GREENS, _BYTES, _SPANS = 256, 280, 256, 40
_ABOVE, _LEFT, _NEAR_DISTANCES = 1, 2, 120
# The longest codes: so short that a colour, how often it is repeated and the distance of that fit into 64 bits together.
_GREEN_BITS, _OTHER_BITS, _SPAN_BITS, _LENGTH_BITS = 13, 11, 6, 7
_LENGTH_ORDER = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)

Places = NDArray[np.intp]
Words = NDArray[np.uint64]


def lossless_webp(pixels: NDArray[np.uint8]) -> bytes:
    """Contiguous pixels of shape (height, width, 3), neither side above LONGEST_SIDE_PX."""
    height, width, _ = pixels.shape
    samples = pixels.reshape(-1)
    stretch_samples = 3 * _STRETCH_PIXELS
    stretches = [_Stretch.of(samples[at : at + stretch_samples], width) for at in range(0, samples.size, stretch_samples)]
    counts = [stretch.counts() for stretch in stretches]
    green_counts, red_counts, blue_counts, span_counts = (np.sum(kind, axis=0) for kind in zip(*counts, strict=True))
    codes = _Codes(
        _Code.of(green_counts, _GREEN_BITS),
        _Code.of(red_counts, _OTHER_BITS),
        _Code.of(blue_counts, _OTHER_BITS),
        _Code.of(np.bincount([0xFF], minlength=_BYTES), _OTHER_BITS),
        _Code.of(span_counts, _SPAN_BITS),
    )
    head = _Head()
    head.put(0x2F, 8)
    head.put(width - 1, 14)
    head.put(height - 1, 14)
    head.put(0, 1 + 3)  # no alpha is used; the version
    head.put(0b101, 3)  # a transform, of the third kind: red and blue are less green
    head.put(0, 1 + 1 + 1)  # no more transforms, no cache of colours, one set of codes
    for code in (codes.green, codes.red, codes.blue, codes.alpha, codes.span):
        _describe(head, code)
    stream = head.followed_by([one.written(codes) for one in stretches])
    chunk = b"".join((b"WEBPVP8L", struct.pack("<I", len(stream)), stream, b"\0" * (len(stream) % 2)))
    return b"".join((b"RIFF", struct.pack("<I", len(chunk)), chunk))


class _Stretch(Struct, frozen=True):
    """Consecutive pixels as tokens: a colour and how often it is repeated, or a copy."""

    green: Places
    """Of each token's colour; for a copy, the symbol of its length."""
    red: NDArray[np.uint32]
    """Less green, as is blue; of no meaning for a copy."""
    blue: NDArray[np.uint32]
    repeats: Places
    """0 for a copy."""
    copies: Places
    """Which tokens are copies."""
    lengths: Places
    """Of the copies, in pixels."""
    spans: _Prefixed
    """How far back the copies reach."""

    @classmethod
    def of(cls, samples: NDArray[np.uint8], width: int) -> _Stretch:
        starts, colours = _runs(samples)
        sizes = np.diff(starts, append=samples.size // 3)
        back = _repeated(colours, sizes)
        firsts = np.flatnonzero((back[1:] != back[:-1]) | (starts[1:] % _BLOCK_PIXELS == 0)) + 1
        firsts = np.concatenate(([0], firsts))
        counts = np.diff(firsts, append=len(back))
        pays = (back[firsts] != 0) & (counts >= _FEWEST_RUNS)
        is_token = np.repeat(~pays, counts)
        copied = firsts[pays]
        is_token[copied] = True
        tokens = np.flatnonzero(is_token)
        copies = np.searchsorted(tokens, copied)
        lengths = np.diff(starts[firsts], append=samples.size // 3)[pays]
        distances = starts[copied] - starts[copied - back[copied]]
        colours = colours[tokens]
        green = (colours >> np.uint32(8)) & np.uint32(0xFF)
        red, blue = (colours - green) & np.uint32(0xFF), ((colours >> np.uint32(16)) - green) & np.uint32(0xFF)
        symbols = green.astype(np.intp)
        symbols[copies] = _FIRST_LENGTH + _LENGTHS.symbols[lengths]
        repeats = sizes[tokens] - 1
        repeats[copies] = 0
        spans = _prefixed(np.where(distances == width, _ABOVE, distances + _NEAR_DISTANCES))
        return cls(symbols, red, blue, repeats, copies, lengths, spans)

    def counts(self) -> tuple[Places, Places, Places, Places]:
        """How often each symbol is written: green and lengths, red, blue, distances."""
        green = np.bincount(self.green, minlength=_GREENS)
        repeats = np.bincount(self.repeats, minlength=_BLOCK_PIXELS)[1:]
        np.add.at(green, _FIRST_LENGTH + _LENGTHS.symbols[1:_BLOCK_PIXELS], repeats)
        red, blue = (
            np.bincount(plane, minlength=_BYTES) - np.bincount(plane[self.copies], minlength=_BYTES)
            for plane in (self.red, self.blue)
        )
        spans = np.bincount(self.spans.symbols, minlength=_SPANS)
        spans[_LEFT - 1] += repeats.sum()
        return green, red, blue, spans

    def written(self, codes: _Codes) -> tuple[Words, Words]:
        """The bits of each token, and how many they are."""
        values, sizes = codes.green.words[self.green], codes.green.sizes[self.green]
        copy_values, copy_sizes = values[self.copies], sizes[self.copies]
        _append(values, sizes, codes.red.words[self.red], codes.red.sizes[self.red])
        _append(values, sizes, codes.blue.words[self.blue], codes.blue.sizes[self.blue])
        repeat_values, repeat_sizes = codes.repeats
        _append(values, sizes, repeat_values[self.repeats], repeat_sizes[self.repeats])
        _append(copy_values, copy_sizes, _LENGTHS.extras[self.lengths], _LENGTHS.extra_sizes[self.lengths])
        _append(copy_values, copy_sizes, codes.span.words[self.spans.symbols], codes.span.sizes[self.spans.symbols])
        _append(copy_values, copy_sizes, self.spans.extras, self.spans.extra_sizes)
        values[self.copies], sizes[self.copies] = copy_values, copy_sizes
        return values, sizes


def _runs(samples: NDArray[np.uint8]) -> tuple[Places, NDArray[np.uint32]]:
    """Where runs start, in pixels, and their colours: red + green << 8 + blue << 16."""
    all_starts, all_colours = [], []
    for first in range(0, samples.size // 3, _BAND_PIXELS):
        band = samples[3 * first : 3 * (first + _BAND_PIXELS) + 1]
        if band.size % 3 == 0:
            band = np.append(band, np.uint8(0))
        # Four bytes from each pixel on: the fourth is another's.
        numbers = np.ndarray((band.size // 3,), "<u4", band, strides=(3,)) & np.uint32(0xFFFFFF)
        is_start = np.empty(numbers.size, bool)
        np.not_equal(numbers[1:], numbers[:-1], out=is_start[1:])
        is_start[::_BLOCK_PIXELS] = True
        starts = np.flatnonzero(is_start)
        all_colours.append(numbers[starts])
        starts += first
        all_starts.append(starts)
    return np.concatenate(all_starts), np.concatenate(all_colours)


def _repeated(colours: NDArray[np.uint32], lengths: Places) -> NDArray[np.int32]:
    """For each run, how many runs before it one lies that is alike, in a row of such; 0 if there is none."""
    runs = colours.astype(np.uint64)
    runs <<= np.uint64(13)
    runs |= lengths.view(np.uint64)
    back = np.zeros(len(runs), np.int32)
    for context_runs in _CONTEXTS_RUNS:
        found = _last_alike(runs, context_runs)
        np.copyto(back, found, where=back == 0)
    back *= runs == runs[np.arange(len(runs)) - back]  # a hash may be that of other runs
    return back


def _last_alike(runs: Words, context_runs: int) -> NDArray[np.int32]:
    """For each run, the like by the hashes of so many runs in a row, the last such row before it."""
    back = np.zeros(len(runs), np.int32)
    count = len(runs) - context_runs + 1
    if count < 2:
        return back
    keys = runs[:count] * _CONTEXT_FACTOR
    for step in range(1, context_runs):
        keys += runs[step : count + step]
        keys *= _CONTEXT_FACTOR
    keys &= ~_PLACE_MASK
    keys |= np.arange(count, dtype=np.uint64)
    # Equal contexts come to lie side by side, in their order. A table of their first places is faster, but gave a sixth more
    # bytes: its copies reach back farther and break off sooner.
    keys.sort()
    same = np.flatnonzero((keys[1:] ^ keys[:-1]) <= _PLACE_MASK)
    places = (keys & _PLACE_MASK).astype(np.int32)
    later = places[1:][same]
    back[later] = later - places[same]
    for _ in range(context_runs - 1):
        np.copyto(back[1:], back[:-1].copy(), where=back[1:] == 0)
    return back


class _Prefixed(Struct, frozen=True):
    """Numbers as the format writes lengths and distances: a symbol and bits that follow it."""

    symbols: Places
    extras: Words
    extra_sizes: Words


def _prefixed(numbers: Places) -> _Prefixed:
    """Of numbers from 1."""
    rest = numbers - 1
    high_bit = np.frexp(np.maximum(rest, 1).astype(np.float64))[1].astype(np.intp) - 1
    extra_sizes = np.maximum(high_bit - 1, 0)
    symbols = np.where(rest < 2, rest, 2 * high_bit + ((rest >> extra_sizes) & 1))
    return _Prefixed(symbols, (rest & ((1 << extra_sizes) - 1)).astype(np.uint64), extra_sizes.astype(np.uint64))


_LENGTHS = _prefixed(np.maximum(np.arange(_BLOCK_PIXELS + 1), 1))


class _Code(Struct, frozen=True):
    """A canonical prefix code: for each symbol its bits, the first of them lowest, and how many they are."""

    words: Words
    sizes: Words
    """0 also for a symbol that is alone: it is not written at all."""
    lengths: Places
    """As they are described: 1 for a symbol that is alone."""

    @classmethod
    def of(cls, counts: Places, most_bits: int) -> _Code:
        lengths = code_lengths(counts, most_bits)
        used = np.flatnonzero(lengths)
        words, sizes = np.zeros(len(counts), np.uint64), np.zeros(len(counts), np.uint64)
        if used.size > 1:
            ordered = used[np.argsort(lengths[used], kind="stable")]
            ends = np.cumsum(1 << (16 - lengths[ordered]))
            words[ordered] = _reversed(np.concatenate(([0], ends[:-1])))
            sizes[used] = lengths[used]
        return cls(words, sizes, lengths)


class _Codes(Struct, frozen=True):
    """What an image is written with."""

    green: _Code
    """Also for lengths, from _FIRST_LENGTH on."""
    red: _Code
    blue: _Code
    alpha: _Code
    span: _Code

    @property
    def repeats(self) -> tuple[Words, Words]:
        """What to write, and its bits, for 0 to 4095 repeats of the last pixel."""
        symbols = _FIRST_LENGTH + _LENGTHS.symbols[:_BLOCK_PIXELS]
        values, sizes = self.green.words[symbols], self.green.sizes[symbols]
        _append(values, sizes, _LENGTHS.extras[:_BLOCK_PIXELS], _LENGTHS.extra_sizes[:_BLOCK_PIXELS])
        _append(values, sizes, self.span.words[_LEFT - 1], self.span.sizes[_LEFT - 1])
        values[0] = sizes[0] = 0
        return values, sizes


def code_lengths(counts: Places, most_bits: int) -> Places:
    """Bits of each symbol in a prefix code for these counts, none above `most_bits`: Huffman's, then shortened."""
    lengths = np.zeros(len(counts), np.intp)
    used = np.flatnonzero(counts)
    if used.size < 2:
        lengths[used] = 1
        return lengths
    ordered = used[np.argsort(counts[used], kind="stable")]
    per_length = np.bincount(np.minimum(_depths(counts[ordered].tolist()), most_bits), minlength=most_bits + 1).tolist()
    excess = sum(number << (most_bits - length) for length, number in enumerate(per_length)) - (1 << most_bits)
    for _ in range(excess):  # two leaves below one that was higher up, in place of it and of one at the bottom
        above = next(length for length in range(most_bits - 1, 0, -1) if per_length[length])
        per_length[above] -= 1
        per_length[above + 1] += 2
        per_length[most_bits] -= 1
    lengths[ordered] = np.repeat(np.arange(most_bits, -1, -1), per_length[::-1])
    return lengths


def _depths(weights: list[int]) -> list[int]:
    """Of the leaves of Huffman's tree over two or more rising weights."""
    leaves = len(weights)
    parents = [0] * (2 * leaves - 1)
    weights = [*weights, *[1 << 62] * leaves]
    leaf, inner = 0, leaves
    for made in range(leaves, 2 * leaves - 1):
        total = 0
        for _ in range(2):
            if leaf < leaves and weights[leaf] <= weights[inner]:
                total += weights[leaf]
                parents[leaf] = made
                leaf += 1
            else:
                total += weights[inner]
                parents[inner] = made
                inner += 1
        weights[made] = total
    depths = [0] * len(parents)
    for node in range(len(parents) - 2, -1, -1):
        depths[node] = depths[parents[node]] + 1
    return depths[:leaves]


def _reversed(codes: Places) -> Places:
    """16 bits each, the last first."""
    for shift, mask in ((1, 0x5555), (2, 0x3333), (4, 0x0F0F), (8, 0x00FF)):
        codes = ((codes >> shift) & mask) | ((codes & mask) << shift)
    return codes


def _append(values: Words, sizes: Words, more: Words | np.uint64, more_sizes: Words | np.uint64) -> None:
    """Put more bits behind what is there, in place."""
    values |= more << sizes
    sizes += more_sizes


class _Head:
    """A string of bits, each byte filled from its lowest on."""

    def __init__(self) -> None:
        self._value = 0
        self._size = 0

    def put(self, value: int, size: int) -> None:
        self._value |= value << self._size
        self._size += size

    def followed_by(self, parts: list[tuple[Words, Words]]) -> bytes:
        """As bytes, with tokens behind: each of up to 64 bits, above which there are zeros, and how many they are."""
        head = np.frombuffer(self._value.to_bytes(-(-self._size // 64) * 8, "little"), "<u8")
        head_sizes = np.full(len(head), 64, np.uint64)
        head_sizes[-1] -= np.uint64(len(head) * 64 - self._size)
        values = np.concatenate([head, *(part for part, _ in parts)])
        sizes = np.concatenate([head_sizes, *(part for _, part in parts)])
        ends = np.cumsum(sizes)
        begins = ends - sizes
        words = begins >> np.uint64(6)
        shifts = begins & np.uint64(63)
        firsts = np.concatenate(([0], np.flatnonzero(words[1:] != words[:-1]) + 1))
        lasts = np.append(firsts[1:], len(values)) - 1
        out = np.zeros(len(firsts) + 1, "<u8")
        np.bitwise_or.reduceat(values << shifts, firsts, out=out[:-1])
        out[1:] |= (values[lasts] >> np.uint64(1)) >> (np.uint64(63) - shifts[lasts])
        return out.tobytes()[: -(-int(ends[-1]) // 8)]


def _describe(out: _Head, code: _Code) -> None:
    used = np.flatnonzero(code.lengths)
    if used.size < 2:  # always below 256: the first pixel has a colour with no slot yet
        out.put(0b101, 3)
        out.put(int(used[0]) if used.size else 0, 8)
        return
    tokens = list(_length_tokens(code.lengths.tolist()))
    meta = _Code.of(np.bincount([token for token, _, _ in tokens], minlength=19), _LENGTH_BITS)
    described = [int(meta.lengths[symbol]) for symbol in _LENGTH_ORDER]
    while len(described) > 4 and not described[-1]:
        described.pop()
    out.put(0, 1)
    out.put(len(described) - 4, 4)
    for length in described:
        out.put(length, 3)
    out.put(0, 1)  # lengths of all symbols follow
    words, sizes = meta.words.tolist(), meta.sizes.tolist()
    for token, extra, extra_size in tokens:
        out.put(words[token] | extra << sizes[token], sizes[token] + extra_size)


def _length_tokens(lengths: list[int]) -> Iterator[tuple[int, int, int]]:
    """Symbol, extra bits, and how many those are."""
    for length, group in itertools.groupby(lengths):
        left = len(list(group))
        if length:
            yield length, 0, 0
            left -= 1
        while left >= 3:
            if length:
                run = min(left, 6)
                yield 16, run - 3, 2
            elif left < 11:
                run = left
                yield 17, run - 3, 3
            else:
                run = min(left, 138)
                yield 18, run - 11, 7
            left -= run
        for _ in range(left):
            yield length, 0, 0
