"""Worker processes in which code of a test runs in place of a parser. All the rest of such a worker is the real one."""

from __future__ import annotations

from sidebooks_core.workers import forking
from sidebooks_core.workers.starting import Spawner, Starter, fork_server

_PROGRAM = """
import importlib, json, sys
sys.path[:] = json.loads(sys.argv[1])
{setup}
from sidebooks_core.documents.model import Word
from sidebooks_core.worker.desk import Desk
from sidebooks_core.workers.jobs import ReadWords

class TakenOver(Desk):
    def do(self, job, given):
        answer = super().do(job, given)
        if not isinstance(job, ReadWords):
            return answer
        return (Word(0, 0, 0, 0, json.dumps(probe()), 0, 0),)

importlib.import_module("sidebooks_core.worker." + sys.argv[2]).main(TakenOver)
"""


def taken_over(setup: str) -> str:
    """The program of such workers, for `starter_of`.

    setup: source text that defines `probe()`. A worker calls it if it is asked for the words of a page, after it has read them.
    The text of the only word that it answers is the result of `probe()` as JSON.
    """
    return _PROGRAM.replace("{setup}", setup)


def starter_of(program: str) -> Starter:
    """Starts worker processes that run a program, in the best way of this platform."""
    return fork_server(program) if forking.is_available() else Spawner(program)
