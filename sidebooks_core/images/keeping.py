"""Keeps records in the stores: makes their keys, looks them up, remembers purges, and counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from sidebooks_core import keys
from sidebooks_core.documents.document import Document
from sidebooks_core.documents.page_ids import own_page_id
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.encoding.formats import IMAGE_FORMATS
from sidebooks_core.errors import RequestError
from sidebooks_core.images.requests import Request
from sidebooks_core.images.work import Found, Source
from sidebooks_core.keys import RenderProfile
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.statistics import Counters
from sidebooks_core.stores.record import Record
from sidebooks_core.stores.tiers import Tiers

WITHDRAWN_IDS = 1_000_000
"""The most purged ids that are remembered; the oldest go first. Flights that were under way at the purge end long before."""

NOT_SHOWN = 65_536
"""The most prefetched records that are remembered until somebody looks at them. Memory holds fewer."""


class Keeper:
    """Records by request. Thread-safe."""

    def __init__(self, profile: RenderProfile, store: Tiers) -> None:
        self.profile = profile
        self.store = store
        self._lock = threading.Lock()
        self._profiles: dict[str | None, RenderProfile] = {None: profile}
        self._not_shown: dict[str, int] = {}
        """Bytes of the records that were prefetched and not looked at, by key. The oldest go to `_wasted_bytes`."""
        self._wasted_bytes = 0
        self.purges = 0
        """The number of purges so far. Each request remembers the number at its beginning."""
        self._withdrawn: dict[str, int] = {}
        """Content ids that were purged, with the number of the purge. Records that were asked for before it are not kept."""
        self.counters = Counters()

    def key(self, request: Request) -> str | None:
        """The key of the record in the store; None while the page's content id is not known. Raises RequestError."""
        content_id = request.document.known_content_id(request.page)
        return None if content_id is None else self.key_of(content_id, request)

    def key_of(self, content_id: str, request: Request) -> str:
        """The key of the record, if the page has this content id. Raises RequestError."""
        return keys.record_key(content_id, request.spec, self.profile_of(request))

    def tag(self, request: Request) -> str:
        """The beginning of the ETags of all tiles of the raster. Raises RequestError."""
        return keys.image_tag(request.document.id, request.page, request.spec, self.profile_of(request))

    def profile_of(self, request: Request) -> RenderProfile:
        """The way in which the raster is encoded. Raises RequestError for an unknown format."""
        image_format = request.image_format
        found = self._profiles.get(image_format)
        if found is None:
            if image_format not in IMAGE_FORMATS:
                raise RequestError(f"image_format must be one of {', '.join(IMAGE_FORMATS)}, not {image_format!r}")
            found = self._profiles.setdefault(image_format, replace(self.profile, image_format=image_format))
        return found

    def evicted_preview_bytes(self) -> int:
        """The bytes of all previews that had to leave the memory for others so far. Never waits."""
        return self.store.evicted_preview_bytes()

    def in_memory(self, request: Request) -> Record | None:
        """The record if it is in memory. Never waits. Raises RequestError."""
        key = self.key(request)
        return None if key is None else self.store.get_memory(key)

    def find(self, key: str) -> Found | None:
        """The record in memory, or in a store below it. May wait for such a store."""
        record = self.store.get_memory(key)
        if record is not None:
            return Found(record, "memory")
        record = self.store.get_lower(key)
        return None if record is None else Found(record, "disk")

    def keep(self, key: str, record: Record, priority: Priority, asked_at: int, written: Callable[[], None]) -> None:
        """Store a new record. `written` is called when other processes can find the record, or when it is certain that they
        never will.

        A record of bulk work goes to disk only, if there is a disk: it must not push a reader's tiles out of memory. A record
        that was asked for before its page was purged is not kept.
        """
        if self._is_withdrawn(record.tag, asked_at):
            written()
            return
        self.store.put(key, record, written=written, in_memory=priority < Priority.BULK)
        with self._lock:
            if priority in (Priority.PAGE, Priority.NEXT):
                self.counters.prefetched_bytes += len(record.data)
                self._not_shown[key] = len(record.data)
                while len(self._not_shown) > NOT_SHOWN:
                    self._wasted_bytes += self._not_shown.pop(next(iter(self._not_shown)))
        if self._is_withdrawn(record.tag, asked_at):
            self.store.purge(record.tag)  # between the look and the keeping

    def purge(self, content_ids: Iterable[str]) -> int:
        """Remove all records of pages. Records of them that are being made now will not be stored. Returns the number of
        records.
        """
        chosen = set(content_ids)
        with self._lock:
            for content_id in chosen:
                self._withdrawn.pop(content_id, None)
                self._withdrawn[content_id] = self.purges
            self.purges += 1
            while len(self._withdrawn) > WITHDRAWN_IDS:
                self._withdrawn.pop(next(iter(self._withdrawn)))
        return sum(self.store.purge(content_id) for content_id in chosen)

    def discard(self, request: Request) -> None:
        """Remove a damaged record without waiting for the disk."""
        key = self.key(request)
        if key is not None:
            self.store.discard(key)

    def hold(self, owner: int, requests: Iterable[Request]) -> None:
        """Evict the records of these requests from memory last. They replace the requests that the owner held before."""
        held = (self.key(request) for request in requests)
        self.store.hold(owner, frozenset(key for key in held if key is not None))

    def count_miss(self) -> None:
        """A request that neither memory nor disk could answer."""
        with self._lock:
            self.counters.misses += 1

    def count_render(self) -> None:
        """A raster was drawn, by a worker of this service or by an executor that works for it."""
        with self._lock:
            self.counters.renders += 1

    def count_shown(self, request: Request, source: Source, wait_s: float, priority: Priority = Priority.VISIBLE) -> None:
        """A request got its tile, after so many seconds."""
        self.count_key_shown(self.key(request), source, wait_s, priority)

    def count_key_shown(self, key: str | None, source: Source, wait_s: float, priority: Priority = Priority.VISIBLE) -> None:
        """The same by the record's key."""
        with self._lock:
            if source == "memory":
                self.counters.memory_hits += 1
            elif source == "disk":
                self.counters.disk_hits += 1
            self.counters.count_wait(source, wait_s)
            if priority is Priority.VISIBLE and key is not None:
                self._not_shown.pop(key, None)

    def shown_count(self) -> int:
        """How many requests got their tile so far."""
        with self._lock:
            return sum(count for count, _ in self.counters.totals.values())

    def not_shown_bytes(self) -> int:
        """Bytes prefetched that nobody has looked at so far, or not for so long that they are not remembered one by one."""
        with self._lock:
            return self._wasted_bytes + sum(self._not_shown.values())

    def _is_withdrawn(self, content_id: str, asked_at: int) -> bool:
        return self._withdrawn.get(content_id, -1) >= asked_at


def scoped(ref: DocumentRef, content_ids: Iterable[str]) -> list[str]:
    """Content ids from a worker, changed so that no other trust domain has the same."""
    return [keys.scoped_id(content_id, ref.trust_domain) for content_id in content_ids]


def own_id(document: Document, page: int) -> str:
    """The content id of a page of this file alone, which has the page if it cannot be identified."""
    return keys.scoped_id(own_page_id(document.info.kind, document.id, page), document.trust_domain)
