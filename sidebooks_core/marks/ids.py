"""Ids of marks and of devices."""

from __future__ import annotations

import os
import time
import uuid


def new_mark_id() -> str:
    """A UUID of version 7 (RFC 9562): later ones are greater, to the millisecond."""
    value = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62))


def new_device_id() -> str:
    return uuid.uuid4().hex
