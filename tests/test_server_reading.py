"""Where a reader left off, and how much folders hold, in one answer for a whole list; the folders of served files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi import ask
from town_hall import TownHall, paper_of, town_hall

import sidebooks_core as sb
from sidebooks_core.access import Principal
from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import Decision, FolderPolicy, Resource
from sidebooks_core.server import Application, Shelf, shelf_descriptions
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[TownHall]:
    with town_hall(tmp_path) as made:
        yield made


def read(hall: TownHall, who: str, path: str) -> Any:
    reply = hall.ask(who, path)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def test_where_a_reader_left_off_is_told_of_all_papers_the_latest_first(hall: TownHall) -> None:
    other = hall.shelf.register(paper_of(1, 2, 3), hall.finance, name="other")
    for paper, page in ((hall.paper.id, 1), (other.id, 3), (hall.paper.id, 2)):
        assert hall.ask("member", f"/papers/{paper}/position", "PUT", {"page": page}).status == 200
    for _ in range(2):  # in memory, then on the disk
        found = read(hall, "member", "/reading")["papers"]
        assert [(one["paper"], one["page"], one["revision"]) for one in found] == [(hall.paper.id, 2, 1), (other.id, 3, 1)]
        assert all(abs(one["at_s"] - time.time()) < 60 for one in found)
        hall.shelf.positions.flush()
    assert len(read(hall, "member", "/reading?limit=1")["papers"]) == 1
    assert read(hall, "clerk", "/reading")["papers"] == [], "each reader has their own"
    assert hall.ask("none", "/reading").status == 401
    hall.shelf.purge(other.id)
    assert [one["paper"] for one in read(hall, "member", "/reading")["papers"]] == [hall.paper.id]


def test_a_folder_tells_what_its_inner_folders_hold_as_far_as_it_may_be_seen(
    hall: TownHall, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = hall.shelf.make_folder("inner", hall.finance)
    hall.shelf.make_folder("deeper", inner)
    papers = [hall.shelf.register(paper_of(number), inner, name=str(number)) for number in range(3)]
    hall.shelf.withdraw(papers[0].id)
    path = f"/folders/{hall.finance.id}"

    def entry(who: str, query: str) -> dict[str, Any]:
        [found] = [one for one in read(hall, who, path + query)["folders"] if one["id"] == inner.id]
        assert isinstance(found, dict)
        return found

    assert entry("member", "")["paper_count"] is None
    few = entry("member", "?few=2")
    assert (few["paper_count"], few["folder_count"]) == (2, 1)
    assert [one["name"] for one in few["papers"]] == ["1", "2"], "who may not see one does not hear of it"
    assert (entry("clerk", "?few=2")["paper_count"], entry("clerk", "?few=2")["papers"]) == (3, None)
    assert len(entry("clerk", "?few=3")["papers"]) == 3
    monkeypatch.setattr(shelf_descriptions, "MOST_READ", 2)  # counted, not read
    assert [entry(who, "?few=9")["paper_count"] for who in ("member", "clerk")] == [2, 3]
    assert entry("clerk", "?few=9")["papers"] is None


def test_a_policy_is_asked_once_about_all_papers_of_a_folder_that_it_cannot_tell_apart(
    hall: TownHall, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = hall.shelf.make_folder("full", hall.finance)
    papers = [hall.shelf.register(paper_of(number), folder, name=str(number)) for number in range(12)]
    hall.shelf.withdraw(papers[3].id)
    hall.shelf.change(papers[5].id, until_s=1.0)
    hall.shelf.change(papers[7].id, level="online")
    asked: list[Resource | None] = []
    decide = FolderPolicy.decide

    def noted(policy: FolderPolicy, who: Principal, operation: Operation, about: Resource | None) -> Decision:
        if operation == Operation.READ_DOCUMENT:
            asked.append(about)
        return decide(policy, who, operation, about)

    monkeypatch.setattr(FolderPolicy, "decide", noted)
    for who, missing in (("member", {"3", "5"}), ("clerk", set())):
        asked.clear()
        found = [one["name"] for one in read(hall, who, f"/folders/{folder.id}")["papers"]]
        assert found == [str(number) for number in range(12) if str(number) not in missing]
        assert len(asked) == len(set(asked)) == 3, "published, not published, only online"


def test_a_list_tells_when_the_present_revision_came(hall: TownHall) -> None:
    [first] = [one["registered_s"] for one in read(hall, "member", f"/folders/{hall.finance.id}")["papers"]]
    hall.shelf.replace(hall.paper.id, paper_of(5))
    [second] = [one["registered_s"] for one in read(hall, "member", f"/folders/{hall.finance.id}")["papers"]]
    assert first < second == hall.shelf.revision(hall.paper.id).registered_s


def test_documents_tell_the_folder_of_their_file_and_files_whether_they_are_locked(tmp_path: Path) -> None:
    for place in ("", "2026/june"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        content = FakeDocument(pages=(FakePage(colour=(len(place), 1, 1)),)).to_bytes()
        (tmp_path / place / "a.pdf").write_bytes(content)
    (tmp_path / "locked.pdf").write_bytes(FakeDocument(pages=(FakePage(),), password="x").to_bytes())
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-broken")
    with sb.TileService(sb.Settings(workers=1), pool=FakeEngine().pool) as service:
        shelf = Shelf(service)
        shelf.register_folder(tmp_path)
        application = Application(shelf)
        found = json.loads(ask(application, "/documents").body)
        application.close()
        shelf.close()
    assert sorted(one["folder"] for one in found["documents"]) == ["", "2026/june"]
    assert {one["name"]: one["is_locked"] for one in found["not_served"]} == {"locked.pdf": True, "broken.pdf": False}
