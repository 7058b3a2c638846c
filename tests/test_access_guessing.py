"""Accounts: how fast passwords can be tried, by whom, and who waits for whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from access_accounts import GOOD, HERE, access, add, quick_hashes, times
from access_times import DAY_S, SetClock
from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.access import Access, attempts, passwords
from sidebooks_core.access.networks import network_of
from sidebooks_core.errors import AccessDenied, TooManyAttempts

__all__ = ["access", "quick_hashes", "times"]


def fail(access: Access, name: str = "sato", address: str = HERE) -> None:
    with pytest.raises(AccessDenied) as denied:
        access.check_password(name, "a wrong password", address)
    assert not isinstance(denied.value, TooManyAttempts)


def test_after_some_failures_one_waits_longer_each_time(access: Access, times: SetClock) -> None:
    add(access)
    for _ in range(5):
        fail(access)
    for wait_s in (1.0, 2.0, 4.0, 8.0):
        with pytest.raises(TooManyAttempts) as told:
            access.check_password("sato", GOOD, HERE)
        assert told.value.retry_after_s == wait_s
        times.go_on(wait_s)
        fail(access)
    times.go_on(16)
    access.check_password("sato", GOOD, HERE)
    fail(access)
    access.check_password("sato", GOOD, HERE)


def test_a_stranger_who_fails_on_purpose_does_not_lock_somebody_out(access: Access, times: SetClock) -> None:
    add(access)
    for number in range(29):
        fail(access, address=f"198.51.100.{number}")
    assert access.check_password("sato", GOOD, HERE).name == "sato"


def test_many_addresses_do_not_help_to_try_one_name(access: Access, times: SetClock) -> None:
    add(access)
    for number in range(100):
        fail(access, address=f"198.51.100.{number}")
    with pytest.raises(TooManyAttempts):
        access.check_password("sato", GOOD, HERE)
    times.go_on(60)
    access.check_password("sato", GOOD, HERE)


def test_a_name_that_is_tried_again_from_the_same_addresses_is_guessed_slowly(access: Access, times: SetClock) -> None:
    add(access)
    failures = 0
    for _ in range(900):
        times.go_on(1)
        for number in range(15):
            try:
                access.check_password("sato", "a wrong password", f"203.0.113.{number}")
            except TooManyAttempts:
                continue
            except AccessDenied:
                failures += 1
    assert 0 < failures < 150


@pytest.mark.parametrize("place", ["a new address", "a known address", "a known browser behind the attacker's address"])
def test_fifteen_addresses_do_not_keep_the_owner_out(access: Access, times: SetClock, place: str) -> None:
    add(access)
    device = "b" * 43 if "browser" in place else ""
    address = "203.0.113.7" if device else HERE
    if place != "a new address":
        access.check_password("sato", GOOD, address, device)
    let_in = 0
    for second in range(500):
        times.go_on(1)
        for number in range(15):
            with pytest.raises(AccessDenied):
                access.check_password("sato", "a wrong password", f"203.0.113.{number}", "c" * 43)
        if second % 100 == 99:
            let_in += access.check_password("sato", GOOD, address, device).name == "sato"
    assert let_in == 5


def test_a_known_address_is_still_bound_by_its_own_failures(access: Access) -> None:
    add(access)
    access.check_password("sato", GOOD, HERE, "b" * 43)
    for device in ("", "b" * 43):
        for _ in range(5):
            with pytest.raises(AccessDenied) as denied:
                access.check_password("sato", "a wrong password", HERE, device)
            assert not isinstance(denied.value, TooManyAttempts)
        with pytest.raises(TooManyAttempts):
            access.check_password("sato", GOOD, HERE, device)


def test_a_browser_is_known_for_the_name_that_logged_in_and_for_a_time(access: Access, times: SetClock) -> None:
    add(access)
    add(access, "suzuki")
    access.check_password("sato", GOOD, "192.0.2.8", "b" * 43)

    def is_let_in(name: str) -> bool:
        for number in range(100):
            with pytest.raises(AccessDenied):
                access.check_password(name, "a wrong password", f"198.51.100.{number}")
        try:
            access.check_password(name, GOOD, HERE, "b" * 43)
        except TooManyAttempts:
            return False
        return True

    assert is_let_in("sato")
    assert not is_let_in("suzuki")
    times.go_on(181 * DAY_S)
    assert not is_let_in("sato")


def test_attempts_that_come_too_early_cost_the_network(access: Access, times: SetClock) -> None:
    add(access)
    add(access, "suzuki")
    for _ in range(5):
        fail(access)
    for _ in range(45):
        times.go_on(1.5)
        with pytest.raises(AccessDenied):
            access.check_password("sato", "a wrong password", HERE)
    with pytest.raises(TooManyAttempts):
        access.check_password("suzuki", GOOD, HERE)


def test_a_password_that_was_set_meanwhile_makes_no_login(access: Access) -> None:
    person = add(access)
    checked = access.check_password("sato", GOOD, HERE)
    assert checked.password_version
    assert access.person(person.id).password_version == ""
    access.set_password(person.id, GOOD)
    with pytest.raises(AccessDenied, match="changed meanwhile"):
        access.log_in(person.id, password_version=checked.password_version)
    with pytest.raises(AccessDenied, match="changed meanwhile"):
        access.set_password(person.id, "another good one", password_version=checked.password_version)
    again = access.check_password("sato", GOOD, HERE)
    assert access.principal(access.log_in(person.id, password_version=again.password_version)[0]) is not None


def test_a_renewed_hash_is_the_same_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Access(tmp_path) as before:
        person = add(before)
    monkeypatch.setattr(passwords, "ROUNDS", 2)
    with Access(tmp_path) as after:
        checked = after.check_password("sato", GOOD, HERE)
        after.log_in(person.id, password_version=checked.password_version)


def test_many_names_do_not_help_from_one_network(access: Access, times: SetClock) -> None:
    add(access)
    for number in range(50):
        fail(access, name=f"person {number}", address=f"2001:db8:0:1::{number:x}")
    with pytest.raises(TooManyAttempts):
        access.check_password("sato", GOOD, "2001:db8:0:1:ffff::1")
    assert access.check_password("sato", GOOD, "2001:db8:0:2::1").name == "sato"


def test_a_town_hall_behind_one_address_logs_in(access: Access) -> None:
    add(access)
    for _ in range(60):
        access.check_password("sato", GOOD, HERE)


def test_failures_are_counted_by_all_processes(tmp_path: Path, times: SetClock) -> None:
    with Access(tmp_path, clock=times.clock()) as one, Access(tmp_path, clock=times.clock()) as two:
        add(one)
        for number in range(5):
            fail((one, two)[number % 2])
        with pytest.raises(TooManyAttempts):
            two.check_password("sato", GOOD, HERE)


def test_a_clock_that_is_set_back_makes_nobody_wait_for_hours(access: Access, times: SetClock) -> None:
    add(access)
    for _ in range(5):
        fail(access)
    times.wall_s -= 7200
    with pytest.raises(TooManyAttempts) as told:
        access.check_password("sato", GOOD, HERE)
    assert told.value.retry_after_s == 1.0


@given(st.integers(0, 200), st.integers(0, 200))
def test_delays_grow_up_to_a_bound(failures: int, more: int) -> None:
    for rule in (attempts.PAIR, attempts.NAME, attempts.NEWCOMERS, attempts.ADDRESS):
        assert 0 <= rule.delay_s(failures) <= rule.delay_s(failures + more) <= rule.longest_s
        assert (rule.delay_s(failures) == 0) == (failures < rule.free)


def test_addresses_that_are_new_to_a_name_are_bounded_together(access: Access, times: SetClock) -> None:
    add(access)
    add(access, "suzuki")
    for number in range(attempts.NEWCOMERS.free):
        assert access.check_password("suzuki", GOOD, f"198.51.100.{number}").name == "suzuki", (
            "what succeeds counts for nothing"
        )
        with pytest.raises(AccessDenied) as denied:
            access.check_password("sato", "a wrong password", f"198.51.100.{number}")
        assert not isinstance(denied.value, TooManyAttempts), number
    with pytest.raises(TooManyAttempts) as told:
        access.check_password("sato", GOOD, HERE)
    assert told.value.retry_after_s == 1.0
    times.go_on(1)
    fail(access)
    with pytest.raises(TooManyAttempts) as told:
        access.check_password("sato", GOOD, "192.0.2.200")
    assert told.value.retry_after_s == 2.0
    for number in range(20):
        times.go_on(attempts.NEWCOMERS.longest_s)
        fail(access, address=f"203.0.113.{number}")
    with pytest.raises(TooManyAttempts) as told:
        access.check_password("sato", GOOD, "192.0.2.201")
    assert told.value.retry_after_s == attempts.NEWCOMERS.longest_s
    times.go_on(attempts.NEWCOMERS.longest_s)
    assert access.check_password("sato", GOOD, "192.0.2.201").name == "sato"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_what_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_who_tries_all_day_does_not_fill_the_audit(access: Access, times: SetClock) -> None:
    add(access)
    for _ in range(5):
        fail(access)
    for _ in range(100):
        with pytest.raises(TooManyAttempts):
            access.check_password("sato", GOOD, HERE)
    access.flush()
    refused = [row.detail for row in access.audit_rows() if row.detail.startswith("refused")]
    assert refused == ["refused: wrong name or password"] * 5 + ["refused: too many attempts"]
