"""Accounts: who there is, passwords, the first administrator, grants."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import argon2
import pytest
from access_accounts import GOOD, HERE, access, add, quick_hashes, times, within
from access_times import SetClock

from sidebooks_core.access import Access, FolderPolicy, Grant, Limits, Person, Principal, passwords
from sidebooks_core.databases.database import Database
from sidebooks_core.errors import AccessDenied, Conflict, RequestError, StorageDamaged

__all__ = ["access", "quick_hashes", "times"]

# People


def test_a_person_is_there_for_all(tmp_path: Path) -> None:
    with Access(tmp_path) as access:
        assert not access.has_people()
        made = access.add_person("Sato@Example.jp", "clerk", password=GOOD, groups=["office", "board"], shown_name="佐藤 花子")
        assert access.has_people()
        assert (made.name, made.shown_name, made.role) == ("sato@example.jp", "佐藤 花子", "clerk")
        assert (made.groups, made.is_disabled, made.has_password) == (frozenset({"office", "board"}), False, True)
        assert made.last_login_s is None
    with Access(tmp_path) as again:
        assert again.people() == [made]
        assert again.person(made.id) == made
    assert GOOD.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_names_are_folded_and_unique(access: Access) -> None:
    made = access.add_person(" Ｙａｍａｄａ　Taro ", "member")
    assert made.name == "yamada taro"
    assert not made.has_password
    assert access.find_person("YAMADA TARO") == made
    assert access.find_person("yamada") is None
    with pytest.raises(Conflict, match="already"):
        access.add_person("ｙａｍａｄａ taro", "clerk")


@pytest.mark.parametrize("name", ["", "  ", "\u3000", "a\x00b", "a\u202eb", "x" * 101, "\ufeff"])
def test_what_is_no_name(access: Access, name: str) -> None:
    with pytest.raises(RequestError):
        access.add_person(name, "member")
    assert access.people() == []


@pytest.mark.parametrize("role", ["guest", "citizen", "king", ""])
def test_what_no_person_can_be(access: Access, role: str) -> None:
    with pytest.raises(RequestError, match="role must be one of"):
        add(access, role=role)


@pytest.mark.parametrize("groups", ["office", [""], [" "]])
def test_what_are_no_groups(access: Access, groups: list[str]) -> None:
    with pytest.raises(RequestError):
        access.add_person("sato", "member", groups=groups)


@pytest.mark.parametrize(
    ("password", "reason"),
    [("short", "too short"), ("123456789", "too short"), ("x" * 1001, "too long"), ("Long-Name-Here", "must not be the name")],
)
def test_a_password_that_is_easily_guessed(access: Access, password: str, reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        access.add_person("ＬＯＮＧ-name-here", "member", password=password)
    person = access.add_person("long-name-here", "member")
    with pytest.raises(RequestError, match=reason):
        access.set_password(person.id, password)
    assert not access.person(person.id).has_password


@pytest.mark.parametrize("password", ["あいうえおかきくけこ", "aaaaaaaaaa", "          x"])
def test_no_other_rule_for_passwords(access: Access, password: str) -> None:
    access.add_person("sato", "member", password=password)
    assert access.check_password("sato", password, HERE).name == "sato"


def test_a_person_is_changed(access: Access) -> None:
    person = add(access)
    assert access.change_person(person.id, role="clerk", groups={"a"}).role == "clerk"
    changed = access.change_person(person.id, shown_name="花子")
    assert (changed.role, changed.groups, changed.shown_name) == ("clerk", frozenset({"a"}), "花子")
    with pytest.raises(RequestError, match="no such person"):
        access.change_person("nobody", role="clerk")
    with pytest.raises(RequestError, match="cannot be changed"):
        access.change_person(person.id, name="other")  # type: ignore[call-arg]


def test_the_last_admin_stays(access: Access) -> None:
    one, two = add(access, "one", "admin"), add(access, "two", "admin")
    access.change_person(one.id, is_disabled=True)
    with pytest.raises(Conflict, match="last admin"):
        access.change_person(two.id, is_disabled=True)
    with pytest.raises(Conflict, match="last admin"):
        access.change_person(two.id, role="clerk")
    access.change_person(two.id, groups={"office"})
    access.change_person(one.id, is_disabled=False)
    assert access.change_person(two.id, role="clerk").role == "clerk"


def test_two_who_disable_each_other_at_once_leave_one(tmp_path: Path) -> None:
    with Access(tmp_path) as access, Access(tmp_path) as other:
        people = [access.add_person(name, "admin") for name in ("one", "two")]
        failed: list[Exception] = []

        def disable(by: Access, person: Person) -> None:
            try:
                by.change_person(person.id, is_disabled=True)
            except Conflict as conflict:
                failed.append(conflict)

        threads = [
            threading.Thread(target=disable, args=(by, person)) for by, person in zip((access, other), people, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(failed) == 1
        assert [person.is_disabled for person in access.people()].count(False) == 1


# Passwords


def test_the_right_password_and_no_other(access: Access) -> None:
    person = access.add_person("sato", "member", password="Ｔｈｒｅｅ green tablets")
    assert access.check_password("SATO", "Three green tablets", HERE).id == person.id
    for name, password in (("sato", "three green tablets"), ("sato", ""), ("suzuki", "Three green tablets"), ("", "")):
        with pytest.raises(AccessDenied, match="the name or the password is wrong"):
            access.check_password(name, password, HERE)


def test_who_has_no_password_or_is_disabled_is_told_the_same(access: Access) -> None:
    access.add_person("outside", "member")
    gone = add(access, "gone")
    access.change_person(gone.id, is_disabled=True)
    told = set()
    for name, password in (("outside", "nobody has this password"), ("gone", GOOD), ("unknown", GOOD), ("gone", "wrong one")):
        with pytest.raises(AccessDenied) as denied:
            access.check_password(name, password, HERE)
        told.add(str(denied.value))
    assert len(told) == 1


def test_an_unknown_name_costs_the_same_work(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    add(access)
    access.add_person("outside", "member")
    looked: list[str] = []
    real = argon2.PasswordHasher.verify

    def verify(self: argon2.PasswordHasher, stored: str, password: str) -> bool:
        looked.append(stored)
        return real(self, stored, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", verify)
    for name in ("sato", "unknown", "outside"):
        with pytest.raises(AccessDenied):
            access.check_password(name, "a wrong password", HERE)
    assert len(looked) == 3
    assert all(argon2.extract_parameters(stored) == argon2.extract_parameters(looked[0]) for stored in looked)


def test_a_hash_of_weaker_parameters_is_renewed(access: Access, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Access(tmp_path) as before:
        add(before)
    monkeypatch.setattr(passwords, "ROUNDS", 2)
    with Access(tmp_path) as after:
        after.check_password("sato", GOOD, HERE)
        after.check_password("sato", GOOD, HERE)
    monkeypatch.setattr(passwords, "ROUNDS", 9)
    renewed: list[str] = []
    real = argon2.PasswordHasher.check_needs_rehash

    def check(self: argon2.PasswordHasher, stored: str) -> bool:
        renewed.append(stored)
        return real(self, stored)

    monkeypatch.setattr(argon2.PasswordHasher, "check_needs_rehash", check)
    with Access(tmp_path) as last:
        last.check_password("sato", GOOD, HERE)
        last.check_password("sato", GOOD, HERE)
    assert [argon2.extract_parameters(stored).time_cost for stored in renewed] == [2, 9]


def test_a_missing_library_is_told_in_words(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "argon2", None)
    with pytest.raises(RequestError, match=r"pip install 'sidebooks-core\[server\]'"):
        access.check_password("sato", GOOD, HERE)
    with pytest.raises(RequestError, match=r"pip install 'sidebooks-core\[server\]'"):
        add(access)


# The first administrator


def test_the_first_administrator(access: Access, times: SetClock) -> None:
    token = access.setup_token()
    assert token is not None
    times.go_on(3599)
    with pytest.raises(RequestError):
        access.set_up(token, "sato", "short")
    admin = access.set_up(token, "sato", GOOD)
    assert (admin.role, admin.has_password) == ("admin", True)
    assert access.setup_token() is None
    with pytest.raises(AccessDenied):
        access.set_up(token, "suzuki", GOOD)
    assert access.check_password("sato", GOOD, HERE).id == admin.id


def test_a_link_for_the_first_administrator_ends(access: Access, times: SetClock) -> None:
    first, second = access.setup_token(), access.setup_token()
    assert first is not None
    assert second is not None
    for token in (first, "x", "", second[:-1]):
        with pytest.raises(AccessDenied):
            access.set_up(token, "sato", GOOD)
    times.go_on(3600)
    with pytest.raises(AccessDenied):
        access.set_up(second, "sato", GOOD)
    third = access.setup_token()
    times.go_on(10)
    times.wall_s -= 60
    with pytest.raises(AccessDenied):
        access.set_up(third or "", "sato", GOOD)
    assert access.people() == []


def test_there_is_a_link_as_long_as_no_admin_can_log_in(access: Access) -> None:
    access.add_person("from outside", "admin")
    add(access, "clerk", "clerk")
    token = access.setup_token()
    assert token is not None
    add(access, "another way", "admin")
    with pytest.raises(AccessDenied, match="already"):
        access.set_up(token, "sato", GOOD)


def test_there_is_no_link_once_an_admin_came_in_by_another_way(access: Access) -> None:
    admin = access.person_of_subject("https://id.example 1", "sato", "", "admin", [])
    assert access.setup_token() is not None
    access.log_in(admin.id)
    assert access.setup_token() is None
    other = add(access, "clerk", "clerk")
    access.log_in(other.id)
    access.add_person("second", "admin")
    access.change_person(admin.id, is_disabled=True)
    assert access.setup_token() is not None, "nobody who is an admin and not disabled has come in"


# Grants


def test_grants_are_there_for_all(tmp_path: Path) -> None:
    told = threading.Event()
    grants = (Grant("group", "committee", "tend"), Grant("role", "citizen", limits=Limits(pages=((0, 2),), is_marked=True)))
    with Access(tmp_path) as access, Access(tmp_path) as other:
        assert access.policy() == FolderPolicy()
        other.tell(told.set)
        began_s = time.monotonic()
        access.set_grants("f", grants, who=Principal("c", "Clerk", "clerk"))
        assert access.grants("f") == grants
        assert told.wait(5)
        assert time.monotonic() - began_s < 1
        assert other.grants("f") == grants
        access.set_grants("f", ())
        assert access.grants("f") == ()
        access.set_grants("f", None)
        assert access.grants("f") is None
        assert within(5, lambda: other.grants("f") is None)


def test_what_is_no_grant(access: Access) -> None:
    for folder, grants in (("", ()), ("f", (Grant("role", "member", "rule"),)), ("f", (Grant("family", "x"),))):  # type: ignore[arg-type]
        with pytest.raises(RequestError):
            access.set_grants(folder, grants)
    assert access.policy() == FolderPolicy()


def test_a_listener_hears_of_what_concerns_rights_only_and_may_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[float] = []
    with Access(tmp_path) as access, Access(tmp_path) as other:

        def break_down() -> None:
            raise KeyError("a listener")

        other.tell(break_down)
        other.tell(lambda: heard.append(time.monotonic()))
        add(access)
        assert within(5, lambda: len(heard) == 1)
        access.audit_now("looked", who="a test")
        time.sleep(0.3)
        assert len(heard) == 1
    assert "a listener of the access failed" in caplog.text


def test_another_process_disables_somebody(tmp_path: Path) -> None:
    with Access(tmp_path) as access:
        person = add(access)
        token, _ = access.log_in(person.id)
        signature = access.sign(["d"], Principal(person.id, "", "member"), valid_s=60)
        script = Path(__file__).with_name("access_clerk.py")
        subprocess.run([sys.executable, script, tmp_path, "disable", "sato"], check=True, timeout=60, env=os.environ)
        assert within(5, lambda: access.principal(token) is None)
        assert access.signed_principal(signature) is None
        assert access.sessions(person.id) == []
        assert access.audit_rows()[-1].name == "another process"
        assert access.verify_audit() == []


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    from sidebooks_core.shelf.schema import SHELF

    Database(tmp_path / "access.sqlite3", SHELF).close()
    with pytest.raises(StorageDamaged):
        Access(tmp_path)


def test_people_of_an_identity_provider(access: Access) -> None:
    add(access, "sato", "admin")
    made = access.person_of_subject("https://id.example 1", "Sato", "佐藤", "member", ["a"])
    assert (made.name, made.role, made.has_password) == ("sato-2", "member", False)
    again = access.person_of_subject("https://id.example 1", "renamed", "佐藤 花子", "clerk", ["b"])
    assert (again.id, again.name, again.role, again.groups) == (made.id, "sato-2", "clerk", frozenset({"b"}))
    assert access.person(made.id) == again
    access.change_person(made.id, is_disabled=True)
    with pytest.raises(AccessDenied):
        access.person_of_subject("https://id.example 1", "Sato", "", "member", [])


def test_an_identity_provider_cannot_take_the_last_admin_away(access: Access, caplog: pytest.LogCaptureFixture) -> None:
    subject = "https://id.example 1"
    admin = access.person_of_subject(subject, "sato", "佐藤", "admin", [])
    token, _ = access.log_in(admin.id)
    with pytest.raises(Conflict, match="sato is the last admin: make somebody else an admin first"):
        access.person_of_subject(subject, "sato", "佐藤", "member", ["a"])
    still = access.principal(token)
    assert still is not None
    assert still.role == "admin"
    [told] = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert "sato" in told
    assert "make somebody else an admin" in told
    access.flush()
    last = access.audit_rows()[-1]
    assert (last.operation, last.name, last.detail) == (
        "manage_people",
        subject,
        "refused: sato as member; the last admin stays one",
    )
    add(access, "second", "admin")
    assert access.person_of_subject(subject, "sato", "佐藤", "member", ["a"]).role == "member"


def test_the_links_of_somebody_who_is_disabled_end(access: Access) -> None:
    sato, mori = add(access, "sato", "clerk"), add(access, "mori", "clerk")
    makers = [Principal(one.id, one.shown_name, one.role) for one in (sato, mori)]
    [(token, link), (other, kept)] = [access.make_link(["f"], name="傍聴", until_s=4e9, who=who) for who in makers]
    secret, _ = access.use_link(token)
    kept_secret, _ = access.use_link(other)
    access.change_person(sato.id, is_disabled=True, who=makers[1])
    assert access.principal(secret) is None
    assert access.principal(kept_secret) is not None
    assert [one.id for one in access.links()] == [kept.id]
    [row] = [one for one in access.audit_rows() if link.id in one.detail and one.detail.startswith("ended")]
    assert (row.person, row.detail) == (mori.id, f"ended the link {link.id}, 傍聴; 1 logins ended")
    access.change_person(sato.id, is_disabled=False)
    with pytest.raises(AccessDenied):
        access.use_link(token)
    assert [one.id for one in access.links()] == [kept.id]


def test_a_backup_has_everything_but_logins(tmp_path: Path) -> None:
    target = tmp_path / "backup"
    target.mkdir(mode=0o700)
    with Access(tmp_path / "data") as access:
        person = add(access)
        token, _ = access.log_in(person.id)
        access.set_grants("f", [Grant("role", "member")])
        access.audit("looked", who="a test")
        access.back_up(target)
        assert access.principal(token) is not None
        with pytest.raises(FileExistsError):
            access.back_up(target)
        rows = access.audit_rows()
    with Access(target) as copy:
        assert [one.name for one in copy.people()] == ["sato"]
        assert copy.principal(token) is None
        assert copy.sessions(person.id) == []
        assert copy.grants("f") == (Grant("role", "member"),)
        assert copy.audit_rows() == rows
        assert copy.verify_audit() == []
    assert {one.name for one in target.iterdir()} == {"access.sqlite3"}
