"""The command `sidebooks` with a wall clock that is wrong by as much as a file says, and can jump while it runs.

    python -m benchmarks.meeting.wrong_clock FILE serve …

The jumps are simulated: a program that sets the clock of the machine would set that of its neighbours, needs rights that no
test should have, and is refused in most containers. `time.time` is replaced before anything of the library is loaded, so every
module of the server has the wrong one. What is not replaced: the steady clock, the clocks of SQLite and of files, and worker
processes, which draw pages and know no time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path


def wrong(file: Path, right: Callable[[], float], again_after_s: float = 0.05) -> Callable[[], float]:
    """A clock that is wrong by the seconds that stand in a file, which is read again after a time."""
    offset_s, read_s = 0.0, float("-inf")

    def now_s() -> float:
        nonlocal offset_s, read_s
        if time.monotonic() - read_s > again_after_s:
            offset_s, read_s = float(file.read_text(encoding="ascii")), time.monotonic()
        return right() + offset_s

    return now_s


def set_wrong(file: Path, offset_s: float) -> None:
    """Let the clock of a process jump. Whoever reads sees the old number or the new one, and no part of one."""
    beside = file.with_suffix(".new")
    beside.write_text(f"{offset_s!r}", encoding="ascii")
    beside.replace(file)


if __name__ == "__main__":
    time.time = wrong(Path(sys.argv.pop(1)), time.time)
    from sidebooks_core.cli.commands import main

    main()
