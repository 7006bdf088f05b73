"""Prometheus metrics. Labels are words from closed sets, never identities."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from simgrant.domain.trail import Trail

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Everything that is counted. Children are cached: a label look-up costs more than a count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = Counter(
            "simgrant_requests_total",
            "Device requests answered, by what they were and how they ended.",
            ("tenant", "leg", "status", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "simgrant_request_seconds",
            "Seconds from the request's first byte in our hands to its answer.",
            ("tenant", "leg"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._decisions = Counter(
            "simgrant_decisions_total",
            "Policy decisions, by feature, result and reason.",
            ("tenant", "feature", "result", "reason"),
            registry=registry,
        )
        self._peers = Histogram(
            "simgrant_peer_seconds",
            "Seconds waited for a peer: the store, the source of vectors.",
            ("peer",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._unknown_apps = Counter(
            "simgrant_unknown_apps_total",
            "AppIDs asked for that no service answers.",
            ("tenant",),
            registry=registry,
        )
        self._operations = Counter(
            "simgrant_operations_total",
            "Operations answered with a document, by OperationResult.",
            ("tenant", "leg", "operation", "result"),
            registry=registry,
        )
        self.records_lost = Counter(
            "simgrant_records_lost_total",
            "Request records that could not be kept: the queue was full or the store failed.",
            registry=registry,
        )
        self.key_reloads = Counter(
            "simgrant_key_reloads_total",
            "Times that a changed key ring was taken over.",
            registry=registry,
        )
        self._request_children: dict[tuple[str, str, int, str], Counter] = {}
        self._second_children: dict[tuple[str, str], Histogram] = {}
        self._decision_children: dict[tuple[str, str, str, str], Counter] = {}
        self._peer_children: dict[str, Histogram] = {}

    def ring_renewed(self) -> None:
        """Count, and tell, that a changed key ring was taken over."""
        self.key_reloads.inc()
        structlog.get_logger().info("key_ring_renewed")

    def watch_in_flight(self, number: Callable[[], int]) -> None:
        """Report how many requests are being handled, asked for when metrics are read."""
        self.registry.register(_InFlight(number))

    def count(self, trail: Trail, seconds: float) -> None:
        """Count one finished request."""
        key = (trail.tenant, trail.leg, trail.status, trail.outcome)
        child = self._request_children.get(key)
        if child is None:
            child = self._request_children[key] = self._requests.labels(*map(str, key))
        child.inc()
        kind = (trail.tenant, trail.leg)
        timing = self._second_children.get(kind)
        if timing is None:
            timing = self._second_children[kind] = self._seconds.labels(*kind)
        timing.observe(seconds)
        for decision in trail.verdict.decisions if trail.verdict else ():
            what = (trail.tenant, decision.question.feature, decision.result, decision.reason)
            decided = self._decision_children.get(what)
            if decided is None:
                decided = self._decision_children[what] = self._decisions.labels(*what)
            decided.inc()
        for peer, waited in trail.peers_us.items():
            asked = self._peer_children.get(peer)
            if asked is None:
                asked = self._peer_children[peer] = self._peers.labels(peer)
            asked.observe(waited / 1e6)
        if trail.operation_result:
            self._operations.labels(
                trail.tenant, trail.leg, trail.operation, str(trail.operation_result)
            ).inc()
        if trail.unknown_apps:
            self._unknown_apps.labels(trail.tenant).inc(len(trail.unknown_apps))


class _InFlight(Collector):
    """A gauge that costs nothing while nobody looks; of one process, not summed over workers."""

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number

    def collect(self) -> Iterable[Metric]:
        """Return the number of this moment."""
        gauge = GaugeMetricFamily("simgrant_in_flight", "Device requests being handled.")
        gauge.add_metric((), self._number())
        return (gauge,)
