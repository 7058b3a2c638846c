"""Options of the facade's methods that are told by name, for those who pass them on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TypedDict

from msgspec import Struct

from sidebooks_core.documents.model import Direction
from sidebooks_core.encoding.formats import ImageFormat
from sidebooks_core.images.prerendering import ProgressCallback
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.tiling.spreads import SpreadRule


class Sizes(Struct, frozen=True, kw_only=True):
    """In which sizes pages are made ahead."""

    levels: Sequence[int] | None = None
    """Levels of the pyramid, 0 the coarsest; None: the preview and the largest level of one image. A page with fewer levels has
    its finest."""
    widths_px: Sequence[int] = ()
    """Whole pages at these widths."""
    spread: bool | SpreadRule = False
    """Which pages stand side by side on the screens that `fit_px` names."""


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
