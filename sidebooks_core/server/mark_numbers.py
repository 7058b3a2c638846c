"""The numbers of changes of marks, as they are told.

They count over all papers: a reader of one paper could see by them how much is written on others. So they are told in another
order, which only the shelf knows.
"""

from __future__ import annotations

import hashlib

_HALF_BITS = 26
_HALF = (1 << _HALF_BITS) - 1
_MOST = (1 << 2 * _HALF_BITS) - 1
"""Every program reads such a number of JSON exactly."""
_ROUNDS = 6


class MarkNumbers:
    """Tells numbers and reads them again. Pure."""

    def __init__(self, key: bytes) -> None:
        """key: of the shelf, the same in all processes and in copies."""
        self._key = key

    def told(self, seq: int) -> int:
        """A number as it is told. 0 stays 0."""
        return self._moved(seq, range(_ROUNDS)) if seq else 0

    def read(self, told: int) -> int:
        """The number that was told; what was never told becomes any number, which the store finds to be none of its own."""
        return self._moved(told, range(_ROUNDS - 1, -1, -1)) if 0 < told <= _MOST else 0

    def _moved(self, number: int, rounds: range) -> int:
        """Back and forth: the two differ in the order of the rounds, and in which half a round changes."""
        found = self._once(number, rounds)
        return found or self._once(0, rounds)  # 0 stands for itself, so what would become 0 becomes what 0 would

    def _once(self, number: int, rounds: range) -> int:
        left, right = number >> _HALF_BITS, number & _HALF
        for one in rounds:
            if one % 2:
                left ^= self._mixed(one, right)
            else:
                right ^= self._mixed(one, left)
        return left << _HALF_BITS | right

    def _mixed(self, number: int, half: int) -> int:
        told = number.to_bytes(1, "big") + half.to_bytes(4, "big")
        return int.from_bytes(hashlib.blake2b(told, key=self._key, digest_size=4).digest(), "big") & _HALF
