"""The futures that requests and questions are answered by."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Answer(Future[T]):
    """A future that is over as soon as it is cancelled.

    Of a plain one, `wait` and `as_completed` learn it from whoever works on it; but work that nobody wants is forgotten.
    """

    def __init__(self) -> None:
        super().__init__()
        self._telling = threading.Lock()
        self._is_told = False

    def cancel(self) -> bool:
        """See `Future.cancel`."""
        if not super().cancel():
            return False
        self.set_running_or_notify_cancel()
        return True

    def set_running_or_notify_cancel(self) -> bool:
        """See `Future.set_running_or_notify_cancel`; but it may be called again after it was cancelled."""
        with self._telling:
            if self._is_told:
                return False
            is_running = super().set_running_or_notify_cancel()
            self._is_told = not is_running
            return is_running
