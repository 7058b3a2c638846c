"""Options of the facade's methods that are told by name, for those who pass them on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TypedDict

from msgspec import Struct

from sidebooks_core.documents.model import Direction
from sidebooks_core.encoding.formats import ImageFormat
from sidebooks_core.errors import SidebooksError
from sidebooks_core.images.prerendering import PrerenderReport, ProgressCallback
from sidebooks_core.library.remembered import Given
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.service.opened import Document
from sidebooks_core.tiling.spreads import SpreadRule


class Sizes(Struct, frozen=True, kw_only=True):
    """In which sizes pages are made ahead."""

    levels: Sequence[int] | None = None
    """Levels of the pyramid, 0 the coarsest; None: the preview and the largest level of one image. A page with fewer levels has
    its finest."""
    widths_px: Sequence[int] = ()
    """Whole pages at these widths."""
    heights_px: Sequence[int] = ()
    """Whole pages at these heights."""
    spread: bool | SpreadRule = False
    """Which pages stand side by side on the screens that `fit_px` names."""


class PrerenderProgress(Struct, frozen=True):
    """How far the prerendering of many documents is."""

    documents_done: int
    """Those that failed, too."""
    documents: int
    pages_done: int
    pages: int
    """Of the documents that were opened so far: it grows while others are opened."""


class PrerenderedDocument(Struct, frozen=True):
    """What became of one of many documents. It has a report, or an error."""

    source: Document | Given
    """As it was given."""
    document: Document | None = None
    """None if it could not be opened."""
    report: PrerenderReport | None = None
    error: SidebooksError | OSError | None = None
    """Why there is no report."""

    @property
    def is_whole(self) -> bool:
        """Whether every page was drawn, and nothing of one is lacking."""
        return self.report is not None and not self.report.failed and not self.report.problems


class Submitting(TypedDict, total=False):
    """Of the methods that ask for an image and do not wait."""

    priority: Priority
    """VISIBLE unless told."""
    image_format: ImageFormat | None
    """Of this image, instead of the format of the settings."""


class Opening(TypedDict, total=False):
    """Of `TileService.open`."""

    name: str | None
    direction: Direction | None
    trust_domain: str


class PageSize(TypedDict, total=False):
    """Of an image of a whole page: see `TileService.page_image`."""

    width_px: int | None
    height_px: int | None
    fit_px: tuple[int, int] | None
    image_format: ImageFormat | None


class Prerendering(TypedDict, total=False):
    """Of `TileService.prerender`."""

    progress: ProgressCallback | None
    fit_px: Sequence[tuple[int, int]]
    sizes: Sizes | None
    executor: Executor | None
