"""What tests wait for of a server that runs as a process."""

from __future__ import annotations

import json
import time
import urllib.request

PATIENCE_S = 60.0


def until_listed(address: str, count: int = 1) -> None:
    """Wait until a server lists so many documents: it begins to answer before what takes long to open is there.

    address: as the server prints it, with the slash at its end.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        with urllib.request.urlopen(f"{address}documents", timeout=PATIENCE_S) as reply:
            if len(json.load(reply)["documents"]) >= count:
                return
        assert time.monotonic() < deadline_s, "the documents are not served"
        time.sleep(0.05)
