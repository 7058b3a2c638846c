"""A folder of the disk that is mirrored on the shelf: whatever becomes of its files, papers follow, and none is there twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from quiet import wait_until

import sidebooks_core as sb
from sidebooks_core.documents.listing import Listing, list_folder
from sidebooks_core.errors import RequestError
from sidebooks_core.shelf import Shelf
from sidebooks_core.shelf.mirror import Noticed
from sidebooks_core.shelf.ripening import Known, Ripening
from sidebooks_core.shelf.watched import Watch
from sidebooks_core.testing import FakeDocument, FakeEngine

SETTLE_S = 0.3


def content(note: str, pages: int = 2) -> bytes:
    return FakeDocument.of_pages(pages, note=note).to_bytes()


def write(path: Path, note: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content(note))
    return path


@pytest.fixture
def service(tmp_path: Path) -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=None, workers=2), pool=FakeEngine().pool) as made:
        yield made


@pytest.fixture
def shelf(service: sb.TileService, tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path / "data", service) as made:
        yield made


@pytest.fixture
def minutes(tmp_path: Path) -> Path:
    folder = tmp_path / "minutes"
    folder.mkdir()
    return folder


def begin(shelf: Shelf, folder: Path, told: Callable[[Noticed], None] | None = None) -> Watch:
    return shelf.watch(folder, settle_s=SETTLE_S, told=told)


def tree(shelf: Shelf, folder: str | None = None) -> dict[str, object]:
    """Names of folders with what they hold, and of papers with their revisions, in order. Withdrawn papers are left out."""
    inner: dict[str, object] = {f"{one.name}/": tree(shelf, one.id) for one in shelf.folders(folder)}
    return inner | {one.name: one.revision for one in shelf.papers(folder)}


def becomes(shelf: Shelf, wanted: dict[str, object], timeout_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while tree(shelf) != wanted and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert tree(shelf) == wanted
    assert [*tree(shelf)] == [*wanted], "the order"


def all_papers(shelf: Shelf, folder: str | None = None) -> dict[str, str]:
    """Ids with names, of the withdrawn papers too."""
    found = {one.id: one.name for one in shelf.papers(folder, withdrawn=True)}
    for one in shelf.folders(folder):
        found |= all_papers(shelf, one.id)
    return found


def test_files_and_folders_are_mirrored_in_natural_order(shelf: Shelf, minutes: Path) -> None:
    for name in ("資料10.pdf", "資料2.pdf", "議案/第2号.pdf", "議案/第10号.pdf", "資料1.pdf"):
        write(minutes / name, name)
    write(minutes / ".hidden.pdf", "hidden")
    write(minutes / "~$資料2.pdf", "a lock of an office program")
    write(minutes / "資料3.pdf.part", "under way")
    (minutes / "note.docx").write_bytes(b"an office file")
    noticed: list[Noticed] = []
    with begin(shelf, minutes, noticed.append) as watch:
        assert watch.wait(30)
        papers = {"note": 1, "資料1": 1, "資料2": 1, "資料10": 1}
        assert tree(shelf) == {"minutes/": {"議案/": {"第2号": 1, "第10号": 1}, **papers}}
        [folder] = shelf.folders()
        assert [one.name for one in shelf.papers(folder)] == [*papers]
        assert [one.state for one in shelf.papers(folder)] == ["unsupported", "ready", "ready", "ready"]
        assert {one.kind for one in noticed} == {"registered"}
        assert [bool(one.reason) for one in noticed if one.path.name == "note.docx"] == [True]
        write(minutes / "資料5.pdf", "later")
        becomes(shelf, {"minutes/": {"議案/": {"第2号": 1, "第10号": 1}, **papers, "資料5": 1}})
        assert [one.name for one in shelf.papers(folder)] == ["note", "資料1", "資料2", "資料5", "資料10"]


def test_a_files_fate_is_its_papers_fate(shelf: Shelf, minutes: Path) -> None:
    """Changed, renamed, moved, removed, put back: one paper."""
    place = write(minutes / "budget.pdf", "first")
    with begin(shelf, minutes):
        becomes(shelf, {"minutes/": {"budget": 1}})
        [paper_id] = all_papers(shelf)
        write(place, "second")
        becomes(shelf, {"minutes/": {"budget": 2}})
        place = place.rename(minutes / "budget 2026.pdf")
        becomes(shelf, {"minutes/": {"budget 2026": 2}})
        (minutes / "March").mkdir()
        place = place.rename(minutes / "March" / "budget 2026.pdf")
        becomes(shelf, {"minutes/": {"March/": {"budget 2026": 2}}})
        kept = place.rename(minutes.parent / "elsewhere.pdf")
        becomes(shelf, {"minutes/": {"March/": {}}})
        assert shelf.paper(paper_id).withdrawn_s is not None
        shutil.copyfile(kept, minutes / "March" / "budget 2026.pdf")
        becomes(shelf, {"minutes/": {"March/": {"budget 2026": 2}}})
        (minutes / "March").rename(minutes / "April")
        becomes(shelf, {"minutes/": {"April/": {"budget 2026": 2}}})
        assert [*all_papers(shelf)] == [paper_id]
        kinds = [one.kind for one in shelf.changes() if one.paper == paper_id]
        assert kinds.count("paper withdrawn") == kinds.count("paper restored") == 1, "a rename takes a paper from nobody"


def test_what_a_clerk_did_is_left_alone(shelf: Shelf, minutes: Path) -> None:
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        write(minutes / name, name)
    with begin(shelf, minutes) as watch:
        assert watch.wait(30)
        [folder] = shelf.folders()
        a, b, c = shelf.papers(folder)
        shelf.withdraw(a.id)
        shelf.change(b.id, name="The budget", place=0)
        shelf.purge(c.id)
        os.utime(minutes / "a.pdf")
        (minutes / "b.pdf").rename(minutes / "d.pdf")
        write(minutes / "e.pdf", "e")
        becomes(shelf, {"minutes/": {"The budget": 1, "e": 1}})
        wait_until(lambda: watch.wait(0) and bool(watch.problems), "the purged file is not told of")
        assert {path.name: "purged" in why for path, why in watch.problems.items()} == {"c.pdf": True}
        assert shelf.paper(a.id).withdrawn_s is not None
    with begin(shelf, minutes) as again:
        assert again.wait(30)
        becomes(shelf, {"minutes/": {"The budget": 1, "e": 1}})


def test_a_file_that_grows_is_waited_for(shelf: Shelf, minutes: Path) -> None:
    data = content("grows", pages=40)
    with begin(shelf, minutes) as watch:
        with (minutes / "growing.pdf").open("wb") as file:
            for start in range(0, len(data), len(data) // 12):
                file.write(data[start : start + len(data) // 12])
                file.flush()
                assert tree(shelf) in ({}, {"minutes/": {}})
                time.sleep(SETTLE_S / 2)
        becomes(shelf, {"minutes/": {"growing": 1}})
        assert watch.problems == {}
    [paper_id] = all_papers(shelf)
    assert shelf.paper(paper_id).page_count == 40
    assert shelf.verify().is_whole


def test_a_copy_that_pauses_is_given_more_time_if_it_is_damaged(
    service: sb.TileService, tmp_path: Path, minutes: Path, sample: Path
) -> None:
    """A half PDF cannot be opened, or is repaired; so it is real files here."""
    data = sample.read_bytes()
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as real, Shelf(tmp_path / "data", real) as shelf:
        with begin(shelf, minutes), (minutes / "slow.pdf").open("wb") as file:
            file.write(data[:100])
            file.flush()
            time.sleep(SETTLE_S * 3)
            assert all_papers(shelf) == {}
            file.write(data[100:])
            file.flush()
            becomes(shelf, {"minutes/": {"slow": 1}})
            [paper_id] = all_papers(shelf)
            assert shelf.paper(paper_id).state == "ready"
        (minutes / "broken.pdf").write_bytes(data[:100])
        with begin(shelf, minutes):
            becomes(shelf, {"minutes/": {"broken": 1, "slow": 1}})
            [broken] = [shelf.paper(one) for one, name in all_papers(shelf).items() if name == "broken"]
            assert (broken.state, bool(broken.reason)) == ("damaged", True)


def test_what_happened_while_nobody_watched_is_caught_up_with(service: sb.TileService, tmp_path: Path, minutes: Path) -> None:
    for name in ("stays.pdf", "changes.pdf", "moves.pdf", "goes.pdf"):
        write(minutes / name, name)
    with Shelf(tmp_path / "data", service) as shelf, begin(shelf, minutes) as watch:
        assert watch.wait(30)
        before = all_papers(shelf)
    write(minutes / "changes.pdf", "changed")
    (minutes / "moves.pdf").rename(minutes / "moved.pdf")
    (minutes / "goes.pdf").unlink()
    write(minutes / "new.pdf", "new")
    with Shelf(tmp_path / "data", service) as shelf, begin(shelf, minutes):
        becomes(shelf, {"minutes/": {"changes": 2, "moved": 1, "new": 1, "stays": 1}})
        assert set(before) < set(all_papers(shelf))
        assert len(all_papers(shelf)) == 5


def test_an_empty_mount_point_withdraws_nothing(shelf: Shelf, minutes: Path) -> None:
    """A share that is not mounted leaves an empty folder of another identity; one that is emptied is the same folder."""
    write(minutes / "a.pdf", "a")
    with begin(shelf, minutes) as watch:
        assert watch.wait(30)
        minutes.rename(minutes.parent / "the share")
        minutes.mkdir()
        wait_until(lambda: bool(watch.problems), "the empty folder is not told of")
        time.sleep(SETTLE_S * 4)
        assert tree(shelf) == {"minutes/": {"a": 1}}
        minutes.rmdir()
        time.sleep(SETTLE_S * 4)
        assert tree(shelf) == {"minutes/": {"a": 1}}, "nor does a folder that is not there"
        (minutes.parent / "the share").rename(minutes)
        wait_until(lambda: not watch.problems, "the share is back", 30)
        (minutes / "a.pdf").unlink()
        becomes(shelf, {"minutes/": {}})


def test_two_files_of_one_content_are_two_papers(shelf: Shelf, minutes: Path) -> None:
    write(minutes / "a.pdf", "same")
    write(minutes / "b.pdf", "same")
    with begin(shelf, minutes):
        becomes(shelf, {"minutes/": {"a": 1, "b": 1}})
        (minutes / "a.pdf").unlink()
        becomes(shelf, {"minutes/": {"b": 1}})


@pytest.mark.skipif(sys.platform == "win32", reason="names there are Unicode")
def test_a_name_that_is_no_unicode_is_shown_as_far_as_it_can_be(shelf: Shelf, minutes: Path) -> None:
    (minutes / os.fsdecode(b"b\xffdget.pdf")).write_bytes(content("x"))
    with begin(shelf, minutes) as watch:
        assert watch.wait(30)
        assert watch.problems == {}
    [name] = all_papers(shelf).values()
    assert name.startswith("b")
    assert name.endswith("dget")


def test_one_process_watches(service: sb.TileService, tmp_path: Path, minutes: Path) -> None:
    write(minutes / "a.pdf", "a")
    with (
        Shelf(tmp_path / "data", service) as first,
        Shelf(tmp_path / "data", service) as second,
        begin(first, minutes) as ours,
    ):
        assert ours.wait(30)
        theirs = begin(second, minutes)
        assert not theirs.wait(1)
        assert (ours.is_elsewhere, theirs.is_elsewhere) == (False, True)
        ours.close()
        wait_until(lambda: theirs.wait(0), "nobody watches")
        assert not theirs.is_elsewhere
        write(minutes / "b.pdf", "b")
        becomes(second, {"minutes/": {"a": 1, "b": 1}})


def test_what_makes_no_sense_is_refused(shelf: Shelf, minutes: Path, tmp_path: Path) -> None:
    (minutes / "within").mkdir()
    with begin(shelf, minutes), pytest.raises(RequestError, match="watched already"):
        begin(shelf, minutes / "within")
    with pytest.raises(NotADirectoryError):
        begin(shelf, tmp_path / "missing")
    with pytest.raises(RequestError, match="holds the shelf itself"):
        begin(shelf, tmp_path)
    with pytest.raises(RequestError, match="no folder"):
        shelf.watch(minutes, "nowhere")


def test_a_folder_within_one_that_another_process_watches_is_refused(
    service: sb.TileService, tmp_path: Path, minutes: Path
) -> None:
    """Two shelves of one folder of data stand for two processes: they know of each other by files alone."""
    write(minutes / "within" / "a.pdf", "a")
    write(minutes.parent / "minutes of others" / "a.pdf", "b")
    with Shelf(tmp_path / "data", service) as first, Shelf(tmp_path / "data", service) as second:
        with begin(first, minutes):
            with pytest.raises(RequestError, match="watched already"):
                begin(second, minutes / "within")
            with begin(second, minutes.parent / "minutes of others") as third:
                assert third.wait(30), "a folder beside it, of a name that begins alike"
        with begin(second, minutes / "within") as inner:
            assert inner.wait(30)
            with pytest.raises(RequestError, match="watched already"):
                begin(first, minutes)
        names = sorted(one.name for one in first.folders())
        assert names == ["minutes", "minutes of others", "within"], "what was refused has made no folder"


def test_who_waits_for_a_folder_leaves_it_while_one_within_is_watched(
    service: sb.TileService, tmp_path: Path, minutes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.shelf.watched.AGAIN_S", 0.5)
    write(minutes / "within" / "a.pdf", "a")
    with Shelf(tmp_path / "data", service) as first, Shelf(tmp_path / "data", service) as second:
        ours, theirs = begin(first, minutes), begin(second, minutes)
        assert ours.wait(30)
        wait_until(lambda: theirs.is_elsewhere, "both watch")
        ours.close()
        with begin(first, minutes / "within") as inner:
            assert inner.wait(30)
            time.sleep(1.2)
            assert theirs.is_elsewhere
        wait_until(lambda: not theirs.is_elsewhere, "nobody watches")


def test_a_copy_of_a_file_that_cannot_be_seen_now_is_a_paper_of_its_own(
    shelf: Shelf, minutes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder cannot be read for a while: its papers stay what and where they are."""
    path = write(minutes / "closed" / "a.pdf", "a")
    with begin(shelf, minutes) as watch:
        assert watch.wait(30)
        before = all_papers(shelf)

        def unread(root: Path) -> Listing:
            found = list_folder(root)
            files = {one: state for one, state in found.files.items() if one.parent.name != "closed"}
            return replace(found, files=files, unread={**found.unread, minutes / "closed": "permission denied"})

        monkeypatch.setattr("sidebooks_core.shelf.mirror.list_folder", unread)
        shutil.copy(path, minutes / "copy.pdf")
        becomes(shelf, {"minutes/": {"closed/": {"a": 1}, "copy": 1}})
        monkeypatch.undo()
        write(minutes / "b.pdf", "b")
        becomes(shelf, {"minutes/": {"closed/": {"a": 1}, "b": 1, "copy": 1}})
        assert before.items() <= all_papers(shelf).items(), "the same paper"
        assert len(all_papers(shelf)) == 3


CLERK = """
import sys, time
from pathlib import Path
import sidebooks_core as sb
from sidebooks_core.shelf import Shelf
from sidebooks_core.testing import FakeEngine
with (
    sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as service,
    Shelf(Path(sys.argv[1]), service) as shelf,
):
    shelf.watch(Path(sys.argv[2]), settle_s=0.02)
    print("begun", flush=True)
    time.sleep(600)
"""


def test_a_watch_that_is_killed_registers_nothing_twice(service: sb.TileService, tmp_path: Path, minutes: Path) -> None:
    for number in range(60):
        write(minutes / f"{number // 20}" / f"{number}.pdf", f"{number}")
    for turn in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", CLERK, str(tmp_path / "data"), str(minutes)], stdout=subprocess.PIPE, text=True
        ) as clerk:
            assert clerk.stdout is not None
            assert clerk.stdout.readline() == "begun\n"
            time.sleep(0.05 * turn)
            clerk.send_signal(signal.SIGKILL)
        write(minutes / "0" / f"{turn}.pdf", f"changed {turn}")
        (minutes / "1" / f"{20 + turn}.pdf").rename(minutes / "2" / f"moved {turn}.pdf")
    with Shelf(tmp_path / "data", service) as shelf, begin(shelf, minutes) as watch:
        wait_until(lambda: watch.wait(0), "it is not caught up with", 60)
        wait_until(lambda: len(shelf.papers(shelf.folders(shelf.folders()[0])[1])) == 12, "what moved stays", 30)
        papers = all_papers(shelf)
        assert sorted(papers.values()) == sorted(path.stem for path in minutes.rglob("*.pdf"))
        assert shelf.verify().is_whole


# When a file is complete, without a disk.


def test_a_file_is_ripe_when_it_has_not_changed_for_a_while() -> None:
    ripening = Ripening(2.0)
    assert ripening.look({b"a": "1 10 5 5"}, {}, 100.0).again_s == 102.0
    assert ripening.look({b"a": "1 20 6 6"}, {}, 101.9).ripe == []
    assert ripening.look({b"a": "1 20 6 6"}, {}, 103.8).ripe == []
    assert ripening.look({b"a": "1 20 6 6"}, {}, 103.9).ripe == [b"a"]
    known = {b"a": Known("1 20 6 6", False)}
    assert ripening.look({b"a": "1 20 6 6"}, known, 104.0).again_s is None


def test_a_file_is_gone_when_it_is_missing_for_a_while_and_a_renamed_one_is_found_at_once() -> None:
    ripening = Ripening(2.0)
    known = {b"a": Known("1 20 6 6", False), b"b": Known("2 20 6 6", True)}
    plan = ripening.look({b"c": "1 20 6 7"}, known, 100.0)
    assert (plan.ripe, plan.gone, plan.again_s) == ([b"c"], [], 104.0)
    assert ripening.look({}, known, 103.9).gone == []
    assert ripening.look({}, known, 104.0).gone == [b"a"]
    assert ripening.look({b"b": "2 20 6 6"}, known, 110.0).ripe == [], "one that came back waits, too"
    assert ripening.look({b"b": "2 20 6 6"}, known, 112.0).ripe == [b"b"]


def test_a_file_that_failed_is_left_until_its_time_or_a_change() -> None:
    ripening = Ripening(1.0)
    ripening.look({b"a": "1 1 1 1", b"b": "2 2 2 2"}, {}, 0.0)
    ripening.hold(b"a", 5.0, has_failed=True)
    ripening.hold(b"b", None, has_failed=True)
    assert ripening.look({b"a": "1 1 1 1", b"b": "2 2 2 2"}, {}, 4.9).ripe == []
    assert ripening.look({b"a": "1 1 1 1", b"b": "2 2 2 2"}, {}, 5.0).ripe == [b"a"]
    ripening.look({b"b": "2 3 3 3"}, {}, 6.0)
    assert ripening.look({b"b": "2 3 3 3"}, {}, 7.0).ripe == [b"b"]


def test_a_watch_that_cannot_begin_leaves_the_folder_free(shelf: Shelf, minutes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(minutes / "a.pdf", "a")

    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        with pytest.raises(RuntimeError, match="new thread"):
            begin(shelf, minutes)
    with begin(shelf, minutes) as watch:
        assert watch.wait(20)
        assert not watch.is_elsewhere
    becomes(shelf, {"minutes/": {"a": 1}})
