"""Paged documents that feel like paper on cheap tablets. Importing this loads no engine and starts nothing."""

from sidebooks_core.documents.document import Document, PageInfo
from sidebooks_core.documents.model import (
    Attachment,
    DocumentInspection,
    FontUse,
    ImageUse,
    Link,
    OutlineItem,
    PageInspection,
    SearchHit,
    Word,
)
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
from sidebooks_core.images.prerendering import PrerenderReport
from sidebooks_core.images.tile import Tile
from sidebooks_core.reading.loop import ReaderLoop
from sidebooks_core.reading.reader import Reader
from sidebooks_core.reading.view import PageView, PlacedImage
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.service import Sizes, TileService
from sidebooks_core.settings import Settings
from sidebooks_core.statistics import Latency, Statistics
from sidebooks_core.tiling.pyramid import Level, Pyramid
from sidebooks_core.tiling.spreads import SpreadRule

__version__ = "0.1.0"

__all__ = [
    "Attachment",
    "DamagedDocument",
    "Document",
    "DocumentError",
    "DocumentInspection",
    "DocumentTooLarge",
    "FontUse",
    "ImageUse",
    "Latency",
    "Level",
    "Link",
    "NotOnShelf",
    "OutlineItem",
    "PageError",
    "PageInfo",
    "PageInspection",
    "PageNotFound",
    "PageView",
    "PasswordRequired",
    "PlacedImage",
    "PrerenderReport",
    "Priority",
    "Pyramid",
    "QueueFull",
    "Reader",
    "ReaderLoop",
    "RenderFailed",
    "RenderTimeout",
    "RequestDropped",
    "RequestError",
    "SearchHit",
    "ServiceClosed",
    "Settings",
    "SidebooksError",
    "Sizes",
    "SpreadRule",
    "Statistics",
    "Tile",
    "TileService",
    "UnsupportedDocument",
    "Word",
]
