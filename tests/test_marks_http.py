"""Marks over HTTP: what is sent is kept once, what is read is what changed, and what is wrong is said mark by mark."""

from __future__ import annotations

import gzip
import json
import time
from urllib.parse import quote

import pytest
from mark_hall import DEVICE, INK, NOTE, attend, kept, mark, person, push, read, refusals, seen
from town_hall import TownHall, hall

from sidebooks_core.access.policy import Grant, Limits
from sidebooks_core.marks import MarkLimits
from sidebooks_core.marks.rows import MarkRow
from sidebooks_core.marks.schema import last_seq
from sidebooks_core.server.mark_numbers import MarkNumbers
from sidebooks_core.shelf.changes import begin_epoch

__all__ = ["hall"]


def test_what_was_sent_is_read_again(hall: TownHall) -> None:
    one, other = mark(), mark(INK, page=2)
    answered = kept(hall, "member", one, other)
    assert {each["id"] for each in answered} == {one["id"], other["id"]}
    assert all(each["mine"] and each["owner"] == person(hall, "member") for each in answered)
    told = read(hall, "member")
    assert told["is_whole"]
    found = {each["id"]: each for each in told["marks"]}
    assert found[one["id"]]["body"] == NOTE
    assert found[other["id"]]["body"]["samples"] == INK["samples"]
    assert found[one["id"]]["stamp"] == one["stamp"]
    assert abs(told["server_ms"] - time.time() * 1000) < 600_000


def test_marks_of_one_person_are_neither_kept_nor_told_under_the_login_of_another(hall: TownHall) -> None:
    path, other = f"/papers/{hall.paper.id}/marks", person(hall, "tender")
    body = {"device": DEVICE, "marks": [mark()], "person": other}
    assert hall.ask("member", path, "POST", body).status == 409
    assert hall.ask("member", f"{path}?since=0&device={DEVICE}&person={quote(other)}").status == 409
    assert read(hall, "member")["marks"] == []
    for who in ("member", "guest"):
        mine = person(hall, who)
        assert hall.ask(who, path, "POST", body | {"person": mine}).status == 200
        assert hall.ask(who, f"{path}?since=0&device={DEVICE}&person={quote(mine)}").status == 200


def test_the_same_request_again_changes_nothing(hall: TownHall) -> None:
    one = mark()
    first = push(hall, "member", one).json()
    again = push(hall, "member", one, one).json()
    before = read(hall, "member")
    assert again["marks"] == first["marks"]
    assert push(hall, "member", one).json()["marks"] == first["marks"]
    assert read(hall, "member", before["seq"])["marks"] == []
    assert len(read(hall, "member")["marks"]) == 1


def test_since_gives_what_changed_and_what_is_gone(hall: TownHall) -> None:
    one, other = mark(), mark()
    kept(hall, "member", one, other)
    before = read(hall, "member")
    later = max(one["stamp"][0], other["stamp"][0]) + 1
    kept(hall, "member", mark(None, id=one["id"], at_ms=later), mark(NOTE | {"text": "済"}, id=other["id"], at_ms=later))
    told = read(hall, "member", before["seq"])
    assert (told["is_whole"], told["gone"]) == (False, [one["id"]])
    assert [(each["id"], each["body"]["text"]) for each in told["marks"]] == [(other["id"], "済")]
    assert read(hall, "member", told["seq"])["marks"] == []


def test_more_marks_than_one_answer_takes_come_one_answer_after_the_other(hall: TownHall) -> None:
    hall.shelf.mark_store.limits = MarkLimits(answer_bytes=1000)
    strokes = [mark(INK | {"samples": [[float(x), 1.0, 0.5] for x in range(30)]}) for _ in range(5)]
    kept(hall, "member", *strokes)
    path = f"/papers/{hall.paper.id}/marks?device={DEVICE}"
    found: list[str] = []
    told = hall.ask("member", f"{path}&since=0").json()
    assert (told["is_whole"], told["is_complete"], told["seq"]) == (True, False, 0)
    etags = set[str]()
    while True:
        found += [one["id"] for one in told["marks"]]
        if told["is_complete"]:
            break
        reply = hall.ask("member", f"{path}&since=0&next={told['next']}")
        etags.add(reply.headers["etag"])
        told = reply.json()
        assert not told["is_whole"]
    assert found == [one["id"] for one in strokes]
    assert len(etags) == 4
    assert told["next"] == ""
    after = read(hall, "member", told["seq"])
    assert (after["is_whole"], after["is_complete"], after["marks"]) == (False, True, [])
    assert hall.ask("member", f"{path}&next=7.7").json()["is_whole"], "a place that was never told"
    for wrong in ("7", "a.b", "1.2.3", "-1.2"):
        assert hall.ask("member", f"{path}&next={wrong}").status == 400


def test_numbers_tell_nothing_of_what_others_write(hall: TownHall) -> None:
    kept(hall, "clerk", mark(visibility="shared"))
    first = read(hall, "member")["seq"]
    known = [first, read(hall, "member", first)["seq"]]
    kept(hall, "clerk", mark(), *(mark() for _ in range(5)))
    kept(hall, "clerk", mark(visibility="shared"), paper=hall.other.id)
    known.append(read(hall, "member", first)["seq"])
    assert set(known) == {first}
    kept(hall, "clerk", mark(visibility="shared"))
    told = read(hall, "member", first)
    assert len(told["marks"]) == 1
    with hall.shelf.database.reading() as reading:
        last = last_seq(reading)
    assert not {first, told["seq"]} & set(range(last + 100)), "how many there were is not told"


def test_a_number_is_told_in_one_way_and_read_again() -> None:
    numbers, others = MarkNumbers(b"k" * 32), MarkNumbers(b"o" * 32)
    given = [0, 1, 2, 3, 1_800_000_000_000, (1 << 52) - 1, *range(100, 5000, 7)]
    told = [numbers.told(one) for one in given]
    assert [numbers.read(one) for one in told] == given
    assert len(set(told)) == len(given)
    assert max(told) < 1 << 53
    assert [numbers.told(one) for one in given] == told
    assert [others.read(one) for one in told[1:]] != given[1:]
    assert [numbers.read(one) for one in (-1, 0, 1 << 52)] == [0, 0, 0]


def test_an_older_edit_that_comes_later_loses_and_its_text_is_kept(hall: TownHall) -> None:
    newer = mark(NOTE | {"text": "17時"})
    kept(hall, "member", newer)
    older = mark(NOTE | {"text": "14時"}, id=newer["id"], at_ms=newer["stamp"][0] - 10_800_000)
    (held,) = kept(hall, "member", older)
    assert held["body"]["text"] == "17時"
    path = f"/papers/{hall.paper.id}/marks/{newer['id']}/lost"
    assert [each["text"] for each in hall.ask("member", path).json()["texts"]] == ["14時"]
    for who in ("admin", "clerk", "tender", "guest"):
        assert hall.ask(who, path).json() == {"texts": []}, "it is its owner's alone"


def test_whoever_has_the_newest_gets_304_before_a_mark_is_read(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(hall, "member", mark())
    path = f"/papers/{hall.paper.id}/marks?since=0&device={DEVICE}"
    first = hall.ask("member", path)
    assert first.headers["cache-control"] == "no-store", "a browser's cache would keep the server's time, and destroyed marks"
    with monkeypatch.context() as patched:
        patched.setattr(hall.shelf.mark_store, "read", None)
        again = hall.ask("member", path, If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    for who in ("clerk", "tender"):
        assert hall.ask(who, path, If_None_Match=first.headers["etag"]).status == 200, "another one's ETag is none"
    kept(hall, "member", mark())
    assert hall.ask("member", path, If_None_Match=first.headers["etag"]).status == 200


def test_a_reading_decodes_no_mark(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(hall, "member", mark(INK, visibility="shared"))
    monkeypatch.setattr(MarkRow, "mark", None)
    (found,) = read(hall, "clerk")["marks"]
    assert found["body"] == INK | {"opacity": 1.0}


def test_the_answer_is_compressed(hall: TownHall) -> None:
    kept(hall, "member", *(mark(INK) for _ in range(20)))
    reply = hall.ask("member", f"/papers/{hall.paper.id}/marks", Accept_Encoding="gzip")
    assert reply.headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(reply.body))["marks"]) == 20


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"marks": []}, "device"),
        ({"device": "two words", "marks": []}, "$.device"),
        ({"device": DEVICE, "marks": {}}, "$.marks"),
        ({"device": DEVICE, "marks": [{"id": "x"}]}, "marks[0]"),
        ({"device": DEVICE, "marks": [7]}, "marks[0]"),
        ({"device": DEVICE, "marks": [mark()] * 1001}, "$.marks"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_and_the_field_is_named(hall: TownHall, body: object, field: str) -> None:
    reply = hall.ask("member", f"/papers/{hall.paper.id}/marks", "POST", body)
    assert reply.status == 400
    assert field in reply.json()["detail"]
    assert seen(hall, "member") == set()


def test_a_body_is_bounded_before_it_is_read(hall: TownHall) -> None:
    reply = hall.ask("member", f"/papers/{hall.paper.id}/marks", "POST", b" " * ((4 << 20) + 1))
    assert reply.status == 413


def test_a_mark_that_cannot_be_kept_keeps_no_other_from_the_disk(hall: TownHall) -> None:
    good, wide, nowhere, foreign = mark(), mark(INK | {"width_pt": -1}), mark(page=7), mark(device="phone")
    reply = push(hall, "member", wide, good, nowhere, foreign).json()
    told = {one["id"]: one for one in reply["refused"]}
    reasons = {wide["id"]: "invalid", nowhere["id"]: "page", foreign["id"]: "device"}
    assert {each: one["reason"] for each, one in told.items()} == reasons
    assert "$.body.width_pt" in told[wide["id"]]["detail"]
    assert [one["id"] for one in reply["marks"]] == [good["id"]]
    assert seen(hall, "member") == {good["id"]}


def test_nobody_changes_a_mark_of_somebody_else(hall: TownHall) -> None:
    own = mark(visibility="shared")
    kept(hall, "member", own)
    for who in ("tender", "clerk", "admin"):
        assert refusals(hall, who, mark(NOTE | {"text": "書換"}, id=own["id"], at_ms=own["stamp"][0] + 1)) == ["taken"]
        assert refusals(hall, who, mark(None, id=own["id"], at_ms=own["stamp"][0] + 1)) == ["taken"]
    (found,) = read(hall, "clerk")["marks"]
    assert found["body"] == NOTE


def test_an_owner_that_a_device_tells_is_not_believed(hall: TownHall) -> None:
    other = person(hall, "clerk")
    (held,) = kept(hall, "member", mark(owner=other))
    assert (held["owner"], held["mine"]) == (person(hall, "member"), True)
    assert seen(hall, "clerk") == set()


def test_marks_of_others_have_their_names_and_nothing_else_of_them(hall: TownHall) -> None:
    kept(hall, "member", mark(visibility="shared"))
    reply = hall.ask("clerk", f"/papers/{hall.paper.id}/marks")
    (found,) = reply.json()["marks"]
    assert (found["owner"], found["mine"], found["stamp"][2]) == ("member", False, "other")
    assert person(hall, "member") not in reply.body.decode()
    assert DEVICE not in reply.body.decode()


def test_the_name_stays_when_somebody_has_left_and_a_guest_is_called_by_theirs(hall: TownHall) -> None:
    meeting = hall.begin("tender")["id"]
    attend(hall, "clerk", meeting)
    attend(hall, "guest", meeting)
    kept(hall, "member", mark(visibility="shared"))
    kept(hall, "guest", mark(visibility="shared", meeting=meeting))
    hall.access.change_person(hall.people["member"].id, is_disabled=True)
    assert sorted(one["owner"] for one in read(hall, "clerk")["marks"]) == ["guest", "member"]


def test_whoever_may_read_some_pages_sees_and_makes_marks_on_these_alone(hall: TownHall) -> None:
    hall.access.set_grants(hall.finance.id, [Grant("group", "finance", limits=Limits(pages=((0, 0),))), Grant("person", "x")])
    first, last = mark(visibility="shared"), mark(page=2, visibility="shared")
    kept(hall, "clerk", first, last)
    assert seen(hall, "member") == {first["id"]}
    assert refusals(hall, "member", mark(page=2)) == ["page"]


def test_a_device_begins_anew_when_its_reader_may_read_other_pages(hall: TownHall) -> None:
    def may_read(limits: Limits) -> None:
        tending = Grant("group", "secretaries", "tend")
        hall.access.set_grants(hall.finance.id, [Grant("group", "finance", limits=limits), tending])

    narrow = Limits(pages=((0, 0),))
    may_read(narrow)
    first, last = mark(visibility="shared"), mark(page=2, visibility="shared")
    kept(hall, "clerk", first, last)
    before = read(hall, "member")
    assert [one["id"] for one in before["marks"]] == [first["id"]]
    may_read(Limits())
    widened = read(hall, "member", before["seq"])
    assert (widened["is_whole"], {one["id"] for one in widened["marks"]}) == (True, {first["id"], last["id"]})
    may_read(narrow)
    narrowed = read(hall, "member", widened["seq"])
    assert (narrowed["is_whole"], [one["id"] for one in narrowed["marks"]]) == (True, [first["id"]])


def test_what_a_reader_does_not_see_changes_no_etag(hall: TownHall) -> None:
    hall.access.set_grants(hall.finance.id, [Grant("group", "finance", limits=Limits(pages=((0, 0),)))])
    kept(hall, "clerk", mark(visibility="shared"))
    path = f"/papers/{hall.paper.id}/marks?since=0&device={DEVICE}"
    etag = hall.ask("member", path).headers["etag"]
    kept(hall, "clerk", mark(), mark(page=2, visibility="shared"))
    assert hall.ask("member", path, If_None_Match=etag).status == 304
    kept(hall, "clerk", mark(visibility="shared"))
    assert hall.ask("member", path, If_None_Match=etag).status == 200


def test_a_reader_of_some_pages_is_not_told_what_is_gone_from_another(hall: TownHall) -> None:
    hall.access.set_grants(hall.finance.id, [Grant("group", "finance", limits=Limits(pages=((0, 0),)))])
    first, last = mark(visibility="shared"), mark(page=2, visibility="shared")
    kept(hall, "clerk", first, last)
    before = read(hall, "member")
    deleted = [mark(None, page=one["anchor"]["page"], id=one["id"], at_ms=one["stamp"][0] + 1) for one in (first, last)]
    kept(hall, "clerk", *deleted)
    told = read(hall, "member", before["seq"])
    assert (told["is_whole"], told["marks"], told["gone"]) == (False, [], [first["id"]])


def test_one_finds_ones_own_marks_in_all_papers_that_one_may_read(hall: TownHall) -> None:
    hall.access.set_grants(hall.planning.id, [Grant("group", "finance")])
    here, there = mark(NOTE | {"text": "道路の予算"}), mark(NOTE | {"text": "道路の計画"})
    kept(hall, "member", here)
    kept(hall, "member", there, paper=hall.other.id)
    kept(hall, "clerk", mark(NOTE | {"text": "道路"}, visibility="shared"))

    def found(query: str) -> dict[str, str]:
        answer = hall.ask("member", f"/marks?query={quote(query)}").json()
        return {one["mark"]["id"]: one["paper"] for one in answer["marks"]}

    assert found("道路") == {here["id"]: hall.paper.id, there["id"]: hall.other.id}
    assert found("計画") == {there["id"]: hall.other.id}
    assert found("") == found("橋") == {}
    hall.access.set_grants(hall.planning.id, [])
    assert found("道路") == {here["id"]: hall.paper.id}


def test_marks_on_papers_that_one_may_not_read_any_more_do_not_count_in_a_search(hall: TownHall) -> None:
    hall.access.set_grants(hall.planning.id, [Grant("group", "finance")])
    here = mark()
    kept(hall, "member", here)
    kept(hall, "member", *(mark(at_ms=here["stamp"][0] + 1 + later) for later in range(3)), paper=hall.other.id)
    hall.access.set_grants(hall.planning.id, [])
    answer = hall.ask("member", f"/marks?query={quote('要確認')}&limit=2").json()
    assert [one["mark"]["id"] for one in answer["marks"]] == [here["id"]]


def test_a_device_hears_that_a_backup_was_restored(hall: TownHall) -> None:
    path = f"/papers/{hall.paper.id}/marks?since=0&device={DEVICE}"
    before = hall.ask("member", path)
    assert before.json()["epoch"] == hall.shelf.epoch()
    with hall.shelf.database.writing() as writing:
        begin_epoch(writing)
    after = hall.ask("member", path, If_None_Match=before.headers["etag"])
    assert after.json()["epoch"] == hall.shelf.epoch() != before.json()["epoch"]
