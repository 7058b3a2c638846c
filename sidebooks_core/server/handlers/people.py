"""People: who has an account, their roles and groups, their passwords and logins. For administrators."""

from __future__ import annotations

from functools import partial

from msgspec import UNSET

from sidebooks_core.access.model import Person, PersonChanges
from sidebooks_core.server import headers, responses
from sidebooks_core.server.access_schemas import NewPassword, NewPerson, PersonList, PersonPatch, PersonRow
from sidebooks_core.server.handlers.logins import login_list
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.json_text import read_json
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.statuses import not_found


async def everybody(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Everybody who has an account."""
    found = await parts.pools.run("logins", parts.logins().people)
    return responses.json(request, PersonList([_row(person) for person in found]), responses.JSON, headers.NO_STORE)


async def add(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A new account. Raises RequestError, Conflict."""
    given = read_json(await request.body(), NewPerson)
    make = partial(
        parts.logins().add_person,
        password=given.password,
        groups=given.groups,
        shown_name=given.shown_name,
        who=request.principal,
    )
    person = await parts.pools.run("logins", make, given.name, given.role)
    return responses.created(request, _row(person), f"{request.base}/people/{person.id}")


async def change(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Change an account, or disable it: then its logins end at once. Raises Refused, RequestError, Conflict."""
    person = await _person(parts, request)
    given = read_json(await request.body(), PersonPatch)
    changes = PersonChanges()
    if given.role is not UNSET:
        changes["role"] = given.role
    if given.groups is not UNSET:
        changes["groups"] = given.groups
    if given.shown_name is not UNSET:
        changes["shown_name"] = given.shown_name
    if given.is_disabled is not UNSET:
        changes["is_disabled"] = given.is_disabled
    changed = await parts.pools.run("logins", parts.logins().change_person, person.id, who=request.principal, **changes)
    return responses.json(request, _row(changed), responses.JSON, headers.NO_STORE)


async def set_password(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Give somebody another password. Their logins end. Raises Refused, RequestError."""
    person = await _person(parts, request)
    given = read_json(await request.body(), NewPassword)
    await parts.pools.run("logins", parts.logins().set_password, person.id, given.password, who=request.principal)
    return HttpResponse(204, headers=[(b"cache-control", headers.NO_STORE)])


async def logins(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The logins of a person. Raises Refused."""
    person = await _person(parts, request)
    return login_list(request, await parts.pools.run("logins", parts.logins().sessions, person.id))


async def end_logins(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """End all logins of a person, as of one whose tablet is lost. Raises Refused."""
    person = await _person(parts, request)
    await parts.pools.run("logins", parts.logins().end_sessions, person.id, who=request.principal)
    return HttpResponse(204, headers=[(b"cache-control", headers.NO_STORE)])


async def _person(parts: ServerParts, request: HttpRequest) -> Person:
    """The person whom a path names. Raises Refused."""
    found = await parts.pools.run("logins", parts.logins().people)
    for person in found:
        if person.id == request.params["person"]:
            return person
    raise not_found()


def _row(person: Person) -> PersonRow:
    return PersonRow(
        id=person.id,
        name=person.name,
        shown_name=person.shown_name,
        role=person.role,
        groups=sorted(person.groups),
        is_disabled=person.is_disabled,
        has_password=person.has_password,
        last_login_s=person.last_login_s,
    )
