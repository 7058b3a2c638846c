"""Pages behind a login, with FastAPI and PyMuPDF: uvicorn books_with_login:app. PAPERS names a folder."""

import os
import secrets
import threading
from functools import cache, lru_cache
from pathlib import Path

import pymupdf
from fastapi import FastAPI, HTTPException
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response

MEMBERS = {"yamada": os.environ["YAMADA_SECRET"].encode()}
PAPERS = {path.name: path for path in sorted(Path(os.environ["PAPERS"]).iterdir())}
lock = threading.Lock()
"""PyMuPDF is not for two threads at a time, and FastAPI has many."""


class Login(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser]:
        name, _, secret = conn.headers.get("x-member", "").partition(":")
        if not secrets.compare_digest(secret.encode(), MEMBERS.get(name, os.urandom(16))):
            raise AuthenticationError("log in first")
        return AuthCredentials(["member"]), SimpleUser(name)


def refused(_: HTTPConnection, error: AuthenticationError) -> Response:
    return Response(str(error), 401)


@cache
def opened(name: str) -> pymupdf.Document:
    return pymupdf.open(PAPERS[name])


@lru_cache(maxsize=256)
def drawn(name: str, page: int, width: int, height: int) -> bytes:
    with lock:
        rect = opened(name)[page].rect
        scale = min(width / rect.width, height / rect.height)
        return opened(name)[page].get_pixmap(matrix=pymupdf.Matrix(scale, scale)).tobytes("png")


app = FastAPI()
app.add_middleware(AuthenticationMiddleware, backend=Login(), on_error=refused)


@app.get("/books/documents")
def documents() -> dict[str, list[dict[str, str]]]:
    return {"documents": [{"id": name, "name": name} for name in PAPERS]}


@app.get("/books/documents/{name}/pages/{number}/{width}x{height}")
def page(name: str, number: int, width: int, height: int) -> Response:
    if name not in PAPERS or not 0 < number <= len(opened(name)):
        raise HTTPException(404)
    headers = {"cache-control": "private, max-age=86400"}
    return Response(drawn(name, number - 1, width, height), media_type="image/png", headers=headers)
