"""A meeting for a soak: its servers, its hub, its clients, and one round of faults after the other."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.meeting.crowd import Crowd, Seat
from benchmarks.meeting.faults import Scene, chaos
from benchmarks.meeting.relay import Relay
from benchmarks.meeting.town import REDIS, Child, House, Redis, Server, cookie_of, free_port, make_house
from benchmarks.meeting.witness import Witness
from sidebooks_core.meeting.client import CONNECT_WITHIN_S, LONGEST_WAIT_S, MISSED_PINGS
from sidebooks_core.meeting.state import State
from sidebooks_core.server.live.meetings_here import PING_S

HUB_SILENCE_S = 3.0
"""`redis_hub.SILENCE_S`, which needs the extra `hub`."""
BUSY_S = 5.0
"""Of a machine whose few processors all these processes share."""
UNAWARE_S = HUB_SILENCE_S + (MISSED_PINGS + 1) * PING_S + BUSY_S
"""A server without its hub knows that after the first. A client is sure of no ping that may be older than the second."""
CONVERGED_S = MISSED_PINGS * PING_S + CONNECT_WITHIN_S + LONGEST_WAIT_S + CONNECT_WITHIN_S + PING_S + BUSY_S
"""After all faults have healed: the watchdog of a dead connection, the longest pause, a new connection, and its first ping."""
LOOK_EVERY_S = 0.5
RUSH_EVERY_S = 6.0
HEADINGS = 120
"""Of the agenda: with each other presenter, a network that takes little has 12 KB of details to carry."""


class Run:
    """One meeting and all that belongs to it."""

    def __init__(self, folder: Path, witness: Witness, clients: int, crowds: int, seed: int) -> None:
        self.witness = witness
        self.chance = random.Random(seed)
        self.folder = folder
        self._clients = clients
        self._crowd_count = crowds
        self.redis = None
        if REDIS is not None:
            self.redis = Redis("redis", free_port(), folder / "redis.log", folder=folder)
        self.servers = [
            Server(name, free_port(), folder / f"server-{name}.log", folder=folder)
            for name in ("a", "b")[: 1 if REDIS is None else 2]
        ]
        self.scene: Scene
        self.house: House
        self.meeting = ""
        self.children: list[Child] = [*self.servers, *([] if self.redis is None else [self.redis])]

    async def begin(self, stack: AsyncExitStack) -> None:
        """Everything is running and everybody is in the meeting when this returns."""
        names = [f"person-{number}" for number in range(max(3, self._clients - 2))]  # two of them have two devices each
        self.house = await asyncio.to_thread(make_house, self.folder / "data", names)
        stack.callback(self._kill_all)
        hub_relays = []
        if (redis := self.redis) is not None:
            redis.start()
            await redis.until_ready()
            for server in self.servers:
                hub_relays.append(await stack.enter_async_context(Relay(lambda: redis.port)))
                server.hub_url = f"redis://127.0.0.1:{hub_relays[-1].port}/0"
        for server in self.servers:
            server.start()
            await server.until_ready()
        chair, first = self.house.tokens[names[0]], self.servers[0]
        begun = await asyncio.to_thread(first.ask, chair, f"/folders/{self.house.folder}/meetings", {})
        self.meeting = begun["id"]
        headings = [{"name": f"議案第{number}号 令和8年度一般会計補正予算"} for number in range(1, HEADINGS + 1)]
        commands: list[dict[str, Any]] = [{"kind": "set_taking", "role": "viewer"}, {"kind": "set_agenda", "items": headings}]
        for count, command in enumerate(commands):
            setup = {"id": "setup", "client": "setup", "count": count, "epoch": 1, **command}
            await asyncio.to_thread(first.ask, chair, f"/meetings/{self.meeting}/messages?client=setup", setup)
        relays = [await stack.enter_async_context(Relay(self._some_port)) for _ in range(self._clients)]
        seats = [
            Seat(
                f"{names[number % len(names)]}/{number}",
                f"http://127.0.0.1:{relay.port}",
                cookie_of(relay.port, self.house.tokens[names[number % len(names)]]),
                is_chair=number == 0,
            )
            for number, relay in enumerate(relays)
        ]
        crowds = [await self._crowd(stack, seats[number :: self._crowd_count]) for number in range(self._crowd_count)]
        self.scene = Scene(
            servers=self.servers,
            redis=self.redis,
            hub_relays=hub_relays,
            relays=relays,
            crowds=crowds,
            chance=self.chance,
            note=lambda what, whom: self.witness.note("fault", fault=what, whom=whom),
        )
        await self._until(lambda: len(self.witness.participants) == self._clients, "everybody has come")
        people = {participant: {"id": participant, "name": name} for name, participant in self.witness.participants.items()}
        self.say(f"people {json.dumps(list(people.values()))}")
        stack.push_async_callback(_stopped, asyncio.create_task(self._look_after()))

    async def round(self, seconds: float) -> None:
        """Faults for a while, and then one state for everybody."""
        scene, witness = self.scene, self.witness
        scene.loses_data = scene.breaks_votes = False
        if self.redis is not None:
            await asyncio.to_thread(self.redis.keep_copy)
        self.say("talk")
        self.say("vote")
        rushing = asyncio.create_task(self._rush())
        await chaos(scene, seconds)
        await _stopped(rushing)
        self.say("hush")
        for child in self.children:
            await child.until_ready()
        witness.note("healed")
        await self._converge(time.monotonic())
        witness.checks += 1

    async def _rush(self) -> None:
        """Again and again, let all who can take the presentation at once, by both servers: only one of them may have it."""
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / RUSH_EVERY_S))
            self.say("rush")

    def say(self, word: str) -> None:
        """To all processes of clients."""
        for crowd in self.scene.crowds:
            assert crowd.stdin is not None
            crowd.stdin.write(f"{word}\n".encode())

    async def _converge(self, healed_s: float) -> None:
        witness = self.witness
        told: list[State | None] = []
        try:
            async with asyncio.timeout(CONVERGED_S):
                while True:
                    told = [await self._told_by(server) for server in self.servers]
                    state = told[0]
                    is_one = state is not None and all(one == state for one in told) and not +witness.waiting
                    if is_one and state is not None and all(self._is_at(who, state) for who in witness.participants):
                        break
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            behind = {who: where for who, where in witness.at.items() if told[0] is None or where[0] != told[0].position}
            witness.fail(
                f"{CONVERGED_S:.0f} s after all faults had healed there is not one state: servers {told}, others {behind}, "
                f"unsure {[who for who, where in witness.at.items() if not where[2]]}, "
                f"without an answer {dict(+witness.waiting)}"
            )
            return
        since_s = max(healed_s, witness.judge.seen_s(state.position))
        for who in witness.participants:
            witness.present_after_s.append(max(0.0, witness.at[who][1] - since_s))
            witness.sure_after_s.append(max(0.0, witness.sure_s[who] - since_s))
        witness.judge.final(time.monotonic(), state.position)
        self._check_calls(state)
        await self._check_votes()

    def _is_at(self, who: str, state: State) -> bool:
        position, _, is_sure = self.witness.at[who]
        return position == state.position and is_sure

    def _check_calls(self, state: State) -> None:
        """How often everybody was called is in the state, so that a call that is lost or done twice shows."""
        witness, least = self.witness, self.witness.called + self.witness.calls["done"]
        most = witness.called + witness.calls["tried"]
        if not least <= state.called <= most:
            witness.taken_back += self.scene.loses_data
            if not self.scene.loses_data or state.called > most:
                witness.fail(f"everybody was called {least} to {most} times, and the state says {state.called}")
        witness.called = state.called
        witness.calls.clear()

    async def _check_votes(self) -> None:
        witness, chair = self.witness, self.house.tokens["person-0"]
        path = f"/meetings/{self.meeting}/votes"
        for shown in (await asyncio.to_thread(self.servers[0].ask, chair, path))["votes"][witness.votes_seen :]:
            if shown["stage"] in ("open", "closed"):
                break
            witness.votes_seen += 1
            if shown["stage"] == "broken off" and not self.scene.breaks_votes:
                witness.fail(f"vote {shown['number']} was broken off, and no hub was lost")
            details = await asyncio.to_thread(self.servers[-1].ask, chair, f"{path}/{shown['number']}")
            for fault in witness.book.faults(details):
                witness.fail(fault)

    async def _told_by(self, server: Server) -> State | None:
        chair, asking = self.house.tokens["person-0"], {"kind": "ask", "what": "state"}
        with suppress(OSError):
            told = await asyncio.to_thread(server.ask, chair, f"/meetings/{self.meeting}/messages?client=check", asking)
            state = msgspec.convert(told["answers"][0], State)
            text = msgspec.json.encode(state, order="deterministic").decode()
            self.witness.judge.has_state(time.monotonic(), f"server {server.name}", state.position, text)
            return state
        return None

    def _kill_all(self) -> None:
        for child in self.children:
            child.kill()

    def _some_port(self) -> int:
        return self.chance.choice(self.servers).port

    async def _crowd(self, stack: AsyncExitStack, seats: list[Seat]) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        with (self.folder / "crowd.log").open("ab") as log:
            command = [sys.executable, "-m", "benchmarks.meeting.crowd"]
            process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=log, limit=1 << 20)
        assert process.stdin is not None
        crowd = Crowd(self.meeting, self.house.papers, seats, self.chance.random())
        process.stdin.write(msgspec.json.encode(crowd) + b"\n")
        stack.push_async_callback(_ended, process, asyncio.create_task(self._listen(process)))
        return process

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self.witness.hear(json.loads(line))

    async def _look_after(self) -> None:
        """Start anew who died, and weigh the servers."""
        said_s = time.monotonic()
        while True:
            await asyncio.sleep(1)
            now_s = time.monotonic()
            for child in self.children:
                child.look()
                await child.find_ready()
                for group in child.orphans(now_s):
                    self.witness.fail(f"{child.name} was killed, and processes of its group {group} go on")
                while child.died:
                    self.witness.fail(child.died.pop())
            for server in self.servers:
                server.weigh(now_s)
            if now_s - said_s > 60:
                said_s = now_s
                faults, done = self.scene.faults.total(), self.witness.done.total()
                print(f"{self.witness.checks} checks, {faults} faults, {done} commands done", flush=True)

    async def _until(self, is_so: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(2 * CONVERGED_S):
                while not is_so():
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            raise RuntimeError(f"it is not so that {what}: see {self.folder}") from None


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _ended(process: asyncio.subprocess.Process, listening: Awaitable[None]) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    await listening
