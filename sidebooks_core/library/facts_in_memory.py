"""Facts that are kept in memory, within a bound of bytes."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress

from msgspec import Struct

OVERHEAD_BYTES = 256
"""What a fact takes in memory besides its bytes."""


class Fact(Struct, frozen=True):
    """Bytes that are known of a document."""

    data: bytes
    document: bytes
    """The name of the document in the file."""
    lasts: bool
    """True if nobody can find the fact out again."""


class FactsInMemory:
    """Facts within a bound of bytes, those that were used last at the end. Not thread-safe."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._passing: OrderedDict[str, Fact] = OrderedDict()
        self._lasting: OrderedDict[str, Fact] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._passing) + len(self._lasting)

    def get(self, key: str) -> Fact | None:
        for facts in (self._passing, self._lasting):
            if key in facts:
                facts.move_to_end(key)
                return facts[key]
        return None

    def put(self, key: str, fact: Fact) -> None:
        self._drop(key)
        if _size(key, fact) > self._most_bytes:
            return
        (self._lasting if fact.lasts else self._passing)[key] = fact
        self.bytes += _size(key, fact)
        while self.bytes > self._most_bytes:
            self._drop(next(iter(self._passing or self._lasting)))

    def all(self) -> list[tuple[str, Fact]]:
        return [*self._passing.items(), *self._lasting.items()]

    def remove(self, key: str, fact: Fact) -> None:
        """Remove a fact, unless the key has another one now."""
        if self.get(key) is fact:
            self._drop(key)

    def forget(self, document: bytes | None, *, lasting: bool) -> list[str]:
        """Remove the facts of a document, or of all (None). Returns their keys."""
        keys = [key for key, fact in self.all() if document in (None, fact.document) and (lasting or not fact.lasts)]
        for key in keys:
            self._drop(key)
        return keys

    def _drop(self, key: str) -> None:
        for facts in (self._passing, self._lasting):
            with suppress(KeyError):
                self.bytes -= _size(key, facts.pop(key))


def _size(key: str, fact: Fact) -> int:
    return len(key) + len(fact.data) + len(fact.document) + OVERHEAD_BYTES
