"""What was seen of a meeting in a soak, as its clients tell it."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TextIO

from benchmarks.meeting.judging import Judge, Position, VoteBook


@dataclass(slots=True)
class Witness:
    """What was seen."""

    log: TextIO
    """An open text file: all that happened, for whoever has to understand a failure."""
    judge: Judge
    book: VoteBook = field(default_factory=VoteBook)
    failures: list[str] = field(default_factory=list)
    participants: dict[str, str] = field(default_factory=dict)
    """By client."""
    waiting: Counter[str] = field(default_factory=Counter)
    """Commands of each client that have no answer yet."""
    asked: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    waits_s: list[float] = field(default_factory=list)
    """For the answer to a command."""
    at: dict[str, tuple[Position, float, bool]] = field(default_factory=dict)
    """By client: where it is, since when, and whether it is sure."""
    sure_s: dict[str, float] = field(default_factory=dict)
    """Since when a client that is sure has been so of its state."""
    present_after_s: list[float] = field(default_factory=list)
    sure_after_s: list[float] = field(default_factory=list)
    checks: int = 0
    taken_back: int = 0
    """Checks at which a hub that had lost its data had taken turns back."""
    called: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    """Since the last check: commands that call everybody, tried and done."""
    votes_seen: int = 0

    def note(self, what: str, **more: Any) -> None:
        self.log.write(json.dumps({"t": time.monotonic(), "what": what, **more}, ensure_ascii=False) + "\n")

    def fail(self, what: str) -> None:
        self.failures.append(f"at {time.monotonic():.1f} s: {what}")
        self.note("FAILURE", why=what)
        print("FAILURE", self.failures[-1], flush=True)

    def hear(self, said: dict[str, Any]) -> None:
        """What a process of clients says."""
        what, now_s, who = said["what"], said["t"], said.get("who", "")
        if what == "sample":
            for name, position, is_sure in said["claims"]:
                self._claims(said["at"], name, (position[0], position[1]), is_sure=is_sure)
            return
        self.log.write(json.dumps(said, ensure_ascii=False) + "\n")
        if what == "joined":
            self.participants[who] = said["participant"]
        elif what == "state":
            self.judge.has_state(now_s, who, tuple(said["position"]), said["state"])
        elif what == "asked":
            self.asked[said["kind"]] += 1
            self.waiting[who] += 1
            self._tries(said)
        elif what in ("done", "refused"):
            self.waiting[who] -= 1
            self.waits_s.append(said["waited_s"])
            self._is_answered(said, is_done=what == "done")
        elif what in ("presides", "presided"):
            self.waiting[who] += 1 if what == "presides" else -1
        elif what == "ended":
            self.fail(f"the client {who} ended: {said['error']}")

    def _claims(self, now_s: float, who: str, position: Position, *, is_sure: bool) -> None:
        self.judge.claim(now_s, who, position, is_sure=is_sure)
        had, since_s, was_sure = self.at.get(who, ((-1, -1), 0.0, False))
        if position != had or is_sure != was_sure:
            self.note("claim", who=who, position=position, is_sure=is_sure)
        if is_sure and (position != had or not was_sure):
            self.sure_s[who] = now_s
        self.at[who] = position, since_s if position == had else now_s, is_sure

    def _tries(self, said: dict[str, Any]) -> None:
        if said["kind"] == "cast":
            self.book.tried[said["fields"]["vote"]][said["by"]].add(said["fields"]["choice"])
        self.calls["tried"] += said["kind"] == "call_everybody"

    def _is_answered(self, said: dict[str, Any], *, is_done: bool) -> None:
        if not is_done:
            self.refused[said["why"]] += 1
            return
        self.done[said["kind"]] += 1
        self.judge.done(said["t"], tuple(said["position"]))
        self.calls["done"] += said["kind"] == "call_everybody"
        if said["kind"] == "cast":
            self.book.acknowledged[said["fields"]["vote"]][said["by"]] = said["fields"]["choice"]
