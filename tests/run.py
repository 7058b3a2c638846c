"""Sets up a fresh environment and runs everything: lint, types, what the wheel and the source archive hold, the tests.

The tests run against the built wheel. Other versions of Python that the machine has run a selection of them. One extra is
installed alone and used (extras.py), each benchmark runs once, and their results become a page.

    python3 tests/run.py            everything
    python3 tests/run.py -k cache   only tests, with these arguments for pytest

Needs Python 3.11 or later with pip and venv; everything else is installed into build/venv.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

from benchmarks import catalogue  # noqa: E402 - found by the line above; it needs nothing that is installed

BUILD = ROOT / "build"
DIST = BUILD / "dist"
BIN = BUILD / "venv" / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / "python"
PYTEST = BIN / "pytest"
"""The binary, not `python -m pytest`: the latter would put the sources before the installed wheel."""
TWO_FILES_AT_ONCE = ("-n", "2", "--dist", "loadfile")
RESULTS = BUILD / "benchmarks"
LONGEST_S = 3600
"""A run of tests that takes longer is stopped and has failed: one that hangs says where, before its machine is taken away."""
MOST_AGAIN = 8
"""If more tests fail than this, none of them runs again."""
GROUPS_PIP = "pip>=25.1"
"""Older ones know no dependency groups (PEP 735)."""
GROUPS = ("--group", "dev")
OTHER_PYTHONS = ("3.12", "3.13", "3.14")
"""Looked for on the machine; with each one that is there, the tests below run with every warning an error."""
ON_OTHER_PYTHONS = (
    "test_service.py",
    "test_everyday.py",
    "test_aio.py",
    "test_wrong_types.py",
    "test_cli_shell.py",
    "test_caching.py",
    "test_opening.py",
    "test_reader.py",
    "test_server.py",
    "test_layers.py",
)


def main(pytest_arguments: list[str]) -> None:
    wheel = set_up()
    if not pytest_arguments:
        step("lint", BIN / "ruff", "check", ".")
        step("format", BIN / "ruff", "format", "--check", ".")
        step("types", BIN / "mypy")
        step("distributions", PYTHON, "tests/distributions.py", "--built", DIST)
    if pytest_arguments:
        step("tests", PYTEST, *pytest_arguments, SIDEBOOKS_REQUIRE_WHEEL="1")
    else:
        run_tests("tests", PYTEST, *TWO_FILES_AT_ONCE)
        others = [partial(test_on, version, wheel) for version in OTHER_PYTHONS]
        one_extra = partial(step, "one extra alone", PYTHON, "tests/extras.py", "--built", DIST, "server")
        shutil.rmtree(RESULTS, ignore_errors=True)
        two_at_once([*others, one_extra, *(partial(run_quickly, one.name) for one in catalogue.benchmarks())])
        step("page of benchmarks", PYTHON, "-m", "benchmarks", "page", BUILD / "benchmarks.html", RESULTS)


def run_quickly(benchmark: str) -> None:
    """See that a benchmark works and writes its result. Two at once measure nothing."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = ("--json", RESULTS / f"{benchmark}.json")
    step(f"benchmark {benchmark}", PYTHON, "-m", f"benchmarks.{benchmark}", "--quick", *kept)


def run_tests(name: str, *command: str | Path) -> None:
    """Run tests. Those that fail run once more, if they are few: who fails by chance is named, and does not stop the run.

    On a busy machine a browser that is late can fail a test of two thousand. A fault of the code fails both times.
    """
    cache = BUILD / "pytest" / name.replace(":", "")
    shutil.rmtree(cache, ignore_errors=True)
    kept = ("-o", f"cache_dir={cache}")
    try:
        step(name, *command, *kept, SIDEBOOKS_REQUIRE_WHEEL="1")
    except Failed:
        failed = cache / "v" / "cache" / "lastfailed"
        names = list(json.loads(failed.read_text(encoding="utf-8"))) if failed.exists() else []
        if not 0 < len(names) <= MOST_AGAIN:
            raise
        alone = [part for part in command if part not in TWO_FILES_AT_ONCE]
        step(f"{name} that failed, again", *alone, *kept, "--last-failed", SIDEBOOKS_REQUIRE_WHEEL="1")
        print("== UNSTEADY, failed once and passed once, to be mended:", *names, sep="\n   ", flush=True)


def two_at_once(calls: Sequence[Callable[[], None]]) -> None:
    """Run calls, two at a time. None of them is timed. Each writes its output when it ends.

    If one fails, the others that have begun still end. Then raises what that one raised.
    """
    with ThreadPoolExecutor(2) as threads:
        under_way = [threads.submit(call) for call in calls]
        failed = next((one for one in as_completed(under_way) if one.exception() is not None), None)
        if failed is not None:
            for one in under_way:
                one.cancel()
            failed.result()


def test_on(version: str, wheel: Path) -> None:
    """Run a selection of the tests with another Python, if the machine has it."""
    found = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))]
    interpreter = next((path for path in found if path and "shims" not in path), None)
    if interpreter is None:
        print(f"== Python {version}: not on this machine", flush=True)
        return
    folder = BUILD / f"venv-{version}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        step(f"Python {version}: environment", interpreter, "-m", "venv", folder)
    step(f"Python {version}: pip", python, "-m", "pip", "install", "--quiet", GROUPS_PIP)
    step(f"Python {version}: install", python, "-m", "pip", "install", "--quiet", f"{wheel}[all]", "--group", "test")
    # As in set_up: the same version of an earlier run would stay.
    step(f"Python {version}: reinstall", python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", wheel)
    tests = [ROOT / "tests" / name for name in ON_OTHER_PYTHONS]
    pytest = python.with_name("pytest")  # not `-m pytest`, which would put the sources before the wheel
    run_tests(f"Python {version}: tests", pytest, "-q", "-W", "error", *tests)


def set_up() -> Path:
    if not PYTHON.exists():
        venv.create(BUILD / "venv", with_pip=True)
    shutil.rmtree(DIST, ignore_errors=True)
    step("pip", PYTHON, "-m", "pip", "install", "--quiet", GROUPS_PIP)
    step("tools", PYTHON, "-m", "pip", "install", "--quiet", "--group", "package")
    step("build", PYTHON, "-m", "build", "--no-isolation", "--outdir", DIST)
    [wheel] = DIST.glob("*.whl")
    step("install", PYTHON, "-m", "pip", "install", "--quiet", f"{wheel}[all]", *GROUPS)
    # An environment of an earlier run has the same version, which pip leaves as it is.
    step("reinstall", PYTHON, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", wheel)
    return wheel


def step(name: str, *command: str | Path, **environment: str) -> None:
    """Run a command. Its output comes at once if it runs alone, and at its end if others run too. Raises Failed."""
    started_s = time.monotonic()
    is_alone = threading.current_thread() is threading.main_thread()
    print(f"== {name}" if is_alone else f"== {name}: begins", flush=True)
    told = None if is_alone else subprocess.PIPE
    running = subprocess.Popen(
        [os.fspath(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=told,
        stderr=None if is_alone else subprocess.STDOUT,
    )
    try:
        heard, _ = running.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGINT)  # pytest sums up what it has
        try:
            heard, _ = running.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            running.kill()
            raise Failed(f"{name} did not end") from None
    output = b"" if is_alone else b"== %s\n%s" % (name.encode(), heard)
    sys.stdout.buffer.write(output + f"== {name}: {time.monotonic() - started_s:.0f} s\n".encode())
    sys.stdout.buffer.flush()
    if running.returncode:
        raise Failed(f"{name} failed")


class Failed(Exception):
    """A step went wrong."""


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Failed as failed:
        sys.exit(str(failed))
