"""Prometheus metrics. Labels are words from closed sets, never identities."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from simgrant.domain.trail import Trail, Verdict

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_DELIVERED_S = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0)

M = TypeVar("M", bound=MetricWrapperBase)
Labels: TypeAlias = tuple[str | int, ...]


class Timings(Histogram):
    """A histogram that takes many observations for little more than the price of one, and one for
    a third of what the library takes."""

    def observe_one(self, seconds: float) -> None:
        """Observe this."""
        self._buckets[bisect_left(self._upper_bounds, seconds)].inc(1)
        self._sum.inc(seconds)

    def observe_all(self, seconds: Sequence[float]) -> None:
        """Observe each of them."""
        for bucket, count in Tally(
            bisect_left(self._upper_bounds, each) for each in seconds
        ).items():
            self._buckets[bucket].inc(count)
        self._sum.inc(math.fsum(seconds))


class _Children(dict[Labels, M]):
    """The children of a metric by their labels: to look one up there costs more than a count."""

    def __init__(self, metric: M) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: Labels) -> M:
        child = self[labels] = self._metric.labels(*map(str, labels))
        return child


class Metrics:
    """Everything that is counted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = _Children(
            Counter(
                "simgrant_requests_total",
                "Device requests answered, by what they were and how they ended.",
                ("tenant", "leg", "status", "outcome"),
                registry=registry,
            )
        )
        self._seconds = _Children(
            Timings(
                "simgrant_request_seconds",
                "Seconds from the request's first byte in our hands to its answer.",
                ("tenant", "leg"),
                buckets=_SECONDS,
                registry=registry,
            )
        )
        self._decisions = _Children(
            Counter(
                "simgrant_decisions_total",
                "Policy decisions, by feature, result and reason.",
                ("tenant", "feature", "result", "reason"),
                registry=registry,
            )
        )
        self._peers = _Children(
            Timings(
                "simgrant_peer_seconds",
                "Seconds waited for a peer: the store, the source of vectors, an issuer of tokens.",
                ("peer",),
                buckets=_SECONDS,
                registry=registry,
            )
        )
        self._unknown_apps = _Children(
            Counter(
                "simgrant_unknown_apps_total",
                "AppIDs asked for that no service answers.",
                ("tenant",),
                registry=registry,
            )
        )
        self._notices = _Children(
            Counter(
                "simgrant_notices_total",
                "Notices handed to a push channel, by what became of them.",
                ("tenant", "channel", "result"),
                registry=registry,
            )
        )
        self._notice_seconds = _Children(
            Timings(
                "simgrant_notice_seconds",
                "Seconds from a change to the delivery of its notice.",
                ("tenant", "channel"),
                buckets=_DELIVERED_S,
                registry=registry,
            )
        )
        self._events = _Children(
            Counter(
                "simgrant_camara_events_total",
                "Events that were to be delivered to consumers' sinks, by what became of them.",
                ("tenant", "api", "result"),
                registry=registry,
            )
        )
        self._event_seconds = _Children(
            Timings(
                "simgrant_camara_event_seconds",
                "Seconds from what happened to the delivery of its event.",
                ("tenant", "api"),
                buckets=_DELIVERED_S,
                registry=registry,
            )
        )
        self._questions = _Children(
            Counter(
                "simgrant_questions_total",
                "Questions to people out of band, by what became of them: asked, not_asked (the "
                "gateway did not take it over), agreed, refused, tried_too_often, timed_out; and "
                "answers that settled nothing: wrong_code, too_late.",
                ("tenant", "by", "result"),
                registry=registry,
            )
        )
        self._orders = _Children(
            Counter(
                "simgrant_orders_total",
                "eSIM orders that came to a state.",
                ("tenant", "app", "state"),
                registry=registry,
            )
        )
        self._esim_refusals = _Children(
            Counter(
                "simgrant_esim_refused_total",
                "Requests for eSIMs that rules or limits refused, or that had to sign in first.",
                ("tenant", "app", "reason"),
                registry=registry,
            )
        )
        self._doubts = _Children(
            Counter(
                "simgrant_parameter_doubts_total",
                "Parameters of requests for eSIMs that have wrong check digits, or are missing.",
                ("tenant", "parameter"),
                registry=registry,
            )
        )
        self._smdp_calls = _Children(
            Counter(
                "simgrant_smdp_told_total",
                "Calls of SM-DP+s, by HTTP status.",
                ("smdp", "status"),
                registry=registry,
            )
        )
        self._event_lag = _Children(
            Gauge(
                "simgrant_event_lag",
                "Messages of a topic that wait to be read, in the partitions of this node.",
                ("topic",),
                multiprocess_mode="livesum",
                registry=registry,
            )
        )
        self._event_hubs = _Children(
            Gauge(
                "simgrant_event_hubs",
                "Nodes to which our registration at a hub is in a state: new, registered, failing, "
                "unhooked.",
                ("hub", "state"),
                multiprocess_mode="livesum",
                registry=registry,
            )
        )
        self._event_calls = _Children(
            Counter(
                "simgrant_event_calls_total",
                "Calls on `events.listen`, by sender and answer.",
                ("sender", "status"),
                registry=registry,
            )
        )
        self._diameter = _Children(
            Counter(
                "simgrant_diameter_requests_total",
                "Diameter requests by peer and result: the code, with e before it where it is of "
                "3GPP; or other, late, lost, malformed.",
                ("peer", "result"),
                registry=registry,
            )
        )
        self._diameter_seconds = _Children(
            Timings(
                "simgrant_diameter_seconds",
                "Seconds from a Diameter request to its answer, or to when it was given up.",
                ("peer",),
                buckets=_SECONDS,
                registry=registry,
            )
        )
        self._diameter_peers = _Children(
            Gauge(
                "simgrant_diameter_peers",
                "Workers to which a Diameter peer is in a state: closed, okay, suspect, doubtful.",
                ("peer", "state"),
                multiprocess_mode="livesum",
                registry=registry,
            )
        )
        self._diameter_spared = _Children(
            Counter(
                "simgrant_diameter_spared_total",
                "Requests that were not sent since an HSS or AAA server reported an overload.",
                ("hss",),
                registry=registry,
            )
        )
        self._network_events = _Children(
            Counter(
                "simgrant_network_events_total",
                "What core networks told of subscribers: kept, unknown (no such subscription), "
                "not_kept (the store was away); and done, when it was acted upon.",
                ("event", "result"),
                registry=registry,
            )
        )
        self._network_data = _Children(
            Counter(
                "simgrant_network_data_total",
                "Questions to core networks about subscribers by result: told (also where there "
                "was nothing to tell), or the reason code of what went wrong.",
                ("source", "result"),
                registry=registry,
            )
        )
        self._bss = _Children(
            Counter(
                "simgrant_bss_total",
                "Requests that a BSS had to say something to, by result: told, unknown (it has no "
                "such subscription), kept (it was not asked), last_known (it did not answer, what "
                "was known was told), or the reason code of what went wrong when it was asked.",
                ("bss", "result"),
                registry=registry,
            )
        )
        self._bss_seconds = _Children(
            Timings(
                "simgrant_bss_seconds",
                "Seconds from a question to a BSS to its answer.",
                ("bss",),
                buckets=_SECONDS,
                registry=registry,
            )
        )
        self._bss_states = _Children(
            Gauge(
                "simgrant_bss_states",
                "Workers to which a BSS is in a state: okay, away (it failed to answer the last "
                "question).",
                ("bss", "state"),
                multiprocess_mode="livesum",
                registry=registry,
            )
        )
        self._gsup = _Children(
            Counter(
                "simgrant_gsup_requests_total",
                "Requests for vectors to an HLR by result: vectors, the number of a cause; or "
                "other, late, lost, malformed.",
                ("hlr", "result"),
                registry=registry,
            )
        )
        self._gsup_seconds = _Children(
            Timings(
                "simgrant_gsup_seconds",
                "Seconds from a request to an HLR to its answer, or to when it was given up.",
                ("hlr",),
                buckets=_SECONDS,
                registry=registry,
            )
        )
        self._hlrs = _Children(
            Gauge(
                "simgrant_hlrs",
                "Workers to which an HLR is in a state: closed, okay.",
                ("hlr", "state"),
                multiprocess_mode="livesum",
                registry=registry,
            )
        )
        self._sbi = _Children(
            Counter(
                "simgrant_sbi_requests_total",
                "Requests to a service of a 5G core by result: the status; or other, timeout, "
                "unreachable, lost, malformed.",
                ("service", "result"),
                registry=registry,
            )
        )
        self._sbi_seconds = _Children(
            Timings(
                "simgrant_sbi_seconds",
                "Seconds from a request to a service of a 5G core to its answer, or to when it "
                "was given up.",
                ("service",),
                buckets=_SECONDS,
                registry=registry,
            )
        )
        self._sbi_instances = _Children(
            Gauge(
                "simgrant_sbi_instances",
                "Instances of a service of a 5G core that are known, the least of all workers.",
                ("service",),
                multiprocess_mode="livemin",
                registry=registry,
            )
        )
        self._life_events = _Children(
            Counter(
                "simgrant_life_events_total",
                "Events of subscriptions' lives by what happened and result: kept, known, set_aside"
                " when they came; changed, unchanged, late, set_aside when they were acted upon.",
                ("tenant", "change", "result"),
                registry=registry,
            )
        )
        self._vectors = _Children(
            Counter(
                "simgrant_vector_requests_total",
                "Requests for vectors by source and result: vector, refused, unavailable, "
                "timeout, misbehaved, not_asked.",
                ("source", "result"),
                registry=registry,
            )
        )
        self._vector_seconds = _Children(
            Timings(
                "simgrant_vector_seconds",
                "Seconds from a request to a source of vectors to its answer or its end.",
                ("source",),
                buckets=_SECONDS,
                registry=registry,
            )
        )
        self._hedges = _Children(
            Counter(
                "simgrant_vector_hedges_total",
                "Second requests for vectors, while a first one took long, by the source asked and "
                "result: won, lost, failed; or over_budget, not sent.",
                ("source", "result"),
                registry=registry,
            )
        )
        self._sources = _Children(
            Gauge(
                "simgrant_vector_sources",
                "Workers to which a source of vectors is in a state: okay, away.",
                ("source", "state"),
                multiprocess_mode="livesum",
                registry=registry,
            )
        )
        self._policies = _Children(
            Gauge(
                "simgrant_policies",
                "Workers that decide by a version of a tenant's policy; of files, there are none.",
                ("tenant", "version"),
                multiprocess_mode="livesum",
                registry=registry,
            )
        )
        self._policies_refused = _Children(
            Gauge(
                "simgrant_policies_refused",
                "Workers that did not take the newest policy of a tenant over, by why: gone, "
                "not_genuine, not_readable, went_back.",
                ("tenant", "reason"),
                multiprocess_mode="livesum",
                registry=registry,
            )
        )
        self._operations = _Children(
            Counter(
                "simgrant_operations_total",
                "Operations answered with a document, by OperationResult.",
                ("tenant", "leg", "operation", "result"),
                registry=registry,
            )
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

    def count_notices(
        self, tenant: str, channel: str, result: str, count: int, seconds: float | None
    ) -> None:
        """Count notices of one device; ``seconds`` is how long after the change it was told."""
        self._notices[tenant, channel, result].inc(count)
        if seconds is not None:
            self._notice_seconds[tenant, channel].observe_all([seconds] * count)

    def count_event(self, tenant: str, api: str, result: str, seconds: float | None) -> None:
        """Count an event for a sink; ``seconds`` is how long after it happened it was told."""
        self._events[tenant, api, result].inc(1)
        if seconds is not None:
            self._event_seconds[tenant, api].observe_all([max(seconds, 0.0)])

    def count_question(self, tenant: str, by: str, result: str) -> None:
        """Count a question out of band, or what became of one."""
        self._questions[tenant, by, result].inc()

    def count_order(self, tenant: str, app: str, state: str) -> None:
        """Count an order that came to a state."""
        self._orders[tenant, app, state].inc()

    def count_esim_refusal(self, tenant: str, app: str, reason: str) -> None:
        """Count a request for an eSIM that was refused."""
        self._esim_refusals[tenant, app, reason].inc()

    def count_doubt(self, tenant: str, parameter: str) -> None:
        """Count a parameter that has wrong check digits, or is missing."""
        self._doubts[tenant, parameter].inc()

    def count_smdp_call(self, smdp: str, status: int) -> None:
        """Count a call of an SM-DP+; ``smdp`` is empty where it is nobody we know."""
        self._smdp_calls[smdp, status].inc()

    def show_event_lag(self, topic: str, messages: int) -> None:
        """Show how many messages of a topic wait to be read."""
        self._event_lag[topic,].set(messages)

    def show_event_hub(self, hub: str, state: str, states: Iterable[str]) -> None:
        """Show the state that our registration at a hub is in, out of all there are."""
        for each in states:
            self._event_hubs[hub, each].set(each == state)

    def count_event_call(self, sender: str, status: int) -> None:
        """Count a call that brought events; ``sender`` is empty where it is nobody we know."""
        self._event_calls[sender, status].inc()

    def count_diameter(self, peer: str, result: str, seconds: float) -> None:
        """Count a Diameter request and what became of it."""
        self._diameter[peer, result].inc()
        self._diameter_seconds[peer,].observe_one(seconds)

    def show_diameter_peer(self, peer: str, state: str, states: Iterable[str]) -> None:
        """Show the state that a Diameter peer is in, out of all there are."""
        for each in states:
            self._diameter_peers[peer, each].set(each == state)

    def count_diameter_spared(self, hss: str) -> None:
        """Count a request that was not sent, to spare an HSS."""
        self._diameter_spared[hss,].inc()

    def count_network_event(self, event: str, result: str) -> None:
        """Count what a core network told, or that it was acted upon."""
        self._network_events[event, result].inc()

    def count_life_event(self, tenant: str, change: str, result: str) -> None:
        """Count what an operator's system told, or that it was acted upon."""
        self._life_events[tenant, change, result].inc()

    def count_network_data(self, source: str, result: str) -> None:
        """Count a question to a core network about a subscriber, and what became of it."""
        self._network_data[source, result].inc()

    def count_bss(self, bss: str, result: str) -> None:
        """Count a request that a BSS had to say something to."""
        self._bss[bss, result].inc()

    def show_bss(self, bss: str, *, away: bool) -> None:
        """Show whether a BSS answers."""
        self._bss_states[bss, "okay"].set(not away)
        self._bss_states[bss, "away"].set(away)

    def time_bss(self, bss: str, seconds: float) -> None:
        """Count how long a BSS took to answer."""
        self._bss_seconds[bss,].observe_one(seconds)

    def count_gsup(self, hlr: str, result: str, seconds: float) -> None:
        """Count a request to an HLR and what became of it."""
        self._gsup[hlr, result].inc()
        self._gsup_seconds[hlr,].observe_one(seconds)

    def show_hlr(self, hlr: str, state: str, states: Iterable[str]) -> None:
        """Show the state that an HLR is in, out of all there are."""
        for each in states:
            self._hlrs[hlr, each].set(each == state)

    def count_sbi(self, service: str, result: str, seconds: float) -> None:
        """Count a request to a service of a 5G core and what became of it."""
        self._sbi[service, result].inc()
        self._sbi_seconds[service,].observe_one(seconds)

    def show_sbi(self, service: str, instances: int) -> None:
        """Show how many instances of a service are known."""
        self._sbi_instances[service,].set(instances)

    def count_vectors(self, source: str, result: str, seconds: float) -> None:
        """Count a request to a source of vectors and what became of it."""
        self._vectors[source, result].inc()
        self._vector_seconds[source,].observe_one(seconds)

    def count_hedge(self, source: str, result: str) -> None:
        """Count a second request for a vector, to this source while another one took long."""
        self._hedges[source, result].inc()

    def show_source(self, source: str, state: str, states: Iterable[str]) -> None:
        """Show the state that a source of vectors is in, out of all there are."""
        for each in states:
            self._sources[source, each].set(each == state)

    def show_policy(self, tenant: str, version: str, *, decides: bool) -> None:
        """Show whether a published version of a policy is decided by."""
        self._policies[tenant, version].set(decides)

    def show_policy_refused(self, tenant: str, reason: str, *, refused: bool) -> None:
        """Show whether the newest policy of a tenant was not taken over, for this reason."""
        self._policies_refused[tenant, reason].set(refused)

    def watch_in_flight(self, number: Callable[[], int]) -> None:
        """Report how many requests are being handled, asked for when metrics are read."""
        self.registry.register(_InFlight(number))

    def count(self, finished: Iterable[tuple[Trail, float]]) -> None:
        """Count finished requests, each with the seconds it took.

        They are put together first: of many, nearly all are counted alike.
        """
        took: dict[tuple[str, str, int, str], list[float]] = {}
        waited: dict[str, list[float]] = {}
        verdicts: dict[tuple[str, int], list[Verdict]] = {}
        for trail, seconds in finished:
            kind = (trail.tenant, trail.leg, trail.status, trail.outcome)
            took.setdefault(kind, []).append(seconds)
            for peer, microseconds in trail.peers_us.items():
                waited.setdefault(peer, []).append(microseconds / 1e6)
            if trail.verdict is not None:
                # By identity: to tell whether two verdicts are equal costs more than they save.
                same = (trail.tenant, id(trail.verdict))
                verdicts.setdefault(same, []).append(trail.verdict)
            if trail.operation_result:
                done = (trail.tenant, trail.leg, trail.operation, trail.operation_result)
                self._operations[done].inc()
            if trail.unknown_apps:
                self._unknown_apps[trail.tenant,].inc(len(trail.unknown_apps))
        for kind, times in took.items():
            self._requests[kind].inc(len(times))
            self._seconds[kind[:2]].observe_all(times)
        for peer, times in waited.items():
            self._peers[peer,].observe_all(times)
        for (tenant, _), alike in verdicts.items():
            for each in alike[0].decisions:
                what = (tenant, each.question.feature, each.result, each.reason)
                self._decisions[what].inc(len(alike))


class _InFlight(Collector):
    """A gauge that costs nothing while nobody looks; of one process, not summed over workers."""

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number

    def collect(self) -> Iterable[Metric]:
        """Return the number of this moment."""
        gauge = GaugeMetricFamily("simgrant_in_flight", "Device requests being handled.")
        gauge.add_metric((), self._number())
        return (gauge,)
