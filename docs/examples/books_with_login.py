"""The reference viewer behind a login of your own: uvicorn books_with_login:app.

PAPERS names a folder, YAMADA_SECRET and SATO_SECRET are what members prove themselves with. Only yamada gets whole files.
"""

import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from fastapi import FastAPI
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

import sidebooks_core as sb
from sidebooks_core.server import Application, Operation, Shelf

MEMBERS = {name: os.environ[f"{name.upper()}_SECRET"].encode() for name in ("yamada", "sato")}  # yours are accounts


class Login(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser]:
        name, _, secret = conn.headers.get("x-member", "").partition(":")  # yours is a session
        if not secrets.compare_digest(secret.encode(), MEMBERS.get(name, os.urandom(16))):
            raise AuthenticationError("log in first")
        return AuthCredentials(["member"]), SimpleUser(name)


def refused(_: HTTPConnection, error: AuthenticationError) -> Response:
    return Response(str(error), 401)


def allowed(scope: Scope, operation: Operation, document_id: str | None, /) -> bool:
    return operation is not Operation.READ_ORIGINAL or scope["user"].display_name == "yamada"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    with sb.TileService() as service, closing(Shelf(service)) as shelf:
        for path in sorted(Path(os.environ["PAPERS"]).iterdir()):
            shelf.register(path)
        with closing(Application(shelf, allowed=allowed, cache="private")) as books:
            app.mount("/books", books)
            yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(AuthenticationMiddleware, backend=Login(), on_error=refused)
