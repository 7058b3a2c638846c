"""The shelf over HTTP: folders, papers, revisions, positions, search and changes, each as far as a principal may see it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgi import ask, ask_async
from paper_house import House, pages
from quiet import wait_until as until

from sidebooks_core.server import Application
from sidebooks_core.server.places import Places
from sidebooks_core.server.registering import register_on_shelf
from sidebooks_core.server.shelf_descriptions import PaperFacts, paper_facts
from sidebooks_core.shelf import Paper
from sidebooks_core.shelf import Shelf as PaperShelf
from sidebooks_core.testing import FakeDocument, FakePage


def names(entries: list[dict[str, Any]]) -> list[str]:
    return [one["name"] for one in entries]


# Folders.


def test_a_folder_shows_what_one_may_see_in_order(house: House) -> None:
    house.register("議案1")
    house.register("議案2")
    house.register("案の案", from_s=4e9)
    top = house.get("clerk", "/folders/top")
    assert (top["id"], names(top["folders"])) == ("top", ["本会議", "委員会"])
    assert names(house.get("member", "/folders/top")["folders"]) == ["本会議"]
    assert house.get("clerk", "/folders")["folders"] == top["folders"]
    for_clerk = house.get("clerk", f"/folders/{house.open.id}")
    assert [(one["name"], one["is_published"]) for one in for_clerk["papers"]] == [
        ("議案1", True), ("議案2", True), ("案の案", False),
    ]  # fmt: skip
    for_member = house.get("member", f"/folders/{house.open.id}")
    assert names(for_member["papers"]) == ["議案1", "議案2"]
    assert "change_folder" in for_clerk["may"]
    assert not {"change_folder", "register", "share"} & set(for_member["may"])


def test_what_may_not_be_seen_is_not_there(house: House) -> None:
    secret = house.register("秘密", house.closed)
    for path in (f"/folders/{house.closed.id}", f"/papers/{secret.id}", f"/papers/{secret.id}/original"):
        absent = house.ask("member", path.replace(house.closed.id, "x" * 16).replace(secret.id, "x" * 16))
        hidden = house.ask("member", path)
        assert (hidden.status, hidden.body, hidden.headers) == (404, absent.body, absent.headers)
        assert house.ask("nobody", path).status == 401
        assert house.ask("clerk", path).status == 200


def test_a_folder_in_a_hidden_one_is_found_and_tells_no_hidden_name(house: House) -> None:
    paper = house.register("内部", house.inner)
    top = house.get("tender", "/folders")
    assert names(top["folders"]) == ["小委員会"]
    shown = house.get("tender", f"/folders/{house.inner.id}")
    assert (shown["way"], names(shown["papers"])) == ([], ["内部"])
    assert names(house.get("clerk", f"/papers/{paper.id}")["way"]) == ["委員会", "小委員会"]
    assert names(house.get("tender", f"/papers/{paper.id}")["way"]) == ["小委員会"]


def test_folders_are_made_changed_moved_and_removed(house: House) -> None:
    reply = house.ask("clerk", "/folders/top", "POST", {"name": "6月定例会", "kind": "meeting"})
    made = reply.json()
    assert (reply.status, reply.headers["location"], made["kind"]) == (201, f"http://test/folders/{made['id']}", "meeting")
    path = f"/folders/{made['id']}"
    changed = house.ask("clerk", path, "PATCH", {"name": "九月", "parent": house.open.id}).json()
    assert (changed["name"], names(changed["way"])) == ("九月", ["本会議"])
    assert house.ask("clerk", f"/folders/{house.open.id}", "DELETE").status == 409
    assert house.ask("clerk", f"/folders/{house.open.id}", "PATCH", {"parent": made["id"]}).status == 400
    assert house.ask("clerk", path, "PATCH", {"nam": "x"}).status == 400, "a slip of the pen is told"
    assert house.ask("clerk", path, "DELETE").status == 204
    assert house.ask("clerk", path).status == 404
    for method in ("PATCH", "DELETE"):
        assert house.ask("clerk", "/folders/top", method, {}).status == 404
    assert house.ask("member", f"/folders/{house.open.id}", "POST", {"name": "x"}).status == 404
    assert house.ask("nobody", "/folders/top", "POST", {"name": "x"}).status == 401


def test_one_moves_things_only_to_where_one_may(house: House) -> None:
    paper = house.register("内部", house.inner)
    assert house.ask("tender", f"/papers/{paper.id}", "PATCH", {"folder": house.open.id}).status == 404
    assert house.ask("tender", f"/papers/{paper.id}", "PATCH", {"folder": "top"}).status == 404
    assert house.ask("tender", f"/papers/{paper.id}", "PATCH", {"folder": house.inner.id, "place": 0}).status == 200
    assert house.ask("tender", f"/folders/{house.inner.id}", "PATCH", {"parent": house.open.id}).status == 404
    assert house.papers.paper(paper.id).folder == house.inner.id


def test_a_folder_that_has_not_changed_is_not_sent_again(house: House) -> None:
    path = f"/folders/{house.open.id}"
    first = house.ask("member", path)
    assert house.ask("member", path, If_None_Match=first.headers["etag"]).status == 304
    assert first.headers["cache-control"] == "private, no-cache"
    house.register("新しい")
    assert house.ask("member", path, If_None_Match=first.headers["etag"]).status == 200


# Papers.


def test_a_paper_tells_its_present_revision_and_where_its_pages_are(house: House) -> None:
    paper = house.register("予算書")
    assert house.papers.wait_prepared(20)
    told = house.get("member", f"/papers/{paper.id}")
    assert (told["name"], told["revision"], told["state"], told["page_count"]) == ("予算書", 1, "ready", 2)
    assert told["progress"] == {
        "paper": paper.id, "revision": 1, "pages": 2, "identified": 2, "previews": 2, "indexed": 2,
    }  # fmt: skip
    for name in ("pages", "manifest", "preview"):
        assert house.ask("member", told["document"][name].removeprefix("http://test")).status == 200, name
    assert not {"replace", "withdraw", "purge"} & set(told["may"])
    assert {"replace", "withdraw", "purge"} <= set(house.get("clerk", f"/papers/{paper.id}")["may"])


def test_a_paper_changes(house: House) -> None:
    paper = house.register("予算書")
    changed = house.ask("clerk", f"/papers/{paper.id}", "PATCH", {"name": "補正予算", "level": "online", "until_s": 5e9}).json()
    assert (changed["name"], changed["level"], changed["until_s"]) == ("補正予算", "online", 5e9)
    assert house.get("member", f"/documents/{paper.document_id}")["name"] == "補正予算", "also as a document"
    assert house.ask("member", f"/papers/{paper.id}/original").status == 404, "read only while connected"
    changed = house.ask("clerk", f"/papers/{paper.id}", "PATCH", {"until_s": None}).json()
    assert (changed["name"], changed["until_s"]) == ("補正予算", None)
    assert house.ask("member", f"/papers/{paper.id}", "PATCH", {"name": "x"}).status == 404
    for wrong in ({"level": "all"}, {"name": ""}, {"from_s": 9, "until_s": 8}, {"place": -1}, {"folder": 1}):
        assert house.ask("clerk", f"/papers/{paper.id}", "PATCH", wrong).status == 400, wrong


def test_what_was_withdrawn_is_not_answered_after_the_answer(house: House) -> None:
    paper = house.register("予算書")
    image = f"/documents/{paper.document_id}/pages/1/preview"
    for _ in range(3):
        assert house.ask("member", image).status == 200
    assert house.ask("clerk", f"/papers/{paper.id}/withdraw", "POST").json()["is_published"] is False
    assert house.ask("member", image).status == 404
    assert house.ask("member", f"/papers/{paper.id}").status == 404
    assert house.ask("clerk", image).status == 200, "who tends it still looks at it"
    assert house.ask("clerk", f"/papers/{paper.id}/restore", "POST").json()["is_published"] is True
    assert house.ask("member", image).status == 200


def test_a_purged_paper_is_gone_and_browsers_are_told_to_forget_it(house: House) -> None:
    paper = house.register("予算書")
    image = f"/documents/{paper.document_id}/pages/1/preview"
    assert house.ask("member", image).status == 200
    reply = house.ask("clerk", f"/papers/{paper.id}", "DELETE")
    assert (reply.status, reply.headers["clear-site-data"]) == (204, '"cache"')
    assert house.ask("member", image).status == 404
    gone = house.ask("member", f"/papers/{paper.id}")
    assert (gone.status, gone.headers["clear-site-data"]) == (404, '"cache"')
    never = house.ask("member", "/papers/neverthere")
    assert (never.status, never.headers) == (404, gone.headers), "it does not tell that there was one"
    foreign = house.ask("member", f"/papers/{paper.id}", Sec_Fetch_Site="cross-site")
    assert "clear-site-data" not in foreign.headers


def test_a_locked_paper_is_unlocked(house: House) -> None:
    data = FakeDocument(pages=(FakePage(),), password="鍵").to_bytes()
    paper = house.papers.register(data, house.open, name="鍵付き")
    assert house.get("member", f"/papers/{paper.id}")["state"] == "locked"
    path = f"/papers/{paper.id}/unlock"
    assert house.ask("clerk", path, "POST", {"password": "wrong"}).status == 422
    assert house.ask("member", path, "POST", {"password": "鍵"}).status == 404
    assert house.ask("clerk", path, "POST", {"password": "鍵"}).json()["state"] == "ready"
    assert house.ask("clerk", path, "POST", {"password": "鍵"}).status == 409


def test_one_document_has_the_name_of_the_paper_that_one_may_see(house: House) -> None:
    """Two papers show the same file. The name of the hidden one is told to nobody who may not see it."""
    secret = house.register("人事案件", house.closed, 7)
    public = house.register("資料", house.open, 7)
    assert secret.document_id == public.document_id
    base = f"/documents/{public.document_id}"
    for path in (base, f"{base}/pages.json", f"/presentation/3/{public.document_id}/manifest.json"):
        for _ in range(2):
            assert "人事案件" in house.ask("clerk", path).body.decode()
            told = house.ask("member", path).body.decode()
            assert "人事案件" not in told
            assert "資料" in told
    disposition = house.ask("member", f"{base}/original").headers["content-disposition"]
    assert "%E8%B3%87%E6%96%99" in disposition


# Revisions and positions.


def test_every_revision_can_be_named(house: House, tmp_path: Path) -> None:
    file = tmp_path / "議案.fake"
    file.write_bytes(pages(1, 2, 3).to_bytes())
    paper = house.papers.register(file, house.open, who="Clerk")
    house.papers.replace(paper.id, pages(1, 9, 3).to_bytes())
    listed = house.get("clerk", f"/papers/{paper.id}/revisions")["revisions"]
    assert [(one["number"], one["is_present"], one["registered_by"]) for one in listed] == [(1, False, "Clerk"), (2, True, "")]
    first = house.get("member", f"/papers/{paper.id}/revisions/1")
    assert (first["registered_by"], first["document"]["id"]) == ("", paper.document_id)
    old = house.ask("member", f"/papers/{paper.id}/revisions/1/original")
    assert old.body == pages(1, 2, 3).to_bytes()
    assert "%E8%AD%B0%E6%A1%88.fake" in old.headers["content-disposition"], "its own name"
    assert house.ask("member", f"/papers/{paper.id}/original").body == pages(1, 9, 3).to_bytes()
    part = house.ask("member", f"/papers/{paper.id}/original", Range="bytes=2-5")
    assert (part.status, part.body) == (206, pages(1, 9, 3).to_bytes()[2:6])
    assert house.ask("member", f"/papers/{paper.id}/revisions/3").status == 404
    changes = house.get("member", f"/papers/{paper.id}/diff/1-2")["pages"]
    assert {(one["kind"], one["old_page"], one["new_page"]) for one in changes} >= {("same", 1, 1), ("same", 3, 3)}
    assert house.ask("member", f"/papers/{paper.id}/diff/1-9").status == 404


def test_a_reader_comes_back_to_the_same_page_of_the_new_revision(house: House) -> None:
    paper = house.register("予算書", None, 1, 2, 3)
    path = f"/papers/{paper.id}/position"
    found = house.get("member", path)
    assert found == {"paper": paper.id, "revision": 1, "page": None, "person": house.get("member", "/me")["id"]}
    assert house.ask("member", path, "PUT", {"page": 3}).json()["page"] == 3
    house.papers.replace(paper.id, pages(8, 1, 2, 3).to_bytes())
    assert house.get("member", path) == {**found, "revision": 2, "page": 4}
    assert house.get("clerk", path)["page"] is None, "each person has a page of its own"
    assert house.ask("member", path, "PUT", {"page": 2, "revision": 1}).json()["page"] == 3, "who still reads the old one"
    assert house.get("member", path)["page"] == 3
    assert house.ask("member", path, "PUT", {"page": 1, "age_s": 3600.5}).json()["page"] == 3, "it was there before"
    assert house.ask("member", path, "PUT", {"page": 1, "age_s": -1}).status == 400
    assert house.ask("member", path, "PUT", {"page": 9}).status == 400
    assert house.ask("member", path, "PUT", {"page": 1, "revision": 7}).status == 404
    again = house.register("写し", None, 8, 1, 2, 3)
    assert house.get("member", f"/papers/{again.id}/position")["page"] is None, "another paper with the same pages"


# Search.


def test_a_search_finds_and_counts_only_what_one_may_see(house: House) -> None:
    seen = house.register("公開", house.open, 1, words="予算の説明")
    house.register("秘密", house.closed, 2, words="予算の秘密")
    house.register("未公開", house.open, 3, words="予算の案", from_s=4e9)
    assert house.papers.wait_prepared(20)
    found = house.get("member", "/search?q=%E4%BA%88%E7%AE%97")
    assert [(one["paper"], one["page"], one["hits"][0]["page"]) for one in found["pages"]] == [(seen.id, 1, 1)]
    assert found["next"] is None
    assert {one["name"] for one in house.get("clerk", "/search?q=%E4%BA%88%E7%AE%97")["pages"]} == {"公開", "秘密", "未公開"}
    inside = house.get("clerk", f"/search?q=%E4%BA%88%E7%AE%97&folder={house.closed.id}")
    assert names(inside["pages"]) == ["秘密"]
    step = house.get("clerk", "/search?q=%E4%BA%88%E7%AE%97&limit=1")
    assert step["pages"]
    assert house.ask("clerk", "/search?q=a&before=x").status == 400
    assert house.ask("nobody", "/search?q=%E4%BA%88%E7%AE%97").status == 401, "nothing is open to everybody"
    in_paper = house.get("member", f"/papers/{seen.id}/search?q=%E4%BA%88%E7%AE%97")
    assert [hit["page"] for hit in in_paper["hits"]] == [1]


# Changes.


def test_changes_are_told_as_far_as_one_may_see_them(house: House) -> None:
    start = house.get("member", "/changes")["position"]
    seen = house.register("公開")
    secret = house.register("秘密", house.closed)
    draft = house.register("案", from_s=4e9)
    house.papers.wait_prepared(20)
    told = house.get("member", f"/changes?since={start}")
    assert {one["paper"] for one in told["changes"]} == {seen.id}
    assert (told["is_reset"], told["more"]) == (False, False)
    assert {one["paper"] for one in house.get("clerk", f"/changes?since={start}")["changes"]} == {seen.id, secret.id, draft.id}
    start = told["position"]
    assert house.ask("member", f"/changes?since={start}").json()["changes"] == []


@pytest.mark.parametrize("how", ["withdraw", "purge", "close"])
def test_what_one_could_see_and_may_not_any_more_is_told_as_gone(house: House, how: str) -> None:
    seen = house.register("公開")
    secret = house.register("秘密", house.closed)
    house.papers.wait_prepared(20)
    start = house.get("member", "/changes")["position"]
    for paper in (seen, secret):
        if how == "withdraw":
            house.papers.withdraw(paper.id)
        elif how == "purge":
            house.papers.purge(paper.id)
        else:
            house.papers.change(paper.id, folder=house.inner)
    told = house.get("member", f"/changes?since={start}")["changes"]
    assert {(one["kind"], one["paper"], one["folder"], one["revision"]) for one in told} == {("gone", seen.id, None, None)}
    assert house.get("outsider", f"/changes?since={start}")["changes"] == []


def test_a_position_of_another_epoch_begins_anew(house: House) -> None:
    for wrong in ("0123456789abcdef.1", "nonsense", "99999999"):
        told = house.get("member", f"/changes?since={wrong}")
        assert (told["is_reset"], told["changes"]) == (True, []), wrong
    every = house.get("clerk", "/changes?since=0&limit=2")
    assert ([one["seq"] for one in every["changes"]], every["more"]) == ([1, 2], True)


def test_without_a_shelf_there_is_none(application: Application) -> None:
    for path in ("/folders", "/folders/top", "/papers/x", "/search?q=x", "/changes", "/uploads/x"):
        assert ask(application, path).status == 404, path


# Files that `sidebooks serve --data` is given.


def test_what_is_named_is_registered_once(house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "6月定例会"
    (folder / "資料").mkdir(parents=True)
    for number in (10, 2, 1):
        (folder / f"議案{number}.pdf").write_bytes(pages(number).to_bytes())
    (folder / "資料" / "表.pdf").write_bytes(pages(30).to_bytes())
    (folder / ".hidden").write_bytes(b"x")
    single = tmp_path / "単独.pdf"
    single.write_bytes(pages(40).to_bytes())
    for _ in range(2):
        register_on_shelf(house.papers, [single, tmp_path / "gone.pdf"], None)
        until(lambda: "gone.pdf" in capsys.readouterr().err, "what cannot be registered is told")
        assert [paper.name for paper in house.papers.papers()] == ["単独"]
    register_on_shelf(house.papers, [folder], None)
    until(lambda: any(one.name == "6月定例会" for one in house.papers.folders()), "the folder is mirrored")
    [meeting] = [one for one in house.papers.folders() if one.name == "6月定例会"]
    until(lambda: len(house.papers.papers(meeting)) == 3, "with its files")
    assert [paper.name for paper in house.papers.papers(meeting)] == ["議案1", "議案2", "議案10"]
    until(lambda: bool(house.papers.folders(meeting)), "and its folders")
    [inner] = house.papers.folders(meeting)
    until(lambda: [paper.name for paper in house.papers.papers(inner)] == ["表"], "with theirs")
    (folder / "議案2.pdf").write_bytes(pages(2, 2).to_bytes())
    until(lambda: house.papers.papers(meeting)[1].revision == 2, "a file that changes is a new revision")


def test_readers_of_one_paper_share_a_look_but_not_one_from_before_a_change(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = house.register("一")
    assert house.papers.wait_prepared(20)
    until(lambda: house.papers.feed.last >= house.papers.changes()[-1].seq, "the feed does not tell it")
    begun: list[str] = []
    goes_on = threading.Event()

    def slow(shelf: PaperShelf, found: Paper) -> PaperFacts:
        begun.append(found.name)
        assert goes_on.wait(20)
        return paper_facts(shelf, found)

    monkeypatch.setattr("sidebooks_core.server.handlers.papers.paper_facts", slow)
    who = {"Who": "member"}

    async def scenario() -> list[str]:
        path = f"/papers/{paper.id}"
        early = [asyncio.ensure_future(ask_async(house.application, path, headers=who)) for _ in range(20)]
        await soon(lambda: begun == ["一"])
        assert (await ask_async(house.application, path, "PATCH", {"Who": "clerk"}, b'{"name": "\\u4e8c"}')).status == 200
        late = asyncio.ensure_future(ask_async(house.application, path, headers=who))
        await soon(lambda: len(begun) == 2)
        goes_on.set()
        return [(await one).json()["name"] for one in [*early, late]]

    assert asyncio.run(scenario()) == [*["一"] * 20, "二"]
    assert begun == ["一", "二"], "twenty readers had one look"


async def soon(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.005)


def test_a_paper_that_was_moved_away_meanwhile_is_told_to_nobody_who_may_not_see_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The places that this process keeps are those before the move, as with another process that moves it."""
    paper = house.register("公開")
    for path in ("", "/revisions", "/revisions/1", "/original", "/search?q=x", "/position", "/diff/1-1"):
        assert house.ask("member", f"/papers/{paper.id}{path}").status == 200
        monkeypatch.setattr(Places, "forget", lambda _: None)
        house.papers.change(paper.id, folder=house.closed, name="極秘")
        answer = house.ask("member", f"/papers/{paper.id}{path}")
        assert (answer.status, "極秘" in answer.body.decode()) == (404, False), path
        monkeypatch.undo()
        house.papers.change(paper.id, folder=house.open, name="公開")
        until(lambda: house.ask("member", f"/papers/{paper.id}").status == 200, "it is not back")


def test_a_paper_that_another_process_put_back_is_there_although_this_one_was_not_told_yet(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = house.register("公開")
    path = f"/papers/{paper.id}"
    house.papers.withdraw(paper.id)
    until(lambda: house.ask("member", path).status == 404, "it is still there")
    monkeypatch.setattr(Places, "forget", lambda _: None)
    house.papers.restore(paper.id)
    for one in (path, f"/documents/{paper.document_id}/pages/1/preview"):
        answer = house.ask("member", one)
        assert (answer.status, "clear-site-data" in answer.headers) == (200, False), one


def test_what_has_just_gone_is_not_there_and_leaves_the_browsers_cache(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = house.register("公開")
    for path in ("", "/revisions", "/search?q=x"):
        assert house.ask("member", f"/papers/{paper.id}{path}").status == 200
    monkeypatch.setattr(Places, "forget", lambda _: None)
    house.papers.purge(paper.id)
    for path in ("", "/revisions", "/search?q=x"):
        gone, absent = (house.ask("member", f"/papers/{one}{path}") for one in (paper.id, "nowhere"))
        assert (gone.status, gone.body) == (404, absent.body), path
        assert gone.headers.get("clear-site-data") == absent.headers.get("clear-site-data")
    assert house.ask("member", f"/papers/{paper.id}/revisions/9").status == 404
