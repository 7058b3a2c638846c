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
from collections.abc import Callable, Iterator
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
from sidebooks_core.reading.loop import ReaderLoop
from sidebooks_core.reading.screen import Host as ScreenHost
from sidebooks_core.reading.screen import Painter, Raster, Screen
from sidebooks_core.reading.view import PageView, margin_tiles, preview_spec, wanted_images
from sidebooks_core.scheduling.prefetch import Movement, Visit, movement_of, preview_order, sharp_wishes
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.stores.record import Record
from sidebooks_core.tiling.spreads import Direction, SpreadRule, Spreads, first_read
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
SLOW_DRAFT_S = 0.05
"""A page that is drawn for so long may be stored already: to find that out is worth another worker then."""
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


class Positions(Protocol):
    """Where readers left off, by document and reader's name. Neither method waits for a disk to be written."""

    def page_of(self, document_id: str, reader: str) -> int | None: ...

    def save(self, document_id: str, reader: str, page: int) -> None: ...


class Host(ScreenHost, Protocol):
    """What a reader needs of the service."""

    @property
    def positions(self) -> Positions: ...

    def reader_count(self) -> int: ...

    def is_crowded(self) -> bool: ...

    def remember(self, document: Document) -> None: ...

    def forget_reader(self, reader: Reader) -> None: ...


class _Ask(Struct, eq=False):
    """A request under way; its identity is what the dispatcher knows it by."""

    raster: Raster
    priority: Priority
    since_s: float
    is_hastened: bool = False


class Reader:
    """A reader of a document. Made by `TileService.reader`; safe to use from any thread; `close()` it, or use `with`."""

    def __init__(
        self,
        host: Host,
        document: Document,
        view_px: tuple[int, int],
        rule: SpreadRule,
        *,
        fit: Fit = "page",
        deadline_s: float = DEADLINE_S,
        resume: bool | str = False,
        loop: ReaderLoop | None = None,
        client: str = "",
    ) -> None:
        if not deadline_s > 0:
            raise RequestError(f"deadline_s must be positive, not {deadline_s!r}")
        if not isinstance(resume, bool | str):
            raise RequestError(f"resume is True, False or the reader's name, not {resume!r}")
        if not document.page_count:
            raise RequestError(f"{document.name} has no pages", document_id=document.id)
        self.document = document
        self.deadline_s = deadline_s
        self.on_refined: Callable[[PageView], None] | None = None
        """Called with a better PageView of what is on the screen, from a thread of the reader. An exception goes to the log."""
        self._host = host
        self._painter = Painter(host, document)
        self._owner = next(_owners)
        self._client = client or f"reader {self._owner}"
        self._view_px = view_px
        self._fit: Fit = fit
        direction: Direction = "rtl" if document.direction == "rtl" else "ltr"
        sizes = [(page.width_pt, page.height_pt) for page in document.info.pages]
        self._spreads = Spreads.of_pages(sizes, direction, rule)
        self._changed = threading.Condition()
        self._asks: dict[Raster, _Ask] = {}
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
        self._name = resume if isinstance(resume, str) else ""
        first = 0 if resume is False else self._remembered_page()
        spread = self._spreads.index_of(first)
        fitted = self._fitted(spread)
        self._screen = self._painter.screen(spread, self._spreads.spreads[spread], fitted, fitted)
        self._visits.append(Visit(time.monotonic(), self._screen.spread))
        self._order_previews()
        self._own_loop = None
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
        for ask in asks:
            self._host.records.forget(self.document, *ask.raster, ask)
        self._host.store.hold(self._owner, frozenset())
        self._save_position()
        self._host.forget_reader(self)

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
            if not is_soon and not self._host.is_crowded():
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
        if self._slow_drafts(0.0):
            return SLOW_DRAFT_S
        if self._movement.is_fling:
            return self._movement.pace_s
        if self._refused:
            return RETRY_S
        return POSITION_AFTER_S if self._position_saved != self._screen.spread else None

    def _slow_drafts(self, after_s: float) -> list[_Ask]:
        """What is visible and may be drawn before it is identified, and is not there after so long."""
        since_s = time.perf_counter() - after_s
        return [
            ask
            for ask in self._asks.values()
            if ask.priority is Priority.VISIBLE
            and not ask.is_hastened
            and ask.since_s <= since_s
            and self.document.known_content_id(ask.raster[0]) is None
        ]

    def _follow(self, screen: Screen) -> None:
        """Ask for what is wanted now, the visible first, and drop what is not wanted any more."""
        now_s = time.monotonic()
        with self._changed:
            slow = self._slow_drafts(SLOW_DRAFT_S)
            for ask in slow:
                ask.is_hastened = True
            visits = list(self._visits)
            sharp_s = self._cost_s * len(screen.pages) / self._host.settings.workers
            self._movement = movement_of(visits, now_s, sharp_s, self._movement)
        visible = [raster for raster in screen.rasters if raster[0] not in screen.errors]
        wishes = self._wishes(screen, sharp_s)
        with self._changed:
            stale = [
                ask
                for raster, ask in self._asks.items()
                if raster not in visible and raster not in wishes and ask.priority is not Priority.PREVIEW
            ]
            for ask in stale:
                del self._asks[ask.raster]
        for ask in stale:
            self._host.records.forget(self.document, *ask.raster, ask)
        for ask in slow:
            self._host.records.hasten(self.document, *ask.raster)
        self._hold([*visible, *wishes])
        missing = (one for one in screen.wanted if one.page not in screen.errors and not self._painter.has(screen, one))
        for raster in dict.fromkeys((one.page, one.spec) for one in missing):
            if self._screen is screen:
                self._seek(screen, raster)
        if self._screen is screen and self._painter.is_settled(screen):
            # Not before: prefetch on the other cores would slow down what the reader is waiting for.
            for raster, priority in wishes.items():
                if self._screen is not screen:
                    break  # turned meanwhile: `_dirty` is set again
                if self._record_of(raster) is None:
                    self._ask(raster, priority)
            self._ask_previews()
        if now_s - visits[-1].at_s >= POSITION_AFTER_S:
            self._save_position()

    def _seek(self, screen: Screen, raster: Raster) -> None:
        """Ask for what is visible: for its window, where that is drawn sooner than the raster itself, unless that is stored."""
        page, _ = raster
        if page in screen.windows:
            record = self._stored(raster)
            if record is not None:
                self._done(_Ask(raster, Priority.VISIBLE, screen.since_s), record, "disk", None)
                return
            raster = page, screen.windows[page]
        self._ask(raster, Priority.VISIBLE)

    def _stored(self, raster: Raster) -> Record | None:
        """In memory or on disk."""
        content_id = self.document.known_content_id(raster[0])
        return None if content_id is None else self._host.store.get(self._host.records.key(content_id, raster[1]))

    def _wishes(self, screen: Screen, sharp_s: float) -> dict[Raster, Priority]:
        budget = self._host.settings.memory_bytes - self._host.settings.preview_bytes
        spreads = sharp_wishes(
            screen.spread,
            len(self._spreads.spreads),
            self._movement,
            sharp_s=sharp_s,
            sharp_bytes=self._sharp_bytes * len(screen.pages),
            budget_bytes=budget * BUDGET_SHARE / max(1, self._host.reader_count()),
        )
        wishes: dict[Raster, Priority] = {}
        raster_pixels = self._host.settings.raster_pixels
        if not self._movement.is_fling:
            wishes |= {(one.page, one.spec): Priority.PAGE for one in screen.wanted if one.page in screen.windows}
            for placement in screen.viewport.placements:
                pyramid = self.document.pyramid(placement.page)
                for one in margin_tiles(screen.viewport, placement, pyramid, raster_pixels):
                    wishes[one.page, one.spec] = Priority.PAGE
        for spread in spreads:
            viewport = self._fitted(spread)
            for placement in viewport.placements:
                for one in wanted_images(viewport, placement, self.document.pyramid(placement.page), raster_pixels):
                    wishes.setdefault((one.page, one.spec), Priority.NEXT)
        return wishes

    def _hold(self, rasters: list[Raster]) -> None:
        content_ids = [(self.document.known_content_id(page), spec) for page, spec in rasters]
        held = frozenset(self._host.records.key(content_id, spec) for content_id, spec in content_ids if content_id is not None)
        self._host.store.hold(self._owner, held)

    def _record_of(self, raster: Raster) -> Record | None:
        content_id = self.document.known_content_id(raster[0])
        return None if content_id is None else self._host.store.get_memory(self._host.records.key(content_id, raster[1]))

    def _ask(self, raster: Raster, priority: Priority) -> None:
        ask = _Ask(raster, priority, time.perf_counter())
        with self._changed:
            earlier = self._asks.get(raster)
            if self._closed or (earlier is not None and earlier.priority <= priority):
                return
            self._asks[raster] = ask
        page, spec = raster

        def done(record: Record | None, source: str, error: SidebooksError | None) -> None:
            self._done(ask, record, source, error)

        try:
            self._host.records.want(
                self.document,
                page,
                spec,
                done,
                priority=priority,
                client=self._client,
                ticket=ask,
                may_draft=priority is Priority.VISIBLE,
            )
        except QueueFull as full:
            self._done(ask, None, "render", full)

    def _done(self, ask: _Ask, record: Record | None, source: str, error: SidebooksError | None) -> None:
        """In a worker's thread, or in the reader's own where the record was at hand."""
        page, spec = ask.raster
        is_passing = isinstance(error, QueueFull | RequestDropped)
        with self._changed:
            if self._asks.get(ask.raster) is ask:
                del self._asks[ask.raster]
            if ask.priority is Priority.PREVIEW:
                self._previews_asked -= 1
                if not is_passing:
                    self._previewed.add(page)
            if record is not None and source == "render" and not spec.is_preview:
                self._cost_s += SMOOTHING * (record.cost_s - self._cost_s)
                self._sharp_bytes += SMOOTHING * (len(record.data) - self._sharp_bytes)
            screen = self._screen
            shown = ask.raster in screen.rasters
            if error is not None and screen.windows.get(page, spec) != spec:
                shown = False  # the window stands for this slab: that it failed changes nothing on the screen
            first = shown and record is not None and ask.raster not in screen.records
            if shown and record is not None:
                screen.records[ask.raster] = record
                screen.counted.add(ask.raster)
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
            key = self._host.records.key_of(self.document, page, spec)
            self._host.records.count_hit(source, time.perf_counter() - ask.since_s, key, Priority.VISIBLE)

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
                raster = (page, preview_spec(self.document.pyramid(page), self._host.settings.raster_pixels))
                if raster in self._asks:
                    continue
                if self._record_of(raster) is not None:
                    self._previewed.add(page)
                    self._changed.notify_all()
                    continue
                self._previews_asked += 1
            self._ask(raster, Priority.PREVIEW)

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
        page = first_read(screen.pages)
        self._host.positions.save(self.document.id, self._name, page)
        self._host.remember(self.document)  # its content id, by which the page is found next time

    def _remembered_page(self) -> int:
        page = self._host.positions.page_of(self.document.id, self._name)
        return page if page is not None and page < self.document.page_count else 0

    def _require_open(self) -> None:
        if self._closed:
            raise ServiceClosed("the reader is closed")
