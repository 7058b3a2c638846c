"""The ways in of our own: a login, a signed address, a trusted proxy, being at this machine, and a token for metrics."""

from __future__ import annotations

import hmac
import logging

from starlette.types import Scope

from sidebooks_core.access import Access
from sidebooks_core.access.model import Unknown
from sidebooks_core.access.principals import HOUSE, Principal
from sidebooks_core.access.proxy import ProxyRules, principal_of
from sidebooks_core.errors import RequestError
from sidebooks_core.server import cookies
from sidebooks_core.server.http import base_of, root_and_path, signature_of
from sidebooks_core.server.identity import NOBODY
from sidebooks_core.server.nearness import PEER, is_at_this_machine, peer_of

__all__ = [
    "PEER",
    "BrowserLogins",
    "HouseForThisMachine",
    "HouseWithoutPeople",
    "MetricsToken",
    "SignedAddresses",
    "TrustedProxy",
]


_log = logging.getLogger("sidebooks_core.server")


class HouseWithoutPeople:
    """As long as nobody has an account, whoever is at this machine may do everything. Whoever comes through a proxy is not at
    this machine."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def known(self, scope: Scope, /) -> Principal | None:
        return HOUSE if not self._access.has_people() and is_at_this_machine(scope) else None

    find = known


class HouseForThisMachine:
    """As long as nobody has an account, whoever is at this machine may do everything, and everybody else may read.

    From the first account on, also if it is made while the server runs, only those who are known come in. The log says so.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._has_told = False

    def known(self, scope: Scope, /) -> Principal | None:
        if self._access.has_people():
            self._tell()
            return None
        return HOUSE if is_at_this_machine(scope) else VISITOR

    def _tell(self) -> None:
        if not self._has_told:
            self._has_told = True
            _log.warning("people have accounts now: the server is not open any more, although it was started so; log in")

    find = known


class BrowserLogins:
    """The login that a browser's cookie names."""

    def __init__(self, access: Access, base_url: str | None = None, *, is_use: bool = True) -> None:
        """base_url: what addresses begin with, if the requests do not tell. is_use: whether a look is a use of the login."""
        self._access = access
        self._base_url = base_url
        self._is_use = is_use

    def without_use(self) -> BrowserLogins:
        return BrowserLogins(self._access, self._base_url, is_use=False)

    def known(self, scope: Scope, /) -> Principal | Unknown | None:
        token = self._token(scope)
        return self._access.known_principal(token, is_use=self._is_use) if token else None

    def find(self, scope: Scope, /) -> Principal | None:
        return self._access.principal(self._token(scope), is_use=self._is_use)

    def _token(self, scope: Scope) -> str:
        return cookies.jar_of(self._base_url or base_of(scope)).login.value_in(scope)


class SignedAddresses:
    """The signature in the path. If it is not valid, nothing is shown, even if the request also has a login."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def known(self, scope: Scope, /) -> Principal | Unknown | None:
        signature = signature_of(root_and_path(scope)[1])[0]
        return (self._access.known_signed_principal(signature) or NOBODY) if signature else None

    def find(self, scope: Scope, /) -> Principal | None:
        signature = signature_of(root_and_path(scope)[1])[0]
        return (self._access.signed_principal(signature) or NOBODY) if signature else None


class TrustedProxy:
    """The headers of a proxy that has asked who somebody is.

    The address of the connection counts, as noted in the scope under PEER. Without the note it is `client`, which the ASGI
    server may have taken from `X-Forwarded-For`: then let it trust no other addresses than those of the rules.
    """

    def __init__(self, rules: ProxyRules) -> None:
        self._rules = rules

    def known(self, scope: Scope, /) -> Principal | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        told = [(name.decode("latin-1"), _text(value)) for name, value in headers]
        return principal_of(told, peer_of(scope), self._rules)

    find = known


class MetricsToken:
    """The bearer token of a monitoring program. It counts for the metrics and for no other address."""

    def __init__(self, token: str) -> None:
        """Raises RequestError for a token that can be guessed, or that no header can hold."""
        if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
            raise RequestError(f"the token for metrics needs {SHORTEST_TOKEN} ASCII characters or more, without spaces")
        self._told = f"Bearer {token}".encode()

    def known(self, scope: Scope, /) -> Principal | None:
        if root_and_path(scope)[1] != METRICS:
            return None
        told = [value for name, value in scope["headers"] if name == b"authorization"]
        return MONITOR if len(told) == 1 and hmac.compare_digest(told[0], self._told) else None

    find = known


def _text(value: bytes) -> str:
    """A header's value; proxies send names in UTF-8."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


METRICS = "/metrics"
SHORTEST_TOKEN = 16
MONITOR = Principal("metrics", "metrics", "admin")
"""A monitoring program. It is an admin at the one address where it is known."""
VISITOR = Principal("", "", "member")
"""Somebody in the network of a server that is open to readers."""
