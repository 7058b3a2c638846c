"""Pushes marks until the process is killed: `python marks_clerk.py DATA_FOLDER PAPER SEED [OWNERS]`.

OWNERS: with which the names of its four owners begin; "o" unless told.

Each line that it prints is a promise, printed when the push has returned: `kept ID TEXT…`, `deleted ID…`.
"""

from __future__ import annotations

import random
import sys
import threading
from pathlib import Path

from marks_house import RED, marked_shelf

from sidebooks_core.marks import MarkStore, Note
from sidebooks_core.marks.paper_marks import PaperMarks

PRINTING = threading.Lock()


def promise(*words: str) -> None:
    with PRINTING:
        print(*words, flush=True)


def write(marks: PaperMarks, store: MarkStore, chance: random.Random) -> None:
    """One of several who write at the same time."""
    mine: list[str] = []
    while True:
        what = chance.random()
        text = f"{chance.getrandbits(48):x}"
        if what < 0.5 or not mine:
            mine.append(marks.add(0, Note(1.0, 2.0, text, RED)).id)
            promise("kept", mine[-1], text)
        elif what < 0.8:
            mark_id = chance.choice(mine)
            promise("changing", mark_id)
            marks.change(mark_id, Note(1.0, 2.0, text, RED))
            promise("kept", mark_id, text)
        elif what < 0.97:
            mark_id = mine.pop(chance.randrange(len(mine)))
            promise("deleting", mark_id)
            marks.remove(mark_id)
            promise("deleted", mark_id)
        else:
            store.sweep()


def main(data_dir: Path, paper: str, seed: int, owners: str) -> None:
    with marked_shelf(data_dir) as shelf:
        promise("begun")
        writers = [
            threading.Thread(
                target=write,
                args=(shelf.marks(paper, owner=f"{owners}{number}"), shelf.mark_store, random.Random(seed * 9 + number)),
            )
            for number in range(4)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *(sys.argv[4:] or ["o"]))
