"""Counting many requests together comes to what counting each on its own does."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from simgrant.domain.facts import Area, Question
from simgrant.domain.policy import Decision, Result
from simgrant.domain.trail import Trail, Verdict
from simgrant.telemetry.metrics import Metrics, Timings

BOUNDS = (0.001, 0.01, 0.1, 1.0)
SECONDS = st.one_of(st.sampled_from((0.0, *BOUNDS, math.nextafter(0.01, 1))), st.floats(0, 5))


def samples(kind: type[Histogram], seconds: list[float]) -> dict[tuple[str, str], float]:
    registry = CollectorRegistry()
    histogram = kind("took", "How long.", buckets=BOUNDS, registry=registry)
    if isinstance(histogram, Timings):
        histogram.observe_all(seconds)
    else:
        for each in seconds:
            histogram.observe(each)
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(SECONDS, max_size=70))
def test_observing_all_at_once_is_observing_each(seconds: list[float]) -> None:
    together, singly = samples(Timings, seconds), samples(Histogram, seconds)
    total = ("took_sum", "")
    assert math.isclose(together.pop(total), singly.pop(total), abs_tol=1e-12)
    assert together == singly


def verdict(*features: str) -> Verdict:
    decisions = (
        Decision(Question(feature, Area.HOME), Result.ALLOWED, "in_plan", "in-plan", "1", {})
        for feature in features
    )
    return Verdict(tuple(decisions), b"")


def trail(tenant: str, status: int, said: Verdict | None = None) -> Trail:
    outcome = "document" if said else "token_revoked"
    made = Trail(request_id="1", tenant=tenant, leg="token", verdict=said)
    made.status, made.outcome, made.peers_us = status, outcome, {"store": 2000}
    return made


def test_each_request_is_counted_where_it_belongs() -> None:
    registry = CollectorRegistry()
    both, one = verdict("volte", "vonr"), verdict("volte")
    trails = [
        trail("blue", 200, both),
        trail("blue", 200, both),
        trail("blue", 200, one),
        trail("red", 200, both),
        trail("red", 511),
    ]
    trails[4].unknown_apps = ("ap1", "ap2")
    metrics = Metrics(registry)
    metrics.count((each, 0.002) for each in trails)
    metrics.count([(trail("red", 511), 0.02)])

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"simgrant_{name}", labels)

    document = {"leg": "token", "status": "200", "outcome": "document"}
    refused = {"leg": "token", "status": "511", "outcome": "token_revoked"}
    assert value("requests_total", tenant="blue", **document) == 3
    assert value("requests_total", tenant="red", **document) == 1
    assert value("requests_total", tenant="red", **refused) == 2
    allowed = {"result": "allowed", "reason": "in_plan"}
    assert value("decisions_total", tenant="blue", feature="volte", **allowed) == 3
    assert value("decisions_total", tenant="blue", feature="vonr", **allowed) == 2
    assert value("decisions_total", tenant="red", feature="volte", **allowed) == 1
    assert value("request_seconds_count", tenant="red", leg="token") == 3
    assert value("request_seconds_bucket", tenant="red", leg="token", le="0.0025") == 2
    assert value("peer_seconds_count", peer="store") == 6
    assert value("unknown_apps_total", tenant="red") == 2
