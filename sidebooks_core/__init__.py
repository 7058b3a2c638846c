"""Paged documents that feel like paper on cheap tablets. Importing this loads no engine and starts nothing."""

from sidebooks_core.documents.model import (
    Attachment,
    Direction,
    DocumentInspection,
    FontUse,
    ImageUse,
    Link,
    MatchOptions,
    Metadata,
    OutlineItem,
    PageInspection,
    SearchHit,
    Word,
)
from sidebooks_core.encoding.formats import ImageFormat
from sidebooks_core.errors import (
    DamagedDocument,
    DocumentError,
    DocumentTooLarge,
    NotOnShelf,
    PageError,
    PageNotFound,
    PasswordRequired,
    QueueFull,
    RenderFailed,
    RenderTimeout,
    RequestDropped,
    RequestError,
    ServiceClosed,
    SidebooksError,
    UnsupportedDocument,
)
from sidebooks_core.images.prerendering import PrerenderReport, ProgressCallback
from sidebooks_core.images.tile import Tile
from sidebooks_core.library.remembered import Given
from sidebooks_core.reading.loop import ReaderLoop
from sidebooks_core.reading.view import PagePoint, PageView, PlacedImage
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.service import (
    Document,
    Opening,
    PageImages,
    PageInfo,
    PageSize,
    PrerenderedDocument,
    Prerendering,
    PrerenderProgress,
    Reader,
    Sizes,
    Submitting,
    TileService,
)
from sidebooks_core.settings import Settings
from sidebooks_core.statistics import Latency, Statistics
from sidebooks_core.stores.protocol import Lease, Leases, StoreStatistics, TileStore
from sidebooks_core.stores.record import Record
from sidebooks_core.tiling.geometry import RectPt, RectPx, SizePx
from sidebooks_core.tiling.pyramid import Level, Pyramid, Raster
from sidebooks_core.tiling.spreads import SpreadRule
from sidebooks_core.tiling.viewport import Fit, PageBox, Placement

__version__ = "0.1.0"

__all__ = [
    "Attachment",
    "DamagedDocument",
    "Direction",
    "Document",
    "DocumentError",
    "DocumentInspection",
    "DocumentTooLarge",
    "Fit",
    "FontUse",
    "Given",
    "ImageFormat",
    "ImageUse",
    "Latency",
    "Lease",
    "Leases",
    "Level",
    "Link",
    "MatchOptions",
    "Metadata",
    "NotOnShelf",
    "Opening",
    "OutlineItem",
    "PageBox",
    "PageError",
    "PageImages",
    "PageInfo",
    "PageInspection",
    "PageNotFound",
    "PagePoint",
    "PageSize",
    "PageView",
    "PasswordRequired",
    "PlacedImage",
    "Placement",
    "PrerenderProgress",
    "PrerenderReport",
    "PrerenderedDocument",
    "Prerendering",
    "Priority",
    "ProgressCallback",
    "Pyramid",
    "QueueFull",
    "Raster",
    "Reader",
    "ReaderLoop",
    "Record",
    "RectPt",
    "RectPx",
    "RenderFailed",
    "RenderTimeout",
    "RequestDropped",
    "RequestError",
    "SearchHit",
    "ServiceClosed",
    "Settings",
    "SidebooksError",
    "SizePx",
    "Sizes",
    "SpreadRule",
    "Statistics",
    "StoreStatistics",
    "Submitting",
    "Tile",
    "TileService",
    "TileStore",
    "UnsupportedDocument",
    "Word",
]
