"""How the pages of a document lie on a screen: spreads in reading order, each fitted into the screen. Plain values."""

from __future__ import annotations

from msgspec import Struct

from sidebooks_core.documents.document import Document
from sidebooks_core.tiling.spreads import Direction, Spread, SpreadRule, Spreads
from sidebooks_core.tiling.viewport import Fit, PageBox, Viewport


class Layout(Struct, frozen=True, eq=False):
    """The spreads of one document on a screen of one size."""

    document: Document
    spreads: Spreads
    view_px: tuple[int, int]
    """(width, height) of the screen, in pixels."""
    fit: Fit

    @classmethod
    def of(cls, document: Document, rule: SpreadRule, view_px: tuple[int, int], fit: Fit = "page") -> Layout:
        """Pair the pages of a document by a rule. Raises RequestError."""
        direction: Direction = "rtl" if document.direction == "rtl" else "ltr"
        sizes = [(page.width_pt, page.height_pt) for page in document.info.pages]
        return cls(document, Spreads.of_pages(sizes, direction, rule), view_px, fit)

    def __len__(self) -> int:
        """The number of spreads."""
        return len(self.spreads.spreads)

    def pages_of(self, spread: int) -> Spread:
        """The pages of a spread, which is given by its number from 0."""
        return self.spreads.spreads[spread]

    def fitted(self, spread: int) -> Viewport:
        """A spread, given by its number from 0, at zoom 1. Raises RequestError if the screen's size makes no sense."""
        pages = self.document.info.pages
        boxes = [PageBox(page, pages[page].width_pt, pages[page].height_pt) for page in self.spreads.spreads[spread]]
        return Viewport.fitted(*self.view_px, boxes, self.fit)
