"""Which version of a mark holds. Pure.

A deleted version wins over all others, so a mark that was deleted never comes back. Else the greatest stamp wins: an edit made
at 14:02 loses to one of 17:00, whenever it arrives. `merged` is the greater one of two in a total order, so versions may come
in any order, and more than once.
"""

from __future__ import annotations

import msgspec

from sidebooks_core.marks.model import Mark, Stamp

_encode = msgspec.json.Encoder(order="deterministic").encode


def rank(mark: Mark) -> tuple[bool, Stamp, bytes]:
    """A version with a greater rank wins. Equal ranks: equal versions.

    A device gives a stamp to one version only. If it gives it to two, the bytes decide, on all devices alike.
    """
    return mark.body is None, mark.stamp, _encode(mark)


def merged(one: Mark, other: Mark) -> Mark:
    """The version that holds of two of the same mark."""
    return max(one, other, key=rank)
