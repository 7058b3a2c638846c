"""Devices, as data, and how a process is made to feel like one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PERIOD_US = 20_000
"""Of the quota: short, so that it feels like a slow processor and not like one that stops now and then."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A screen, and what computes for it."""

    name: str
    view_px: tuple[int, int]
    cores: int
    memory_bytes: int = 256 << 20
    disk_bytes: int = 4 << 30
    quota: float = 1.0
    """Share of the time of its cores that it may compute."""


PROFILES = (
    Profile("ipad", (1620, 2160), 2),
    Profile("android-small", (800, 1280), 2),
    Profile("android", (1200, 1920), 2),
    Profile("low-end", (800, 1280), 1, memory_bytes=96 << 20, disk_bytes=512 << 20, quota=0.4),
)


def bind(profile: Profile) -> list[int] | None:
    """Bind this process, and what it starts, to so many cores; those it has now, or None where this platform cannot."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))[: profile.cores]
    os.sched_setaffinity(0, cores)
    return cores


class Quota:
    """A control group that takes computing time away from a process and all that it starts. Linux, for who may make one."""

    def __init__(self, profile: Profile) -> None:
        self._group: Path | None = None
        self.why_not = "" if profile.quota < 1.0 else "not asked for"
        if profile.quota < 1.0:
            self._make(profile)

    def _make(self, profile: Profile) -> None:
        budget_us = int(PERIOD_US * profile.cores * profile.quota)
        root = Path("/sys/fs/cgroup")
        first = root / "cpu"  # version 1 has a tree of its own for each resource
        group = (first if first.is_dir() else root) / f"sidebooks-bench-{os.getpid()}"
        try:
            group.mkdir()
            if first.is_dir():
                (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (group / "cpu.cfs_quota_us").write_text(str(budget_us))
            else:
                (group / "cpu.max").write_text(f"{budget_us} {PERIOD_US}")
        except OSError as error:
            self.why_not = f"no control group: {error.strerror}"
            if group.is_dir():
                group.rmdir()
            return
        self._group = group

    def hold(self, pid: int) -> None:
        """From here on, a process and what it starts later are within the quota."""
        if self._group is not None:
            (self._group / "cgroup.procs").write_text(str(pid))

    def close(self) -> None:
        """When the processes have ended."""
        if self._group is not None:
            self._group.rmdir()
            self._group = None
