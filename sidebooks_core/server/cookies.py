"""The cookies that say which login a browser has. Pure.

Over HTTPS their names begin with `__Host-`: browsers take such a cookie from this host alone, over HTTPS, for every path. The
server then reads no cookie without that beginning. Browsers keep cookies by host, whatever the port. So the names have the port
and the path of the mount in them, and two servers on one host do not end each other's logins.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.types import Scope

from sidebooks_core.access.attempts import KNOWN_S

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NO_TOKEN = re.compile(r"[^A-Za-z0-9.\-]")

DEVICE_S = KNOWN_S
"""How long a browser keeps its secret after somebody has logged in with it: as long as the secret makes it a known browser."""


class Cookie(Struct, frozen=True):
    """One of the cookies of a server. Scripts cannot read it, and other sites' requests do not carry it."""

    name: str
    is_secure: bool

    def value_in(self, scope: Scope) -> str:
        """What a request carries; "": nothing."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        for header, value in headers:
            if header != b"cookie":
                continue
            for part in value.decode("latin-1").split(";"):
                key, _, found = part.strip().partition("=")
                if key == self.name:
                    return found
        return ""

    def keep(self, value: str, lasts_s: float) -> tuple[bytes, bytes]:
        """The header that gives it to a browser."""
        secure = "; Secure" if self.is_secure else ""
        text = f"{self.name}={value}; Path=/; Max-Age={int(lasts_s)}; HttpOnly; SameSite=Lax{secure}"
        return b"set-cookie", text.encode()

    def drop(self) -> tuple[bytes, bytes]:
        """The header that takes it from a browser."""
        return self.keep("", 0)


class Jar(Struct, frozen=True):
    """The cookies of one server."""

    login: Cookie
    pending: Cookie
    """A login that was begun at an identity provider."""
    device: Cookie
    """A secret by which the server knows a browser from earlier logins. It lets nobody in without a password."""


@lru_cache(maxsize=256)
def jar_of(base: str) -> Jar:
    """The cookies of the server whose addresses begin with `base`."""
    try:
        parts = urlsplit(base)
        port = parts.port
    except ValueError:  # a Host header that the door refuses
        parts, port = urlsplit(base.partition("://")[0] + "://"), None
    is_secure = parts.scheme == "https"
    end = "" if port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f"_{port}"
    end += _NO_TOKEN.sub("_", parts.path.rstrip("/").replace("/", "."))
    begin = "__Host-" if is_secure else ""
    return Jar(*(Cookie(f"{begin}sidebooks_{name}{end}", is_secure) for name in ("login", "pending", "device")))
