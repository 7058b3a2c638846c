"""Suites of tests for stores and their leases, and stores that are slow or fail."""

from __future__ import annotations

import pickle
import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sidebooks_core.stores.protocol import Leases, StoreStatistics, TileStore
from sidebooks_core.stores.record import Record

PATIENCE_S = 20.0
"""How long a suite waits for what another thread does."""
_T = TypeVar("_T")


class StoreContract:
    """What every tile store must do. A subclass named `Test…` says in `make_store` how to get an empty one."""

    @abstractmethod
    def make_store(self) -> TileStore:
        """An empty store that holds at least 256 KiB."""

    opens_elsewhere = False
    """Whether the store has a `reopener`."""

    def test_what_was_put_comes_back(self) -> None:
        store = self.make_store()
        record = Record(bytes(range(256)) * 40, "tag", 0.25, is_preview=True)
        store.put("key", record)
        assert store.get("key") == record
        assert store.contains("key")
        store.close()

    def test_what_was_not_put_is_none(self) -> None:
        store = self.make_store()
        assert store.get("nothing") is None
        assert not store.contains("nothing")
        store.delete("nothing")
        store.close()

    def test_the_last_one_put_counts(self) -> None:
        store = self.make_store()
        store.put("key", Record(b"old", "tag", 1.0))
        store.put("key", Record(b"new", "tag", 1.0))
        assert store.get("key") == Record(b"new", "tag", 1.0)
        assert store.statistics().records == 1
        store.close()

    def test_deleting_forgets(self) -> None:
        store = self.make_store()
        store.put("key", Record(b"bytes", "tag", 1.0))
        store.delete("key")
        assert store.get("key") is None
        assert store.statistics().records == 0
        store.close()

    def test_purging_forgets_one_tag(self) -> None:
        store = self.make_store()
        for number in range(10):
            store.put(f"key{number}", Record(b"bytes", f"tag{number % 2}", 1.0))
        assert store.purge("tag0") == 5
        assert [store.contains(f"key{number}") for number in range(10)] == [False, True] * 5
        store.close()

    def test_empty_bytes_are_a_record(self) -> None:
        store = self.make_store()
        store.put("key", Record(b"", "tag", 0.0))
        assert store.get("key") == Record(b"", "tag", 0.0)
        store.close()

    def test_many_threads_see_whole_records(self) -> None:
        store = self.make_store()

        def work(number: int) -> bool:
            for turn in range(20):
                store.put(f"key{number % 3}", Record(bytes([turn]) * 4000, "tag", 1.0))
                found = store.get(f"key{(number + turn) % 3}")
                if found is not None and len(set(found.data)) != 1:
                    return False
            return True

        with ThreadPoolExecutor(6) as threads:
            assert all(threads.map(work, range(6)))
        store.close()

    def test_a_closed_store_misses(self) -> None:
        store = self.make_store()
        store.put("key", Record(b"bytes", "tag", 1.0))
        store.close()
        assert store.get("key") is None

    def test_what_is_deleted_or_was_never_there_can_be_put_again(self) -> None:
        store = self.make_store()
        for turn in range(3):
            store.put("key", Record(b"%d" % turn, "tag", 1.0))
            assert store.get("key") == Record(b"%d" % turn, "tag", 1.0)
            store.delete("key")
            assert not store.contains("key")
        store.close()

    def test_statistics_count_records_and_bytes(self) -> None:
        store = self.make_store()
        for number in range(3):
            store.put(f"key{number}", Record(bytes(5000), "tag", 1.0))
        found = store.statistics()
        assert found.records == 3
        assert found.bytes >= 15_000
        assert (found.damaged, found.write_failures) == (0, 0)
        store.close()

    def test_leases_are_the_same_each_time(self) -> None:
        store = self.make_store()
        assert store.leases() is store.leases()
        store.close()

    def test_what_opens_it_elsewhere_crosses_to_other_processes(self) -> None:
        """By pickling. The records that the other one puts are found here."""
        store = self.make_store()
        opener = store.reopener()
        assert (opener is not None) == self.opens_elsewhere
        if opener is not None:
            elsewhere = pickle.loads(pickle.dumps(opener))()  # noqa: S301 - what was pickled just now
            elsewhere.put("key", Record(b"bytes", "tag", 1.0))
            elsewhere.close()
            assert store.get("key") == Record(b"bytes", "tag", 1.0)
        store.close()


class LeaseContract:
    """What leases must do. A subclass named `Test…` says in `make_leases` how to get those of two processes."""

    @abstractmethod
    def make_leases(self) -> tuple[Leases, Leases]:
        """Leases on the same store, as one process has them and as another has them."""

    def test_one_process_has_a_lease(self) -> None:
        ours, theirs = self.make_leases()
        held = ours.try_acquire("key")
        assert held is not None
        assert theirs.try_acquire("key") is None
        assert theirs.try_acquire("another key") is not None
        held.release()
        assert theirs.try_acquire("key") is not None

    def test_a_process_does_not_exclude_itself(self) -> None:
        ours, theirs = self.make_leases()
        held = [ours.try_acquire("key") for _ in range(3)]
        assert None not in held
        for lease in held[:2]:
            assert lease is not None
            lease.release()
        assert theirs.try_acquire("key") is None, "the third is still held"

    def test_a_lease_is_released_once(self) -> None:
        ours, theirs = self.make_leases()
        first, second = ours.try_acquire("key"), ours.try_acquire("key")
        assert first is not None
        assert second is not None
        first.release()
        first.release()
        assert theirs.try_acquire("key") is None
        second.release()
        assert theirs.try_acquire("key") is not None

    def test_a_mark_is_another_one_once_a_lease_was_released(self) -> None:
        ours, theirs = self.make_leases()
        before = theirs.mark("key")
        held = ours.try_acquire("key")
        assert held is not None
        held.release()
        after = theirs.mark("key")
        assert after != before

    def test_a_mark_is_another_one_once_a_record_was_made_without_a_lease(self) -> None:
        ours, theirs = self.make_leases()
        before = theirs.mark("key")
        ours.advance("key")
        assert theirs.mark("key") != before

    def test_who_waits_is_told_when_it_is_free(self) -> None:
        ours, theirs = self.make_leases()
        held = ours.try_acquire("key")
        assert held is not None
        told = _Told()
        theirs.wait("key", told, PATIENCE_S)
        assert not told.event.wait(0.1)
        held.release()
        assert told.event.wait(PATIENCE_S)
        assert told.answers == [True]

    def test_who_waits_for_what_is_free_is_told_soon(self) -> None:
        _, theirs = self.make_leases()
        told = _Told()
        theirs.wait("key", told, PATIENCE_S)
        assert told.event.wait(PATIENCE_S / 2)
        assert told.answers == [True]

    def test_who_has_waited_long_enough_is_told_once(self) -> None:
        ours, theirs = self.make_leases()
        held = ours.try_acquire("key")
        assert held is not None
        told = _Told()
        theirs.wait("key", told, 0.1)
        assert told.event.wait(PATIENCE_S)
        held.release()
        time.sleep(0.2)
        assert told.answers == [False]

    def test_of_many_threads_of_two_processes_only_those_of_one_get_it(self) -> None:
        both = self.make_leases()
        with ThreadPoolExecutor(8) as threads:
            got = list(threads.map(lambda number: both[number % 2].try_acquire("key") is not None, range(40)))
        assert sorted([any(got[::2]), any(got[1::2])]) == [False, True]


class _Told:
    def __init__(self) -> None:
        self.answers: list[bool] = []
        self.event = threading.Event()

    def __call__(self, is_free: bool) -> None:
        self.answers.append(is_free)
        self.event.set()


class SlowStore(TileStore):
    """A store in front of another, each call of which takes `delay_s` seconds longer, or until `release` is called.

    Thread-safe.
    """

    def __init__(self, store: TileStore, delay_s: float = 0.0) -> None:
        self._store = store
        self._delay_s = delay_s
        self._is_free = threading.Event()
        self._is_free.set()
        self._called = threading.Condition()
        self._waiting: list[str] = []

    def block(self) -> None:
        """From now on each call waits until `release`."""
        self._is_free.clear()

    def release(self) -> None:
        """Let all calls go on, those that wait and those that come."""
        self._is_free.set()

    def wait_called(self, name: str, timeout_s: float = PATIENCE_S) -> bool:
        """Wait until a call of a method, such as "put", is held up; False if none is within `timeout_s`."""
        with self._called:
            return self._called.wait_for(lambda: name in self._waiting, timeout_s)

    def get(self, key: str) -> Record | None:
        return self._later("get", lambda: self._store.get(key))

    def put(self, key: str, record: Record) -> None:
        self._later("put", lambda: self._store.put(key, record))

    def contains(self, key: str) -> bool:
        return self._later("contains", lambda: self._store.contains(key))

    def delete(self, key: str) -> None:
        self._later("delete", lambda: self._store.delete(key))

    def purge(self, tag: str) -> int:
        return self._later("purge", lambda: self._store.purge(tag))

    def statistics(self) -> StoreStatistics:
        return self._later("statistics", self._store.statistics)

    def leases(self) -> Leases | None:
        """Those of the store behind, as fast as they are."""
        return self._store.leases()

    def close(self) -> None:
        self._later("close", self._store.close)

    def _later(self, name: str, call: Callable[[], _T]) -> _T:
        with self._called:
            self._waiting.append(name)
            self._called.notify_all()
        try:
            time.sleep(self._delay_s)
            self._is_free.wait()
        finally:
            with self._called:
                self._waiting.remove(name)
        return call()


class FailingStore(TileStore):
    """A store in front of another that breaks the rule: its calls raise `error`, while `is_failing`."""

    def __init__(self, store: TileStore, error: Exception, *, only: Callable[[str], bool] = lambda _: True) -> None:
        """only: of the keys and tags of which calls raise; all unless told."""
        self._store = store
        self._error = error
        self._only = only
        self.is_failing = True

    def get(self, key: str) -> Record | None:
        self._fail(key)
        return self._store.get(key)

    def put(self, key: str, record: Record) -> None:
        self._fail(key)
        self._store.put(key, record)

    def contains(self, key: str) -> bool:
        self._fail(key)
        return self._store.contains(key)

    def delete(self, key: str) -> None:
        self._fail(key)
        self._store.delete(key)

    def purge(self, tag: str) -> int:
        self._fail(tag)
        return self._store.purge(tag)

    def statistics(self) -> StoreStatistics:
        self._fail("statistics")
        return self._store.statistics()

    def leases(self) -> Leases | None:
        """Those of the store behind, which do not fail."""
        return self._store.leases()

    def close(self) -> None:
        self._fail("close")
        self._store.close()

    def _fail(self, name: str) -> None:
        if self.is_failing and self._only(name):
            raise self._error
