"""The life of a meeting: what each command makes of it. Pure: no clock, no connection, no chance.

`decide` is the only way in which a meeting changes, but for `restored`, which begins a new epoch when the newest state may have
been lost. Whoever keeps a meeting changes it by compare-and-set with these two.

A meeting's numbers: the state's seq grows with each change that others are told, its epoch with each other presenter. The
number of the details grows with each change of them and with each epoch. State and details name the same epoch and number.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from sidebooks_core.meeting import rights
from sidebooks_core.meeting.commands import (
    AnyCommand,
    BreakOffVote,
    CallEverybody,
    Cast,
    CloseVote,
    ConfirmVote,
    DecideTie,
    End,
    GiveRole,
    HandOver,
    LeaveRoom,
    OpenPaper,
    OpenVote,
    SetAgenda,
    SetMode,
    SetTaking,
    Show,
    Take,
    TakeBack,
)
from sidebooks_core.meeting.messages import Refused, Why
from sidebooks_core.meeting.model import Meeting, Participant, standings
from sidebooks_core.meeting.rights import RANK, RIGHTS
from sidebooks_core.meeting.state import Details, Mode, RectPt, Role, State
from sidebooks_core.meeting.voting import is_voting, voted, without_open_vote

MOST_COUNTS = 64
"""Clients whose last command is remembered. The one that was quiet longest is forgotten first."""
MOST_ROLES = 200
SPREAD_PAGES = 2
"""Of a spread, at most. All of them are drawn for everybody at once."""
PLACES = 1
"""Decimal places of points in a state."""


def opened(meeting: str, name: str, by: Participant, now_s: float) -> Meeting:
    """A new meeting. Whoever opens it is its chair and its presenter. now_s: seconds since 1970 (UTC)."""
    state = State(
        meeting=meeting,
        epoch=1,
        seq=0,
        details=1,
        paper="",
        revision=0,
        page=1,
        spread=None,
        view_pt=None,
        mode="follow",
        called=0,
        presenter=by.id,
        t=0,
    )
    roles: dict[str, Role] = {by.id: "chair"}
    details = Details(meeting=meeting, epoch=1, seq=1, name=name, opened_s=now_s, roles=roles, names={by.id: by.name})
    return Meeting(state=state, details=details)


def decide(meeting: Meeting, command: AnyCommand, by: Participant, now_s: float) -> Meeting | Refused:
    """What a command makes of a meeting, or why it is refused. now_s: seconds since 1970 (UTC).

    The state's position grows if anything changed that others are told.
    """
    right = RIGHTS[kind_of(command)]
    client = f"{by.id}/{command.client}"
    why: Why | None = None
    if meeting.state.mode == "ended":
        why = "ended"
    elif right.is_counted and command.count <= meeting.counts.get(client, -1):
        why = "replayed"
    elif right.needs_epoch and command.epoch != meeting.state.epoch:
        why = "overtaken"
    elif right.is_counted and command.epoch < meeting.since:
        why = "restored"
    elif not right.who & standings(meeting, by.id):
        why = "forbidden"
    made = _made(meeting, command, by) if why is None else why
    if not isinstance(made, Meeting):
        return Refused(id=command.id, why=made, state=meeting.state, winner=_name(meeting, meeting.state.presenter))
    made = _numbered(meeting, made, now_s)
    return replace(made, counts=_counted(meeting.counts, client, command.count)) if right.is_counted else made


def kind_of(command: AnyCommand) -> str:
    """As it stands in the message."""
    return str(type(command).__struct_config__.tag)


def restored(meeting: Meeting, above: int = 0) -> Meeting:
    """The same meeting in a new epoch, greater than `above` and than its own: newer states of it may have been lost.

    Clients take its state for news, and the presenter's client says again where it is. A vote that was open is broken off.
    Which commands were done is forgotten, so those that know an older epoch are refused: they may have been done.
    """
    epoch = max(meeting.state.epoch, above) + 1
    whole = without_open_vote(meeting)
    details = replace(whole.details, epoch=epoch, seq=max(whole.details.seq, whole.state.details) + 1)
    state = replace(whole.state, epoch=epoch, seq=0, details=details.seq)
    return Meeting(state=state, details=details, since=epoch, vote=whole.vote)


def _made(meeting: Meeting, command: AnyCommand, by: Participant) -> Meeting | Why:
    """The meeting after a command; its numbers are as before."""
    state, details = meeting.state, meeting.details
    match command:
        case Show():
            is_other = (command.paper, command.revision) != (state.paper, state.revision)
            return "another paper" if is_other else _placed(meeting, command)
        case OpenPaper():
            return _placed(meeting, command)
        case SetMode():
            return _with_mode(meeting, command.mode, by)
        case CallEverybody():
            return replace(meeting, state=replace(state, called=state.called + 1))
        case Take():
            may = RANK[details.roles.get(by.id, "viewer")] >= RANK[details.taking]
            return _presented(meeting, by) if may or by.id == state.presenter else "forbidden"
        case HandOver():
            return _presented(meeting, Participant(command.to, command.name))
        case TakeBack():
            return _presented(meeting, by)
        case SetAgenda():
            return replace(meeting, details=replace(details, agenda=command.items))
        case GiveRole():
            return _with_role(meeting, Participant(command.to, command.name), command.role)
        case SetTaking():
            return replace(meeting, details=replace(details, taking=command.role))
        case End():
            return "another vote" if is_voting(meeting) else replace(meeting, state=replace(state, mode="ended"))
        case OpenVote() | Cast() | LeaveRoom() | CloseVote() | DecideTie() | ConfirmVote() | BreakOffVote():
            return voted(meeting, command, by)


def _placed(meeting: Meeting, place: Show | OpenPaper) -> Meeting | Why:
    view_pt = None if place.view_pt is None else _rounded(place.view_pt)
    if view_pt is not None and (view_pt[0] >= view_pt[2] or view_pt[1] >= view_pt[3]):
        return "wrong place"
    if place.spread is not None and not place.page < place.spread < place.page + SPREAD_PAGES:
        return "wrong place"
    state = replace(
        meeting.state,
        paper=place.paper,
        revision=place.revision,
        page=place.page,
        spread=place.spread,
        view_pt=view_pt,
    )
    return replace(meeting, state=state)


def _rounded(rect: RectPt) -> RectPt:
    x0, y0, x1, y1 = (round(one, PLACES) for one in rect)
    return x0, y0, x1, y1


def _with_mode(meeting: Meeting, mode: Mode, by: Participant) -> Meeting | Why:
    is_of_locks = "locked" in (mode, meeting.state.mode)
    if is_of_locks and not rights.LOCK & standings(meeting, by.id):
        return "forbidden"
    return replace(meeting, state=replace(meeting.state, mode=mode))


def _presented(meeting: Meeting, presenter: Participant) -> Meeting | Why:
    if presenter.id == meeting.state.presenter:
        return "is presenter"
    names = {**meeting.details.names, presenter.id: presenter.name}
    state = replace(meeting.state, presenter=presenter.id)
    return replace(meeting, state=state, details=_named(meeting.details, names, presenter.id))


def _with_role(meeting: Meeting, who: Participant, role: Role) -> Meeting | Why:
    roles = {**meeting.details.roles, who.id: role}
    if role == "viewer":
        del roles[who.id]
    if "chair" not in roles.values():
        return "last chair"
    if len(roles) > MOST_ROLES:
        return "too many"
    names = {**meeting.details.names, who.id: who.name}
    return replace(meeting, details=_named(replace(meeting.details, roles=roles), names, meeting.state.presenter))


def _named(details: Details, names: Mapping[str, str], presenter: str) -> Details:
    """With the names of those who have a role, and of the presenter."""
    return replace(details, names={one: name for one, name in names.items() if one in details.roles or one == presenter})


def _name(meeting: Meeting, participant: str) -> str:
    return meeting.details.names.get(participant, "")


def _numbered(old: Meeting, new: Meeting, now_s: float) -> Meeting:
    """The new one with its numbers."""
    state, details = new.state, new.details
    if (state, details) == (old.state, old.details):
        return new
    is_other = state.presenter != old.state.presenter
    epoch, seq = (state.epoch + 1, 0) if is_other else (state.epoch, state.seq + 1)
    if is_other or details != old.details:
        details = replace(details, epoch=epoch, seq=details.seq + 1)
    t = max(state.t, round((now_s - details.opened_s) * 1000))
    return replace(new, state=replace(state, epoch=epoch, seq=seq, details=details.seq, t=t), details=details)


def _counted(counts: Mapping[str, int], client: str, count: int) -> dict[str, int]:
    kept = {one: last for one, last in counts.items() if one != client}
    while len(kept) >= MOST_COUNTS:
        del kept[next(iter(kept))]
    return {**kept, client: count}
