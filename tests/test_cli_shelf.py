"""`sidebooks shelf`, as a clerk uses it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sidebooks_core import Settings, TileService
from sidebooks_core.cli.shelf_arguments import WITHOUT_CACHE
from sidebooks_core.meeting import session
from sidebooks_core.meeting.model import Participant
from sidebooks_core.meeting.records import Records
from sidebooks_core.shelf import Shelf


class Clerk:
    """Runs `sidebooks shelf` on a shelf of its own."""

    def __init__(self, folder: Path) -> None:
        self._data, self._cache = folder / "data", folder / "cache"

    def _command(self, action: str | Path, *rest: str | Path) -> list[str]:
        cache = ("--cache-dir", self._cache) if action not in WITHOUT_CACHE else ()
        command = [sys.executable, "-m", "sidebooks_core", "shelf", action, "--data", self._data, *cache, *rest]
        return list(map(os.fspath, command))

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = self._command(*arguments)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)

    def started(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(self._command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def told(self, *arguments: str | Path, status: int = 0) -> str:
        ran = self.run(*arguments)
        assert ran.returncode == status, ran.stderr
        return ran.stdout

    def json(self, *arguments: str | Path, status: int = 0) -> Any:
        return json.loads(self.told(*arguments, "--json", status=status))


@pytest.fixture
def clerk(tmp_path: Path) -> Clerk:
    return Clerk(tmp_path)


def test_a_clerks_day(clerk: Clerk, tmp_path: Path, sample: Path) -> None:
    folder = tmp_path / "令和8年3月定例会"
    (folder / "議案").mkdir(parents=True)
    for name in ("資料10.pdf", "資料2.pdf", "議案/第1号.pdf"):
        shutil.copyfile(sample, folder / name)
    added = clerk.json("add", folder, "--folder", "本会議")
    assert [(one["name"], one["state"], one["page_count"]) for one in added] == [
        ("資料2", "ready", 22),
        ("資料10", "ready", 22),
        ("第1号", "ready", 22),
    ]
    listed = clerk.json("list")
    assert [(one["depth"], one["type"], one["name"]) for one in listed] == [
        (0, "folder", "本会議"),
        (1, "folder", "令和8年3月定例会"),
        (2, "folder", "議案"),
        (3, "paper", "第1号"),
        (2, "paper", "資料2"),
        (2, "paper", "資料10"),
    ]
    found = clerk.json("search", "文字", "--folder", "本会議/令和8年3月定例会/議案", "--limit", "3")
    assert {one["name"] for one in found} == {"第1号"}
    assert all("文字" in one["text"][0] for one in found)
    assert clerk.run("search", "この語はどこにもない").returncode == 1
    paper = "本会議/令和8年3月定例会/資料2"
    assert clerk.json("replace", paper, sample, "--note", "差し替え")["changes"] == []
    assert "withdrawn" in clerk.told("withdraw", paper)
    assert "資料2 " not in clerk.told("list")
    assert "資料2 " in clerk.told("list", "--withdrawn")
    clerk.told("withdraw", paper, "--undo")
    assert "3 originals" not in clerk.told("backup", tmp_path / "backup"), "equal files are one"
    assert Clerk(tmp_path).told("verify").startswith("1 originals checked: 0 missing, 0 damaged")
    clerk.told("purge", paper, "本会議/令和8年3月定例会/資料10")
    assert [one["name"] for one in clerk.json("list") if one["type"] == "paper"] == ["第1号"]


def test_a_command_that_draws_nothing_adds_no_cache_folder_that_a_purge_waits_for(clerk: Clerk, tmp_path: Path) -> None:
    clerk.told("list")
    clerk.told("backup", tmp_path / "backup")
    clerk.told("verify")
    with closing(sqlite3.connect(tmp_path / "data" / "shelf.sqlite3")) as database:
        assert database.execute("SELECT path FROM cache_folder").fetchall() == []


def test_a_backup_has_the_records_of_meetings(clerk: Clerk, tmp_path: Path) -> None:
    clerk.told("list")
    with closing(Records(tmp_path / "data")) as records:
        records.add(session.opened("m", "本会議", Participant("p", "山田"), 0.0), folder=None, opened_by="p")
        kept = records.meeting("m")
    clerk.told("backup", tmp_path / "backup")
    with closing(Records(tmp_path / "backup")) as records:
        assert records.meeting("m") == kept


def test_links_in_a_folder_are_left_out_and_told(clerk: Clerk, tmp_path: Path, sample: Path) -> None:
    folder, outside = tmp_path / "本会議", tmp_path / "outside"
    for place in (folder / "議案", outside):
        place.mkdir(parents=True)
    shutil.copyfile(sample, folder / "議案" / "第1号.pdf")
    shutil.copyfile(sample, outside / "secret.pdf")
    (folder / "loop").symlink_to(".")
    (folder / "out").symlink_to(outside)
    (folder / "議案" / "file.pdf").symlink_to(outside / "secret.pdf")
    (folder / "議案" / "again.pdf").symlink_to("第1号.pdf")
    (tmp_path / "named").symlink_to(folder)  # what is named itself is followed
    ran = clerk.run("add", tmp_path / "named", "--no-wait", "--json")
    assert ran.returncode == 0, ran.stderr
    assert sorted(one["name"] for one in json.loads(ran.stdout)) == ["again", "第1号"]
    left_out = sorted(line.rpartition("/")[2] for line in ran.stderr.splitlines() if "left out" in line)
    assert left_out == [
        "file.pdf is a link that leads out of the folder",
        "loop is a link to a folder",
        "out is a link that leads out of the folder",
    ]
    assert "secret" not in clerk.told("list")


def test_a_shelf_is_exported_and_imported(clerk: Clerk, tmp_path: Path, sample: Path) -> None:
    clerk.told("add", sample, "--folder", "Council/2026", "--name", "budget", "--no-wait")
    clerk.told("replace", "Council/2026/budget", sample, "--no-wait")
    done = clerk.json("export", tmp_path / "exported")
    assert done == {"folders": 2, "papers": 1, "revisions": 2}
    assert (tmp_path / "exported" / "01 Council" / "01 2026" / f"01 {sample.name}").is_file()
    (tmp_path / "elsewhere").mkdir()
    other = Clerk(tmp_path / "elsewhere")
    assert other.told("import", tmp_path / "exported").startswith("1 papers with 2 revisions, and 2 folders")
    assert "1 papers stood here already" in other.told("import", tmp_path / "exported", "--folder", "again")
    assert other.json("list")[2] == clerk.json("list")[2]
    assert "no folder" in clerk.run("export", tmp_path / "more", "--folder", "nowhere").stderr
    assert clerk.told("export", tmp_path / "one", "--present-only").startswith("1 papers with 1 revisions, in 2 folders")


def test_a_folder_is_watched(clerk: Clerk, tmp_path: Path, sample: Path) -> None:
    minutes = tmp_path / "minutes"
    minutes.mkdir()
    shutil.copyfile(sample, minutes / "a.pdf")
    assert clerk.told("watch", minutes, "--once", "--settle", "0.2") == f"registered {minutes / 'a.pdf'}\n"
    shutil.copyfile(sample, minutes / "b.pdf")
    (minutes / "plan.docx").write_bytes(b"an office file")
    told = clerk.told("watch", minutes, "--once", "--settle", "0.2", "--json").splitlines()
    noticed = {Path(one["path"]).name: one for one in map(json.loads, told)}
    assert {name: one["kind"] for name, one in noticed.items()} == {"b.pdf": "registered", "plan.docx": "registered"}
    assert noticed["b.pdf"]["paper"]["page_count"] == 22
    assert "none of the kinds" in noticed["plan.docx"]["reason"]
    listed = [(one["type"], one["name"]) for one in clerk.json("list")]
    assert listed == [("folder", "minutes"), ("paper", "a"), ("paper", "b"), ("paper", "plan")]
    assert clerk.told("watch", minutes, "--once", "--settle", "0.2") == ""


def test_a_folder_is_watched_until_the_clerk_stops(clerk: Clerk, tmp_path: Path, sample: Path) -> None:
    minutes = tmp_path / "minutes"
    minutes.mkdir()
    with clerk.started("watch", minutes, "--folder", "Council/2026", "--settle", "0.2") as watching:
        assert watching.stderr is not None
        assert watching.stdout is not None
        assert "all is registered" in watching.stderr.readline()
        shutil.copyfile(sample, minutes / "a.pdf")
        assert watching.stdout.readline() == f"registered {minutes / 'a.pdf'}\n"
        ran = clerk.run("watch", minutes)
        assert (ran.returncode, "watched by another process" in ran.stderr) == (2, True)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 130
    assert [one["name"] for one in clerk.json("list")] == ["Council", "2026", "a"]


def test_what_cannot_be_opened_is_told_and_stands_on_the_shelf(clerk: Clerk, tmp_path: Path) -> None:
    path = tmp_path / "plan.docx"
    path.write_bytes(b"an office file")
    ran = clerk.run("add", path, tmp_path / "missing.pdf", "--no-wait")
    assert ran.returncode == 1
    assert "none of the kinds that can be opened" in ran.stderr
    assert "missing.pdf" in ran.stderr
    assert "plan  (unsupported)" in clerk.told("list")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("purge", "nobody"), "no paper 'nobody'"),
        (("list", "--folder", "nowhere"), "no folder 'nowhere'"),
        (("add", ".", "--name", "x"), "--name is for one file"),
    ],
)
def test_what_makes_no_sense_is_told(clerk: Clerk, arguments: tuple[str, ...], message: str) -> None:
    ran = clerk.run(*arguments)
    assert ran.returncode == 2
    assert message in ran.stderr


def test_papers_are_added_replaced_and_imported_beside_a_server_that_prepares(
    clerk: Clerk, tmp_path: Path, sample: Path
) -> None:
    with TileService(Settings(cache_dir=tmp_path / "cache", workers=1)) as service, Shelf(tmp_path / "data", service) as server:
        assert server.wait_prepared(30)
        [added] = clerk.json("add", sample, "--name", "budget")
        clerk.json("replace", added["id"], sample)
        assert server.revision(added["id"]).is_prepared
        clerk.told("export", tmp_path / "out")
        server.purge(added["id"])
        assert clerk.json("import", tmp_path / "out")["papers"] == 1
        assert all(one.is_prepared for one in server.revisions(added["id"]))
