"""A server with a shelf and accounts, as a process: `python tests/shelf_house.py DATA CACHE [PORT]`.

It prints its address, and the token of the first administrator's link.
"""

from __future__ import annotations

import socket
import sys
from importlib.util import find_spec
from pathlib import Path

import uvicorn

import sidebooks_core as sb
from sidebooks_core.access import Access
from sidebooks_core.meeting.meetings import Meetings
from sidebooks_core.server import Application
from sidebooks_core.server import Shelf as Served
from sidebooks_core.shelf import Shelf


def run(data: Path, cache: Path, port: int = 0) -> None:
    """Serve until the process is ended. port: 0: a free one."""
    with (
        sb.TileService(sb.Settings(cache_dir=cache, workers=2)) as service,
        Shelf(data, service) as shelf,
        Access(data) as access,
        Meetings(data) as meetings,
        socket.create_server(("127.0.0.1", port)) as listener,
    ):
        served = Served(service)
        application = Application(
            served, papers=shelf, access=access, meetings=meetings, asks_for_accounts=True, cache="private"
        )
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/ {access.setup_token()}", flush=True)
        sockets = "websockets-sansio" if find_spec("websockets") else "none"
        config = uvicorn.Config(application, log_level="warning", ws=sockets, ws_per_message_deflate=False)  # type: ignore[arg-type]
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
