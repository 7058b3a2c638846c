"""Who comes in at a server: every case of what the command is told and of what is there."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from starlette.types import Scope

import sidebooks_core as sb
from sidebooks_core.access import Access
from sidebooks_core.errors import RequestError
from sidebooks_core.server.command import asked_of
from sidebooks_core.server.entry import Asked, Entry, entry_of
from sidebooks_core.server.nearness import PEER, is_at_this_machine
from sidebooks_core.server.options import ServeOptions
from sidebooks_core.server.remembering import remember_accounts
from sidebooks_core.server.ways_in import HouseForThisMachine
from sidebooks_core.shelf import Shelf
from sidebooks_core.shelf.accounts_note import had_accounts
from sidebooks_core.testing import FakeEngine

NAMES = (
    "is_this_machine_only", "is_named_for_others", "has_shelf", "has_people", "had_people",
    "wants_accounts", "wants_open", "has_other_ways",
)  # fmt: skip
ALL = [dict(zip(NAMES, values, strict=True)) for values in product((False, True), repeat=len(NAMES))]


@pytest.mark.parametrize("told", ALL, ids=lambda told: " ".join(name for name, value in told.items() if value) or "nothing")
def test_nobody_comes_in_from_elsewhere_unless_somebody_said_so(told: dict[str, bool]) -> None:
    logins = told["wants_accounts"] or told["has_other_ways"]
    is_contradiction = told["wants_open"] and (logins or told["has_people"])
    is_without_shelf = logins and not told["has_shelf"]
    is_near = told["is_this_machine_only"] and not (told["is_named_for_others"] and told["has_shelf"])
    is_unsaid = not is_near and not (told["wants_open"] or logins or told["has_people"])
    is_lost = told["had_people"] and not told["has_people"] and not logins
    if is_contradiction or is_without_shelf or is_unsaid or is_lost:
        with pytest.raises(RequestError, match="--"):  # it says what to do
            entry_of(Asked(**told))
        return
    entry = entry_of(Asked(**told))
    if entry is Entry.HOUSE:
        assert is_near
        assert not logins
    elif entry is Entry.READERS:
        assert told["wants_open"]
        assert not told["has_people"]
    else:
        assert logins or told["has_people"]


def scope_of(peer: str = "127.0.0.1", host: str = "localhost:8000", version: str = "1.1", **headers: str) -> Scope:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    given = [(b"host", host.encode()), *named]
    return {"type": "http", "http_version": version, "client": ("203.0.113.9", 1), PEER: (peer, 1), "headers": given}


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "a.localhost", "localhost."]
)
def test_whoever_is_at_this_machine_is_at_home(host: str) -> None:
    assert is_at_this_machine(scope_of(host=host))
    assert is_at_this_machine(scope_of("::1", host))
    assert is_at_this_machine(scope_of("::ffff:127.0.0.1", host))


@pytest.mark.parametrize(
    "header", ["x_forwarded_for", "forwarded", "via", "x_real_ip", "x_forwarded_host", "x_forwarded_proto", "cf_connecting_ip"]
)
def test_what_a_proxy_at_this_machine_passes_on_is_not(header: str) -> None:
    assert not is_at_this_machine(scope_of(**{header: "127.0.0.1"}))
    assert not is_at_this_machine(scope_of(**{header: ""}))


@pytest.mark.parametrize("host", ["books.example", "192.0.2.1", "10.0.0.1:80", "localhost.example", "", "a b", "[::2]"])
def test_nor_what_was_asked_of_another_name(host: str) -> None:
    assert not is_at_this_machine(scope_of(host=host))


def test_nor_what_comes_from_elsewhere_or_cannot_come_from_a_browser() -> None:
    assert not is_at_this_machine(scope_of("192.0.2.1"))
    assert not is_at_this_machine(scope_of(version="1.0")), "proxies speak it unless told otherwise"
    assert not is_at_this_machine({**scope_of(), PEER: None, "client": None})
    assert not is_at_this_machine({**scope_of(), "headers": []})


def served(tmp_path: Path, *hostnames: str, base_url: str | None = None) -> ServeOptions:
    return ServeOptions(
        paths=[], data=tmp_path, host="127.0.0.1", port=0, browser=False, hostnames=hostnames, base_url=base_url
    )


def test_a_name_for_others_asks_for_accounts_or_open(tmp_path: Path) -> None:
    assert entry_of(asked_of(served(tmp_path), None)) is Entry.HOUSE
    assert entry_of(asked_of(served(tmp_path, "localhost", base_url="http://127.0.0.1:9/x"), None)) is Entry.HOUSE
    for options in (served(tmp_path, "books.example"), served(tmp_path, base_url="https://books.example")):
        with pytest.raises(RequestError, match=r"--base-url, --hostname or --uds.*--accounts.*--open"):
            entry_of(asked_of(options, None))


def test_lost_accounts_do_not_open_the_shelf(tmp_path: Path) -> None:
    engine = FakeEngine()
    with (
        sb.TileService(sb.Settings(cache_dir=tmp_path / "cache"), pool=engine.pool) as service,
        Shelf(tmp_path / "data", service) as papers,
        Access(tmp_path / "data") as access,
    ):
        remember_accounts(papers, access)
        assert not had_accounts(tmp_path / "data")
        access.add_person("admin", "admin")
        remember_accounts(papers, access)
    assert had_accounts(tmp_path / "data")
    for lost in (tmp_path / "data").glob("access.sqlite3*"):
        lost.unlink()
    with Access(tmp_path / "data") as access, pytest.raises(RequestError, match=r"access\.sqlite3 is gone.*--accounts"):
        entry_of(asked_of(served(tmp_path / "data"), access))


def test_an_open_server_is_open_until_the_first_account_is_made(caplog: pytest.LogCaptureFixture) -> None:
    near, far = scope_of(), scope_of(peer="192.0.2.7")
    with Access(None) as access:
        way = HouseForThisMachine(access)

        def roles() -> list[str | None]:
            return [one and one.role for scope in (near, far) for one in (way.known(scope), way.find(scope))]

        assert roles() == ["admin", "admin", "member", "member"]
        assert caplog.records == []
        access.add_person("sato", "admin")
        assert roles() == [None] * 4
        assert roles() == [None] * 4
    told = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert len(told) == 1, told
    assert "not open any more" in told[0]
