"""What strangers may take of a server: streams, searches, waiting work, tries; and the address that counts behind a proxy."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest
from asgi import Reply, ask_async
from starlette.types import Receive, Scope, Send
from town_hall import PASSWORD, TownHall, town_hall
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from sidebooks_core.access import Grant, ProxyRules
from sidebooks_core.errors import QueueFull, TooManyAttempts
from sidebooks_core.server import ServerLimits
from sidebooks_core.server.command import believed
from sidebooks_core.server.limits import Quota
from sidebooks_core.server.options import ServeOptions
from sidebooks_core.server.pools import MOST_WAITING, THREADS, Pools
from sidebooks_core.server.rates import ADDRESSES, AT_ONCE, PER_S, Rate


def test_citizens_have_a_small_share_and_each_guest_one_of_their_own() -> None:
    quota = Quota(10, 8, "things", per_citizen=2, per_guest=1)
    for address in ("a", "b"):
        for _ in range(2):
            quota.take(address, "citizen")
        with pytest.raises(QueueFull, match="one client"):
            quota.take(address, "citizen")
    quota.take("c", "citizen")
    with pytest.raises(QueueFull):
        quota.take("d", "citizen")  # half is for those who are known
    for guest in ("1", "2"):
        quota.take(guest, "guest")
        with pytest.raises(QueueFull):
            quota.take(guest, "guest")
    for _ in range(3):
        quota.take("a")
    with pytest.raises(QueueFull):
        quota.take("z")
    quota.give_back("a", "citizen")
    quota.take("a")
    assert quota.clients() == {"a", "b", "c", "1", "2"}


def test_nobody_unknown_follows_or_searches_where_nothing_is_open(tmp_path: Path) -> None:
    paths = ("/events", "/changes?since=0", "/search?q=xy")
    with town_hall(tmp_path) as hall:
        for path in paths:
            assert [hall.ask(who, path).status for who in ("none", "forged", "guest", "member")] == [401, 401, 200, 200], path
        hall.access.set_grants(hall.planning.id, [Grant("role", "citizen")])
        assert [hall.ask("none", path).status for path in paths] == [200, 200, 200]


def test_the_streams_of_a_stranger_end_where_those_of_members_do_not(tmp_path: Path) -> None:
    with town_hall(tmp_path) as hall:
        hall.access.set_grants(hall.planning.id, [Grant("role", "citizen")])
        streams = hall.application.events.quota
        for _ in range(ServerLimits().streams_per_citizen):
            streams.take("192.0.2.1", "citizen")
        assert [hall.ask(who, "/events").status for who in ("none", "guest", "member")] == [503, 200, 200]


def test_work_of_strangers_waits_in_a_bounded_line() -> None:
    async def crowd() -> None:
        pools, go = Pools(), threading.Event()
        waiting = [
            asyncio.ensure_future(pools.run_for(str(number), "strangers", go.wait))
            for number in range(MOST_WAITING["strangers"])
        ]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await pools.run_for("another", "strangers", go.wait)
        for kind in THREADS.keys() - {"strangers"}:
            assert await pools.run(kind, lambda: "done") == "done", kind
        left = waiting.pop()
        left.cancel()  # a client went away
        await asyncio.sleep(0.05)
        waiting.append(asyncio.ensure_future(pools.run_for("later", "strangers", go.wait)))
        await asyncio.sleep(0)
        go.set()
        assert all(await asyncio.gather(*waiting))
        assert await pools.run_for("7", "strangers", lambda: "done") == "done"
        pools.close()

    asyncio.run(crowd())


def test_one_client_has_half_of_the_places_of_strangers_at_most_and_a_hall_of_a_hundred_logs_in() -> None:
    async def crowd() -> None:
        pools, go = Pools(), threading.Event()
        most = MOST_WAITING["strangers"] // 2
        assert most >= 100
        waiting = [asyncio.ensure_future(pools.run_for("greedy", "strangers", go.wait)) for _ in range(most)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match="one client"):
            await pools.run_for("greedy", "strangers", go.wait)
        for others in range(2, 8):  # each takes half of what is left
            share = range(MOST_WAITING["strangers"] >> others)
            waiting += [asyncio.ensure_future(pools.run_for(f"greedy {others}", "strangers", go.wait)) for _ in share]
            await asyncio.sleep(0)
            with pytest.raises(QueueFull, match="one client"):
                await pools.run_for(f"greedy {others}", "strangers", go.wait)
        waiting.append(asyncio.ensure_future(pools.run_for("another", "strangers", go.wait)))
        await asyncio.sleep(0)
        go.set()
        assert all(await asyncio.gather(*waiting))
        assert await pools.run_for("greedy", "strangers", lambda: "done") == "done"
        pools.close()

    asyncio.run(crowd())


@pytest.mark.parametrize("greedy", ["192.0.2.66", "2001:db8:1:1::"])
def test_a_flood_of_logins_from_one_network_keeps_nobody_else_out(tmp_path: Path, greedy: str) -> None:
    async def login(hall: TownHall, name: str, password: str, client: str) -> int:
        body = json.dumps({"name": name, "password": password}).encode()
        reply = await ask_async(hall.application, "/login", "POST", body=body, client=client)
        return reply.status

    async def crowd(hall: TownHall) -> list[int]:
        count = MOST_WAITING["strangers"] + 6
        clients = [f"{greedy}{number:x}" if ":" in greedy else greedy for number in range(count)]
        flood = [asyncio.ensure_future(login(hall, f"guess {n}", "wrong wrong", client)) for n, client in enumerate(clients)]
        await asyncio.sleep(0.05)
        admin = await login(hall, "admin", PASSWORD, "192.0.2.7")
        return [admin, *await asyncio.gather(*flood)]

    with town_hall(tmp_path) as hall:
        admin, *flood = asyncio.run(crowd(hall))
        assert admin == 200
        assert 503 in flood


@pytest.mark.parametrize("cookie", [{"Cookie": f"sidebooks_device={'d' * 43}"}, {"Cookie": "sidebooks_device=forged"}, {}])
def test_a_login_that_is_known_to_be_too_early_waits_for_no_turn(
    cookie: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def login(hall: TownHall) -> Reply:
        body = json.dumps({"name": "admin", "password": "wrong wrong"}).encode()
        return asyncio.run(ask_async(hall.application, "/login", "POST", cookie, body, client="192.0.2.66"))

    with town_hall(tmp_path) as hall:
        while login(hall).status != 429:
            pass

        async def no_turn(*_: object, **__: object) -> None:
            raise AssertionError("it took a place")

        monkeypatch.setattr(Pools, "run_for", no_turn)
        again = login(hall)
        assert again.status == 429
        assert int(again.headers["retry-after"]) >= 1


def test_a_browser_has_its_secret_from_a_login_and_from_no_refusal(tmp_path: Path) -> None:
    def login(hall: TownHall, password: str, client: str, **cookie: str) -> Reply:
        body = json.dumps({"name": "admin", "password": password}).encode()
        return asyncio.run(ask_async(hall.application, "/login", "POST", cookie, body, client=client))

    with town_hall(tmp_path) as hall:
        assert "set-cookie" not in login(hall, "wrong wrong", "192.0.2.66").headers
        told = login(hall, PASSWORD, "192.0.2.7")
        assert told.status == 200
        device = next(one for one in told.headers["set-cookie"].split(", ") if one.startswith("sidebooks_device="))
        for _ in range(60):  # strangers try the name from the network to which the browser goes
            login(hall, "wrong wrong", "192.0.2.66")
        assert login(hall, PASSWORD, "192.0.2.66").status == 429
        assert login(hall, PASSWORD, "192.0.2.66", Cookie=device.partition(";")[0]).status == 200


def test_tries_of_an_address_come_back() -> None:
    now_s = 0.0
    rate = Rate(lambda: now_s)
    for _ in range(AT_ONCE):
        rate.take("a")
    with pytest.raises(TooManyAttempts) as refused:
        rate.take("a")
    assert refused.value.retry_after_s == pytest.approx(1 / PER_S)
    rate.take("b")
    now_s = 2 / PER_S
    rate.take("a")
    rate.take("a")
    with pytest.raises(TooManyAttempts):
        rate.take("a")
    for number in range(ADDRESSES):
        rate.take(str(number))
    rate.take("a")  # it is forgotten, as the memory is bounded


def test_links_that_are_guessed_are_soon_slowed_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidebooks_core.server.rates.AT_ONCE", 3)
    with town_hall(tmp_path) as hall:
        replies = [hall.ask("none", "/join", "POST", {"token": f"guess {number}"}) for number in range(5)]
        assert [reply.status for reply in replies[:3]] == [403] * 3
        assert replies[-1].status == 429
        assert int(replies[-1].headers["retry-after"]) >= 1
        other = ask_async(
            hall.application, "/join", "POST", body=b'{"token": "x"}', headers={"Content-Length": "14"}, client="192.0.2.9"
        )
        assert asyncio.run(other).status == 403


@pytest.mark.parametrize(
    ("peer", "client"),
    [("127.0.0.1", "203.0.113.9"), ("::1", "203.0.113.9"), ("10.0.0.5", "203.0.113.9"), ("10.1.0.5", "10.1.0.5")],
)
def test_the_client_behind_a_named_proxy_is_told_apart(peer: str, client: str) -> None:
    rules = ProxyRules(("10.0.0.0/24",))
    options = ServeOptions(paths=[], host="0.0.0.0", port=0, browser=False, proxies=rules)
    seen: list[str] = []

    async def application(scope: Scope, _receive: Receive, send: Send) -> None:
        seen.append(scope["client"][0])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    inner = ProxyHeadersMiddleware(application, trusted_hosts=believed(options))  # type: ignore[arg-type]
    asyncio.run(ask_async(inner, "/", headers={"X-Forwarded-For": "203.0.113.9"}, client=peer))  # type: ignore[arg-type]
    assert seen == [client]
