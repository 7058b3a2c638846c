"""Servers for one run: ours with an empty cache, and one for the pages of the peers."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MEDIA_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".wasm": "application/wasm",
}

COMPRESSED = {".html", ".js", ".mjs", ".css", ".wasm"}


class PeersMissing(Exception):
    """The peers cannot be fetched."""


def fetch_packages(folder: Path, packages: list[str]) -> None:
    """Unpack packages of npm, as published, to folders of their names. Raises PeersMissing."""
    npm = shutil.which("npm")
    if npm is None:
        raise PeersMissing("npm, which fetches the peers, is not installed")
    done = subprocess.run(
        [npm, "pack", "--silent", *packages], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise PeersMissing(f"npm could not fetch {', '.join(packages)}: {done.stderr.strip()[-300:]}")
    for package in packages:
        name, _, version = package.partition("@")
        with tarfile.open(folder / f"{name}-{version}.tgz") as archive:
            archive.extractall(folder / "unpacked", filter="data")
        (folder / "unpacked" / "package").rename(folder / name)


@contextmanager
def our_server(path: Path) -> Iterator[str]:
    """The address of a server of one document that nobody has looked at yet."""
    with tempfile.TemporaryDirectory() as cache_dir:
        command = [sys.executable, "-m", "sidebooks_core", "serve", str(path), "--port", "0", "--no-browser"]
        command += ["--allow-origin", "*"]  # the peers' pages come from a server of their own
        with subprocess.Popen([*command, "--cache-dir", cache_dir], stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                found = re.search(r"http://\S+/", line)
                if found is None:
                    raise RuntimeError(f"the server did not start for {path.name}: {line!r}")
                yield found[0]
            finally:
                process.terminate()


@lru_cache(maxsize=64)
def _gzipped(body: bytes) -> bytes:
    return gzip.compress(body)


def get_json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


@contextmanager
def peers_server(files: Path, pages: dict[str, str]) -> Iterator[str]:
    """The address of a server of the peers' files and of pages by their paths."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            name = self.path.partition("?")[0]
            file = files / name.lstrip("/")
            if name in pages:
                body, suffix = pages[name].encode(), ".html"
            elif file.is_file() and file.resolve().is_relative_to(files.resolve()):
                body, suffix = file.read_bytes(), file.suffix
            else:
                body, suffix = b"", ""
            self.send_response(200 if suffix else 404)
            if suffix in COMPRESSED and "gzip" in self.headers.get("accept-encoding", ""):
                body = _gzipped(body)
                self.send_header("content-encoding", "gzip")
            self.send_header("content-type", MEDIA_TYPES.get(suffix, "application/octet-stream"))
            self.send_header("content-length", str(len(body)))
            self.send_header("cache-control", "max-age=3600")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
