"""Messages between the host and a worker: a length of 4 bytes, little-endian, then that many bytes of msgpack.

Plain pipes and msgpack: nothing that arrives can run code, which pickle would allow, and no lock or semaphore is shared,
which a killed worker would keep.
"""

from __future__ import annotations

import struct
from typing import IO

_LENGTH = struct.Struct("<I")
STATUS = struct.Struct("<i")
"""A message of a forked worker's status pipe: first its process id, and at its end the exit code."""
MAX_MESSAGE_BYTES = 0xFFFF_FFFF
"""The largest length that 4 bytes hold."""


class WireClosed(ConnectionError):
    """The other side went away, in the middle of a message or between two."""


class WireBroken(ConnectionError):
    """The bytes are no message. The other side is damaged or hostile, and must not be trusted any more."""


def send(stream: IO[bytes], body: bytes) -> None:
    """Write one message, and flush it. Raises WireClosed."""
    try:
        stream.write(_LENGTH.pack(len(body)))
        stream.write(body)
        stream.flush()
    except (BrokenPipeError, ConnectionResetError, ValueError) as error:
        raise WireClosed(str(error)) from error


def receive(stream: IO[bytes], max_bytes: int = MAX_MESSAGE_BYTES) -> bytes:
    """Read one message as it is. Raises WireClosed at the end of the stream, WireBroken for one that is too long."""
    length = _LENGTH.unpack(_read(stream, _LENGTH.size))[0]
    if length > max_bytes:
        raise WireBroken(f"a message of {length} bytes where at most {max_bytes} are allowed")
    return _read(stream, length)


def _read(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if data is None or len(data) < count:
        raise WireClosed("the stream ended")
    return data
