"""What a worker answers, by type: the host reads nothing else, so a worker that was taken over sends either this or an error.

Messages are msgpack. They are decoded into these types directly: whatever is of another type ends the reading where it stands,
and costs no memory. Structures come as maps with all their fields, so a value is at most a few times as large as its message.
To add a field to an answer, add it to its type here or in `documents/model.py`, and have `worker/desk.py` fill it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgpack
import msgspec
from msgspec import Meta, Struct

from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import DocumentInfo, Link, PageInspection, SearchHit, Word
from sidebooks_core.workers.jobs import Job
from sidebooks_core.workers.wire import WireBroken

GREETING_BYTES = 64 << 10
MESSAGE_CHARS = 4000
"""Of an error."""
MOST_S = 1e6
"""Time that anything takes, in seconds."""
_MIB = 1 << 20

Seconds = Annotated[float, Meta(ge=0, le=MOST_S)]
ContentId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", max_length=32)]
T = TypeVar("T")


class Greeting(Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker says first."""

    ready: Literal[True]
    unconfined: Annotated[tuple[str, ...], Meta(max_length=16)]
    """What it could not give up, in words."""


class ErrorTold(Struct, frozen=True, forbid_unknown_fields=True):
    """An error of ours, by the name of its class."""

    name: Annotated[str, Meta(max_length=64)]
    message: Annotated[str, Meta(max_length=MESSAGE_CHARS)]
    page: Annotated[int, Meta(ge=0)] | None


class RasterAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """A raster that was drawn: its record, and what drawing and encoding took, in seconds."""

    record: bytes
    draw_s: Seconds
    encode_s: Seconds


class SearchAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """Hits on the pages up to `reached` (excluded, from 0)."""

    hits: tuple[SearchHit, ...]
    reached: int


class InspectAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """What is notable of a page, and what drawing it took, in seconds."""

    page: PageInspection
    draw_s: Seconds


class Reply(Struct, Generic[T], frozen=True, forbid_unknown_fields=True):
    """One of: an answer, an error, a request for the document."""

    answer: T | None = None
    error: ErrorTold | None = None
    need_data: bool = False
    rss_bytes: Annotated[int, Meta(ge=0)] = 0
    """Resident memory of the worker."""


def to_bytes(message: object) -> bytes:
    """Encode a greeting or a reply. What is no text in UTF-8 (lone surrogates from a document or a file's name) becomes "?"."""
    try:
        return msgspec.msgpack.encode(message)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(message, builtin_types=(bytes,))
        encoded: bytes = msgpack.packb(plain, use_bin_type=True, unicode_errors="replace")
        return encoded


def read_greeting(body: bytes) -> Greeting:
    """Raises WireBroken."""
    greeting: Greeting = _decoded(msgspec.msgpack.Decoder(Greeting), body)
    return greeting


def most_bytes(job: Job) -> int:
    """The longest message that a job can be answered with."""
    limits = job.document.limits
    if job.kind == "open":
        return _MIB + 256 * (limits.document_pages + limits.outline_items)
    if job.kind in ("words", "search"):
        return _MIB + 256 * limits.page_words
    if job.kind == "raster":
        x0_px, y0_px, x1_px, y1_px = job.arguments["rect_px"]
        return _MIB + 4 * int(x1_px - x0_px) * int(y1_px - y0_px)
    return 16 * _MIB if job.kind in ("links", "inspect") else _MIB


def read_reply(body: bytes, job: Job) -> Reply[Any]:
    """Raises WireBroken for what is no answer to this job."""
    reply: Reply[Any] = _decoded(_decoder(job.kind, job.document.limits), body)
    if (reply.answer is not None) + (reply.error is not None) + reply.need_data != 1:
        raise WireBroken("neither an answer nor an error")
    if reply.answer is not None and not _fits(reply.answer, job):
        raise WireBroken(f"no answer to {job.kind!r}")
    return reply


def _decoded(decoder: msgspec.msgpack.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise WireBroken(str(error)[:200]) from None


@lru_cache(maxsize=64)
def _decoder(kind: str, limits: Limits) -> msgspec.msgpack.Decoder[Any]:
    generic: Any = Reply
    types: dict[str, Any] = {
        "open": DocumentInfo,
        "identify": Annotated[tuple[ContentId, ...], Meta(min_length=1)],
        "raster": RasterAnswer,
        "words": Annotated[tuple[Word, ...], Meta(max_length=limits.page_words)],
        "links": tuple[Link, ...],
        "search": SearchAnswer,
        "inspect": InspectAnswer,
    }
    return msgspec.msgpack.Decoder(generic[types[kind]])


def _fits(answer: Any, job: Job) -> bool:
    """What a type does not say: whether it is about what was asked for."""
    page, stop = job.page or 0, job.arguments.get("stop", 0)
    if isinstance(answer, DocumentInfo):
        return answer.page_count == len(answer.pages) <= job.document.limits.document_pages
    if isinstance(answer, SearchAnswer):
        return page < answer.reached <= stop and all(page <= hit.page < answer.reached for hit in answer.hits)
    if isinstance(answer, InspectAnswer):
        return answer.page.page == page
    return job.kind != "identify" or len(answer) <= stop - page
