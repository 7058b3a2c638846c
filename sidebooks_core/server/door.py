"""The door: checks the host and the path of every request, and the origin of requests that change something."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, unquote, urlsplit

from starlette.types import Receive, Scope

from sidebooks_core.access.signing import LONGEST
from sidebooks_core.errors import RequestError
from sidebooks_core.server.hosts import HostNames, name_in
from sidebooks_core.server.http import SIGNED, HttpRequest, base_of, raw_path, root_and_path, signature_of
from sidebooks_core.server.sharing import Sharing
from sidebooks_core.server.statuses import Refused

MAX_PATH_BYTES = 1024
"""Of a path without the signature that may stand before it, which has a bound of its own."""


class Door:
    """Checks requests, and makes values of them. No part of a path names a file."""

    def __init__(self, base_url: str | None, hosts: Iterable[str] | None, sharing: Sharing) -> None:
        """See `ServerOptions`. Raises RequestError."""
        self._base_url = checked_base(base_url) if base_url else None
        self._hosts = _host_names(hosts, self._base_url) if hosts is not None else None
        self._sharing = sharing

    def enter(self, scope: Scope, receive: Receive, generation: int) -> tuple[HttpRequest, str]:
        """The request, and its path below the mount with each part percent-encoded anew. Raises Refused."""
        host = self._host(scope)
        length = len(raw_path(scope))
        if length > MAX_PATH_BYTES + LONGEST:
            raise _too_long()
        signature, path = signature_of(root_and_path(scope)[1])
        if length - len(signature) > MAX_PATH_BYTES or len(signature) > LONGEST:
            raise _too_long()
        base = (self._base_url or base_of(scope)) + (f"/{SIGNED}/{signature}" if signature else "")
        return HttpRequest(scope, receive, host, base, generation), _encoded_anew(path)

    def may_hint(self, request: HttpRequest) -> bool:
        """Whether a request may say where somebody reads: what may change something, and pages that may read (`Sharing`)."""
        return self.may_change(request) or self._sharing.allows(request.header(b"origin"))

    def may_change(self, request: HttpRequest) -> bool:
        """Whether a request may change something: it comes from our own pages, or from no web page.

        Pages that may read the answers (`Sharing`) may not: without accounts they could make themselves administrators.
        """
        origin = request.header(b"origin").lower()
        site = request.header(b"sec-fetch-site")  # only browsers send it, and no page can set it
        if not origin:
            return site in ("", "none", "same-origin")
        if site == "same-origin":
            return True
        host = request.host.lower()
        ours = {host, urlsplit(self._base_url).netloc.lower() if self._base_url else host} - {""}
        return origin.partition("://")[2] in ours

    def _host(self, scope: Scope) -> str:
        """The Host header; "" if there is none. Raises Refused if it is no host name, or not one of ours."""
        found = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(found) > 1:
            raise Refused(400, "one Host header, please")
        host = found[0] if found else ""
        try:
            name = name_in(host) if host else ""
        except ValueError:
            raise Refused(400, "the Host header is no host name") from None
        if self._hosts is None or (name and self._hosts.accepts(name)):
            return host
        if not name and scope.get("http_version") == "1.0":
            return ""
        if not name:
            raise Refused(400, "a Host header, please")
        raise Refused(421, f"this server does not go by the name {name}. If it should: `sidebooks serve --hostname {name}`")


def _too_long() -> Refused:
    return Refused(414, f"paths are at most {MAX_PATH_BYTES} bytes long")


def _encoded_anew(path: str) -> str:
    """A path whose parts are percent-encoded in the one way that routes know. A slash within a part (%2F) does not end it.

    Raises Refused.
    """
    if "%" not in path:
        return path
    try:
        parts = [unquote(part, errors="strict") for part in path.split("/")]
    except UnicodeDecodeError:
        raise Refused(400, "the path is not UTF-8") from None
    if any("\x00" in part for part in parts):
        raise Refused(400, "the path holds a null character")
    return "/".join(quote(part, safe="") for part in parts)


def checked_base(base_url: str) -> str:
    """The beginning of all addresses, without a slash at its end. Raises RequestError if it is none."""
    try:
        parts = urlsplit(base_url)
    except ValueError as error:
        raise RequestError(f"base_url {base_url!r}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise RequestError(f"base_url must be an address like https://books.example/reader, not {base_url!r}")
    return base_url.rstrip("/")


def _host_names(hosts: Iterable[str], base_url: str | None) -> HostNames:
    """Raises RequestError."""
    if isinstance(hosts, str):
        raise RequestError("hosts is a list of names, not one string")
    try:
        return HostNames.of([*hosts, *([urlsplit(base_url).netloc] if base_url else [])])
    except ValueError as error:
        raise RequestError(str(error)) from None
