"""Signed addresses: what they show, how long they live, and how they end."""

from __future__ import annotations

from pathlib import Path

import pytest
from access_logins import access, sato, times, within
from access_times import DAY_S, SetClock
from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.access import (
    CITIZEN,
    HOUSE,
    Access,
    AccessLimits,
    Person,
    Principal,
    signing,
)
from sidebooks_core.access.signing import Ticket
from sidebooks_core.errors import RequestError

__all__ = ["access", "sato", "times"]


def principal_of(access: Access, person: Person) -> Principal:
    found = access.principal(access.log_in(person.id)[0])
    assert found is not None
    return found


def test_a_signed_address_shows_its_documents_with_the_persons_rights(access: Access, sato: Person) -> None:
    principal = principal_of(access, sato)
    signature = access.sign(["e", "d", "d"], principal, valid_s=60)
    found = access.signed_principal(signature)
    assert found is not None
    assert (found.role, found.groups, found.documents) == ("member", frozenset({"committee"}), frozenset({"d", "e"}))
    assert (found.signer, found.session, found.with_original) == (sato.id, "", False)
    access.change_person(sato.id, role="clerk")
    now = access.signed_principal(signature)
    assert now is not None
    assert now.role == "clerk"
    access.end_session(principal.session)
    assert access.signed_principal(signature) is not None, "who logs out in the evening ends no addresses"


def test_whoever_has_a_signed_address_is_not_taken_for_its_signer(access: Access, sato: Person) -> None:
    signature = access.sign(["d"], principal_of(access, sato), valid_s=60)
    found = access.signed_principal(signature)
    assert found is not None
    assert found.name == "address of 佐藤"
    assert found.id not in ("", sato.id)
    access.audit("opened", who=found, what="paper")
    access.flush()
    assert [(one.person, one.name) for one in access.readers("paper")] == [(found.id, "address of 佐藤")]
    with pytest.raises(RequestError, match="signs no others"):
        access.sign(["d"], found, valid_s=60)


def test_a_signed_address_is_listed_audited_and_ended(access: Access, sato: Person, times: SetClock, tmp_path: Path) -> None:
    principal = principal_of(access, sato)
    signatures = [access.sign(["d"], principal, valid_s=60), access.sign(["d"], principal, valid_s=60, with_original=True)]
    assert access.sign(["d"], principal, valid_s=60) == signatures[0]
    with_file, bare = sorted(access.signed_addresses(), key=lambda one: not one.with_original)
    assert (bare.signer, bare.signer_name, bare.documents) == (sato.id, "佐藤", frozenset({"d"}))
    made = [row for row in access.audit_rows() if row.operation == "share"]
    assert [(row.person, row.document) for row in made] == [(sato.id, "d")] * 2
    assert bare.id in made[0].detail
    assert "with the original" in made[1].detail
    with Access(tmp_path, clock=times.clock()) as other:
        assert other.signed_principal(signatures[0]) is not None
        access.end_signed_address(bare.id, who="a clerk")
        assert access.known_signed_principal(signatures[0]) is None
        assert within(5, lambda: other.known_signed_principal(signatures[0]) is None)
        kept = other.signed_principal(signatures[1])
        assert kept is not None
        assert kept.with_original
    assert access.signed_addresses() == [with_file]
    assert bare.id in access.audit_rows()[-1].detail
    with pytest.raises(RequestError):
        access.end_signed_address(bare.id)
    times.go_on(2 * 3600)
    assert access.signed_addresses() == []


@pytest.mark.parametrize("end", ["logins", "password", "disabled", "addresses"])
def test_a_persons_addresses_end_with_their_logins(access: Access, sato: Person, end: str) -> None:
    signature = access.sign(["d"], principal_of(access, sato), valid_s=60)
    match end:
        case "logins":
            access.end_sessions(sato.id)
        case "password":
            access.set_password(sato.id, "three green tablets")
        case "disabled":
            access.change_person(sato.id, is_disabled=True)
            access.change_person(sato.id, is_disabled=False)
        case _:
            assert access.end_signed_addresses(sato.id) == 1
    assert access.signed_principal(signature) is None
    assert access.signed_addresses() == []


def test_an_address_that_another_process_made_is_known_at_once(tmp_path: Path, times: SetClock) -> None:
    with Access(tmp_path, clock=times.clock()) as one, Access(tmp_path, clock=times.clock()) as two:
        for number in range(20):
            signature = one.sign([str(number)], HOUSE, valid_s=60)
            assert two.signed_principal(signature) == one.signed_principal(signature) is not None


def test_a_backup_makes_no_signed_addresses(access: Access, sato: Person, tmp_path: Path) -> None:
    signature = access.sign(["d"], principal_of(access, sato), valid_s=60)
    key_id = signature.split(".")[0]
    (tmp_path / "backup").mkdir(mode=0o700)
    access.back_up(tmp_path / "backup")
    assert key_id.encode() not in (tmp_path / "backup" / "access.sqlite3").read_bytes()
    with Access(tmp_path / "backup") as restored:
        assert restored.signed_principal(signature) is None
        assert restored.signed_addresses() == []
        assert restored.signed_principal(restored.sign(["d"], Principal(sato.id, "", "member"), valid_s=60)) is not None
    assert access.signed_principal(signature) is not None


def test_there_is_a_bound_of_addresses(tmp_path: Path) -> None:
    with Access(tmp_path, AccessLimits(addresses_per_signer=2)) as access:
        for document in "ab":
            access.sign([document], HOUSE, valid_s=60)
        with pytest.raises(RequestError, match="too many"):
            access.sign(["c"], HOUSE, valid_s=60)
        access.sign(["a"], HOUSE, valid_s=60)


def test_all_addresses_of_a_window_are_the_same(access: Access, sato: Person, times: SetClock) -> None:
    person = Principal(sato.id, "", "member")
    times.wall_s = 3600 * 1000.0
    signatures = []
    for _ in range(60):
        signatures.append(access.sign(["d"], person, valid_s=1800))
        times.go_on(60)
    assert len(set(signatures)) == 2
    times.wall_s = 3600 * 1001 - 0.5
    assert access.signed_principal(signatures[0]) is not None
    times.go_on(1)
    assert access.signed_principal(signatures[0]) is None
    assert access.signed_principal(signatures[-1]) is not None


@given(st.floats(0, 4e9), st.floats(1, 1e6), st.floats(60, 1e5))
def test_an_address_is_valid_as_long_as_told_and_a_window_more_at_most(now_s: float, valid_s: float, window_s: float) -> None:
    expires_s = signing.expiry_s(now_s, valid_s, window_s)
    assert -0.01 <= expires_s - (now_s + valid_s) <= window_s + 1


def test_a_guests_signed_address_ends_with_the_link(access: Access, times: SetClock) -> None:
    token, link = access.make_link(["f"], name="x", until_s=times.wall_s + 7200)
    guest = access.principal(access.use_link(token)[0])
    assert guest is not None
    signature = access.sign(["d"], guest, valid_s=DAY_S)
    found = access.signed_principal(signature)
    assert found is not None
    assert (found.role, found.folders, found.documents) == ("guest", frozenset("f"), frozenset("d"))
    access.end_link(link.id)
    assert access.signed_principal(signature) is None


def test_the_house_signs_only_as_long_as_there_are_no_accounts(access: Access) -> None:
    signature = access.sign(["d"], HOUSE, valid_s=60)
    found = access.signed_principal(signature)
    assert found is not None
    assert (found.signer, found.documents) == (HOUSE.id, frozenset("d"))
    access.add_person("sato", "member")
    assert access.signed_principal(signature) is None


def test_somebody_without_an_account_signs(access: Access) -> None:
    stranger = Principal("proxy-x", "X", "clerk", groups=frozenset({"b", "a"}))
    for one in (stranger, CITIZEN):
        signature = access.sign(["d"], one, valid_s=60)
        found = access.signed_principal(signature)
        assert found is not None
        assert (found.signer, found.role, found.groups, found.documents) == (one.id, one.role, one.groups, frozenset("d"))
        assert signature == access.sign(["d"], one, valid_s=60)
        assert access.end_signed_addresses(one.id) == 1
        assert access.signed_principal(signature) is None


def test_a_guest_who_logged_out_signs_no_more(access: Access, times: SetClock) -> None:
    token, _ = access.make_link(["f"], name="x", until_s=times.wall_s + 7200)
    guest = access.principal(access.use_link(token)[0])
    assert guest is not None
    signature = access.sign(["d"], guest, valid_s=60)
    access.end_session(guest.session)
    assert access.signed_principal(signature) is None
    assert access.signed_addresses() == []
    with pytest.raises(RequestError, match="has ended"):
        access.sign(["d"], guest, valid_s=60)


def test_a_signed_address_does_not_widen_itself(access: Access, sato: Person) -> None:
    bound = Principal(sato.id, "", "member", documents=frozenset({"d"}))
    assert access.sign(["d"], bound, valid_s=60)
    with pytest.raises(RequestError):
        access.sign(["e"], bound, valid_s=60)


def test_what_cannot_be_signed(access: Access, sato: Person) -> None:
    person = Principal(sato.id, "", "member")
    for documents, valid_s, window_s in (
        ([], 60.0, 60.0),
        ("d", 60.0, 60.0),
        (list(map(str, range(51))), 60.0, 60.0),
        (["d"], 0.0, 60.0),
        (["d"], 31 * DAY_S, 60.0),
        (["d"], 60.0, 0.0),
        (["d"], float("nan"), 60.0),
    ):
        with pytest.raises(RequestError):
            access.sign(documents, person, valid_s=valid_s, window_s=window_s)


TICKET = Ticket(2_000_000_000, "an address")
KEYS = {"k": b"x" * 32, "old": b"y" * 32}


def test_a_signature_fits_into_a_path() -> None:
    signature = signing.sign("k", KEYS["k"], TICKET)
    assert set(signature) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert signing.verify(signature, KEYS, 0) == TICKET
    assert signing.verify(signing.sign("old", KEYS["old"], TICKET), KEYS, 0) == TICKET


@given(st.integers(0, 400), st.characters(codec="ascii"))
def test_a_signature_that_was_changed_is_none(place: int, character: str) -> None:
    signature = signing.sign("k", KEYS["k"], TICKET)
    place %= len(signature)
    changed = signature[:place] + character + signature[place + 1 :]
    assert (signing.verify(changed, KEYS, 0) == TICKET) == (changed == signature)


FORGED = [signing.sign("k", b"z" * 32, TICKET), signing.sign("none", b"", TICKET)]


@pytest.mark.parametrize(
    "signature",
    [
        "",
        ".",
        "..",
        "...",
        "k..",
        "k.a.b",
        "k.é.b",
        "x" * 9000,
        *FORGED,
    ],
)
def test_what_is_no_signature(signature: str) -> None:
    assert signing.verify(signature, KEYS, 0) is None


def test_keys_are_renewed_and_the_old_ones_stay_for_a_time(tmp_path: Path, times: SetClock) -> None:
    ids = set()
    first = ""
    for _ in range(8):
        with Access(tmp_path, clock=times.clock()) as access:
            signature = access.sign(["d"], CITIZEN, valid_s=29 * DAY_S)
            assert access.signed_principal(signature) is not None
            ids.add(signature.split(".")[0])
            first = first or signature
            is_valid = access.signed_principal(first) is not None
            assert is_valid == (times.wall_s < 1_800_000_000.0 + 29.5 * DAY_S)
        times.go_on(15 * DAY_S)
    assert len(ids) == 4
