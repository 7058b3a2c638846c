"""Which addresses count as one. Pure."""

from __future__ import annotations

import ipaddress


def network_of(address: str) -> str:
    """What counts as one address. In IPv6 one customer has a whole network of 64 bits. A text that is no address stays."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
