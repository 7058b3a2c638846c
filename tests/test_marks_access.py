"""Who sees which marks: by every route, as everybody; in meetings, for their chair, for guests, and after destruction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from asgi import Reply
from mark_hall import INK, NOTE, attend, kept, mark, person, push, read, refusals, seen
from quiet import wait_until
from town_hall import EVERYBODY, NOBODY, TownHall, address, body_of, hall, town_hall

from sidebooks_core.access import Access
from sidebooks_core.access.policy import Grant
from sidebooks_core.guest_marks import GuestMarks
from sidebooks_core.marks import Note
from sidebooks_core.server.mark_routes import MARK_ROUTES
from sidebooks_core.server.route import Route
from sidebooks_core.server.routes import ROUTES

__all__ = ["hall"]
READERS = ("guest", "member", "tender", "clerk", "admin")
SECRET, LOST = "極秘の下書き", "極秘の初稿"
PART = "下書き"
"""Of the secret: an answer may have the question in it."""

SHOWING = [one for one in MARK_ROUTES if one.method == "GET" and not one.path.endswith(".pdf")]


class Private:
    """A town hall where the member has a private mark, and a text of it that lost."""

    def __init__(self, hall: TownHall) -> None:
        self.hall = hall
        self.note = mark(NOTE | {"text": SECRET}, quote="")
        kept(hall, "member", self.note)
        kept(hall, "member", mark(NOTE | {"text": LOST}, id=self.note["id"], at_ms=self.note["stamp"][0] - 1000))
        self.owner = person(hall, "member")
        hall.access.flush()

    def addresses(self, route: Route) -> set[str]:
        """With a query that would find it, and without."""
        path = address(route, self.hall, mark=self.note["id"], query=quote(PART))
        return {path, path.partition("?")[0]}

    def shows(self, reply: Reply) -> bool:
        """Whether an answer tells of it."""
        told = [SECRET, LOST, self.note["id"], SECRET.encode("unicode-escape").decode()]
        return any(one.encode() in reply.body for one in told)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Private]:
    with town_hall(tmp_path_factory.mktemp("hall")) as made:
        yield Private(made)


@pytest.mark.parametrize("who", [one for one in EVERYBODY if one != "member"])
@pytest.mark.parametrize("route", [pytest.param(one, id=f"{one.method} {one.path}") for one in ROUTES if one.method == "GET"])
def test_no_address_shows_anybody_a_private_mark_of_another(private: Private, route: Route, who: str) -> None:
    for path in private.addresses(route):
        assert not private.shows(private.hall.ask(who, path)), path


@pytest.mark.parametrize("route", [pytest.param(one, id=one.path) for one in SHOWING])
def test_its_owner_is_shown_it(private: Private, route: Route) -> None:
    """So the test above would see it. The engine here writes no PDF: those are looked into in test_marks_files_http.py."""
    replies = [private.hall.ask("member", path) for path in private.addresses(route)]
    assert any(private.shows(one) for one in replies), [one.body for one in replies]


@pytest.mark.parametrize("who", ["clerk", "admin"])
def test_no_answer_to_a_change_shows_it(private: Private, who: str) -> None:
    hall, own = private.hall, mark(id=private.note["id"])
    reply = push(hall, who, own)
    assert [one["reason"] for one in reply.json()["refused"]] == ["taken"]
    assert SECRET not in reply.body.decode()
    for route in ROUTES:
        if route.method in ("PATCH", "PUT") and "paper" in route.parameters:
            assert not private.shows(hall.ask(who, address(route, hall), route.method, body_of(route)))


def test_the_audit_does_not_say_who_makes_marks(private: Private) -> None:
    private.hall.access.flush()
    rows = private.hall.access.audit_rows()
    assert rows
    assert not [one for one in rows if one.operation == "keep_marks" or private.note["id"] in one.detail]
    about = {one.operation for one in rows if one.person == private.owner and "mark" in one.operation}
    assert about <= {"export_marks"}, "that a file was had is said, and not what was in it"


@pytest.mark.parametrize("who", [*NOBODY, "signed", "other folder", "other guest"])
def test_marks_are_for_those_who_may_read_the_paper_and_are_known(hall: TownHall, who: str) -> None:
    kept(hall, "clerk", mark(visibility="shared"))
    status = 401 if who in NOBODY else 404
    assert hall.ask(who, f"/papers/{hall.paper.id}/marks").status == (401 if who in NOBODY else status)
    assert push(hall, who, mark()).status == status


def test_a_shared_mark_is_for_all_readers_and_a_collected_one_for_those_who_tend(hall: TownHall) -> None:
    shared, collected, own = mark(visibility="shared"), mark(visibility="collected"), mark()
    kept(hall, "member", shared, collected, own)
    assert seen(hall, "member") == {shared["id"], collected["id"], own["id"]}
    assert seen(hall, "guest") == {shared["id"]}
    for who in ("tender", "clerk", "admin"):
        assert seen(hall, who) == {shared["id"], collected["id"]}, who


def test_a_mark_that_is_private_again_is_gone_for_others_and_for_nobody_else(hall: TownHall) -> None:
    one, other = mark(visibility="shared"), mark()
    kept(hall, "member", one, other)
    before = read(hall, "clerk")["seq"]
    kept(hall, "member", mark(id=one["id"], at_ms=one["stamp"][0] + 1), mark(None, id=other["id"], at_ms=one["stamp"][0] + 1))
    told = read(hall, "clerk", before)
    assert (told["marks"], told["gone"]) == ([], [one["id"]]), "it is not told of marks that it never saw"


class TestMeetings:
    def test_what_is_shared_with_a_meeting_is_for_those_who_were_in_it(self, hall: TownHall) -> None:
        meeting = hall.begin("tender")["id"]
        attend(hall, "member", meeting)
        attend(hall, "tender", meeting)
        one = mark(visibility="shared", meeting=meeting)
        kept(hall, "member", one)
        assert seen(hall, "tender") == {one["id"]}
        assert seen(hall, "clerk") == seen(hall, "guest") == set()
        attend(hall, "clerk", meeting)
        assert seen(hall, "clerk") == {one["id"]}

    def test_whoever_comes_to_a_meeting_is_told_also_what_was_shared_before(self, hall: TownHall) -> None:
        meeting = hall.begin("tender")["id"]
        attend(hall, "member", meeting)
        one = mark(visibility="shared", meeting=meeting)
        kept(hall, "member", one)
        before = read(hall, "clerk")["seq"]
        attend(hall, "clerk", meeting)
        told = read(hall, "clerk", before)
        assert told["is_whole"]
        assert [each["id"] for each in told["marks"]] == [one["id"]]

    def test_what_is_collected_is_for_the_chair_also_after_the_end(self, hall: TownHall) -> None:
        meeting = hall.begin("tender")["id"]
        attend(hall, "member", meeting)
        attend(hall, "clerk", meeting)
        one = mark(visibility="collected", meeting=meeting)
        kept(hall, "member", one)
        assert seen(hall, "tender") == {one["id"]}
        assert seen(hall, "clerk") == seen(hall, "admin") == set(), "who tends the folder is not the chair"
        assert hall.ask("tender", f"/meetings/{meeting}/end", "POST").status == 204
        wait_until(lambda: seen(hall, "tender") == {one["id"]}, "the chair lost them")

    def test_nobody_puts_marks_into_a_meeting_in_which_they_never_were(self, hall: TownHall) -> None:
        meeting = hall.begin("tender")["id"]
        for visibility in ("shared", "collected"):
            assert refusals(hall, "member", mark(visibility=visibility, meeting=meeting)) == ["meeting"]
        assert refusals(hall, "member", mark(visibility="shared", meeting="none-such")) == ["meeting"]

    def test_a_mark_of_a_meeting_is_deleted_by_whoever_left_it_too(self, hall: TownHall) -> None:
        meeting = hall.begin("tender")["id"]
        assert refusals(hall, "member", mark(None, meeting=meeting)) == []


class TestGuests:
    def test_their_marks_end_with_their_login(self, hall: TownHall) -> None:
        one = mark(visibility="collected")
        kept(hall, "guest", one)
        assert seen(hall, "clerk") == {one["id"]}
        before = read(hall, "clerk")["seq"]
        hall.access.end_link(hall.links["guest"].id)
        wait_until(lambda: seen(hall, "clerk") == set(), "the mark of the guest is still there")
        assert hall.shelf.mark_store.people("guest-") == []
        assert read(hall, "clerk", before)["is_whole"]

    def test_of_those_who_have_only_read_no_device_is_waited_for(self, hall: TownHall) -> None:
        store = hall.shelf.mark_store
        read(hall, "guest")
        assert store.people("guest-") == [person(hall, "guest")]
        hall.access.end_link(hall.links["guest"].id)
        wait_until(lambda: store.people("guest-") == [], "the device of the guest is still known")

    def test_they_end_with_the_meeting(self, hall: TownHall) -> None:
        meeting = hall.begin("tender")["id"]
        code = hall.ask("tender", f"/meetings/{meeting}/code", "POST", {"hours": 1}).json()["code"]
        joined = hall.ask("none", "/meetings/join", "POST", {"code": code, "name": "傍聴者"})
        hall.cookies["visitor"] = joined.headers["set-cookie"].partition("=")[2].partition(";")[0]
        attend(hall, "visitor", meeting)
        attend(hall, "member", meeting)
        one = mark(visibility="shared", meeting=meeting)
        kept(hall, "visitor", one)
        assert seen(hall, "member") == {one["id"]}
        assert hall.ask("tender", f"/meetings/{meeting}/end", "POST").status == 204
        wait_until(lambda: seen(hall, "member") == set(), "the mark of the guest is still there")
        assert push(hall, "visitor", mark()).status == 401

    def test_a_push_that_is_overtaken_by_the_end_of_the_login_leaves_nothing(
        self, hall: TownHall, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = hall.shelf.mark_store
        push_of_store = store.push

        def push_late(*given: Any) -> Any:
            hall.access.end_link(hall.links["guest"].id)
            guests = GuestMarks(store, hall.access)
            guests.look()
            guests.close()
            return push_of_store(*given)

        monkeypatch.setattr(store, "push", push_late)
        assert push(hall, "guest", mark(visibility="collected")).status == 401
        assert seen(hall, "clerk") == set()
        assert store.people("guest-") == []

    def test_one_guest_never_sees_a_private_mark_of_another(self, hall: TownHall) -> None:
        kept(hall, "guest", mark())
        hall.cookies["guest 2"] = hall.log_in_anew("guest")[0]
        assert seen(hall, "guest 2") == set()

    def test_they_share_with_a_meeting_and_not_with_all_readers(self, hall: TownHall) -> None:
        assert refusals(hall, "guest", mark(visibility="shared")) == ["guest"]

    def test_those_who_are_still_here_keep_theirs(self, hall: TownHall) -> None:
        one = mark()
        kept(hall, "guest", one)
        hall.access.end_link(hall.links["other guest"].id)
        guests = GuestMarks(hall.shelf.mark_store, hall.access)
        assert guests.look() == 0
        guests.close()
        assert seen(hall, "guest") == {one["id"]}

    def test_whoever_is_only_called_like_a_guest_keeps_theirs(self, hall: TownHall) -> None:
        ended = f"{person(hall, 'guest')[:-16]}{'0' * 16}"
        own = [hall.shelf.marks(hall.paper, owner=owner) for owner in ("guest-book", "guest-", ended)]
        for marks in own:
            marks.add(0, Note(1.0, 2.0, "x", "#c00000"))
        guests = GuestMarks(hall.shelf.mark_store, hall.access)
        guests.look()
        guests.close()
        assert hall.shelf.mark_store.people("guest-") == ["guest-", "guest-book"]
        assert [len(list(marks)) for marks in own] == [1, 1, 0]

    def test_guests_of_another_folder_of_access_keep_theirs(self, hall: TownHall) -> None:
        one = mark()
        kept(hall, "guest", one)
        with Access(None) as access:
            guests = GuestMarks(hall.shelf.mark_store, access)
            assert guests.look() == 0
            guests.close()
        assert seen(hall, "guest") == {one["id"]}


class TestDestruction:
    def test_all_marks_of_a_folder_go_and_those_of_others_stay(self, hall: TownHall) -> None:
        inner = hall.shelf.make_folder("分科会", hall.finance)
        deep = hall.shelf.register(hall.shelf.originals.path(hall.shelf.revision(hall.paper.id).original), inner, name="別紙")
        elsewhere = mark()
        kept(hall, "clerk", elsewhere, paper=hall.other.id)
        kept(hall, "member", mark(NOTE | {"text": SECRET}), mark(visibility="shared"))
        kept(hall, "clerk", mark(), paper=deep.id)
        before = read(hall, "member")["seq"]
        reply = hall.ask("clerk", f"/folders/{hall.finance.id}/marks", "DELETE")
        assert (reply.status, reply.json()["papers"], reply.json()["marks"]) == (200, 2, 3)
        told = read(hall, "member", before)
        assert (told["is_whole"], told["marks"]) == (True, [])
        assert seen(hall, "clerk", deep.id) == set()
        assert seen(hall, "clerk", hall.other.id) == {elsewhere["id"]}

    def test_the_audit_says_who_did_it_and_how_many_there_were_and_not_whose(self, hall: TownHall) -> None:
        kept(hall, "member", mark(NOTE | {"text": SECRET}))
        hall.ask("clerk", f"/folders/{hall.finance.id}/marks", "DELETE")
        rows = [one for one in hall.access.audit_rows() if one.operation == "destroy_marks"]
        assert [one.detail for one in rows] == ["destroys the marks of 1 papers", "destroyed 1 marks"]
        assert {one.document for one in rows} == {hall.finance.id}
        assert {one.person for one in rows} == {person(hall, "clerk")}
        assert not [one for one in rows if person(hall, "member") in one.detail]

    def test_a_device_cannot_bring_them_back(self, hall: TownHall) -> None:
        one = mark()
        kept(hall, "member", one)
        hall.ask("clerk", f"/folders/{hall.finance.id}/marks", "DELETE")
        [held] = push(hall, "member", mark(id=one["id"], at_ms=one["stamp"][0] + 1)).json()["marks"]
        assert held["body"] is None

    @pytest.mark.parametrize("who", ["guest", "member", "tender"])
    def test_who_is_no_clerk_destroys_nothing(self, hall: TownHall, who: str) -> None:
        one = mark()
        kept(hall, "member", one)
        assert hall.ask(who, f"/folders/{hall.finance.id}/marks", "DELETE").status == 404
        assert seen(hall, "member") == {one["id"]}


def test_a_deleted_mark_waits_for_no_device_of_somebody_who_may_not_read_any_more(hall: TownHall) -> None:
    store = hall.shelf.mark_store
    one = mark(INK, visibility="shared")
    kept(hall, "clerk", one)
    read(hall, "member")
    kept(hall, "clerk", mark(None, id=one["id"], at_ms=one["stamp"][0] + 1))
    assert store.sweep() == 0, "the device of the member does not know it"
    hall.access.set_grants(hall.finance.id, [Grant("group", "secretaries", "tend")])
    assert store.sweep() == 1
    hall.access.set_grants(hall.finance.id, [Grant("group", "finance"), Grant("group", "secretaries", "tend")])
    assert read(hall, "member")["marks"] == []
