"""Who asks: the ways in which a request says it. The first one that knows decides; if none does, a citizen asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.types import Scope

from sidebooks_core.access.model import UNKNOWN, Unknown
from sidebooks_core.access.principals import CITIZEN, HOUSE, Principal


class WayIn(Protocol):
    """One way in which a request says who asks."""

    def known(self, scope: Scope, /) -> Principal | Unknown | None:
        """The principal; None if the request says nothing that counts here; UNKNOWN if it takes a look that may wait. It never
        waits itself.
        """

    def find(self, scope: Scope, /) -> Principal | None:
        """The same, and it may wait: asked after `known` was UNKNOWN, in a thread."""


class House:
    """Everybody who reaches the server may do everything. For an application that names neither `access` nor `ways_in`, and for
    documents without a shelf."""

    def known(self, _scope: Scope, /) -> Principal:
        return HOUSE

    def find(self, _scope: Scope, /) -> Principal:
        return HOUSE


class Identity:
    """All ways in of one application."""

    def __init__(self, ways: Sequence[WayIn]) -> None:
        self._ways = ways

    def known(self, scope: Scope) -> Principal | Unknown:
        """The principal who asks, if that is known without waiting. Safe in the event loop."""
        for way in self._ways:
            found = way.known(scope)
            if found is not None:
                return UNKNOWN if isinstance(found, Unknown) else found
        return CITIZEN

    def find(self, scope: Scope) -> Principal:
        """The principal who asks. It may wait."""
        for way in self._ways:
            found = way.known(scope)
            if isinstance(found, Unknown):
                found = way.find(scope)
            if found is not None:
                return found
        return CITIZEN
