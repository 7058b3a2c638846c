"""How alike two pages are: by their words, and by their pictures if they have few words."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sidebooks_core.documents.document import Document
from sidebooks_core.errors import PageError
from sidebooks_core.service import TileService
from sidebooks_core.shelf.revisions import Likeness
from sidebooks_core.text.folding import fold

FEW_CHARS = 40
"""A page with fewer characters than this on both sides is compared by its picture alone."""
SIDE_PX = 64
"""Pictures are compared at this size: a shift of some words changes little at it, another picture changes much."""
PAGES_REMEMBERED = 512


def likeness_of(service: TileService, old: Document, new: Document) -> Likeness:
    """Compares pages of two documents. Each page that is compared is read and drawn once. A page that fails is like no other.

    The likeness of words is the share of pairs of neighbouring characters that both pages have (Dice's coefficient). The
    likeness of pictures is 1 minus the mean difference of their grey, weighted so that a blank page and a full one have none.
    """

    @lru_cache(PAGES_REMEMBERED)
    def pairs(document: Document, page: int) -> Counter[str]:
        try:
            text = "".join(fold(word.text) for word in service.text(document, page))
        except PageError:
            return Counter()
        return Counter(text[at : at + 2] for at in range(len(text) - 1))

    @lru_cache(PAGES_REMEMBERED)
    def picture(document: Document, page: int) -> NDArray[np.float32] | None:
        try:
            pixels = service.page_image(document, page, fit_px=(SIDE_PX, SIDE_PX)).pixels()
        except PageError:
            return None
        grey: NDArray[np.float32] = pixels.mean(axis=2, dtype=np.float32) / np.float32(255)
        return grey

    def likeness(old_page: int, new_page: int) -> float:
        ours, theirs = pairs(old, old_page), pairs(new, new_page)
        if ours.total() + theirs.total() >= FEW_CHARS:
            return 2 * (ours & theirs).total() / (ours.total() + theirs.total())
        return pictures_alike(picture(old, old_page), picture(new, new_page))

    return likeness


def pictures_alike(ours: NDArray[np.float32] | None, theirs: NDArray[np.float32] | None) -> float:
    """The likeness of two pictures in grey, 0 to 1; 0 if one is missing or their shapes differ by more than a pixel.

    ours, theirs: float32 arrays of (height, width), black is 0 and white is 1.
    """
    if ours is None or theirs is None:
        return 0.0
    height, width = min(ours.shape[0], theirs.shape[0]), min(ours.shape[1], theirs.shape[1])
    if max(ours.shape[0], theirs.shape[0]) - height > 1 or max(ours.shape[1], theirs.shape[1]) - width > 1:
        return 0.0
    ink = 1 - np.stack([ours[:height, :width], theirs[:height, :width]])
    most = float(ink.max(axis=0).sum())
    return float(ink.min(axis=0).sum()) / most if most > 0 else 1.0
