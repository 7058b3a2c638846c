"""What must be true of a meeting under faults, and whether it was. Pure: it is told what others have seen, with the time.

Times are seconds of the machine's steady clock, which is the same in all processes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Position = tuple[int, int]
"""(epoch, seq)."""


@dataclass(slots=True)
class Judge:
    """Of all that clients and servers say of the state of one meeting."""

    unaware_s: float
    """A client that has an older state than the newest must know it after this."""
    failures: list[str] = field(default_factory=list)
    left_behind: set[tuple[str, Position]] = field(default_factory=set)
    """Clients that were sure of a state that was old, each with that state's position."""
    claims: int = 0
    """Times that a client said whether it is sure."""
    unsure: int = 0
    """Of these, that it was not."""
    worst_unaware_s: float = 0.0
    acknowledged: Position = (-1, -1)
    """The greatest that a server has said is done."""
    _positions: list[Position] = field(default_factory=list)
    """That anybody has seen, sorted."""
    _seen_s: dict[Position, float] = field(default_factory=dict)
    _states: dict[Position, str] = field(default_factory=dict)
    """By position, all that is in the state."""
    _split: set[Position] = field(default_factory=set)
    """At which there were two states; each is told once."""
    _had: dict[str, Position] = field(default_factory=dict)
    """By client, where it was last."""

    def has_state(self, now_s: float, who: str, position: Position, state: str) -> None:
        """A client or a server has this state. state: all of it, as a text."""
        self._know(now_s, position)
        other = self._states.setdefault(position, state)
        if other != state and position not in self._split:
            self._split.add(position)
            self._fail(now_s, f"two states at {position}: {who} has {state}, and somebody had {other}")
        self._moves(now_s, who, position)

    def done(self, now_s: float, position: Position) -> None:
        """A server has acknowledged a command that led there."""
        self._know(now_s, position)
        self.acknowledged = max(self.acknowledged, position)

    def claim(self, now_s: float, who: str, position: Position, *, is_sure: bool) -> None:
        """A client says whether what it has is the newest."""
        self.claims += 1
        self.unsure += not is_sure
        self._moves(now_s, who, position)
        newer_s = self.newer_since_s(position)
        if not is_sure or newer_s is None:
            return
        self.worst_unaware_s = max(self.worst_unaware_s, now_s - newer_s)
        if now_s - newer_s > self.unaware_s and (who, position) not in self.left_behind:
            self.left_behind.add((who, position))
            old_s, newest = now_s - newer_s, self._positions[-1]
            self._fail(now_s, f"{who} is left behind: for {old_s:.1f} s it is sure of {position}, and others have {newest}")

    def newer_since_s(self, position: Position) -> float | None:
        """When somebody first saw a newer state. None: nobody has."""
        at = bisect_right(self._positions, position)
        return self._seen_s[self._positions[at]] if at < len(self._positions) else None

    def seen_s(self, position: Position) -> float:
        """When somebody first saw this state; 0.0 if nobody has."""
        return self._seen_s.get(position, 0.0)

    def final(self, now_s: float, position: Position) -> None:
        """The faults are healed, and this is where the meeting is."""
        if position < self.acknowledged:
            self._fail(now_s, f"a command that led to {self.acknowledged} was acknowledged, and the meeting is at {position}")
        if self._positions and position < self._positions[-1]:
            self._fail(now_s, f"somebody saw {self._positions[-1]}, and the meeting is at {position}")

    def _moves(self, now_s: float, who: str, position: Position) -> None:
        had = self._had.get(who, position)
        if position < had:
            self._fail(now_s, f"{who} went back from {had} to {position}")
        self._had[who] = max(position, had)

    def _know(self, now_s: float, position: Position) -> None:
        if position not in self._seen_s:
            self._positions.insert(bisect_left(self._positions, position), position)
            self._seen_s[position] = now_s
        self._seen_s[position] = min(now_s, self._seen_s[position])

    def _fail(self, now_s: float, what: str) -> None:
        self.failures.append(f"at {now_s:.1f} s: {what}")


@dataclass(slots=True)
class VoteBook:
    """Who tried to vote for what, and was told that it is done."""

    tried: dict[int, dict[str, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    """By the number of the vote and the participant: their choices."""
    acknowledged: dict[int, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    checked: Counter[str] = field(default_factory=Counter)
    """Votes that were looked at, by their stage."""
    casts: int = 0
    """Acknowledged ones in confirmed votes."""

    def faults(self, details: Mapping[str, Any]) -> Iterable[str]:
        """What is wrong with a vote, as a server tells it (`VoteDetails`). One that is not confirmed is void, or goes on."""
        number, stage = details["number"], details["stage"]
        self.checked[stage] += 1
        if stage != "confirmed":
            return
        rows = {one["participant"]: one for one in details["voters"]}
        counted = Counter(one["choice"] for one in rows.values() if one["has_voted"])
        for participant, choice in self.acknowledged[number].items():
            self.casts += 1
            found = rows.get(participant, {}).get("choice")
            if found != choice:
                yield f"vote {number}: {participant} was told that {choice} is cast, and {found} is counted"
        for participant, row in rows.items():
            if row["has_voted"] and row["choice"] not in self.tried[number][participant]:
                yield f"vote {number}: {row['choice']} of {participant} is counted, who never voted so"
        outcome = details["outcome"]
        if outcome is None or (outcome["yes"], outcome["no"]) != (counted["yes"], counted["no"]):
            yield f"vote {number}: the outcome is {outcome}, and the roll has {dict(counted)}"
