"""One reader of one document: turns that return at once.

A turn looks at the memory only, and waits a moment for pages that come quickly. All else (disk, queue, prefetch, previews,
callbacks) is done by a `Follower` in a thread of a loop, which sleeps until something changes. The two share a `Stage`,
whose lock guards all state of the reader.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.documents.document import Document
from sidebooks_core.documents.model import OutlineItem, SearchHit
from sidebooks_core.errors import PageNotFound, RequestError, ServiceClosed, require_numbers, require_numbers_in, require_type
from sidebooks_core.reading.following import Follower, Names, Shared
from sidebooks_core.reading.layout import Layout
from sidebooks_core.reading.loop import ReaderLoop
from sidebooks_core.reading.screen import Painter, Screen
from sidebooks_core.reading.stage import Stage
from sidebooks_core.reading.view import PageView
from sidebooks_core.tiling.spreads import SINGLE_PAGES, SpreadRule, first_read
from sidebooks_core.tiling.viewport import Fit, Viewport

DEADLINE_S = 0.016
"""A frame of a 60 Hz screen."""
WAIT_SHARE = 0.5
"""Share of the deadline in which a turn waits for quick pages: on disk, or drawn in milliseconds. The rest is for waking up."""
CROWDED_WAIT_SHARE = 0.125
"""The same share if workers keep all processors busy. Waking up may take two time slices then, half of the deadline. The
share is long enough that a worker has what the turn asked for, and counts."""

_owners = itertools.count(1)


class ReaderOptions(Struct, frozen=True, kw_only=True):
    """How a document is read."""

    rule: SpreadRule = SINGLE_PAGES
    """The rule by which pages go side by side."""
    fit: Fit = "page"
    deadline_s: float = DEADLINE_S
    resume: bool | str = False
    """Begin at the page that was read last, not at the first. A name: the page that the reader of this name read last."""
    keeps_position: bool = True
    """Save the page for the next reading. False: nobody knows whose page it is."""
    loop: ReaderLoop | None = None
    """Threads that many readers share. Without a loop the reader has a thread of its own."""
    client: str = ""
    """The reader takes turns in the queue under this name; under a name of its own if empty."""


class Host(Shared, Protocol):
    """The part of the service that a reader uses: `Readers`."""

    def page_of(self, document: Document, name: str) -> int:
        """The page that a reader read last, from 0; the first if that is not known."""
        ...

    def forget(self, reader: Reader) -> None:
        """Remove a reader that closed."""
        ...


class Reader:
    """A reader of a document. Made by `TileService.reader`; safe to use from any thread; `close()` it, or use `with`."""

    # So that a misspelt `on_refined` or `deadline_s` is an error.
    __slots__ = (
        "__weakref__",
        "_changed",
        "_follower",
        "_host",
        "_images",
        "_own_loop",
        "_painter",
        "_process_id",
        "_stage",
        "deadline_s",
        "document",
    )

    def __init__(self, host: Host, document: Document, view_px: tuple[int, int], options: ReaderOptions) -> None:
        if not options.deadline_s > 0:
            raise RequestError(f"deadline_s must be positive, not {options.deadline_s!r}")
        if not isinstance(options.resume, bool | str):
            raise RequestError(f"resume is True, False or the reader's name, not {options.resume!r}")
        if not document.page_count:
            raise RequestError(f"{document.name} has no pages", document_id=document.id)
        self.document = document
        self.deadline_s = options.deadline_s
        self._host = host
        self._images = host.images
        self._painter = Painter(host.images, document)
        name = options.resume if isinstance(options.resume, str) else ""
        layout = Layout.of(document, options.rule, view_px, options.fit)
        spread = layout.spreads.index_of(0 if options.resume is False else host.page_of(document, name))
        fitted = layout.fitted(spread)
        stage = self._stage = Stage(layout, self._painter.screen(spread, layout.pages_of(spread), fitted, fitted))
        self._changed = stage.changed
        owner = next(_owners)
        names = Names(owner, options.client or f"reader {owner}", name if options.keeps_position else None)
        loop = options.loop or ReaderLoop()
        self._own_loop = None if loop is options.loop else loop
        self._follower = Follower(host, stage, self._painter, names, loop)
        self._process_id = os.getpid()

    @property
    def on_refined(self) -> Callable[[PageView], object] | None:
        """Called with a better PageView of the present screen, from a thread of the reader. An exception goes to the log.

        None, the default: nothing is called. Raises TypeError for what cannot be called.
        """
        return self._stage.on_refined

    @on_refined.setter
    def on_refined(self, listener: Callable[[PageView], object] | None) -> None:
        if listener is not None and not callable(listener):
            raise TypeError(f"on_refined must be a function of a PageView or None, not {listener!r}")
        self._stage.on_refined = listener

    @property
    def page(self) -> int:
        """The page that is shown and read first, from 0."""
        return first_read(self._stage.screen.pages)

    def view(self) -> PageView:
        """The view made of the images in memory, without waiting."""
        self._require_open()
        with self._changed:
            return self._painter.view(self._stage.screen)[0]

    def turn(self, by: int = 1) -> PageView:
        """Turn `by` pages, or spreads, on in reading order; back if negative. At an end it stays there."""
        self._require_open()
        require_type(by, int, "by", "a whole number of pages")
        with self._changed:  # from the look to the turn: two threads that turn at the same moment turn twice
            screen = self._show(max(0, min(self._stage.screen.spread + by, len(self._stage.layout) - 1)))
        return self._soon(screen)

    def turn_to(self, page: int) -> PageView:
        """Show a page, from 0, with its spread. Returns within `deadline_s`. Raises PageNotFound, ServiceClosed."""
        self._require_open()
        self.document.require_page(page)
        return self._soon(self._show(self._stage.layout.spreads.index_of(page)))

    def jump(self, target: str | OutlineItem | SearchHit) -> PageView:
        """Show the page with a label, the target of an outline item, or the page of a search hit. Raises PageNotFound."""
        require_type(target, (str, OutlineItem, SearchHit), "target", "a label, an outline item or a search hit")
        if isinstance(target, str):
            labels = (index for index, page in enumerate(self.document.info.pages) if page.label == target)
            page = next(labels, None)
        else:
            page = target.page
        if page is None:
            what = f"the label {target!r}" if isinstance(target, str) else repr(target)
            raise PageNotFound(f"{self.document.name} has no page for {what}", document_id=self.document.id)
        return self.turn_to(page)

    def zoom(self, zoom: float, centre_pt: tuple[float, float] | None = None, page: int | None = None) -> PageView:
        """Enlarge `zoom` times over the fit; 1 shows the fit again. A turn does so too.

        centre_pt: the point (x, y) of the page that comes to the middle of the screen, in points; the page's own middle
        unless told. page: which page of the spread. Raises RequestError, TypeError.
        """
        require_numbers(zoom=zoom)
        if centre_pt is not None:
            require_numbers_in(centre_pt, "centre_pt", "(x, y) in points")
        if page is not None:
            self.document.require_page(page)

        def zoomed(screen: Screen) -> Viewport:
            shown = first_read(screen.pages) if page is None else page
            size = self.document.info.pages[shown]
            x_pt, y_pt = centre_pt if centre_pt is not None else (size.width_pt / 2, size.height_pt / 2)
            viewport = screen.viewport.zoomed(zoom, shown, x_pt, y_pt)
            return self._stage.layout.fitted(screen.spread) if zoom == 1.0 else viewport

        return self._move(zoomed)

    def pan(self, right_view: int, down_view: int) -> PageView:
        """Move over the pages by pixels of the screen, as far as their edges."""
        require_numbers(right_view=right_view, down_view=down_view)
        return self._move(lambda screen: screen.viewport.panned(right_view, down_view))

    def resize(self, view_px: tuple[int, int], fit: Fit | None = None) -> PageView:
        """Fit the pages into a screen of another size, (width, height) in pixels. Raises RequestError, TypeError."""
        require_numbers_in(view_px, "view_px", "(width, height) in pixels")

        def resized(screen: Screen) -> Viewport:
            layout = replace(self._stage.layout, view_px=view_px, fit=fit or self._stage.layout.fit)
            viewport = layout.fitted(screen.spread)
            self._stage.layout = layout
            return viewport

        return self._move(resized)

    def wait_sharp(self, timeout_s: float | None = None) -> PageView:
        """Wait until all images are sharp or have failed, at most `timeout_s` seconds. Returns the view (see `is_sharp`)."""
        require_numbers(timeout_s=timeout_s or 0)
        with self._changed:
            self._changed.wait_for(lambda: self._stage.closed or self._painter.is_settled(self._stage.screen), timeout_s)
            self._require_open()
            return self._painter.view(self._stage.screen)[0]

    def wait_previews(self, timeout_s: float | None = None) -> bool:
        """Wait until the pages around the shown one have their previews, as far as `preview_bytes` goes, or failed to; False if
        that takes longer than `timeout_s`.

        The previews of most documents fit, so that every page gets its own. Open readers share `preview_bytes` evenly.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._stage.closed or self._follower.has_all_previews, timeout_s)

    def close(self) -> None:
        """Drop the requests of this reader, and save its position if it has turned. Safe to call again."""
        with self._changed:
            if self._stage.closed:
                return
            self._stage.closed = True
            self._changed.notify_all()
        self._follower.end()
        if self._own_loop is not None:
            self._own_loop.close()
        self._host.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._stage.closed else f"page {self.page + 1} of {self.document.page_count}"
        return f"<Reader: {self.document.name!r}, {state}>"

    def __del__(self) -> None:
        if getattr(self, "_process_id", None) != os.getpid() or self._stage.closed or sys.is_finalizing():
            return  # it was not made whole, or this is a fork; it was closed; or no thread begins any more
        told = f"{self!r} was not closed: use it in a `with` block"
        # Not in this thread: whatever thread the collector runs in may hold a lock of the reader.
        threading.Thread(target=self.close, name="sidebooks-close", daemon=True).start()
        warnings.warn(told, ResourceWarning, source=self, stacklevel=2)

    def _show(self, spread: int) -> Screen:
        """Turn to a spread, which is fitted then; the one that is shown so already stays."""
        with self._changed:
            stage = self._stage
            if spread != stage.screen.spread or stage.screen.viewport.zoom != 1.0:
                viewport = stage.layout.fitted(spread)
                stage.screen = self._painter.screen(spread, stage.layout.pages_of(spread), viewport, viewport)
                self._follower.turned()
            return stage.screen

    def _move(self, viewport_of: Callable[[Screen], Viewport]) -> PageView:
        """Show the same spread in another viewport, made of the present screen. No turn comes in between."""
        self._require_open()
        with self._changed:
            before = self._stage.screen
            viewport, fitted = viewport_of(before), self._stage.layout.fitted(before.spread)
            screen = self._stage.screen = self._painter.screen(before.spread, before.pages, viewport, fitted, before)
            self._follower.moved()
        return self._soon(screen)

    def _soon(self, screen: Screen) -> PageView:
        """The view, after a moment's wait if it is not sharp at once."""
        with self._changed:
            is_settled = self._painter.is_settled(screen)
        if not is_settled:
            now_s = time.monotonic()
            is_soon = self._wait_settled(screen, now_s + self.deadline_s * CROWDED_WAIT_SHARE)
            if not is_soon and not self._images.is_crowded():
                self._wait_settled(screen, now_s + self.deadline_s * WAIT_SHARE)
        self._require_open()
        return self._deliver(screen)

    def _wait_settled(self, screen: Screen, until_s: float) -> bool:
        """Wait until nothing better will come, or the screen is another; False if that takes longer."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._stage.closed or self._stage.screen is not screen or self._painter.is_settled(screen),
                max(0.0, until_s - time.monotonic()),
            )

    def _deliver(self, screen: Screen) -> PageView:
        with self._changed:
            view, quality = self._painter.view(screen)
            screen.shown = max(screen.shown, quality)
        return view

    def _require_open(self) -> None:
        if self._stage.closed:
            raise ServiceClosed("the reader is closed")
