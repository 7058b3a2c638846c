"""Jobs: the host sends them to a worker as frozen values. Each kind of work has one type.

A job type names the type of its answer. To add a kind of work: a job here, its answer in `answers.py`, a case in
`worker/desk.py`.
"""

from __future__ import annotations

import os
from typing import Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core import errors
from sidebooks_core.documents.annotations import Changes
from sidebooks_core.documents.model import DocumentInfo, Lettering, Link, Matching, PackedText, Word
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.encoding.bands import Plan
from sidebooks_core.fonts.discovery import Face, FontSet
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers.answers import AnnotatedFile, AnnotationsRead, BandsDrawn, BandsEncoded, Drawn, Inspected, Searched

MAX_DOCUMENTS = 12
"""The most documents that one worker keeps open; for a moment one more. Each costs a file descriptor and up to a few MB."""
KEPT_DOCUMENTS = 8
"""The documents that stay open when a worker closes some. It closes several together, since closing also drops objects that
the engine shares between documents."""


A_co = TypeVar("A_co", covariant=True)


class Job(Struct, Generic[A_co], frozen=True, kw_only=True, tag_field="job"):
    """One piece of work for one worker, which answers with an `A_co` or an error."""

    document: DocumentRef
    timeout_s: float


class PageJob(Job[A_co], frozen=True, kw_only=True):
    """Work on one page, or on pages from one on."""

    page: int
    """From 0."""


class Open(Job[DocumentInfo], frozen=True, kw_only=True, tag="open"):
    """Open the document and describe it."""


class Identify(PageJob[tuple[str, ...]], frozen=True, kw_only=True, tag="identify"):
    """Content ids of the pages from `page` up to `stop` (excluded): at least one, as many as `budget_s` allows."""

    stop: int
    budget_s: float


class Draw(PageJob[Drawn], frozen=True, kw_only=True, tag="draw"):
    """Draw a raster of a page, cut it into tiles, encode each."""

    spec: RasterSpec
    image_format: str
    quality: int
    tells_drawn: bool = False
    """A message before the answer says that the raster is drawn, and is being encoded. The host sends the next job then."""
    then: Identify | None = None
    """Answered after the raster, in a second message: the image goes out before the page is identified."""


class Hold(Job[bool], frozen=True, kw_only=True, tag="hold"):
    """Open the document, and do what the first late page would have to wait for. The answer is True."""

    warming: Draw | None = None
    """Draw this page as well, for nobody: so later pages find fonts, glyphs and images."""


class DrawBands(PageJob[BandsDrawn], frozen=True, kw_only=True, tag="draw_bands"):
    """Draw some of the bands of a raster, beside another worker. Each takes its next band from a pipe."""

    spec: RasterSpec
    image_format: str
    quality: int
    is_helper: bool
    """The other worker has the flight. Draw nothing of a page that one worker draws as a whole."""

    @classmethod
    def of(cls, job: Draw, *, is_helper: bool) -> DrawBands:
        """One worker's part in a drawing."""
        return cls(
            document=job.document,
            timeout_s=job.timeout_s,
            page=job.page,
            spec=job.spec,
            image_format=job.image_format,
            quality=job.quality,
            is_helper=is_helper,
        )


class EncodeBands(Job[BandsEncoded], frozen=True, kw_only=True, tag="encode_bands"):
    """Encode the bands that the last job drew."""

    spec: RasterSpec
    plan: Plan
    quality: int


class ReadWords(PageJob[tuple[Word, ...]], frozen=True, kw_only=True, tag="words"):
    """The words of a page."""


class ReadText(PageJob[PackedText], frozen=True, kw_only=True, tag="text"):
    """The text of a page as it is searched."""


class ReadLinks(PageJob[tuple[Link, ...]], frozen=True, kw_only=True, tag="links"):
    """The links of a page."""


class Search(PageJob[Searched], frozen=True, kw_only=True, tag="search"):
    """Where a text occurs on the pages from `page` up to `stop` (excluded): at least one page, as many as `budget_s` allows."""

    query: str
    stop: int
    budget_s: float
    matching: Matching


class Inspect(PageJob[Inspected], frozen=True, kw_only=True, tag="inspect"):
    """Inspect a page, and measure the time to draw it with a long side of `long_side_px` pixels."""

    long_side_px: int


class DrawLetters(Job[Lettering], frozen=True, kw_only=True, tag="letters"):
    """Draw lines of text, centred, in letters of `size_px` pixels. It needs no document: `document` only names it."""

    lines: tuple[str, ...]
    size_px: int


class Annotate(Job[AnnotatedFile], frozen=True, kw_only=True, tag="annotate"):
    """Make a PDF of the document, with other annotations. The document itself stays as it is."""

    changes: Changes
    most_bytes: int
    """The size of an answer that the host accepts."""


class ReadAnnotations(PageJob[AnnotationsRead], frozen=True, kw_only=True, tag="annotations"):
    """The annotations of the pages from `page` up to `stop` (excluded): at least one page, as many as `budget_s` allows."""

    stop: int
    budget_s: float


AnyJob = (
    Open
    | Hold
    | Identify
    | Draw
    | DrawBands
    | EncodeBands
    | ReadWords
    | ReadText
    | ReadLinks
    | Search
    | Inspect
    | DrawLetters
    | Annotate
    | ReadAnnotations
)


class Assignment(Struct, frozen=True, kw_only=True):
    """A job as a worker receives it, with its document if the worker lacks that."""

    job: AnyJob
    data: bytes | None = None
    """The document's bytes."""
    has_file: bool = False
    """A descriptor of the document's file comes through the file channel."""
    has_bands: bool = False
    """A descriptor of the pipe of bands comes through the file channel."""


class WorkerConfig(Struct, frozen=True, kw_only=True):
    """The configuration that a worker gets once, before its first job."""

    worker_bytes: int
    display_list_bytes: int
    fonts: tuple[tuple[str, bool, bool, str, bytes, int, str], ...]
    """See `of_fonts`."""
    is_isolated: bool = True
    """Give up the network, other processes and files that are not needed, if the kernel allows it."""

    @property
    def font_set(self) -> FontSet:
        """The fonts that stand in for those that a document lacks."""
        return FontSet(tuple(Face(*row[:4], os.fsdecode(row[4]), *row[5:]) for row in self.fonts))


def of_fonts(font_set: FontSet) -> tuple[tuple[str, bool, bool, str, bytes, int, str], ...]:
    """Font faces as they cross the border: paths are bytes, since not every path is text."""
    return tuple(
        (one.ordering, one.is_serif, one.is_bold, one.family, os.fsencode(one.path), one.index, one.digest)
        for one in font_set.faces
    )


def for_worker(job: AnyJob) -> AnyJob:
    """A job without the parts that a worker need not know."""
    if not job.document.trust_domain:
        return job
    return replace(job, document=replace(job.document, trust_domain=""))


def page_of(job: Job[object]) -> int | None:
    """The page that a job is about, from 0; None: the document."""
    return job.page if isinstance(job, PageJob) else None


def error_told(name: str, message: str, document_id: str | None, page: int | None) -> errors.SidebooksError:
    """The error that a worker reports by the name of its class.

    A worker may report errors of a document, a page or a request. Every other name becomes RenderFailed, also the names of
    errors that only the host may report (interrupted, overran, queue full, not on the shelf).
    """
    named = getattr(errors, name, None)
    kind: type[errors.SidebooksError] = errors.RenderFailed
    if isinstance(named, type) and issubclass(named, (errors.DocumentError, errors.PageError, errors.RequestError)):
        kind = named if not issubclass(named, (errors.RenderTimeout, errors.NotOnShelf)) else kind
    return kind(message, document_id=document_id, page=page)


class NoWorker(errors.RenderFailed):
    """No worker could be started, or all that were tried died before they began the job. The page is not to blame."""


class NoWorkerToOpen(errors.DamagedDocument):
    """The same for a document that was to be opened."""


NO_WORKER = (NoWorker, NoWorkerToOpen)


class WorkerDied(errors.RenderFailed):
    """The worker died while it drew or read the page. The page may be to blame, or the memory of the machine."""
