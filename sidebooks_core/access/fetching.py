"""Small JSON answers of other servers, over HTTPS, within limits of time and bytes."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from sidebooks_core.errors import AccessDenied, RequestError

TIMEOUT_S = 10.0
MOST_BYTES = 1 << 20


class Fetch(Protocol):
    """Fetches an address."""

    def __call__(self, address: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> bytes:
        """form: sent by POST; None: GET. Raises AccessDenied if there is no answer, or one that is an error."""


def require_safe(address: str) -> None:
    """Raises RequestError for an address that is not HTTPS, but for one on this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError as fault:
        raise RequestError(f"{address!r} is no address") from fault
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_here(host))):
        raise RequestError(f"{address!r} must begin with https://")


def fetch(address: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """See `Fetch`. Nobody is sent elsewhere: an address is checked before it is asked."""
    import urllib.error  # they take a while to load, and most servers ask nobody
    import urllib.request

    class NoRedirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    require_safe(address)
    body = None if form is None else urlencode(form).encode()
    request = urllib.request.Request(address, body, {"Accept": "application/json", **(headers or {})})
    opener = urllib.request.build_opener(NoRedirects)
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as refused:
        with refused:
            raise AccessDenied(f"the identity provider answers {refused.code}") from refused
    except OSError as fault:
        raise AccessDenied("the identity provider does not answer: try again later") from fault
    if len(content) > MOST_BYTES:
        raise AccessDenied("the identity provider answers with too much")
    return content


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
