"""Sessions of clients that tell where they are: one reader each, made once, ended when nobody is there."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from asgi import ask, ask_async

import sidebooks_core as sb
from sidebooks_core.server import Application
from sidebooks_core.server.sessions import End, HintedPage, SessionLimits, Sessions, State

VIEW_PX = (300, 400)


def until(holds: Callable[[], Any], timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.01)


@pytest.fixture
def told() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def made(service: sb.TileService, monkeypatch: pytest.MonkeyPatch) -> list[sb.Reader]:
    """The readers that sessions make. Each takes a moment, in which other hints come."""
    found: list[sb.Reader] = []
    reader_of = service.parts.readers.open

    def slow(*arguments: Any, **options: Any) -> sb.Reader:
        time.sleep(0.02)
        found.append(reader_of(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(service.parts.readers, "open", slow)
    return found


LIMITS = SessionLimits()


@pytest.fixture
def sessions(service: sb.TileService, told: list[tuple[str, int]]) -> Iterator[Sessions]:
    running = Sessions(service, lambda name, document, view: told.append((name, view.page)), LIMITS)
    yield running
    running.close()


@pytest.fixture
def book(service: sb.TileService, sample: Path) -> sb.Document:
    return service.open(sample)


def hint(document: sb.Document, page: int, view_px: tuple[int, int] = VIEW_PX, *, spread: bool = False) -> HintedPage:
    return HintedPage(document, page, view_px, spread)


def test_hints_of_one_session_at_the_same_moment_make_one_reader(
    service: sb.TileService, sessions: Sessions, book: sb.Document, told: list[tuple[str, int]], made: list[sb.Reader]
) -> None:
    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(sessions.follow, "s", hint(book, number % 20)) for number in range(200)]:
            done.result()
    sessions.follow("s", hint(book, 7))
    until(lambda: told and told[-1] == ("s", 7))
    assert len(made) == service.parts.readers.count() == 1


def test_many_sessions_share_their_threads(sessions: Sessions, book: sb.Document, told: list[tuple[str, int]]) -> None:
    before = threading.active_count()
    for number in range(100):
        sessions.follow(f"s{number}", hint(book, number % 20))
    until(lambda: len({name for name, _ in told}) == 100)
    assert threading.active_count() - before <= 4


def test_the_newest_hint_counts(sessions: Sessions, book: sb.Document, told: list[tuple[str, int]]) -> None:
    for page in range(20):
        sessions.follow("s", hint(book, page))
    until(lambda: ("s", 19) in told)
    pages = [page for _, page in told]
    assert pages == sorted(pages)


def test_another_screen_changes_the_reader_and_another_spread_makes_one(
    service: sb.TileService, sessions: Sessions, book: sb.Document, told: list[tuple[str, int]], made: list[sb.Reader]
) -> None:
    sessions.follow("s", hint(book, 3))
    until(lambda: ("s", 3) in told)
    sessions.follow("s", hint(book, 4, (500, 600)))
    until(lambda: ("s", 4) in told)
    [before] = made
    view = before.wait_sharp(timeout_s=60)
    assert max(one.x0_view + one.width_view for one in view.images) <= 500
    assert max(one.height_view for one in view.images) == 600, "the page fits the new screen"
    sessions.follow("s", hint(book, 5, (500, 600), spread=True))
    until(lambda: service.parts.readers.count() == 1 and len(made) == 2)
    with pytest.raises(sb.ServiceClosed):
        before.view()


def test_a_session_goes_from_its_first_hint_to_its_end(
    sessions: Sessions, book: sb.Document, told: list[tuple[str, int]], made: list[sb.Reader]
) -> None:
    sessions.follow("s", hint(book, 1))
    session = sessions.find("s")
    assert session is not None
    assert session.state is State.BEGUN, "its reader takes a moment"
    until(lambda: session.state is State.FOLLOWING)
    assert not session.is_empty
    sessions.end("s")
    assert (session.state, session.end) == (State.ENDED, End.LEFT)
    assert sessions.find("s") is None
    until(lambda: session.is_empty)
    assert sessions.ends() == {End.LEFT: 1}
    sessions.end("s")
    assert sessions.ends() == {End.LEFT: 1}, "it ends once"


def test_a_session_ends_with_its_stream_and_after_silence(
    service: sb.TileService, book: sb.Document, told: list[tuple[str, int]]
) -> None:
    limits = SessionLimits(silence_s=1.0)
    sessions = Sessions(service, lambda name, document, view: told.append((name, view.page)), limits)
    for name in ("gone", "silent", "reading"):
        sessions.follow(name, hint(book, 1))
    until(lambda: len({name for name, _ in told}) == 3)
    sessions.end("gone")
    until(lambda: service.parts.readers.count() <= 2)

    def only_who_reads_is_left() -> bool:
        sessions.follow("reading", hint(book, 2))
        return len(sessions) == service.parts.readers.count() == 1

    until(only_who_reads_is_left)
    assert sessions.ends() == {End.LEFT: 1, End.SILENT: 1}
    sessions.follow("silent", hint(book, 6))
    until(lambda: ("silent", 6) in told)
    sessions.close()


@pytest.mark.parametrize(
    ("error", "ends"),
    [(ZeroDivisionError("a fault of ours"), {End.FAILED: 1}), (sb.ServiceClosed("the service is closed"), {End.CLOSED: 1}),
     (sb.RequestError("no such screen"), {})],
    ids=["fault", "closed", "refused"],
)  # fmt: skip
def test_a_session_whose_reader_fails_leaves_nothing(
    service: sb.TileService,
    sessions: Sessions,
    book: sb.Document,
    told: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    ends: dict[End, int],
) -> None:
    """What a hint may cause (a screen that no reader takes) ends nothing: the next hint may be better."""
    called = threading.Event()

    def fails(*_: Any, **__: Any) -> sb.Reader:
        called.set()
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(service.parts.readers, "open", fails)
        sessions.follow("s", hint(book, 1))
        assert called.wait(20)
        until(lambda: sessions.ends() == ends)
    assert (len(sessions), service.parts.readers.count()) == (0 if ends else 1, 0)
    sessions.follow("s", hint(book, 2))
    until(lambda: ("s", 2) in told)


def test_sessions_of_a_document_that_is_served_no_longer_end(
    service: sb.TileService, sessions: Sessions, book: sb.Document
) -> None:
    sessions.follow("s", hint(book, 1))
    until(lambda: service.parts.readers.count() == 1)
    sessions.keep_only([book.id])
    assert len(sessions) == 1
    sessions.keep_only([])
    until(lambda: service.parts.readers.count() == 0)
    assert sessions.ends() == {End.WITHDRAWN: 1}


def test_the_oldest_of_too_many_ends(service: sb.TileService, sessions: Sessions, book: sb.Document) -> None:
    for number in range(LIMITS.sessions + 5):
        sessions.follow(f"s{number}", hint(book, 0))
    assert len(sessions) == LIMITS.sessions
    assert [sessions.find(f"s{number}") is None for number in range(6)] == [True] * 5 + [False]
    assert sessions.ends() == {End.CROWDED_OUT: 5}
    until(lambda: service.parts.readers.count() <= LIMITS.sessions)


def test_a_flood_of_sessions_ends_only_those_of_its_own_client(
    service: sb.TileService, sessions: Sessions, book: sb.Document
) -> None:
    sessions.follow("reader", HintedPage(book, 0, VIEW_PX, False, "http 192.0.2.1"))
    for number in range(LIMITS.sessions + 5):
        sessions.follow(f"flood{number}", HintedPage(book, 0, VIEW_PX, False, "http 192.0.2.66"))
    assert len(sessions) == LIMITS.sessions
    assert sessions.find("reader") is not None


def test_closing_ends_all(service: sb.TileService, sessions: Sessions, book: sb.Document) -> None:
    for number in range(20):
        sessions.follow(f"s{number}", hint(book, 0))
    sessions.close()
    assert service.parts.readers.count() == 0
    with pytest.raises(sb.ServiceClosed):
        sessions.follow("s", hint(book, 0))


def test_a_reader_made_by_a_hint_ends_with_the_stream_of_events(
    service: sb.TileService, application: Application, document: sb.Document
) -> None:
    body = json.dumps({"session": "mine", "page": 2, "view_px": [300, 400]}).encode()
    path = f"/documents/{document.id}/hints"

    async def scenario() -> None:
        listening = asyncio.create_task(ask_async(application, "/events?session=mine", leave_after=3))
        await asyncio.sleep(0.05)
        assert (await ask_async(application, path, "POST", body=body)).status == 202
        await asyncio.wait_for(listening, 20)

    asyncio.run(scenario())
    until(lambda: service.parts.readers.count() == 0)
    assert ask(application, path, "POST", body=body).status == 202
    until(lambda: service.parts.readers.count() == 1)
