"""The format in which benchmarks write their results, as JSON: what was measured, how, on what, and what it does not say.

The figures behind the decisions are older: they are tables in TOML files, in docs/explanation/measurements/.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

FORMAT = 1
"""Another number where a reader of the old format would misunderstand the new one."""
DIGITS = 5
"""How many digits of a sample are kept: more than any of these clocks knows."""


class BadResult(ValueError):
    """A file is no result of a benchmark, or one of another format."""


class Machine(Struct, frozen=True):
    """What the figures depend on beside the code."""

    processor: str
    processors: int
    memory_bytes: int
    system: str
    kernel: str
    python: str
    load: float | None
    """Processes that ran or waited for a processor in the minute before the start. None: the system does not tell."""


class Series(Struct, frozen=True):
    """Measurements of one thing."""

    group: str
    """The series of a group are compared with each other, and have one unit."""
    name: str
    """No other series of the group has the name."""
    unit: str
    samples: list[float]
    """The measurements, in their order. If there are fewer than `count`: evenly spaced quantiles, from the least on."""
    count: int
    better: Literal["lower", "higher"] = "lower"
    labels: list[str] = []
    """What each sample is of, no two alike, if another run measures the same things; then two runs are compared one by one."""


class Result(Struct, frozen=True):
    """One run of a benchmark."""

    benchmark: str
    question: str
    limits: str
    """What the numbers do not say."""
    version: str
    """The version of sidebooks_core."""
    date: str
    """When it began: ISO 8601, UTC."""
    machine: Machine
    peers: dict[str, str]
    """Versions of what is measured beside us, or used by us."""
    parameters: dict[str, str]
    series: list[Series]
    details: Any = None
    """Whatever else a benchmark tells, in a form of its own."""
    format: int = FORMAT


def measured(
    group: str,
    name: str,
    unit: str,
    samples: Iterable[float],
    *,
    better: Literal["lower", "higher"] = "lower",
    labels: Iterable[str] = (),
) -> list[Series]:
    """One series of all measurements, in a list; no series where nothing was measured. Raises ValueError for wrong labels."""
    kept = [float(f"{one:.{DIGITS}g}") for one in samples]
    named = list(labels)
    if named and (len(named) != len(kept) or len(set(named)) != len(named)):
        raise ValueError(f"{group}, {name}: each of {len(kept)} samples needs a label of its own, there are {len(set(named))}")
    return [Series(group, name, unit, kept, len(kept), better, named)] if kept else []


def thinned(result: Result, most: int) -> Result:
    """The result with at most so many samples in a series, quantiles of all; without labels and details: to keep, to show."""
    return msgspec.structs.replace(result, series=[_thin(one, most) for one in result.series], details=None)


def _thin(one: Series, most: int) -> Series:
    kept = one.samples
    if len(kept) > most:
        ordered = sorted(kept)
        kept = [ordered[round(step * (len(ordered) - 1) / (most - 1))] for step in range(most)]
    return msgspec.structs.replace(one, samples=kept, labels=[])


def machine() -> Machine:
    """This one, now."""
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    return Machine(
        processor=_processor(),
        processors=os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
        system=f"{platform.system()} {platform.machine()}",
        kernel=platform.release(),
        python=platform.python_version(),
        load=load,
    )


def _processor() -> str:
    """Its name."""
    told = Path("/proc/cpuinfo")
    if told.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", told.read_text(encoding="utf-8"), re.M)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    """0: the system does not tell."""
    names = getattr(os, "sysconf_names", {})
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if "SC_PHYS_PAGES" in names else 0


def versions(distributions: Sequence[str]) -> dict[str, str]:
    """Raises importlib.metadata.PackageNotFoundError for one that is not installed."""
    return {name: version(name) for name in distributions}


def now() -> str:
    """ISO 8601, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write(path: Path, result: Result) -> None:
    """As JSON that a person can read and a repository can hold: a line for each series."""
    data = msgspec.to_builtins(result)
    found = data.pop("series")
    head = msgspec.json.format(msgspec.json.encode(data), indent=1).decode().rstrip().removesuffix("}").rstrip()
    lines = ",\n  ".join(msgspec.json.encode(one).decode() for one in found)
    path.write_text(f'{head},\n "series": [\n  {lines}\n ]\n}}\n', encoding="utf-8")


def read(path: Path) -> Result:
    """Raises BadResult, and OSError."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Result)
    except msgspec.DecodeError as error:
        raise BadResult(f"{path} is not a result of a benchmark (python -m benchmarks NAME --json FILE): {error}") from error
    if found.format != FORMAT:
        raise BadResult(f"{path} has format {found.format}, and this version reads format {FORMAT}: measure again")
    return found


def read_all(path: Path) -> dict[str, list[Result]]:
    """The results of a file, or of all files of a folder, by benchmark. Raises BadResult, and OSError."""
    paths = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not paths:
        raise BadResult(f"{path} has no results (*.json)")
    found: dict[str, list[Result]] = {}
    for one in map(read, paths):
        found.setdefault(one.benchmark, []).append(one)
    return found
