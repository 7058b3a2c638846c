"""Proxies in front of a server, with the files of docs/how-to/deploy/files, on ports of this machine."""

from __future__ import annotations

import os
import random
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from conftest import ROOT

FILES = ROOT / "docs" / "how-to" / "deploy" / "files"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CADDY = shutil.which("caddy")
CURL = shutil.which("curl")
OPENSSL = shutil.which("openssl")
PATIENCE_S = 60


def free_port() -> int:
    """A port that nobody listens on, from a range that the system gives to no connection by itself."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for `localhost`, and its key."""
    chain, key = folder / "localhost.crt", folder / "localhost.key"
    command = [
        str(OPENSSL),
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(chain)]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)
    return chain, key


def replaced(text: str, changes: Sequence[tuple[str, str]]) -> str:
    """The text of a file of the docs with what a person is told to change in it. Each change must be of something."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextmanager
def nginx(
    folder: Path, *, port: int, server_port: int = 0, pair: tuple[Path, Path], more: str = "", uds: Path | None = None
) -> Iterator[None]:
    """nginx with `nginx.conf`. more: goes into its `server`, before its own locations. uds: of the server, and not a port."""
    chain, key = pair
    site = replaced(
        (FILES / "nginx.conf").read_text(encoding="utf-8"),
        [
            ("127.0.0.1:8000", f"unix:{uds}" if uds else f"127.0.0.1:{server_port}"),
            ("    listen [::]:443 ssl http2;\n", ""),
            ("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;"),
            ("server_name books.example;", "server_name localhost;"),
            ("/etc/ssl/sidebooks/books.example.crt", str(chain)),
            ("/etc/ssl/sidebooks/books.example.key", str(key)),
            ("    location / {", f"{more}\n    location / {{"),
        ],
    )
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;\n" if os.geteuid() == 0 else ""
    whole = (
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}\n{site}\n}}\n"
    )
    (folder / "nginx.conf").write_text(whole, encoding="utf-8")
    with running([str(NGINX), "-p", str(folder), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"], port, {}):
        yield


@contextmanager
def caddy(folder: Path, *, port: int, server_port: int = 0, pair: tuple[Path, Path], uds: Path | None = None) -> Iterator[None]:
    """Caddy with the `Caddyfile`. uds: of the server, and not a port."""
    chain, key = pair
    site = replaced(
        (FILES / "Caddyfile").read_text(encoding="utf-8"),
        [
            ("127.0.0.1:8000", f"unix/{uds}" if uds else f"127.0.0.1:{server_port}"),
            ("books.example {", f"localhost:{port} {{\n\tbind 127.0.0.1"),
            ("/etc/ssl/sidebooks/books.example.crt", str(chain)),
            ("/etc/ssl/sidebooks/books.example.key", str(key)),
        ],
    )
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{site}", encoding="utf-8")
    environment = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with running([str(CADDY), "run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"], port, environment):
        yield


@contextmanager
def running(command: Sequence[str], port: int, more: dict[str, str]) -> Iterator[None]:
    """A program that listens on a port, from then until the block ends."""
    with subprocess.Popen(command, env={**os.environ, **more}, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for_port(port, process)
            yield
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE_S)


def wait_for_port(port: int, process: subprocess.Popen[str]) -> None:
    """Return when somebody listens on the port. Raises AssertionError if the process ends before."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline_s, f"nobody listens on {port}"
        time.sleep(0.05)


def trusting(pair: tuple[Path, Path]) -> ssl.SSLContext:
    """TLS that trusts the certificate, and names."""
    return ssl.create_default_context(cafile=str(pair[0]))
