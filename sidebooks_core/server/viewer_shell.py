"""What of the viewer a browser keeps, so that it starts without a connection: its own files. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from sidebooks_core.server.http import Headers

WORKER = "sw.js"
"""The script that a browser runs to keep them."""
NOT_KEPT = (WORKER, "index.html", "old.js", "old_page.js", "manifest.webmanifest")
"""Beside pictures: the page is kept under its own address, and the others are asked for by nobody who has no connection."""


def headers_of(name: str) -> Headers:
    """What the answer with a file says beside the rest: the worker may serve the page one step above, wherever mounted."""
    return [(b"service-worker-allowed", b"../")] if name == WORKER else []


def completed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of the viewer, by name, with their list in front of the worker.

    The worker differs as soon as any of them does: so browsers take all of them anew.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(files):
        digest.update(b"%s %d %s" % (name.encode(), len(files[name]), files[name]))
    kept = [name for name in sorted(files) if name not in NOT_KEPT and not name.endswith((".png", ".svg"))]
    shell = json.dumps({"version": digest.hexdigest(), "files": kept})
    return {**files, WORKER: f"const SHELL = {shell};\n".encode() + files[WORKER]}
