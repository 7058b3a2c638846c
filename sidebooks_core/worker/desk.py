"""The desk of a worker: it keeps documents and display lists open, within bounds, and does the jobs."""

from __future__ import annotations

import math
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import TypeVar, cast

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image

from sidebooks_core.documents.model import DocumentInfo, Link, Word
from sidebooks_core.documents.problems import EMPTYING, IMAGE_CUT, IMAGE_PROBLEMS, of_warnings
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.documents.sniffing import IMAGE_KINDS
from sidebooks_core.documents.source import Source
from sidebooks_core.encoding.cutting import record_of
from sidebooks_core.engine.drawing import draw, is_blank
from sidebooks_core.engine.fonts import hooks as fonts
from sidebooks_core.engine.grey import is_grey
from sidebooks_core.engine.images import decoding as image_decoding
from sidebooks_core.engine.images.lengths import CutImages
from sidebooks_core.engine.messages import take_messages
from sidebooks_core.engine.opening import open_by
from sidebooks_core.engine.store import (
    forget_resources,
    forget_unpacked,
    lacks_colour_links,
    make_colour_link,
    shrink_store,
)
from sidebooks_core.errors import DamagedDocument, PageNotFound, RenderFailed
from sidebooks_core.fonts.discovery import FontSet
from sidebooks_core.worker.banding import BandDrawer
from sidebooks_core.worker.freeing import Freeing
from sidebooks_core.worker.memory import resident_bytes
from sidebooks_core.worker.sheets import MIN_LIST_BYTES, Held, Keeping, Place, Sheet, forget_read_objects, is_to_be_mended
from sidebooks_core.workers.answers import Drawn, Inspected
from sidebooks_core.workers.jobs import (
    KEPT_DOCUMENTS,
    MAX_DOCUMENTS,
    Annotate,
    Draw,
    DrawBands,
    EncodeBands,
    Hold,
    Identify,
    Inspect,
    Job,
    Open,
    PageJob,
    ReadAnnotations,
    ReadLinks,
    ReadText,
    ReadWords,
    Search,
)

Image.preinit()  # else the first save would import it: a job would wait, and a confined worker could not read the files


A = TypeVar("A")


class DocumentNeeded(Exception):
    """The desk does not hold the document of a job, and cannot open it."""


class Desk:
    """Does jobs one at a time. Raises SidebooksError for what is wrong with a document or a page."""

    def __init__(
        self, font_set: FontSet, display_list_bytes: int, *, opens_paths: bool, worker_bytes: int | None = None
    ) -> None:
        """opens_paths: open documents by their paths, if nobody can hand over a descriptor.

        worker_bytes: the memory that this process may use. None: no limit.
        """
        self.font_set = font_set
        fonts.install(font_set)
        image_decoding.limit_whole_images(image_decoding.most_pixels_of(worker_bytes))
        image_decoding.install()
        self._keeping = Keeping(display_list_bytes)
        self._opens_paths = opens_paths
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._is_clearing = False
        self._just_opened: DocumentRef | None = None
        self._opened_s = 0.0
        self.freeing = Freeing(lambda: forget_read_objects(self._held.values()))
        self.bands = BandDrawer()
        self.tell_drawn: Callable[[], None] = lambda: None
        """Called when the raster of a job that `tells_drawn` is drawn, before it is encoded."""

    def do(self, job: Job[A], given: bytes | int | None) -> A:
        """The answer to one job; `Draw.then` is a job of its own.

        given: the document's bytes, or a descriptor, which the desk closes. Raises DocumentNeeded if the desk does not hold the
        document and nothing was given.
        """
        ref = job.document
        if ref.token not in self._held and given is None:
            if ref.path is None or not self._opens_paths:
                raise DocumentNeeded
            given = os.open(ref.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        held = self._hold(ref, given)
        self._just_opened = None
        held.pages_read += 1
        if isinstance(job, PageJob) and not 0 <= job.page < held.document.page_count:
            page = job.page
            raise PageNotFound(f"{ref.name} has no page {page + 1}: it has {held.document.page_count}", page=page)
        answer = self._answer(held, job)
        if of_warnings(take_messages()):
            forget_resources(held.document.handle)  # the next page that uses them reports the problem, too
        _require_unchanged(held.source, ref)
        if isinstance(job, PageJob) and not isinstance(job, Draw | DrawBands | Inspect):  # these have asked for a display list
            self.freeing.at_page((ref.token, job.page))
        return cast(A, answer)

    def take_opened_s(self) -> float:
        """Seconds for opening documents since the last call, with what their first late pages wait for."""
        taken_s, self._opened_s = self._opened_s, 0.0
        return taken_s

    @property
    def can_look_ahead(self) -> bool:
        """Whether the last job opened a document."""
        return self._just_opened is not None

    def look_ahead(self) -> None:
        """Read the first page of the document that was just opened. The host is about to ask for it, which takes 2 to 5 ms.

        An error of the page is raised. Reading may take as long as any page, so the caller sets a limit.
        """
        ref, self._just_opened = self._just_opened, None
        held = self._held.get(ref.token) if ref is not None else None
        if ref is not None and held is not None and held.document.page_count:
            self._is_grey(self._sheet(held, ref, 0))

    @property
    def has_chores(self) -> bool:
        """Whether there are chores to do while no job waits."""
        return self.bands.is_holding or self._must_clear() or lacks_colour_links() or self.freeing.is_due

    def do_chore(self) -> None:
        """Do one chore, while no job waits. It takes 2 to 40 ms; closing some documents takes 70."""
        if self.bands.is_holding:
            self.bands.forget()
        elif self._must_clear():
            self._forget(next(iter(self._held)))
        elif lacks_colour_links():
            make_colour_link()
        else:
            self.freeing.free_idle()

    def forget_everything(self) -> None:
        """Close all documents and give their memory back."""
        while self._held:
            self._forget(next(iter(self._held)))

    def _must_clear(self) -> bool:
        self._is_clearing &= len(self._held) > KEPT_DOCUMENTS
        return self._is_clearing

    def _answer(self, held: Held, job: Job[A]) -> object:
        if not isinstance(job, EncodeBands):
            self.bands.forget()
        if isinstance(job, Draw | DrawBands):
            self.freeing.before_raster((job.document.token, job.page), max(job.spec.x1_px, job.spec.y1_px))
        match job:
            case Open():
                return self._described(held, job.document)
            case Hold():
                started_s = time.perf_counter()
                held.document.find_last_page()
                self._opened_s += time.perf_counter() - started_s
                if job.warming is not None:
                    self._drawn_record(held, job.warming)
                return True
            case Identify():
                return held.identified(job)
            case Draw():
                return self._drawn_record(held, job)
            case DrawBands():
                sheet = self._sheet(held, job.document, job.page)
                return self.bands.draw(job, sheet, grey=self._is_grey(sheet))
            case EncodeBands():
                return self.bands.encode(job)
            case ReadWords():
                return tuple(word for word in held.document.words(job.page) if _is_somewhere(word))
            case ReadLinks():
                return tuple(link for link in held.document.links(job.page) if _is_somewhere(link))
            case ReadText() | Search():
                from sidebooks_core.worker import searching

                return searching.answer(held.document, job)
            case Inspect():
                return self._inspected(held, job)
            case Annotate() | ReadAnnotations():
                from sidebooks_core.worker import annotating

                return annotating.answer(held.document, held.source, job)
        raise TypeError(f"no such job: {type(job).__name__}")

    def _described(self, held: Held, ref: DocumentRef) -> DocumentInfo:
        try:
            described = held.document.info
        except BaseException:
            self._forget(ref.token)  # a document without a description is not kept open
            raise
        self._just_opened = ref
        held.pages_read += held.document.page_count
        return described

    def _drawn_record(self, held: Held, job: Draw) -> Drawn:
        """Draw once, cut into tiles, encode each."""
        started_s = time.perf_counter()
        spec = job.spec
        sheet = self._sheet(held, job.document, job.page)
        rect_px = [spec.x0_px, spec.y0_px, spec.x1_px, spec.y1_px]
        pixels = self._drawn_mended(held, job, sheet, spec.scale, rect_px)
        drawn_s = time.perf_counter()
        if job.tells_drawn:
            self.tell_drawn()
        record = record_of(pixels, spec.tile_px, job.image_format, job.quality, sheet.problems)
        return Drawn(record, drawn_s - started_s, time.perf_counter() - drawn_s)

    def _inspected(self, held: Held, job: Inspect) -> Inspected:
        from sidebooks_core.engine.inspection import inspect_page

        inspection = inspect_page(held.document, job.page, self.font_set)
        if inspection.warnings:
            forget_resources(held.document.handle)  # so the next page reads and reports them
        geometry = held.document.info.pages[job.page]
        scale = job.long_side_px / max(geometry.width_pt, geometry.height_pt)
        started_s = time.perf_counter()
        sheet = self._sheet(held, job.document, job.page)
        rect_px = [0, 0, max(1, round(geometry.width_pt * scale)), max(1, round(geometry.height_pt * scale))]
        self._drawn_mended(held, job, sheet, scale, rect_px)
        return Inspected(replace(inspection, problems=tuple(sheet.problems)), time.perf_counter() - started_s)

    def _hold(self, ref: DocumentRef, given: bytes | int | None) -> Held:
        held = self._held.get(ref.token)
        if held is not None:
            _require_unchanged(held.source, ref)
            held.document.name = ref.name  # one content may be open under several names
            self._held.move_to_end(ref.token)
            if isinstance(given, int):
                os.close(given)  # the host took the document for closed already
            return held
        while len(self._held) > MAX_DOCUMENTS:  # only if there was no idle moment for chores
            self._forget(next(iter(self._held)))
        assert given is not None
        started_s = time.perf_counter()
        held = self._open(ref, Source.of_descriptor(given) if isinstance(given, int) else Source(given))
        self._opened_s += time.perf_counter() - started_s
        self._held[ref.token] = held
        self._is_clearing |= len(self._held) > MAX_DOCUMENTS
        return held

    def _open(self, ref: DocumentRef, source: Source) -> Held:
        try:
            _require_unchanged(source, ref)
            return Held(open_by(ref, source), source)
        except BaseException:
            shrink_store()  # the engine must let go of the document before its source is closed
            source.close()
            raise

    def _forget(self, token: str) -> None:
        held = self._held.pop(token)
        held.sheets.clear()
        held.identifier = None
        if held.mender is not None:
            held.mender.close()
        held.document.close()
        shrink_store()
        held.source.close()
        self.freeing.settle()

    def _drawn_mended(self, held: Held, job: PageJob[A], sheet: Sheet, scale: float, rect_px: list[int]) -> NDArray[np.uint8]:
        """Draw pixels, and add their problems to the sheet. Raises RenderFailed if nothing of the page can be drawn."""
        pixels, found = self._drawn(sheet, scale, rect_px)
        if (found or sheet.problems) and is_to_be_mended(sheet, found) and self._mend(held, job, sheet, found):
            pixels, found = self._drawn(sheet, scale, rect_px)
        sheet.problems.update(dict.fromkeys(found))
        return pixels

    def _drawn(self, sheet: Sheet, scale: float, rect_px: list[int]) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """The pixels, and the problems of drawing them."""
        grey = self._is_grey(sheet)
        take_messages()
        x0_px, y0_px, x1_px, y1_px = rect_px
        pixels = draw(sheet.display_list, scale, (x0_px, y0_px, x1_px, y1_px), grey=grey)
        found = of_warnings(take_messages(), is_drawing=True)
        if not IMAGE_PROBLEMS.isdisjoint(found):
            forget_unpacked()  # so the next page that draws the same image reports the problem, too
        return pixels, found

    def _mend(self, held: Held, job: PageJob[A], sheet: Sheet, found: tuple[str, ...]) -> bool:
        """Examine a page that has problems, and mend its images. Returns whether the page has another display list now.

        found: the problems that drawing has just found.

        Raises RenderFailed if nothing of the page can be drawn.
        """
        ref, page = job.document, job.page
        mended = None
        if not IMAGE_PROBLEMS.isdisjoint((*sheet.problems, *found)):
            sheet.is_mended = True
            if held.mender is None:
                from sidebooks_core.engine.images.mending import Mender

                held.mender = Mender(held.document, lambda: open_by(ref, held.source))
            mended = held.mender.mend(page, sheet.cut_images)
        if mended is not None:
            sheet.display_list, sheet.grey = mended.display_list, None
            if sheet.cut_images:
                sheet.problems.pop(IMAGE_CUT, None)  # the mender has found out what they lack
            sheet.problems.update(dict.fromkeys(mended.problems))
        else:
            sheet.problems.update(dict.fromkeys(found))
        sheet.is_judged = True
        lost = [problem for problem in sheet.problems if problem in EMPTYING]
        is_picture = held.document.kind in IMAGE_KINDS or held.document.kind == "cbz"
        shows_nothing = bool(lost) and is_blank(sheet.display_list, of_any_colour=is_picture)
        forget_unpacked()  # so the next drawing reports the problem again
        if shows_nothing:
            del held.sheets[page]
            raise RenderFailed(f"{ref.name}, page {page + 1}: nothing of it can be drawn ({'; '.join(lost)})", page=page)
        return mended is not None

    def _sheet(self, held: Held, ref: DocumentRef, page: int) -> Sheet:
        place = (ref.token, page)
        self.freeing.at_page(place)
        sheet = held.sheets.get(page)
        if sheet is not None:
            self._keeping.use(sheet)
            return sheet
        before_bytes, before_s = resident_bytes(), time.process_time()
        take_messages()
        display_list = held.document.display_list(page)
        problems = dict.fromkeys(of_warnings(take_messages()))
        counted_bytes = max(MIN_LIST_BYTES, resident_bytes() - before_bytes)
        sheet = Sheet(display_list, counted_bytes, problems, time.process_time() - before_s)
        if held.cut_images is None:
            held.cut_images = CutImages(held.document.handle)
        sheet.cut_images = held.cut_images.of_page(page)
        if sheet.cut_images:
            problems[IMAGE_CUT] = None
        if problems:
            forget_resources(held.document.handle)  # so the next page that uses them reports the problem, too
        held.sheets[page] = sheet
        self._keeping.use(sheet)
        self._drop_lists((*self.freeing.last_pages, place))
        return sheet

    def _is_grey(self, sheet: Sheet) -> bool:
        if sheet.grey is None:
            sheet.grey = is_grey(sheet.display_list)
        return sheet.grey

    def _drop_lists(self, kept: Collection[Place]) -> None:
        """Drop display lists until the rest fits into the budget. kept: pages whose lists stay."""
        listed = [((token, page), sheet) for token, held in self._held.items() for page, sheet in held.sheets.items()]
        for token, page in self._keeping.surplus(listed, kept):
            del self._held[token].sheets[page]


def _is_somewhere(box: Word | Link) -> bool:
    """Whether a box has finite numbers. A damaged matrix gives text a box without a place."""
    return math.isfinite(box.x0_pt + box.y0_pt + box.x1_pt + box.y1_pt)


def _require_unchanged(source: Source, ref: DocumentRef) -> None:
    if ref.file_state is not None and source.state() not in (None, ref.file_state):
        raise _changed(ref)


def _changed(ref: DocumentRef) -> DamagedDocument:
    return DamagedDocument(f"{ref.name} changed on disk since it was opened: open it again")
