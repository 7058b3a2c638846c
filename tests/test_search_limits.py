"""A search tells a reader of some pages the same of a text that is on the other pages as of one that is nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from town_hall import TownHall, town_hall

from sidebooks_core.access import Grant
from sidebooks_core.access.policy import Limits
from sidebooks_core.shelf.search.searching import Found
from sidebooks_core.testing import FakeDocument, FakePage, words_of


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[TownHall]:
    with town_hall(tmp_path / "hall") as made:
        yield made


def test_pages_beyond_the_limits_of_a_reader_tell_nothing(hall: TownHall) -> None:
    texts = ("open", *["the secret price is 4711"] * 3, "open")
    data = FakeDocument(pages=tuple(FakePage(words=words_of(text), colour=(at, 0, 0)) for at, text in enumerate(texts)))
    paper = hall.shelf.register(data.to_bytes(), hall.finance, name="x")
    assert hall.shelf.wait_prepared(30)
    hall.access.set_grants(hall.finance.id, [Grant("group", "finance", limits=Limits(pages=((0, 0), (4, 4))))])

    def told(query: str, path: str = "/search", who: str = "member") -> object:
        answer = hall.ask(who, f"{path}?limit=1&q={query}").json()
        return {name: value for name, value in answer.items() if name != "query"}

    assert told("4711") == told("4712") == {"pages": [], "next": None, "unindexed": 0}
    assert told("4711", who="clerk") != told("4712", who="clerk")
    inside = f"/papers/{paper.id}/search"
    assert told("4711", inside) == told("4712", inside) == {"hits": []}
    document = f"/documents/{paper.document_id}/search"
    assert [hall.ask("member", f"{document}/{query}").json()["hits"] for query in ("4711", "4712")] == [[], []]
    assert [hit["page"] for hit in hall.ask("member", f"{document}/open").json()["hits"]] == [1, 5]
    assert [hit["page"] for hit in hall.ask("member", f"{inside}?q=open").json()["hits"]] == [1, 5]


def test_the_limit_of_a_search_in_a_paper_is_of_pages_that_may_be_seen(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidebooks_core.server.handlers.papers.SEARCH_LIMIT", 1)
    monkeypatch.setattr("sidebooks_core.server.searching.SEARCH_LIMIT", 1)
    data = FakeDocument(pages=tuple(FakePage(words=words_of("budget"), colour=(at, 0, 0)) for at in range(3)))
    paper = hall.shelf.register(data.to_bytes(), hall.finance, name="x")
    hall.access.set_grants(hall.finance.id, [Grant("group", "finance", limits=Limits(pages=((2, 2),)))])
    for path in (f"/papers/{paper.id}/search?q=budget", f"/documents/{paper.document_id}/search/budget"):
        assert [hit["page"] for hit in hall.ask("member", path).json()["hits"]] == [3]


def test_an_answer_without_hits_comes_only_after_some_steps(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [Found([], 30), Found([], 20), Found([], None, 1)]
    began_at: list[int] = []

    def search(*_: object, before: int, **__: object) -> Found:
        began_at.append(before)
        return steps[len(began_at) - 1]

    monkeypatch.setattr(hall.shelf, "search", search)
    monkeypatch.setattr("sidebooks_core.server.handlers.shelf.NOTHING_YET_S", 60.0)
    assert hall.ask("clerk", "/search?q=x&before=40").json() == {"query": "x", "pages": [], "next": None, "unindexed": 1}
    assert began_at == [40, 30, 20]
    began_at.clear()
    monkeypatch.setattr("sidebooks_core.server.handlers.shelf.NOTHING_YET_S", 0.0)
    assert hall.ask("clerk", "/search?q=x&before=40").json()["next"] == 30


def test_a_search_in_steps_finds_what_one_answer_has_not_room_for(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidebooks_core.server.searching.SEARCH_LIMIT", 2)
    data = FakeDocument(pages=tuple(FakePage(words=words_of("budget"), colour=(at, 0, 0)) for at in range(5)))
    paper = hall.shelf.register(data.to_bytes(), hall.finance, name="x")
    hall.access.set_grants(hall.finance.id, [Grant("group", "finance", limits=Limits(pages=((1, 2), (4, 4))))])
    path = f"/documents/{paper.document_id}/search/budget"
    whole = hall.ask("member", path).json()
    assert [hit["page"] for hit in whole["hits"]] == [2, 3]
    assert "next" not in whole, "as it was"
    found, start = [], 1
    while start:
        step = hall.ask("member", f"{path}?start={start}").json()
        found += [hit["page"] for hit in step["hits"]]
        start = step["next"]
    assert found == [2, 3, 5]
    for bad in ("0", "6", "x", "1.5"):
        assert hall.ask("member", f"{path}?start={bad}").status == 404


def test_a_step_of_a_search_ends_in_time(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidebooks_core.server.searching.STEP_S", 0.0)
    data = FakeDocument(pages=tuple(FakePage(words=words_of("budget"), colour=(at, 0, 0)) for at in range(3)))
    paper = hall.shelf.register(data.to_bytes(), hall.finance, name="x")
    hall.access.set_grants(hall.finance.id, [Grant("group", "finance", limits=Limits(pages=((0, 0), (2, 2))))])
    path = f"/documents/{paper.document_id}/search/nothing"
    assert hall.ask("member", f"{path}?start=1").json() == {"query": "nothing", "hits": [], "next": 2}
    assert hall.ask("member", f"{path}?start=2").json() == {"query": "nothing", "hits": [], "next": None}
