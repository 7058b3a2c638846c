"""Whether a request comes from somebody at this machine, and not through a proxy. Pure: no name is looked up."""

from __future__ import annotations

import ipaddress

from starlette.types import Scope

from sidebooks_core.server.hosts import name_in

PEER = "sidebooks_core.peer"
"""The key under which the server notes the address of a connection, before a header of a proxy replaces it in the scope."""
BY_SOCKET = "sidebooks_core.by_socket"
"""The key under which the server notes that a connection came by a Unix socket. That is the door of a proxy."""
PASSED_ON = frozenset(
    {
        b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-server",
        b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip",
    }
)  # fmt: skip
"""Headers that proxies add, and browsers never send."""


def is_at_this_machine(scope: Scope) -> bool:
    """Whether a request comes from a browser or a program at this machine.

    A proxy at this machine connects from there, too. The server knows it by a header that proxies add, by a host name that is
    not this machine's, or by HTTP/1.0, which no browser speaks. No browser speaks by a Unix socket, either.
    """
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if scope.get(BY_SOCKET) or scope.get("http_version") == "1.0" or any(name in PASSED_ON for name, _ in headers):
        return False
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    return len(hosts) == 1 and is_loopback_name(hosts[0]) and is_loopback(peer_of(scope))


def peer_of(scope: Scope) -> str:
    """The address that a connection comes from, whatever its headers say of the client."""
    peer = scope.get(PEER) or scope.get("client")
    return str(peer[0]) if peer else ""


def is_loopback(address: str) -> bool:
    """Whether an address in figures is one that only this machine reaches. False for names."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def is_loopback_name(host: str) -> bool:
    """Whether a host, with or without a port, is `localhost`, a name below it, or a loopback address in figures."""
    try:
        name = name_in(host)
    except ValueError:
        return False
    return name == "localhost" or name.endswith(".localhost") or is_loopback(name.strip("[]"))
