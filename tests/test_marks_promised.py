"""A mark whose push has returned is there, whenever the process is killed; and one that was deleted does not come back."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from marks_house import marked_shelf, prepared
from quiet import wait_until

from sidebooks_core.marks import Mark, Note
from sidebooks_core.marks.schema import last_seq

KILLS = int(os.environ.get("SIDEBOOKS_KILLS", "6"))
"""A long run has 1,000."""
CLERK = Path(__file__).parent / "marks_clerk.py"


def killed_clerk(data_dir: Path, paper: str, seed: int, after: int) -> list[list[str]]:
    """The promises of a clerk who is killed after so many of them, or a little later."""
    lines: list[str] = []
    command = [sys.executable, CLERK, data_dir, paper, str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as clerk:
        assert clerk.stdout is not None
        assert clerk.stdout.readline() == "begun\n"
        reading = threading.Thread(target=lines.extend, args=(clerk.stdout,))
        reading.start()
        wait_until(lambda: len(lines) >= after or clerk.poll() is not None, "the clerk writes nothing", 120)
        clerk.kill()
        reading.join(60)
    return [line.split() for line in lines if line.endswith("\n")]


def test_nothing_promised_is_lost_and_nothing_deleted_comes_back(tmp_path: Path) -> None:
    chance = random.Random(20261130)
    data_dir = tmp_path / "data"
    kept: dict[str, str] = {}
    deleted: set[str] = set()
    with marked_shelf(data_dir) as shelf:
        paper = prepared(shelf, 1).id
    for number in range(KILLS):
        unsure: set[str] = set()
        for what, mark_id, *rest in killed_clerk(data_dir, paper, number, chance.randint(1, 150)):
            if what in ("changing", "deleting"):
                unsure.add(mark_id)
            elif what == "kept":
                kept[mark_id] = rest[0]
                unsure.discard(mark_id)
            elif what == "deleted":
                kept.pop(mark_id)
                deleted.add(mark_id)
                unsure.discard(mark_id)
        with marked_shelf(data_dir) as shelf:
            found = {mark.id: text(mark) for owner in range(4) for mark in shelf.marks(paper, owner=f"o{owner}")}
            sure = {mark_id: words for mark_id, words in kept.items() if mark_id not in unsure}
            assert {mark_id: found.get(mark_id) for mark_id in sure} == sure
            assert not deleted & set(found)
            kept = dict(found)
            with shelf.database.reading() as reading:
                numbers = reading.all(int, "SELECT seq FROM mark ORDER BY seq")
                assert len(numbers) == len(set(numbers))
                counted = reading.all(int, "SELECT count(*) FROM mark GROUP BY owner ORDER BY owner")
                assert counted == reading.all(int, "SELECT marks FROM mark_use WHERE marks > 0 ORDER BY owner")
                assert numbers[-1] <= last_seq(reading)
            assert shelf.verify().faults == []
    assert kept
    assert deleted


def test_two_processes_write_and_a_third_reads_what_they_have_written(tmp_path: Path) -> None:
    with marked_shelf(tmp_path / "data") as shelf:
        paper = prepared(shelf, 1).id
        mine = shelf.marks(paper, owner="mine")
        lines, made = list[str](), set[str]()
        with ExitStack() as clerks:
            both = [clerks.enter_context(writing_clerk(tmp_path / "data", paper, owners, lines)) for owners in "pq"]
            while len(lines) < 300:
                assert [clerk.poll() for clerk in both] == [None, None], "a clerk has failed"
                made.add(mine.add(0, Note(1.0, 2.0, "x", "#c00000")).id)
        promised = [line.split() for line in lines if line.endswith("\n")]
        kept = {words[1]: words[2] for words in promised if words[0] == "kept"}
        unsure = {words[1] for words in promised if words[0] in ("changing", "deleting")}
        found = {
            mark.id: text(mark)
            for owner in "pq"
            for number in range(4)
            for mark in shelf.marks(paper, owner=f"{owner}{number}")
        }
        sure = {mark_id: words for mark_id, words in kept.items() if mark_id not in unsure}
        assert {mark_id: found.get(mark_id) for mark_id in sure} == sure
        assert not {words[1] for words in promised if words[0] == "deleted"} & set(found)
        assert {mark.id for mark in mine} == made
        with shelf.database.reading() as reading:
            numbers = reading.all(int, "SELECT seq FROM mark")
        assert len(numbers) == len(set(numbers)), "each change has a number of its own"


@contextmanager
def writing_clerk(data_dir: Path, paper: str, owners: str, lines: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A clerk who writes until this ends, and is killed then. lines: to which the promises are added."""
    command = [sys.executable, CLERK, data_dir, paper, "1", owners]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as clerk:
        reading = threading.Thread(target=lambda: lines.extend(clerk.stdout or ()))
        reading.start()
        try:
            yield clerk
        finally:
            clerk.kill()
            reading.join(60)


def text(mark: Mark) -> str:
    assert isinstance(mark.body, Note)
    return mark.body.text
