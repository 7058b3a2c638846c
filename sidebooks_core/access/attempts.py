"""Bounds how fast passwords can be tried. Counted in the database, so that several processes share the counts.

Three things are counted: failures of a name from an address, of a name from everywhere, and of an address. The first is strict.
The second is mild, since a stranger who fails on purpose must not lock somebody out. The third lets a town hall, which may have
one address, mistype many times. A password that is right while one must wait is not looked at.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math

from msgspec import Struct

from sidebooks_core.databases.database import Writing
from sidebooks_core.errors import TooManyAttempts

FORGOTTEN_S = 86_400.0
"""Failures are forgotten so long after the last one."""


class Rule(Struct, frozen=True):
    """How many failures cost nothing, and how long one waits after more: it doubles, from a second."""

    free: int
    longest_s: float

    def delay_s(self, failures: int) -> float:
        """The time from the last failure until the next attempt. Pure."""
        beyond = failures - self.free
        return 0.0 if beyond < 0 else min(self.longest_s, 2.0 ** min(beyond, 64))


PAIR = Rule(free=5, longest_s=900.0)
NAME = Rule(free=30, longest_s=60.0)
ADDRESS = Rule(free=50, longest_s=900.0)


class _Attempt(Struct, frozen=True, array_like=True):
    failures: int
    last_s: float


def begin(writing: Writing, name: str, address: str, now_s: float) -> None:
    """Count an attempt as failed, before the password is looked at: many at once gain nothing.

    name: folded. Raises TooManyAttempts if it is too early; then nothing is counted.
    """
    found = [(subject, rule, _attempt(writing, subject, now_s)) for subject, rule in _subjects(name, address)]
    wait_s = max(_wait_s(rule, attempt, now_s) for _, rule, attempt in found)
    if wait_s > 0:
        told_s = math.ceil(wait_s)
        raise TooManyAttempts(f"too many attempts: try again in {told_s} seconds", retry_after_s=float(told_s))
    for subject, _, attempt in found:
        writing.run("INSERT OR REPLACE INTO attempt VALUES (?, ?, ?)", subject, attempt.failures + 1, now_s)


def succeed(writing: Writing, name: str, address: str) -> None:
    """The password was right: forget the failures of the name, and this attempt of the address."""
    (pair, _), (by_name, _), (by_address, _) = _subjects(name, address)
    writing.run("DELETE FROM attempt WHERE subject IN (?, ?)", pair, by_name)
    writing.run("UPDATE attempt SET failures = failures - 1 WHERE subject = ? AND failures > 0", by_address)


def forget_old(writing: Writing, now_s: float) -> None:
    writing.run("DELETE FROM attempt WHERE last_s NOT BETWEEN ? AND ?", now_s - FORGOTTEN_S, now_s + FORGOTTEN_S)


def network_of(address: str) -> str:
    """What counts as one address. In IPv6 one customer has a whole /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _subjects(name: str, address: str) -> list[tuple[str, Rule]]:
    """What is counted. Digests: some type their password in the place of their name."""
    network = network_of(address)
    texts = (("pair", name, network), ("name", name), ("address", network))
    digests = ["\0".join(parts).encode("utf-8", "replace") for parts in texts]
    return [(hashlib.sha256(text).hexdigest(), rule) for text, rule in zip(digests, (PAIR, NAME, ADDRESS), strict=True)]


def _attempt(writing: Writing, subject: str, now_s: float) -> _Attempt:
    found = writing.one(_Attempt, "SELECT failures, last_s FROM attempt WHERE subject = ?", subject)
    if found is None or now_s - found.last_s > FORGOTTEN_S:
        return _Attempt(0, now_s)
    return found


def _wait_s(rule: Rule, attempt: _Attempt, now_s: float) -> float:
    """How long to wait from now. A clock that was set back makes nobody wait longer than the delay."""
    delay_s = rule.delay_s(attempt.failures)
    return max(0.0, min(delay_s, attempt.last_s + delay_s - now_s))
