"""Places of papers among those of their folder."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sidebooks_core.databases.database import Database, Writing
from sidebooks_core.shelf.order import move, new_id, next_place
from sidebooks_core.shelf.schema import SHELF


def in_order(writing: Writing, parent: str | None) -> list[str]:
    return writing.all(str, "SELECT id FROM folder WHERE parent IS ? AND id NOT IN ('a', 'b') ORDER BY place", parent)


def test_moves_do_what_a_list_does(tmp_path: Path) -> None:
    chosen = random.Random(7)
    with Database(tmp_path / "a.sqlite3", SHELF).writing() as writing:
        add = "INSERT INTO folder (id, parent, name, kind, note, place) VALUES (?, ?, '', '', '', ?)"
        for parent in ("a", "b"):
            writing.run(add, parent, None, 0)
        lists: dict[str, list[str]] = {"a": [], "b": []}
        for number in range(400):
            holder = chosen.choice(["a", "b"])
            if number < 12:
                writing.run(add, f"f{number}", holder, next_place(writing, "folder", "parent", holder))
                lists[holder].append(f"f{number}")
                continue
            moved, place = chosen.choice([*lists["a"], *lists["b"]]), chosen.choice([None, -3, *range(14)])
            for one in lists.values():
                if moved in one:
                    one.remove(moved)
            at = len(lists[holder]) if place is None else max(0, min(place, len(lists[holder])))
            lists[holder].insert(at, moved)
            move(writing, ("folder", "parent"), moved, holder, place)
            assert {parent: in_order(writing, parent) for parent in lists} == lists
            places = writing.all(int, "SELECT place FROM folder WHERE parent = ?", holder)
            assert len(set(places)) == len(places)


def test_who_moves_next_door_leaves_the_others_alone(tmp_path: Path) -> None:
    with Database(tmp_path / "a.sqlite3", SHELF).writing() as writing:
        add = "INSERT INTO folder (id, name, kind, note, place) VALUES (?, '', '', '', ?)"
        writing.run_each(add, [(f"f{number}", number) for number in range(100)])
        before = writing.number("SELECT total_changes()")
        move(writing, ("folder", "parent"), "f50", None, 51)
        assert writing.number("SELECT total_changes()") - before == 2
        assert in_order(writing, None)[49:53] == ["f49", "f51", "f50", "f52"]


def test_an_id_is_no_option_of_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter(["-looks-like-one", "-V", "an-id"])
    monkeypatch.setattr("secrets.token_urlsafe", lambda _: next(made))
    assert new_id() == "an-id"
