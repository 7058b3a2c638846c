"""`sidebooks serve`: registers documents, prints the address, and runs the application under uvicorn."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from sidebooks_core.access import Access
from sidebooks_core.access.oidc import Oidc
from sidebooks_core.errors import RequestError
from sidebooks_core.meeting.meetings import Meetings
from sidebooks_core.meeting.messages import MOST_MESSAGE_BYTES
from sidebooks_core.server.application import Application, ServerOptions
from sidebooks_core.server.door import checked_base
from sidebooks_core.server.entry import Asked, Entry, entry_of
from sidebooks_core.server.hosts import HostNames, names_of_this_machine
from sidebooks_core.server.identity import WayIn
from sidebooks_core.server.limits import ServerLimits
from sidebooks_core.server.listening import (
    BACKLOG,
    check_address,
    is_ip_address,
    is_this_machine,
    listening,
    raise_descriptors,
    shown,
)
from sidebooks_core.server.nearness import BY_SOCKET, PEER, is_loopback_name
from sidebooks_core.server.options import ALONE, OWN_ADDRESS, Part, ServeOptions
from sidebooks_core.server.registering import register_named, register_on_shelf
from sidebooks_core.server.remembering import remember_accounts
from sidebooks_core.server.request_log import RequestLog, log_requests_to_stderr
from sidebooks_core.server.shelf import Shelf
from sidebooks_core.server.slow_clients import Doors, PatientProtocol
from sidebooks_core.server.slow_sockets import PatientSocket
from sidebooks_core.server.supervisor import supervise
from sidebooks_core.server.unix_socket import unix_listening
from sidebooks_core.server.ways_in import HouseForThisMachine, MetricsToken, TrustedProxy
from sidebooks_core.service import TileService
from sidebooks_core.settings import Settings
from sidebooks_core.shelf import Shelf as PaperShelf
from sidebooks_core.shelf.accounts_note import had_accounts

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

OPEN_TIMEOUT_S = 20.0
PING_S = 20.0
"""Of the protocol of sockets: it ends those whose machine is gone. A meeting has pings of its own."""
ACCEPTED_AT_ONCE = 64
"""Connections that the event loop takes before it does something else."""
GRACE_S = 2
MOST_PROCESSES = 64
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class _Told(BaseException):
    """A signal says that the process is to end."""


class _Ending:
    """Handles signals: the server ends, and everything is closed after it."""

    def __init__(self) -> None:
        self.server: uvicorn.Server | None = None
        self.signal: int | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        is_first, self.signal = self.signal is None, self.signal or number
        if self.server is not None:
            self.server.should_exit = True
        elif is_first:  # another would break into the closing
            raise _Told

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Only the main thread may have handlers."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        heard = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
        before = {number: signal.signal(number, self.handle) for number in heard}
        try:
            yield
        finally:
            self._tell()  # before: an impatient second signal would end the process without a word
            for number, handler in before.items():
                signal.signal(number, handler)

    def _tell(self) -> None:
        if self.signal is not None:
            with suppress(OSError):  # the terminal is gone, perhaps
                name = signal.Signals(self.signal).name
                print(f"sidebooks: ended by {name}; what was finished is kept", file=sys.stderr, flush=True)


class _PeerNoted:
    """Notes the address of a connection, before a header of a proxy replaces it."""

    def __init__(self, application: ASGIApp, *, is_unix: bool) -> None:
        """is_unix: connections come by a Unix socket, and have no address: they get that of a proxy on this machine."""
        self._application = application
        self._is_unix = is_unix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            if self._is_unix:
                scope["client"], scope[BY_SOCKET] = (OWN_ADDRESS, 0), True
            scope[PEER] = scope.get("client")
        await self._application(scope, receive, send)


class _OnlyAddresses:
    """Puts the address of a connection back, if what a header gave instead of it is no address."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if client and ("%" in str(client[0]) or not is_ip_address(str(client[0]))):  # a zone may be any text
            scope["client"] = scope.get(PEER)
        await self._application(scope, receive, send)


def at_the_door(application: ASGIApp, options: ServeOptions) -> ASGIApp:
    """The application behind what says who asks: `client` is what a believed proxy gives, or the address of the connection."""
    checked = cast("ASGI3Application", _OnlyAddresses(application))
    behind_proxy = ProxyHeadersMiddleware(checked, trusted_hosts=believed(options))
    return _PeerNoted(cast(ASGIApp, behind_proxy), is_unix=options.uds is not None)


class BoundedServer(uvicorn.Server):
    """uvicorn with a longer queue of connections, and streams of events that end when it does."""

    def __init__(self, application: Application, limits: ServerLimits, listener: socket.socket, options: ServeOptions) -> None:
        inner = RequestLog(application) if options.access_log else application
        super().__init__(
            uvicorn.Config(
                at_the_door(inner, options),
                proxy_headers=False,  # it is in between: after the note
                http=type("Protocol", (PatientProtocol,), {"doors": Doors(limits)}),
                ws=PatientSocket,
                ws_max_size=MOST_MESSAGE_BYTES,
                ws_per_message_deflate=False,  # it costs memory for each client, and messages are short
                ws_ping_interval=PING_S,
                ws_ping_timeout=PING_S,
                log_level="warning",
                access_log=False,  # ours knows what must not be written
                timeout_graceful_shutdown=GRACE_S,
                backlog=ACCEPTED_AT_ONCE if options.processes == 1 else 1,  # the other processes are to have some, too
            )
        )
        self._application = application
        self._listener = listener

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listener.listen(BACKLOG)  # uvicorn has one number for this and for how many are taken at once

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._application.begin_close()
        await self._application.wait_farewells()
        await super().shutdown(sockets)


def believed(options: ServeOptions) -> list[str]:
    """The addresses and networks whose `X-Forwarded-For` names the client."""
    return ["127.0.0.1", "::1", *(options.proxies.networks if options.proxies is not None else ())]


@contextmanager
def papers_of(data: Path | None, service: TileService) -> Iterator[PaperShelf | None]:
    """The shelf in a folder. None for None."""
    if data is None:
        yield None
        return
    with PaperShelf(data, service) as papers:
        yield papers


@contextmanager
def meetings_of(options: ServeOptions) -> Iterator[Meetings | None]:
    """The meetings about the papers of the shelf. None if there is no shelf. Raises HubFailed if the hub refuses us."""
    if options.data is None:
        yield None
        return
    with Meetings(options.data, options.hub, is_alone=options.processes == 1) as meetings:
        yield meetings


@contextmanager
def access_of(options: ServeOptions) -> Iterator[Access | None]:
    """The accounts and the audit beside the shelf. None if there is no shelf."""
    if options.data is None:
        yield None
        return
    with Access(options.data) as access:
        yield access


def asked_of(options: ServeOptions, access: Access | None) -> Asked:
    """What decides who comes in."""
    return Asked(
        is_this_machine_only=is_this_machine(options.host),
        is_named_for_others=options.uds is not None or not all(map(is_loopback_name, _names(options))),
        has_shelf=options.data is not None,
        has_people=access is not None and access.has_people(),
        had_people=options.data is not None and had_accounts(options.data),
        wants_accounts=options.accounts,
        wants_open=options.open,
        has_other_ways=options.proxies is not None or options.oidc is not None,
    )


def _names(options: ServeOptions) -> list[str]:
    """The names by which the server was told to go, as in a Host header. Raises RequestError for what is none."""
    try:
        HostNames.of(options.hostnames)
    except ValueError as error:
        raise RequestError(str(error)) from None
    return [*options.hostnames, *([urlsplit(checked_base(options.base_url)).netloc] if options.base_url else [])]


@contextmanager
def listener_of(options: ServeOptions) -> Iterator[socket.socket]:
    """The socket that takes connections. Raises RequestError, OSError."""
    if options.uds is not None:
        with unix_listening(options.uds, options.uds_mode) as listener:
            yield listener
        return
    check_address(options.host, options.port)
    with listening(options.host, options.port) as listener:
        yield listener


def _address(options: ServeOptions, listener: socket.socket) -> str:
    """Where the server is, as it is printed."""
    if options.uds is not None:
        return f"unix:{options.uds}"
    return f"http://{shown(options.host)}:{listener.getsockname()[1]}/"


def _setup_base(options: ServeOptions, listener: socket.socket) -> str:
    """The address at which the first administrator reaches the server: never one that stands for all addresses."""
    if options.base_url:
        return options.base_url.rstrip("/")
    is_for_all = is_ip_address(options.host) and ip_address(options.host.partition("%")[0]).is_unspecified
    if options.uds is not None:
        return f"http://{options.hostnames[0] if options.hostnames else 'localhost'}"
    name = options.hostnames[0] if options.hostnames else socket.gethostname() if is_for_all else options.host
    return f"http://{shown(name)}:{listener.getsockname()[1]}"


def ways_in(options: ServeOptions, entry: Entry, access: Access | None) -> list[WayIn]:
    """Ways in beside accounts, links and signed addresses. access: of the shelf."""
    found: list[WayIn] = [MetricsToken(options.metrics_token)] if options.metrics_token else []
    if entry is Entry.READERS and access is not None:
        return [*found, HouseForThisMachine(access)]
    if options.proxies is not None:
        return [*found, TrustedProxy(options.proxies)]
    return found


def _has_admins_of_a_proxy(options: ServeOptions) -> bool:
    """Whether a trusted proxy says who is an admin. Such people have no account here, so nobody counts them."""
    return options.proxies is not None and "admin" in (options.proxies.role, *options.proxies.roles.values())


def serve(settings: Settings, options: ServeOptions) -> int:
    """Serve until interrupted, and return the exit status: 128 and the signal's number for SIGTERM and SIGHUP.

    Raises RequestError, FileNotFoundError, OSError, and as `TileService.open` does.
    """
    for path in options.paths:
        if not path.exists():
            raise FileNotFoundError(f"there is no file or folder {str(path)!r}")
    if not 1 <= options.processes <= MOST_PROCESSES:
        raise RequestError(f"--processes must be 1 to {MOST_PROCESSES}")
    with listener_of(options) as listener:
        with access_of(options) as access:
            entry_of(asked_of(options, access))
        if options.processes > 1:
            return supervise(settings, options, listener)
        return serve_on(listener, settings, options)


def serve_on(listener: socket.socket, settings: Settings, options: ServeOptions, part: Part = ALONE) -> int:
    """Serve on a socket until a signal comes; the exit status as for `serve`. part: of this process among several."""
    limits = ServerLimits().within(raise_descriptors())
    if options.access_log:
        log_requests_to_stderr()
    ending = _Ending()
    with (
        suppress(_Told),
        ending.installed(),
        TileService(settings) as service,
        papers_of(options.data, service) as papers,
        access_of(options) as access,
        meetings_of(options) as meetings,
    ):
        entry = entry_of(asked_of(options, access))
        if papers is not None and access is not None:
            remember_accounts(papers, access)
        shelf = Shelf(service)
        hosts = {*names_of_this_machine(socket.gethostname()), *options.hostnames}
        if not is_ip_address(options.host):
            hosts.add(options.host)
        told: ServerOptions = {
            "hosts": hosts,
            "base_url": options.base_url,
            "allow_origins": options.allow_origins,
            "limits": limits,
            "papers": papers,
            "meetings": meetings,
            "access": access,
            "asks_for_accounts": entry is Entry.ACCOUNTS,
            "oidc": Oidc(options.oidc) if options.oidc is not None else None,
            "process_name": str(os.getpid()) if options.processes > 1 else "",
        }
        if papers is not None:
            told["ways_in"] = ways_in(options, entry, access)
        application = Application(shelf, **told)
        try:
            left = 0
            if papers is None:
                left = register_named(shelf, options.paths, options.password)
                shelf.watch([path for path in options.paths if path.is_dir()])
            elif part.is_first:
                register_on_shelf(papers, options.paths, options.password)
            if part.announces:
                _announce(shelf.ids(), left, _address(options, listener), options)
                wants_admin = access is not None and entry is Entry.ACCOUNTS and not _has_admins_of_a_proxy(options)
                if wants_admin and access is not None and (token := access.setup_token()) is not None:
                    at = f"{_setup_base(options, listener)}/#setup={token}"
                    print(f"Set up the first administrator within an hour, at {at}", flush=True)
            ending.server = BoundedServer(application, limits, listener, options)
            ending.server.run(sockets=[listener])
        finally:
            application.close()
            shelf.close()
    return 0 if ending.signal is None else 128 + ending.signal


def _announce(served: list[str], left: int, address: str, options: ServeOptions) -> None:
    """Say what is served where. left: files that are still being opened."""
    count = len(served)
    more = f", {left} more are being opened" if left else ""
    what = f"{count} document{'s' * (count != 1)}" if options.data is None else f"the shelf in {options.data}"
    print(f"Serving {what} at {address}{more}  (Ctrl-C ends it)", flush=True)
    if options.open:
        print("sidebooks: anybody in this network can read these documents, and whoever a proxy lets in", file=sys.stderr)
    if options.browser and options.uds is None:  # no browser opens such a socket
        first = f"#{served[0]}" if count == 1 else ""  # one document is what somebody wants to read
        threading.Thread(target=_open_browser, args=(address, first), name="sidebooks-browser", daemon=True).start()


def _open_browser(address: str, place: str) -> None:
    import webbrowser  # both take a while to load, and most servers open no browser
    from urllib.request import urlopen

    deadline_s = time.monotonic() + OPEN_TIMEOUT_S
    while time.monotonic() < deadline_s:
        try:
            with urlopen(f"{address}healthz", timeout=1):
                break
        except OSError:
            time.sleep(0.1)
    try:
        webbrowser.open(address + place)
    except webbrowser.Error as error:
        print(f"no browser could be opened: {error}", file=sys.stderr)
