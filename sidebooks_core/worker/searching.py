"""Reads the text of a page, and searches some pages within a time, for a job."""

from __future__ import annotations

import math
import time

from sidebooks_core.documents.model import PackedText, SearchHit
from sidebooks_core.engine.open_document import OpenDocument
from sidebooks_core.text.packing import pack
from sidebooks_core.workers.answers import Searched
from sidebooks_core.workers.jobs import ReadText, Search


def answer(document: OpenDocument, job: ReadText | Search) -> PackedText | Searched:
    """The answer to a job. Raises RenderFailed."""
    return pack(document.text(job.page)) if isinstance(job, ReadText) else searched(document, job)


def searched(document: OpenDocument, job: Search) -> Searched:
    """The hits on the pages of a job, and the page that was reached: at least one is searched. Raises RenderFailed."""
    hits: list[SearchHit] = []
    deadline_s = time.perf_counter() + job.budget_s
    reached = job.page
    while reached < job.stop and (reached == job.page or time.perf_counter() < deadline_s):
        found = document.search(job.query, reached, reached + 1, job.matching)
        hits.extend(hit for hit in found if math.isfinite(sum(map(sum, hit.boxes))))
        reached += 1
    return Searched(tuple(hits), reached)
