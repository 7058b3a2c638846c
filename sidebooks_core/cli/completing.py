"""The command that writes what a shell completes: `sidebooks completion`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")


def completion(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """Print the script of a shell that completes the commands of `parser`, their options, files and folders."""
    import shtab  # only this command needs it

    for command in commands_of(parser):
        for action in actions_of(command):
            if action.type is Path:
                # shtab reads this attribute, which argparse does not know.
                vars(action)["complete"] = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE
    print(shtab.complete(parser, arguments.shell))
    return 0


def commands_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser, and those of its commands."""
    yield parser
    for action in actions_of(parser):
        if isinstance(action.choices, dict):  # commands by name
            for command in action.choices.values():
                yield from commands_of(command)


def actions_of(parser: argparse.ArgumentParser) -> Sequence[argparse.Action]:
    """The arguments and options of one command."""
    return parser._actions  # argparse has no public way to them
