"""Logging in at an identity provider: the browser is sent there, and comes back with a code."""

from __future__ import annotations

import msgspec

from sidebooks_core.access.oidc import Oidc, Pending
from sidebooks_core.errors import AccessDenied
from sidebooks_core.server import headers
from sidebooks_core.server.cookies import jar_of
from sidebooks_core.server.handlers.logins import device_of
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.statuses import not_found

PENDING_S = 600
MOST_CHARACTERS = 4096
"""Of each parameter. Codes of some providers have thousands."""
PARAMETERS = ("state", "code", "error", "iss")


async def begin(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Send the browser to the identity provider. Raises Refused, AccessDenied."""
    provider = _provider(parts)
    parts.attempts.take(request.address)
    pending = await parts.pools.run_for(request.address, "provider", provider.begin)
    kept = parts.logins().seal(msgspec.json.encode(pending), PENDING_S)
    cookie = jar_of(request.base).pending.keep(kept, PENDING_S)
    return HttpResponse(303, headers=[(b"location", pending.address.encode()), (b"cache-control", headers.NO_STORE), cookie])


async def finish(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The browser comes back: give it a login, and send it to the viewer. Raises Refused, AccessDenied."""
    access, provider, jar = parts.logins(), _provider(parts), jar_of(request.base)
    parts.attempts.take(request.address)
    kept = access.unseal(jar.pending.value_in(request.scope))
    if kept is None:
        raise AccessDenied("this login was not begun in this browser, or took too long: begin again")
    pending = msgspec.json.decode(kept, type=Pending)
    told = {name: value for name in PARAMETERS if (value := request.query(name, MOST_CHARACTERS))}

    def logged_in() -> tuple[str, float]:
        who = provider.finish(pending, told)
        person = access.person_of_subject(who.subject, who.name, who.shown_name, who.role, who.groups)
        token, session = access.log_in(person.id, device=device_of(request), address=request.address)
        return token, session.end_s - session.begun_s

    token, lasts_s = await parts.pools.run_for(request.address, "provider", logged_in)
    own = [
        (b"location", f"{request.base}/".encode()),
        (b"cache-control", headers.NO_STORE),
        jar.login.keep(token, lasts_s),
        jar.pending.drop(),
        headers.CLEAR_CACHE,  # what the browser kept of somebody else before
    ]
    return HttpResponse(303, headers=own)


def _provider(parts: ServerParts) -> Oidc:
    """Raises Refused if there is none."""
    if parts.oidc is None:
        raise not_found()
    return parts.oidc
