"""The log of requests: a line for each answer, as web servers write it, so that their programs read it.

`ADDRESS - - [TIME] "METHOD PATH HTTP/1.1" STATUS BYTES SECONDS`. Queries, and private parameters of paths, have what people
search for; a signature in a path lets in whoever reads it. Queries are cut. `-` stands for the other two.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sidebooks_core.server.http import SIGNED, raw_path, root_and_path, signature_of
from sidebooks_core.server.listening import is_ip_address
from sidebooks_core.server.routes import ROUTES

_log = logging.getLogger("sidebooks_core.server.requests")
TIME_FORM = "%d/%b/%Y:%H:%M:%S %z"
REFUSED_SOCKET = 403
"""What a client of a socket is told if the application closes before it accepts."""
SWITCHING = 101
HIDDEN = "-"
_BEFORE_PRIVATE = tuple(before for route in ROUTES for before in route.before_private)


def log_requests_to_stderr() -> None:
    """Let the lines go to standard error, whatever the level of other lines is."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    _log.handlers[:] = [handler]
    _log.setLevel(logging.INFO)
    _log.propagate = False


class RequestLog:
    """Writes a line when an answer ends, or when the client has gone: then with the status that it was told, or `-`."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        answer = _Answer(send)
        begun, begun_s = datetime.now().astimezone(), time.perf_counter()
        try:
            await self._application(scope, receive, answer.send)
        finally:
            _log.info("%s", line(scope, answer.status, answer.sent_bytes, begun, time.perf_counter() - begun_s))


def line(scope: Scope, status: int | None, sent_bytes: int, begun: datetime, took_s: float) -> str:
    """One line. begun: with a time zone."""
    client = scope.get("client")
    who = _shown(str(client[0])) if client and is_ip_address(str(client[0])) else "-"
    asked = f"{scope.get('method', 'GET')} {_shown(_path(scope))} HTTP/{scope.get('http_version', '1.1')}"
    return f'{who} - - [{begun:{TIME_FORM}}] "{asked}" {status or "-"} {sent_bytes} {took_s:.3f}'


def _path(scope: Scope) -> str:
    """The path without what must not be written."""
    whole = raw_path(scope).split(b"?")[0].decode("latin-1")
    if not whole.startswith("/"):
        return whole if whole == "*" else HIDDEN  # a whole address, which hides where its path begins
    below = root_and_path(scope)[1]
    signature, path = signature_of(below)
    if signature:
        return f"/{SIGNED}/{HIDDEN}{_without_private(path)}"
    if unquote(below.lstrip("/").split("/")[0]) == SIGNED:
        return f"/{SIGNED}/{HIDDEN}"
    return whole.removesuffix(below) + _without_private(below)


def _without_private(path: str) -> str:
    """A path below the mount, up to the first private parameter. Needless slashes and percent signs hide none."""
    said = [(part, unquote(part)) for part in path.split("/") if part]
    for before in _BEFORE_PRIVATE:
        pairs = zip(before, said, strict=False)
        if len(said) > len(before) and all(wanted in ("{}", meant) for wanted, (_, meant) in pairs):
            return "".join(f"/{part}" for part, _ in said[: len(before)]) + f"/{HIDDEN}"
    return path


def _shown(text: str) -> str:
    """Without what could end the field or the line."""
    return "".join(one if " " < one < "\x7f" and one not in '"\\' else f"\\x{ord(one):02x}" for one in text)


class _Answer:
    """What is sent to one client."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.sent_bytes = 0

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind in ("http.response.start", "websocket.http.response.start"):
            self.status = message["status"]
        elif kind == "http.response.body":
            self.sent_bytes += len(message.get("body", b""))
        elif kind == "websocket.accept":
            self.status = SWITCHING
        elif kind == "websocket.close" and self.status is None:
            self.status = REFUSED_SOCKET
        await self._send(message)
