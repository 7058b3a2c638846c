"""The commands `sidebooks user`, `link` and `audit`, as an administrator types them."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sidebooks_core.access import OPENED, Access, Principal, What
from sidebooks_core.cli import commands

GOOD = "three green tablets"


class Admin:
    """Runs `sidebooks` on a folder of data of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def run(self, *arguments: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sidebooks_core", *map(os.fspath, arguments), "--data", os.fspath(self.data_dir)]
        return subprocess.run(command, input=typed, capture_output=True, text=True, check=False, timeout=120)

    def told(self, *arguments: str | Path, typed: str = "", status: int = 0) -> str:
        ran = self.run(*arguments, typed=typed)
        assert ran.returncode == status, ran.stderr
        return ran.stdout

    def json(self, *arguments: str | Path, typed: str = "", status: int = 0) -> Any:
        return json.loads(self.told(*arguments, "--json", typed=typed, status=status))


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return Admin(tmp_path / "data")


def test_an_administrators_first_day(admin: Admin) -> None:
    assert "makes the first" in admin.told("user", "list")
    first = admin.run("user", "add", "Sato", "--group", "office", typed=f"{GOOD}\n")
    assert first.stdout == "sato (Sato): member, groups office\n"
    assert "there is no admin yet" in first.stderr
    made = admin.json("user", "add", "山田", "--role", "admin", "--shown-name", "山田 太郎", typed=f"{GOOD}\n")
    assert (made["name"], made["shown_name"], made["role"], made["has_password"]) == ("山田", "山田 太郎", "admin", True)
    assert admin.told("user", "role", "sato", "clerk", "--group", "a", "--group", "b") == "sato (Sato): clerk, groups a b\n"
    with Access(admin.data_dir) as access:
        person = access.check_password("ＳＡＴＯ", GOOD, "192.0.2.7")
        token, _ = access.log_in(person.id, device="iPad")
        assert admin.json("user", "list")[0]["logins"] == 1
        assert admin.told("user", "logout", "Sato") == "1 logins of sato ended\n"
        assert access.sessions(person.id) == []
        token, _ = access.log_in(person.id)
        assert "disabled" in admin.told("user", "disable", "sato")
    with Access(admin.data_dir) as access:
        assert access.principal(token) is None
    admin.told("user", "enable", "sato")
    admin.told("user", "password", "sato", typed="another pass phrase\n")
    with Access(admin.data_dir) as access:
        assert access.check_password("sato", "another pass phrase", "192.0.2.7").name == "sato"
    listed = admin.told("user", "list").splitlines()
    assert listed[0].split() == ["name", "shown", "as", "role", "groups", "state", "logins", "last", "login"]
    assert "山田  山田 太郎  admin  -       -      0       never" in listed


@pytest.mark.parametrize(
    ("arguments", "typed", "message"),
    [
        (("user", "add", "x"), "short\n", "too short"),
        (("user", "add", "x"), "", "too short"),
        (("user", "add", " "), f"{GOOD}\n", "needs a name"),
        (("user", "disable", "nobody"), "", "nobody with the name 'nobody'"),
        (("user", "add", "x", "--role", "king"), "", "invalid choice"),
        (("audit", "--since", "yesterday"), "", "is no time"),
        (("audit", "--head", "x"), "", "is no head"),
        (("link", "end", "x"), "", "no such link"),
        (("link", "make", "nowhere", "--name", "x"), "", "there is no folder"),
    ],
)
def test_mistakes_get_a_message_and_no_traceback(admin: Admin, arguments: tuple[str, ...], typed: str, message: str) -> None:
    ran = admin.run(*arguments, typed=typed)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_last_admin_stays_and_a_name_is_taken_once(admin: Admin) -> None:
    admin.told("user", "add", "yamada", "--role", "admin", typed=f"{GOOD}\n")
    assert "last admin" in admin.run("user", "disable", "yamada").stderr
    assert "already" in admin.run("user", "add", "YAMADA", typed=f"{GOOD}\n").stderr
    assert admin.json("user", "list")[0]["is_disabled"] is False


def test_a_terminal_asks_twice_and_shows_nothing(admin: Admin) -> None:
    def typed(first: str, second: str) -> tuple[int, str]:
        controller, terminal = pty.openpty()
        command = [sys.executable, "-m", "sidebooks_core", "user", "add", "sato", "--data", os.fspath(admin.data_dir)]
        running = subprocess.Popen(
            command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True, close_fds=True
        )
        os.close(terminal)
        shown = b""
        for question, answer in ((b"new password: ", first), (b"again: ", second)):
            while question not in shown:
                shown += os.read(controller, 1000)
            os.write(controller, f"{answer}\n".encode())
        status = running.wait(60)
        while True:
            try:
                more = os.read(controller, 1000)
            except OSError:
                break
            if not more:
                break
            shown += more
        os.close(controller)
        return status, shown.decode()

    status, shown = typed(GOOD, "another one here")
    assert status == 2
    assert "the two passwords differ" in shown
    status, shown = typed(GOOD, GOOD)
    assert status == 0
    assert GOOD not in shown
    assert "sato (sato): member" in shown


def test_no_option_takes_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("add", "password"):
        with pytest.raises(SystemExit):
            commands.main(["user", action, "--help"])
        assert "--password" not in capsys.readouterr().out


def test_the_audit_is_read_and_checked(admin: Admin) -> None:
    with Access(admin.data_dir) as access:
        access.audit(OPENED, who=Principal("p", "佐藤", "member"), what=What("paper1", 2, "d"), address="192.0.2.7")
        access.flush()
        access.audit_now("withdraw", who=Principal("c", "=cmd()", "clerk"), what=What("paper2"))
        head = access.audit_head()
    lines = admin.told("audit").splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("佐藤  opened  paper1 revision 2  192.0.2.7")
    assert [row["operation"] for row in admin.json("audit", "--paper", "paper1")] == [OPENED]
    assert admin.json("audit", "--until", "2001-01-01") == []
    assert len(admin.json("audit", "--since", "2001-01-01", "--limit", "1")) == 1
    rows = list(csv.DictReader(io.StringIO(admin.told("audit", "--csv").removeprefix("\ufeff"))))
    assert [row["name"] for row in rows] == ["佐藤", "'=cmd()"]
    assert admin.told("audit", "--head", head) == f"head {head}\n"
    assert admin.json("audit", "--verify") == {"faults": [], "head": head}
    wrong = f"2:{'0' * 64}"
    assert "was written anew" in admin.told("audit", "--head", wrong, status=1)
    assert "was shortened" in admin.json("audit", "--head", f"3:{'0' * 64}", status=1)["faults"][0]


def test_links_for_guests(admin: Admin, tmp_path: Path, sample: Path) -> None:
    admin.told("shelf", "add", sample, "--folder", "本会議/令和8年", "--no-wait", "--name", "予算")
    picture = tmp_path / "link.svg"
    made = admin.json(
        "link", "make", "本会議/令和8年", "--name", "傍聴", "--hours", "2", "--address", "https://x.example/", "--qr", picture
    )
    base, _, token = made["address"].partition("/#join=")
    assert base == "https://x.example"
    assert picture.read_bytes().startswith(b"<svg ")
    with Access(admin.data_dir) as access:
        secret, _ = access.use_link(token, guest_name="Guest")
        guest = access.principal(secret)
        assert guest is not None
        assert guest.folders == frozenset(made["folders"])
    listed = admin.told("link", "list")
    assert "傍聴" in listed
    assert token not in listed
    assert admin.json("link", "list")[0]["used"] == 1
    admin.told("link", "end", made["id"])
    assert admin.told("link", "list") == ""
    with Access(admin.data_dir) as access:
        assert access.principal(secret) is None


def test_a_link_of_this_machine_alone_says_so(admin: Admin, sample: Path) -> None:
    admin.told("shelf", "add", sample, "--folder", "本会議", "--no-wait", "--name", "予算")

    def make(*arguments: str) -> tuple[str, str]:
        ran = admin.run("link", "make", "本会議", "--name", "傍聴", *arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout, ran.stderr

    printed, told = make()
    assert printed.startswith("http://localhost:8000/#join=")
    assert "opens on this machine alone; others reach it only with the server's address" in told
    assert "--address" in told
    for address in ("http://127.0.0.1:8000", "http://[::1]"):
        assert "opens on this machine alone" in make("--address", address)[1], address
    printed, told = make("--address", "https://books.town.example")
    assert printed.startswith("https://books.town.example/#join=")
    assert "this machine" not in told


@pytest.mark.parametrize("address", ["http://[::1", "http://books:port", "books.town.example", "ftp://books.example", ""])
def test_no_link_is_made_with_an_address_that_is_none(admin: Admin, sample: Path, address: str) -> None:
    admin.told("shelf", "add", sample, "--folder", "本会議", "--no-wait", "--name", "予算")
    ran = admin.run("link", "make", "本会議", "--name", "傍聴", "--address", address)
    assert ran.returncode == 2
    assert "is no address of a server" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert admin.json("link", "list") == []


def test_signed_addresses_are_listed_with_the_links_and_ended(admin: Admin) -> None:
    with Access(admin.data_dir) as access:
        signature = access.sign(["a", "b"], Principal("proxy-sato", "佐藤", "clerk"), valid_s=60)
    assert "address of 2 documents" in admin.told("link", "list")
    [listed] = admin.json("link", "list")
    assert (listed["kind"], listed["signer_name"], sorted(listed["documents"])) == ("address", "佐藤", ["a", "b"])
    admin.told("link", "end", listed["id"])
    assert admin.json("link", "list") == []
    with Access(admin.data_dir) as access:
        assert access.signed_principal(signature) is None


def test_a_backup_has_the_accounts(admin: Admin, tmp_path: Path) -> None:
    admin.told("user", "add", "yamada", "--role", "admin", typed=f"{GOOD}\n")
    admin.told("shelf", "backup", tmp_path / "backup")
    restored = Admin(tmp_path / "backup")
    assert [one["name"] for one in restored.json("user", "list")] == ["yamada"]
    assert restored.json("audit", "--verify")["faults"] == []
