"""A meeting about one document, those who follow it, and what its presenter shows."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.meeting.followers import Follower, Place, Screens
from benchmarks.meeting.redis_server import redis_server
from benchmarks.meeting.serving import server_process

JOIN_WITHIN_S = 10.0
"""At most; ten a second if there are few."""
PREPARED_WITHIN_S = 600.0
PROXY = ("--trust-proxy", "127.0.0.1", "--group-role", "clerks=admin", "--group-role", "members=member")
"""Who asks is said by a header, as a proxy does that logs people in."""
CHAIR = {"X-Remote-User": "chair", "X-Remote-Groups": "clerks", "Content-Type": "application/json"}


@contextmanager
def meeting_of(path: Path, processes: int) -> Iterator[Place]:
    """A server with a meeting about one document, in which everybody may be."""
    with tempfile.TemporaryDirectory(prefix="sidebooks-meeting-") as folder:
        options = ["--data", f"{folder}/data", *PROXY]
        with ExitStack() as stack:
            if processes > 1:
                hub = stack.enter_context(redis_server(Path(folder)))
                options += ["--hub", hub, "--processes", str(processes)]
            yield _begun(*stack.enter_context(server_process([path], f"{folder}/cache", *options)))


def _begun(address: str, pid: int) -> Place:
    [paper] = ask(address, "GET", "folders/top")["papers"]
    meeting = ask(address, "POST", f"papers/{paper['id']}/meetings", {"name": "第1回定例会"})
    document = _prepared(address, paper["id"])["document"]
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    return Place(
        host=host,
        port=int(port),
        meeting=meeting["id"],
        documents={paper["id"]: (document["id"], document["page_count"])},
        address=address,
        pid=pid,
    )


def _prepared(address: str, paper: str) -> Any:
    """A paper, when its previews are there: it was registered days before."""
    until_s = time.monotonic() + PREPARED_WITHIN_S
    while True:
        found = ask(address, "GET", f"papers/{paper}")
        if found["document"] and found["progress"]["previews"] >= found["page_count"] > 0:
            return {"document": {"id": found["document"]["id"], "page_count": found["page_count"]}}
        if time.monotonic() > until_s:
            raise RuntimeError(f"the paper is not prepared after {PREPARED_WITHIN_S} s: {found['progress']}")
        time.sleep(0.2)


def ask(address: str, method: str, path: str, body: Any = None) -> Any:
    """What the server answers to the chair."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}{path}", data, CHAIR, method=method)
    with urllib.request.urlopen(request, timeout=120) as reply:
        read = reply.read()
        return json.loads(read) if read else None


@asynccontextmanager
async def crowd_in(place: Place, count: int) -> AsyncIterator[tuple[Follower, list[Follower]]]:
    """The presenter, and so many followers, all with the page on their screens."""
    screens = Screens()
    presenter = Follower(place, "chair", screens)
    presenter.calm = False
    followers = [Follower(place, f"tablet-{number}", screens) for number in range(count)]
    try:
        await presenter.join()
        within_s = min(JOIN_WITHIN_S, count / 10)
        await asyncio.gather(*(_later(one, within_s * number / count) for number, one in enumerate(followers)))
        yield presenter, followers
    finally:
        for one in (presenter, *followers):
            one.close()


async def _later(follower: Follower, wait_s: float) -> None:
    await asyncio.sleep(wait_s)
    await follower.join()


class Show:
    """What the presenter shows, and when it was on the screens."""

    def __init__(self, place: Place, presenter: Follower, followers: Sequence[Follower]) -> None:
        self._presenter = presenter
        self._followers = followers
        [(self.paper, (_, self.page_count))] = place.documents.items()
        self.waits: list[dict[str, float]] = []
        self.sent_s = 0.0
        """When the last page was shown, by `time.time`."""
        self.position = (-1, -1)
        self.late: int = 0
        """Pages that were on a screen only after `PATIENCE_S`, or not at all."""

    async def page(self, page: int) -> None:
        """Show a page, and wait until it is on all screens."""
        for one in self._followers:
            one.paints.clear()
        revision = 1 if self._presenter.state is None else max(1, self._presenter.state["revision"])
        sent_s = self.sent_s = time.time()
        done = await self._presenter.command("show", paper=self.paper, revision=revision, page=page)
        if done["kind"] != "done":
            raise RuntimeError(f"the page cannot be shown: {done}")
        position = self.position = done["epoch"], done["seq"]
        for paint in await asyncio.gather(*(one.painted(position) for one in self._followers)):
            if paint is None:
                self.late += 1
                continue
            preview_s = paint.sharp_s if paint.preview_s is None else min(paint.preview_s, paint.sharp_s)
            self.waits.append(
                {
                    "page": page,
                    "arrived": paint.arrived_s - sent_s,
                    "preview": preview_s - sent_s,
                    "sharp": paint.sharp_s - sent_s,
                }
            )

    async def load_ahead(self, pages: Sequence[int]) -> None:
        """Every tablet fetches pages, at a time of its own."""
        there = [page for page in pages if page <= self.page_count]
        await asyncio.gather(*(one.load_ahead(there) for one in (self._presenter, *self._followers)))


def result_of(show: Show, followers: Sequence[Follower]) -> dict[str, Any]:
    """The waits, what went wrong, and the bytes of messages."""
    return {
        "waits_s": show.waits,
        "late": show.late,
        "failures": [failure for one in followers for failure in one.failures],
        "message_bytes": sum(one.wire.bytes for one in followers if one.wire is not None),
    }
