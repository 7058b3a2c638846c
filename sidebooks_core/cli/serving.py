"""The command that serves documents over HTTP: `sidebooks serve`. It needs what the extra `server` installs."""

from __future__ import annotations

import argparse

from sidebooks_core.errors import RequestError
from sidebooks_core.settings import Settings, default_data_dir

SERVER_EXTRA = ("starlette", "anyio", "uvicorn", "httptools")
"""The packages that `sidebooks serve` loads, and no other command."""


def serve(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Raises RequestError if the extra is not installed."""
    try:
        from sidebooks_core.server.command import serve as serve_documents
        from sidebooks_core.server.options import ServeOptions
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in SERVER_EXTRA:
            raise
        raise RequestError(f"serving needs {', '.join(SERVER_EXTRA)}: pip install 'sidebooks_core[server]'") from None
    settings = Settings(cache_dir=arguments.cache_dir, workers=arguments.workers, image_format=arguments.format)
    options = ServeOptions(
        paths=arguments.path,
        data=arguments.data or (None if arguments.path else default_data_dir()),
        accounts=arguments.accounts,
        processes=arguments.processes,
        host=arguments.host,
        port=arguments.port,
        browser=not arguments.no_browser,
        password=arguments.password,
        hostnames=arguments.hostname,
        allow_origins=arguments.allow_origin,
    )
    return serve_documents(settings, options)
