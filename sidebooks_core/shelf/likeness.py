"""How alike two pages are: by their words, and by their pictures if they have few words.

A page is read once, and drawn once if its picture is needed. What is kept of it is small, and comparing two pages takes some
microseconds, so that thousands of pairs can be compared while a reader waits.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sidebooks_core.errors import PageError, QueueFull
from sidebooks_core.images.passing import has_no_worker, may_pass
from sidebooks_core.service import Document, TileService
from sidebooks_core.text.folding import fold

FEW_PAIRS = 40
"""Two pages with fewer pairs of neighbouring characters than this together are compared by their pictures alone."""
SIDE_PX = 64
"""Pictures are compared at this size: a shift of some words changes little at it, another picture changes much."""
PAGES_REMEMBERED = 4096
"""Of both revisions together: as many as are compared in one gap, so that none is read twice. Some 7 kB each, at most 40 kB."""
MOST_CHARACTERS = 1 << 18
"""Of a page that count. All of them count for whether two texts are equal."""
SKETCH_BITS = 1 << 13
"""Of the sketch of a page. A page has some 1000 pairs of characters, so few of them share a bit."""
DENSE_PAIRS = SKETCH_BITS // 2
"""If a page has more pairs than this, too many share a bit of the sketch, so the numbers of the pairs are compared."""
MOST_NUMBERS = 4096
"""Of the pairs, and of the runs, that are kept of a page. The lowest numbers are kept: they are a random sample, and the same
one on both pages."""
RUN = 8
"""Characters of a run by which a page is found. Few runs of this length occur on two pages of a document."""
EACH_RUN = np.uint32(4)
"""One run of so many is looked at, chosen by its number: those that two pages share are chosen on both."""
LEAST_RUNS = 4
"""Two pages that share fewer of these may share a number and a footer only."""
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)
"""Odd factors that spread the bits (those of splitmix64 and xxHash64)."""

Numbers = NDArray[np.uint32]


class _Words(Struct, frozen=True):
    """What is kept of the text of a page."""

    pairs: int
    """How many pairs of neighbouring characters."""
    digest: str
    sketch: int
    """A bit for each pair, see `SKETCH_BITS`; 0 if the page is dense."""
    counted: float
    """How many pairs the sketch counts."""
    numbers: Numbers
    """The lowest numbers of pairs, each once, ascending: all, or `MOST_NUMBERS` of them."""
    runs: Numbers
    """The lowest numbers of some of the runs of `RUN` characters, each once, ascending."""

    @property
    def is_dense(self) -> bool:
        """Whether it has too many pairs for a sketch."""
        return self.pairs > DENSE_PAIRS


def _words_of(folded: str) -> _Words:
    data = folded.encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(data, "<u4", min(len(folded), MOST_CHARACTERS)).astype(np.uint64)
    pairs = max(0, len(codes) - 1)
    spread = _numbers_of_pairs(codes)
    sketch = _sketch_of(spread) if pairs <= DENSE_PAIRS else 0
    numbers = np.unique((spread >> np.uint64(32)).astype(np.uint32))[:MOST_NUMBERS].copy()
    return _Words(pairs, hashlib.sha256(data).hexdigest(), sketch, _counted(sketch), numbers, _runs_of(codes))


def _numbers_of_pairs(codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A number for each pair; for the second time that a pair occurs on the page another number, and so on."""
    pairs = (codes[:-1] << np.uint64(32)) | codes[1:]
    pairs.sort()
    places = np.arange(len(pairs), dtype=np.uint64)
    times = places - np.maximum.accumulate(np.where(_is_first(pairs), places, np.uint64(0)))
    return _spread(pairs + times * _FACTORS[1])


def _sketch_of(spread: NDArray[np.uint64]) -> int:
    bits = np.zeros(SKETCH_BITS, np.uint8)
    bits[spread >> np.uint64(65 - SKETCH_BITS.bit_length())] = 1
    return int.from_bytes(np.packbits(bits).tobytes(), "little")


def _runs_of(codes: NDArray[np.uint64]) -> Numbers:
    state = np.zeros(max(0, len(codes) - RUN + 1), np.uint64)
    for place in range(RUN if len(state) else 0):
        state = state * _FACTORS[1] + codes[place : place + len(state)]
    numbers = (_spread(state) >> np.uint64(32)).astype(np.uint32)
    return np.unique(numbers[numbers % EACH_RUN == 0])[:MOST_NUMBERS].copy()


class _Picture(Struct, frozen=True):
    width: int
    height: int
    ink: NDArray[np.uint8]
    """Of `SIDE_PX` ** 2 pixels in one row, 0 is white."""
    sum: int


class Comparison:
    """Compares pages of two documents, as `revisions.page_changes` asks.

    A page that fails is like no other. Not thread-safe.
    """

    def __init__(self, service: TileService, old: Document, new: Document) -> None:
        self._service = service
        self._old = old
        self._new = new
        self._words = lru_cache(PAGES_REMEMBERED)(self._read)
        self._picture = lru_cache(PAGES_REMEMBERED)(self._drawn)
        self.is_final = True
        """False: a page failed for a reason that may have passed next time: it took too long, say."""

    def likeness(self, old_page: int, new_page: int) -> float:
        """How alike two pages are, from 0 to 1. Pages count from 0.

        The likeness of words is the share of pairs of neighbouring characters that both pages have (Dice's coefficient). The
        likeness of pictures is the share of ink that both have: none for a blank page and a full one. Raises QueueFull if there
        is no worker that reads or draws a page.
        """
        ours, theirs = self._words(self._old, old_page), self._words(self._new, new_page)
        if ours.pairs + theirs.pairs >= FEW_PAIRS:
            if ours.is_dense or theirs.is_dense:
                return _numbers_alike(ours.numbers, theirs.numbers)
            both = ours.counted + theirs.counted - _counted(ours.sketch | theirs.sketch)
            return min(1.0, max(0.0, 2 * both / (ours.pairs + theirs.pairs)))
        return _pictures_alike(self._picture(self._old, old_page), self._picture(self._new, new_page))

    def digests(self, old: Sequence[int], new: Sequence[int]) -> tuple[list[str], list[str]]:
        """See `revisions.Texts`."""
        sides = (self._words(self._old, page) for page in old), (self._words(self._new, page) for page in new)
        ours, theirs = ([words.digest if 2 * words.pairs >= FEW_PAIRS else "" for words in side] for side in sides)
        return ours, theirs

    def near(self, old: Sequence[int], new: Sequence[int]) -> list[tuple[int, int]]:
        """See `revisions.Texts`. A run that one old page and one new page have speaks for these two; most runs decide."""
        ours, our_places = _runs_of_one([self._words(self._old, page).runs for page in old])
        theirs, their_places = _runs_of_one([self._words(self._new, page).runs for page in new])
        _, our_at, their_at = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
        pairs, votes = np.unique(our_places[our_at] * len(new) + their_places[their_at], return_counts=True)
        order = np.argsort(-votes, kind="stable")
        found: dict[int, int] = {}
        taken: set[int] = set()
        for pair, count in zip(pairs[order].tolist(), votes[order].tolist(), strict=True):
            ours_at, theirs_at = divmod(pair, len(new))
            if count >= LEAST_RUNS and ours_at not in found and theirs_at not in taken:
                found[ours_at] = theirs_at
                taken.add(theirs_at)
        return [(old[ours_at], new[theirs_at]) for ours_at, theirs_at in found.items()]

    def _read(self, document: Document, page: int) -> _Words:
        try:
            words = self._service.text(document, page)
        except PageError as fault:
            self._note(fault)
            words = ()
        return _words_of(fold("".join(word.text for word in words)))

    def _drawn(self, document: Document, page: int) -> _Picture | None:
        try:
            pixels = self._service.page_image(document, page, fit_px=(SIDE_PX, SIDE_PX)).pixels()
        except PageError as fault:
            self._note(fault)
            return None
        height, width = min(pixels.shape[0], SIDE_PX), min(pixels.shape[1], SIDE_PX)
        ink = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
        ink[:height, :width] = 255 - pixels[:height, :width].mean(axis=2).astype(np.uint8)
        return _Picture(width, height, ink.ravel(), int(ink.sum()))

    def _note(self, fault: PageError) -> None:
        if has_no_worker(fault):
            raise QueueFull(f"revisions cannot be compared now: {fault.message}; try again") from fault
        self.is_final = self.is_final and not may_pass(fault)


def _is_first(ascending: NDArray[np.unsignedinteger]) -> NDArray[np.bool_]:
    """Whether each number differs from the one before it."""
    found = np.ones(len(ascending), bool)
    np.not_equal(ascending[1:], ascending[:-1], out=found[1:])
    return found


def _spread(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = numbers * _FACTORS[0]
    spread: NDArray[np.uint64] = (mixed ^ (mixed >> np.uint64(29))) * _FACTORS[1]
    return spread


def _counted(sketch: int) -> float:
    """About how many things have set the bits of a sketch (linear counting)."""
    clear = max(1, SKETCH_BITS - sketch.bit_count())
    return SKETCH_BITS * math.log(SKETCH_BITS / clear)


def _runs_of_one(pages: Sequence[Numbers]) -> tuple[Numbers, NDArray[np.int64]]:
    """The runs that one page alone has, ascending, and the place of that page."""
    runs = np.concatenate([np.zeros(0, np.uint32), *pages])
    places = np.repeat(np.arange(len(pages)), [len(one) for one in pages])
    order = np.argsort(runs, kind="stable")
    runs, places = runs[order], places[order]
    is_first = _is_first(runs)
    is_one = is_first & np.append(is_first[1:], True)[: len(runs)]
    return runs[is_one], places[is_one]


def _numbers_alike(ours: Numbers, theirs: Numbers) -> float:
    """Dice's coefficient of the pairs with the lowest numbers.

    If not all numbers of a page are kept, nothing is known above its highest one. There, the other page does not count either.
    """
    ends = [one[-1] for one in (ours, theirs) if len(one) == MOST_NUMBERS]
    if ends:
        ours, theirs = (one[: np.searchsorted(one, min(ends), "right")] for one in (ours, theirs))
    both = len(np.intersect1d(ours, theirs, assume_unique=True))
    return 2 * both / max(1, len(ours) + len(theirs))


def _pictures_alike(ours: _Picture | None, theirs: _Picture | None) -> float:
    """The likeness of two pictures, 0 to 1; 0 if one is missing or their shapes differ by more than a pixel."""
    if ours is None or theirs is None or max(abs(ours.width - theirs.width), abs(ours.height - theirs.height)) > 1:
        return 0.0
    both = int(np.minimum(ours.ink, theirs.ink).sum(dtype=np.uint32))
    either = ours.sum + theirs.sum - both
    return both / either if either > 0 else 1.0
