"""One reader of one document: turns that return at once, refinement behind them, and prefetch from movement.

A turn looks at the memory only, and waits a moment for what comes quickly. Everything else (the disk, the queue, prefetch,
previews, callbacks) happens in a thread of its loop, which sleeps until something changes.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from msgspec import Struct

from sidebooks_core.documents.document import Document
from sidebooks_core.documents.model import OutlineItem, SearchHit
from sidebooks_core.errors import (
    PageNotFound,
    QueueFull,
    RequestDropped,
    RequestError,
    ServiceClosed,
    SidebooksError,
)
from sidebooks_core.images.finding import Images
from sidebooks_core.images.requests import Request
from sidebooks_core.images.work import Found
from sidebooks_core.reading.loop import ReaderLoop
from sidebooks_core.reading.screen import Painter, Screen
from sidebooks_core.reading.view import PageView, margin_tiles, preview_request, wanted_images
from sidebooks_core.scheduling.prefetch import Movement, Visit, movement_of, preview_order, sharp_wishes
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.tiling.spreads import SINGLE_PAGES, Direction, SpreadRule, Spreads, first_read
from sidebooks_core.tiling.viewport import Fit, PageBox, Viewport

DEADLINE_S = 0.016
"""A frame of a 60 Hz screen."""
WAIT_SHARE = 0.5
"""Of the deadline, for what comes quickly: a page on disk, or one that draws in milliseconds. The rest is for waking up."""
CROWDED_WAIT_SHARE = 0.125
"""The same where workers keep all processors busy: waking up may take two time slices then, half of the deadline. Long enough
that what the turn asked for is with a worker, and counts."""
PREVIEWS_AT_ONCE = 4
"""Previews asked for at a time: enough for all workers, few enough that a turn changes their order at once."""
RETRY_S = 0.1
"""A queue that was full is asked again after so long."""
POSITION_AFTER_S = 2.0
"""A page that is looked at for so long is where the next reading begins."""
FIRST_COST_S = 0.05
FIRST_BYTES = 300_000
"""What a sharp page costs and weighs until the document has shown it."""
SMOOTHING = 0.25
"""Weight of the newest page in those figures."""
CLOSE_S = 5.0
"""How long closing waits for what the reader does just then."""
BUDGET_SHARE = 0.5
"""Of the memory for tiles, what all readers' prefetch may take: the rest is for what was shown, which is turned back to."""

_log = logging.getLogger("sidebooks_core.reading.reader")
_owners = itertools.count(1)


class ReaderOptions(Struct, frozen=True, kw_only=True):
    """How a document is read."""

    rule: SpreadRule = SINGLE_PAGES
    """Which pages go side by side."""
    fit: Fit = "page"
    deadline_s: float = DEADLINE_S
    resume: bool | str = False
    """Begin at the page that was read last, not at the first. A name: that which the reader of this name read last."""
    loop: ReaderLoop | None = None
    """Threads that many readers share; without one the reader has a thread of its own."""
    client: str = ""
    """Whose turn in the queue it takes; its own unless told."""


class Host(Protocol):
    """What a reader needs of the service: `Readers`."""

    images: Images

    def count(self) -> int:
        """Readers that share the budgets now."""
        ...

    def page_of(self, document: Document, name: str) -> int:
        """The page that a reader read last; the first if that is not known."""
        ...

    def remember(self, document: Document, name: str, page: int) -> None:
        """A reader is at a page. Waits for no disk."""
        ...

    def forget(self, reader: Reader) -> None:
        """A reader closed."""
        ...


class _Ask(Struct, eq=False):
    """A request under way."""

    request: Request
    priority: Priority
    since_s: float
    found: Future[Found] | None = None
    """None until it was asked for."""


class Reader:
    """A reader of a document. Made by `TileService.reader`; safe to use from any thread; `close()` it, or use `with`."""

    def __init__(self, host: Host, document: Document, view_px: tuple[int, int], options: ReaderOptions) -> None:
        if not options.deadline_s > 0:
            raise RequestError(f"deadline_s must be positive, not {options.deadline_s!r}")
        if not isinstance(options.resume, bool | str):
            raise RequestError(f"resume is True, False or the reader's name, not {options.resume!r}")
        if not document.page_count:
            raise RequestError(f"{document.name} has no pages", document_id=document.id)
        self.document = document
        self.deadline_s = options.deadline_s
        self.on_refined: Callable[[PageView], None] | None = None
        """Called with a better PageView of what is on the screen, from a thread of the reader. An exception goes to the log."""
        self._host = host
        self._images = host.images
        self._painter = Painter(host.images, document)
        self._owner = next(_owners)
        self._client = options.client or f"reader {self._owner}"
        self._view_px = view_px
        self._fit: Fit = options.fit
        direction: Direction = "rtl" if document.direction == "rtl" else "ltr"
        sizes = [(page.width_pt, page.height_pt) for page in document.info.pages]
        self._spreads = Spreads.of_pages(sizes, direction, options.rule)
        self._changed = threading.Condition()
        self._asks: dict[Request, _Ask] = {}
        self._visits: deque[Visit] = deque(maxlen=8)
        self._movement = Movement()
        self._cost_s = FIRST_COST_S
        self._sharp_bytes: float = FIRST_BYTES
        self._previewed: set[int] = set()
        self._preview_pages: Iterator[int] = iter(())
        self._previews_asked = 0
        self._position_saved = -1
        self._dirty = True
        self._refined = False
        self._refused = False
        self._closed = False
        self._name = options.resume if isinstance(options.resume, str) else ""
        first = 0 if options.resume is False else host.page_of(document, self._name)
        spread = self._spreads.index_of(first)
        fitted = self._fitted(spread)
        self._screen = self._painter.screen(spread, self._spreads.spreads[spread], fitted, fitted)
        self._visits.append(Visit(time.monotonic(), self._screen.spread))
        self._order_previews()
        self._own_loop = None
        loop = options.loop
        if loop is None:
            loop = self._own_loop = ReaderLoop()
        self._handle = loop.add(self._step)
        self._handle.wake()

    @property
    def page(self) -> int:
        """The page that is shown and read first, from 0."""
        return first_read(self._screen.pages)

    def view(self) -> PageView:
        """What can be painted now, without waiting."""
        self._require_open()
        with self._changed:
            return self._painter.view(self._screen)[0]

    def turn(self, by: int = 1) -> PageView:
        """Turn `by` pages, or spreads, on in reading order; back if negative. At an end it stays there."""
        self._require_open()
        with self._changed:  # from the look to the turn: two threads that turn at the same moment turn twice
            screen = self._show(max(0, min(self._screen.spread + by, len(self._spreads.spreads) - 1)))
        return self._soon(screen)

    def turn_to(self, page: int) -> PageView:
        """Show a page, from 0, with its spread. Returns within `deadline_s`. Raises PageNotFound, ServiceClosed."""
        self._require_open()
        self.document.require_page(page)
        return self._soon(self._show(self._spreads.index_of(page)))

    def jump(self, target: str | OutlineItem | SearchHit) -> PageView:
        """Show the page with a label, the target of an outline item, or the page of a search hit. Raises PageNotFound."""
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
        unless told. page: which page of the spread. Raises RequestError.
        """
        if page is not None:
            self.document.require_page(page)

        def zoomed(screen: Screen) -> Viewport:
            shown = first_read(screen.pages) if page is None else page
            size = self.document.info.pages[shown]
            x_pt, y_pt = centre_pt if centre_pt is not None else (size.width_pt / 2, size.height_pt / 2)
            viewport = screen.viewport.zoomed(zoom, shown, x_pt, y_pt)
            return self._fitted(screen.spread) if zoom == 1.0 else viewport

        return self._move(zoomed)

    def pan(self, right_view: int, down_view: int) -> PageView:
        """Move over the pages by pixels of the screen, as far as their edges."""
        return self._move(lambda screen: screen.viewport.panned(right_view, down_view))

    def resize(self, view_px: tuple[int, int], fit: Fit | None = None) -> PageView:
        """The screen was turned, or the window has another size."""

        def resized(screen: Screen) -> Viewport:
            before = (self._view_px, self._fit)
            self._view_px, self._fit = view_px, fit or self._fit
            try:
                return self._fitted(screen.spread)
            except RequestError:
                self._view_px, self._fit = before
                raise

        return self._move(resized)

    def wait_sharp(self, timeout_s: float | None = None) -> PageView:
        """Wait until everything shown is sharp or known to fail, at most `timeout_s`; then what there is (see `is_sharp`)."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._painter.is_settled(self._screen), timeout_s)
            self._require_open()
            return self._painter.view(self._screen)[0]

    def wait_previews(self, timeout_s: float | None = None) -> bool:
        """Wait until every page has its preview, or failed to; False if that takes longer than `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or len(self._previewed) == self.document.page_count, timeout_s)

    def close(self) -> None:
        """Drop what only this reader wants. Safe to call again."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            asks = list(self._asks.values())
            self._asks.clear()
            self._changed.notify_all()
        self._handle.end(CLOSE_S)
        if self._own_loop is not None:
            self._own_loop.close()
        _cancel(asks)
        self._images.keeper.hold(self._owner, ())
        self._save_position()
        self._host.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _show(self, spread: int) -> Screen:
        """Turn to a spread, which is fitted then; the one that is shown so already stays."""
        with self._changed:
            if spread != self._screen.spread or self._screen.viewport.zoom != 1.0:
                viewport = self._fitted(spread)
                self._screen = self._painter.screen(spread, self._spreads.spreads[spread], viewport, viewport)
                self._visits.append(Visit(time.monotonic(), spread))
                self._order_previews()
                self._rouse()
            return self._screen

    def _move(self, viewport_of: Callable[[Screen], Viewport]) -> PageView:
        """Show the same spread in another viewport. It is made of the screen that it replaces, with no turn in between."""
        self._require_open()
        with self._changed:
            before = self._screen
            viewport, fitted = viewport_of(before), self._fitted(before.spread)
            screen = self._screen = self._painter.screen(before.spread, before.pages, viewport, fitted, before)
            self._rouse()
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
        """Wait until nothing better will come, or the screen is another; False where that takes longer."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._closed or self._screen is not screen or self._painter.is_settled(screen),
                max(0.0, until_s - time.monotonic()),
            )

    def _fitted(self, spread: int) -> Viewport:
        boxes = [
            PageBox(page, self.document.info.pages[page].width_pt, self.document.info.pages[page].height_pt)
            for page in self._spreads.spreads[spread]
        ]
        return Viewport.fitted(*self._view_px, boxes, self._fit)

    def _deliver(self, screen: Screen) -> PageView:
        with self._changed:
            view, quality = self._painter.view(screen)
            screen.shown = max(screen.shown, quality)
        return view

    def _rouse(self) -> None:
        """The screen is another one: whoever waits for the old one, and the loop, look again. Called under the lock."""
        self._dirty = True
        self._changed.notify_all()
        self._handle.wake()

    def _step(self) -> float | None:
        """What the loop does for this reader. When to look again without being woken, in seconds."""
        with self._changed:
            if self._closed:
                return None
            if self._refused:
                self._order_previews()  # those that were refused come up again
            self._dirty = self._refused = False
            refined, self._refined = self._refined, False
            screen = self._screen
        try:
            self._follow(screen)
            if refined:
                self._tell_refined(screen)
        except ServiceClosed:
            return None  # the service closes its readers; this one was busy just then
        with self._changed:
            return self._nap_s()

    def _nap_s(self) -> float | None:
        """When to look again without being called: a fling may have ended, a page may have been read."""
        if self._movement.is_fling:
            return self._movement.pace_s
        if self._refused:
            return RETRY_S
        return POSITION_AFTER_S if self._position_saved != self._screen.spread else None

    def _follow(self, screen: Screen) -> None:
        """Ask for what is wanted now, the visible first, and drop what is not wanted any more."""
        now_s = time.monotonic()
        with self._changed:
            visits = list(self._visits)
            sharp_s = self._cost_s * len(screen.pages) / self._images.settings.workers
            self._movement = movement_of(visits, now_s, sharp_s, self._movement)
        visible = [request for request in screen.requests if request.page not in screen.errors]
        wishes = self._wishes(screen, sharp_s)
        with self._changed:
            stale = [
                ask
                for request, ask in self._asks.items()
                if request not in visible and request not in wishes and ask.priority is not Priority.PREVIEW
            ]
            for ask in stale:
                del self._asks[ask.request]
        _cancel(stale)
        self._images.keeper.hold(self._owner, [*visible, *wishes])
        missing = (one for one in screen.wanted if one.page not in screen.errors and not self._painter.has(screen, one))
        for request in dict.fromkeys(one.request for one in missing):
            if self._screen is screen:
                self._seek(screen, request)
        if self._screen is screen and self._painter.is_settled(screen):
            # Not before: prefetch on the other cores would slow down what the reader is waiting for.
            for request, priority in wishes.items():
                if self._screen is not screen:
                    break  # turned meanwhile: `_dirty` is set again
                if self._images.at_hand(request) is None:
                    self._ask(request, priority)
            self._ask_previews()
        if now_s - visits[-1].at_s >= POSITION_AFTER_S:
            self._save_position()

    def _seek(self, screen: Screen, request: Request) -> None:
        """Ask for what is visible: for its window, if that is drawn sooner than the raster itself, unless that is stored."""
        window = screen.windows.get(request.page)
        if window is not None:
            found = self._images.stored(request)
            if found is not None:
                self._done(_Ask(request, Priority.VISIBLE, screen.since_s), found, None)
                return
            request = window
        self._ask(request, Priority.VISIBLE)

    def _wishes(self, screen: Screen, sharp_s: float) -> dict[Request, Priority]:
        budget = self._images.settings.memory_bytes - self._images.settings.preview_bytes
        spreads = sharp_wishes(
            screen.spread,
            len(self._spreads.spreads),
            self._movement,
            sharp_s=sharp_s,
            sharp_bytes=self._sharp_bytes * len(screen.pages),
            budget_bytes=budget * BUDGET_SHARE / max(1, self._host.count()),
        )
        wishes: dict[Request, Priority] = {}
        raster_pixels = self._images.settings.raster_pixels
        if not self._movement.is_fling:
            wishes |= {one.request: Priority.PAGE for one in screen.wanted if one.page in screen.windows}
            for placement in screen.viewport.placements:
                for one in margin_tiles(self.document, screen.viewport, placement, raster_pixels):
                    wishes[one.request] = Priority.PAGE
        for spread in spreads:
            viewport = self._fitted(spread)
            for placement in viewport.placements:
                for one in wanted_images(self.document, viewport, placement, raster_pixels):
                    wishes.setdefault(one.request, Priority.NEXT)
        return wishes

    def _ask(self, request: Request, priority: Priority) -> None:
        ask = _Ask(request, priority, time.perf_counter())
        with self._changed:
            earlier = self._asks.get(request)
            if self._closed or (earlier is not None and earlier.priority <= priority):
                return
            self._asks[request] = ask
        found = ask.found = self._images.find(request, priority, self._client)
        found.add_done_callback(partial(self._answered, ask))
        with self._changed:
            is_wanted = self._asks.get(request) is ask
        if not is_wanted:
            found.cancel()  # a turn, or the end, came in between

    def _answered(self, ask: _Ask, found: Future[Found]) -> None:
        if found.cancelled():
            return
        error = found.exception()
        if error is None:
            self._done(ask, found.result(), None)
        elif isinstance(error, SidebooksError):
            self._done(ask, None, error)

    def _done(self, ask: _Ask, found: Found | None, error: SidebooksError | None) -> None:
        """In a worker's thread, or in the reader's own where the record was at hand."""
        request, page = ask.request, ask.request.page
        record = found.record if found is not None else None
        source = found.source if found is not None else "render"
        is_passing = isinstance(error, QueueFull | RequestDropped)
        with self._changed:
            if self._asks.get(request) is ask:
                del self._asks[request]
            if ask.priority is Priority.PREVIEW:
                self._previews_asked -= 1
                if not is_passing:
                    self._previewed.add(page)
            if record is not None and source == "render" and not record.is_preview:
                self._cost_s += SMOOTHING * (record.cost_s - self._cost_s)
                self._sharp_bytes += SMOOTHING * (len(record.data) - self._sharp_bytes)
            screen = self._screen
            shown = request in screen.requests
            if error is not None and screen.windows.get(page, request) != request:
                shown = False  # the window stands for this slab: that it failed changes nothing on the screen
            first = shown and record is not None and request not in screen.records
            if shown and record is not None:
                screen.records[request] = record
                screen.counted.add(request)
            elif shown and error is not None and not is_passing:
                screen.errors[page] = error
            self._refused |= is_passing
            self._dirty |= not is_passing and (shown or ask.priority is Priority.PREVIEW)  # now for what comes next
            self._refined |= record is not None and page in screen.pages
            has_news = self._dirty or self._refined
            self._changed.notify_all()
        if has_news:
            self._handle.wake()
        if first:
            self._images.keeper.count_shown(request, source, time.perf_counter() - ask.since_s)

    def _ask_previews(self) -> None:
        while True:
            with self._changed:
                if self._previews_asked >= PREVIEWS_AT_ONCE or self._dirty or self._refused or self._closed:
                    return
                if len(self._previewed) == self.document.page_count:
                    return  # with each turn, looking for one that is missing would pass by every page
                page = next((page for page in self._preview_pages if page not in self._previewed), None)
                if page is None:
                    return
                request = preview_request(self.document, page, self._images.settings.raster_pixels)
                if request in self._asks:
                    continue
                if self._images.at_hand(request) is not None:
                    self._previewed.add(page)
                    self._changed.notify_all()
                    continue
                self._previews_asked += 1
            self._ask(request, Priority.PREVIEW)

    def _order_previews(self) -> None:
        page = first_read(self._screen.pages)
        self._preview_pages = preview_order(page, self.document.page_count, self._movement.direction)

    def _tell_refined(self, screen: Screen) -> None:
        callback = self.on_refined
        if callback is None:
            return
        with self._changed:
            if self._closed or screen is not self._screen:
                return
            view, quality = self._painter.view(screen)
            if quality <= screen.shown:
                return
            screen.shown = quality
        try:
            callback(view)
        except (Exception, SystemExit):  # noqa: BLE001 - the application's own fault must not end the reader
            _log.exception("on_refined failed")

    def _save_position(self) -> None:
        screen = self._screen
        if self._position_saved == screen.spread:
            return
        self._position_saved = screen.spread
        self._host.remember(self.document, self._name, first_read(screen.pages))

    def _require_open(self) -> None:
        if self._closed:
            raise ServiceClosed("the reader is closed")


def _cancel(asks: Sequence[_Ask]) -> None:
    """Forget requests. One that is just being asked for is cancelled by who asks."""
    for ask in asks:
        if ask.found is not None:
            ask.found.cancel()
