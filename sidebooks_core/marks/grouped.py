"""Work of several threads that is done together: one of those who wait does it for all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from sidebooks_core.errors import StorageFailed

T = TypeVar("T")
R = TypeVar("R")


class GroupedWrites(Generic[T, R]):
    """Thread-safe. So 100 devices that push at the same time wait for the disk a few times, and not 100 times in a row."""

    def __init__(self, write: Callable[[Sequence[T]], Sequence[R | Exception]], at_once: int) -> None:
        """write: writes some items in one step, as a whole or not at all; it answers each, or says what is wrong with it.

        at_once: most items of a step.
        """
        self._write = write
        self._at_once = at_once
        self._queueing = threading.Lock()
        self._queue: list[tuple[T, Future[R]]] = []
        self._turn = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many items nobody writes yet."""
        return len(self._queue)

    def write(self, item: T) -> R:
        """Write an item, perhaps with others. It is written when this returns.

        Raises what is wrong with it, and StorageFailed if the thread that wrote it was interrupted: write it again then.
        """
        answer: Future[R] = Future()
        with self._queueing:
            self._queue.append((item, answer))
        with self._turn:  # whoever has it writes for all who wait
            while not answer.done():
                self._write_some()
        return answer.result()

    def _write_some(self) -> None:
        """Write those who have waited longest. All of them are answered, whatever happens."""
        taken: list[tuple[T, Future[R]]] = []
        try:
            with self._queueing:
                taken = self._queue[: self._at_once]
                del self._queue[: self._at_once]
            if not taken:
                raise RuntimeError("an item was neither written nor answered")
            self._write_all([one for one in taken if not one[1].done()])
        finally:
            for _, waiting in taken:
                if not waiting.done():
                    waiting.set_exception(StorageFailed("whoever wrote was interrupted: whether this was written is not known"))

    def _write_all(self, taken: list[tuple[T, Future[R]]]) -> None:
        """If the step fails, each item has one of its own, so that none fails for the fault of another one."""
        try:
            answers = self._write([item for item, _ in taken])
        except Exception as fault:  # noqa: BLE001 - it is told to whoever waits
            if len(taken) == 1:
                taken[0][1].set_exception(fault)
                return
            for one in taken:
                self._write_all([one])
            return
        for (_, waiting), answer in zip(taken, answers, strict=True):
            if isinstance(answer, Exception):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)
