"""One of several server processes: `python -m sidebooks_core.server.child`, started by the supervisor alone."""

from __future__ import annotations

import pickle
import signal
import socket
import sys

from sidebooks_core.errors import SidebooksError
from sidebooks_core.logs import log_to_stderr
from sidebooks_core.server.command import serve_on
from sidebooks_core.server.supervisor import Task, end_with_supervisor


def main() -> int:
    """Read what to do from the standard input, and serve."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the supervisor hears it, and ends this process
    task = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    if not isinstance(task, Task):
        raise TypeError(f"{type(task).__name__} is no task")
    end_with_supervisor()
    log_to_stderr()
    with socket.socket(fileno=task.descriptor) as listener:
        try:
            return serve_on(listener, task.settings, task.options, task.part)
        except (SidebooksError, OSError) as error:
            print(f"sidebooks: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(main())
