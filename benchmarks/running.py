"""What all benchmarks have in common: the options for their results, the line above their figures, and writing a result."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sidebooks_core
from benchmarks import catalogue, results
from benchmarks.results import Machine, Result, Series

PROGRAM = "python -m benchmarks "
ROOT = Path(__file__).resolve().parents[1]


def with_outputs(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The parser, with the options that all benchmarks have."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, with every measurement")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with tables and plots there")
    parser.set_defaults(benchmark=parser.prog.removeprefix(PROGRAM))
    return parser


@dataclass(frozen=True, slots=True)
class Run:
    """A benchmark that has begun."""

    chosen: argparse.Namespace
    machine: Machine
    date: str
    peers: Mapping[str, str]
    more: Mapping[str, str]

    def finish(self, found: Sequence[Series], details: Any = None) -> None:
        """Write what --json and --html ask for. details: whatever JSON can say beside the series."""
        if not self.chosen.json and not self.chosen.html:
            return
        about = catalogue.benchmark(self.chosen.benchmark)
        hidden = {"json", "html", "benchmark"}
        result = Result(
            benchmark=about.name,
            question=about.question,
            limits=about.limits,
            version=sidebooks_core.__version__,
            date=self.date,
            machine=self.machine,
            peers=dict(self.peers),
            parameters={name: _told(value) for name, value in vars(self.chosen).items() if name not in hidden and value}
            | dict(self.more),
            series=list(found),
            details=details,
        )
        if self.chosen.json:
            results.write(self.chosen.json, result)
        if self.chosen.html:
            from benchmarks.pages import write_page

            write_page(self.chosen.html, [result])


def begin(chosen: argparse.Namespace, *distributions: str, **more: str) -> Run:
    """Print what the figures depend on: one line above them. chosen: of a parser `with_outputs`.

    distributions: whose versions matter. more: other things that matter.
    """
    run = Run(chosen, results.machine(), results.now(), results.versions(distributions), more)
    print(machine_line(run.machine, {**run.peers, **more}))
    return run


def machine_line(machine: Machine, more: Mapping[str, str]) -> str:
    """One line."""
    said = {
        "system": machine.system,
        "processors": f"{machine.processors} ({machine.processor})",
        "memory": f"{machine.memory_bytes / 2**30:.1f} GiB",
        "kernel": machine.kernel,
        "load": "unknown" if machine.load is None else f"{machine.load:.2f}",
        "python": machine.python,
        **more,
    }
    return ", ".join(f"{name} {value}" for name, value in said.items())


def _told(value: Any) -> str:
    """A parameter in words; of a path what another machine has as well: from the project on, or its name."""
    if isinstance(value, Path):
        path = value.resolve()
        return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    return " ".join(map(_told, value)) if isinstance(value, list | tuple) else str(value)
