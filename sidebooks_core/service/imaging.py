"""The part of the facade that gives images: tiles, whole pages, regions, and all pages one after the other."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Self, Unpack

from sidebooks_core.documents.document import Document
from sidebooks_core.encoding.formats import IMAGE_FORMATS, ImageFormat
from sidebooks_core.errors import RequestError, require_numbers, require_numbers_in, require_type
from sidebooks_core.images.requests import TilePlace, in_format
from sidebooks_core.images.tile import Tile
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.service.core import Core, chosen_pages, require_document
from sidebooks_core.service.options import Submitting

LOOK_AHEAD_PER_WORKER = 3
"""Pages that are asked for before they are wanted: one is drawn, one waits at the worker, one is on its way back."""


class Imaging(Core):
    """Images of pages. image_format: of this image, instead of the format of the settings."""

    def tile(
        self,
        document: Document,
        page: int,
        level: int,
        column: int,
        row: int,
        *,
        image_format: ImageFormat | None = None,
    ) -> Tile:
        """One tile of a level. Raises PageNotFound, RequestError, RenderFailed, RenderTimeout, ServiceClosed."""
        at = in_format(self._place(document, page, level, column, row), image_format)
        return self.parts.images.submit(at).result()

    def submit(
        self,
        document: Document,
        page: int,
        level: int,
        column: int,
        row: int,
        **asked: Unpack[Submitting],
    ) -> Future[Tile]:
        """The same without waiting. Cancelling the future drops the work, if nobody else wants it and it was not begun."""
        return self._submit(self._place(document, page, level, column, row), **asked)

    def page_image(
        self,
        document: Document,
        page: int,
        *,
        width_px: int | None = None,
        height_px: int | None = None,
        fit_px: tuple[int, int] | None = None,
        image_format: ImageFormat | None = None,
    ) -> Tile:
        """The whole page at an exact width or height in pixels; with both, as large as fits.

        fit_px: (width, height) of the screen that it is to fit, instead of the two.
        Raises PageNotFound, RequestError, RenderFailed, RenderTimeout, ServiceClosed; TypeError for what is no number.
        """
        at = self._whole_page(document, page, (width_px, height_px), fit_px)
        return self._submit(at, image_format=image_format).result()

    def submit_page_image(
        self,
        document: Document,
        page: int,
        *,
        width_px: int | None = None,
        height_px: int | None = None,
        fit_px: tuple[int, int] | None = None,
        **asked: Unpack[Submitting],
    ) -> Future[Tile]:
        """The same without waiting."""
        at = self._whole_page(document, page, (width_px, height_px), fit_px)
        return self._submit(at, **asked)

    def region_image(
        self,
        document: Document,
        page: int,
        region_pt: tuple[float, float, float, float],
        width_px: int,
        *,
        image_format: ImageFormat | None = None,
    ) -> Tile:
        """A part of a page, `width_px` pixels wide.

        region_pt: (x0, y0, x1, y1) in points, origin top left, as the page is shown; what lies outside the page is cut off.
        Raises PageNotFound, RequestError, RenderFailed, RenderTimeout, ServiceClosed.
        """
        at = self._region(document, page, region_pt, width_px)
        return self._submit(at, image_format=image_format).result()

    def submit_region_image(
        self,
        document: Document,
        page: int,
        region_pt: tuple[float, float, float, float],
        width_px: int,
        **asked: Unpack[Submitting],
    ) -> Future[Tile]:
        """The same without waiting."""
        return self._submit(self._region(document, page, region_pt, width_px), **asked)

    def images(
        self,
        document: Document,
        pages: Iterable[int] | None = None,
        *,
        width_px: int | None = None,
        height_px: int | None = None,
        fit_px: tuple[int, int] | None = None,
        image_format: ImageFormat | None = None,
    ) -> PageImages:
        """Whole pages one after the other, all of them unless told. Some are drawn while you work on the one before.

        Sizes and format: as for `page_image`. Leave the loop, or `close()` it, and what was asked for ahead is dropped.
        Raises RequestError, PageNotFound, ServiceClosed.
        """
        require_document(self, document)
        wanted = chosen_pages(document, pages)

        def place(page: int) -> TilePlace:
            return self._in_format(self._whole_page(document, page, (width_px, height_px), fit_px), image_format)

        if wanted:
            place(wanted[0])  # wrong sizes are told at once
        return PageImages(wanted, place, self, LOOK_AHEAD_PER_WORKER * self.settings.workers)

    def _submit(
        self, at: TilePlace, *, priority: Priority = Priority.VISIBLE, image_format: ImageFormat | None = None
    ) -> Future[Tile]:
        require_type(priority, Priority, "priority", "a Priority")
        return self.parts.images.submit(self._in_format(at, image_format), priority)

    def _place(self, document: Document, page: int, level: int, column: int, row: int) -> TilePlace:
        require_document(self, document)
        require_numbers(level=level, column=column, row=row)
        return self.parts.images.place(document, page, level, column, row)

    def _region(self, document: Document, page: int, region_pt: tuple[float, float, float, float], width_px: int) -> TilePlace:
        require_document(self, document)
        require_numbers_in(region_pt, "region_pt", "(x0, y0, x1, y1) in points")
        require_numbers(width_px=width_px)
        return self.parts.images.region(document, page, region_pt, width_px)

    def _in_format(self, at: TilePlace, image_format: ImageFormat | None) -> TilePlace:
        if image_format is not None and image_format not in IMAGE_FORMATS:
            request = at.request
            known = ", ".join(IMAGE_FORMATS)
            raise RequestError(
                f"image_format is one of {known}, not {image_format!r}", document_id=request.document.id, page=request.page
            )
        return in_format(at, image_format)

    def _whole_page(
        self, document: Document, page: int, size_px: tuple[int | None, int | None], fit_px: tuple[int, int] | None
    ) -> TilePlace:
        require_document(self, document)
        width_px, height_px = size_px
        require_numbers(width_px=width_px or 0, height_px=height_px or 0)
        if fit_px is not None:
            require_numbers_in(fit_px, "fit_px", "(width, height) in pixels")
            if size_px != (None, None):
                raise RequestError("fit_px stands for both width_px and height_px", document_id=document.id, page=page)
            if len(fit_px) != 2:
                raise RequestError(f"fit_px is (width, height), not {fit_px!r}", document_id=document.id, page=page)
            size_px = fit_px
        return self.parts.images.whole_page(document, page, *size_px)


class PageImages(Iterator[Tile]):
    """Images of pages in order, made by `TileService.images`. One thread takes them; a `with` block closes it.

    The error of a page is raised at its turn. Whoever catches it can go on with the next page.
    """

    def __init__(self, pages: Iterable[int], place: Callable[[int], TilePlace], service: Core, look_ahead: int) -> None:
        """place: of a page's image. Raises RequestError."""
        self._pages = iter(pages)
        self._place = place
        self._service = service
        self._look_ahead = look_ahead
        self._asked: deque[tuple[int, Future[Tile]]] = deque()

    def __next__(self) -> Tile:
        future = self.next_future()
        if future is None:
            raise StopIteration
        return future.result()

    def next_future(self) -> Future[Tile] | None:
        """The next image, without waiting for it; None after the last one. Raises ServiceClosed."""
        self._service.require_open()
        while len(self._asked) < self._look_ahead and (page := next(self._pages, None)) is not None:
            self._asked.append((page, self._ask(page, Priority.BULK)))  # behind what anybody reads
        if not self._asked:
            return None
        page, future = self._asked.popleft()
        return future if future.done() else self._ask(page, Priority.PAGE)  # it is waited for now: the same work, sooner

    def _ask(self, page: int, priority: Priority) -> Future[Tile]:
        try:
            return self._service.parts.images.submit(self._place(page), priority)
        except RequestError as error:  # its page is too large, say: told at its turn
            failed: Future[Tile] = Future()
            failed.set_exception(error)
            return failed

    def close(self) -> None:
        """Drop what was asked for ahead. Safe to call again."""
        self._pages = iter(())
        while self._asked:
            self._asked.pop()[1].cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        # Not in this thread: whatever thread the collector runs in may hold a lock that cancelling needs.
        if self._asked and not sys.is_finalizing():
            threading.Thread(target=self.close, name="sidebooks-drop", daemon=True).start()
