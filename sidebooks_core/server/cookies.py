"""The cookie that says which login a browser has. Pure."""

from __future__ import annotations

from starlette.types import Scope

NAME = "sidebooks_login"
SECURE_NAME = "__Host-sidebooks_login"
"""Over HTTPS: browsers take a cookie of this name from this host alone, for every path."""


DEVICE = "sidebooks_device"
SECURE_DEVICE = "__Host-sidebooks_device"
DEVICE_S = 180 * 86_400.0
PENDING = "sidebooks_pending"
"""A login that was begun at an identity provider."""


def token_in(scope: Scope) -> str:
    """The token that a request carries; "": none. Of two cookies the secure one counts."""
    return _value(scope, NAME, SECURE_NAME)


def pending_in(scope: Scope) -> str:
    """The login that this browser has begun at an identity provider; "": none."""
    return _value(scope, PENDING, PENDING)


def device_in(scope: Scope) -> str:
    """The secret by which a browser is known from earlier logins; "": it has none."""
    return _value(scope, DEVICE, SECURE_DEVICE)


def _value(scope: Scope, name: str, secure_name: str) -> str:
    found = ""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    for header, value in headers:
        if header != b"cookie":
            continue
        for part in value.decode("latin-1").split(";"):
            key, _, token = part.strip().partition("=")
            if key == secure_name:
                return token
            if key == name and not found:
                found = token
    return found


def keep(token: str, lasts_s: float, *, is_secure: bool) -> tuple[bytes, bytes]:
    """The header that gives a browser its login. Scripts cannot read it, and other sites' requests do not carry it."""
    name, secure = (SECURE_NAME, "; Secure") if is_secure else (NAME, "")
    return b"set-cookie", f"{name}={token}; Path=/; Max-Age={int(lasts_s)}; HttpOnly; SameSite=Lax{secure}".encode()


def keep_device(token: str, *, is_secure: bool) -> tuple[bytes, bytes]:
    """The header by which a browser is known after it has logged out. It lets nobody in without a password."""
    name, secure = (SECURE_DEVICE, "; Secure") if is_secure else (DEVICE, "")
    told = f"{name}={token}; Path=/; Max-Age={int(DEVICE_S)}; HttpOnly; SameSite=Lax{secure}"
    return b"set-cookie", told.encode()


def drop(*, is_secure: bool) -> tuple[bytes, bytes]:
    """The header that takes the login from a browser."""
    return keep("", 0, is_secure=is_secure)


def pending(kept: str, lasts_s: int, *, is_secure: bool) -> tuple[bytes, bytes]:
    """The header by which a browser keeps the login that it has begun at an identity provider; "" and 0: forgets it."""
    secure = "; Secure" if is_secure else ""
    return b"set-cookie", f"{PENDING}={kept}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Lax{secure}".encode()
