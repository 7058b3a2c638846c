"""Who asks: the ways in which a request says it. The first one that knows decides; if none does, a citizen asks.

A guest of a meeting that has ended is nobody known, whether or not their login has been ended, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from starlette.types import Scope

from sidebooks_core.access.model import UNKNOWN, Unknown
from sidebooks_core.access.principals import CITIZEN, HOUSE, Principal
from sidebooks_core.server.ended import EndedMeetings

NOBODY = Principal("", "", "citizen", documents=frozenset())
"""Has a signature that is not valid."""


class WayIn(Protocol):
    """One way in which a request says who asks."""

    def known(self, scope: Scope, /) -> Principal | Unknown | None:
        """The principal; None if the request says nothing that counts here; UNKNOWN if it takes a look that may wait. It never
        waits itself.
        """

    def find(self, scope: Scope, /) -> Principal | None:
        """The same, and it may wait: asked after `known` was UNKNOWN, in a thread."""


@runtime_checkable
class CountsUse(Protocol):
    """A way in may have this as well, if it counts when somebody was there last."""

    def without_use(self) -> WayIn:
        """The same way in, but nobody is seen by its looks. Asked for what goes on by itself, such as a stream of events."""


class House:
    """Everybody who reaches the server may do everything. For an application that names neither `access` nor `ways_in`, and for
    documents without a shelf."""

    def known(self, _scope: Scope, /) -> Principal:
        return HOUSE

    def find(self, _scope: Scope, /) -> Principal:
        return HOUSE


class Identity:
    """All ways in of one application."""

    def __init__(self, ways: Sequence[WayIn], ended: EndedMeetings | None = None) -> None:
        """ended: None: there are no meetings."""
        self._ways = ways
        self._ended = ended
        self._ways_without_use = [way.without_use() if isinstance(way, CountsUse) else way for way in ways]

    def known(self, scope: Scope, *, is_use: bool = True) -> Principal | Unknown:
        """The principal who asks, if that is known without waiting. Safe in the event loop.

        is_use: whether the question counts as use of the principal's login.
        """
        for way in self._ways if is_use else self._ways_without_use:
            found = way.known(scope)
            if found is not None:
                return UNKNOWN if isinstance(found, Unknown) else self._known_in_meeting(found)
        return CITIZEN

    def find(self, scope: Scope, *, is_use: bool = True) -> Principal:
        """The principal who asks. It may wait. is_use: see `known`. Raises StorageError."""
        for way in self._ways if is_use else self._ways_without_use:
            found = way.known(scope)
            if isinstance(found, Unknown):
                found = way.find(scope)
            if found is not None:
                if found.meeting and self._ended is not None and self._ended.find(found.meeting):
                    return _as_nobody(found)
                return found
        return CITIZEN

    def _known_in_meeting(self, principal: Principal) -> Principal | Unknown:
        if not principal.meeting or self._ended is None:
            return principal
        has_ended = self._ended.known(principal.meeting)
        if has_ended is None:
            return UNKNOWN
        return _as_nobody(principal) if has_ended else principal


def _as_nobody(principal: Principal) -> Principal:
    return CITIZEN if principal.documents is None else NOBODY
