"""`sidebooks serve`: registers documents, prints the address, and runs the application under uvicorn."""

from __future__ import annotations

import errno
import ipaddress
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import uvicorn

from sidebooks_core.errors import RequestError, ServiceClosed, SidebooksError
from sidebooks_core.server.application import Application
from sidebooks_core.server.hosts import names_of_this_machine
from sidebooks_core.server.limits import ServerLimits
from sidebooks_core.server.shelf import Shelf
from sidebooks_core.server.slow_clients import Doors, PatientProtocol
from sidebooks_core.server.watcher import OPENERS
from sidebooks_core.service import TileService
from sidebooks_core.settings import Settings

OPEN_TIMEOUT_S = 20.0
START_PATIENCE_S = 2.0
"""How long the start waits for what was named: a file that takes longer is served when it is open."""
BACKLOG = 2048
ACCEPTED_AT_ONCE = 64
"""Connections that the event loop takes before it does something else."""
GRACE_S = 2
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class _Told(BaseException):
    """A signal says that the process is to end."""


class _Ending:
    """What becomes of signals: the server ends, and everything is closed after it."""

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


def serve(
    paths: list[Path],
    settings: Settings,
    host: str,
    port: int,
    *,
    browser: bool,
    password: str | None = None,
    hostnames: Sequence[str] = (),
    allow_origins: Sequence[str] = (),
) -> int:
    """Serve until interrupted, and return the exit status: 128 and the signal's number for SIGTERM and SIGHUP.

    password: of those named documents that need one. hostnames: names that are answered beside those of this machine.
    allow_origins: see `Application`.
    Raises RequestError, FileNotFoundError, OSError, and as `TileService.open` does.
    """
    _check_address(host, port)
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"there is no file or folder {str(path)!r}")
    limits = ServerLimits().within(_raise_descriptors())
    protocol = type("Protocol", (PatientProtocol,), {"doors": Doors(limits)})
    ending = _Ending()
    try:
        with ending.installed(), TileService(settings) as service, _listening(host, port) as listener:
            shelf = Shelf(service)
            hosts = {*names_of_this_machine(socket.gethostname()), *hostnames, *([] if _is_address(host) else [host])}
            application = Application(shelf, hosts=hosts, allow_origins=allow_origins, limits=limits)

            class Server(uvicorn.Server):
                async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                    await super().startup(sockets)
                    listener.listen(BACKLOG)  # uvicorn has one number for this and for how many are taken at once

                async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                    application.begin_close()
                    await super().shutdown(sockets)

            try:
                left = _register(shelf, paths, password)
                address = f"http://{_shown(host)}:{listener.getsockname()[1]}/"
                shelf.watch([path for path in paths if path.is_dir()])
                served = shelf.ids()
                count = len(served)
                more = f", {left} more are being opened" if left else ""
                print(f"Serving {count} document{'s' * (count != 1)} at {address}{more}  (Ctrl-C ends it)", flush=True)
                if _is_for_everybody(host):
                    print("sidebooks: anybody in this network can read these documents: there is no password", file=sys.stderr)
                configuration = uvicorn.Config(
                    application,
                    http=protocol,
                    ws="none",
                    log_level="warning",
                    access_log=False,
                    timeout_graceful_shutdown=GRACE_S,
                    backlog=ACCEPTED_AT_ONCE,
                )
                ending.server = server = Server(configuration)
                if browser:
                    first = f"#{served[0]}" if count == 1 else ""  # one document is what somebody wants to read
                    threading.Thread(target=_open_browser, args=(address, first), name="sidebooks-browser", daemon=True).start()
                server.run(sockets=[listener])
            finally:
                application.close()
                shelf.close()
    except _Told:
        pass
    return 0 if ending.signal is None else 128 + ending.signal


def _register(shelf: Shelf, paths: Sequence[Path], password: str | None) -> int:
    """Open what was named, several files at once, and wait a moment for it. How many files are still being opened.

    A file that cannot be served is told, and the others are served. Raises its error if there is nothing else to serve.
    """
    files = [path for path in paths if not path.is_dir()]
    folders = [path for path in paths if path.is_dir()]
    openers = ThreadPoolExecutor(OPENERS, thread_name_prefix="sidebooks-open")
    opening = [openers.submit(shelf.service.open, path, password) for path in files]
    openers.shutdown(wait=False)
    failed: list[SidebooksError | OSError] = []
    done = 0

    def register() -> None:
        """In the order in which they were named."""
        nonlocal done
        for path, opened in zip(files, opening, strict=True):
            try:
                opened.result()
                shelf.register(path, password)
            except ServiceClosed:
                return
            except (SidebooksError, OSError) as error:
                failed.append(error)
                if len(files) > 1 or folders:
                    print(f"sidebooks: not served: {error}", file=sys.stderr)
            done += 1

    deadline_s = time.monotonic() + START_PATIENCE_S
    registering = threading.Thread(target=register, name="sidebooks-start", daemon=True)
    registering.start()
    for folder in folders:
        shelf.register_folder(folder, 0)
    registering.join(START_PATIENCE_S)
    for folder in folders:
        shelf.register_folder(folder, max(0.0, deadline_s - time.monotonic()))
    if files and not folders and len(failed) == len(files):
        raise failed[0]
    return len(files) - done + shelf.opening_count()


def _check_address(host: str, port: int) -> None:
    """Raises RequestError."""
    if not host.strip():
        raise RequestError("--host is empty: name an address of this machine, or 0.0.0.0 for all of them")
    if not 0 <= port <= 65_535:
        raise RequestError(f"--port must be 0 to 65535, not {port}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_for_everybody(host: str) -> bool:
    """Whether a host means all addresses of this machine."""
    return _is_address(host) and ipaddress.ip_address(host.partition("%")[0]).is_unspecified


def _raise_descriptors() -> int:
    """Have as many descriptors as the system allows; how many that are."""
    if sys.platform == "win32":
        return ServerLimits().connections * 2
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # some systems name a limit that they do not give
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return ServerLimits().connections * 2 if soft == resource.RLIM_INFINITY else soft


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by name: the event loop sets TCP_NODELAY only on sockets that say they are TCP, and without it the end of a
    # short answer waits for the client's acknowledgement of its beginning, 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)  # who reads the address may connect at once: they wait until the server runs
    except (OSError, UnicodeError) as error:
        listener.close()
        if isinstance(error, socket.gaierror | UnicodeError):
            raise RequestError(f"--host {host!r} is no address or name of this machine") from None
        if error.errno == errno.EADDRINUSE:
            what = f"port {port} of {host} is in use: name another with --port, or 0 for any that is free"
            raise OSError(error.errno, what) from None
        raise
    return listener


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


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
