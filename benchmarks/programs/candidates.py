"""The programs, and a process for each candidate of one."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.programs import desktop, rounds
from benchmarks.programs.rounds import Round, Setting, Trial

EXAMPLES = rounds.ROOT / "docs" / "examples"
PEERS = Path(__file__).parent / "peers"
OURS = "sidebooks_core"
ROUND_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program of docs/examples, and those that do the same."""

    trial: Callable[[Setting], AbstractContextManager[Trial]]
    files: dict[str, Path]
    """The programs by what they are written with. Ours is the first."""


def _program(trial: Callable[[Setting], AbstractContextManager[Trial]], file: str, **peers: str) -> Program:
    """peers: files, by what they are written with."""
    return Program(trial, {OURS: EXAMPLES / file, **{label: PEERS / peer for label, peer in peers.items()}})


PROGRAMS = {
    "thumbnails": _program(
        rounds.thumbnails,
        "thumbnails.py",
        **{"PyMuPDF + Pillow": "thumbnails.py", "pypdfium2 + Pillow": "thumbnails_pdfium.py"},
    ),
    "books_with_login": _program(
        rounds.books_with_login, "books_with_login.py", **{"PyMuPDF + lru_cache": "books_with_login.py"}
    ),
    "flipper": _program(desktop.flipper, "flipper.py", PyMuPDF="flipper.py"),
    "library": _program(rounds.library, "library.py", **{"PyMuPDF + files": "library.py"}),
    "notebook": _program(rounds.notebook, "notebook.ipynb", PyMuPDF="notebook.ipynb"),
}


class Candidate:
    """A process that does the rounds of one program."""

    def __init__(self, program: str, setting: Setting) -> None:
        self._name = f"{program} ({setting.program.name})"
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_child, args=(program, setting, there))
        self._process.start()
        there.close()

    def round(self, number: int) -> Round:
        """Raises RuntimeError."""
        with suppress(BrokenPipeError):  # it has ended already, and has said why
            self._here.send(number)
        try:
            if not self._here.poll(ROUND_WITHIN_S):
                raise RuntimeError(f"{self._name}: no round within {ROUND_WITHIN_S:.0f} s")
            came: Round | str = self._here.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError(f"{self._name}: its process ended") from error
        if isinstance(came, str):
            raise RuntimeError(f"{self._name}: {came}")
        return came

    def close(self) -> None:
        self._here.close()
        self._process.join(60)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _child(program: str, setting: Setting, there: Connection) -> None:
    setting.folder.mkdir(parents=True, exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(setting.folder)
    try:
        with PROGRAMS[program].trial(setting) as trial:
            while True:
                there.send(trial(there.recv()))
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001 - told to the other process, which fails with it
        there.send(repr(error))
