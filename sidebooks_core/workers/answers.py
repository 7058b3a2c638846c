"""Answers of workers: each kind of work has one type. The host reads nothing else (`replies.py`).

To add a field to an answer, add it here or in `documents/model.py`, and have `worker/desk.py` fill it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sidebooks_core.documents.annotations import Annotation
from sidebooks_core.documents.model import PageInspection, SearchHit
from sidebooks_core.encoding.bands import MOST_BANDS, Encoded, Seen

MESSAGE_CHARS = 4000
"""The most characters of an error's message."""
MOST_S = 1e6
"""The longest time that an answer may report, in seconds."""

Seconds = Annotated[float, Meta(ge=0, le=MOST_S)]
Row = Annotated[int, Meta(ge=0, le=1 << 31)]
ContentId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", max_length=32)]


class Greeting(Struct, frozen=True, forbid_unknown_fields=True):
    """The first message of a worker."""

    ready: Literal[True]
    unconfined: Annotated[tuple[str, ...], Meta(max_length=16)]
    """The rights that it could not give up, in words."""


class ErrorTold(Struct, frozen=True, forbid_unknown_fields=True):
    """An error of ours, by the name of its class."""

    name: Annotated[str, Meta(max_length=64)]
    message: Annotated[str, Meta(max_length=MESSAGE_CHARS)]
    page: Annotated[int, Meta(ge=0)] | None


class Drawn(Struct, frozen=True, forbid_unknown_fields=True):
    """A raster: its record, and the seconds for drawing and for encoding."""

    record: bytes
    draw_s: Seconds
    encode_s: Seconds


class BandsDrawn(Struct, frozen=True, forbid_unknown_fields=True):
    """The bands of a raster that one worker has drawn. Those of one image it holds until it encodes them."""

    tops_px: Annotated[tuple[Row, ...], Meta(min_length=1, max_length=MOST_BANDS)]
    """The first row of each band of the raster, from 0, ascending."""
    drawn_px: Annotated[tuple[Row, ...], Meta(max_length=MOST_BANDS)]
    """Those of the bands that this worker has drawn, ascending."""
    seen: Seen | None
    """What these show. None: it has drawn none, or the raster is cut into tiles."""
    records: Annotated[dict[Row, bytes], Meta(max_length=MOST_BANDS)]
    """Of a raster that is cut into tiles: the record of each band that it has drawn, which needs no plan."""
    is_sound: bool
    """No problem was found. A page with a problem is drawn as a whole, where it is examined and mended."""
    draw_s: Seconds
    """For drawing, for looking at what the bands show, and for encoding tiles."""


class BandsEncoded(Struct, frozen=True, forbid_unknown_fields=True):
    """The bands of a raster that one worker has encoded, by their first row."""

    bands: Annotated[dict[Row, Encoded], Meta(min_length=1, max_length=MOST_BANDS)]
    encode_s: Seconds


class Searched(Struct, frozen=True, forbid_unknown_fields=True):
    """Hits on the pages up to `reached` (excluded, from 0)."""

    hits: tuple[SearchHit, ...]
    reached: int


class Inspected(Struct, frozen=True, forbid_unknown_fields=True):
    """The result of an inspection, and the seconds for drawing the page."""

    page: PageInspection
    draw_s: Seconds


MOST_ANNOTATIONS = 25_000
"""Of one answer."""


class AnnotatedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A document as a PDF with annotations."""

    data: bytes
    is_whole: bool
    """All of the file. Else it comes behind the bytes of the document as it was."""


class AnnotationsRead(Struct, frozen=True, forbid_unknown_fields=True):
    """The annotations of the pages up to `reached` (excluded, from 0)."""

    annotations: Annotated[tuple[Annotation, ...], Meta(max_length=MOST_ANNOTATIONS)]
    reached: int
    left_out: Annotated[int, Meta(ge=0, lt=1 << 31)]
    """Annotations of these pages that were not read, since there are too many."""
