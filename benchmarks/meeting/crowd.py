"""Some clients of a meeting in a process of their own, which can be suspended as a tablet is that sleeps.

    python -m benchmarks.meeting.crowd

The first line that it reads is a `Crowd` in JSON. Then come words: `talk`, `hush`, `people`, `rush`, `vote`, `end`. It writes
one JSON object for each thing that befalls a client; `what` says what it is. Times are seconds of the machine's steady clock.

The clients are `MeetingClient`s, over WebSockets. The library has no Python client for the other way, a stream and requests.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import sys
import time
import traceback
from contextlib import AsyncExitStack
from typing import Any

import msgspec
from msgspec import Struct

from sidebooks_core.meeting import commands
from sidebooks_core.meeting.client import MeetingClient
from sidebooks_core.meeting.messages import Done
from sidebooks_core.meeting.state import Details, State

SAMPLE_EVERY_S = 0.25
TELLS_EVERY_S = 0.4
"""The presenter says something so often, in the mean."""
TRIES_EVERY_S = 10.0
"""So often does everybody else."""
VOTE_LASTS_S = (3.0, 20.0)
PAGES = 500
CHOICES = ("yes", "no", "abstain")


class Seat(Struct, frozen=True):
    """One client that is to be."""

    name: str
    url: str
    """Of its relay."""
    cookie: str
    is_chair: bool = False


class Crowd(Struct, frozen=True):
    """What a process needs to know."""

    meeting: str
    papers: list[str]
    seats: list[Seat]
    seed: float


class Voter(Struct, frozen=True):
    """Somebody of the roll."""

    id: str
    name: str


def tell(what: str, **more: Any) -> None:
    """One line, with the time."""
    sys.stdout.write(json.dumps({"what": what, "t": time.monotonic(), **more}, ensure_ascii=False) + "\n")
    sys.stdout.flush()


class Guest:
    """One client, and what it does."""

    def __init__(self, seat: Seat, crowd: Crowd, talking: asyncio.Event, chance: random.Random) -> None:
        self.seat = seat
        self.client = MeetingClient(seat.url, crowd.meeting, headers={"Cookie": seat.cookie})
        self.people: list[Voter] = []
        """Of the whole meeting, as far as they were told to the chair."""
        self.has_vote = asyncio.Event()
        self._papers = crowd.papers
        self._talking = talking
        self._chance = chance
        self._cast: set[int] = set()

    async def watch(self) -> None:
        """Say which states arrive."""
        is_first = True
        async for state in self.client.states():
            if is_first:
                tell("joined", who=self.seat.name, participant=self.client.participant, is_chair=self.seat.is_chair)
            is_first = False
            tell("state", who=self.seat.name, position=state.position, called=state.called, state=_text(state))
        raise RuntimeError("the meeting is over for this client")

    async def act(self) -> None:
        """Give commands, as long as it is talked."""
        while True:
            await self._talking.wait()
            state, details = self.client.state, self.client.details
            is_presenter = state is not None and state.presenter == self.client.participant
            await asyncio.sleep(self._chance.expovariate(1 / (TELLS_EVERY_S if is_presenter else TRIES_EVERY_S)))
            if not self._talking.is_set() or state is None or details is None:
                continue
            kind, fields = self._chosen(state, is_presenter=is_presenter)
            await self.do(kind, **fields)

    async def vote(self) -> None:
        """Vote once in each vote that is open."""
        async for _ in self.client.states():
            open_one = _last_vote(self.client.details)
            if open_one is not None and open_one.stage == "open" and open_one.number not in self._cast:
                self._cast.add(open_one.number)
                if self._chance.random() < 0.8:
                    await self.do(commands.Cast, vote=open_one.number, choice=self._chance.choice(CHOICES))

    async def preside(self) -> None:
        """Open a vote when told so, close it, and confirm it."""
        while True:
            await self.has_vote.wait()
            self.has_vote.clear()
            tell("presides", who=self.seat.name)
            roll: dict[str, Any] = {
                "voters": [msgspec.to_builtins(one) for one in self.people],
                "present": [one.id for one in self.people],
                "chair": self.client.participant,
            }
            rule: dict[str, Any] = {"rule": "absolute", "ballot": "named", "seats": len(self.people), "title": "議案"}
            await self.do(commands.OpenVote, **rule, **roll)
            await asyncio.sleep(self._chance.uniform(*VOTE_LASTS_S))
            open_one = _last_vote(self.client.details)
            if open_one is not None and open_one.stage in ("open", "closed"):
                await self.do(commands.CloseVote, vote=open_one.number)
                await self.do(commands.ConfirmVote, vote=open_one.number)
            tell("presided", who=self.seat.name)

    async def do(self, kind: type[commands.Command], **fields: Any) -> None:
        """Give a command, and say what becomes of it."""
        name, began_s = str(kind.__struct_config__.tag), time.monotonic()
        tell("asked", who=self.seat.name, kind=name, by=self.client.participant, fields=_short(fields))
        answer = await self.client.do(kind, **fields)
        told: dict[str, Any] = {"who": self.seat.name, "kind": name, "by": self.client.participant, "fields": _short(fields)}
        told["waited_s"] = time.monotonic() - began_s
        if isinstance(answer, Done):
            tell("done", position=(answer.epoch, answer.seq), **told)
        else:
            tell("refused", why=answer.why, position=answer.state.position, **told)

    def _chosen(self, state: State, *, is_presenter: bool) -> tuple[type[commands.Command], dict[str, Any]]:
        chance = self._chance
        place = {"page": chance.randint(1, PAGES)}
        ways: list[tuple[float, type[commands.Command], dict[str, Any]]] = [
            (0.5, commands.Take, {}),
            (0.1, commands.Show, {"paper": state.paper or self._papers[0], "revision": state.revision, **place}),
        ]
        somebody = {"to": chance.choice(self.people).id, "name": "—"} if self.people else None
        if is_presenter:
            ways = [
                (7, commands.Show, {"paper": state.paper or self._papers[0], "revision": state.revision, **place}),
                (1.5, commands.OpenPaper, {"paper": chance.choice(self._papers), "revision": 1, **place}),
                (0.5, commands.CallEverybody, {}),
                (0.5, commands.SetMode, {"mode": chance.choice(("free", "follow"))}),
            ]
            if somebody is not None:
                ways.append((0.5, commands.HandOver, somebody))
        if self.seat.is_chair:
            ways += [(0.5, commands.TakeBack, {}), (0.2, commands.SetMode, {"mode": "locked"})]
            if somebody is not None and somebody["to"] != self.client.participant:
                ways.append((1, commands.GiveRole, {**somebody, "role": chance.choice(("speaker", "viewer"))}))
        [(_, kind, fields)] = chance.choices(ways, [weight for weight, _, _ in ways])
        return kind, fields


def _last_vote(details: Details | None) -> Any:
    return details.votes[-1] if details is not None and details.votes else None


def _short(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in ("voters", "present")}


def _text(state: State) -> str:
    return msgspec.json.encode(state, order="deterministic").decode()


async def _sample(guests: list[Guest]) -> None:
    """Say again and again where each client is, and whether it is sure."""
    while True:
        await asyncio.sleep(SAMPLE_EVERY_S)
        now_s, claims = time.monotonic(), []  # before anybody is asked: a process that is suspended here says nothing too late
        for guest in guests:
            state = guest.client.state
            if state is not None:
                claims.append((guest.seat.name, state.position, guest.client.is_sure))
        tell("sample", at=now_s, claims=claims)


async def _guarded(guest: Guest, work: Any) -> None:
    try:
        await work
    except Exception:  # noqa: BLE001 - whatever ends a client's task is a finding
        tell("ended", who=guest.seat.name, error=traceback.format_exc())


async def attend(crowd: Crowd, told: asyncio.StreamReader) -> None:
    """Until it is told to end."""
    talking, chance = asyncio.Event(), random.Random(crowd.seed)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        guests = [Guest(one, crowd, talking, random.Random(chance.random())) for one in crowd.seats]
        for guest in guests:
            await stack.enter_async_context(guest.client)
        works = [work for guest in guests for work in (guest.watch(), guest.act(), guest.vote())]
        owners = [guest for guest in guests for _ in range(3)]
        running = [tasks.create_task(_guarded(owner, work)) for owner, work in zip(owners, works, strict=True)]
        running += [tasks.create_task(_guarded(one, one.preside())) for one in guests if one.seat.is_chair]
        running.append(tasks.create_task(_sample(guests)))
        while line := await told.readline():
            word, _, rest = line.decode().strip().partition(" ")
            if word == "end":
                break
            if word == "talk":
                talking.set()
            elif word == "hush":
                talking.clear()
            elif word == "people":
                for guest in guests:
                    guest.people = msgspec.json.decode(rest, type=list[Voter])
            elif word == "rush" and talking.is_set():
                for guest in guests:
                    running.append(tasks.create_task(_guarded(guest, guest.do(commands.Take))))
            elif word == "vote":
                for guest in guests:
                    guest.has_vote.set()
        for one in running:
            one.cancel()


async def _run() -> None:
    told = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    await attend(msgspec.json.decode(await told.readline(), type=Crowd), told)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    asyncio.run(_run())
