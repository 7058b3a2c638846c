"""Marks of papers: read what changed, keep one's own, find them again, and destroy those of a folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from sidebooks_core.access.model import What
from sidebooks_core.access.operations import Operation
from sidebooks_core.marks.model import DeviceId, Mark
from sidebooks_core.marks.reading import Place
from sidebooks_core.marks.rows import MarkRow
from sidebooks_core.marks.visibility import MarkReader
from sidebooks_core.server import headers, responses
from sidebooks_core.server.gate import AT_THE_TOP
from sidebooks_core.server.handlers.papers import still
from sidebooks_core.server.handlers.shelf import person_of, required_folder_id, who_of, whole
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.json_text import json_bytes, read_json
from sidebooks_core.server.mark_numbers import MarkNumbers
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.schemas_marks import (
    OTHER_DEVICE,
    DestroyedMarks,
    FoundMarkEntry,
    FoundMarkList,
    KeptMarks,
    LostTextEntry,
    LostTextList,
    MarkEntry,
    NamedMark,
    PaperMarkList,
    Refusal,
    UnreadMarks,
)
from sidebooks_core.server.statuses import Refused
from sidebooks_core.shelf import standing
from sidebooks_core.shelf.model import Paper

MOST_PUSH_BYTES = 4 << 20
"""Of the body of a request: some two hundred long strokes."""
FOUND = 50
"""Marks in one answer of a search, unless told."""
MOST_FOUND = 200
_NEXT = re.compile(r"[0-9]{1,16}\.[0-9]{1,16}")
_mark = msgspec.json.Decoder(Mark)
_named = msgspec.json.Decoder(NamedMark)


async def of_paper(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """What whoever asks sees of the marks of a paper, after a number of its feed. Raises Refused for nobody known.

    Whoever has the newest gets 304, before any mark is read. A device that does not say which it is, is known by its login.
    More marks than one answer takes come one answer after the other.
    """
    shelf, person = parts.of_papers().shelf, person_of(request)
    since, rest = whole(request, "since") or 0, _rest(request)
    device = _device(request)
    _require_person(request, request.query("person"))

    def made() -> HttpResponse:
        of, store = still(parts, request), shelf.mark_store
        reader = reader_of(parts, request, store.meetings(of.id))
        numbers, epoch = MarkNumbers(store.number_key), shelf.epoch()
        tag = _tag([numbers.told(store.last(of.id, reader)), since, *rest], epoch, reader)
        if request.has_etag(tag):
            return HttpResponse(304, headers=headers.text(tag, headers.NO_STORE, []))
        place = Place(*map(numbers.read, rest)) if rest else Place(numbers.read(since))
        found = store.read_rows(of.id, reader, place, device=device, most_bytes=store.limits.answer_bytes)
        after = "" if found.rest is None else f"{numbers.told(found.rest.since)}.{numbers.told(found.rest.after)}"
        seen = entries(parts, person, found.rows)
        seq = numbers.told(found.seq)
        told = PaperMarkList(seq, found.server_ms, found.is_whole, seen, found.gone, not after, after, epoch)
        return responses.private_json(request, told, tag=tag)

    return await parts.pools.run("marks", made)


async def keep(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Keep versions of one's own marks. Those that cannot be kept are told one by one, and keep no other from the disk."""
    shelf, person = parts.of_papers().shelf, person_of(request)
    body = await request.body(MOST_PUSH_BYTES)

    def made() -> HttpResponse:
        given = read_json(body, UnreadMarks)
        _require_person(request, given.person)
        of, refused = still(parts, request), list[Refusal]()
        marks = _read(given, refused)
        reader = reader_of(parts, request, {one.meeting for one in marks})
        kept: list[Mark] = []
        for one in marks:
            refusal = _refusal(one, given.device, reader, request)
            if refusal is None:
                kept.append(one)
            else:
                refused.append(refusal)
        pushed = shelf.mark_store.push(of.id, kept, person)
        require_here(parts, request)
        refused += [Refusal(one.id, one.reason, one.detail) for one in pushed.refused]
        told = KeptMarks(pushed.server_ms, entries(parts, person, pushed.marks), refused)
        return HttpResponse(200, json_bytes(told), headers.momentary(responses.JSON))

    return await parts.pools.run("marks", made)


async def lost_texts(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Texts of one's own mark that lost. None of a mark of somebody else, as of one that is not there."""
    shelf, person, mark_id = parts.of_papers().shelf, person_of(request), request.params["mark"]

    def made() -> HttpResponse:
        found = shelf.mark_store.lost_texts(still(parts, request).id, mark_id, person)
        told = LostTextList([LostTextEntry(one.text, one.stamp, one.lost_s) for one in found])
        return responses.private_json(request, told)

    return await parts.pools.run("marks", made)


async def search(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """One's own marks that have a text, in papers that one may still read."""
    papers, person, query = parts.of_papers(), person_of(request), request.query("query")
    limit = min(whole(request, "limit") or FOUND, MOST_FOUND)

    def made() -> HttpResponse:
        readable: dict[str, Paper] = {}

        def reads(paper_id: str) -> bool:
            standings = papers.places.papers.find(paper_id) or ()
            paper = next((at.paper for at in standings if at.paper is not None), None)
            if paper is None or not parts.gate.sees(request.principal, Operation.KEEP_MARKS, standings):
                return False
            readable[paper_id] = paper
            return True

        listed: list[FoundMarkEntry] = []
        for one in papers.shelf.mark_store.search(person, query, limit, reads=reads) if query else ():
            paper = readable[one.paper_id]
            (mark,) = entries(parts, person, [one.mark])
            listed.append(FoundMarkEntry(paper.id, paper.name, paper.folder or AT_THE_TOP, mark))
        return responses.private_json(request, FoundMarkList(query, listed))

    return await parts.pools.run("marks", made)


async def destroy(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Remove the marks of the papers of a folder. The audit says so before, and how many there were after it."""
    shelf, folder = parts.of_papers().shelf, required_folder_id(request)

    def note(detail: str) -> None:
        if parts.access is not None:
            what, address = What(document=folder), request.address
            parts.access.audit_now(Operation.DESTROY_MARKS, who=request.principal, what=what, address=address, detail=detail)

    def made() -> HttpResponse:
        with shelf.database.reading() as reading:
            count = len(standing.papers_within(reading, folder))
        note(f"destroys the marks of {count} papers")
        done = shelf.mark_store.destroy(lambda reading: standing.papers_within(reading, folder), who_of(request).name)
        note(f"destroyed {done.marks} marks")
        told = DestroyedMarks(done.papers, done.marks, done.is_in_log)
        return HttpResponse(200, json_bytes(told), headers.momentary(responses.JSON))

    return await parts.pools.run("marks", made)


def _require_person(request: HttpRequest, told: str) -> None:
    """The device still has the marks of somebody else if another login has begun in its browser. Raises Refused."""
    if told and told != request.principal.id:
        raise Refused(409, "person: somebody else is logged in; read /me, and keep the marks of each person apart")


def _device(request: HttpRequest) -> str:
    """Which device asks. Raises Refused."""
    told = request.query("device")
    if not told:
        return request.principal.session
    try:
        return msgspec.convert(told, DeviceId)
    except msgspec.ValidationError:
        raise Refused(400, "device: 1 to 40 letters, digits, _ or -") from None


def _rest(request: HttpRequest) -> tuple[int, ...]:
    """Where a reading goes on that is not complete; empty if one begins. Raises Refused."""
    told = request.query("next")
    if not told:
        return ()
    if not _NEXT.fullmatch(told):
        raise Refused(400, "next: as the answer before had it")
    since, _, after = told.partition(".")
    return int(since), int(after)


def _read(given: UnreadMarks, refused: list[Refusal]) -> list[Mark]:
    """The marks that can be read; the others are refused. Raises Refused if one has not even an id."""
    read: list[Mark] = []
    for number, raw in enumerate(given.marks):
        try:
            read.append(_mark.decode(raw))
        except (msgspec.ValidationError, RecursionError) as fault:
            try:
                named = _named.decode(raw)
            except (msgspec.ValidationError, RecursionError) as other:
                raise Refused(400, f"the body cannot be read: {other} (of marks[{number}])") from None
            refused.append(Refusal(named.id, "invalid", str(fault)))
    return read


def _refusal(mark: Mark, device: str, reader: MarkReader, request: HttpRequest) -> Refusal | None:
    """Why a mark is not kept. A mark is always deleted if its owner wants that."""
    if mark.stamp.device != device:
        return Refusal(mark.id, "device", f"stamp: the version is of the device {mark.stamp.device}, not of {device}")
    if mark.body is None:
        return None
    if not request.limits.has_page(mark.anchor.page):
        return Refusal(mark.id, "page", f"anchor: there is no page {mark.anchor.page + 1}")
    if mark.meeting and mark.meeting not in reader.meetings | reader.chairs:
        return Refusal(mark.id, "meeting", f"meeting: its owner was never in the meeting {mark.meeting}")
    if mark.visibility == "shared" and not mark.meeting and request.principal.role == "guest":
        return Refusal(mark.id, "guest", "visibility: a guest shares marks with a meeting, not with all readers")
    return None


def entries(parts: ServerParts, person: str, marks: Iterable[Mark | MarkRow]) -> list[MarkEntry]:
    """As one reader may have them: whose devices they were made on, and whose ids they are, stays with the owners."""
    names: dict[str, str] = {}
    made: list[MarkEntry] = []
    for one in marks:
        fields = {name: getattr(one, name) for name in MarkEntry.__struct_fields__ if name != "mine"}
        if isinstance(one, MarkRow) and one.body is not None:
            fields["body"] = msgspec.Raw(one.body)  # nobody looks at it on its way
        if one.owner != person:
            if one.owner not in names:
                names[one.owner] = name_of(parts, one.owner)
            fields |= {"owner": names[one.owner], "stamp": replace(one.stamp, device=OTHER_DEVICE)}
        made.append(MarkEntry(**fields, mine=one.owner == person))
    return made


def name_of(parts: ServerParts, owner: str) -> str:
    """What the owner of a mark is called; empty if that is not known any more."""
    return "" if parts.access is None else parts.access.name_of(owner)


def require_here(parts: ServerParts, request: HttpRequest) -> None:
    """After marks were kept: a guest whose login has ended meanwhile has none. Raises Refused, StorageError.

    Whoever removes the marks of guests may have looked before these were written.
    """
    guest = request.principal
    if parts.access is not None and guest.role == "guest" and parts.access.ended_guests([guest.id]):
        parts.of_papers().shelf.mark_store.end_owner(guest.id)
        raise Refused(401, "log in first")


def reader_of(parts: ServerParts, request: HttpRequest, meetings: Collection[str]) -> MarkReader:
    """Whoever asks, among the readers of the paper, as it was read last. meetings: those that are asked about."""
    places = () if request.standing is None else (request.standing,)
    return parts.of_papers().mark_readers.of(request.principal, places, meetings, request.limits)


def _tag(numbers: Sequence[int], epoch: str, reader: MarkReader) -> str:
    """Another one whenever the answer would be another one, but for the time of the server. numbers: as they are told."""
    about: Sequence[object] = (
        numbers,
        epoch,
        reader.id,
        reader.tends,
        sorted(reader.meetings),
        sorted(reader.chairs),
        reader.pages,
    )
    return hashlib.blake2b(json_bytes(about), digest_size=16).hexdigest()
