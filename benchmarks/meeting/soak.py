"""Is anybody left behind in a meeting without knowing it, while servers, hub and connections fail?

    python -m benchmarks meeting.soak [--minutes M] [--clients N] [--seed N] [--json FILE] [--quick]

Two server processes share a shelf and a real Redis. Clients in processes of their own, each behind a relay, follow a meeting,
give commands, take the presentation from each other, and vote. Faults come at random (`faults.py`); server and Redis are ended
by SIGKILL, and started anew at the same ports. Again and again all faults heal, and everybody must come to one state.

A failure is: a client that is sure of a state that is old for longer than the protocol's watchdogs allow; one that does not
come to the present state; a position that goes back; two states at one position; an acknowledged command or vote that is lost,
or a vote that counts twice; a server that dies by itself or leaves processes behind; an exception in a client; memory that
grows. Without redis-server there is one server, and no hub. POSIX only.

What the numbers do not say: how it is on many machines. All of it runs on this one, and the network that fails is a relay.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.meeting.judging import Judge
from benchmarks.meeting.staging import CONVERGED_S, UNAWARE_S, Run
from benchmarks.meeting.town import REDIS, Server
from benchmarks.meeting.witness import Witness
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

CHAOS_S = (15.0, 60.0)
"""A round of faults."""
QUICK_S = 8.0
MIB = 1 << 20
GROWN_BYTES = 48 * MIB
"""The resident memory of a server grows by less, from the second minute of its process on."""
YOUNG_S = 60.0


def main(arguments: list[str] | None = None) -> None:
    """Soak and print. Exit status 1 after any failure; then the folder with all logs is kept."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks meeting.soak", description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=24, help="in four processes")
    parser.add_argument("--seed", type=int, default=1, help="of the faults; what they meet, the machine decides too")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="one short round, four clients")
    chosen = parser.parse_args(arguments)
    if sys.platform == "win32":
        sys.exit("needs POSIX: it suspends processes")
    begun = begin(chosen, "websockets", "uvicorn", hub="none" if REDIS is None else "Redis")
    folder = Path(tempfile.mkdtemp(prefix="sidebooks-soak-"))
    clients, crowds, seconds = (4, 2, 0.0) if chosen.quick else (chosen.clients, 4, chosen.minutes * 60)
    with (folder / "events.jsonl").open("w", encoding="utf-8", buffering=1) as log:
        witness = Witness(log, Judge(UNAWARE_S))
        run = Run(folder, witness, clients, crowds, chosen.seed)
        asyncio.run(soak(run, seconds))
    failures = [*witness.failures, *witness.judge.failures, *grown(run.servers)]
    found = findings(run)
    report(run)
    for failure in failures:
        print("FAILURE", failure)
    print(f"failures: {len(failures)}")
    begun.finish(series_of(run, failures), found | {"failures": failures})
    if failures:
        sys.exit(f"all logs are kept in {folder}")
    shutil.rmtree(folder)


async def soak(run: Run, seconds: float) -> None:
    """At least one round."""
    chance = random.Random(run.chance.random())
    async with AsyncExitStack() as stack:
        await run.begin(stack)
        until_s = time.monotonic() + seconds
        while True:
            left_s = until_s - time.monotonic()
            await run.round(min(chance.uniform(*CHAOS_S), max(QUICK_S, left_s)))
            if time.monotonic() >= until_s:
                return


def grown(servers: Iterable[Server]) -> list[str]:
    """Processes whose memory grew too much."""
    found = []
    for server in servers:
        for life in server.lives:
            old = [rss_bytes for at_s, rss_bytes in life if at_s - life[0][0] > YOUNG_S]
            if old and max(old) - old[0] > GROWN_BYTES:
                found.append(f"a process of server {server.name} grew from {old[0] / MIB:.0f} to {max(old) / MIB:.0f} MiB")
    return found


def findings(run: Run) -> dict[str, Any]:
    """For the JSON."""
    witness, judge = run.witness, run.witness.judge
    return {
        "faults": dict(run.scene.faults),
        "asked": dict(witness.asked),
        "done": dict(witness.done),
        "refused": dict(witness.refused),
        "checks": witness.checks,
        "claims": judge.claims,
        "unsure": judge.unsure,
        "left_behind_undetected": len(judge.left_behind),
        "worst_unaware_s": judge.worst_unaware_s,
        "unaware_bound_s": UNAWARE_S,
        "converged_bound_s": CONVERGED_S,
        "present_after_s": witness.present_after_s,
        "sure_after_s": witness.sure_after_s,
        "waits_s": witness.waits_s,
        "votes": dict(witness.book.checked),
        "casts_checked": witness.book.casts,
        "taken_back": witness.taken_back,
        "tracebacks": {server.name: dict(server.tracebacks()) for server in run.servers},
        "lives": {server.name: server.lives for server in run.servers},
    }


def series_of(run: Run, failures: list[str]) -> list[Series]:
    """What failed, and how soon everybody was right again."""
    witness, group = run.witness, "After all faults had healed, until everybody has"
    return [
        *results.measured("Failures", "all kinds", "count", [len(failures)]),
        *results.measured(group, "the present state", "s", witness.present_after_s),
        *results.measured(group, "the present state, and is sure of it", "s", witness.sure_after_s),
        *results.measured("The answer to a command, faults included", "all commands", "s", witness.waits_s),
        *results.measured("A client was sure of an old state", "the longest time", "s", [run.witness.judge.worst_unaware_s]),
    ]


def report(run: Run) -> None:
    """The tables."""
    witness, judge = run.witness, run.witness.judge
    print(f"\n{table(['fault', 'times'], [[name, str(count)] for name, count in sorted(run.scene.faults.items())])}")
    kinds = [[kind, str(count), str(witness.done[kind])] for kind, count in sorted(witness.asked.items())]
    print(f"\n{table(['command', 'asked', 'done'], kinds)}")
    print(f"\n{table(['refused', 'times'], [[why, str(count)] for why, count in witness.refused.most_common()])}")
    rows = [
        [what, str(len(found)), *Percentiles.of(found).cells()]
        for what, found in (
            ("the present state, after all faults had healed", witness.present_after_s),
            ("being sure of it", witness.sure_after_s),
            ("the answer to a command, faults included", witness.waits_s),
        )
        if found
    ]
    print(f"\n{table(['seconds to', 'times', *HEADERS], rows)}")
    print(f"(the bound of the second is {CONVERGED_S:.0f} s)\n")
    print(f"checks of one state everywhere: {witness.checks}")
    print(f"votes by their end: {dict(witness.book.checked)}; acknowledged casts found in them: {witness.book.casts}")
    print(f"checks at which a hub without its data had taken calls back: {witness.taken_back}")
    print(f"looks at clients: {judge.claims}, of these unsure: {judge.unsure}")
    print(f"longest that a client was sure of an old state: {judge.worst_unaware_s:.1f} s (the bound is {UNAWARE_S:.0f})")
    print(f"clients left behind undetected: {len(judge.left_behind)}")
    for server in run.servers:
        _report_server(server)


def _report_server(server: Server) -> None:
    weighed = [life for life in server.lives if life]
    if not weighed:
        return
    longest = max(weighed, key=lambda life: life[-1][0] - life[0][0])
    minutes = (longest[-1][0] - longest[0][0]) / 60
    first, last, most = longest[len(longest) // 10][1], longest[-1][1], max(one[1] for life in weighed for one in life)
    print(
        f"server {server.name}: {len(server.lives)} processes, at most {most / MIB:.0f} MiB resident; the longest lived, "
        f"{minutes:.1f} min, had {first / MIB:.0f} MiB at first, and {last / MIB:.0f} at last"
    )
    for ended, count in server.tracebacks().most_common(5):
        print(f"  {count} tracebacks in its log: {ended}")


if __name__ == "__main__":
    main()
