"""Limits for connections: how many there may be, how much a request may hold, and how slow a client may be.

uvicorn ends a connection that is idle between two requests. It limits neither headers nor the connections of one client, nor
how slowly a request comes, nor how long a response lies in the socket.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections import Counter, deque
from collections.abc import Callable

import httptools
from msgspec import Struct, field
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from sidebooks_core.server.headers import content_length
from sidebooks_core.server.limits import ServerLimits, client_of
from sidebooks_core.server.responses import refusal
from sidebooks_core.server.slow_sockets import PatientSocket
from sidebooks_core.server.statuses import Refused

if sys.platform == "linux":  # here: who runs out of descriptors can import nothing any more
    import fcntl
    import termios

HEADERS_WITHIN_S = 10.0
"""From the first byte of a request, or from the connection, to the end of its headers."""
BODY_WITHIN_S = 30.0
"""From there on, the time between two measurements of how much of the body has come. A file of 500 MB may take an hour."""
TAKEN_WITHIN_S = 60.0
"""The time between two measurements of the bytes that a client has taken of its response."""
LEAST_BYTES_PER_S = 1000.0
"""A client that takes less is ended. The slowest networks carry more."""
MAX_PIPELINED = 128
"""Requests that wait for the response to an earlier one of their connection."""
SOCKET_PATH = b"/live"
"""The end of the path of our sockets. Any other request is answered as if it asked for no upgrade."""
LONGEST_LINE = 8000
"""Of a header of a request for a socket, in bytes: the library for sockets reads no longer lines."""


class Doors(Struct):
    """All connections. Belongs to the event loop. Requests note nothing here: when one must go, an idle one is looked for."""

    limits: ServerLimits
    connected: dict[PatientProtocol, None] = field(default_factory=dict)
    """The oldest first."""
    per_client: Counter[str] = field(default_factory=Counter)
    candidates: deque[PatientProtocol] = field(default_factory=deque)
    """Connections from the last search for an idle one that were not looked at yet."""

    def come(self, connection: PatientProtocol) -> PatientProtocol | None:
        """Count a new connection. Returns the one that has to go, perhaps the new one."""
        client = connection.who
        self.per_client[client] += 1
        leaving: PatientProtocol | None = None
        if self.per_client[client] > self.limits.connections_per_client:
            leaving = self._idle(client) or connection
        elif len(self.connected) >= self.limits.connections:
            leaving = self._idle(None) or connection
        self.connected[connection] = None
        return leaving

    def go(self, connection: PatientProtocol) -> None:
        del self.connected[connection]
        self.per_client[connection.who] -= 1
        if not self.per_client[connection.who]:
            del self.per_client[connection.who]
        if len(self.candidates) > 2 * len(self.connected):
            self.candidates.clear()  # most of them left

    def _idle(self, client: str | None) -> PatientProtocol | None:
        """An old connection that waits for no response, of one client or of any."""
        for is_last in (False, True):
            while self.candidates:
                found = self.candidates.popleft()
                if found in self.connected and found.is_idle and client in (None, found.who):
                    return found
            if not is_last:
                self.candidates.extend(self.connected)
        return None


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits: counters, and timers for clients that are late."""

    headers_within_s = HEADERS_WITHIN_S
    body_within_s = BODY_WITHIN_S
    taken_within_s = TAKEN_WITHIN_S
    doors = Doors(ServerLimits())

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._is_in_headers = False
        self._is_in_message = False
        self._piece_bytes = 0
        """Of the last piece of data."""
        self._body_bytes = 0
        """Of the body under way, since the last measurement."""
        self._beside_body = 0
        """Bytes of the request under way that are no body, without those of the piece that it began in."""
        self._refusal: tuple[int, str] = (400, "the request cannot be read")
        self._unsent_bytes = 0
        self._is_for_socket = False
        """The request under way asks for a socket, and gets one."""
        self._is_socket = False
        self.who = client_of(self.client)
        self._expect("headers", self.headers_within_s, self._give_up)
        leaving = self.doors.come(self)
        if leaving is not None:
            leaving.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        for what in list(self._timers):
            self._came(what)
        self.doors.go(self)
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """No response is made or sent, it is no socket, and the connection is not closing."""
        return not self._is_socket and self._has_answered() and not self.transport.is_closing()

    def make_room(self) -> None:
        """End this connection, since there are too many and it is not in the middle of a response."""
        if self._is_in_message or self.cycle is None:
            self._refuse(503, "too many connections")
        else:
            self.transport.close()
            self._watch_taking()

    def data_received(self, data: bytes) -> None:
        """Like uvicorn's method, but without its log entry for an unreadable request, by which clients could fill the log."""
        self._unset_keepalive_if_required()
        self._piece_bytes = len(data)
        if self._is_in_message:
            self._beside_body += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._is_for_socket:
                self._become_socket()
            return  # nothing else is upgraded: the request is answered as any other
        except httptools.HttpParserError:
            self._refuse(*self._refusal)
            return
        if self._is_in_message:  # most requests come whole
            self._wait_for_rest()

    def _wait_for_rest(self) -> None:
        if self._beside_body > self.doors.limits.header_bytes:
            self._refuse(431, "the headers are too long")
        elif self._is_in_headers and "headers" not in self._timers:
            self._expect("headers", self.headers_within_s, self._give_up)
        elif not self._is_in_headers and "body" not in self._timers:
            self._body_bytes = 0
            self._expect("body", self.body_within_s, self._judge_body)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_headers = self._is_in_message = True
        self._beside_body = 0

    def on_headers_complete(self) -> None:
        limits = self.doors.limits
        if len(self.headers) > limits.header_count:
            self._stop(431, "there are too many headers")
        # What came in one short piece is short.
        if (self._beside_body or self._piece_bytes > limits.header_bytes) and self._header_bytes() > limits.header_bytes:
            self._stop(431, "the headers are too long")
        if len(self.pipeline) >= MAX_PIPELINED:
            self._stop(503, "too many requests wait on this connection")
        self._is_for_socket = self._asks_for_socket()
        if not self.url.startswith(b"/"):
            self._take_host_from_target()
        self._is_in_headers = False
        if self._timers:
            self._came("headers")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._beside_body -= len(body)
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_message = False
        if self._timers:
            self._came("body")
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_taking()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch_taking()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_taking()

    def resume_writing(self) -> None:
        if not self.transport.is_closing():
            self._came("taken")
        super().resume_writing()

    def _should_upgrade(self) -> bool:
        return self._is_for_socket

    def _asks_for_socket(self) -> bool:
        """Whether a request gets a socket, as far as that is seen before the application is asked."""
        if self.parser.get_method() != b"GET" or self._get_upgrade() != b"websocket" or self.ws_protocol_class is None:
            return False
        path = self.url.partition(b"?")[0]
        is_ours = path.startswith(b"/") and path.endswith(SOCKET_PATH) and self.url.isascii()
        is_readable = all(len(name) + len(value) + 4 <= LONGEST_LINE for name, value in self.headers)
        return is_ours and is_readable and self._has_answered()

    def _has_answered(self) -> bool:
        """Whether no response to an earlier request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _become_socket(self) -> None:
        """From here on another protocol has the connection. It counts until that loses it."""
        self._is_socket = True
        for what in list(self._timers):
            self._came(what)
        self.handle_websocket_upgrade()
        successor = self.transport.get_protocol()
        if isinstance(successor, PatientSocket):
            successor.on_lost = lambda: self.doors.go(self)

    def _header_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _take_host_from_target(self) -> None:
        """The host in `GET http://host/path` counts, whatever the header says (RFC 9112, 3.2.2)."""
        host = httptools.parse_url(self.url)
        if host.host is not None:
            name = b"[%s]" % host.host if b":" in host.host else host.host
            kept = [header for header in self.headers if header[0] != b"host"]
            self.headers[:] = [*kept, (b"host", name if host.port is None else b"%s:%d" % (name, host.port))]

    def _stop(self, status: int, detail: str) -> None:
        """Refuse from within the parser, which then raises HttpParserError."""
        self._refusal = status, detail
        raise ValueError(detail)

    def _refuse(self, status: int, detail: str) -> None:
        """Say why, unless a response is under way, and end the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()
            return
        if self.transport.is_closing():
            return
        answer = refusal(Refused(status, detail))
        headers = [*answer.headers, content_length(len(answer.body)), (b"connection", b"close")]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + answer.body)
        self.transport.close()
        self._watch_taking()

    def _watch_taking(self) -> None:
        """From now on the client has to take what waits for it."""
        if "taken" not in self._timers and self.transport.get_write_buffer_size():
            self._unsent_bytes = self._count_unsent()
            self._expect("taken", self.taken_within_s, self._judge_taking)

    def _judge_body(self) -> None:
        """A body may take as long as it is long: its client is ended only if it sends less than the slowest network carries."""
        is_held_back = self.flow.read_paused  # the application takes no more just now: that is no fault of the client
        if self._body_bytes < LEAST_BYTES_PER_S * self.body_within_s and not is_held_back:
            self._give_up()
            return
        self._body_bytes = 0
        self._expect("body", self.body_within_s, self._judge_body)

    def _judge_taking(self) -> None:
        unsent_bytes = self._count_unsent()
        if self._unsent_bytes - unsent_bytes < LEAST_BYTES_PER_S * self.taken_within_s:
            self._give_up()
            return
        del self._timers["taken"]
        self._watch_taking()

    def _count_unsent(self) -> int:
        """Bytes that the client has not acknowledged: here, and in the system, which takes large pieces at long intervals."""
        count: int = self.transport.get_write_buffer_size()
        if sys.platform == "linux":
            connection = self.transport.get_extra_info("socket")
            try:
                count += struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
            except OSError:
                return count  # it is closed already
        return count

    def _expect(self, what: str, within_s: float, late: Callable[[], None]) -> None:
        self._came(what)
        self._timers[what] = self.loop.call_later(within_s, late)

    def _came(self, what: str) -> None:
        timer = self._timers.pop(what, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        """End at once, also if the transport is closing: it would wait for the client to take the rest."""
        self.transport.abort()
