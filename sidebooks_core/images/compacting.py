"""Makes records of `image_format="compact"` smaller after their images went out.

A page is drawn and encoded in the fast way, for whoever waits. Its record is encoded anew in a thread of the lowest priority,
and replaces the first one under its key. The pixels stay the same; the ETag tells the two apart. No worker is occupied.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import OrderedDict

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.encoding.formats import COMPACT, FAST
from sidebooks_core.encoding.smaller import may_be_smaller, smaller
from sidebooks_core.images.keeping import Keeper
from sidebooks_core.images.requests import Request
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.stores.protocol import Leases
from sidebooks_core.stores.record import Record

MOST_WAITING_BYTES = 32 << 20
"""The most bytes of records that wait. Others stay as they are, until they are read from a store again."""
MOST_JUDGED = 4096
"""Records of which it is remembered that they were encoded anew, or cannot be smaller."""
LOWEST_PRIORITY = 19
CLOSE_S = 5.0
"""The longest time that closing waits for the record at work. It takes 0.1 s."""

_log = logging.getLogger("sidebooks_core.images")


def first_format(image_format: str, priority: Priority) -> str:
    """The format in which a raster is encoded first. Bulk work is encoded once, since nobody waits for it."""
    return FAST if image_format == COMPACT and priority < Priority.BULK else image_format


class _Waiting(Struct, frozen=True):
    request: Request
    record: Record
    asked_at: int


class Compacting:
    """Thread-safe. Its thread starts with the first record."""

    def __init__(self, keeper: Keeper, leases: Leases | None) -> None:
        self._keeper = keeper
        self._leases = leases
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._waiting_bytes = 0
        self._judged: OrderedDict[str, None] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._is_at_work = False
        self._closed = False

    def offer(self, request: Request, key: str, record: Record, asked_at: int) -> None:
        """Have a record made smaller, if that is asked for and may be. Never waits.

        asked_at: the number of purges before the record was asked for (`Keeper.purges`).
        """
        if self._keeper.profile_of(request).image_format != COMPACT or not may_be_smaller(record.data):
            return
        with self._changed:
            is_known = key in self._waiting or key in self._judged
            if self._closed or is_known or self._waiting_bytes + len(record.data) > MOST_WAITING_BYTES:
                return
            self._waiting[key] = _Waiting(request, record, asked_at)
            self._waiting_bytes += len(record.data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sidebooks-compacting", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Wait until no record waits, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not (self._waiting or self._is_at_work), timeout_s)

    def close(self) -> None:
        """End the thread. Records that wait stay as they are."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
        while (taken := self._next()) is not None:
            key, waiting = taken
            try:
                self._replace(key, waiting)
            except Exception:  # noqa: BLE001 - the record stays as it is, and the next ones are not to blame
                _log.exception("%s: a record could not be made smaller", waiting.request.document.name)

    def _next(self) -> tuple[str, _Waiting] | None:
        with self._changed:
            self._is_at_work = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or self._waiting)
            if self._closed:
                return None
            key, waiting = self._waiting.popitem(last=False)
            self._waiting_bytes -= len(waiting.record.data)
            self._judged[key] = None
            if len(self._judged) > MOST_JUDGED:
                self._judged.popitem(last=False)
            self._is_at_work = True
            return key, waiting

    def _replace(self, key: str, waiting: _Waiting) -> None:
        profile = self._keeper.profile_of(waiting.request)
        data = smaller(waiting.record.data, profile.quality)
        if data is None or self._closed:
            return
        leases = self._leases

        def written() -> None:
            if leases is not None:
                leases.advance(key)

        record = replace(waiting.record, data=data)
        self._keeper.keep(key, record, Priority.VISIBLE, waiting.asked_at, written)
