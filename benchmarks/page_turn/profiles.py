"""Devices, as data, and how a process is made to feel like one."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """A screen, and what computes for it."""

    name: str
    view_px: tuple[int, int]
    cores: int
    memory_bytes: int = 256 << 20
    disk_bytes: int = 4 << 30


PROFILES = (
    Profile("ipad", (1620, 2160), 2),
    Profile("android-small", (800, 1280), 2),
    Profile("android", (1200, 1920), 2),
    Profile("low-end", (800, 1280), 1, memory_bytes=96 << 20, disk_bytes=512 << 20),
)


def enforce(profile: Profile) -> list[int] | None:
    """Bind this process, and what it starts, to so many cores; those it has now, or None where this platform cannot."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))[: profile.cores]
    os.sched_setaffinity(0, cores)
    return cores
