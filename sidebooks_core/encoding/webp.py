"""Our own writer of lossless WebP, for text and drawings in more colours than a palette holds.

libwebp takes four times as long, at its fastest useful setting. Here numpy looks only at the places where the colour changes, a
tenth of the pixels or fewer (docs/explanation/decisions/0005-encoding.md).

A run of one colour is written as that colour and how often it is repeated; runs that follow one another as they did before, as
a copy from there. Small *units* of runs are compared: one of several pixels, or some single pixels in a row, which in text are
the edge of a letter. Red and blue are written less green. The format: RFC 9649, section 3.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sidebooks_core.encoding.runs import BLOCK_PIXELS, Runs

_MOST_BLOCKS = 255
"""Searched for copies at once: one reaches back 120 pixels less than 256 blocks."""
_LONG_PIXELS = 2
"""From here on a run is a unit of its own. Of shorter ones about half begin a unit, by their hashes: the same ones wherever
they are. With none of them small text took a third more bytes, with all of them half as long again."""
_CONTEXTS_UNITS = (8, 3)
"""Rows of units that are looked for, the longer first: what is alike for longer needs fewer copies, nearer or not."""
_FEWEST_RUNS = 4
"""In a copy: one of fewer takes more bits than the colours."""
_MIX = np.uint32(0x9E3779B1)
_HALF = np.uint32(1 << 31)
_PLACE_BITS = np.uint64(32)
_PLACE_MASK = np.uint64((1 << 32) - 1)

_FIRST_LENGTH, _GREENS, _BYTES, _SPANS = 256, 280, 256, 40
_ABOVE, _LEFT, _NEAR_DISTANCES = 1, 2, 120
# The longest codes: so short that a colour, how often it is repeated and the distance of that fit into 64 bits together.
_GREEN_BITS, _OTHER_BITS, _SPAN_BITS, _LENGTH_BITS = 13, 11, 6, 7
_LENGTH_ORDER = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)

Places = NDArray[np.intp]
Words = NDArray[np.uint64]


def lossless_webp(runs: Runs, width_px: int) -> bytes:
    """Of an image of that width, neither side above the format's longest."""
    height_px = runs.pixel_count // width_px
    stretches = [_Stretch.of(stretch, width_px) for stretch in runs.stretches(_MOST_BLOCKS)]
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
    head.put(width_px - 1, 14)
    head.put(height_px - 1, 14)
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
    red: NDArray[np.uint8]
    """Less green, as is blue; of no meaning for a copy."""
    blue: NDArray[np.uint8]
    repeats: Places
    """0 for a copy."""
    copies: Places
    """Which tokens are copies."""
    lengths: Places
    """Of the copies, in pixels."""
    spans: _Prefixed
    """How far back the copies reach."""

    @classmethod
    def of(cls, runs: Runs, width_px: int) -> _Stretch:
        sizes = runs.sizes
        copies = _Copies.among(runs, sizes)
        is_token = np.ones(len(sizes), bool)
        is_token[_ranges(copies.firsts + 1, copies.counts - 1)] = False
        tokens = np.flatnonzero(is_token)
        starts = runs.starts.take(copies.firsts)
        lasts = copies.firsts + copies.counts - 1
        lengths = runs.starts.take(lasts) + sizes.take(lasts) - starts
        distances = starts - runs.starts.take(copies.firsts - copies.back)
        colours = runs.colours.take(tokens)
        green = (colours >> np.uint32(8)).astype(np.uint8)
        red, blue = colours.astype(np.uint8) - green, (colours >> np.uint32(16)).astype(np.uint8) - green
        places = copies.firsts - (np.cumsum(copies.counts - 1) - (copies.counts - 1))
        symbols = green.astype(np.intp)
        symbols[places] = _FIRST_LENGTH + _LENGTHS.symbols.take(lengths)
        repeats = sizes.take(tokens) - 1
        repeats[places] = 0
        spans = _prefixed(np.where(distances == width_px, _ABOVE, distances + _NEAR_DISTANCES))
        return cls(symbols, red, blue, repeats, places, lengths, spans)

    def counts(self) -> tuple[Places, Places, Places, Places]:
        """How often each symbol is written: green and lengths, red, blue, distances."""
        green = np.bincount(self.green, minlength=_GREENS)
        repeats = np.bincount(self.repeats, minlength=BLOCK_PIXELS)[1:]
        np.add.at(green, _FIRST_LENGTH + _LENGTHS.symbols[1:BLOCK_PIXELS], repeats)
        red, blue = (
            np.bincount(plane, minlength=_BYTES) - np.bincount(plane[self.copies], minlength=_BYTES)
            for plane in (self.red, self.blue)
        )
        spans = np.bincount(self.spans.symbols, minlength=_SPANS)
        spans[_LEFT - 1] += repeats.sum()
        return green, red, blue, spans

    def written(self, codes: _Codes) -> tuple[Words, Words]:
        """The bits of each token, and how many they are."""
        values, sizes = codes.green.words.take(self.green), codes.green.sizes.take(self.green)
        copy_values, copy_sizes = values.take(self.copies), sizes.take(self.copies)
        _append(values, sizes, codes.red.words.take(self.red), codes.red.sizes.take(self.red))
        _append(values, sizes, codes.blue.words.take(self.blue), codes.blue.sizes.take(self.blue))
        repeat_values, repeat_sizes = codes.repeats
        _append(values, sizes, repeat_values.take(self.repeats), repeat_sizes.take(self.repeats))
        _append(copy_values, copy_sizes, _LENGTHS.extras.take(self.lengths), _LENGTHS.extra_sizes.take(self.lengths))
        spans = self.spans
        _append(copy_values, copy_sizes, codes.span.words.take(spans.symbols), codes.span.sizes.take(spans.symbols))
        _append(copy_values, copy_sizes, spans.extras, spans.extra_sizes)
        values[self.copies], sizes[self.copies] = copy_values, copy_sizes
        return values, sizes


class _Copies(Struct, frozen=True):
    """Rows of runs that are like earlier ones, none beyond a block."""

    firsts: Places
    """The first run of each."""
    counts: Places
    """How many runs."""
    back: Places
    """How many runs before its first one the runs begin that it is like."""

    @classmethod
    def among(cls, runs: Runs, sizes: Places) -> _Copies:
        short_sizes = sizes.astype(np.uint32)
        starts_block = (runs.starts & (BLOCK_PIXELS - 1)) == 0
        is_long = short_sizes >= _LONG_PIXELS
        hashes = _hashes(runs.colours, short_sizes)
        is_unit = hashes < _HALF
        is_unit |= starts_block
        is_unit[1:] |= is_long[1:]
        is_unit[1:] |= is_long[:-1]
        units = np.flatnonzero(is_unit)
        back = _repeated(units, _hashes_of_units(units, hashes))
        is_first = starts_block.take(units)
        is_first[1:] |= back[1:] != back[:-1]
        at = np.flatnonzero(is_first)
        firsts, back = units.take(at), back.take(at)
        counts = np.diff(firsts, append=len(sizes))
        pays = (back != 0) & (counts >= _FEWEST_RUNS)
        firsts, counts, back = firsts[pays], counts[pays], back[pays]
        # A hash may be that of other runs: rare by chance, but a document can be made for it.
        whole = runs.colours.astype(np.uint64) << np.uint64(13) | short_sizes
        copied = _ranges(firsts, counts)
        is_like = whole.take(copied) == whole.take(copied - np.repeat(back, counts))
        if not is_like.all():
            is_true = np.logical_and.reduceat(is_like, np.cumsum(counts) - counts)
            firsts, counts, back = firsts[is_true], counts[is_true], back[is_true]
        return cls(firsts, counts, back)


def _ranges(firsts: Places, counts: Places) -> Places:
    """All numbers from each first one on, so many, one range after another."""
    numbers = np.arange(counts.sum())
    numbers += np.repeat(firsts - (np.cumsum(counts) - counts), counts)
    return numbers


def _hashes(colours: NDArray[np.uint32], sizes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    hashes = colours * _MIX
    hashes += sizes
    hashes *= _MIX
    hashes ^= hashes >> np.uint32(15)
    hashes *= _MIX
    return hashes


def _hashes_of_units(units: Places, hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The sum of its runs' hashes, and its first once more, which tells it from the same the other way round."""
    sums = np.cumsum(hashes, dtype=np.uint32)
    firsts = hashes.take(units)
    of_units = sums.take(np.append(units[1:], len(hashes)) - 1)
    of_units -= sums.take(units)
    of_units += (_MIX + np.uint32(1)) * firsts
    of_units ^= of_units >> np.uint32(13)
    return of_units


def _repeated(units: Places, hashes: NDArray[np.uint32]) -> Places:
    """For each unit, how many runs before it one begins that is alike, in a row of such; 0 if there is none."""
    two = hashes[:-1] * _MIX + hashes[1:]
    three = two[:-1] * _MIX + hashes[2:]
    four = two[:-2] * _MIX + two[2:]
    eight = four[:-4] * _MIX + four[4:]
    back = np.zeros(len(units), np.intp)
    for context_units, of_contexts in zip(_CONTEXTS_UNITS, (eight, three), strict=True):
        if len(of_contexts):
            np.copyto(back, _last_alike(units, of_contexts, context_units), where=back == 0)
    return back


def _last_alike(units: Places, hashes: NDArray[np.uint32], context_units: int) -> Places:
    """The same by the hashes of so many units in a row, from each on that has as many, of the last such row before it."""
    # Equal contexts come to lie side by side, in their order. A table of their first places is faster, but gave a sixth more
    # bytes: its copies reach back farther and break off sooner.
    keys = hashes.astype(np.uint64)
    keys <<= _PLACE_BITS
    keys |= np.arange(len(hashes), dtype=np.uint64)
    keys.sort()
    same = np.flatnonzero((keys[1:] ^ keys[:-1]) <= _PLACE_MASK)
    keys &= _PLACE_MASK
    places = keys.astype(np.intp)
    later = places[1:].take(same)
    back = np.zeros(len(units), np.intp)
    back[later] = units.take(later) - units.take(places.take(same))
    # Units that follow one in its row, and have none of their own, are like what lies as far before them.
    at = np.arange(len(units))
    latest = np.maximum.accumulate(at * (back != 0))  # 0 where there is none: nothing is before the first
    back = back.take(latest)
    back *= at - latest < context_units
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


_LENGTHS = _prefixed(np.maximum(np.arange(BLOCK_PIXELS + 1), 1))


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
        symbols = _FIRST_LENGTH + _LENGTHS.symbols[:BLOCK_PIXELS]
        values, sizes = self.green.words[symbols], self.green.sizes[symbols]
        _append(values, sizes, _LENGTHS.extras[:BLOCK_PIXELS], _LENGTHS.extra_sizes[:BLOCK_PIXELS])
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
        self._values: list[int] = []
        self._sizes: list[int] = []

    def put(self, value: int, size: int) -> None:
        self._values.append(value)
        self._sizes.append(size)

    def followed_by(self, parts: list[tuple[Words, Words]]) -> bytes:
        """As bytes, with tokens behind: each of up to 64 bits, above which there are zeros, and how many they are."""
        values = np.concatenate([np.array(self._values, np.uint64), *(part for part, _ in parts)])
        sizes = np.concatenate([np.array(self._sizes, np.uint64), *(part for _, part in parts)])
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
