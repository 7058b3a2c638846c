"""Where a server listens: addresses that are checked, a socket, and as many descriptors as the system allows."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from contextlib import suppress

from sidebooks_core.errors import RequestError
from sidebooks_core.server.limits import ServerLimits
from sidebooks_core.server.nearness import is_loopback

BACKLOG = 2048


def check_address(host: str, port: int) -> None:
    """Raises RequestError."""
    if not host.strip():
        raise RequestError("--host is empty: name an address of this machine, or 0.0.0.0 for all of them")
    if not 0 <= port <= 65_535:
        raise RequestError(f"--port must be 0 to 65535, not {port}")


def is_ip_address(host: str) -> bool:
    """Whether a host is an address in figures."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def is_this_machine(host: str) -> bool:
    """Whether an address, or each address of a name, is one that only this machine reaches. False for what has none."""
    try:
        found = {host} if is_ip_address(host) else {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(is_loopback(one) for one in found)


def raise_descriptors() -> int:
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


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections. port: 0 for any that is free. Raises RequestError, OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by name: the event loop sets TCP_NODELAY only on sockets that say they are TCP, and without it the end of a
    # short answer waits for the client's acknowledgement of its beginning, 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)  # clients may connect as soon as the address is printed: they wait until the server runs
    except (OSError, UnicodeError) as error:
        listener.close()
        if isinstance(error, socket.gaierror | UnicodeError):
            raise RequestError(f"--host {host!r} is no address or name of this machine") from None
        if error.errno == errno.EADDRINUSE:
            what = f"port {port} of {host} is in use: name another with --port, or 0 for any that is free"
            raise OSError(error.errno, what) from None
        raise
    return listener


def shown(host: str) -> str:
    """A host as it stands in addresses of web pages."""
    return f"[{host}]" if ":" in host else host
