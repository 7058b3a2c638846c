"""The feed tells that something is gone to whoever could see it before, and to nobody else."""

from __future__ import annotations

import time
from typing import Any

import pytest
from paper_house import House
from quiet import wait_until


def told(house: House, who: str, since: str = "0") -> list[tuple[str, str | None, str | None]]:
    if not who:  # nothing is open to strangers
        assert house.ask("", f"/changes?since={since}").status == 401
        return []
    changes = house.get(who, f"/changes?since={since}")["changes"]
    return [(one["kind"], one["folder"], one["paper"]) for one in changes]


def position(house: House) -> str:
    found: str = house.get("clerk", "/changes")["position"]
    return found


def test_nobody_hears_of_what_was_never_to_be_seen(house: House) -> None:
    papers = house.papers
    secret, draft = house.register("秘密", house.closed), house.register("案", from_s=4e9)
    papers.change(draft.id, name="案2")
    papers.change_folder(house.closed.id, name="特別委員会")
    gone = papers.make_folder("非公開", house.closed)
    papers.change_folder(gone.id, place=0)
    papers.remove_folder(gone.id)
    for paper in (secret, draft):
        papers.withdraw(paper.id)
        papers.purge(paper.id)
    hidden = {secret.id, draft.id, house.closed.id, house.inner.id, gone.id}
    for who in ("", "member", "outsider"):
        assert not {one for _, *ids in told(house, who) for one in ids} & hidden, who
    assert hidden == hidden & {one for _, *ids in told(house, "clerk") for one in ids}
    assert told(house, "") == []


def test_whoever_could_see_a_folder_hears_that_it_is_gone(house: House) -> None:
    papers = house.papers
    removed, moved = papers.make_folder("廃止", house.open), papers.make_folder("移動", house.open)
    start = position(house)
    papers.remove_folder(removed.id)
    papers.change_folder(moved.id, parent=house.closed)
    assert set(told(house, "member", start)) == {("gone", removed.id, None), ("gone", moved.id, None)}
    assert told(house, "outsider", start) == told(house, "", start) == []
    start = position(house)
    papers.change_folder(moved.id, name="また")
    papers.remove_folder(moved.id)
    assert told(house, "member", start) == [], "it was hidden already"


def test_a_paper_is_gone_and_where_it_goes_then_is_nobodys_business(house: House) -> None:
    paper = house.register("公開")
    start = position(house)
    house.papers.change(paper.id, folder=house.closed)
    house.papers.change(paper.id, name="秘密")
    house.papers.withdraw(paper.id)
    assert set(told(house, "member", start)) == {("gone", None, paper.id)}
    start = position(house)
    house.papers.purge(paper.id)
    assert told(house, "member", start) == []


def test_the_time_of_a_paper_begins_and_ends_for_its_readers(house: House) -> None:
    """Also on the short way to images in memory, which asks about each request anew."""
    start, from_s = position(house), time.time() + 1.0
    paper = house.register("公開", from_s=from_s, until_s=from_s + 2.0)
    secret = house.register("秘密", house.closed, from_s=from_s, until_s=from_s + 2.0)
    image = f"/documents/{paper.document_id}/pages/1/preview"
    assert house.ask("member", image).status == 404
    assert house.ask("clerk", image).status == 200

    def kinds(who: str) -> list[Any]:
        return [(kind, of) for kind, _, of in told(house, who, start) if kind not in ("paper", "paper prepared")]

    _until(lambda: kinds("member") == [("paper opened", paper.id)])
    for _ in range(3):
        assert house.ask("member", image).status == 200
    assert house.ask("member", image).headers["server-timing"].startswith("memory")
    _until(lambda: ("gone", paper.id) in kinds("member"))
    assert house.ask("member", image).status == 404
    assert kinds("member") == [("gone", paper.id)]
    assert kinds("outsider") == kinds("") == []
    every = [(kind, one.id) for kind in ("paper opened", "paper closed") for one in (paper, secret)]
    _until(lambda: sorted(kinds("clerk")) == sorted(every))


def _until(holds: Any) -> None:
    deadline_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_a_move_counts_at_once_although_nobody_is_told_yet(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = house.register("公開")
    feed = house.papers.feed
    wait_until(lambda: feed.last == house.papers.changes(0)[-1].seq, "the feed is behind")
    image = f"/documents/{house.get('member', f'/papers/{paper.id}')['document']['id']}/pages/1/preview"
    assert house.ask("member", image).status == 200
    monkeypatch.setattr("sidebooks_core.shelf.changes.changes", lambda *_: [])  # its thread finds nothing to tell
    house.papers.change(paper.id, folder=house.closed)
    assert house.ask("member", image).status == 404
