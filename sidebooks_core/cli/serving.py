"""The command that serves documents over HTTP: `sidebooks serve`. It needs what the extra `server` installs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Required, TypedDict

from sidebooks_core.access.principals import Role
from sidebooks_core.cli.arguments import from_environment, port
from sidebooks_core.errors import RequestError
from sidebooks_core.settings import Settings, default_data_dir

if TYPE_CHECKING:
    from sidebooks_core.access.oidc import OidcRules
    from sidebooks_core.access.proxy import ProxyRules

OIDC_SECRET = "SIDEBOOKS_OIDC_SECRET"
"""The environment variable that holds the client's secret: others on this machine can see a command line."""
ROLES: tuple[Role, ...] = ("admin", "clerk", "member")
"""Those that an account can have."""
HUB = "SIDEBOOKS_HUB"
"""The variable that may hold the address of the hub, which may have a password in it: others can see the command line."""
METRICS_TOKEN = "SIDEBOOKS_METRICS_TOKEN"
"""The variable that may hold the token by which a monitoring program reads the metrics."""
DEFAULT_PORT = 8000
SERVER_EXTRA = ("starlette", "anyio", "uvicorn", "httptools", "websockets")
"""The packages that `sidebooks serve` loads, and no other command."""


def serve(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Raises RequestError if the extra is not installed."""
    try:
        from sidebooks_core.server.command import serve as serve_documents
        from sidebooks_core.server.options import ServeOptions
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in SERVER_EXTRA:
            raise
        raise RequestError(f"serving needs {', '.join(SERVER_EXTRA)}: pip install 'sidebooks-core[server]'") from None
    settings = Settings(cache_dir=arguments.cache_dir, workers=arguments.workers, image_format=arguments.format)
    options = ServeOptions(
        paths=arguments.path,
        data=arguments.data or (None if arguments.path else Path(from_environment("DATA", default_data_dir()))),
        accounts=arguments.accounts,
        open=arguments.open,
        base_url=arguments.base_url,
        proxies=_proxies(arguments),
        oidc=oidc_rules(arguments),
        processes=arguments.processes,
        hub=arguments.hub or os.environ.get(HUB) or None,
        metrics_token=os.environ.get(METRICS_TOKEN, ""),
        **_listening(arguments),
        access_log=arguments.access_log,
        browser=not arguments.no_browser,
        password=arguments.password,
        hostnames=arguments.hostname,
        allow_origins=arguments.allow_origin,
    )
    return serve_documents(settings, options)


class Listening(TypedDict, total=False):
    """Where a server listens."""

    host: Required[str]
    port: Required[int]
    uds: Path
    uds_mode: int


def _listening(arguments: argparse.Namespace) -> Listening:
    """Raises RequestError. What is typed comes before the environment, so --uds is no contradiction to SIDEBOOKS_PORT."""
    from sidebooks_core.server.options import OWN_ADDRESS

    if arguments.uds is None:
        if arguments.uds_mode is not None:
            raise RequestError("--uds-mode is of a socket: name it with --uds")
        host = arguments.host if arguments.host is not None else from_environment("HOST", OWN_ADDRESS)
        number = arguments.port if arguments.port is not None else _port(from_environment("PORT", DEFAULT_PORT))
        return {"host": host, "port": number}
    if arguments.host is not None or arguments.port is not None:
        raise RequestError("--uds takes the place of --host and --port: leave them out")
    found: Listening = {"host": OWN_ADDRESS, "port": 0, "uds": arguments.uds}
    return found if arguments.uds_mode is None else {**found, "uds_mode": arguments.uds_mode}


def _port(given: int | str) -> int:
    """Raises RequestError."""
    try:
        return given if isinstance(given, int) else port(given)
    except argparse.ArgumentTypeError as error:
        raise RequestError(f"SIDEBOOKS_PORT: {error}") from None


def _proxies(arguments: argparse.Namespace) -> ProxyRules | None:
    """The proxies that are believed. Raises RequestError."""
    from sidebooks_core.access.proxy import ProxyRules

    if not arguments.trust_proxy:
        return None
    return ProxyRules(
        tuple(arguments.trust_proxy),
        name_header=arguments.user_header,
        groups_header=arguments.groups_header,
        roles=_roles(arguments.group_role),
    )


def oidc_rules(arguments: argparse.Namespace) -> OidcRules | None:
    """The identity provider. Raises RequestError."""
    from sidebooks_core.access.oidc import OidcRules

    if not arguments.oidc_issuer:
        return None
    if not arguments.oidc_client or not arguments.base_url:
        raise RequestError("--oidc-issuer needs --oidc-client, and --base-url: where the provider sends browsers back")
    return OidcRules(
        issuer=arguments.oidc_issuer,
        client_id=arguments.oidc_client,
        return_address=f"{arguments.base_url.rstrip('/')}/oidc/return",
        client_secret=os.environ.get(OIDC_SECRET, ""),
        roles=_roles(arguments.group_role),
    )


def _roles(told: list[str]) -> dict[str, Role]:
    """Roles by group. Raises RequestError."""
    roles: dict[str, Role] = {}
    for text in told:
        group, _, role = text.rpartition("=")
        found = next((one for one in ROLES if one == role), None)
        if not group or found is None:
            raise RequestError(f"--group-role {text!r}: write GROUP=ROLE, with one of the roles {', '.join(ROLES)}")
        roles[group] = found
    return roles
