"""What befalls servers, the hub, connections, clocks and clients in a soak of meetings. Each fault heals itself."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from benchmarks.meeting.relay import BOTH, Relay, Way
from benchmarks.meeting.town import Child, Redis, Server

PAUSE_S = (0.3, 5.0)
"""Between the beginnings of two faults."""
DOWN_S = (0.0, 6.0)
"""How long a process that was killed stays away."""
SUSPENDED_S = (1.0, 40.0)
HUB_AWAY_S = (0.5, 12.0)
"""From all servers: meanwhile nothing can be done, and so nothing found."""
LONGEST_DELAY_S = 1.5
HOUR_S = 3600.0
WAYS: tuple[tuple[Way, ...], ...] = (BOTH, ("up",), ("down",))
OFTEN = (0.9, 0.1)
"""The second server is hit seldom, so that its processes live for long, and its memory can be looked at."""


@dataclass(slots=True)
class Scene:
    """All that faults can befall."""

    servers: Sequence[Server]
    redis: Redis | None
    hub_relays: Sequence[Relay]
    """Between each server and the hub."""
    relays: Sequence[Relay]
    """Before the clients."""
    crowds: Sequence[asyncio.subprocess.Process]
    chance: random.Random
    note: Callable[[str, str], None]
    """Told of each fault: what, and to whom."""
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    """All faults heal now."""
    faults: Counter[str] = field(default_factory=Counter)
    loses_data: bool = False
    """Since it was set to False, somebody lost what nobody else may have."""
    breaks_votes: bool = False
    """Likewise, a hub was started anew."""
    _busy: set[int] = field(default_factory=set)

    async def lasts(self, span_s: tuple[float, float]) -> None:
        """A random time, or until all faults heal."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.chance.uniform(*span_s)):
                await self.is_over.wait()

    def count(self, name: str, whom: str) -> None:
        self.faults[name] += 1
        self.note(name, whom)

    def one_server(self) -> Server | None:
        """One that nothing befalls yet."""
        [found] = self.chance.choices(self.servers, OFTEN[: len(self.servers)])
        return found if self.takes(found) else None

    def takes(self, whom: object) -> bool:
        """Whether a fault may befall somebody; then no other one does, until it `gives` them back."""
        if id(whom) in self._busy:
            return False
        self._busy.add(id(whom))
        return True

    def gives(self, whom: object) -> None:
        self._busy.discard(id(whom))

    def some_relays(self) -> list[Relay]:
        """Of few clients, or of many."""
        return self.chance.sample(list(self.relays), self.chance.choice((1, 1, 2, max(1, len(self.relays) // 2))))


async def chaos(scene: Scene, seconds: float) -> None:
    """Faults at random moments, for a while. When this returns, all of them have healed, but servers may still be starting."""
    scene.is_over.clear()
    ways = [one for one in FAULTS if scene.redis is not None or not one[1].startswith("hub")]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_end(scene, seconds))
        while not scene.is_over.is_set():
            [(_, name, fault)] = scene.chance.choices(ways, [weight for weight, _, _ in ways])
            tasks.create_task(fault(scene, name))
            await scene.lasts(PAUSE_S)
    for relay in (*scene.relays, *scene.hub_relays):
        relay.heal()


async def _end(scene: Scene, seconds: float) -> None:
    await asyncio.sleep(seconds)
    scene.is_over.set()


async def server_killed(scene: Scene, name: str) -> None:
    server = scene.one_server()
    if server is None:
        return
    scene.count(name, server.name)
    scene.loses_data = scene.loses_data or scene.redis is None
    scene.breaks_votes = scene.breaks_votes or scene.redis is None
    server.kill()
    await _starts(scene, server)


async def server_suspended(scene: Scene, name: str) -> None:
    server = scene.one_server()
    if server is not None:
        scene.count(name, server.name)
        await _sleeps(scene, server, SUSPENDED_S)


async def clock_jumps(scene: Scene, name: str) -> None:
    server = scene.chance.choice(scene.servers)
    offset_s = scene.chance.choice((0.0, -1.0, 1.0, 6.0, -6.0)) * HOUR_S + scene.chance.uniform(-60, 60)
    scene.count(name, f"{server.name} to {offset_s:.0f} s")
    server.jump(offset_s)


async def hub_killed(scene: Scene, name: str) -> None:
    """Its data are kept, lost, or those of some time ago."""
    redis = scene.redis
    if redis is None or not scene.takes(redis):
        return
    scene.count(name, redis.name)
    redis.kill()
    scene.breaks_votes = True
    if not name.endswith("kept"):
        scene.loses_data = True
        redis.lose_data(has_old=name.endswith("old"))
    await _starts(scene, redis)


async def hub_suspended(scene: Scene, name: str) -> None:
    redis = scene.redis
    if redis is not None and scene.takes(redis):
        scene.count(name, redis.name)
        await _sleeps(scene, redis, HUB_AWAY_S)


async def hub_half_open(scene: Scene, name: str) -> None:
    which = scene.chance.randrange(len(scene.hub_relays))
    count = scene.hub_relays[which].half_open(scene.chance.choice(WAYS))
    scene.count(name, f"{count} connections of {scene.servers[which].name}")


async def hub_reset(scene: Scene, name: str) -> None:
    which = scene.chance.randrange(len(scene.hub_relays))
    count = scene.hub_relays[which].reset()
    scene.count(name, f"{count} connections of {scene.servers[which].name}")


async def hub_away(scene: Scene, name: str) -> None:
    which = scene.chance.randrange(len(scene.hub_relays))
    relay = scene.hub_relays[which]
    if not scene.takes(relay):
        return
    scene.count(name, scene.servers[which].name)
    relay.hold(scene.chance.choice(WAYS))
    await scene.lasts(SUSPENDED_S)
    relay.heal()
    scene.gives(relay)


async def half_open(scene: Scene, name: str) -> None:
    ways = scene.chance.choice(WAYS)
    count = sum(relay.half_open(ways) for relay in scene.some_relays())
    scene.count(name, f"{count} connections, {' and '.join(ways)}")


async def reset(scene: Scene, name: str) -> None:
    scene.count(name, f"{sum(relay.reset() for relay in scene.some_relays())} connections")


async def away(scene: Scene, name: str) -> None:
    """Nothing passes for a while, and then all that waited does."""
    ways = scene.chance.choice(WAYS)
    await _impaired(scene, name, lambda relay: relay.hold(ways))


async def slow(scene: Scene, name: str) -> None:
    delay_s = scene.chance.uniform(0.05, LONGEST_DELAY_S)

    def impair(relay: Relay) -> None:
        relay.delay_s = delay_s

    await _impaired(scene, name, impair)


async def crumbs(scene: Scene, name: str) -> None:
    def impair(relay: Relay) -> None:
        relay.is_in_crumbs = True

    await _impaired(scene, name, impair)


async def clients_suspended(scene: Scene, name: str) -> None:
    """A whole process with its clients, as tablets that sleep."""
    which = scene.chance.randrange(len(scene.crowds))
    crowd = scene.crowds[which]
    if not scene.takes(crowd):
        return
    scene.count(name, f"process {which}")
    crowd.send_signal(signal.SIGSTOP)
    await scene.lasts(SUSPENDED_S)
    crowd.send_signal(signal.SIGCONT)
    scene.gives(crowd)


async def _starts(scene: Scene, child: Child) -> None:
    await scene.lasts(DOWN_S)
    child.start()
    scene.gives(child)


async def _sleeps(scene: Scene, child: Child, span_s: tuple[float, float]) -> None:
    child.suspend()
    await scene.lasts(span_s)
    child.resume()
    scene.gives(child)


async def _impaired(scene: Scene, name: str, impair: Callable[[Relay], None]) -> None:
    hit = [relay for relay in scene.some_relays() if scene.takes(relay)]
    if not hit:
        return
    scene.count(name, f"{len(hit)} clients")
    for relay in hit:
        impair(relay)
    await scene.lasts(SUSPENDED_S)
    for relay in hit:
        relay.heal()
        scene.gives(relay)


FAULTS: Sequence[tuple[float, str, Callable[[Scene, str], Coroutine[Any, Any, None]]]] = (
    (2, "server killed", server_killed),
    (1, "server suspended", server_suspended),
    (1, "clock of a server jumps", clock_jumps),
    (0.6, "hub killed, its data kept", hub_killed),
    (0.6, "hub killed, its data lost", hub_killed),
    (0.4, "hub killed, its data old", hub_killed),
    (0.7, "hub suspended", hub_suspended),
    (1, "hub's connections half open", hub_half_open),
    (0.7, "hub's connections reset", hub_reset),
    (0.7, "hub out of reach of a server", hub_away),
    (3, "connections half open", half_open),
    (1.5, "connections reset", reset),
    (2, "network away", away),
    (1, "network slow", slow),
    (1, "network in crumbs", crumbs),
    (2, "clients suspended", clients_suspended),
)
"""How often, beside the others."""
