"""New papers and revisions: uploads that can be resumed (tus 1.0), and whole files in one request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import PurePosixPath
from typing import get_args

from msgspec import Struct

from sidebooks_core.access.operations import Operation
from sidebooks_core.documents.shown_text import shown as shown_text
from sidebooks_core.errors import RequestError
from sidebooks_core.server import responses, tus
from sidebooks_core.server.gate import AT_THE_TOP
from sidebooks_core.server.handlers.shelf import folder_id, require_in, viewer_of, who_of
from sidebooks_core.server.http import Headers, HttpRequest, HttpResponse
from sidebooks_core.server.json_text import json_bytes
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.places import resource_of
from sidebooks_core.server.schemas_shelf import UploadState
from sidebooks_core.server.statuses import Refused, not_found
from sidebooks_core.shelf import Paper
from sidebooks_core.shelf.model import Level
from sidebooks_core.shelf.told import require_time
from sidebooks_core.shelf.uploads import PartWriter, Upload

LOOK_S = 0.25
"""How often an upload looks whether another request wants to go on with it."""
GATHERED_BYTES = 1 << 20
"""So many bytes are written in one step: a step goes through a thread, and a piece that comes has some kB."""
IDLE_S = 60.0
"""An upload lets go if no byte comes for so long. The client goes on later."""
PATIENCE_S = 5.0
"""How long a request waits for another one of the same upload to let go."""
_NAMED = ("name", "note", "level", "from_s", "until_s")
_TIMES = ("from_s", "until_s")


async def new_paper(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Begin the upload of a paper into a folder."""
    into = request.params["folder"]
    return await _begin(parts, request, lambda told: _upload(request, told, folder=folder_id(into)))


async def new_revision(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Begin the upload of a new revision of a paper."""
    paper_id = request.params["paper"]
    return await _begin(parts, request, lambda told: _upload(request, told, replaces=paper_id))


async def state(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """How far an upload is. This changes nothing: the last request that brings bytes makes the paper.

    If all bytes are here, and there was a fault before they became a paper, HEAD asks for the last one again: a client that
    hears of all bytes thinks that there is nothing left to do.
    """
    upload = await _own(parts, request)
    if request.scope["method"] != "HEAD":
        return await _state(parts, request, upload)
    async with _held(parts, upload):  # whoever still writes lets go first: what is here then is the truth
        return await _state(parts, request, await _own(parts, request))


async def go_on(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """More bytes of an upload. With the last one it becomes a paper."""
    tus.require_version(request)
    upload = await _own(parts, request)
    if not tus.has_piece(request):
        raise Refused(415, f"content-type: {tus.PIECE_TYPE}, please")
    offset, checksum = tus.whole_number(request, b"upload-offset"), tus.checksum(request)
    await _require_target(parts, request, upload)
    async with _held(parts, upload) as hold:
        upload = await _own(parts, request)
        here = await parts.pools.run("uploads", parts.of_papers().uploads.offset, upload)
        is_whole = here == upload.length
        if offset != here and not (is_whole and upload.revision is None and offset == here - 1):
            raise Refused(409, f"{here} bytes are here, not {offset}", (b"upload-offset", b"%d" % here), tus.RESUMABLE)
        if is_whole:
            await _pass_over(request, here - offset)
        reached = _Reached(here) if is_whole else await _receive(parts, request, upload, hold, checksum)
        return HttpResponse(204, headers=await _finished(parts, request, upload, reached))


async def give_up(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Forget an upload. A paper that it became stays."""
    tus.require_version(request)
    upload = await _own(parts, request)
    async with _held(parts, upload):
        await parts.pools.run("uploads", parts.of_papers().uploads.remove, upload.id)
    return responses.done(tus.RESUMABLE)


class _Told(Struct):
    """What a request says of the file that comes."""

    length: int
    values: dict[str, str]
    metadata: str = ""


class _Hold(Struct):
    """The lock of an upload."""

    writing: asyncio.Future[None] | None = None
    """The last step of writing. The lock lasts until it has ended, whatever becomes of the request."""


class _Reached(Struct, frozen=True):
    """How far an upload is."""

    offset: int
    digest: str | None = None
    """Of the bytes, if one request brought them all."""


async def _begin(parts: ServerParts, request: HttpRequest, make: Callable[[_Told], Upload]) -> HttpResponse:
    uploads = parts.of_papers().uploads
    if not tus.is_tus(request):
        return await _whole(parts, request, make)
    tus.require_version(request)
    told = _Told(tus.whole_number(request, b"upload-length"), tus.metadata(request), request.header(b"upload-metadata"))
    upload = await parts.pools.run("uploads", uploads.begin, make(told))
    address = [(b"location", f"{request.base}/uploads/{upload.id}".encode())]
    if not tus.has_piece(request):
        expires_s = await parts.pools.run("uploads", uploads.expires_s, upload)
        return HttpResponse(201, headers=[*address, *tus.state(0, expires_s)])
    async with _held(parts, upload) as hold:
        try:
            reached = await _receive(parts, request, upload, hold, tus.checksum(request))
        except Refused as refused:
            raise Refused(refused.status, refused.detail, *refused.headers, *address) from None
        return HttpResponse(201, headers=[*address, *await _finished(parts, request, upload, reached)])


async def _whole(parts: ServerParts, request: HttpRequest, make: Callable[[_Told], Upload]) -> HttpResponse:
    """The body is the whole file. If it does not come whole, nothing of it is kept."""
    uploads, viewer = parts.of_papers().uploads, viewer_of(parts, request)
    values = {name: value for name in ("filename", "name") if (value := request.query(name))}
    upload = await parts.pools.run("uploads", uploads.begin, make(_Told(tus.whole_number(request, b"content-length"), values)))
    try:
        async with _held(parts, upload) as hold:
            reached = await _receive(parts, request, upload, hold, None, flushes=False)
            if reached.offset < upload.length:
                raise Refused(400, "the body is shorter than content-length says")
            paper = await _registered(parts, request, upload, reached)
    finally:
        await parts.pools.run("uploads", uploads.remove, upload.id)
    found = await parts.pools.run("shelf", viewer.paper, paper)
    return responses.made(found, found.address)


async def _receive(
    parts: ServerParts,
    request: HttpRequest,
    upload: Upload,
    hold: _Hold,
    checksum: tus.Checksum | None,
    *,
    flushes: bool = True,
) -> _Reached:
    """Write the body behind what is here.

    What came before a fault stays; with a checksum, it counts as a whole or not at all. flushes: whether what came
    must be on the disk then.
    """
    uploads = parts.of_papers().uploads
    writer = await parts.pools.run("uploads", uploads.writer, upload)
    hasher = checksum.hasher() if checksum is not None else None
    is_whole = False
    gathered = bytearray()
    try:
        async with aclosing(request.pieces(LOOK_S, IDLE_S)) as pieces:
            looked_s = time.monotonic()
            async for piece in pieces:
                if writer.offset + len(gathered) + len(piece) > upload.length:
                    raise Refused(413, "there are more bytes than the length that was announced", tus.RESUMABLE)
                gathered += piece
                if hasher is not None:
                    hasher.update(piece)
                is_time = time.monotonic() - looked_s > LOOK_S
                if gathered and (is_time or len(gathered) >= GATHERED_BYTES):
                    written, gathered = gathered, bytearray()
                    await parts.pools.run("uploads", writer.write, written)
                if is_time:
                    looked_s = time.monotonic()
                    if await parts.pools.run("uploads", uploads.is_wanted, upload.id):
                        raise Refused(423, "another request goes on with this upload", tus.RESUMABLE)
        if checksum is not None and hasher is not None and hasher.digest() != checksum.digest:
            raise Refused(460, "the bytes do not have the digest that was told: send them again", tus.RESUMABLE)
        is_whole = True
    finally:
        is_void = checksum is not None and not is_whole
        ending = parts.pools.run("uploads", _end, writer, gathered, is_void=is_void, flushes=flushes)
        hold.writing = asyncio.ensure_future(ending)
        await asyncio.shield(hold.writing)
    return _Reached(writer.offset, writer.digest)


async def _pass_over(request: HttpRequest, most: int) -> None:
    """Read bytes that are here already. Raises Refused if there are more of them."""
    passed = 0
    async with aclosing(request.pieces(LOOK_S, IDLE_S)) as pieces:
        async for piece in pieces:
            passed += len(piece)
            if passed > most:
                raise Refused(413, "there are more bytes than the length that was announced", tus.RESUMABLE)


def _end(writer: PartWriter, left: bytearray, *, is_void: bool, flushes: bool) -> None:
    """left: bytes that came and are not written yet. flushes: whether they must be on the disk."""
    try:
        if is_void:
            writer.take_back()
        elif left:
            writer.write(left)
    finally:
        writer.close() if flushes else writer.leave()


async def _finished(parts: ServerParts, request: HttpRequest, upload: Upload, reached: _Reached) -> Headers:
    """The headers that say how far an upload is. If all bytes are here, it becomes a paper first."""
    expires_s = await parts.pools.run("uploads", parts.of_papers().uploads.expires_s, upload)
    found = tus.state(reached.offset, expires_s)
    if reached.offset < upload.length:
        return found
    return [*found, *_became(parts, request, await _registered(parts, request, upload, reached))]


def _became(parts: ServerParts, request: HttpRequest, paper: Paper) -> Headers:
    """The headers that say which paper an upload has become."""
    return [
        (b"sidebooks-paper", paper.id.encode()),
        (b"sidebooks-revision", b"%d" % paper.revision),
        (b"content-location", viewer_of(parts, request).address("papers", paper.id).encode()),
    ]


async def _registered(parts: ServerParts, request: HttpRequest, upload: Upload, reached: _Reached) -> Paper:
    """The paper that an upload becomes. Rights may have been taken away while the bytes came. Raises Refused."""
    papers = parts.of_papers()
    await parts.gate.identify_again(request)
    await _require_target(parts, request, upload)
    return await parts.pools.run("registering", papers.uploads.finish, upload, reached.digest)


async def _state(parts: ServerParts, request: HttpRequest, upload: Upload) -> HttpResponse:
    papers, viewer = parts.of_papers(), viewer_of(parts, request)
    uploads = papers.uploads
    here = await parts.pools.run("uploads", uploads.offset, upload)

    def told() -> tuple[UploadState, Headers]:
        paper = _seen_paper(parts, request, upload) if upload.revision is not None else None
        entry = viewer.paper_entry(paper) if paper is not None else None
        body = UploadState(upload.id, here, upload.length, uploads.expires_s(upload), entry)
        return body, _became(parts, request, paper) if paper is not None else []

    body, became = await parts.pools.run("shelf", told)
    is_asked_for = here == upload.length and upload.revision is None and request.scope["method"] == "HEAD"
    own = [*tus.state(here - is_asked_for, body.expires_s), *became]
    length = (b"upload-length", b"%d" % upload.length)
    metadata = [(b"upload-metadata", upload.metadata.encode("latin-1"))] if upload.metadata else []
    return HttpResponse(200, json_bytes(body), [(b"content-type", responses.JSON.encode()), *own, length, *metadata])


def _seen_paper(parts: ServerParts, request: HttpRequest, upload: Upload) -> Paper | None:
    """The paper that an upload has become, if whoever made the upload may see it now."""
    papers = parts.of_papers()
    standings = papers.places.papers.find(upload.paper_id)
    if not standings or not parts.gate.sees(request.principal, Operation.READ_DOCUMENT, standings):
        return None
    return papers.shelf.paper(upload.paper_id)


async def _own(parts: ServerParts, request: HttpRequest) -> Upload:
    """The upload that the path names. Raises Refused if it is not there, or if somebody else made it."""
    found = await parts.pools.run("uploads", parts.of_papers().uploads.find, request.params["upload"])
    if found is None or found.owner != _owner(request):
        raise not_found()
    return found


async def _require_target(parts: ServerParts, request: HttpRequest, upload: Upload) -> None:
    """Rights may have been taken away since the upload began. Raises Refused."""
    if not upload.replaces:
        await require_in(parts, request, Operation.REGISTER, upload.folder or AT_THE_TOP)
        return
    standings = await parts.pools.run("access", parts.of_papers().places.papers.find, upload.paper_id)
    if not standings:
        raise not_found()
    parts.gate.require(request, Operation.REPLACE, resource_of(standings[0], time.time()))


@asynccontextmanager
async def _held(parts: ServerParts, upload: Upload) -> AsyncGenerator[_Hold, None]:
    """Hold the lock of an upload. Raises Refused if another request does not let go of it in time."""
    uploads = parts.of_papers().uploads
    deadline_s = time.monotonic() + PATIENCE_S
    while (lock := await parts.pools.run("uploads", uploads.try_hold, upload.id)) is None:
        if time.monotonic() > deadline_s:
            raise Refused(423, "another request sends bytes of this upload", tus.RESUMABLE)
        await asyncio.sleep(LOOK_S / 2)
    hold = _Hold()
    try:
        yield hold
    finally:
        if hold.writing is None or hold.writing.done():
            lock.release()
        else:  # the request was cancelled, and a thread still writes: the next request must not begin before it ends
            hold.writing.add_done_callback(lambda _: lock.release())


def _owner(request: HttpRequest) -> str:
    """A person, or a client that nobody knows."""
    return request.principal.id or request.client


def _upload(request: HttpRequest, told: _Told, *, folder: str | None = None, replaces: str | None = None) -> Upload:
    """Raises Refused for what makes no sense: better now than after the last byte."""
    values = told.values
    file_name = PurePosixPath(values.get("filename", "").replace("\\", "/")).name
    shown: dict[str, str | float | None] = {name: _value(name, values[name]) for name in _NAMED if name in values}
    if replaces is None and not shown_text(str(shown.get("name", file_name))):
        raise Refused(400, "name or filename, please: a paper has a name")
    from_s, until_s = shown.get("from_s"), shown.get("until_s")
    if isinstance(from_s, float) and isinstance(until_s, float) and until_s <= from_s:
        raise Refused(400, "a paper cannot end before it begins: until_s must be later than from_s")
    after = values.get("after", "")
    if after and not (after.isascii() and after.isdecimal() and len(after) <= 7):
        raise Refused(400, "after: the number of a revision, please")
    return Upload(
        id="",
        owner=_owner(request),
        length=told.length,
        file_name=file_name,
        paper_id=replaces or "",
        replaces=replaces is not None,
        folder=folder,
        shown=shown,
        password=values.get("password"),
        note=values.get("revision_note", ""),
        after=int(after) if after else None,
        metadata=told.metadata,
        who=who_of(request),
    )


def _value(name: str, value: str) -> str | float:
    if name == "level" and value not in get_args(Level):
        raise Refused(400, f"level: one of {', '.join(get_args(Level))}, please")
    if name not in _TIMES:
        return value
    try:
        time_s = float(value)
        require_time(name, time_s)
    except (ValueError, RequestError):
        raise Refused(400, f"{name}: seconds since 1970, please") from None
    return time_s
