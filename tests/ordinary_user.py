"""Runs a script as a user who has no rights of root's: what a kernel refuses to root for other reasons proves nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder that an ordinary user reaches and owns."""
    folder = Path(tempfile.mkdtemp(prefix="sidebooks-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_as_ordinary_user(script: str, *arguments: str, folder: Path) -> str:
    """What it prints. As root, Python and its packages are mounted where the user reaches them, for the script only."""
    path = [os.path.realpath(entry) for entry in sys.path if entry and Path(entry).is_dir()]
    if os.geteuid() != 0:
        command = [sys.executable]
    else:
        tools = ("unshare", "setpriv", "mount")
        if any(shutil.which(tool) is None for tool in tools):
            pytest.skip(f"root becomes an ordinary user by {', '.join(tools)}")
        # In a namespace of mounts of its own: the places are empty again when the script has ended.
        places = folder / "places"
        binds = []
        for number, (_, place) in enumerate(_mounted(path, places)):
            place.mkdir(parents=True)
            binds.append(f'mount --bind "${{{2 * number + 1}}}" "${{{2 * number + 2}}}"')
        pairs = _mounted(path, places)
        python = _moved(os.path.realpath(sys.executable), pairs)
        path = [_moved(entry, pairs) for entry in path]
        shell = " && ".join([*binds, f"shift {2 * len(binds)}", 'exec "$@"'])
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
        names = [str(part) for pair in pairs for part in pair]
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", shell, "sh", *names, *user, python]
    whole = f"import sys; sys.path[:] = {path!r}\n{script}"
    ended = subprocess.run(
        [*command, "-I", "-c", whole, *arguments], capture_output=True, text=True, timeout=150, check=False, cwd=folder
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _mounted(path: list[str], places: Path) -> list[tuple[str, Path]]:
    """(source, place) of what must be reachable: Python itself, and folders of packages outside of it."""
    base = os.path.realpath(sys.base_prefix)
    sources = [base]
    for entry in path:
        if not any(entry == source or entry.startswith(source + os.sep) for source in sources):
            sources.append(entry)
    return [(source, places / str(number)) for number, source in enumerate(sources)]


def _moved(name: str, pairs: list[tuple[str, Path]]) -> str:
    for source, place in pairs:
        if name == source or name.startswith(source + os.sep):
            return str(place) + name[len(source) :]
    return name
