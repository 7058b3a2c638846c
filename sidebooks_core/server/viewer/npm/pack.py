"""Makes the npm package of the viewer's client: `python -m sidebooks_core.server.viewer.npm.pack FOLDER` writes it there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from sidebooks_core import __version__

HERE = Path(__file__).parent
VIEWER = HERE.parent
ENTRIES = ("client.js", "meeting.js", "layout.js", "records.js")
TYPESCRIPT = "typescript@5.6.3"
"""Pinned: another version may find other errors."""
_IMPORTED = re.compile(r"""(?:from|import\() ?"\./([a-z_-]+\.js)""")
_DECLARED = ("--allowJs", "--checkJs", "--strict", "--declaration", "--emitDeclarationOnly", "--target", "es2021")


def tsc(*arguments: str) -> list[str]:
    """The command that runs the type checker. npm fetches it."""
    npx = shutil.which("npx")
    if npx is None:
        raise FileNotFoundError("npx, which fetches the type checker, is not installed")
    return [npx, "--yes", "-p", TYPESCRIPT, "tsc", *arguments]


def modules() -> list[str]:
    """The names of the package's modules: the entries, and whatever they import, at once or later."""
    found, wanted = list[str](), list(ENTRIES)
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.append(name)
            wanted += _IMPORTED.findall((VIEWER / name).read_text("utf-8"))
    return sorted(found)


def assemble(folder: Path) -> None:
    """Copy what is written by hand. Types are not among it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in modules():
        shutil.copy(VIEWER / name, folder)
    shutil.copy(HERE / "README.md", folder)
    shutil.copy(_license(), folder)
    manifest = json.loads((HERE / "package.json").read_text("utf-8"))
    (folder / "package.json").write_text(json.dumps({**manifest, "version": __version__}, indent=2) + "\n", "utf-8")


def declare(folder: Path) -> None:
    """Derive the types from the comments of the modules."""
    command = tsc(*_DECLARED, "--module", "esnext", "--lib", "es2021,dom,dom.iterable", "--outDir", ".", *ENTRIES)
    subprocess.run(command, cwd=folder, check=True, timeout=300)


def pack(folder: Path) -> Path:
    """Assemble the package in a folder, and make its archive there."""
    assemble(folder)
    declare(folder)
    npm = shutil.which("npm") or "npm"
    told = subprocess.run([npm, "pack", "--json"], cwd=folder, check=True, timeout=300, stdout=subprocess.PIPE, text=True)
    return folder / str(json.loads(told.stdout)[0]["filename"])


def _license() -> Path:
    """As it stands in the sources; else as it was installed."""
    beside = Path(__file__).parents[4] / "LICENSE"
    if beside.exists():
        return beside
    files = metadata.files("sidebooks-core") or []
    return next(Path(str(one.locate())) for one in files if one.name == "LICENSE")


if __name__ == "__main__":
    print(pack(Path(sys.argv[1])))
