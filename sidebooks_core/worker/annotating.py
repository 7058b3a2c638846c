"""Writes and reads annotations for a job."""

from __future__ import annotations

import time

from sidebooks_core.documents.annotations import MOST_READ, MOST_READ_BYTES, Annotation
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.annotations.files import annotated
from sidebooks_core.engine.annotations.reading import annotations_of
from sidebooks_core.engine.engine_errors import page_errors
from sidebooks_core.engine.mupdf import is_pdf
from sidebooks_core.engine.open_document import OpenDocument
from sidebooks_core.errors import DocumentTooLarge, RenderFailed
from sidebooks_core.workers.answers import MOST_ANNOTATIONS, AnnotatedFile, AnnotationsRead
from sidebooks_core.workers.jobs import Annotate, ReadAnnotations

ENOUGH = MOST_ANNOTATIONS - MOST_READ
"""Annotations. The next page is left to the next answer, as it is after MOST_READ_BYTES."""


def answer(document: OpenDocument, source: Source, job: Annotate | ReadAnnotations) -> AnnotatedFile | AnnotationsRead:
    """The answer to a job. Raises what the two functions below raise."""
    return annotated_file(document, source, job) if isinstance(job, Annotate) else annotations_read(document, job)


def annotated_file(document: OpenDocument, source: Source, job: Annotate) -> AnnotatedFile:
    """A PDF of the document. Raises DocumentTooLarge, DamagedDocument, RenderFailed."""
    data, is_whole = annotated(document, job.document, source, job.changes)
    if len(data) > job.most_bytes:
        raise DocumentTooLarge(f"{document.name} with marks takes {len(data)} bytes; at most {job.most_bytes} are allowed")
    return AnnotatedFile(data, is_whole)


def annotations_read(document: OpenDocument, job: ReadAnnotations) -> AnnotationsRead:
    """The annotations of some pages; none if the document is no PDF. Raises RenderFailed for the first page.

    A page behind it that cannot be read is left to the next answer.
    """
    handle = document.handle
    if not is_pdf(handle):
        return AnnotationsRead((), job.stop, 0)
    found: list[Annotation] = []
    taken_bytes = left_out = 0
    deadline_s = time.perf_counter() + job.budget_s
    reached = job.page
    while reached < job.stop and len(found) <= ENOUGH and taken_bytes < MOST_READ_BYTES:
        try:
            with page_errors(document.name, reached, "read for its annotations"):
                some, more = annotations_of(handle, reached)
        except RenderFailed:
            if reached == job.page:
                raise
            break  # it is the first one of the next answer
        found += some
        left_out += more
        taken_bytes += sum(one.size_bytes for one in some)
        reached += 1
        if time.perf_counter() >= deadline_s:
            break
    return AnnotationsRead(tuple(found), reached, left_out)
