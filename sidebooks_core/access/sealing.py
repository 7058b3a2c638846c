"""Sealed texts: a browser keeps them for the server, and cannot change them. They are not secret. Pure."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from hashlib import sha256

import msgspec
from msgspec import Struct

LONGEST = 4000
"""Characters of a sealed text: browsers keep cookies up to 4096."""
_KIND = b"sealed "
"""Before what is signed, so that nothing else that a key has signed counts here, and the reverse."""


class _Sealed(Struct, frozen=True, array_like=True):
    expires_s: float
    content: bytes


def seal(key_id: str, key: bytes, content: bytes, expires_s: float) -> str:
    """A text of letters, digits, "-", "_" and two "."."""
    told = f"{key_id}.{_text(msgspec.msgpack.encode(_Sealed(expires_s, content)))}"
    return f"{told}.{_text(_mac(key, told))}"


def unseal(sealed: str, keys: Mapping[str, bytes], now_s: float) -> bytes | None:
    """The content. None if it was not sealed with one of the keys, or if it expired."""
    if len(sealed) > LONGEST or not sealed.isascii() or sealed.count(".") != 2:
        return None
    told, _, mac = sealed.rpartition(".")
    key_id, _, text = told.partition(".")
    key = keys.get(key_id)
    if key is None or not hmac.compare_digest(mac, _text(_mac(key, told))):
        return None
    try:
        found = msgspec.msgpack.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Sealed)
    except (msgspec.MsgspecError, binascii.Error):  # sealed by another version
        return None
    return found.content if now_s < found.expires_s else None


def _mac(key: bytes, told: str) -> bytes:
    return hmac.new(key, _KIND + told.encode("ascii"), sha256).digest()


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode("ascii").rstrip("=")
