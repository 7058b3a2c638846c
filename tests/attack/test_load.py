"""Many connections, streams and searches at once: the server answers others meanwhile, and recovers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from asgi import ask, ask_async
from attack_server import IS_FULL, Served, documents_of, serving, status_of

import sidebooks_core as sb
from sidebooks_core.documents.model import Matching
from sidebooks_core.errors import QueueFull
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.server import Application, Shelf
from sidebooks_core.server.limits import Quota, ServerLimits
from sidebooks_core.server.searching import Turns
from sidebooks_core.workers.answers import Searched
from sidebooks_core.workers.jobs import Search

pytest.importorskip("uvicorn", reason="needs the extra server")
psutil = pytest.importorskip("psutil")

STREAMS = 1000 if IS_FULL else 200
CONNECTIONS = 3000 if IS_FULL else 600


@pytest.fixture(scope="module")
def served(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(sample, cache_dir=tmp_path_factory.mktemp("cache")) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _enough_descriptors() -> None:
    resource = pytest.importorskip("resource")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def test_many_connections_and_streams(served: Served) -> None:
    with contextlib.ExitStack() as held:
        streams = [held.enter_context(served.connect()) for _ in range(STREAMS)]
        for one in streams:
            one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert [status_of(one.recv(4096)) for one in streams].count(200) == STREAMS
        connections = [held.enter_context(served.connect()) for _ in range(CONNECTIONS)]
        for number, one in enumerate(connections):
            one.sendall(b"GET / HTTP/1.1\r\nHost: local"[: number % 20])
        for path in ("/healthz", "/documents", f"/documents/{documents_of(served)[0]}/pages/1/preview"):
            assert served.get(path)[0] == 200
    deadline_s = time.monotonic() + 60
    while len(served.process.net_connections()) > 20:
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    assert served.get("/events", method="HEAD")[0] == 200


def test_more_connections_than_are_allowed(sample: Path, tmp_path: Path) -> None:
    """As a server does that finds few descriptors: the longest idle make room, and nothing fills the log."""
    uvicorn = pytest.importorskip("uvicorn")
    from sidebooks_core.server.slow_clients import Doors, PatientProtocol

    async def small(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/stay":
            await receive()
            await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    doors = Doors(ServerLimits(connections=20, connections_per_client=20))
    protocol = type("Protocol", (PatientProtocol,), {"doors": doors})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(small, http=protocol, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        with contextlib.ExitStack() as held:

            def connect() -> socket.socket:
                return held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))

            def ask_on(connection: socket.socket, path: bytes = b"/") -> int:
                connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
                return status_of(connection.recv(4096))

            idle = [connect() for _ in range(60)]
            assert ask_on(connect()) == 200, "there is room for who comes"
            assert status_of(idle[0].recv(4096)) == 503, "the longest idle was told, and left"
            assert ask_on(idle[-1]) == 200, "the newest stayed"
            busy = [connect() for _ in range(20)]
            for one in busy:
                one.sendall(b"GET /stay HTTP/1.1\r\nHost: x\r\n\r\n")
            deadline_s = time.monotonic() + 20
            while any(one.is_idle for one in list(doors.connected)):
                assert time.monotonic() < deadline_s
                time.sleep(0.01)
            assert status_of(connect().recv(4096)) == 503, "nobody is idle: the new one is refused"
            assert len(doors.connected) <= 21
        while doors.connected:
            assert time.monotonic() < deadline_s + 20
            time.sleep(0.01)
        assert not doors.per_client
        server.should_exit = True
        thread.join(20)


def test_what_is_taken_of_a_quota_is_given_back() -> None:
    quota = Quota(3, 2, "things")
    with quota.taken("a"), quota.taken("a"):
        with pytest.raises(QueueFull, match="of one client"):
            quota.take("a")
        with quota.taken("b"), pytest.raises(QueueFull, match=r"too many things$"):
            quota.take("c")
    assert len(quota) == 0
    assert not quota.clients()


def test_streams_of_one_client_and_of_all_are_bounded(shelf: Shelf) -> None:
    application = Application(shelf, limits=ServerLimits(streams=3, streams_per_client=2))

    async def scenario() -> list[int]:
        listening = [asyncio.create_task(ask_async(application, "/events")) for _ in range(2)]
        await asyncio.sleep(0.1)
        third = await ask_async(application, "/events", leave_after=1)
        application.begin_close()
        return [third.status, *(reply.status for reply in await asyncio.gather(*listening))]

    assert asyncio.run(scenario()) == [503, 200, 200]
    for _ in range(5):
        assert ask(application, "/events", leave_after=2).status == 200, "their places are free again"
        assert ask(application, "/events", method="HEAD").status == 200
    application.close()


class SlowSearch:
    """Stands in for the service's search steps, and counts them."""

    def __init__(self, service: sb.TileService, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting: list[tuple[str, int, Future[Searched]]] = []
        monkeypatch.setattr(service.parts.questions, "search", self.submit)

    def submit(self, document: sb.Document, query: str, page: int, stop: int, *, matching: Matching) -> Future[Searched]:
        future: Future[Searched] = Future()
        self.waiting.append((query, page, future))
        return future

    def answer(self) -> str:
        query, page, future = self.waiting.pop(0)
        future.set_result(Searched((), page + 10))
        return query


@pytest.mark.parametrize("count", [8, 16, 64])
def test_searches_leave_workers_and_threads_to_pages(
    application: Application, document: sb.Document, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowSearch(application.service, monkeypatch)
    base = f"/documents/{document.id}"

    async def scenario() -> None:
        searching = [asyncio.create_task(ask_async(application, f"{base}/search/query{n}")) for n in range(count)]
        while not slow.waiting:
            assert not any(task.done() for task in searching), "a search ended that nobody answered"
            await asyncio.sleep(0.01)
        for path in ("pages/3/333x444", "pages/2/preview", "pages.json", "original", "pages/1/text", "previews/1-4"):
            assert (await asyncio.wait_for(ask_async(application, f"{base}/{path}"), 60)).status == 200, path
        assert (await ask_async(application, "/metrics")).status == 200
        assert len(slow.waiting) == max(1, application.service.settings.workers // 2)
        done: list[str] = []
        while any(not task.done() for task in searching):
            while not slow.waiting and any(not task.done() for task in searching):
                await asyncio.sleep(0)
            if slow.waiting:
                done.append(slow.answer())
        steps = -(-document.page_count // 10)
        assert len(done) == count * steps
        ends = [len(done) - done[::-1].index(f"query{n}") for n in range(count)]
        assert ends == sorted(ends), "of one client, who began first is done first"
        assert ends[0] <= 2 * steps
        assert [task.result().status for task in searching] == [200] * count

    asyncio.run(scenario())


def test_searches_of_who_left_end(application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowSearch(application.service, monkeypatch)
    path = f"/documents/{document.id}/search"

    async def leaving(query: str, left: asyncio.Event) -> None:
        async def receive() -> dict[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            raise AssertionError(message)

        raw = f"{path}/{query}"
        headers = [(b"host", b"test")]
        scope = {
            "type": "http",
            "method": "GET",
            "path": raw,
            "raw_path": raw.encode(),
            "headers": headers,
            "query_string": b"",
        }
        await application(scope, receive, send)

    async def scenario() -> None:
        left = asyncio.Event()
        searching = [asyncio.create_task(leaving(f"q{n}", left)) for n in range(8)]
        while not slow.waiting:
            await asyncio.sleep(0.01)
        stays = asyncio.create_task(ask_async(application, f"{path}/stays"))
        joins = asyncio.create_task(ask_async(application, f"{path}/stays"))
        await asyncio.sleep(0.05)
        left.set()
        await asyncio.wait_for(asyncio.gather(*searching), 20)
        assert [query for query, _, future in slow.waiting if future.cancelled()] == ["q0"]
        slow.waiting.pop(0)
        while not stays.done():
            await asyncio.sleep(0)
            if slow.waiting:
                assert slow.answer() == "stays", "those that waited were never begun"
        assert stays.result().status == (await joins).status == 200

    asyncio.run(scenario())
    assert len(application.searches.quota) == 0


def test_searches_of_one_client_are_bounded(shelf: Shelf, document: sb.Document, monkeypatch: pytest.MonkeyPatch) -> None:
    application = Application(shelf, limits=ServerLimits(searches=4, searches_per_client=2))
    slow = SlowSearch(application.service, monkeypatch)

    async def scenario() -> int:
        searching = [asyncio.create_task(ask_async(application, f"/documents/{document.id}/search/{n}")) for n in range(2)]
        while not slow.waiting:
            await asyncio.sleep(0.01)
        refused = await ask_async(application, f"/search/2/{document.id}?q=more")
        while any(not task.done() for task in searching):
            await asyncio.sleep(0)
            if slow.waiting:
                slow.answer()
        assert refused.headers["retry-after"]
        return refused.status

    assert asyncio.run(scenario()) == 503
    application.close()


def test_clients_take_turns_with_their_searches() -> None:
    turns = Turns(1)
    order: list[str] = []

    async def search(client: str, number: int) -> None:
        for _ in range(3):
            async with turns.turn(client, number):
                order.append(f"{client}{number}")
                await asyncio.sleep(0)

    async def scenario() -> None:
        many = [asyncio.create_task(search("a", number)) for number in range(3)]
        await asyncio.sleep(0)
        left = asyncio.create_task(search("c", 5))
        await asyncio.sleep(0)
        one = asyncio.create_task(search("b", 4))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.gather(*many, one)

    asyncio.run(scenario())
    assert len(order) == 12
    of_a = [name for name in order if name[0] == "a"]
    ends = [len(of_a) - of_a[::-1].index(name) for name in ("a0", "a1", "a2")]
    assert ends == sorted(ends), "of one client, who began first is done first"
    of_b = [place for place, name in enumerate(order) if name == "b4"]
    assert max(of_b[1] - of_b[0], of_b[2] - of_b[1]) <= 3, "it waits for two steps of the other client, however many wait"
    assert turns.free == 1
    assert len(turns) == 0


def test_visible_pages_go_before_steps_of_searches(
    service: sb.TileService, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Priority] = []
    ask = service.parts.dispatcher.ask

    def noted(name: str, work: Any, priority: Priority, client: str = "") -> Future[Any]:
        if isinstance(work.job, Search):
            asked.append(priority)
        return ask(name, work, priority, client)

    monkeypatch.setattr(service.parts.dispatcher, "ask", noted)
    service.search(document, "jlreq", limit=1)
    assert asked
    assert min(asked) > Priority.PAGE


def test_a_cancelled_step_is_dropped_from_the_queue(service: sb.TileService, document: sb.Document) -> None:
    futures = [service.parts.questions.search(document, f"query {number}", 0) for number in range(40)]
    drops = service.statistics().drops
    dropped = sum(future.cancel() for future in futures)
    deadline_s = time.monotonic() + 30
    while service.statistics().queued + service.statistics().in_flight:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert dropped > 20
    assert service.statistics().drops - drops > 20


def test_eight_real_searches_beside_pages(corpus: Path, tmp_path: Path) -> None:
    """What could not be had for a minute: everything else while eight people search a long book, and after they left."""
    with serving(corpus / "book" / "refman.pdf", cache_dir=tmp_path) as served:
        document = documents_of(served)[0]
        base = f"/documents/{document}"

        def leave(number: int) -> None:
            with served.connect() as connection:
                connection.sendall(f"GET {base}/search/nowhere{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                time.sleep(0.5)

        with ThreadPoolExecutor(8) as pool:
            leaving = [pool.submit(leave, number) for number in range(8)]
            time.sleep(0.2)
            for path in ("pages/70/text", "pages.json", "original", "pages/400/300x400", "pages/401/preview"):
                assert served.get(f"{base}/{path}")[0] == 200
            for one in leaving:
                one.result()
        deadline_s = time.monotonic() + 20
        nobody_waits = {b"sidebooks_queued 0.0", b"sidebooks_in_flight 0.0"}
        while not nobody_waits <= set(served.get("/metrics")[1].splitlines()):
            assert time.monotonic() < deadline_s, "the searches of those who left go on"
            time.sleep(0.05)


@pytest.mark.parametrize("how", ["HEAD", "gone at once", "cannot be sent", "cancelled at the start"])
def test_a_stream_that_ends_before_it_starts_keeps_no_place(application: Application, how: str) -> None:
    async def scenario() -> None:
        async def receive() -> dict[str, Any]:
            if how == "HEAD":
                await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if how == "cannot be sent":
                raise OSError("the client went away")
            if how == "cancelled at the start":
                await asyncio.sleep(60)

        scope = {
            "type": "http",
            "method": "HEAD" if how == "HEAD" else "GET",
            "path": "/events",
            "headers": [(b"host", b"test")],
            "query_string": b"session=mine",
            "client": ("192.0.2.5", 1),
        }
        asking = asyncio.create_task(application(scope, receive, send))
        if how == "cancelled at the start":
            await asyncio.sleep(0.05)
            assert len(application.events.quota) == 1
            asking.cancel()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.wait_for(asking, 20)

    asyncio.run(scenario())
    assert len(application.events.quota) == 0
    assert not application.events.quota.clients()
    assert len(application.events) == 0
