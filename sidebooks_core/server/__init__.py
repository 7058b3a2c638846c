"""The HTTP API as an ASGI application, and the reference viewer. `sidebooks serve` needs the extra `server` to run it.

Bare ASGI, no framework: the routes are few and fixed, every answer has the same headers, and what a framework adds (routing,
middleware, thread pools) costs more than a warm tile. Any ASGI server or framework can mount `Application`.
"""

from sidebooks_core.server.application import Application
from sidebooks_core.server.limits import ServerLimits
from sidebooks_core.server.shelf import Shelf

__all__ = ["Application", "ServerLimits", "Shelf"]
