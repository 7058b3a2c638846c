"""The work behind the turns of a reader: rasters are asked for, previews made, better pixels told, the position saved.

`Follower.step` runs in a thread of the reader's loop, never twice at the same time; answers come in threads of workers.
All state that both use is guarded by the reader's lock (see `stage`). Disk, queue and application are called without it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Protocol

from msgspec import Struct

from sidebooks_core.documents.document import Document
from sidebooks_core.errors import QueueFull, RequestDropped, ServiceClosed, SidebooksError
from sidebooks_core.images.finding import Images
from sidebooks_core.images.requests import Request
from sidebooks_core.images.work import Found
from sidebooks_core.reading.asks import Ask, Asks, cancel_all
from sidebooks_core.reading.loop import ReaderLoop
from sidebooks_core.reading.preview_room import SPARE, PreviewRoom
from sidebooks_core.reading.screen import Painter, Screen
from sidebooks_core.reading.stage import Stage
from sidebooks_core.reading.view import preview_request
from sidebooks_core.reading.wishes import wished_rasters
from sidebooks_core.scheduling.prefetch import POSITION_AFTER_S, Costs, Movement, Visit, look_again_s, movement_of, sharp_wishes
from sidebooks_core.scheduling.previews import Previews
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.tiling.spreads import first_read

VISITS_KEPT = 8
CLOSE_S = 5.0
"""How long closing waits for the step that is running."""
BUDGET_SHARE = 0.5
"""Share of the memory for tiles that the prefetch of all readers may take. The rest is for pages that were shown, because
readers turn back to them."""

_log = logging.getLogger("sidebooks_core.reading.reader")


class Shared(Protocol):
    """What the readers of a service share."""

    images: Images

    def count(self) -> int:
        """The number of open readers, which share the memory for prefetch."""
        ...

    def remember(self, document: Document, name: str | None, page: int) -> None:
        """Save the page, from 0, at which the next reading of this name begins; no page for None. Waits for no disk."""
        ...


class Names(Struct, frozen=True):
    """The names of one reader."""

    owner: int
    """It holds its rasters in memory under this number."""
    client: str
    """It takes turns in the queue under this name."""
    position: str | None
    """Its position is saved under this name; None: it is not saved."""


class Follower:
    """Follows one reader. The turns call `turned` and `moved`, the loop calls `step`."""

    def __init__(self, shared: Shared, stage: Stage, painter: Painter, names: Names, loop: ReaderLoop) -> None:
        self._shared = shared
        self._images = shared.images
        self._stage = stage
        self._painter = painter
        self._names = names
        self._document = stage.layout.document
        self._asks = Asks(shared.images, names.client, stage, self._answered)
        self._visits: deque[Visit] = deque(maxlen=VISITS_KEPT)
        self._movement = Movement()
        self._costs = Costs()
        self._previews = Previews(self._document.page_count)
        self._room = PreviewRoom(shared.images.settings.preview_bytes)
        self._evicted_bytes = shared.images.keeper.evicted_preview_bytes()
        """Of previews, when all were looked for."""
        self._is_room_full = False
        """The previews around the shown page fill the memory for previews."""
        self._position_saved: int | None = None
        self._has_turned = False
        self._visit()
        self._handle = loop.add(self.step)
        self._handle.wake()

    def end(self) -> None:
        """Stop, after the stage was closed. Drops the requests of this reader, and saves the position."""
        with self._stage.changed:
            asks = self._asks.take_all()
        self._handle.end(CLOSE_S)
        cancel_all(asks)
        self._images.keeper.hold(self._names.owner, ())
        self._save_position()

    @property
    def has_all_previews(self) -> bool:
        """The pages around the shown one have their previews, as far as the memory goes, or failed. Read under the lock."""
        return self._previews.is_complete or (self._is_room_full and not self._previews.is_waiting)

    def turned(self) -> None:
        """The stage shows another spread. Called under the lock."""
        self._has_turned = True
        self._visit()
        self.moved()

    def moved(self) -> None:
        """The stage shows another screen: all that wait for the old one look again. Called under the lock."""
        self._stage.dirty = True
        self._stage.changed.notify_all()
        self._handle.wake()

    def step(self) -> float | None:
        """Do the work that is due. Returns the seconds after which to look again without being woken; None: never."""
        stage = self._stage
        with stage.changed:
            if stage.closed:
                return None
            if stage.refused:
                self._order_previews()  # those that were refused come up again
            stage.dirty = stage.refused = False
            refined, stage.refined = stage.refined, False
            screen = stage.screen
        try:
            self._follow(screen)
            if refined:
                self._tell_refined(screen)
        except ServiceClosed:
            return None  # the service closes its readers; this one was busy just then
        with stage.changed:
            is_saved = self._position_saved == stage.screen.spread
            return look_again_s(self._movement, is_refused=stage.refused, is_position_saved=is_saved)

    def _visit(self) -> None:
        self._visits.append(Visit(time.monotonic(), self._stage.screen.spread))
        self._order_previews()

    def _order_previews(self) -> None:
        evicted_bytes = self._images.keeper.evicted_preview_bytes()
        if evicted_bytes - self._evicted_bytes > SPARE * self._images.settings.preview_bytes:
            self._evicted_bytes = evicted_bytes
            self._previews.forget()
        self._previews.begin_at(first_read(self._stage.screen.pages), self._movement.direction)
        self._is_room_full = False

    def _follow(self, screen: Screen) -> None:
        """Ask for the rasters that are wanted now, the visible first, and cancel those that are not wanted any more."""
        stage = self._stage
        now_s = time.monotonic()
        with stage.changed:
            visits = list(self._visits)
            sharp_s = self._costs.draw_s * len(screen.pages) / self._images.settings.workers
            self._movement = movement_of(visits, now_s, sharp_s, self._movement)
        visible = [request for request in screen.requests if request.page not in screen.errors]
        wishes = self._wishes(screen, sharp_s)
        self._asks.cancel_others(visible, wishes)
        self._images.keeper.hold(self._names.owner, [*visible, *wishes])
        missing = (one for one in screen.wanted if one.page not in screen.errors and not self._painter.has(screen, one))
        for request in dict.fromkeys(one.request for one in missing):
            if stage.screen is screen:
                self._seek(screen, request)
        if stage.screen is screen and self._painter.is_settled(screen):
            # Not before: prefetch on the other cores would slow down what the reader is waiting for.
            for request, priority in wishes.items():
                if stage.screen is not screen:
                    break  # turned meanwhile: `dirty` is set again
                if self._images.at_hand(request) is None:
                    self._asks.ask(request, priority)
            self._ask_previews()
        if now_s - visits[-1].at_s >= POSITION_AFTER_S:
            self._save_position()

    def _wishes(self, screen: Screen, sharp_s: float) -> dict[Request, Priority]:
        settings, layout = self._images.settings, self._stage.layout
        budget = settings.memory_bytes - settings.preview_bytes
        spreads = sharp_wishes(
            screen.spread,
            len(layout),
            self._movement,
            sharp_s=sharp_s,
            sharp_bytes=self._costs.data_bytes * len(screen.pages),
            budget_bytes=budget * BUDGET_SHARE / max(1, self._shared.count()),
        )
        return wished_rasters(screen, layout, spreads, settings.raster_pixels, is_fling=self._movement.is_fling)

    def _seek(self, screen: Screen, request: Request) -> None:
        """Ask for a visible raster: for its window, if that is drawn sooner, unless the raster itself is stored."""
        window = screen.windows.get(request.page)
        if window is not None:
            found = self._images.stored(request)
            if found is not None:
                self._answered(Ask(request, Priority.VISIBLE, screen.since_s), found, None)
                return
            request = window
        self._asks.ask(request, Priority.VISIBLE)

    def _answered(self, ask: Ask, found: Found | None, error: SidebooksError | None) -> None:
        """Called in a worker's thread; in the loop's own if the record was at hand."""
        request, page = ask.request, ask.request.page
        record = found.record if found is not None else None
        source = found.source if found is not None else "render"
        is_passing = isinstance(error, QueueFull | RequestDropped)
        is_preview = ask.priority is Priority.PREVIEW
        stage = self._stage
        with stage.changed:
            self._asks.finish(ask)
            if is_preview:
                if record is not None:
                    self._previews.made(page)
                    self._room.see(len(record.data))
                else:
                    self._previews.failed(page, is_final=not is_passing)
            if record is not None and source == "render" and not record.is_preview:
                self._costs = self._costs.with_page(record.cost_s, len(record.data))
            screen = stage.screen
            is_shown = screen.is_changed_by(request, is_error=error is not None)
            is_first = is_shown and record is not None and request not in screen.records
            if is_shown and record is not None:
                screen.records[request] = record
                screen.counted.add(request)
            elif is_shown and error is not None and not is_passing:
                screen.errors[page] = error
            stage.refused |= is_passing
            stage.dirty |= not is_passing and (is_shown or is_preview)  # now for what comes next
            stage.refined |= record is not None and page in screen.pages
            has_news = stage.dirty or stage.refined
            stage.changed.notify_all()
        if has_news:
            self._handle.wake()
        if is_first:
            self._images.keeper.count_shown(request, source, time.perf_counter() - ask.since_s)

    def _ask_previews(self) -> None:
        stage = self._stage
        while True:
            with stage.changed:  # anew for each page, so that a turn need not wait for the end of a long book
                if stage.dirty or stage.refused or stage.closed or self._is_room_full:
                    return
                page = self._previews.next_page()
                if page is None:
                    return
                if not self._room.reaches(page, first_read(stage.screen.pages), self._document.page_count):
                    self._is_room_full = True
                    stage.changed.notify_all()
                    return
                request = preview_request(self._document, page, self._images.settings.raster_pixels)
                if request in self._asks:
                    continue
                held = self._images.at_hand(request)
                if held is not None:
                    self._room.see(len(held.data))
                    self._previews.skip(page)
                    stage.changed.notify_all()
                    continue
                self._previews.asked()
            self._asks.ask(request, Priority.PREVIEW)

    def _tell_refined(self, screen: Screen) -> None:
        callback = self._stage.on_refined
        if callback is None:
            return
        with self._stage.changed:
            if self._stage.closed or screen is not self._stage.screen:
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
        screen = self._stage.screen
        if self._position_saved == screen.spread:
            return
        # A reader that never turned knows no better than what is stored, which it perhaps could not read.
        self._position_saved = screen.spread
        self._shared.remember(self._document, self._names.position if self._has_turned else None, first_read(screen.pages))
