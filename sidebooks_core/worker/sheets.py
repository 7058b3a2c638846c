"""What a worker holds of a document: its pages as display lists, and what was found out about them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from msgspec import Struct, field

from sidebooks_core.documents.problems import IMAGE_PROBLEMS
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.identity.pages import PageIdentifier
from sidebooks_core.engine.images.lengths import CutImages
from sidebooks_core.engine.images.mending import Mender
from sidebooks_core.engine.open_document import OpenDocument


class Sheet(Struct):
    """A page ready to draw."""

    display_list: Any
    counted_bytes: int
    problems: dict[str, None]
    """The problems of the page, each once, in order. Every raster of the page reports all of them."""
    is_mended: bool = False
    """Its images were examined. No more can be mended."""
    is_judged: bool = False
    """The page is not blank, or no problem makes it blank."""
    grey: bool | None = None
    cut_images: frozenset[int] = frozenset()
    """Images whose data is cut short, by the numbers of their objects. The engine does not report them."""


class Held(Struct):
    document: OpenDocument
    source: Source
    sheets: OrderedDict[int, Sheet] = field(default_factory=OrderedDict)
    identifier: PageIdentifier | None = None
    mender: Mender | None = None
    cut_images: CutImages | None = None


def is_to_be_mended(sheet: Sheet, found: tuple[str, ...]) -> bool:
    """Whether the page must be examined. found: the problems that drawing has just found."""
    return not sheet.is_judged or (not sheet.is_mended and not IMAGE_PROBLEMS.isdisjoint(found))
