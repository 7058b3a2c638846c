"""Frozen snapshots of what a service did."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from msgspec import Struct, field
from msgspec.structs import replace


class Latency(Struct, frozen=True):
    """Nearest-rank percentiles of the most recent waits, in seconds. All zero when there was none."""

    count: int = 0
    median_s: float = 0.0
    p95_s: float = 0.0
    p99_s: float = 0.0
    max_s: float = 0.0
    total_count: int = 0
    """Of all waits since the service was made; `count` is of the most recent ones, which the percentiles are of."""
    total_s: float = 0.0
    """Their sum."""


def latency_of(samples_s: list[float]) -> Latency:
    """The percentiles of some waits, in seconds."""
    if not samples_s:
        return Latency()
    ordered = sorted(samples_s)

    def at(percent: int) -> float:
        """The smallest sample that `percent` of all samples do not exceed; the product is whole, so no rounding enters."""
        return ordered[-(-percent * len(ordered) // 100) - 1]

    return Latency(len(ordered), at(50), at(95), at(99), ordered[-1])


class Statistics(Struct, frozen=True, kw_only=True):
    """What one service did since it was made. A tile is counted once, where it came from."""

    renders: int
    """Rasters drawn by this service's workers."""
    memory_hits: int
    disk_hits: int
    misses: int
    """Requests not in memory or on disk. Each started a render, or waited for one already running."""
    joins: int
    """The misses that joined a render already under way or waiting."""
    drops: int
    """Jobs that were taken out of the queue before they were started, or interrupted since nobody wanted them any more."""
    failures: int
    """Jobs that ended in an error."""
    worker_deaths: int
    """Workers that died or were killed for overrunning, and were replaced."""
    queued: int
    in_flight: int
    prefetched_bytes: int
    """Bytes of records that were made before anybody looked at them (previews and prerendering not included)."""
    prefetch_wasted_bytes: int
    """The part of `prefetched_bytes` that nobody has looked at so far."""
    memory_bytes: int
    disk_bytes: int
    disk_damaged: int
    """Records found damaged on disk: each was a miss and was removed."""
    disk_write_failures: int
    dropped_writes: int
    """Records that were made and not written to disk, or to the application's store: too much waited, or the store raised."""
    latency: dict[str, Latency]
    """Waits of finished requests by where the tile came from: "memory", "disk", "render"."""


class Counters(Struct):
    """The mutable side of `Statistics`; its owner guards it."""

    SAMPLES: ClassVar[int] = 2048

    renders: int = 0
    memory_hits: int = 0
    disk_hits: int = 0
    misses: int = 0
    joins: int = 0
    drops: int = 0
    failures: int = 0
    worker_deaths: int = 0
    prefetched_bytes: int = 0
    waits_s: dict[str, deque[float]] = field(
        default_factory=lambda: {source: deque(maxlen=Counters.SAMPLES) for source in ("memory", "disk", "render")}
    )
    totals: dict[str, tuple[int, float]] = field(default_factory=lambda: dict.fromkeys(("memory", "disk", "render"), (0, 0.0)))
    """How many waits there were from each source, and their sum in seconds."""

    def count_wait(self, source: str, wait_s: float) -> None:
        self.waits_s[source].append(wait_s)
        count, sum_s = self.totals[source]
        self.totals[source] = count + 1, sum_s + wait_s

    def latency(self) -> dict[str, Latency]:
        found = {}
        for source, samples in self.waits_s.items():
            total_count, total_s = self.totals[source]
            found[source] = replace(latency_of(list(samples)), total_count=total_count, total_s=total_s)
        return found
