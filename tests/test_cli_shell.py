"""What shells and `man` are told of the command line: each command, each option."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from sidebooks_core.cli.commands import command_parser
from sidebooks_core.cli.completing import SHELLS, actions_of, commands_of

BASH = shutil.which("bash")
MAN_PAGE = ROOT / "docs" / "man" / "sidebooks.1"


COMMANDS = {
    command.prog: {option for action in actions_of(command) for option in action.option_strings} - {"-h", "--help"}
    for command in commands_of(command_parser())
}
"""The options of each."""


def sidebooks(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sidebooks_core", *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What bash is told."""
    path = tmp_path_factory.mktemp("shell") / "sidebooks.bash"
    path.write_text(sidebooks("completion", "bash"), encoding="utf-8")
    return path


def completed(script: Path, folder: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    asked = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_sidebooks; printf "%s\\n" "${COMPREPLY[@]}"'
    command = [BASH or "", "-c", asked, os.fspath(script), *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    return set(done.stdout.split())


@pytest.mark.skipif(BASH is None, reason="needs bash")
def test_bash_completes_commands_options_and_choices(script: Path, tmp_path: Path) -> None:
    assert completed(script, tmp_path, "sidebooks", "pre") == {"prerender"}
    assert completed(script, tmp_path, "sidebooks", "shelf", "w") == {"watch", "withdraw"}
    assert completed(script, tmp_path, "sidebooks", "serve", "--base") == {"--base-url"}
    assert "webp" in completed(script, tmp_path, "sidebooks", "render", "--format", "we")


@pytest.mark.skipif(BASH is None, reason="needs bash")
def test_bash_completes_files_and_folders(script: Path, tmp_path: Path) -> None:
    (tmp_path / "budget.pdf").touch()
    (tmp_path / "books").mkdir()
    assert completed(script, tmp_path, "sidebooks", "info", "bu") == {"budget.pdf"}
    assert completed(script, tmp_path, "sidebooks", "serve", "--data", "b") == {"books"}


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_is_told_all_commands(shell: str) -> None:
    script = sidebooks("completion", shell)
    names = {name.split()[1] for name in COMMANDS if name.count(" ")}
    assert len(names) > 12
    assert [name for name in names if name not in script] == []


def test_the_man_page_has_every_command_with_every_option() -> None:
    text = MAN_PAGE.read_text(encoding="utf-8").replace("\\-", "-")
    for name, options in COMMANDS.items():
        if " " not in name:
            continue
        _, found, rest = text.partition(f".SS \\fB{name}\\fR\n")
        assert found, name
        part = rest.partition("\n.SS ")[0]
        assert [option for option in options if f"\\fB{option}\\fR" not in part] == [], name


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="later versions of argparse lay out usage in another way")
def test_the_man_page_is_what_the_parser_says() -> None:
    command = [sys.executable, str(ROOT / "docs" / "render_man.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
