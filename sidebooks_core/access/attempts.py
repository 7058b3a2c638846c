"""Bounds how fast passwords can be tried. Counted in the database, so that several processes share the counts.

Failures are counted of a name from a network (PAIR), of a name from everywhere (NAME), of a name from networks that have hardly
tried it (NEWCOMERS), and of a network (ADDRESS). Which of them bind an attempt depends on where it comes from:

- A network, or a browser, from which the name has logged in before: PAIR alone. Strangers who fail on purpose from elsewhere do
  not keep the owner out, and a browser with its cookie is not even kept out by them from the same network.
- A network that has failed with the name fewer than three times: PAIR, ADDRESS and NEWCOMERS. So the owner gets in from a new
  network while some dozens of addresses try the name. What a botnet gains by new addresses is bounded by NEWCOMERS.
- Any other: PAIR, ADDRESS and NAME.

An attempt that comes too early counts as a failure of its network, which then waits longer: trying without pause gains nothing.
A password that is right while one must wait is not looked at. ADDRESS is mild, so that a town hall, which may have one address,
can mistype many times.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.access.networks import network_of
from sidebooks_core.databases.database import Writing

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
NEWCOMERS = Rule(free=100, longest_s=60.0)
ADDRESS = Rule(free=50, longest_s=900.0)
NEW_BELOW = 3
"""A network that has failed with a name less often than this is new to it."""
KNOWN_S = 180 * 86_400.0
"""A network or a browser stays known so long after the last login from there."""
COUNTED_EVERY_S = 1.0
"""Of attempts that come too early, one is counted in this time: a flood must not keep the disk busy."""


class Origin(Struct, frozen=True):
    """Who tries to log in, and from where."""

    name: str
    """Folded."""
    address: str
    device: str = ""
    """A secret of the browser; empty: it has none, or nobody gave it one."""

    def network(self) -> str:
        return network_of(self.address)


class _Attempt(Struct, frozen=True, array_like=True):
    failures: int
    last_s: float


def begin(writing: Writing, origin: Origin, now_s: float) -> float:
    """Count an attempt as failed, before the password is looked at: many at once gain nothing.

    Returns how many seconds it is too early. 0: the password may be looked at.
    """
    subjects = _subjects(writing, origin, now_s)
    found = [(subject, rule, _attempt(writing, subject, now_s)) for subject, rule in subjects]
    wait_s = max(_wait_s(rule, attempt, now_s) for _, rule, attempt in found)
    if wait_s > 0:
        _count_refused(writing, origin, found, now_s)
        return wait_s
    for subject, _, attempt in found:
        writing.run("INSERT OR REPLACE INTO attempt VALUES (?, ?, ?)", subject, attempt.failures + 1, now_s)
    return 0.0


def succeed(writing: Writing, origin: Origin, now_s: float, device: str) -> None:
    """The password was right: forget the failures of the name from here, and this attempt elsewhere; remember the place.

    device: the secret that the browser has from now on; empty if it has none.
    """
    pair, *others = [subject for subject, _ in _subjects(writing, origin, now_s)]
    writing.run("DELETE FROM attempt WHERE subject = ?", pair)
    for subject in others:
        writing.run("UPDATE attempt SET failures = failures - 1 WHERE subject = ? AND failures > 0", subject)
    for place in _places(replace(origin, device=device)):
        writing.run("INSERT OR REPLACE INTO known_place VALUES (?, ?)", place, now_s)


def forget_old(writing: Writing, now_s: float) -> None:
    writing.run("DELETE FROM attempt WHERE last_s NOT BETWEEN ? AND ?", now_s - FORGOTTEN_S, now_s + FORGOTTEN_S)
    writing.run("DELETE FROM known_place WHERE last_s < ?", now_s - KNOWN_S)


def _subjects(writing: Writing, origin: Origin, now_s: float) -> list[tuple[str, Rule]]:
    """What is counted of an attempt, and by which rules; the pair comes first."""
    network, device = _places(origin)[0], _places(origin)[-1]
    if origin.device and _is_known(writing, device, now_s):
        return [(_digest("pair of a device", origin.name, origin.device), PAIR)]
    pair = _pair(origin)
    if _is_known(writing, network, now_s):
        return [(pair, PAIR)]
    is_new = _attempt(writing, pair, now_s).failures < NEW_BELOW
    of_name = (_digest("newcomers", origin.name), NEWCOMERS) if is_new else (_digest("name", origin.name), NAME)
    return [(pair, PAIR), of_name, (_digest("address", origin.network()), ADDRESS)]


def _pair(origin: Origin) -> str:
    return _digest("pair", origin.name, origin.network())


def _places(origin: Origin) -> list[str]:
    """From where somebody comes: their network, and their browser if it has a secret."""
    network = _digest("network", origin.name, origin.network())
    return [network, _digest("device", origin.name, origin.device)] if origin.device else [network]


def _digest(*parts: str) -> str:
    """Some type their password in the place of their name, so names are not stored."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def _is_known(writing: Writing, place: str, now_s: float) -> bool:
    last_s = writing.one(float, "SELECT last_s FROM known_place WHERE subject = ?", place)
    return last_s is not None and now_s - last_s <= KNOWN_S


def _count_refused(writing: Writing, origin: Origin, found: list[tuple[str, Rule, _Attempt]], now_s: float) -> None:
    """An attempt that came too early costs its network, unless that is known."""
    address = _digest("address", origin.network())
    for subject, _, attempt in found:
        if subject == address and not 0 <= now_s - attempt.last_s < COUNTED_EVERY_S:
            writing.run("INSERT OR REPLACE INTO attempt VALUES (?, ?, ?)", subject, attempt.failures + 1, now_s)


def _attempt(writing: Writing, subject: str, now_s: float) -> _Attempt:
    found = writing.one(_Attempt, "SELECT failures, last_s FROM attempt WHERE subject = ?", subject)
    if found is None or now_s - found.last_s > FORGOTTEN_S:
        return _Attempt(0, now_s)
    return found


def _wait_s(rule: Rule, attempt: _Attempt, now_s: float) -> float:
    """How long to wait from now. A clock that was set back makes nobody wait longer than the delay."""
    delay_s = rule.delay_s(attempt.failures)
    return max(0.0, min(delay_s, attempt.last_s + delay_s - now_s))
