"""Logging in at an identity provider: the browser is sent there, and comes back with a code."""

from __future__ import annotations

import base64

import msgspec

from sidebooks_core.access.oidc import Oidc, Pending
from sidebooks_core.errors import AccessDenied
from sidebooks_core.server import cookies, headers
from sidebooks_core.server.handlers.logins import device_of
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.statuses import not_found

PENDING_S = 600
PARAMETERS = ("state", "code", "error", "iss")


async def begin(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Send the browser to the identity provider. Raises Refused, AccessDenied."""
    pending = await parts.pools.run("logins", _provider(parts).begin)
    kept = base64.urlsafe_b64encode(msgspec.json.encode(pending)).decode()
    cookie = cookies.pending(kept, PENDING_S, is_secure=request.base.startswith("https:"))
    return HttpResponse(303, headers=[(b"location", pending.address.encode()), (b"cache-control", headers.NO_STORE), cookie])


async def finish(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The browser comes back: give it a login, and send it to the viewer. Raises Refused, AccessDenied."""
    access, provider, is_secure = parts.logins(), _provider(parts), request.base.startswith("https:")
    try:
        pending = msgspec.json.decode(base64.urlsafe_b64decode(cookies.pending_in(request.scope)), type=Pending)
    except (ValueError, msgspec.MsgspecError):
        raise AccessDenied("this login was not begun in this browser, or took too long: begin again") from None
    told = {name: value for name in PARAMETERS if (value := request.query(name))}

    def logged_in() -> tuple[str, float]:
        who = provider.finish(pending, told)
        person = access.person_of_subject(who.subject, who.name, who.shown_name, who.role, who.groups)
        token, session = access.log_in(person.id, device=device_of(request), address=request.address)
        return token, session.end_s - session.begun_s

    token, lasts_s = await parts.pools.run("logins", logged_in)
    own = [
        (b"location", f"{request.base}/".encode()),
        (b"cache-control", headers.NO_STORE),
        cookies.keep(token, lasts_s, is_secure=is_secure),
        cookies.pending("", 0, is_secure=is_secure),
    ]
    return HttpResponse(303, headers=own)


def _provider(parts: ServerParts) -> Oidc:
    """Raises Refused if there is none."""
    if parts.oidc is None:
        raise not_found()
    return parts.oidc
