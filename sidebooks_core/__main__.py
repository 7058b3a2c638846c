"""`python -m sidebooks_core`: the command, where scripts are not on the path."""

from sidebooks_core.cli.commands import main

main()
