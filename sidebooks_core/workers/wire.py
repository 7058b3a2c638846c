"""Messages between the host and a worker: a length of 4 bytes, little-endian, then that many bytes of msgpack.

Plain pipes and msgpack: nothing that arrives can run code, which pickle would allow, and no lock or semaphore is shared,
which a killed worker would keep.
"""

from __future__ import annotations

import struct
from typing import IO, Any

import msgpack

_LENGTH = struct.Struct("<I")
STATUS = struct.Struct("<i")
"""What a forked worker's status pipe tells: its process id, and when it has ended, how."""
MAX_MESSAGE_BYTES = 0xFFFF_FFFF


class WireClosed(ConnectionError):
    """The other side went away, in the middle of a message or between two."""


class WireBroken(ConnectionError):
    """What arrived is no message: the other side is damaged or hostile, and must not be trusted any further."""


def send(stream: IO[bytes], message: dict[str, Any]) -> None:
    """Write one message of the host's and flush it. Paths in it may have lone surrogates. Raises WireClosed."""
    send_body(stream, msgpack.packb(message, use_bin_type=True, unicode_errors="surrogatepass"))


def send_body(stream: IO[bytes], body: bytes) -> None:
    """Write a message that is encoded already, and flush it. Raises WireClosed."""
    try:
        stream.write(_LENGTH.pack(len(body)))
        stream.write(body)
        stream.flush()
    except (BrokenPipeError, ConnectionResetError, ValueError) as error:
        raise WireClosed(str(error)) from error


def receive_body(stream: IO[bytes], max_bytes: int) -> bytes:
    """Read one message as it is. Raises WireClosed at the end of the stream, WireBroken for one that is too long."""
    length = _LENGTH.unpack(_read(stream, _LENGTH.size))[0]
    if length > max_bytes:
        raise WireBroken(f"a message of {length} bytes where at most {max_bytes} are allowed")
    return _read(stream, length)


def receive(stream: IO[bytes], max_bytes: int = MAX_MESSAGE_BYTES) -> dict[str, Any]:
    """Read one message of the host's. Raises WireClosed, and WireBroken for anything that is not a message."""
    body = receive_body(stream, max_bytes)
    try:
        message = msgpack.unpackb(
            body,
            raw=False,
            strict_map_key=False,
            use_list=True,
            unicode_errors="surrogatepass",
            max_bin_len=max_bytes,
            max_str_len=max_bytes,
        )
    except (ValueError, msgpack.UnpackException) as error:
        raise WireBroken(f"unreadable message: {error}") from error
    if not isinstance(message, dict):
        raise WireBroken(f"a {type(message).__name__} instead of a message")
    return message


def _read(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if data is None or len(data) < count:
        raise WireClosed("the stream ended")
    return data
