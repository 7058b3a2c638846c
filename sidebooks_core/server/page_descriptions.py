"""The pages of a document as our own API describes them: one by one, or runs of pages that are alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby

from msgspec import UNSET

from sidebooks_core.access.policy import Limits
from sidebooks_core.server.allowance import levels_within
from sidebooks_core.server.schemas import LabelRun, PageEntry, PageList, PageRun, PageRuns
from sidebooks_core.server.shelf import page_id
from sidebooks_core.service import Document

_NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]{0,14})\Z", re.DOTALL)
"""A label with a number at its end, without zeros before it."""


def page_list(base: str, document: Document, limits: Limits, pages: range | None = None) -> PageList:
    """`pages.json`. Pages outside the limits keep their numbers and sizes, and have no levels.

    pages: those that are told of, from 0. None: all.
    """
    told = range(document.page_count) if pages is None else pages
    entries = [_page_entry(base, document, page, limits) for page in told]
    return PageList(document.id, document.name, document.title, document.direction, entries, limits.may_print)


def page_runs(base: str, document: Document, limits: Limits) -> PageRuns:
    """`runs.json`: the same of all pages, in as many words as the pages differ."""
    sizes = ((page.width_pt, page.height_pt, page.native_px) for page in document.info.pages)
    alike = groupby(enumerate(sizes), key=lambda one: (one[1], limits.has_page(one[0])))
    first, runs = 0, []
    for _, pages in alike:
        count = sum(1 for _ in pages)
        entry = _page_entry(base, document, first, limits)
        size = entry.width_pt, entry.height_pt, entry.width_px, entry.height_px
        runs.append(PageRun(count, *size, entry.levels, entry.is_withheld))
        first += count
    problems = sorted(document.problems.all().items())
    return PageRuns(
        document=document.id,
        name=document.name,
        title=document.title,
        direction=document.direction,
        page_count=document.page_count,
        runs=runs,
        labels=label_runs(_label(document, page, limits) for page in range(document.page_count)),
        problems=[(page + 1, list(told)) for page, told in problems if limits.has_page(page)],
        image_service=f"{base}/iiif/3/{document.id}_p{{page}}",
        may_print=limits.may_print,
    )


def label_runs(labels: Iterable[str]) -> list[LabelRun]:
    """Labels in as few runs as they can be told in from the first one on."""
    runs: list[LabelRun] = []
    for label in labels:
        last = runs[-1] if runs else None
        if last is not None and label == _following(last):
            last.count += 1
            continue
        numbered = _NUMBERED.match(label)
        runs.append(LabelRun(1, label, None) if numbered is None else LabelRun(1, numbered[1], int(numbered[2])))
    return runs


def _following(run: LabelRun) -> str:
    """The label that would continue a run."""
    return run.text if run.number is None else f"{run.text}{run.number + run.count}"


def _label(document: Document, page: int, limits: Limits) -> str:
    return document.info.pages[page].label if limits.has_page(page) else str(page + 1)


def _page_entry(base: str, document: Document, page: int, limits: Limits) -> PageEntry:
    info = document.info.pages[page]
    pyramid = document.pyramid(page)
    is_withheld = not limits.has_page(page)
    levels = () if is_withheld else levels_within(limits, pyramid)
    finest = levels[-1] if levels else pyramid.finest
    return PageEntry(
        page=page + 1,
        label=_label(document, page, limits),
        width_pt=info.width_pt,
        height_pt=info.height_pt,
        width_px=finest.width_px,
        height_px=finest.height_px,
        levels=[(level.width_px, level.height_px, level.tile_px) for level in levels],
        image_service=f"{base}/iiif/3/{page_id(document, page)}",
        problems=(not is_withheld and list(document.problems.of(page))) or UNSET,
        is_withheld=is_withheld or UNSET,
    )
