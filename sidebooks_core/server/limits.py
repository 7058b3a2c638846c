"""Limits for clients of a server: bytes, connections, streams, searches."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.access.networks import network_of
from sidebooks_core.errors import QueueFull, RequestError
from sidebooks_core.shelf.uploads import UploadLimits

Kind = Literal["known", "guest", "citizen"]
"""Of a client. citizen: an address from which nobody known asks."""
KEPT_DESCRIPTORS = 256
"""Descriptors that are no connections: documents, the cache, workers, the standard streams."""
_UPLOADS = UploadLimits()


class ServerLimits(Struct, frozen=True, kw_only=True):
    """Bounds for clients. A client is an address; of IPv6, a network of 64 bits.

    `header_bytes`, `header_count`, and the connections are bounded by `sidebooks serve`; other servers have their own settings.
    """

    header_bytes: int = 32 << 10
    """Of a request, from its first byte to the end of its headers."""
    header_count: int = 100
    connections: int = 8192
    """At once, of all clients; fewer if the machine gives fewer descriptors."""
    connections_per_client: int = 4096
    """A proxy in front is one client here: all its readers' connections count."""
    streams: int = 2048
    """Streams of events at once."""
    streams_per_client: int = 1024
    streams_per_citizen: int = 64
    """Of an address from which nobody known asks. All of them together have half of the streams at most, as of the searches."""
    streams_per_guest: int = 8
    """Of one guest's login."""
    searches: int = 256
    """Searches at once, those that wait for their turn included."""
    searches_per_client: int = 64
    searches_per_citizen: int = 8
    searches_per_guest: int = 4
    uploads: int = _UPLOADS.count
    """Uploads under way at once."""
    uploads_per_client: int = _UPLOADS.count_per_owner
    """Of one person, or of one client that nobody knows; likewise the bytes."""
    upload_bytes_per_client: int = _UPLOADS.bytes_per_owner
    """Of all files together, by the lengths that were announced."""
    upload_seconds: int = int(_UPLOADS.expires_s)
    """An upload is removed if no byte has come for so long."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not (type(value := getattr(self, name)) is int and value >= 1):
                raise RequestError(f"{name} must be a whole number of at least 1, not {value!r}")

    def within(self, descriptors: int) -> ServerLimits:
        """These limits, lowered for a process that may hold so many descriptors."""
        connections = min(self.connections, max(descriptors - KEPT_DESCRIPTORS, descriptors // 2))
        streams = min(self.streams, connections // 2)
        return replace(
            self,
            connections=connections,
            connections_per_client=min(self.connections_per_client, max(1, connections // 2)),
            streams=streams,
            streams_per_client=min(self.streams_per_client, max(1, streams // 2)),
            streams_per_citizen=min(self.streams_per_citizen, max(1, streams // 4)),
        )


class Quota:
    """Counts things that exist at once, with a limit in all and one for each client. Belongs to one thread."""

    def __init__(
        self, most: int, most_per_client: int, what: str, *, per_citizen: int | None = None, per_guest: int | None = None
    ) -> None:
        """per_citizen, per_guest: of a client of that kind. None: as of others."""
        self._most = most
        self._most_of_citizens = most if per_citizen is None else max(1, most // 2)
        self._most_per_client: dict[Kind, int] = {
            "known": most_per_client,
            "guest": min(most_per_client, per_guest or most_per_client),
            "citizen": min(most_per_client, per_citizen or most_per_client),
        }
        self._what = what
        self._taken: Counter[tuple[str, Kind]] = Counter()
        self._count = 0
        self._citizens = 0

    def take(self, client: str, kind: Kind = "known") -> None:
        """Take one for a client. Raises QueueFull if there is none left, in all, for its kind, or for that client."""
        if self._count >= self._most or (kind == "citizen" and self._citizens >= self._most_of_citizens):
            raise QueueFull(f"too many {self._what}")
        if self._taken[client, kind] >= self._most_per_client[kind]:
            raise QueueFull(f"too many {self._what} of one client")
        self._taken[client, kind] += 1
        self._count += 1
        self._citizens += kind == "citizen"

    def give_back(self, client: str, kind: Kind = "known") -> None:
        """Return one that was taken."""
        self._count -= 1
        self._citizens -= kind == "citizen"
        self._taken[client, kind] -= 1
        if not self._taken[client, kind]:
            del self._taken[client, kind]

    @contextlib.contextmanager
    def taken(self, client: str, kind: Kind = "known") -> Iterator[None]:
        """Take one for as long as the block lasts. Raises QueueFull."""
        self.take(client, kind)
        try:
            yield
        finally:
            self.give_back(client, kind)

    def clients(self) -> set[str]:
        """Clients that have taken at least one."""
        return {client for client, _ in self._taken}

    def __len__(self) -> int:
        return self._count


def client_of(address: object) -> str:
    """The client that an address (`client` of an ASGI scope: host and port) belongs to. Of IPv6: a network of 64 bits."""
    return network_of(str(address[0]) if isinstance(address, list | tuple) and address else "")
