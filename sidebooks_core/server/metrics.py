"""The service's statistics in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from sidebooks_core.server.sessions import End
from sidebooks_core.statistics import Statistics

COUNTERS = (
    "renders",
    "memory_hits",
    "disk_hits",
    "misses",
    "joins",
    "drops",
    "failures",
    "worker_deaths",
    "dropped_writes",
)
GAUGES = ("queued", "in_flight", "memory_bytes", "disk_bytes", "prefetched_bytes", "prefetch_wasted_bytes")


def prometheus(
    found: Statistics,
    responses: Mapping[int, int],
    sessions: int,
    ends: Mapping[End, int],
    connected: Mapping[str, int],
) -> str:
    """The whole text.

    responses: how many there were of each status. sessions: how many there are. ends: how many ended for which reason.
    connected: how many connections and meetings there are, by the names of the gauges.
    """
    lines = []
    for name in COUNTERS:
        lines += [f"# TYPE sidebooks_{name}_total counter", f"sidebooks_{name}_total {getattr(found, name)}"]
    for name in GAUGES:
        lines += [f"# TYPE sidebooks_{name} gauge", f"sidebooks_{name} {getattr(found, name)}"]
    lines.append("# TYPE sidebooks_wait_seconds summary")
    for source, latency in found.latency.items():
        for rank, value in (("0.5", latency.median_s), ("0.95", latency.p95_s), ("0.99", latency.p99_s)):
            lines.append(f'sidebooks_wait_seconds{{source="{source}",quantile="{rank}"}} {value:.6f}')
        lines.append(f'sidebooks_wait_seconds_sum{{source="{source}"}} {latency.total_s:.6f}')
        lines.append(f'sidebooks_wait_seconds_count{{source="{source}"}} {latency.total_count}')
    lines.append("# TYPE sidebooks_responses_total counter")
    lines += [f'sidebooks_responses_total{{status="{status}"}} {count}' for status, count in sorted(responses.items())]
    lines += [
        "# TYPE sidebooks_sessions gauge",
        f"sidebooks_sessions {sessions}",
        "# TYPE sidebooks_session_ends_total counter",
    ]
    lines += [f'sidebooks_session_ends_total{{reason="{reason}"}} {count}' for reason, count in sorted(ends.items())]
    for name, count in connected.items():
        lines += [f"# TYPE sidebooks_{name} gauge", f"sidebooks_{name} {count}"]
    return "\n".join(lines) + "\n"
