"""Who may see what: links for guests, rights of folders, signed addresses for foreign clients."""

from __future__ import annotations

import time
from functools import partial

from sidebooks_core.access import model
from sidebooks_core.access.model import Link
from sidebooks_core.access.policy import Grant, Limits
from sidebooks_core.server import headers, responses
from sidebooks_core.server.access_schemas import (
    AddressList,
    AddressRow,
    FolderAccess,
    GrantLimits,
    GrantRow,
    LinkList,
    LinkRow,
    MadeLink,
    NewAddress,
    NewLink,
    SignedAddress,
)
from sidebooks_core.server.gate import AT_THE_TOP
from sidebooks_core.server.http import SIGNED, HttpRequest, HttpResponse
from sidebooks_core.server.json_text import read_json
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.statuses import Refused, not_found

LINK_FRAGMENT = "#join="
"""A browser keeps what follows # to itself: the token reaches no log of a server, and no other site."""


async def links(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The links of a folder."""
    found = await _links(parts, request)
    return responses.json(request, LinkList([_link_row(one) for one in found]), responses.JSON, headers.NO_STORE)


async def make_link(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A link by which guests read a folder for a time, with its QR code. Raises Refused, RequestError."""
    from sidebooks_core.access.qr import svg_of

    given = read_json(await request.body(), NewLink)
    if given.until_s <= time.time():
        raise Refused(400, "until_s: a link must end in the future")
    make = partial(parts.logins().make_link, name=given.name, until_s=given.until_s, uses=given.uses, who=request.principal)
    token, link = await parts.pools.run("logins", make, [_folder(request)])
    address = f"{request.base}/{LINK_FRAGMENT}{token}"
    made = MadeLink(link=_link_row(link), address=address, qr_svg=svg_of(address).decode())
    return responses.created(request, made, f"{request.base}/folders/{request.params['folder']}/links")


async def end_link(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """End a link, and the logins of its guests. Raises Refused."""
    if request.params["link"] not in {one.id for one in await _links(parts, request)}:
        raise not_found()
    await parts.pools.run("logins", parts.logins().end_link, request.params["link"], who=request.principal)
    return HttpResponse(204, headers=[(b"cache-control", headers.NO_STORE)])


async def folder_access(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Who may see a folder."""
    grants = await parts.pools.run("logins", parts.logins().grants, _folder(request))
    return responses.json(request, _access(grants), responses.JSON, headers.NO_STORE)


async def set_folder_access(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Say who may see a folder. Counts from the next request on. Raises Refused, RequestError."""
    given = read_json(await request.body(), FolderAccess)
    grants = None if given.grants is None else tuple(_grant(row) for row in given.grants)
    await parts.pools.run("logins", parts.logins().set_grants, _folder(request), grants, who=request.principal)
    return responses.json(request, _access(grants), responses.JSON, headers.NO_STORE)


async def sign_address(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Addresses of a document for a client that cannot log in, valid for a time. Raises Refused."""
    document, given = parts.document(request), read_json(await request.body(), NewAddress)
    sign = partial(parts.logins().sign, valid_s=given.valid_s, with_original=given.with_original)
    signature = await parts.pools.run("logins", sign, [document.id], request.principal)
    base = f"{request.base}/{SIGNED}/{signature}"
    made = SignedAddress(base=base, info=f"{base}/presentation/3/{document.id}/manifest.json")
    return responses.json(request, made, responses.JSON, headers.NO_STORE)


async def signed_addresses(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The signed addresses that show a document. Raises Refused."""
    rows = [
        AddressRow(
            id=one.id,
            signer_name=one.signer_name,
            with_original=one.with_original,
            documents=len(one.documents),
            made_s=one.made_s,
            until_s=one.until_s,
        )
        for one in await _addresses(parts, request)
    ]
    return responses.json(request, AddressList(rows), responses.JSON, headers.NO_STORE)


async def end_signed_address(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """End a signed address. Raises Refused."""
    if request.params["signed"] not in {one.id for one in await _addresses(parts, request)}:
        raise not_found()
    end = partial(parts.logins().end_signed_address, who=request.principal)
    await parts.pools.run("logins", end, request.params["signed"])
    return HttpResponse(204, headers=[(b"cache-control", headers.NO_STORE)])


async def _addresses(parts: ServerParts, request: HttpRequest) -> list[model.SignedAddress]:
    document = parts.document(request)
    found = await parts.pools.run("logins", parts.logins().signed_addresses)
    return [one for one in found if document.id in one.documents]


def _folder(request: HttpRequest) -> str:
    """The folder that a path names. Raises Refused for the top: everything is in it, and its rights follow from roles."""
    if request.params["folder"] == AT_THE_TOP:
        raise Refused(400, "the top of the shelf has no rights of its own: choose a folder")
    return request.params["folder"]


async def _links(parts: ServerParts, request: HttpRequest) -> list[Link]:
    folder = _folder(request)
    return [one for one in await parts.pools.run("logins", parts.logins().links) if folder in one.folders]


def _link_row(link: Link) -> LinkRow:
    return LinkRow(
        id=link.id,
        name=link.name,
        made_s=link.made_s,
        until_s=link.until_s,
        uses_left=link.uses_left,
        used=link.used,
        made_by=link.made_by,
    )


def _access(grants: tuple[Grant, ...] | None) -> FolderAccess:
    return FolderAccess(grants=None if grants is None else [_grant_row(grant) for grant in grants])


def _grant_row(grant: Grant) -> GrantRow:
    limits = grant.limits
    pages = None if limits.pages is None else [(first + 1, last + 1) for first, last in limits.pages]
    told = GrantLimits(
        pages=pages,
        long_side_px=limits.long_side_px,
        may_download=limits.may_download,
        may_print=limits.may_print,
        is_marked=limits.is_marked,
    )
    return GrantRow(kind=grant.kind, subject=grant.subject, right=grant.right, limits=told)


def _grant(row: GrantRow) -> Grant:
    given = row.limits or GrantLimits()
    limits = Limits(
        pages=None if given.pages is None else tuple((first - 1, last - 1) for first, last in given.pages),
        long_side_px=given.long_side_px,
        may_download=given.may_download,
        may_print=given.may_print,
        is_marked=given.is_marked,
    )
    return Grant(row.kind, row.subject, row.right, limits)
