"""Reads the messages of a worker. Each is decoded by the type of the job's answer, so even a worker that was taken over can
send only such an answer or an error.

Messages are msgpack. They are decoded into types directly: a value of another type ends the reading where it stands, and costs
no memory. Structures come as maps with all their fields, so a value is at most a few times as large as its message.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgpack
import msgspec
from msgspec import Meta, Struct

from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import DocumentInfo, Lettering, Link, PackedText, Word
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers.answers import (
    AnnotatedFile,
    AnnotationsRead,
    BandsDrawn,
    BandsEncoded,
    ContentId,
    Drawn,
    ErrorTold,
    Greeting,
    Inspected,
    Searched,
)
from sidebooks_core.workers.jobs import (
    Annotate,
    Draw,
    DrawBands,
    DrawLetters,
    EncodeBands,
    Hold,
    Identify,
    Inspect,
    Job,
    Open,
    ReadAnnotations,
    ReadLinks,
    ReadText,
    ReadWords,
    Search,
)
from sidebooks_core.workers.wire import WireBroken

GREETING_BYTES = 64 << 10
_MIB = 1 << 20

A = TypeVar("A")


class Reply(Struct, Generic[A], frozen=True, forbid_unknown_fields=True):
    """One of: an answer, an error, a request for the document, the word that a raster is drawn."""

    answer: A | None = None
    error: ErrorTold | None = None
    need_data: bool = False
    is_drawn: bool = False
    """The raster is drawn, and is being encoded; see `Draw.tells_drawn`."""
    rss_bytes: Annotated[int, Meta(ge=0)] = 0
    """Resident memory of the worker."""
    opened_s: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    """Seconds for opening the document, as far as that was a part of the job."""


def to_bytes(message: Struct) -> bytes:
    """Encode a greeting or a reply. What is no text in UTF-8 (lone surrogates from a document or a file's name) becomes "?"."""
    try:
        return msgspec.msgpack.encode(message)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(message, builtin_types=(bytes,))
        encoded: bytes = msgpack.packb(plain, use_bin_type=True, unicode_errors="replace")
        return encoded


def read_greeting(body: bytes) -> Greeting:
    """Raises WireBroken."""
    return _decoded(msgspec.msgpack.Decoder(Greeting), body)


def most_bytes(job: Job[A]) -> int:
    """The longest message that a job can be answered with."""
    limits = job.document.limits
    asked: object = job
    match asked:
        case Open():
            return _MIB + 256 * (limits.document_pages + limits.outline_items)
        case ReadWords() | Search() | ReadText():
            return _MIB + 256 * limits.page_words
        case Draw(spec=spec) | DrawBands(spec=spec) | EncodeBands(spec=spec):
            return _MIB + 4 * (spec.x1_px - spec.x0_px) * (spec.y1_px - spec.y0_px)
        case Annotate(most_bytes=most):
            return _MIB + most
        case ReadAnnotations():
            return 32 * _MIB
        case ReadLinks() | Inspect() | DrawLetters():
            return 16 * _MIB
    return _MIB


def read_reply(body: bytes, job: Job[A]) -> Reply[A]:
    """Decode a reply. Raises WireBroken if it is no answer to this job."""
    reply: Reply[A] = _decoded(_decoder(type(job), job.document.limits), body)
    if (reply.answer is not None) + (reply.error is not None) + reply.need_data + reply.is_drawn != 1:
        raise WireBroken("neither an answer nor an error")
    if reply.is_drawn and not (isinstance(job, Draw) and job.tells_drawn):
        raise WireBroken("it tells of a raster that nobody asked about")
    if reply.answer is not None and not _fits(reply.answer, job):
        raise WireBroken(f"no answer to {type(job).__name__}")
    return reply


def _decoded(decoder: msgspec.msgpack.Decoder[A], body: bytes) -> A:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise WireBroken(str(error)[:200]) from None


@lru_cache(maxsize=64)
def _decoder(kind: type[Job[A]], limits: Limits) -> msgspec.msgpack.Decoder[Any]:
    """The decoder of an answer with the limits of its document. `Any`, because the type is computed from the limits."""
    types: dict[type[Job[Any]], Any] = {
        Open: DocumentInfo,
        Hold: Literal[True],
        Identify: Annotated[tuple[ContentId, ...], Meta(min_length=1)],
        Draw: Drawn,
        DrawBands: BandsDrawn,
        EncodeBands: BandsEncoded,
        ReadWords: Annotated[tuple[Word, ...], Meta(max_length=limits.page_words)],
        ReadLinks: tuple[Link, ...],
        ReadText: PackedText,
        Search: Searched,
        Inspect: Inspected,
        DrawLetters: Lettering,
        Annotate: AnnotatedFile,
        ReadAnnotations: AnnotationsRead,
    }
    generic: Any = Reply
    return msgspec.msgpack.Decoder(generic[types[kind]])


def _fits(answer: object, job: Job[A]) -> bool:
    """Whether an answer belongs to its job: its pages and counts, which the type does not check."""
    asked: object = job
    match asked, answer:
        case Open(document=document), DocumentInfo(page_count=page_count, pages=pages):
            return page_count == len(pages) <= document.limits.document_pages
        case Search(page=page, stop=stop), Searched(hits=hits, reached=reached):
            return page < reached <= stop and all(page <= hit.page < reached for hit in hits)
        case ReadAnnotations(page=page, stop=stop), AnnotationsRead(annotations=annotations, reached=reached):
            return page < reached <= stop and all(page <= one.page < reached and one.is_sound for one in annotations)
        case ReadText(), PackedText(written=written, read=read):
            return written.is_complete and (read is None or read.is_complete)
        case Inspect(page=page), Inspected(page=inspection):
            return inspection.page == page
        case DrawLetters(), Lettering(width_px=width_px, height_px=height_px, ink=ink):
            return len(ink) == width_px * height_px
        case DrawBands(spec=spec), BandsDrawn():
            return _is_part_of(answer, spec)
        case Identify(page=page, stop=stop), tuple() as content_ids:
            return len(content_ids) <= stop - page
    return True


def _is_part_of(answer: BandsDrawn, spec: RasterSpec) -> bool:
    """Whether bands belong to a raster, and have what is needed to put it together."""
    tops_px, drawn_px, seen = answer.tops_px, answer.drawn_px, answer.seen
    is_ascending = all(before < after for before, after in pairwise(tops_px))
    if tops_px[0] or not is_ascending or tops_px[-1] >= spec.y1_px - spec.y0_px or not set(drawn_px) <= set(tops_px):
        return False
    if not spec.is_one_image:
        return seen is None and set(answer.records) == set(drawn_px)
    has_whole_colours = seen is None or seen.colours is None or len(seen.colours) % 4 == 0
    return not answer.records and (seen is not None) == bool(drawn_px) and has_whole_colours
