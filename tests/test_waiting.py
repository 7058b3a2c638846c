"""How many renders come before a client's next one."""

from __future__ import annotations

from sidebooks_core.server.waiting import Waiting


def test_a_flood_stands_before_itself_and_not_before_others() -> None:
    waiting = Waiting()
    for number in range(600):
        waiting.add(f"poster {number}", "flood")
    assert waiting.before("flood") == 600
    assert waiting.before("council") == 1


def test_a_hundred_clients_stand_before_the_next() -> None:
    waiting = Waiting()
    for number in range(100):
        waiting.add(f"page {number}", f"tablet {number}")
    assert waiting.before("tablet 100") == 100


def test_what_many_wait_for_is_one_render() -> None:
    waiting = Waiting()
    for number in range(100):
        waiting.add("page 3", f"tablet {number}")
    assert len(waiting) == 1
    assert waiting.before("tablet 100") == 1
    for number in range(99):
        waiting.remove("page 3", f"tablet {number}")
    assert "page 3" in waiting
    waiting.remove("page 3", "tablet 99")
    assert "page 3" not in waiting
    assert waiting.before("tablet 100") == 0


def test_tiles_of_one_render_count_once() -> None:
    waiting = Waiting()
    for _ in range(3):
        waiting.add("page 3", "tablet")
    waiting.remove("page 3", "tablet")
    assert waiting.before("tablet") == 1
