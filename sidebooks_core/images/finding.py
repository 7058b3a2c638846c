"""Finding or making the record of a raster: key -> memory -> disk -> quarantine -> the dispatcher, and the counts of it."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from msgspec import Struct, field
from msgspec.structs import replace

from sidebooks_core import keys
from sidebooks_core.documents.document import Document
from sidebooks_core.encoding.formats import IMAGE_FORMATS
from sidebooks_core.errors import PageError, RenderFailed, RenderTimeout, RequestError, SidebooksError
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.flights import Done, Work
from sidebooks_core.keys import RenderProfile
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.statistics import Counters
from sidebooks_core.stores.record import Record
from sidebooks_core.stores.tiers import Tiers
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers.answers import RasterAnswer
from sidebooks_core.workers.jobs import Job, NoWorker

RecordDone = Callable[[Record | None, str, SidebooksError | None], None]
"""Told once: a record and where it came from ("memory", "disk", "render"), or None and an error."""

WITHDRAWN_IDS = 1_000_000
"""Remembered at most, the newest: long enough for what was under way when they were purged."""
QUARANTINE_S = 60.0
"""A page at the scale at which it overran, and a page that failed twice, are not tried again for so long: each try may cost
a worker."""
QUARANTINE_PAGES = 1024
SUSPECT_AHEAD_S = 5.0
"""Most that a page may take that nobody looks at, of a document that cost a worker: its sound pages wait behind it."""
FAILURES_TO_QUARANTINE = 2
"""A worker may die for another reason than the page it draws, so one failure proves nothing; overrunning does."""
OVERRUNS_TO_QUARANTINE = 4
"""Scales at which one page overran within QUARANTINE_S, from which on the page is refused in every size."""
IDENTIFY_AHEAD = 64
"""Pages identified with one that is asked for, as far as the time allows: neighbours are asked for next."""
IDENTIFY_VISIBLE_S = 0.002
IDENTIFY_BULK_S = 0.02


class _Wanted(Struct, frozen=True, eq=False):
    """A request for a record."""

    document: Document
    page: int
    spec: RasterSpec
    done: RecordDone
    priority: Priority
    client: str
    ticket: object
    image_format: str | None
    asked_at: int
    """How many purges there were before."""

    @property
    def is_ahead(self) -> bool:
        """Nobody looks at it yet."""
        return self.priority in (Priority.NEXT, Priority.PREVIEW)


class _Draft(Struct, eq=False):
    """A page that is drawn before it is identified."""

    key: str
    """Stands for that of the record, until the page's content id is known."""
    wanted: _Wanted
    is_identifying: bool = False
    is_shown: bool = False


class Records:
    """Records by document, page and raster. Thread-safe."""

    def __init__(
        self,
        profile: RenderProfile,
        store: Tiers,
        dispatcher: Dispatcher,
        render_timeout_s: float,
        after_first_image: Callable[[Document], None],
    ) -> None:
        """after_first_image: told of each document once, when somebody has its first image: time for what can wait."""
        self.profile = profile
        self._after_first_image = after_first_image
        self._seen: weakref.WeakSet[Document] = weakref.WeakSet()
        self._store = store
        self._dispatcher = dispatcher
        self._render_timeout_s = render_timeout_s
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._unidentified: set[object] = set()
        """Tickets of requests that wait until their page is identified, or drawn before it is, and are not forgotten."""
        self._drafts: set[_Draft] = set()
        """Those that are not settled: what they draw may still be kept."""
        self._profiles: dict[str | None, RenderProfile] = {None: profile}
        self._not_shown: dict[str, int] = {}
        self._quarantine = _Quarantine()
        self._too_slow_ahead = _Quarantine()
        """Pages that took more than SUSPECT_AHEAD_S, and may be drawn when somebody looks at them."""
        self._purges = 0
        self._withdrawn: dict[str, int] = {}
        """Content ids that were purged, with the number of the purge: what was asked for before is not kept."""
        self.counters = Counters()

    def want(
        self,
        document: Document,
        page: int,
        spec: RasterSpec,
        done: RecordDone,
        *,
        priority: Priority,
        client: str = "",
        ticket: object = None,
        image_format: str | None = None,
        may_draft: bool = False,
    ) -> None:
        """Have a record found or made; `done` is told, before this returns where it is found.

        client: whose turn in the queue it takes. ticket: what `forget` knows this request by. image_format: instead of the
        settings'. may_draft: where a worker is free, draw a page before its content id is known, and tell `done` then; another
        process may draw it too.
        Raises QueueFull, ServiceClosed.
        """
        wanted = _Wanted(document, page, spec, done, priority, client, ticket, image_format, self._purges)
        if document.known_content_id(page) is not None:
            self._find_or_make(wanted)
            return
        with self._lock:
            self._unidentified.add(ticket)
        if not (may_draft and not document.is_revision and self._draft(wanted)):
            try:
                self._identify_first(wanted)
            except SidebooksError:
                self._take_ticket(wanted)
                raise

    def hasten(self, document: Document, page: int, spec: RasterSpec) -> None:
        """A drawing that `want` began takes long: find out whether it is stored, and need not be waited for."""
        for draft in self._drafts_of(self.key(_provisional_id(document, page), spec)):
            self._identify_drafted(draft)

    def settle(self, timeout_s: float) -> None:
        """Wait until all that was shown before it was identified is kept, or cannot be."""
        with self._settled:
            self._settled.wait_for(lambda: not any(draft.is_shown for draft in self._drafts), timeout_s)

    def forget(self, document: Document, page: int, spec: RasterSpec, ticket: object, image_format: str | None = None) -> None:
        """A request that `want` took is no longer interested."""
        with self._lock:
            self._unidentified.discard(ticket)
            draft_keys = [draft.key for draft in self._drafts if draft.wanted.ticket is ticket]
        for key in draft_keys:
            self._dispatcher.forget(key, ticket)
        content_id = document.known_content_id(page)
        if content_id is not None:
            self._dispatcher.forget(self.key(content_id, spec, image_format), ticket)

    def identify(
        self,
        document: Document,
        page: int,
        done: Done,
        *,
        priority: Priority,
        client: str = "",
        ticket: object = None,
        follows_up: bool = False,
    ) -> None:
        """Learn the content id of a page, and of those after it as far as the time allows.

        client: as for `want`. ticket: what `forget_identify` knows this request by. follows_up: see the dispatcher.
        """
        ref, content_ids = document.ref, document.content_ids  # this may wait long, and keeps no document

        def learned(answer: Any, error: SidebooksError | None) -> None:
            if error is None:
                content_ids.learn(page, [keys.scoped_id(content_id, ref.trust_domain) for content_id in answer])
            done(answer, error)

        budget_s = IDENTIFY_BULK_S if priority is Priority.BULK else IDENTIFY_VISIBLE_S
        job = Job(
            kind="identify",
            document=ref,
            page=page,
            timeout_s=self._render_timeout_s,
            arguments={"stop": min(page + IDENTIFY_AHEAD, content_ids.page_count), "budget_s": budget_s},
        )
        work = Work(key=_identify_key(document, page), job=job, data=document.data)
        self._dispatcher.request(work, learned, priority, client, ticket, follows_up=follows_up)

    def forget_identify(self, document: Document, page: int, ticket: object) -> None:
        """One request is no longer interested in the content id of a page."""
        self._dispatcher.forget(_identify_key(document, page), ticket)

    def keep(self, key: str, record: Record, priority: Priority, written: Callable[[], None]) -> None:
        """Store a new record; `written` is called once other processes can find it.

        Bulk work goes to disk only, where there is one: it must not push a reader's tiles out of memory.
        """
        self._store.put(key, record, written=written, in_memory=priority is not Priority.BULK)
        with self._lock:
            if priority in (Priority.PAGE, Priority.NEXT):
                self.counters.prefetched_bytes += len(record.data)
                self._not_shown[key] = len(record.data)

    def count_render(self) -> None:
        """A worker of this service, or an executor's on its behalf, has drawn a raster."""
        with self._lock:
            self.counters.renders += 1

    def purge(self, content_ids: Iterable[str]) -> int:
        """Remove what is stored of pages; what is being made of them just now will not be stored. How many records."""
        chosen = set(content_ids)
        with self._lock:
            for content_id in chosen:
                self._withdrawn.pop(content_id, None)
                self._withdrawn[content_id] = self._purges
            self._purges += 1
            while len(self._withdrawn) > WITHDRAWN_IDS:
                self._withdrawn.pop(next(iter(self._withdrawn)))
        return sum(self._store.purge(content_id) for content_id in chosen)

    def count_hit(self, source: str, wait_s: float, key: str, priority: Priority) -> None:
        """A request got its tile."""
        with self._lock:
            if source == "memory":
                self.counters.memory_hits += 1
            elif source == "disk":
                self.counters.disk_hits += 1
            self.counters.count_wait(source, wait_s)
            if priority is Priority.VISIBLE:
                self._not_shown.pop(key, None)

    def not_shown_bytes(self) -> int:
        """Bytes prefetched that nobody has looked at so far."""
        with self._lock:
            return sum(self._not_shown.values())

    def key(self, content_id: str, spec: RasterSpec, image_format: str | None = None) -> str:
        """Where the store keeps the record."""
        return keys.record_key(content_id, spec, self._profiles.get(image_format) or self._profile_of(image_format))

    def key_of(self, document: Document, page: int, spec: RasterSpec) -> str:
        """The same by page; a provisional one of this file's page, as long as its content id is not known."""
        return self.key(document.known_content_id(page) or _provisional_id(document, page), spec)

    def _profile_of(self, image_format: str | None) -> RenderProfile:
        """Raises RequestError for a format that cannot be made."""
        if image_format not in IMAGE_FORMATS:
            raise RequestError(f"image_format must be one of {', '.join(IMAGE_FORMATS)}, not {image_format!r}")
        return self._profiles.setdefault(image_format, replace(self.profile, image_format=image_format))

    def _note_image(self, document: Document) -> None:
        with self._lock:
            is_first = document not in self._seen
            self._seen.add(document)
        if is_first:
            self._after_first_image(document)

    def _identify_first(self, wanted: _Wanted, draft: _Draft | None = None) -> None:
        """Find or make a record once its page is identified. Raises QueueFull, ServiceClosed."""

        def identified(_: Any, error: SidebooksError | None) -> None:
            self._identified(wanted, draft, error)

        self.identify(
            wanted.document,
            wanted.page,
            identified,
            priority=wanted.priority,
            client=wanted.client,
            follows_up=draft is not None,
        )

    def _identified(self, wanted: _Wanted, draft: _Draft | None, error: SidebooksError | None) -> None:
        """A page is, or cannot be. Of a request that was forgotten meanwhile, only what is being drawn already is kept."""
        is_wanted = self._take_ticket(wanted)
        try:
            if error is None and (is_wanted or draft is not None):
                self._find_or_make(wanted, follows_up=True, is_wanted=is_wanted)
        except SidebooksError as problem:
            error = problem
        if error is not None:
            wanted.done(None, "render", error)
        if draft is not None:
            self._settle(draft)

    def _take_ticket(self, wanted: _Wanted) -> bool:
        """Whether a request is not forgotten. Its page is identified, or cannot be: it waits for that no longer."""
        with self._lock:
            is_wanted = wanted.ticket is None or wanted.ticket in self._unidentified
            self._unidentified.discard(wanted.ticket)
        return is_wanted

    def _draft(self, wanted: _Wanted) -> bool:
        """Begin to draw under a provisional key. Whether that is under way.

        The same worker identifies the page afterwards. Another that does so meanwhile has to open the document, and makes
        the drawing slower: 1.07 times as long in the median of 66 documents.
        """
        page_id = _provisional_id(wanted.document, wanted.page)
        key = self.key(page_id, wanted.spec, wanted.image_format)
        draft = _Draft(key, replace(wanted, done=_Once(wanted.done)))

        def drawn(record: Record | None, error: SidebooksError | None) -> None:
            if error is None:
                draft.is_shown = True
                draft.wanted.done(record, "render", None)
            self._identify_drafted(draft)  # a page that cannot be drawn may be stored

        job = self._job(wanted)
        work = Work(key=key, job=job, data=wanted.document.data, read=lambda answer: self._read(answer, wanted, page_id))
        with self._lock:
            self._drafts.add(draft)
        is_under_way = self._dispatcher.draft(work, drawn, wanted.ticket, wanted.client)
        if not is_under_way:
            with self._lock:
                self._drafts.discard(draft)
        return is_under_way

    def _drafts_of(self, key: str) -> list[_Draft]:
        with self._lock:
            return [draft for draft in self._drafts if draft.key == key]

    def _identify_drafted(self, draft: _Draft) -> None:
        """Once: when it is drawn, or when that takes long."""
        with self._lock:
            if draft.is_identifying:
                return
            draft.is_identifying = True
        try:
            self._identify_first(draft.wanted, draft)
        except SidebooksError as problem:
            self._identified(draft.wanted, draft, problem)

    def _settle(self, draft: _Draft) -> None:
        """What it draws is kept, or nobody needs it."""
        self._dispatcher.abandon(draft.key)
        with self._settled:
            self._drafts.discard(draft)
            self._settled.notify_all()

    def _read(self, answer: RasterAnswer, wanted: _Wanted, tag: str) -> Record:
        """A new raster. It cannot have cost more than the time that it was given, whatever its worker says."""
        cost_s = min(answer.draw_s + answer.encode_s, self._render_timeout_s)
        self.count_render()
        return Record(data=answer.record, tag=tag, cost_s=cost_s, is_preview=wanted.spec.is_preview)

    def _find_or_make(self, wanted: _Wanted, *, follows_up: bool = False, is_wanted: bool = True) -> None:
        """Of a page that is identified. is_wanted=False: only what is being drawn of it already."""
        document, done = wanted.document, wanted.done
        content_id = document.known_content_id(wanted.page)
        assert content_id is not None
        key = self.key(content_id, wanted.spec, wanted.image_format)
        record, source, refusal = self._store.get_memory(key), "memory", None
        if record is None:
            record, source = self._store.get_lower(key), "disk"
        if record is None:
            refusal, source = self._quarantine.refusal(content_id, wanted.spec), "render"
        if record is None and refusal is None and wanted.is_ahead:
            refusal = self._too_slow_ahead.refusal(content_id, wanted.spec)
        if record is not None or refusal is not None:
            done(record, source, refusal)
            if source == "disk":
                self._note_image(document)
            return

        def deliver(drawn: Record, written: Callable[[], None], made_for: Priority) -> Record:
            made = replace(drawn, tag=content_id)
            if self._withdrawn.get(content_id, -1) >= wanted.asked_at:
                written()  # shown to who asked before, and kept nowhere
            else:
                self.keep(key, made, made_for, written)
                if self._withdrawn.get(content_id, -1) >= wanted.asked_at:
                    self._store.purge(content_id)  # withdrawn between the look and the keeping
            return made

        def ended(answer: Any, error: SidebooksError | None) -> None:
            if isinstance(error, PageError):
                was_short = job.timeout_s < self._render_timeout_s and isinstance(error, RenderTimeout)
                (self._too_slow_ahead if was_short else self._quarantine).note(content_id, wanted.spec, error)
            done(answer, "render", error)
            if error is None:
                self._note_image(document)

        with self._lock:
            self.counters.misses += 1
        job = self._job(wanted)
        work = Work(
            key=key,
            job=job,
            data=document.data,
            read=lambda answer: self._read(answer, wanted, content_id),
            deliver=deliver,
            made_already=lambda: self._store.get_memory(key) or self._store.get_lower(key),
            refused=lambda: self._quarantine.refusal(content_id, wanted.spec),
        )
        drawn_as = self.key(_provisional_id(document, wanted.page), wanted.spec, wanted.image_format) if self._drafts else None
        if drawn_as is not None and self._drafts_of(drawn_as):  # this one's own, or a reader's that has the page drawn
            self._dispatcher.adopt(drawn_as, work, ended, wanted.priority, wanted.ticket, wanted.client, is_wanted=is_wanted)
        elif is_wanted:
            self._dispatcher.request(work, ended, wanted.priority, wanted.client, wanted.ticket, follows_up=follows_up)

    def _job(self, wanted: _Wanted) -> Job:
        spec, ref = wanted.spec, wanted.document.ref
        is_short = wanted.is_ahead and self._dispatcher.is_suspect(ref.token)
        return Job(
            kind="raster",
            document=ref,
            page=wanted.page,
            timeout_s=min(self._render_timeout_s, SUSPECT_AHEAD_S) if is_short else self._render_timeout_s,
            arguments={
                "scale": spec.scale,
                "rect_px": [spec.x0_px, spec.y0_px, spec.x1_px, spec.y1_px],
                "tile_px": spec.tile_px,
                "image_format": wanted.image_format or self.profile.image_format,
                "quality": self.profile.quality,
            },
        )


def _identify_key(document: Document, page: int) -> str:
    return f"identify|{document.ref.token}|{page}"


def _provisional_id(document: Document, page: int) -> str:
    """Stands for the content id of a page of this very file."""
    return f"draft|{document.ref.token}|{page}"


class _Once:
    """Tells only what it is told first."""

    def __init__(self, done: RecordDone) -> None:
        self._lock = threading.Lock()
        self._done: RecordDone | None = done

    def __call__(self, record: Record | None, source: str, error: SidebooksError | None) -> None:
        with self._lock:
            done, self._done = self._done, None
        if done is not None:
            done(record, source, error)


class _Failures(Struct):
    """Of one page."""

    until_s: float
    error: PageError
    count: int = 0
    """How often it failed, but for overrunning."""
    overran: dict[float, tuple[float, PageError]] = field(default_factory=dict)
    """By the scale of the rasters that overran: until when others at it are refused, and why."""


class _Quarantine:
    """What is not tried again for a while: a page at the scale of a raster that overran, and a page that failed otherwise.

    A small raster may be the slow one, so that one overran says nothing of another scale; but each costs a worker its time
    limit, so the page is refused as a whole where several did.
    """

    _refusals: ClassVar[weakref.WeakSet[PageError]] = weakref.WeakSet()
    """What was told instead of trying: no failures by themselves. Of all quarantines."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, _Failures] = {}

    def note(self, content_id: str, spec: RasterSpec, error: PageError) -> None:
        """A raster of a page failed."""
        if not isinstance(error, RenderFailed | RenderTimeout) or isinstance(error, NoWorker) or error in self._refusals:
            return
        now_s = time.monotonic()
        with self._lock:
            failures = self._failures.pop(content_id, None) or _Failures(0.0, error)
            while len(self._failures) >= QUARANTINE_PAGES:
                self._failures.pop(next(iter(self._failures)))
            self._failures[content_id] = failures
            failures.until_s = now_s + QUARANTINE_S
            if isinstance(error, RenderTimeout):
                failures.overran = {one: told for one, told in failures.overran.items() if told[0] > now_s}
                failures.overran[spec.scale] = failures.until_s, error
            else:
                failures.count += 1
                failures.error = error

    def refusal(self, content_id: str, spec: RasterSpec) -> PageError | None:
        """Why a raster of a page is not tried now."""
        with self._lock:
            failures = self._failures.get(content_id)
            if failures is None:
                return None
            now_s = time.monotonic()
            if failures.until_s <= now_s:
                del self._failures[content_id]
                return None
            until_s, error = failures.until_s, failures.error
            if failures.count < FAILURES_TO_QUARANTINE:
                lasting = {one: told for one, told in failures.overran.items() if told[0] > now_s}
                told = lasting.get(spec.scale) or (
                    max(lasting.values(), key=lambda one: one[0]) if len(lasting) >= OVERRUNS_TO_QUARANTINE else None
                )
                if told is None:
                    return None
                until_s, error = told
        what = f"{error.message} (not tried again for {until_s - now_s:.0f} s)"
        refusal = type(error)(what, document_id=error.document_id, page=error.page)
        self._refusals.add(refusal)
        return refusal
