"""Clients of a meeting that make trouble while others follow it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.meeting.followers import Follower, Place, Screens

DISTURBANCES = ("nobody", "one never reads", "one loses 20 % of its packets", "ten connect anew each second")
LOSS = 0.2
RESENT_S = 0.2
"""A lost packet is sent again after so long, at least; after each further loss twice as long. Linux has 200 ms at least."""
MOST_RESENT_S = 3.2
PACKET_BYTES = 1460
RECONNECTING = 10


@asynccontextmanager
async def disturbing(name: str, place: Place) -> AsyncIterator[None]:
    """One of `DISTURBANCES`, as long as the block lasts."""
    async with contextlib.AsyncExitStack() as stack:
        if name == "one never reads":
            deaf = Follower(place, "deaf", Screens())
            stack.callback(deaf.close)
            await deaf.join()
            assert deaf.wire is not None
            assert deaf.wire.transport is not None
            deaf.wire.transport.pause_reading()
        elif name == "one loses 20 % of its packets":
            relay = await asyncio.start_server(LossyLine(place.host, place.port).carry, "127.0.0.1", 0)
            await stack.enter_async_context(relay)
            lossy = Follower(place, "lossy", Screens(), port=relay.sockets[0].getsockname()[1])
            stack.callback(lossy.close)
            await lossy.join()
        elif name == "ten connect anew each second":
            tasks = [asyncio.create_task(_reconnect(place, f"restless-{number}")) for number in range(RECONNECTING)]
            stack.push_async_callback(_end, tasks)
        elif name != "nobody":
            raise ValueError(f"there is no disturbance {name}")
        yield


async def _reconnect(place: Place, name: str) -> None:
    """Connect, and leave without a word, each second."""
    await asyncio.sleep(random.random())
    while True:
        follower = Follower(place, name, Screens())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await follower.join()
                    await asyncio.sleep(1.0)
        finally:
            follower.close()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class LossyLine:
    """A relay that is late as a TCP connection is over a line that loses packets: whatever comes later waits, too.

    It holds bytes back instead of losing them: what the kernel would send again is not to be seen from here.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection(*self._server)
        try:
            await asyncio.gather(self._one_way(reader, their_writer), self._one_way(their_reader, writer))
        except OSError:
            pass  # either side has gone: so has the connection
        finally:
            writer.close()
            their_writer.close()

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while packet := await reader.read(PACKET_BYTES):
            resent_s = RESENT_S
            while random.random() < LOSS:
                await asyncio.sleep(resent_s)
                resent_s = min(MOST_RESENT_S, 2 * resent_s)
            writer.write(packet)
            await writer.drain()
        writer.close()
