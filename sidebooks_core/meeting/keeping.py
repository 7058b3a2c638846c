"""Keeps the states of meetings in the records, off the way of a turn: what stands behind a hub."""

from __future__ import annotations

import logging
import threading

from sidebooks_core.errors import StorageError
from sidebooks_core.meeting.model import Meeting, newer
from sidebooks_core.meeting.records import Records

SAVE_EVERY_S = 1.0
"""States are written no more often, but for the first one of an epoch, which is written at once."""
RETRY_S = 2.0
_log = logging.getLogger("sidebooks_core.meeting")


class Keeping:
    """A `Backing` that writes states from a thread of its own. `close()` it, before the records.

    A process that is killed loses the states of about the last second. Epochs, votes and ends are written before they are told.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._wake = threading.Condition()
        self._waiting: dict[str, Meeting] = {}
        self._saved_epochs: dict[str, int] = {}
        self._is_urgent = self._closed = False
        self._thread = threading.Thread(target=self._run, name="sidebooks-meetings", daemon=True)
        self._thread.start()

    def recover(self, meeting_id: str, newest: Meeting | None) -> Meeting | None:
        with self._wake:
            waiting = self._waiting.get(meeting_id)
        if waiting is not None:
            newest = waiting if newest is None else newer(waiting, newest)
        return self._records.recover(meeting_id, newest)

    def before(self, old: Meeting | None, new: Meeting) -> None:
        self._records.before(old, new)

    def give_up(self, old: Meeting, made: Meeting, now: Meeting) -> bool:
        return self._records.give_up(old, made, now)

    def after(self, meeting: Meeting) -> None:
        meeting_id = meeting.state.meeting
        if meeting.state.mode == "ended":
            self._records.look()
        with self._wake:
            waiting = self._waiting.get(meeting_id)
            self._waiting[meeting_id] = meeting if waiting is None else newer(meeting, waiting)
            if meeting.state.epoch > self._saved_epochs.get(meeting_id, 0):
                self._is_urgent = True
            self._wake.notify_all()

    def flush(self) -> None:
        """Write all that waits now. Raises StorageError; then it still waits."""
        with self._wake:
            waiting, self._is_urgent = dict(self._waiting), False
        if not waiting:
            return
        self._records.save(waiting.values())
        with self._wake:
            for meeting_id, meeting in waiting.items():
                if self._waiting.get(meeting_id) is meeting:
                    del self._waiting[meeting_id]
                self._saved_epochs[meeting_id] = meeting.state.epoch
                if meeting.state.mode == "ended":
                    del self._saved_epochs[meeting_id]

    def close(self) -> None:
        """Write what waits, and end. What cannot be written is named in the log."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        self._thread.join(10)
        try:
            self.flush()
        except StorageError:
            _log.exception("the last states of meetings could not be written: %s", ", ".join(self._waiting))

    def _run(self) -> None:
        pause_s, may_hurry = 0.0, True
        while True:
            with self._wake:
                self._wake.wait_for(self._is_due if may_hurry else self._is_closed, pause_s)
                self._wake.wait_for(lambda: self._closed or self._waiting)
                if self._closed:
                    return
            try:
                self.flush()
                pause_s, may_hurry = SAVE_EVERY_S, True
            except StorageError:
                pause_s, may_hurry = RETRY_S, False
                _log.exception("the states of meetings cannot be written; it is tried again")

    def _is_due(self) -> bool:
        return self._closed or self._is_urgent

    def _is_closed(self) -> bool:
        return self._closed
