"""Logging in and out, a guest's link, the first administrator, and one's own logins."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sidebooks_core.access import Access
from sidebooks_core.access.model import Session
from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import TOP
from sidebooks_core.access.principals import Principal
from sidebooks_core.access.tokens import digest_of, new_token
from sidebooks_core.server import headers, responses
from sidebooks_core.server.access_schemas import LogIn, LoginList, LoginRow, Me, NewPassword, SetUp, UseLink
from sidebooks_core.server.cookies import DEVICE_S, jar_of
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.json_text import read_json
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.statuses import Refused, not_found


async def me(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Who asks."""
    return responses.json(request, me_of(parts, request, request.principal), responses.JSON, headers.NO_STORE)


async def log_in(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Check a name and a password, and give the browser a login. Raises Refused."""
    access, given = parts.logins(), read_json(await request.body(), LogIn)
    jar = jar_of(request.base)
    given_token = jar.device.value_in(request.scope)
    device_token = "" if digest_of(given_token) is None else given_token
    new_device_token = device_token or new_token()
    access.refuse_early(given.name, request.address, device_token)

    def checked() -> tuple[str, Session]:
        person = access.check_password(
            given.name, given.password, request.address, device_token, new_device_token=new_device_token
        )
        told = {"device": device_of(request), "address": request.address, "password_version": person.password_version}
        return access.log_in(person.id, **told)

    token, session = await parts.pools.run_for(request.address, "strangers", checked)
    answer = await logged_in(parts, request, token, session)
    answer.headers.append(jar.device.keep(new_device_token, DEVICE_S))
    return answer


async def use_link(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Give a guest who has a link a login. Raises Refused."""
    access, given = parts.logins(), read_json(await request.body(), UseLink)
    parts.attempts.take(request.address)
    use = partial(access.use_link, guest_name=given.name, device=device_of(request), address=request.address)
    token, session = await parts.pools.run_for(request.address, "strangers", use, given.token)
    return await logged_in(parts, request, token, session)


async def set_up(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Make the first administrator, and give the browser their login. Raises Refused."""
    access, given = parts.logins(), read_json(await request.body(), SetUp)
    parts.attempts.take(request.address)

    def set_up_and_logged_in() -> tuple[str, Session]:
        person = access.set_up(given.token, given.name, given.password)
        return access.log_in(person.id, device=device_of(request), address=request.address)

    token, session = await parts.pools.run_for(request.address, "strangers", set_up_and_logged_in)
    return await logged_in(parts, request, token, session)


async def log_out(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """End the login of the request. The browser drops what it has cached.

    It is not told to forget all storage: marks that the server does not have would go, and what other applications keep at
    this origin. A client removes what it has stored of the person who leaves.
    """
    if request.principal.session:
        await parts.pools.run("logins", parts.logins().end_session, request.principal.session, who=request.principal)
    forget = [jar_of(request.base).login.drop(), headers.CLEAR_CACHE]
    return HttpResponse(204, headers=[(b"cache-control", headers.NO_STORE), *forget])


async def own_logins(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The logins of whoever asks: each device that they use. Raises Refused."""
    found = await parts.pools.run("logins", parts.logins().sessions, _own_id(request))
    return login_list(request, found)


async def end_own_login(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """End one of one's own logins, as that of a lost tablet. Raises Refused."""
    access, own_id = parts.logins(), _own_id(request)
    found = await parts.pools.run("logins", access.sessions, own_id)
    if request.params["login"] not in {one.id for one in found}:
        raise not_found()
    await parts.pools.run("logins", access.end_session, request.params["login"], who=request.principal)
    return HttpResponse(204, headers=[(b"cache-control", headers.NO_STORE)])


async def change_password(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Change one's own password. One's other logins end. Raises Refused."""
    access, given = parts.logins(), read_json(await request.body(), NewPassword)
    person = await parts.pools.run("logins", access.person, _own_id(request))
    check = partial(access.check_password, person.name, given.old, request.address)
    checked = await parts.pools.run("logins", check, jar_of(request.base).device.value_in(request.scope))
    change = partial(access.set_password, keep=request.principal.session, who=request.principal)
    await parts.pools.run("logins", change, person.id, given.password, password_version=checked.password_version)
    return HttpResponse(204, headers=[(b"cache-control", headers.NO_STORE)])


def login_list(request: HttpRequest, found: list[Session]) -> HttpResponse:
    """Logins as JSON."""
    rows = [
        LoginRow(
            id=one.id,
            device=one.device,
            address=one.address,
            begun_s=one.begun_s,
            seen_s=one.seen_s,
            is_this=one.id == request.principal.session,
        )
        for one in found
    ]
    return responses.json(request, LoginList(rows), responses.JSON, headers.NO_STORE)


def device_of(request: HttpRequest) -> str:
    """How a browser calls itself; cut to a length that a list can show."""
    return request.header(b"user-agent")[:200]


async def logged_in(
    parts: ServerParts, request: HttpRequest, token: str, session: Session, tell: Callable[[Me], object] = lambda me: me
) -> HttpResponse:
    """Tell who that is now, and give the browser its cookie. What it kept of somebody else before is forgotten.

    tell: makes the answer. Raises Refused.
    """
    access: Access = parts.logins()
    principal = await parts.pools.run("logins", access.principal, token)
    if principal is None:
        raise Refused(403, "the login has ended already")
    request.principal = principal
    cookie = jar_of(request.base).login.keep(token, max(1.0, session.end_s - session.begun_s))
    answer = responses.json(request, tell(me_of(parts, request, principal)), responses.JSON, headers.NO_STORE)
    answer.headers += [cookie, headers.CLEAR_CACHE]
    return answer


def me_of(parts: ServerParts, request: HttpRequest, principal: Principal) -> Me:
    """Who somebody is, and what they may do."""
    may = [one.value for one in Operation if parts.gate.may(principal, one, TOP) or parts.gate.may(principal, one, None)]
    return Me(
        id=principal.id,
        name=principal.name,
        role=principal.role,
        groups=sorted(principal.groups),
        may=may,
        has_accounts=parts.has_accounts(),
        is_logged_in=bool(principal.session),
        has_shelf=parts.papers is not None,
        login_address=None if parts.oidc is None else f"{request.base}/oidc/login",
    )


def _own_id(request: HttpRequest) -> str:
    """Raises Refused if nobody known asks, and for a guest, who has one login and no account."""
    if not request.principal.session or request.principal.role == "guest":
        raise Refused(401, "log in first")
    return request.principal.id
