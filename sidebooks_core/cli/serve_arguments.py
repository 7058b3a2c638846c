"""The arguments of `sidebooks serve`."""

from __future__ import annotations

import argparse
from pathlib import Path

from sidebooks_core.cli import serving
from sidebooks_core.cli.arguments import (
    Commands,
    add_cache_dir,
    add_command,
    add_format,
    add_password,
    add_workers,
    from_environment,
    mode,
    port,
)
from sidebooks_core.settings import default_data_dir


def add_serve(commands: Commands) -> None:
    serve = add_command(
        commands,
        "serve",
        serving.serve,
        "documents over HTTP, with a viewer: IIIF, Deep Zoom, our own API",
        "Serves the documents named, and those in the folders named, which are watched; with --data or without a PATH, a shelf "
        "of papers. Listens on this machine only, unless --host says otherwise: then people log in, or you say --open. "
        "Needs the extra: pip install 'sidebooks-core[server]'.",
        has_json=False,
    )
    _add_what(serve)
    _add_who(serve)
    _add_where(serve)
    serve.add_argument("--processes", type=int, default=1, metavar="N", help="server processes that share the work (default 1)")
    serve.add_argument(
        "--hub",
        metavar="URL",
        help="a Redis or Valkey by which several processes share their meetings, as redis://HOST:PORT (default: SIDEBOOKS_HUB)",
    )
    serve.add_argument(
        "--access-log",
        action="store_true",
        help="a line on standard error for each answer, as web servers write it; without queries and signatures",
    )
    add_format(serve)
    add_workers(serve)
    add_cache_dir(serve)


def _add_what(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "path", type=Path, nargs="*", metavar="PATH", help="documents, or folders of them; none: the shelf alone"
    )
    serve.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="the shelf that is served; files named are registered on it once, and folders named are mirrored in it while "
        "the server runs. Default: no shelf if a PATH is named, else "
        f"{from_environment('DATA', default_data_dir())}".replace("%", "%%"),
    )
    add_password(serve, "of the documents named that need one; - asks for it")


def _add_who(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "--accounts", action="store_true", help="people log in; the first start prints a link that makes the administrator"
    )
    serve.add_argument("--open", action="store_true", help="everybody in the network may read; only this machine may change")
    serve.add_argument(
        "--trust-proxy",
        action="append",
        default=[],
        metavar="NETWORK",
        help="a proxy in front, as 10.0.0.5 or 10.0.0.0/24, whose headers say who asks; may be repeated",
    )
    serve.add_argument("--user-header", default="X-Remote-User", metavar="NAME", help="of the proxy (default X-Remote-User)")
    serve.add_argument(
        "--groups-header", default="X-Remote-Groups", metavar="NAME", help="of the proxy (default X-Remote-Groups)"
    )
    serve.add_argument("--oidc-issuer", metavar="URL", help="an identity provider at which people log in (OpenID Connect)")
    serve.add_argument(
        "--oidc-client", metavar="ID", help="of this server at the provider; SIDEBOOKS_OIDC_SECRET holds its secret"
    )
    serve.add_argument(
        "--group-role",
        action="append",
        default=[],
        metavar="GROUP=ROLE",
        help="the role of a group's members, as the proxy or the provider names it: admin, clerk, member; may be repeated",
    )
    serve.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="web pages from there may read the documents, as https://books.example; '*': from anywhere; may be repeated",
    )


def _add_where(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "--base-url",
        default=from_environment("BASE_URL", None),
        metavar="URL",
        help="what addresses begin with, if a proxy has TLS or another name",
    )
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1: this machine only)")
    serve.add_argument("--port", type=port, help="default 8000; 0 takes any that is free")
    serve.add_argument(
        "--uds",
        type=Path,
        metavar="PATH",
        help="a Unix socket to listen on, for a proxy, instead of --host and --port; the proxy must overwrite X-Forwarded-For",
    )
    serve.add_argument(
        "--uds-mode", type=mode, metavar="MODE", help="who may use that socket, as of chmod (default 660: its owner and group)"
    )
    serve.add_argument(
        "--hostname",
        action="append",
        default=[],
        metavar="NAME",
        help="a name that readers use for this server, beside localhost and this machine's own; may be repeated",
    )
    serve.add_argument("--no-browser", action="store_true", help="do not open the viewer")
