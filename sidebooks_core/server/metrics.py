"""The service's statistics as metrics for Prometheus, written by its client library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from sidebooks_core.server.sessions import End
from sidebooks_core.statistics import Statistics

if TYPE_CHECKING:
    from prometheus_client.core import Metric

PREFIX = "sidebooks_"
COUNTERS = {
    "renders": "Rasters that workers drew.",
    "memory_hits": "Requests answered from memory.",
    "disk_hits": "Requests answered from disk.",
    "misses": "Requests that neither memory nor disk could answer at once.",
    "joins": "Misses that joined a render under way.",
    "drops": "Jobs that nobody wanted any more before they were done.",
    "failures": "Jobs that ended in an error.",
    "worker_deaths": "Workers that died or were killed, and were replaced.",
    "dropped_writes": "Records that were made and not written to disk.",
    "disk_damaged": "Records found damaged on disk, and removed.",
    "disk_write_failures": "Writes to the disk cache that failed.",
}
"""Counters of `Statistics` with what they count."""
GAUGES = {
    "queued": "Jobs that wait for a worker.",
    "in_flight": "Jobs that workers do now.",
    "memory_bytes": "Records in memory, in bytes.",
    "disk_bytes": "Records on disk, in bytes.",
    "prefetched_bytes": "Records made before anybody looked at them, in bytes since the start.",
    "prefetch_wasted_bytes": "The part of these that nobody has looked at so far.",
}
"""Values of `Statistics` that go up and down, with what they are."""
CONNECTED = {
    "listeners": "Open streams of events, WebSockets included.",
    "meetings": "Meetings that clients of this process are in.",
    "meeting_clients": "Clients in these meetings.",
    "meeting_clients_behind": "Clients that have not taken the newest state yet.",
}
"""How many connections and meetings there are. The last three are there if the server holds meetings."""
WAITS, RESPONSES, SESSIONS, ENDS = "wait_seconds", "responses", "sessions", "session_ends"


class ServerMetrics(Struct, frozen=True, kw_only=True):
    """What a server has to tell of one moment. The library asks it as it asks a registry."""

    found: Statistics
    responses: Mapping[int, int]
    """How many there were of each status."""
    sessions: int
    """How many there are."""
    ends: Mapping[End, int]
    """How many sessions ended for which reason."""
    connected: Mapping[str, int]
    """By the names of CONNECTED."""
    process: str = ""
    """A label of all metrics, as several processes answer at one address in turns. "": none."""

    def text(self) -> bytes:
        """The whole, in the text format of Prometheus."""
        from prometheus_client import generate_latest  # loads a server of its own: only for those who ask

        return generate_latest(self)  # it is asked for `collect` only

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        from prometheus_client.samples import Sample

        more = {"process": self.process} if self.process else {}
        for one in self._metrics():
            one.samples = [Sample(sample.name, {**sample.labels, **more}, sample.value) for sample in one.samples]
            yield one

    def _metrics(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for name, told in COUNTERS.items():
            yield CounterMetricFamily(PREFIX + name, told, value=getattr(self.found, name))
        for name, told in GAUGES.items():
            yield GaugeMetricFamily(PREFIX + name, told, value=getattr(self.found, name))
        yield self._waits()
        responses = CounterMetricFamily(PREFIX + RESPONSES, "Answers, by status.", labels=["status"])
        for status, count in sorted(self.responses.items()):
            responses.add_metric([str(status)], count)
        yield responses
        yield GaugeMetricFamily(PREFIX + SESSIONS, "Readers that have sent a hint lately.", value=self.sessions)
        ends = CounterMetricFamily(PREFIX + ENDS, "Sessions that ended, by reason.", labels=["reason"])
        for reason, count in sorted(self.ends.items()):
            ends.add_metric([reason], count)
        yield ends
        for name, count in self.connected.items():
            yield GaugeMetricFamily(PREFIX + name, CONNECTED[name], value=count)

    def _waits(self) -> Metric:
        from prometheus_client.core import Metric

        waits = Metric(PREFIX + WAITS, "Waits of requests, by where the image came from.", "summary")
        for source, latency in self.found.latency.items():
            for rank, value in (("0.5", latency.median_s), ("0.95", latency.p95_s), ("0.99", latency.p99_s)):
                waits.add_sample(waits.name, {"source": source, "quantile": rank}, value)
            waits.add_sample(f"{waits.name}_sum", {"source": source}, latency.total_s)
            waits.add_sample(f"{waits.name}_count", {"source": source}, latency.total_count)
        return waits
