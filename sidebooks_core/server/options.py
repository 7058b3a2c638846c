"""What `sidebooks serve` was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from sidebooks_core.access.oidc import OidcRules
from sidebooks_core.access.proxy import ProxyRules

OWN_ADDRESS = "127.0.0.1"
"""Of this machine, for itself: where a server listens unless told, and what whoever comes by a Unix socket counts as."""


class ServeOptions(Struct, frozen=True, kw_only=True):
    """What is served, and where."""

    paths: Sequence[Path]
    """Documents, and folders that are watched. With `data`: they are registered on the shelf, once."""
    data: Path | None = None
    """The shelf of papers that is served. None: there is none."""
    accounts: bool = False
    """People log in, also if nobody has an account yet: then a link for the first administrator is printed."""
    open: bool = False
    """Everybody in the network may read."""
    base_url: str | None = None
    """What addresses begin with, if a proxy in front has another name or TLS."""
    proxies: ProxyRules | None = None
    """Proxies in front that have asked who somebody is."""
    oidc: OidcRules | None = None
    """The identity provider at which people log in."""
    processes: int = 1
    """Server processes that share the work."""
    hub: str | None = None
    """The Redis or Valkey by which several processes share their meetings, as redis://HOST:PORT."""
    metrics_token: str = ""
    """Whoever sends it as a bearer token may read the metrics. "": an admin may."""
    host: str
    port: int
    """0: any that is free."""
    uds: Path | None = None
    """The path of a Unix socket, instead of host and port. Whoever connects by it counts as 127.0.0.1."""
    uds_mode: int = 0o660
    """The rights of that socket's file. Unless told, its owner and its group may connect."""
    access_log: bool = False
    """Write a line for each answer."""
    browser: bool
    """Open one on the first page."""
    password: str | None = None
    """Of those named documents that need one."""
    hostnames: Sequence[str] = ()
    """Names that are answered beside those of this machine."""
    allow_origins: Sequence[str] = ()
    """See `ServerOptions`."""


class Part(Struct, frozen=True):
    """The part of one server process among several."""

    is_first: bool
    """It registers what was named."""
    announces: bool
    """It says where the server is."""


ALONE = Part(is_first=True, announces=True)
