"""Writes that wait at the same time are one step, and none fails for the fault of another one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest
from quiet import wait_until

from sidebooks_core.marks.grouped import GroupedWrites


class Disk:
    """Answers each number with its double; for 13 the step fails, and 7 is wrong by itself. It may be held up."""

    def __init__(self) -> None:
        self.steps: list[list[int]] = []
        self.may_go = threading.Event()

    def write(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.steps.append(list(numbers))
        assert self.may_go.wait(60)
        if 13 in numbers:
            raise OSError("13")
        return [ValueError("7") if number == 7 else number * 2 for number in numbers]


def outcome(write: Callable[[int], int], number: int) -> int | str:
    try:
        return write(number)
    except (OSError, ValueError) as fault:
        return type(fault).__name__


def written_together(numbers: Sequence[int], at_once: int) -> tuple[dict[int, int | str], list[list[int]]]:
    """What becomes of numbers that wait while 0 is written, and the steps."""
    disk = Disk()
    grouped = GroupedWrites(disk.write, at_once)
    found: dict[int, int | str] = {}

    def run(number: int) -> None:
        found[number] = outcome(grouped.write, number)

    threads = [threading.Thread(target=run, args=(0,))]
    threads[0].start()
    wait_until(lambda: bool(disk.steps), "nobody writes", 60)
    for number in numbers:
        threads.append(threading.Thread(target=run, args=(number,)))
        threads[-1].start()
        count = len(threads) - 1
        wait_until(lambda count=count: grouped.waiting == count, "it does not wait", 60)  # type: ignore[misc]
    disk.may_go.set()
    for thread in threads:
        thread.join(60)
    assert grouped.waiting == 0
    return found, disk.steps


def test_those_who_wait_are_written_in_one_step() -> None:
    found, steps = written_together(range(100, 130), 64)
    assert found == {0: 0} | {number: number * 2 for number in range(100, 130)}
    assert steps == [[0], list(range(100, 130))]


def test_a_step_has_a_bound() -> None:
    found, steps = written_together(range(1, 8), 3)
    assert steps == [[0], [1, 2, 3], [4, 5, 6], [7]]
    assert found[7] == "ValueError"


def test_none_fails_for_the_fault_of_another_one() -> None:
    found, steps = written_together([5, 13, 7, 6], 64)
    assert found == {0: 0, 5: 10, 13: "OSError", 7: "ValueError", 6: 12}
    assert steps == [[0], [5, 13, 7, 6], [5], [13], [7], [6]]


def outcomes_if_interrupted(write: Callable[[Sequence[int]], list[int | Exception]]) -> dict[int, str]:
    """What 1, 2 and 3 become, which wait together while 0 is written. write: writes them."""
    disk = Disk()
    grouped = GroupedWrites(lambda numbers: disk.write(numbers) if 0 in numbers else write(numbers), 8)
    found: dict[int, str] = {}

    def run(number: int) -> None:
        try:
            found[number] = str(grouped.write(number))
        except BaseException as fault:  # noqa: BLE001 - it is looked at
            found[number] = type(fault).__name__

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(4)]
    threads[0].start()
    wait_until(lambda: bool(disk.steps), "nobody writes", 60)
    for number, thread in enumerate(threads[1:], 1):
        thread.start()
        wait_until(lambda number=number: grouped.waiting == number, "it does not wait", 60)  # type: ignore[misc]
    disk.may_go.set()
    for thread in threads:
        thread.join(60)
    assert found.pop(0) == "0"
    assert (sorted(found), grouped.waiting) == ([1, 2, 3], 0), "somebody waits for ever"
    return found


@pytest.mark.parametrize("fault", [KeyboardInterrupt, SystemExit])
def test_who_is_interrupted_leaves_nobody_waiting(fault: type[BaseException]) -> None:
    def write(numbers: Sequence[int]) -> list[int | Exception]:
        raise fault

    found = outcomes_if_interrupted(write)
    assert sorted(found.values()) == sorted([fault.__name__, "StorageFailed", "StorageFailed"]), "one is interrupted, not all"


def test_who_is_interrupted_at_the_second_try_leaves_nobody_waiting() -> None:
    def write(numbers: Sequence[int]) -> list[int | Exception]:
        if len(numbers) > 1:
            raise ValueError
        raise SystemExit

    found = outcomes_if_interrupted(write)
    assert sorted(found.values()) == ["StorageFailed", "StorageFailed", "SystemExit"]
