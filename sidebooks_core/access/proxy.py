"""Principals from headers of a trusted proxy, which has asked who somebody is. Pure.

The proxy must remove these headers from what it receives: here nobody can tell who wrote them, but for the peer's address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache

from msgspec import Struct

from sidebooks_core.access.people import clean, login_name
from sidebooks_core.access.principals import Principal, Role
from sidebooks_core.errors import RequestError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
STRONGEST: tuple[Role, ...] = ("admin", "clerk", "member")


class ProxyRules(Struct, frozen=True):
    """Which proxies are believed, and what their headers mean. Raises RequestError for what is no network."""

    networks: tuple[str, ...]
    """Addresses of the proxies, as 10.0.0.5 or 10.0.0.0/24. Empty: nobody is believed."""
    name_header: str = "X-Remote-User"
    groups_header: str = "X-Remote-Groups"
    """Names of groups with commas between them."""
    roles: Mapping[str, Role] = {}
    """The role of a group's members. If somebody is in several, the strongest counts."""
    role: Role = "member"
    """The role of those who are in none of these groups."""

    def __post_init__(self) -> None:
        parsed_networks(self.networks)


def principal_of(headers: Iterable[tuple[str, str]], peer: str, rules: ProxyRules) -> Principal | None:
    """The principal of a request. None if it does not come from a proxy, or if that names nobody.

    headers: names and values, all of them. A name that comes twice is not believed: a client may have added one.
    peer: the address that the connection comes from, not one out of a header.
    """
    if not is_trusted(peer, rules.networks):
        return None
    told = [(name.lower(), value.strip()) for name, value in headers]
    names = [value for name, value in told if name == rules.name_header.lower()]
    groups = [value for name, value in told if name == rules.groups_header.lower()]
    if len(names) != 1 or len(groups) > 1:
        return None
    folded = login_name(names[0])
    if not folded or not folded.isprintable():
        return None
    found = frozenset(filter(None, (clean(group) for text in groups for group in text.split(","))))
    roles = {rules.roles[group] for group in found if group in rules.roles}
    role = next((one for one in STRONGEST if one in roles), rules.role)
    return Principal(f"proxy-{folded}", clean(names[0]), role, groups=found)


def is_trusted(peer: str, networks: tuple[str, ...]) -> bool:
    """Whether an address is in one of some networks. IPv4 addresses written as IPv6 ones count as what they are."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in parsed_networks(networks))


@lru_cache(maxsize=16)
def parsed_networks(networks: tuple[str, ...]) -> list[Network]:
    """Raises RequestError for what is no network."""
    try:
        return [ipaddress.ip_network(text) for text in networks]
    except ValueError as fault:
        raise RequestError(f"this is no network: {fault}") from fault
