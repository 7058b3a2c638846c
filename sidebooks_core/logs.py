"""Log lines of the command: to standard error, in one form, in all its processes."""

from __future__ import annotations

import logging
import os

from sidebooks_core.errors import RequestError

LEVELS = ("debug", "info", "warning", "error")
VARIABLE = "SIDEBOOKS_LOG_LEVEL"
"""Environment variable: one of LEVELS. Processes that the command starts read it, too."""
_FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_to_stderr(level: str | None = None) -> None:
    """Write lines from a level on, which the environment tells unless it is given. Without either, Python's own way holds.

    Raises RequestError for another level.
    """
    level = level or os.environ.get(VARIABLE)
    if not level:
        return
    if level not in LEVELS:
        raise RequestError(f"{VARIABLE} is one of {', '.join(LEVELS)}, not {level!r}")
    os.environ[VARIABLE] = level
    logging.basicConfig(format=_FORM)
    logging.getLogger("sidebooks_core").setLevel(level.upper())
