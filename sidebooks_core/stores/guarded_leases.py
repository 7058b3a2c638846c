"""Leases of an application's store, guarded: whatever they raise, a drawing begins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from sidebooks_core.stores.protocol import Lease, Leases

_log = logging.getLogger("sidebooks_core.stores")
_T = TypeVar("_T")


class GuardedLeases:
    """`Leases` that never raise. If the inner ones do, which they must not, the log tells it once, and the answer is "yours":
    a record that is made twice is better than one that is never made."""

    def __init__(self, inner: Leases) -> None:
        self._inner = inner
        self._has_complained = False

    def try_acquire(self, key: str) -> Lease | None:
        none: Lease | None = _NoLease()
        lease = self._guarded(lambda: self._inner.try_acquire(key), none)
        return None if lease is None else _GuardedLease(lease, self._guarded)

    def wait(self, key: str, callback: Callable[[bool], None], most_s: float) -> None:
        told = Once(callback)

        def waits() -> bool:
            self._inner.wait(key, told, most_s)
            return True

        if not self._guarded(waits, False):
            told(True)

    def advance(self, key: str) -> None:
        self._guarded(lambda: self._inner.advance(key), None)

    def mark(self, key: str) -> int:
        return self._guarded(lambda: self._inner.mark(key), 0)

    def _guarded(self, call: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return call()
        except Exception:  # noqa: BLE001 - an application's leases: the record is made without one
            if not self._has_complained:
                self._has_complained = True
                _log.exception("the leases of a store raised, as they must not; records may be made twice")
            return otherwise


class _GuardedLease:
    def __init__(self, inner: Lease, guarded: Callable[[Callable[[], None], None], None]) -> None:
        self._inner = inner
        self._guarded = guarded

    def release(self) -> None:
        self._guarded(self._inner.release, None)


class _NoLease:
    def release(self) -> None:
        return None


class Once:
    """A callback for several who might call it: the first one does."""

    def __init__(self, callback: Callable[[bool], None]) -> None:
        self._callback = callback
        self._lock = threading.Lock()

    def __call__(self, is_free: bool) -> None:
        if self._lock.acquire(blocking=False):
            self._callback(is_free)
