"""How a record lies on disk: magic, version, a checksum over key and content, msgpack metadata, the bytes."""

from __future__ import annotations

import hashlib
import struct

import msgpack

from sidebooks_core.caching.record import Record

MAGIC = b"SBR1"
_HEAD = struct.Struct("<4s16sI")
"""Magic with version, checksum, length of the metadata."""


class Damaged(ValueError):
    """These bytes are not what was written under this key."""


def seal(key: str, record: Record) -> bytes:
    """The bytes to store."""
    metadata: bytes = msgpack.packb([record.tag, record.cost_s, record.is_preview])
    body = metadata + record.data
    return _HEAD.pack(MAGIC, _checksum(key, len(metadata), body), len(metadata)) + body


def unseal(key: str, stored: object) -> Record:
    """The record. Raises Damaged: for anything cut, changed, of another version, or stored under another key."""
    if not isinstance(stored, bytes) or len(stored) < _HEAD.size:
        raise Damaged("too short")
    magic, checksum, metadata_bytes = _HEAD.unpack_from(stored)
    body = stored[_HEAD.size :]
    if magic != MAGIC or checksum != _checksum(key, metadata_bytes, body):
        raise Damaged("the checksum does not fit")
    tag, cost_s, is_preview = msgpack.unpackb(body[:metadata_bytes])
    return Record(body[metadata_bytes:], tag, cost_s, is_preview)


def _checksum(key: str, metadata_bytes: int, body: bytes) -> bytes:
    digest = hashlib.blake2b(key.encode() + struct.pack("<I", metadata_bytes), digest_size=16, person=b"sidebooks-record")
    digest.update(body)
    return digest.digest()
