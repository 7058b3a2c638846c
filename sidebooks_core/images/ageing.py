"""Flights that take long. If nobody waits for one any more, a visible flight may have its worker.

Plain data; the owner guards it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from sidebooks_core.images.work import Flight
from sidebooks_core.scheduling.flights import State


class Ageing:
    """Flights that take long, with the functions that interrupt them."""

    def __init__(self) -> None:
        self._aged: dict[Flight, Callable[[], None] | None] = {}
        """None: the function was called."""

    def __len__(self) -> int:
        return len(self._aged)

    def begin(self, flight: Flight, interrupt: Callable[[], None]) -> None:
        """A flight takes long from now on."""
        self._aged[flight] = interrupt

    def end(self, flight: Flight) -> None:
        """A flight has no worker any more."""
        self._aged.pop(flight, None)

    def chosen(self, waiting: int) -> list[Callable[[], None]]:
        """The functions that interrupt flights, to be called now. waiting: visible flights that wait for a worker."""
        waiting -= sum(interrupt is None for interrupt in self._aged.values())
        unwanted = {
            flight: interrupt
            for flight, interrupt in self._aged.items()
            if interrupt and flight.state is State.AT_WORK and not flight.waiting
        }
        chosen = dict(islice(unwanted.items(), max(0, waiting)))
        self._aged.update(dict.fromkeys(chosen))
        return list(chosen.values())
