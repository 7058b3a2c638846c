"""One look for a record, and the flight that makes it if it is nowhere."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterable, Sequence

from sidebooks_core.documents.document import Document
from sidebooks_core.errors import PageError, RenderFailed, RenderTimeout, SidebooksError
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.keeping import Keeper
from sidebooks_core.images.quarantine import Quarantine
from sidebooks_core.images.requests import Request, page_name
from sidebooks_core.images.work import Background, Flight, Found, Wanted, Work, fail, flight_of, resolve
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.settings import Settings
from sidebooks_core.stores.protocol import Leases
from sidebooks_core.workers.jobs import Draw, Identify

SUSPECT_AHEAD_S = 5.0
"""The time limit of a page that nobody looks at, in a document that cost a worker. Sound pages of the document wait for it."""
IDENTIFY_AHEAD = 64
"""The most pages that one job identifies, as far as its time allows. Requests for the next pages are likely to follow."""
IDENTIFY_VISIBLE_S = 0.002
"""After its page, a job for a reader identifies the next ones for so long: the next request is likely to be for one of them."""
IDENTIFY_BULK_S = 0.005
"""The same for work for which nobody waits. So its worker is free for a reader after some milliseconds."""

_log = logging.getLogger("sidebooks_core.images")


class Seeker:
    """Looks for records, and makes the flights for records that no store has. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        keeper: Keeper,
        leases: Leases | None,
        dispatcher: Dispatcher,
        first_image: Callable[[Document], Flight | None],
    ) -> None:
        """first_image: called once for each document, when a request has its first image. It returns a flight to begin then."""
        self.settings = settings
        self.keeper = keeper
        self.leases = leases
        self._dispatcher = dispatcher
        self._first_image = first_image
        self._seen: weakref.WeakSet[Document] = weakref.WeakSet()
        self._quarantine = Quarantine()
        self._too_slow_ahead = Quarantine()
        """Pages that took more than SUSPECT_AHEAD_S, and may be drawn when somebody looks at them."""

    def seek(self, wanted: Wanted, request: Request) -> list[Flight]:
        """Give a request its answer, or return the flight that is to make it. Also returns what follows from a found image.

        Looks into each store once if the content id of the page is known, and may wait for a disk. Raises RequestError.
        """
        shown = self._dispatcher.shown(request)
        # After the look at the shown images: a record is stored before its page counts as identified.
        key = self.keeper.key(request)
        mark = self.leases.mark(key) if self.leases is not None and key is not None and shown is None else 0
        found = Found(shown, "memory") if shown is not None else self.keeper.find(key) if key is not None else None
        if found is not None:
            resolve(wanted.future, found)
            return self.after_image(request.document) if found.source == "disk" else []
        if wanted.looks_only:
            resolve(wanted.future, None)
            return []
        if key is None and wanted.failure is not None:
            return [identifying(self.settings, request.document, request.page, wanted)]
        failure = wanted.failure or self.refusal(request, is_ahead=wanted.is_ahead)
        if failure is not None:
            fail(wanted.future, failure)
            return []
        if key is None and not self._is_drawn_first(wanted, request):
            return [identifying(self.settings, request.document, request.page, wanted)]
        self.keeper.count_miss()
        return [self._drawing(wanted, request, key, mark)]

    def seek_again(self, waiting: Sequence[Wanted]) -> list[Flight]:
        """Look for the records of requests that have waited already. Returns the flights that make the missing ones."""
        follow_ups: list[Flight] = []
        for wanted in waiting:
            request = wanted.request
            if request is None:
                continue
            try:
                follow_ups += self.seek(wanted, request)
            except SidebooksError as error:
                fail(wanted.future, error)
            except Exception as fault:  # noqa: BLE001 - an application's store, which must not raise
                fail(wanted.future, not_kept(request, fault))
        return follow_ups

    def refusal(self, request: Request, *, is_ahead: bool) -> PageError | None:
        """The error with which a raster is refused now, because other rasters of its page failed. None: it may be tried."""
        quarantines = (self._quarantine, self._too_slow_ahead) if is_ahead else (self._quarantine,)
        for quarantine in quarantines:
            for page in _names_of_page(request):
                refusal = quarantine.refusal(page, request.spec.scale)
                if refusal is not None:
                    return refusal
        return None

    def note_failure(self, request: Request, timeout_s: float, error: SidebooksError) -> None:
        """Remember that a raster failed. timeout_s: the time limit that it had."""
        if isinstance(error, PageError):
            was_short = timeout_s < self.settings.render_timeout_s and isinstance(error, RenderTimeout)
            for page in _names_of_page(request):
                (self._too_slow_ahead if was_short else self._quarantine).note(page, request.spec.scale, error)

    def after_image(self, document: Document) -> list[Flight]:
        """A request has an image of a document. If it is the first image, returns the flights that follow from it."""
        if document in self._seen:
            return []
        self._seen.add(document)
        flight = self._first_image(document)
        return [] if flight is None else [flight]

    def _is_drawn_first(self, wanted: Wanted, request: Request) -> bool:
        """Whether a page is drawn before it is identified.

        A page that somebody looks at is drawn first, unless it is likely stored: then the stored record comes sooner. A page
        that is made ahead is identified first.
        """
        self.keeper.profile_of(request)  # a format that cannot be made is refused at once
        return wanted.priority is Priority.VISIBLE and not request.document.is_likely_stored

    def _drawing(self, wanted: Wanted, request: Request, key: str | None, mark: int) -> Flight:
        document = request.document
        timeout_s = self.settings.render_timeout_s
        if wanted.is_ahead and self._dispatcher.is_suspect(document.ref.token):
            timeout_s = min(timeout_s, SUSPECT_AHEAD_S)
        profile = self.keeper.profile_of(request)
        job = Draw(
            document=document.ref,
            timeout_s=timeout_s,
            page=request.page,
            spec=request.spec,
            image_format=profile.image_format,
            quality=profile.quality,
            tells_drawn=wanted.priority is Priority.BULK,
            then=_identify_job(self.settings, document, request.page, wanted.priority) if key is None else None,
        )
        names = [request.place] if key is None else [request.place, key]
        return flight_of(names, Work(job, document.data, request, key, wanted.asked_at, mark), wanted)


def identifying(
    settings: Settings, document: Document, page: int, wanted: Wanted, background: Background | None = None
) -> Flight:
    """The flight that learns the content id of a page, and of those after it as far as the time allows.

    Bulk requests for records, and the background, share a flight for each block of pages: else several workers would identify
    the same pages. A request whose page the flight did not reach is sought again.
    """
    job = _identify_job(settings, document, page, wanted.priority)
    backgrounds = () if background is None else (background,)
    work = Work(job, document.data, content_ids=document.content_ids, backgrounds=backgrounds)
    is_shared = wanted.priority >= Priority.BULK and (wanted.request is not None or background is not None)
    name = f"identify from|{page_name(document, _block_of(page))}" if is_shared else f"identify|{page_name(document, page)}"
    return flight_of([name], work, wanted)


def _identify_job(settings: Settings, document: Document, page: int, priority: Priority) -> Identify:
    is_bulk = priority >= Priority.BULK
    return Identify(
        document=document.ref,
        timeout_s=settings.render_timeout_s,
        page=page,
        stop=min(_block_of(page) + IDENTIFY_AHEAD if is_bulk else page + IDENTIFY_AHEAD, document.page_count),
        budget_s=IDENTIFY_BULK_S if is_bulk else IDENTIFY_VISIBLE_S,
    )


def _block_of(page: int) -> int:
    """The first page of the block of pages to which a page belongs."""
    return page - page % IDENTIFY_AHEAD


def not_kept(request: Request, fault: Exception) -> SidebooksError:
    _log.error("a fault of the library: what was made could not be kept", exc_info=fault)
    what = f"{request.document.name}: what was made could not be kept ({type(fault).__name__})"
    return RenderFailed(what, document_id=request.document.id, page=request.page)


def _names_of_page(request: Request) -> Iterable[str]:
    """The names of a page for quarantine: its content id, which other documents may share, and its name by file."""
    content_id = request.document.known_content_id(request.page)
    return [name for name in (content_id, page_name(request.document, request.page)) if name is not None]
