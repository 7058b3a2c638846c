"""The parts of the server that handlers use."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from sidebooks_core.access import Access
from sidebooks_core.access.oidc import Oidc
from sidebooks_core.server import allowance
from sidebooks_core.server.addresses import page_number
from sidebooks_core.server.descriptions import Described
from sidebooks_core.server.events import Events
from sidebooks_core.server.exits import Ending
from sidebooks_core.server.framing import Frames
from sidebooks_core.server.gate import Gate
from sidebooks_core.server.http import HttpRequest
from sidebooks_core.server.image_answers import ImageAnswers
from sidebooks_core.server.joining import JoinedWork
from sidebooks_core.server.live.connection import Live
from sidebooks_core.server.live.refusals import Refusals
from sidebooks_core.server.paper_parts import PaperParts
from sidebooks_core.server.pools import Pools
from sidebooks_core.server.rates import Rate
from sidebooks_core.server.searching import Searches
from sidebooks_core.server.sessions import Sessions
from sidebooks_core.server.shelf import Registered, Shelf
from sidebooks_core.server.statuses import not_found
from sidebooks_core.service import Document, TileService
from sidebooks_core.shelf_audit import ShelfAudit
from sidebooks_core.tiling.pyramid import Pyramid


class ServerParts(Struct, frozen=True, eq=False, kw_only=True):
    """The parts of one application."""

    shelf: Shelf
    service: TileService
    pools: Pools
    attempts: Rate
    """Of those whom nobody knows yet, by address."""
    images: ImageAnswers
    joined: JoinedWork
    searches: Searches
    described: Described
    events: Events
    gate: Gate
    access: Access | None
    """None: there are no accounts, and no audit."""
    shelf_audit: ShelfAudit | None
    """Has the audit say what is done with the papers. None: there are no papers, or no audit."""
    asks_for_accounts: bool
    """Also if nobody has an account yet."""
    oidc: Oidc | None
    """The identity provider at which people log in. None: there is none."""
    frames: Frames
    sessions: Sessions
    ending: Ending
    describe_api: Callable[[str], object]
    """Makes the OpenAPI description. Its argument is the beginning of all addresses."""
    counts: Callable[[], dict[int, int]]
    """Responses so far, by status."""
    papers: PaperParts | None
    """None: no shelf of papers is served."""
    refusals: Refusals
    live: Live | None
    """None: there are no meetings."""
    process_name: str
    """In the metrics. "": this is the only process."""

    def of_papers(self) -> PaperParts:
        """Raises Refused if no shelf of papers is served."""
        if self.papers is None:
            raise not_found()
        return self.papers

    def meeting_parts(self) -> Live:
        """Raises Refused if there are no meetings, and HubMissing if there is nothing that they can live in."""
        if self.live is None:
            raise not_found()
        self.live.meetings.require_hub()
        return self.live

    def began_listening(self) -> None:
        """A client listens from now on. Call it in the event loop."""
        if self.papers is not None:
            self.papers.progress.begin()
        self.ending.watch_server(lambda: len(self.events))

    def logins(self) -> Access:
        """Raises Refused if there are no accounts."""
        if self.access is None:
            raise not_found()
        return self.access

    def has_accounts(self) -> bool:
        """Whether people log in here."""
        return self.asks_for_accounts or (self.access is not None and self.access.has_people())

    def registered(self, request: HttpRequest) -> Registered:
        """The document that a request names. The gate has found it."""
        if request.registered is None:
            raise not_found()
        return request.registered

    def document(self, request: HttpRequest) -> Document:
        """The document alone, without its entry on the shelf. Raises Refused."""
        return self.registered(request).document

    def page(self, request: HttpRequest) -> tuple[Document, int]:
        """The document and the page (from 0) that a request names. Raises Refused, also if its reader may not have the page."""
        return self._page(request, request.params["page"])

    def image(self, request: HttpRequest) -> tuple[Document, int]:
        """The document and the page (from 0) whose image service a request names. Raises Refused, as `page` does."""
        return self._page(request, request.params["image"].rpartition("_p")[2])

    def pyramid(self, request: HttpRequest, document: Document, page: int) -> Pyramid:
        """The levels of a page that the reader may have. Raises Refused if there are none."""
        return allowance.pyramid_within(request.limits, document, page)

    def _page(self, request: HttpRequest, told: str) -> tuple[Document, int]:
        document = self.document(request)
        page = page_number(told, document)
        if not request.limits.has_page(page):
            raise not_found()
        return document, page
