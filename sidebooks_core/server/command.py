"""`sidebooks serve`: registers documents, prints the address, and runs the application under uvicorn."""

from __future__ import annotations

import socket
import sys
import threading
import time
import webbrowser
from pathlib import Path
from urllib.request import urlopen

from sidebooks_core.errors import RequestError
from sidebooks_core.server.application import Application
from sidebooks_core.server.shelf import Shelf
from sidebooks_core.service import TileService
from sidebooks_core.settings import Settings

OPEN_TIMEOUT_S = 20.0
BACKLOG = 2048


def serve(paths: list[Path], settings: Settings, host: str, port: int, *, browser: bool) -> int:
    """Serve until interrupted. Raises RequestError without uvicorn, FileNotFoundError, and as `TileService.open` does."""
    try:
        import uvicorn

        from sidebooks_core.server.slow_clients import PatientProtocol
    except ImportError:
        raise RequestError("serving needs uvicorn and httptools: pip install 'sidebooks_core[server]'") from None
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"there is no file or folder {str(path)!r}")
    with TileService(settings) as service, _listening(host, port) as listener:
        shelf = Shelf(service)
        folders = [path for path in paths if path.is_dir()]
        for path in paths:
            if path.is_dir():
                shelf.register_folder(path)
            else:
                shelf.register(path)
        address = f"http://{_shown(host)}:{listener.getsockname()[1]}/"
        shelf.watch(folders)
        served = shelf.ids()
        count = len(served)
        print(f"Serving {count} document{'s' * (count != 1)} at {address}  (Ctrl-C ends it)", flush=True)
        application = Application(shelf)
        configuration = uvicorn.Config(
            application, http=PatientProtocol, log_level="warning", access_log=False, timeout_graceful_shutdown=2
        )
        server = uvicorn.Server(configuration)
        if browser:
            first = f"#{served[0]}" if count == 1 else ""  # one document is what somebody wants to read
            threading.Thread(target=_open_browser, args=(address, first), name="sidebooks-browser", daemon=True).start()
        try:
            server.run(sockets=[listener])
        finally:
            application.close()
            shelf.close()
    return 0


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by name: the event loop sets TCP_NODELAY only on sockets that say they are TCP, and without it the end of a
    # short answer waits for the client's acknowledgement of its beginning, 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)  # who reads the address may connect at once: they wait until the server runs
    except OSError:
        listener.close()
        raise
    return listener


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _open_browser(address: str, place: str) -> None:
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
