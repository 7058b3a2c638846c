"""Which host names a server answers to. A page of another site whose own name points here gets nothing.

A browser sends the name that it looked up. An address in figures was not looked up, so any of those may be answered.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from msgspec import Struct

MOST_HOST_BYTES = 255
_HOST = re.compile(
    r"(\[[0-9A-Fa-f:.]{2,45}(?:%25[A-Za-z0-9_.\-]{1,16})?\]|[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,252}))(?::([0-9]{0,5}))?\Z"
)


class HostNames(Struct, frozen=True):
    """The names that are answered. Addresses in figures always are."""

    names: frozenset[str]
    """In lower case, without ports and final dots."""

    @classmethod
    def of(cls, names: Iterable[str]) -> HostNames:
        """From names as people write them, with or without a port. Raises ValueError if one of them is no host name."""
        return cls(frozenset(name_in(one) for one in names))

    def accepts(self, host: str) -> bool:
        """Whether a request for this host is answered. host: a name as `name_in` gives it."""
        return host in self.names or is_address(host)


def name_in(host: str) -> str:
    """The name in a Host header, in lower case, without its port and final dot. Raises ValueError."""
    matched = _HOST.match(host)
    if matched is None or len(host) > MOST_HOST_BYTES or int(matched[2] or 0) > 65_535:
        raise ValueError(f"{host[:80]!r} is no host name")
    return matched[1].lower().removesuffix(".")


def is_address(name: str) -> bool:
    """Whether a name is an IP address: four figures of IPv4, or IPv6 in brackets."""
    try:
        ipaddress.ip_address(name[1:-1].partition("%")[0] if name.startswith("[") else name)
    except ValueError:
        return False
    return name.startswith("[") or ":" not in name


def names_of_this_machine(machine: str) -> set[str]:
    """Names under which a network may know a machine that calls itself `machine` (`socket.gethostname`)."""
    first = machine.partition(".")[0]
    return {"localhost", *(name for name in (machine, first, f"{first}.local") if _HOST.match(name))}
