"""How long those who say hello have to wait, so that nobody takes the places of the others. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator

from sidebooks_core.access.principals import HOUSE
from sidebooks_core.server.live.clients import Speaker
from sidebooks_core.server.live.pace import Pace, Shares

JOIN_WITHIN_S = 10.0
"""Whoever would have to wait longer for one of the paces is sent away for a while."""
ALL_PER_S, ALL_AT_ONCE = 100.0, 20
"""Of all together: so many are let in at once, and the others by the second."""
CLIENT_PER_S, CLIENT_AT_ONCE = 0.5, 4
"""Of one client: a page that connects again and again."""
PERSON_PER_S, PERSON_AT_ONCE = 5.0, 20
"""Of one person, by whatever clients."""
ADDRESS_PER_S, ADDRESS_AT_ONCE = 50.0, 20
"""Of those whom nobody knows at one address: a town hall may have one, so it is half of all."""


class Joins:
    """Belongs to one thread. Who uses up a share of their own waits for that, and takes no place of all meanwhile."""

    def __init__(self) -> None:
        self._clients = Shares(CLIENT_PER_S, CLIENT_AT_ONCE, JOIN_WITHIN_S)
        self._people = Shares(PERSON_PER_S, PERSON_AT_ONCE, JOIN_WITHIN_S)
        self._addresses = Shares(ADDRESS_PER_S, ADDRESS_AT_ONCE, JOIN_WITHIN_S)
        self._all = Pace(ALL_PER_S, ALL_AT_ONCE, JOIN_WITHIN_S)

    def waits_s(self, who: Speaker, clock: Callable[[], float]) -> Iterator[float | None]:
        """The waits of one more who comes, in seconds, each told when those before it are over. None: that is too long.

        clock: seconds, never set back.
        """
        shares: list[tuple[Shares, Hashable]] = [(self._clients, (who.meeting, *who.key))]
        if who.principal.id not in ("", HOUSE.id):
            shares.append((self._people, who.principal.id))
        else:
            shares.append((self._addresses, who.address))
        for share, name in shares:
            yield share.wait_s(name, clock())
        yield self._all.wait_s(clock())
