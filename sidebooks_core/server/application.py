"""The ASGI application: joins its parts. A request goes through them in this order:

    fast path (an image that is in memory) -> door (host, path) -> Starlette (which route) -> endpoint (method, access)
    -> handler -> sender (errors, headers)

The event loop sends images that are in memory. Work that may wait (the disk, a worker) goes through a future. If a client goes
away, its queued work is dropped.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypedDict, Unpack

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from sidebooks_core import __version__
from sidebooks_core.access import Access
from sidebooks_core.access.oidc import Oidc
from sidebooks_core.access.policy import FolderPolicy, Policy
from sidebooks_core.errors import RequestError, require_type
from sidebooks_core.guest_marks import GuestMarks
from sidebooks_core.meeting.meetings import Meetings
from sidebooks_core.server import openapi, responses
from sidebooks_core.server.access import Allowed, everything
from sidebooks_core.server.descriptions import Described
from sidebooks_core.server.door import Door
from sidebooks_core.server.ended import EndedMeetings
from sidebooks_core.server.endpoints import REQUEST, Endpoint, Rules, starlette_routes
from sidebooks_core.server.events import Events
from sidebooks_core.server.exits import Ending
from sidebooks_core.server.fast_path import FastPath
from sidebooks_core.server.framing import frame_headers
from sidebooks_core.server.gate import Gate, GateRules
from sidebooks_core.server.headers import ResponseHeaders
from sidebooks_core.server.http import Gone, HttpResponse
from sidebooks_core.server.identity import House, Identity, WayIn
from sidebooks_core.server.image_answers import ImageAnswers
from sidebooks_core.server.joining import JoinedWork
from sidebooks_core.server.limits import Quota, ServerLimits
from sidebooks_core.server.live.ahead import Ahead
from sidebooks_core.server.live.connection import Live
from sidebooks_core.server.live.desk import Desk
from sidebooks_core.server.live.meeting_access import MeetingAccess
from sidebooks_core.server.live.meetings_here import MeetingsHere
from sidebooks_core.server.live.refusals import Refusals
from sidebooks_core.server.live.sockets import Socket, as_request
from sidebooks_core.server.mark_events import MarkEvents, Touched
from sidebooks_core.server.mark_readers import AccountReaders, MarkReaders
from sidebooks_core.server.noted import Noted
from sidebooks_core.server.openings import Openings
from sidebooks_core.server.paper_parts import PaperParts
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.places import Places
from sidebooks_core.server.pools import Pools
from sidebooks_core.server.progress_events import ProgressEvents
from sidebooks_core.server.rates import Rate
from sidebooks_core.server.routes import ROUTES
from sidebooks_core.server.searching import Searches
from sidebooks_core.server.sending import Sender
from sidebooks_core.server.sessions import Sessions
from sidebooks_core.server.sharing import Cache, Sharing
from sidebooks_core.server.shelf import Shelf
from sidebooks_core.server.shelf_feed import ShelfFeed
from sidebooks_core.server.statuses import Refused, not_found
from sidebooks_core.server.ways_in import BrowserLogins, HouseWithoutPeople, SignedAddresses
from sidebooks_core.shelf import Change
from sidebooks_core.shelf import Shelf as PaperShelf
from sidebooks_core.shelf.uploads import UploadLimits, Uploads
from sidebooks_core.shelf_audit import ShelfAudit

FAREWELL_S = 2.0


class ServerOptions(TypedDict, total=False):
    """How an application answers. All have defaults."""

    base_url: str | None
    """What addresses in manifests begin with, if a proxy hides it; else each request's own host."""
    hosts: Iterable[str] | None
    """The names that are answered, beside addresses in figures and that of `base_url`; others get 421.

    None: any name, since the application or the proxy in front has a rule of its own."""
    allow_origins: Sequence[str]
    """Origins whose pages may read the answers, as "https://books.example"; "*": all. None unless told."""
    cache: Cache
    """"private" if not everybody may see everything: browsers keep the answers, shared caches do not. Else "shared".

    Unless told, it is "private" with `access`, `asks_for_accounts` or `ways_in`, which take no other, and else "shared"."""
    framed_by: Sequence[str]
    """Origins whose pages may show the viewer in a frame of theirs, as "https://intranet.example"; "'self'": our own. None
    unless told: a page around the viewer could have its reader click on what they do not see."""
    limits: ServerLimits
    papers: PaperShelf | None
    """Papers that are served beside the documents of `Shelf`. The application does not own it."""
    access: Access | None
    """Accounts, logins, links for guests, rights of folders, and the audit. The application does not own it. As long as nobody
    has an account, whoever is at this machine may do everything, and nobody else anything, unless `asks_for_accounts`."""
    meetings: Meetings | None
    """Meetings about the papers of `papers`, in the same folder of data. The application does not own them."""
    asks_for_accounts: bool
    """Nobody who is not known may do anything, even if nobody has an account yet."""
    oidc: Oidc | None
    """An identity provider at which people log in, beside the accounts of `access`, or instead of them."""
    policy: Policy
    """Decides who may do what. Unless told, folders of the shelf say it (`FolderPolicy`)."""
    ways_in: Sequence[WayIn]
    """Further ways in which requests say who asks. The first that knows decides; if none does, a citizen asks."""
    process_name: str
    """The label of this process in the metrics, if several processes answer at one address. None unless told."""


class Application:
    """An ASGI 3 application that serves a shelf. It owns neither the shelf nor its service: close them after the server.

    It runs under any ASGI server, and can be mounted in Starlette, FastAPI and other applications.
    """

    def __init__(self, shelf: Shelf, *, allowed: Allowed = everything, **options: Unpack[ServerOptions]) -> None:
        """allowed: asked before each answer whether the client may have it; 403 if not. Unless told, all clients may.

        options: see `ServerOptions`. Raises RequestError, TypeError.
        """
        require_type(shelf, Shelf, "shelf", "a Shelf of sidebooks_core.server (that of papers is the option `papers`)")
        if unknown := options.keys() - ServerOptions.__annotations__.keys():
            raise RequestError(f"there is no option {', '.join(sorted(unknown))}")
        self.shelf = shelf
        self.service = service = shelf.service
        limits = options.get("limits") or ServerLimits()
        sharing = Sharing.of(options.get("allow_origins", ()), _cache(options))
        self._door = Door(options.get("base_url"), options.get("hosts"), sharing)
        self._pools = pools = Pools()
        self._ending = Ending()
        response_headers = ResponseHeaders(sharing)
        self._sender = Sender(response_headers, pools, self._ending)
        papers = options.get("papers")
        access, meetings = options.get("access"), options.get("meetings")
        self.places = Places(papers, meetings) if papers is not None else None
        self._shelf_audit = ShelfAudit(papers, access) if papers is not None and access is not None else None
        self._ended = None if meetings is None else EndedMeetings(meetings.records)
        rules_of_access = GateRules(
            identity=_identity(options, self._ended), policy=_policy(options), allowed=allowed, shelf=shelf, places=self.places
        )
        self.gate = gate = Gate(rules_of_access, pools, Openings() if access is not None else None)
        self.fast_path = FastPath(service, response_headers, gate.may_have_from_memory, gate.is_told_of)
        self.images = ImageAnswers(service, self.fast_path, pools)
        streams = _streams(limits)
        self.events = Events(streams, left=lambda session: self.sessions.end(session))
        self._ending.on_begin(self.events.close)
        self.sessions = Sessions(service, self.events.page_shown)
        joined = JoinedWork()
        searches = _searches(limits)
        self.searches = Searches(service, joined, searches, self.images.are_awaited)
        refusals, self._live = Refusals(access), None
        if meetings is not None and self.places is not None:
            self._live = _live(meetings, self.places, pools, MeetingAccess(gate, self.places, pools, access), refusals)
        self._mark_events = MarkEvents(self._marks_changed)
        self._mark_readers: MarkReaders | None = None
        self._guest_marks = None if papers is None or access is None else GuestMarks(papers.mark_store, access)
        self._account_readers: AccountReaders | None = None
        if access is not None and self.places is not None:
            self._account_readers = AccountReaders(access, gate, self.places)
        parts = ServerParts(
            shelf=shelf,
            service=service,
            pools=pools,
            attempts=Rate(),
            images=self.images,
            joined=joined,
            searches=self.searches,
            described=Described(),
            events=self.events,
            gate=gate,
            access=access,
            shelf_audit=self._shelf_audit,
            asks_for_accounts=options.get("asks_for_accounts", False),
            oidc=options.get("oidc"),
            frames=frame_headers(options.get("framed_by", ())),
            sessions=self.sessions,
            ending=self._ending,
            describe_api=lambda base: openapi.description(ROUTES, base, __version__),
            counts=lambda: self._sender.counts,
            papers=self._paper_parts(papers, limits, searches) if papers is not None else None,
            refusals=refusals,
            live=self._live,
            process_name=options.get("process_name", ""),
        )
        rules = Rules(self._door, sharing, gate, self._sender)
        self._starlette = Starlette(routes=starlette_routes(ROUTES, rules, parts), lifespan=self._lifespan)
        self._starlette.router.redirect_slashes = False
        self._starlette.router.default = self._unmatched
        self._nothing = Endpoint((), rules, parts)
        shelf.tell(self._shelf_changed)
        if access is not None:
            access.tell(self.events.end_outdated)
        if meetings is not None:
            meetings.records.tell(self._meetings_changed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's request, its WebSocket, or the server's start and end (ASGI)."""
        if scope["type"] == "websocket":
            await self._take_socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._starlette(scope, receive, send)
            return
        if scope["method"] == "GET":
            quick = self.fast_path.answer(scope)
            if quick is None and (expected := self.fast_path.expected(scope)) is not None:
                try:
                    joined = await self._sender.answered(self.fast_path.joined(scope, receive, expected))
                except Gone:
                    return
                if isinstance(joined, HttpResponse):
                    await self._sender.send(scope, receive, send, joined)
                    return
                quick = joined
            if quick is not None:
                status, headers, body = quick
                self._sender.counts[status] += 1
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        try:
            request, path = self._door.enter(scope, receive, self.fast_path.generation)
        except Refused as refused:
            await self._sender.send(scope, receive, send, responses.refusal(refused))
            return
        await self._starlette({**scope, "path": path, "root_path": "", "path_params": {}, REQUEST: request}, receive, send)

    async def _take_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = as_request(scope)
        try:
            request, path = self._door.enter(asked, receive, self.fast_path.generation)
        except Refused as refused:
            await self._sender.refuse_socket(asked, Socket(scope, receive, send, may_change=False), responses.refusal(refused))
            return
        await self._starlette({**scope, "path": path, "root_path": "", "path_params": {}, REQUEST: request}, receive, send)

    def begin_close(self) -> None:
        """End the streams of events, and let nothing keep the server from ending. Safe to call from any thread, and again.

        uvicorn is noticed by itself when it ends, also if the application is mounted in another. Call this from whatever
        else ends a server, before it waits for its connections.
        """
        self._ending.begin()

    async def wait_farewells(self) -> None:
        """Wait until all clients with a WebSocket know that the server ends, for a short while at most. After `begin_close`."""
        await self._sender.wait_sockets(FAREWELL_S)

    def close(self) -> None:
        """End the streams, the readers that hints made, and the threads."""
        self.begin_close()
        self.sessions.close()
        if self._live is not None:
            self._live.here.close()
        self._pools.close()
        self._mark_events.close()
        if self._account_readers is not None:
            self._account_readers.close()
        if self._guest_marks is not None:
            self._guest_marks.close()
        if self._shelf_audit is not None:
            self._shelf_audit.close()

    @asynccontextmanager
    async def _lifespan(self, _starlette: Starlette) -> AsyncIterator[None]:
        yield
        self.close()

    async def _unmatched(self, scope: Scope, receive: Receive, send: Send) -> None:
        """No route has the path."""
        if scope["type"] == "http":
            await self._nothing(scope, receive, send)
        else:
            socket = Socket(scope, receive, send, may_change=False)
            await self._sender.refuse_socket(scope[REQUEST].scope, socket, responses.refusal(not_found()))

    def _paper_parts(self, papers: PaperShelf, limits: ServerLimits, searches: Quota) -> PaperParts:
        places = self.places or Places(papers)
        feed = ShelfFeed(papers, places, self.gate.sees, self.gate.may_one, self.gate.decided_alike)
        upload_limits = UploadLimits(
            count=limits.uploads,
            count_per_owner=limits.uploads_per_client,
            bytes_per_owner=limits.upload_bytes_per_client,
            expires_s=limits.upload_seconds,
        )

        def told(found: list[Change]) -> None:
            self._forget_papers()  # another process may have made them
            feed.add(found)
            try:
                if len(self.events):
                    feed.prepare(found)
                    for meeting in () if self._live is None else self._live.here.ids():
                        places.meetings.find(meeting)  # all who are in it are about to ask
            finally:
                self.events.shelf_changed()  # each stream reads by itself what could not be read here

        papers.feed.forget_with(self._forget_papers)
        papers.tell(told)
        self._mark_readers = MarkReaders(self.gate, self._live)
        papers.mark_store.tell(self._mark_events.add)
        return PaperParts(
            shelf=papers,
            places=places,
            feed=feed,
            uploads=Uploads(papers, upload_limits),
            progress=ProgressEvents(self.events, feed, self.gate, self._pools),
            searches=searches,
            noted=Noted(),
            mark_readers=self._mark_readers,
        )

    def _meetings_changed(self, meetings: list[str]) -> None:
        """Some began or ended."""
        if self._ended is not None:
            self._ended.forget(meetings)
            self.events.end_outdated()  # their guests are nobody known any more
        if self.places is not None and len(self.events):
            found = [(one, self.places.meetings.find(one) or ()) for one in meetings]
            self.events.meetings_changed(found, self.gate.sees, self.gate.as_decided)

    def _marks_changed(self, found: Mapping[str, Touched]) -> None:
        """From a thread of the events."""
        if self.places is not None and self._mark_readers is not None and len(self.events):
            places = self.places.papers
            stand = [(paper, places.find(paper) or (), touched) for paper, touched in found.items()]
            self.events.marks_changed(stand, self._mark_readers.concerns, self.gate.as_decided)

    def _forget_papers(self) -> None:
        """The papers have changed: what is known of them is asked anew."""
        if self.places is not None:
            self.places.forget()
        self.fast_path.forget()

    def _shelf_changed(self, documents: list[str]) -> None:
        self.fast_path.forget()
        self.events.documents_changed(documents)
        self.sessions.keep_only(documents)


def _live(meetings: Meetings, places: Places, pools: Pools, access: MeetingAccess, refusals: Refusals) -> Live:
    here = MeetingsHere(meetings, pools, access.readers_of)
    ahead = Ahead(places.shelf.service.parts.images, places, access, pools)
    desk = Desk(meetings, here, pools, access, refusals, ahead)
    return Live(meetings=meetings, here=here, desk=desk, access=access)


def _streams(limits: ServerLimits) -> Quota:
    per_client, per_citizen, per_guest = limits.streams_per_client, limits.streams_per_citizen, limits.streams_per_guest
    return Quota(limits.streams, per_client, "streams of events", per_citizen=per_citizen, per_guest=per_guest)


def _searches(limits: ServerLimits) -> Quota:
    per_client, per_citizen, per_guest = limits.searches_per_client, limits.searches_per_citizen, limits.searches_per_guest
    return Quota(limits.searches, per_client, "searches at once", per_citizen=per_citizen, per_guest=per_guest)


def _cache(options: ServerOptions) -> Cache:
    """Which caches may keep the answers. Raises RequestError if shared ones were told to keep what not everybody may see."""
    is_for_some = any((options.get("access"), options.get("asks_for_accounts"), options.get("ways_in") is not None))
    told = options.get("cache")
    if is_for_some and told == "shared":
        raise RequestError("cache 'shared' gives answers to others: with access, asks_for_accounts or ways_in it is 'private'")
    return told or ("private" if is_for_some else "shared")


def _identity(options: ServerOptions, ended: EndedMeetings | None) -> Identity:
    """How requests to an application say who asks."""
    access, more = options.get("access"), options.get("ways_in")
    if access is None:
        return Identity((House(),) if more is None and not options.get("asks_for_accounts") else more or (), ended)
    ours: list[WayIn] = [SignedAddresses(access), *(more or ()), BrowserLogins(access, options.get("base_url"))]
    return Identity(ours if options.get("asks_for_accounts") else [*ours, HouseWithoutPeople(access)], ended)


def _policy(options: ServerOptions) -> Callable[[], Policy]:
    """What gives the present policy."""
    access = options.get("access")
    fixed = options.get("policy") or (FolderPolicy() if access is None else None)
    if fixed is not None:
        return lambda: fixed
    assert access is not None
    return access.policy
