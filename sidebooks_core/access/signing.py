"""Signatures of signed addresses: a text that shows some documents to whoever has it, until it expires. Pure.

It names a row of the database (`addresses`), so that it can be ended, and is short however many documents it shows. It goes
into the path of an address. The expiry is rounded up to a window, so that all addresses of a window are the same, and what a
browser has kept stays useful.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
from collections.abc import Mapping
from hashlib import sha256

import msgspec
from msgspec import Struct

LONGEST = 500
"""Characters of a signature. Longer ones are not looked at."""


class Ticket(Struct, frozen=True, array_like=True):
    """What is signed."""

    expires_s: int
    """Of the wall clock, UTC."""
    address: str
    """The id of the row that says which documents are shown, and who signed."""


def expiry_s(now_s: float, valid_s: float, window_s: float) -> int:
    """When an address expires that must be valid for some time: the end of the window in which that time ends."""
    return math.ceil(math.ceil((now_s + valid_s) / window_s) * window_s)


def sign(key_id: str, key: bytes, ticket: Ticket) -> str:
    """A text for the path of an address: letters, digits, "-", "_" and two ".". Equal tickets give equal texts."""
    signed = f"{key_id}.{_text(msgspec.json.encode(ticket, order='deterministic'))}"
    return f"{signed}.{_text(_mac(key, signed))}"


def verify(signature: str, keys: Mapping[str, bytes], now_s: float) -> Ticket | None:
    """What was signed with one of the keys. None if it was not, or if it expired."""
    if len(signature) > LONGEST or not signature.isascii() or signature.count(".") != 2:
        return None
    signed, _, mac = signature.rpartition(".")
    key_id, _, content = signed.partition(".")
    key = keys.get(key_id)
    if key is None or not hmac.compare_digest(mac, _text(_mac(key, signed))):
        return None
    try:
        ticket = msgspec.json.decode(_bytes(content), type=Ticket, strict=True)
    except (msgspec.MsgspecError, binascii.Error):  # signed by another version
        return None
    return ticket if now_s < ticket.expires_s else None


def _mac(key: bytes, signed: str) -> bytes:
    return hmac.new(key, signed.encode("ascii"), sha256).digest()


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
