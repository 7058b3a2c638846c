"""The facade: documents are opened, and their tiles, text and readers had from here."""

from sidebooks_core.service.imaging import PageImages
from sidebooks_core.service.opened import Document, PageInfo, Reader
from sidebooks_core.service.options import (
    Opening,
    PageSize,
    PrerenderedDocument,
    Prerendering,
    PrerenderProgress,
    Sizes,
    Submitting,
)
from sidebooks_core.service.tile_service import TileService

__all__ = [
    "Document",
    "Opening",
    "PageImages",
    "PageInfo",
    "PageSize",
    "PrerenderProgress",
    "PrerenderedDocument",
    "Prerendering",
    "Reader",
    "Sizes",
    "Submitting",
    "TileService",
]
