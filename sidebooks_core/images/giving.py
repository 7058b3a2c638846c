"""Gives waiting flights to idle workers. The owner guards it."""

from __future__ import annotations

import time

from sidebooks_core.images.busy import NOTHING, Busy, Kept
from sidebooks_core.images.seats import Seat, Seats
from sidebooks_core.images.suspects import Suspects
from sidebooks_core.images.work import Flight, Wanted, Work
from sidebooks_core.scheduling.flights import Flights
from sidebooks_core.scheduling.queue import Priority


class Giving:
    """A flight is given to one worker. If it were announced to two, the wrong one might take it first."""

    def __init__(self, flights: Flights[Work, Wanted], seats: Seats, busy: Busy, suspects: Suspects) -> None:
        self._flights = flights
        self._seats = seats
        self._busy = busy
        self._suspects = suspects

    def hand_out(self, document: str | None = None) -> None:
        """Give waiting flights to idle workers: first to workers that hold the document, last to the spare.

        Idle workers open documents ahead only while no visible flight waits: it may wait for a worker that is busy.
        """
        for seat in self._seats.in_order(document):
            self.give(seat)
        if len(self._seats) and not self._flights.count_waiting(Priority.VISIBLE):
            barred = set(self._suspects.all(time.monotonic()))
            for seat, preparation in self._seats.preparations(barred):
                self.put_to_work(seat, preparation)

    def give(self, seat: Seat) -> None:
        """Give an idle worker its next flight, if there is one. The spare gets none while another worker is idle.

        A visible flight stays for a busy worker that holds its document, if that is sooner than the opening by this one. Work
        that nobody waits for stays while a visible flight is at work: it would take processor time from that.
        """
        if seat.is_spare and self._seats.has_worker():
            return
        kept = self._kept_from(seat)
        reserved = self._busy.finishing | kept.documents
        least_urgent = Priority.VISIBLE if seat.is_spare else Priority.BULK if self._seats.has_visible else Priority.IDLE
        flight = self._flights.take(seat.held_documents, least_urgent, self._suspects.at_work(), reserved)
        if flight is not None:
            self.put_to_work(seat, flight)
        elif kept is not NOTHING:
            seat.look_again_s = kept.until_s
            seat.wake.notify()

    def count_in_need(self) -> int:
        """Visible flights that wait for want of a worker. Those do not count that an idle worker leaves to a busy one."""
        waiting = self._flights.count_waiting(Priority.VISIBLE)
        if not waiting or not len(self._seats):
            return waiting
        kept = {document for seat in self._seats.in_order(None) for document in self._kept_from(seat).documents}
        return waiting - sum(flight.document in kept for flight in self._flights.first_waiting(Priority.VISIBLE))

    def put_to_work(self, seat: Seat, flight: Flight) -> None:
        """Have an idle worker begin a flight."""
        self._suspects.begin(flight, flight.document, time.monotonic())
        self._busy.begin(flight, seat.held_documents)
        self._seats.wake(seat, flight)

    def _kept_from(self, seat: Seat) -> Kept:
        suspect = self._suspects.all(time.monotonic())
        return self._busy.kept_from(seat.held_documents, self._flights.first_waiting(Priority.VISIBLE), suspect)
