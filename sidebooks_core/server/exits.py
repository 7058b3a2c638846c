"""Whether the ASGI server that runs an application has been told to end.

An ASGI server tells an application only after all connections have ended (lifespan), and one that is mounted in another not at
all. A stream of events has no end of its own: each would wait for the other. uvicorn, also under gunicorn, can be found by its
signal handler.
"""

from __future__ import annotations

import signal


def is_server_exiting() -> bool:
    """False where there is no server that can be asked."""
    for number in (signal.SIGTERM, signal.SIGINT):
        server = getattr(signal.getsignal(number), "__self__", None)
        if getattr(server, "should_exit", False) is True:
            return True
    return False
