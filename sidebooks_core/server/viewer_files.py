"""The viewer's files as they are served: scripts and the page's style without comments and blanks."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import Path

from rjsmin import jsmin

from sidebooks_core.server import viewer_shell

VIEWER = Path(__file__).parent / "viewer"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}
POLICY = "default-src 'self'; script-src 'self' 'sha256-{script}'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'"
"""Scripts: our own files, and the one that stands in the page itself, by its digest."""
_BEGIN, _END = "<script>", "</script>"
_STYLE = re.compile(r"(?<=<style>).*?(?=</style>)", re.DOTALL)
_BLANKS = re.compile(r"\s*([{};,])\s*|(?<=:)\s+")


@lru_cache(maxsize=1)
def viewer_files() -> dict[str, bytes]:
    """All files by name."""
    return viewer_shell.completed({path.name: _served(path) for path in VIEWER.iterdir() if path.suffix in MEDIA_TYPES})


@lru_cache(maxsize=1)
def policy() -> str:
    """The Content-Security-Policy of the viewer's page, but for what it may connect to: see `connections`."""
    script = viewer_files()["index.html"].decode().rpartition(_BEGIN)[2].partition(_END)[0]
    return POLICY.format(script=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode())


def connections(base: str) -> str:
    """The part of the policy that says with what the page may connect: its own server. base: that of its address.

    WebSockets are named: to Safari before 16, they are not of the page's own origin.
    """
    scheme, _, rest = base.partition("://")
    return f"connect-src 'self' {'wss' if scheme == 'https' else 'ws'}://{rest.partition('/')[0]}"


def _served(path: Path) -> bytes:
    if path.suffix == ".js":
        return minified(path.read_text("utf-8")).encode()
    if path.suffix == ".html":
        before, begin, rest = path.read_text("utf-8").rpartition(_BEGIN)
        script, end, after = rest.partition(_END)
        return "".join((before, begin, minified(script), end, _STYLE.sub(lambda style: tightened(style[0]), after))).encode()
    return path.read_bytes()


def minified(script: str) -> str:
    """A script without comments and needless blanks. Names stay: errors that a browser reports can be read."""
    return str(jsmin(script))


def tightened(style: str) -> str:
    """Rules of CSS without needless blanks. A blank before a colon stays: it stands between two selectors."""
    return _BLANKS.sub(r"\1", style).strip()
