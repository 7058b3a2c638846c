"""Runs the library as on another platform, as far as Linux can play it:

    python tests/forced_platform.py PLATFORM DOCUMENT FOLDER

PLATFORM is what `sys.platform` says: linux, darwin or win32. What that platform lacks of Python's library is taken away, in the
workers, too. Prints as JSON what came out, which must be the same everywhere. File systems, processes and fonts stay Linux's.
"""

from __future__ import annotations

import asyncio
import ctypes  # noqa: F401 - loaded while the platform is still the real one, as all below
import fcntl
import hashlib
import json
import os
import select
import signal
import socket
import subprocess  # noqa: F401
import sys
import tempfile  # noqa: F401
import urllib.request  # noqa: F401
from pathlib import Path

import apsw  # noqa: F401
import diskcache  # noqa: F401
import isal.isal_zlib  # noqa: F401
import msgpack  # noqa: F401
import msgspec  # noqa: F401
import numpy  # noqa: F401
import PIL.Image  # noqa: F401
import pymupdf  # noqa: F401
import resvg_py  # noqa: F401
import watchfiles  # noqa: F401

LACKING: dict[str, dict[object, str]] = {
    "linux": {},
    "darwin": {
        os: "pidfd_open sched_getaffinity memfd_create posix_fadvise posix_fallocate eventfd O_PATH O_TMPFILE",
        signal: "pidfd_send_signal",
        fcntl: "F_OFD_SETLK F_OFD_SETLKW F_SETPIPE_SZ F_GETPIPE_SZ",
        select: "epoll",
    },
    "win32": {
        os: "pidfd_open sched_getaffinity memfd_create posix_fadvise posix_fallocate eventfd O_PATH O_TMPFILE O_CLOEXEC "
        "O_NONBLOCK O_NOFOLLOW O_DIRECTORY O_NOATIME pread pwrite preadv pwritev fork forkpty getuid geteuid getgid getegid "
        "getpriority setpriority nice sysconf statvfs fstatvfs chown fchown lchown mkfifo killpg getpgid setsid sync",
        signal: "pidfd_send_signal SIGHUP SIGCHLD SIGALRM SIGUSR1 SIGUSR2 setitimer ITIMER_REAL alarm pthread_sigmask",
        select: "epoll poll",
        socket: "send_fds recv_fds SO_REUSEPORT",
    },
}
NO_MODULES = {"linux": (), "darwin": (), "win32": ("fcntl", "resource", "termios", "pwd", "grp")}
WORKER = """#!{python}
import sys
sys.path.insert(0, {folder!r})
sys.path[1:1] = {path!r}
import forced_platform
forced_platform.force({platform!r})
program, sys.argv = sys.argv[3], ["-c", *sys.argv[4:]]
exec(program, {{"__name__": "__main__"}})
"""
"""Takes the place of the interpreter that starts a worker, with `-I -c PROGRAM …`."""


def force(platform: str) -> None:
    """Be on a platform from now on. The package is not loaded yet."""
    assert not [name for name in sys.modules if name.startswith("sidebooks_core")]
    sys.platform = platform
    for module, names in LACKING[platform].items():
        for name in names.split():
            vars(module).pop(name, None)
    for name in NO_MODULES[platform]:
        sys.modules[name] = None  # type: ignore[assignment]


def main(platform: str, document: Path, folder: Path) -> None:
    worker = folder / "python"
    here = os.fspath(Path(__file__).parent)
    worker.write_text(WORKER.format(python=sys.executable, folder=here, path=sys.path, platform=platform), encoding="utf-8")
    worker.chmod(0o700)
    asyncio.run(asyncio.sleep(0))
    force(platform)
    sys.executable = os.fspath(worker)
    print(json.dumps(outcome(document, folder)))


def outcome(path: Path, folder: Path) -> dict[str, object]:
    """What the library makes of a document: read, drawn, kept, served."""
    import sidebooks_core as sb

    found: dict[str, object] = {}
    settings = sb.Settings(cache_dir=folder / "cache", workers=1)
    with sb.TileService(settings) as service:
        document = service.open(path)
        image = service.page_image(document, 3, width_px=700)
        found["image"] = digest(image.data)
        found["tile"] = digest(service.tile(document, 0, 2, 0, 0).data)
        found["words"] = len(service.text(document, 3))
        found["hits"] = len(service.search(document, "縦組"))
        found["of bytes"] = digest(service.page_image(service.open(path.read_bytes()), 5, width_px=300).data)
        with service.reader(document, (700, 900)) as reader:
            reader.turn_to(7)
            found["sharp"] = reader.wait_sharp(60).is_sharp
        found["shelf"] = shelf(service, path, folder)
    with sb.TileService(settings) as again:
        again.page_image(again.open(path), 3, width_px=700)
        found["from disk"] = again.statistics().disk_hits
    return found


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def shelf(service: object, path: Path, folder: Path) -> object:
    """A paper registered, replaced, found, copied and served."""
    from asgi import ask

    import sidebooks_core as sb
    from sidebooks_core.server import Application
    from sidebooks_core.server import Shelf as ServedShelf
    from sidebooks_core.shelf import Shelf

    assert isinstance(service, sb.TileService)
    with Shelf(folder / "data", service) as kept:
        paper = kept.register(path, name="budget")
        kept.wait_prepared(60)
        hits = len(kept.search("縦組").pages)
        kept.replace(paper.id, path.with_name("june-meeting.pdf"))
        kept.wait_prepared(60)
        counts = hits, len(kept.search("縦組").pages), len(kept.changes(since=0))
        kept.back_up(folder / "copy")
        faults = kept.verify().faults
    served = ServedShelf(service)
    application = Application(served)
    try:
        listed = served.register(path, name="budget")
        answer = ask(application, f"/documents/{listed.id}/pages/1/300x400")
    finally:
        application.close()
        served.close()
    return [*counts, [str(one) for one in faults], answer.status, digest(answer.body)]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
