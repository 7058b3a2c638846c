"""Suites of tests for what embedders may supply. Subclass, give the thing under test, and let pytest collect it."""

from __future__ import annotations

from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sidebooks_core.caching.record import Record


class StoreContract:
    """What every tile store must do. A subclass named `Test…` says in `make_store` how to get an empty one."""

    @abstractmethod
    def make_store(self) -> Any:
        """An empty store that holds at least 256 KiB."""

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
