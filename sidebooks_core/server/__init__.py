"""The HTTP API as an ASGI application, and the reference viewer. `sidebooks serve` needs the extra `server` to run it.

`Application` is Starlette's routing over one table of routes (`routes`), with a short way in front for images in memory
(`fast_path`). Any ASGI server can run it, and Starlette, FastAPI and others can mount it.
"""

from sidebooks_core.access.operations import Operation
from sidebooks_core.server.access import Allowed
from sidebooks_core.server.application import Application, ServerOptions
from sidebooks_core.server.limits import ServerLimits
from sidebooks_core.server.shelf import Registered, Shelf
from sidebooks_core.server.watcher import Problem

__all__ = ["Allowed", "Application", "Operation", "Problem", "Registered", "ServerLimits", "ServerOptions", "Shelf"]
