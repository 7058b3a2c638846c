"""Who may do what in a meeting: one table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from sidebooks_core.meeting.state import Role

Standing = Literal["chair", "presenter", "speaker", "viewer"]
"""What somebody is: a role, and beside it the presenter."""
RANK: Mapping[Role, int] = {"viewer": 0, "speaker": 1, "chair": 2}
"""A greater one may do more."""


class Right(Struct, frozen=True):
    """Who may do something, and what is checked of the command."""

    who: frozenset[Standing]
    needs_epoch: bool = True
    """The command must know the present epoch. False: it means the same whoever presents; then any epoch will do that is not
    from before the meeting was restored."""
    is_counted: bool = True
    """A command of a client is done once, and none after a later one. False: doing it twice changes nothing."""


def _right(who: str, *, needs_epoch: bool = True, is_counted: bool = True) -> Right:
    return Right(frozenset(one for one in STANDINGS if one in who.split()), needs_epoch, is_counted)


STANDINGS: tuple[Standing, ...] = ("chair", "presenter", "speaker", "viewer")
ALL = "chair presenter speaker viewer"
RIGHTS: Mapping[str, Right] = {
    "show": _right("presenter"),
    "open_paper": _right("presenter"),
    "set_mode": _right("chair presenter"),
    "call_everybody": _right("chair presenter"),
    "take": _right(ALL),  # as far as `taking` of the details allows
    "hand_over": _right("chair presenter"),
    "take_back": _right("chair", needs_epoch=False),
    "set_agenda": _right("chair", needs_epoch=False),
    "give_role": _right("chair", needs_epoch=False),
    "set_taking": _right("chair", needs_epoch=False),
    "end": _right("chair", needs_epoch=False),
    "open_vote": _right("chair", needs_epoch=False),
    "cast": _right(ALL, needs_epoch=False, is_counted=False),  # once in a vote; and counts would tell the order of a secret one
    "leave_room": _right(ALL, needs_epoch=False),  # done again after the chair has brought them back, they would leave again
    "close_vote": _right("chair", needs_epoch=False),
    "decide_tie": _right("chair", needs_epoch=False),
    "confirm_vote": _right("chair", needs_epoch=False),
    "break_off_vote": _right("chair", needs_epoch=False),
}
"""By the kind of the command."""
LOCK = frozenset[Standing]({"chair"})
"""Who may set the mode "locked", and end it."""
WHISPER = frozenset[Standing]({"chair", "presenter", "speaker"})
INTENT = frozenset[Standing]({"presenter"})
