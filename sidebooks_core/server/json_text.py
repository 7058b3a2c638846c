"""JSON out and in: written as UTF-8, read by type."""

from __future__ import annotations

import json
from typing import TypeVar

import msgspec

from sidebooks_core.server.statuses import Refused

_Body = TypeVar("_Body")


def json_bytes(value: object) -> bytes:
    """A value of msgspec's kinds as JSON; parts of it may be JSON already (`msgspec.Raw`). What a file name holds that is no
    text becomes a question mark.
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # lone surrogates, which msgspec does not write
        plain = msgspec.to_builtins(value, enc_hook=msgspec.json.decode)  # of parts that are written already
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def read_json(body: bytes, kind: type[_Body]) -> _Body:
    """A body as a value of a type. Raises Refused: 400, with what is wrong and where."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refused(400, f"the body cannot be read: {what}") from None
