"""Logins and guests' links: how long they live, and how they end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from access_logins import access, sato, times, within
from access_times import DAY_S, SetClock
from msgspec.structs import replace

from sidebooks_core.access import (
    UNKNOWN,
    Access,
    AccessLimits,
    Clock,
    FolderPolicy,
    Person,
    Principal,
    known_rows,
)
from sidebooks_core.access.core import DATABASE_NAME
from sidebooks_core.access.known import Known
from sidebooks_core.access.schema import ACCESS
from sidebooks_core.access.tokens import digest_of, new_token
from sidebooks_core.databases.database import Database, Reading, Schema
from sidebooks_core.errors import AccessDenied, RequestError

__all__ = ["access", "sato", "times"]

# Logins


def test_a_login_is_known_at_once(access: Access, sato: Person, times: SetClock) -> None:
    token, session = access.log_in(sato.id, device="iPad\n of  the office", address="192.0.2.7")
    assert (session.person, session.device, session.address) == (sato.id, "iPad of the office", "192.0.2.7")
    assert (session.begun_s, session.seen_s, session.end_s) == (times.wall_s, times.wall_s, times.wall_s + 30 * DAY_S)
    expected = Principal(sato.id, "佐藤", "member", groups=frozenset({"committee"}), session=session.id)
    assert access.known_principal(token) == expected
    assert access.principal(token) == expected
    assert access.sessions(sato.id) == [session]
    assert access.person(sato.id).last_login_s == times.wall_s


def test_the_secret_is_not_stored(access: Access, sato: Person, tmp_path: Path) -> None:
    token, _ = access.log_in(sato.id)
    link, _ = access.make_link(["f"], name="guests", until_s=2e9)
    guest, _ = access.use_link(link)
    setup = access.setup_token() or ""
    access.flush()
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for secret in (token, link, guest, setup):
        assert len(secret) == 43
        assert secret.encode() not in stored


@pytest.mark.parametrize("token", ["", "x", "é" * 43, "A" * 42, "A" * 44, "A" * 42 + "\n", "\ud800" * 43])
def test_what_is_no_secret_is_known_to_be_none(access: Access, token: str) -> None:
    assert access.known_principal(token) is None
    assert access.principal(token) is None


def test_an_unknown_secret_is_looked_up_once(access: Access) -> None:
    assert access.known_principal("A" * 43) is UNKNOWN
    assert access.principal("A" * 43) is None
    assert access.known_principal("A" * 43) is None


def test_a_login_of_another_process_is_found_at_once(access: Access, sato: Person, tmp_path: Path, times: SetClock) -> None:
    with Access(tmp_path, clock=times.clock()) as other:
        for _ in range(20):
            token, session = access.log_in(sato.id)
            found = other.principal(token)
            assert found is not None
            assert found.session == session.id
            assert other.known_principal(token) == found


def test_a_login_ends_at_once_and_elsewhere_soon(access: Access, sato: Person, tmp_path: Path, times: SetClock) -> None:
    with Access(tmp_path, clock=times.clock()) as other:
        kept, kept_session = access.log_in(sato.id)
        token, session = access.log_in(sato.id)
        assert other.principal(token) is not None
        access.end_session(session.id, who="a test")
        assert access.known_principal(token) is None
        assert access.principal(token) is None
        assert within(5, lambda: other.known_principal(token) is None)
        assert access.principal(kept) is not None
        assert [one.id for one in access.sessions(sato.id)] == [kept_session.id]
        with pytest.raises(RequestError, match="ended"):
            access.end_session(session.id)


def test_a_lost_tablet_ends_all_logins(access: Access, sato: Person) -> None:
    tokens = [access.log_in(sato.id) for _ in range(3)]
    other = access.add_person("suzuki", "clerk")
    others, _ = access.log_in(other.id)
    assert access.end_sessions(sato.id, who="a test", keep=tokens[0][1].id) == 2
    assert [access.principal(token) is not None for token, _ in tokens] == [True, False, False]
    assert access.end_sessions(sato.id) == 1
    assert access.sessions(sato.id) == []
    assert access.principal(others) is not None


def test_a_new_password_ends_the_other_logins(access: Access, sato: Person) -> None:
    (kept, session), (other, _) = access.log_in(sato.id), access.log_in(sato.id)
    access.set_password(sato.id, "three green tablets", keep=session.id)
    assert access.principal(kept) is not None
    assert access.principal(other) is None


def test_who_is_disabled_has_no_logins(access: Access, sato: Person) -> None:
    token, _ = access.log_in(sato.id)
    access.change_person(sato.id, is_disabled=True)
    assert access.known_principal(token) is None
    assert access.sessions(sato.id) == []
    with pytest.raises(AccessDenied):
        access.log_in(sato.id)
    access.change_person(sato.id, is_disabled=False)
    assert access.principal(token) is None, "the login does not come back"


def test_rights_that_change_count_at_once(access: Access, sato: Person) -> None:
    token, _ = access.log_in(sato.id)
    access.change_person(sato.id, role="clerk", groups=[], shown_name="花子")
    found = access.known_principal(token)
    assert isinstance(found, Principal)
    assert (found.role, found.groups, found.name) == ("clerk", frozenset(), "花子")


def test_the_login_used_longest_ago_makes_room(tmp_path: Path, times: SetClock) -> None:
    with Access(tmp_path, AccessLimits(logins_per_person=3), clock=times.clock()) as access:
        person = access.add_person("sato", "member")
        tokens = []
        for _ in range(5):
            tokens.append(access.log_in(person.id)[0])
            times.go_on(1)
        assert [access.principal(token) is not None for token in tokens] == [False, False, True, True, True]


def test_a_login_ends_after_thirty_days_whatever_happens(access: Access, sato: Person, times: SetClock) -> None:
    token, _ = access.log_in(sato.id)
    for _ in range(29):
        times.go_on(DAY_S)
        assert access.principal(token) is not None
    times.go_on(DAY_S - 1)
    assert access.principal(token) is not None
    times.go_on(1)
    assert access.known_principal(token) is None
    assert access.principal(token) is None
    assert access.sessions(sato.id) == []


def test_a_login_that_nobody_uses_ends_after_seven_days(access: Access, sato: Person, times: SetClock) -> None:
    used, unused = access.log_in(sato.id)[0], access.log_in(sato.id)[0]
    times.go_on(4 * DAY_S)
    assert access.principal(used) is not None
    times.go_on(3 * DAY_S)
    assert access.principal(used) is not None
    assert access.principal(unused) is None
    assert access.known_principal(unused) is None


def test_use_in_one_process_counts_in_the_others(access: Access, sato: Person, tmp_path: Path, times: SetClock) -> None:
    with Access(tmp_path, clock=times.clock()) as other:
        token, _ = access.log_in(sato.id)
        assert other.principal(token) is not None
        for _ in range(4):
            times.go_on(3 * DAY_S)
            assert access.principal(token) is not None
        access.audit("looked", who="a test")  # what waits is written together with when logins were used
        seen_s = times.wall_s
        assert within(5, lambda: [one.seen_s for one in access.sessions(sato.id)] == [seen_s])
        assert other.known_principal(token) is UNKNOWN
        assert other.principal(token) is not None
        assert other.known_principal(token) == access.known_principal(token)


def test_a_process_that_writes_late_hides_no_later_use(access: Access, sato: Person, tmp_path: Path, times: SetClock) -> None:
    token, session = access.log_in(sato.id)
    with Access(tmp_path, clock=times.clock()) as other:
        times.go_on(400)
        assert other.principal(token) is not None
        times.go_on(400)
        assert access.principal(token) is not None
        access.audit("looked", who="a test")
        assert within(5, lambda: access.sessions(sato.id)[0].seen_s == session.begun_s + 800)
    assert access.sessions(sato.id)[0].seen_s == session.begun_s + 800


def test_when_it_was_used_is_kept_at_the_end(tmp_path: Path, times: SetClock) -> None:
    with Access(tmp_path, clock=times.clock()) as access:
        person = access.add_person("sato", "member")
        token, session = access.log_in(person.id)
        times.go_on(1000)
        access.known_principal(token)
        times.go_on(10)
        access.known_principal(token)
    with Access(tmp_path, clock=times.clock()) as again:
        assert again.sessions(person.id)[0].seen_s == session.begun_s + 1000


# A clock that is set


@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_is_set_back_prolongs_no_login(tmp_path: Path, times: SetClock, restarts: bool) -> None:
    access = Access(tmp_path, clock=times.clock())
    person = access.add_person("sato", "member")
    token, _ = access.log_in(person.id)
    lived_days = 0
    while access.principal(token) is not None:
        times.wall_s -= DAY_S * (lived_days % 3)
        if restarts:
            access.close()
            access = Access(tmp_path, clock=times.clock())
        times.go_on(DAY_S)
        lived_days += 1
        assert lived_days <= 30
    access.close()
    assert lived_days == 30


def test_what_was_over_does_not_come_back(access: Access, sato: Person, times: SetClock) -> None:
    token, _ = access.log_in(sato.id)
    times.go_on(31 * DAY_S)
    assert access.principal(token) is None
    times.wall_s -= 20 * DAY_S
    assert access.known_principal(token) is None
    assert access.principal(token) is None


def test_a_clock_that_is_corrected_throws_nobody_out(access: Access, sato: Person, times: SetClock, tmp_path: Path) -> None:
    token, _ = access.log_in(sato.id)
    times.wall_s -= 3600
    assert access.principal(token) is not None
    with Access(tmp_path, clock=times.clock()) as again:
        assert again.principal(token) is not None


# Links for guests


def test_a_guest_reads_by_a_link(access: Access, times: SetClock) -> None:
    token, link = access.make_link(["a", "b"], name="傍聴", until_s=times.wall_s + 7200, who=Principal("c", "Clerk", "clerk"))
    assert (link.name, link.folders, link.made_by, link.used) == ("傍聴", frozenset("ab"), "Clerk", 0)
    secret, session = access.use_link(token, guest_name=" Ms  Guest ", device="phone")
    found = access.known_principal(secret)
    assert found == Principal(
        f"guest-{session.id}", "Ms Guest", "guest", folders=frozenset("ab"), session=session.id, link="傍聴"
    )
    assert found.told_name == "guest Ms Guest (link 傍聴)"
    assert (session.person, session.link, session.end_s) == (None, link.id, times.wall_s + 7200)
    assert access.use_link(token)[1].id != session.id
    assert access.links() == [replace(link, used=2)]
    times.go_on(7200)
    assert access.principal(secret) is None
    with pytest.raises(AccessDenied, match="not valid"):
        access.use_link(token)


def test_a_link_without_a_name_of_the_guest_has_its_own(access: Access, times: SetClock) -> None:
    token, _ = access.make_link(["a"], name="Visitors", until_s=times.wall_s + 60)
    found = access.principal(access.use_link(token, guest_name="\x00 ")[0])
    assert found is not None
    assert found.name == "Visitors"


def test_a_link_that_ends_takes_its_guests_along(access: Access, times: SetClock, tmp_path: Path) -> None:
    token, link = access.make_link(["a"], name="x", until_s=times.wall_s + 60)
    other_token, _ = access.make_link(["a"], name="y", until_s=times.wall_s + 60)
    secret, other_secret = access.use_link(token)[0], access.use_link(other_token)[0]
    with Access(tmp_path, clock=times.clock()) as other:
        other.end_link(link.id, who="a test")
        assert other.principal(secret) is None
    assert within(5, lambda: access.known_principal(secret) is None)
    assert access.principal(other_secret) is not None
    with pytest.raises(AccessDenied):
        access.use_link(token)
    with pytest.raises(RequestError):
        access.end_link(link.id)


def test_a_link_is_used_as_often_as_it_may(access: Access, times: SetClock) -> None:
    token, _ = access.make_link(["a"], name="x", until_s=times.wall_s + 60, uses=2)
    kept = [access.use_link(token)[0] for _ in range(2)]
    with pytest.raises(AccessDenied):
        access.use_link(token)
    assert all(access.principal(secret) is not None for secret in kept)


@pytest.mark.parametrize("token", ["", "A" * 43, "x"])
def test_what_is_no_link(access: Access, token: str) -> None:
    with pytest.raises(AccessDenied):
        access.use_link(token)


def test_a_link_that_cannot_be(access: Access, times: SetClock) -> None:
    for folders, name, until_s, uses in (
        ([], "x", times.wall_s + 1, None),
        ([""], "x", times.wall_s + 1, None),
        ("a", "x", times.wall_s + 1, None),
        (["a"], " ", times.wall_s + 1, None),
        (["a"], "x", times.wall_s, None),
        (["a"], "x", float("inf"), None),
        (["a"], "x", float("nan"), None),
        (["a"], "x", times.wall_s + 1, 0),
    ):
        with pytest.raises(RequestError):
            access.make_link(folders, name=name, until_s=until_s, uses=uses)
    assert access.links() == []


def test_a_link_lets_in_a_bounded_number_of_guests(tmp_path: Path, times: SetClock) -> None:
    with Access(tmp_path, AccessLimits(guests_per_link=3), clock=times.clock()) as access:
        token, _ = access.make_link(["f"], name="gallery", until_s=times.wall_s + DAY_S)
        logins = [access.use_link(token) for _ in range(3)]
        with pytest.raises(AccessDenied, match="too many guests"):
            access.use_link(token)
        assert all(access.principal(secret) is not None for secret, _ in logins), "nobody throws others out"
        assert access.links()[0].used == 3
        other, _ = access.make_link(["f"], name="hall", until_s=times.wall_s + DAY_S)
        access.use_link(other)
        access.end_session(logins[0][1].id)
        access.use_link(token)


def test_a_login_reads_no_other_logins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    real = known_rows.sessions

    def counted(reading: Reading, since: int | None = None) -> list[known_rows.SessionRow]:
        found = real(reading, since)
        read.append(len(found))
        return found

    with Access(tmp_path) as access, Access(tmp_path) as other:
        token, link = access.make_link(["f"], name="gallery", until_s=time.time() + DAY_S)
        secrets = [access.use_link(token)[0] for _ in range(50)]
        assert within(5, lambda: other.known_principal(secrets[-1]) not in (UNKNOWN, None))
        monkeypatch.setattr(known_rows, "sessions", counted)
        secret, _ = access.use_link(token)
        assert within(5, lambda: other.known_principal(secret) not in (UNKNOWN, None))
        assert sum(read) == 2, "one in each process"
        person = access.add_person("sato", "member")
        login, _ = access.log_in(person.id)
        access.change_person(person.id, shown_name="佐藤")
        named = access.principal(login)
        assert named is not None
        assert named.name == "佐藤"
        assert max(read) <= 2
        access.end_link(link.id)
        assert all(access.known_principal(one) is None for one in secrets)
        assert within(5, lambda: all(other.known_principal(one) is None for one in secrets))
        assert access.known_principal(login) == named


def test_guests_of_before_their_ids_were_told_apart_log_in_again(tmp_path: Path) -> None:
    person_token, guest_token = new_token(), new_token()
    before = Schema(ACCESS.application_id, ACCESS.migrations[:4], has_triggers=True)
    database = Database(tmp_path / DATABASE_NAME, before)
    with database.writing() as writing:
        person = "INSERT INTO person (id, name, shown_name, role, groups, made_s) VALUES ('p', 'sato', '', 'member', '[]', 0)"
        link = "INSERT INTO link (id, token, name, folders, made_s, until_s, made_by) VALUES ('l', 't', '', '[]', 0, 9e9, '')"
        login = "INSERT INTO session VALUES (?, ?, ?, ?, '', '', '', ?, ?, 9e9)"
        now_s = time.time()
        writing.run(person)
        writing.run(link)
        writing.run(login, "a" * 24, digest_of(person_token), "p", None, now_s, now_s)
        writing.run(login, "b" * 24, digest_of(guest_token), None, "l", now_s, now_s)
    database.close()
    with Access(tmp_path) as access:
        assert [one.id for one in access.sessions("p")] == ["a" * 24]
        assert access.principal(person_token) is not None
        assert access.principal(guest_token) is None, "nobody could tell that this login has ended"


def test_a_process_that_is_far_behind_reads_all_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_rows, "KEPT_VERSIONS", 1)
    database = Database(tmp_path / DATABASE_NAME, ACCESS)
    with Access(tmp_path) as access:
        old = access.add_person("old", "member")
        (ended, session), (kept, _) = [access.log_in(old.id) for _ in range(2)]
        behind = Known(database, AccessLimits(), Clock())
        assert all(isinstance(behind.find(digest_of(one)), Principal) for one in (ended, kept))
        access.end_session(session.id)
        people = [access.add_person(f"person {number}", "member") for number in range(20)]
        logins = [access.log_in(person.id)[0] for person in people]
        access.set_grants("f", [])
        with database.writing() as writing:
            known_rows.forget_changes(writing)  # nothing says any more what changed but for the last version
        assert behind.refresh()
        assert behind.find(digest_of(ended)) is None
        for login in (kept, *logins):
            assert behind.find(digest_of(login)) == access.known_principal(login)
        assert all(behind.has_person(person.id) for person in people)
        assert behind.policy == FolderPolicy({"f": ()})
        assert not behind.refresh(), "it has caught up"
    database.close()
