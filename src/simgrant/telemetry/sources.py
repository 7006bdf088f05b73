"""What the metrics say of the operator's systems, as lines for people (``/readyz``).

First the sources of vectors, then the connections to whatever is behind them: Diameter peers, which
AAA servers have too, HLRs, and the services of a 5G core; then business support systems, and
hubs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

from simgrant.nouns import named_noun

_OURS: Final = "local_auc"
"""Our own AuC: it is as well as the store, and that is what readiness is about."""


@named_noun
class _Kind:
    """Metrics of one kind of things."""

    word: str
    """Before its name."""
    label: str
    """That has its name."""
    states: str
    seconds: str
    requests: str


_KINDS: Final = (
    _Kind(
        word="",
        label="source",
        states="simgrant_vector_sources",
        seconds="simgrant_vector_seconds",
        requests="simgrant_vector_requests_total",
    ),
    _Kind(
        word="diameter ",
        label="peer",
        states="simgrant_diameter_peers",
        seconds="simgrant_diameter_seconds",
        requests="simgrant_diameter_requests_total",
    ),
    _Kind(
        word="gsup ",
        label="hlr",
        states="simgrant_hlrs",
        seconds="simgrant_gsup_seconds",
        requests="simgrant_gsup_requests_total",
    ),
    _Kind(
        word="sbi ",
        label="service",
        states="simgrant_sbi_instances",
        seconds="simgrant_sbi_seconds",
        requests="simgrant_sbi_requests_total",
    ),
    _Kind(
        word="",
        label="bss",
        states="simgrant_bss_states",
        seconds="simgrant_bss_seconds",
        requests="simgrant_bss_total",
    ),
    _Kind(
        word="hub ",
        label="hub",
        states="simgrant_event_hubs",
        # What is asked there is asked seldom, and is in the log.
        seconds="",
        requests="",
    ),
)


def source_lines(registry: CollectorRegistry) -> str:
    """Return a line for each: workers by state, mean time in ms, requests by result."""
    samples: dict[str, list[Sample]] = {}
    for family in registry.collect():
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample)
    return "".join(line for kind in _KINDS for line in _lines(kind, samples))


def _lines(kind: _Kind, samples: Mapping[str, list[Sample]]) -> Iterator[str]:
    wanted = (kind.states, f"{kind.seconds}_count", f"{kind.seconds}_sum", kind.requests)
    by_name: dict[str, list[list[Sample]]] = {}
    for place, metric in enumerate(wanted):
        for sample in samples.get(metric, ()):
            found = by_name.setdefault(sample.labels[kind.label], [[], [], [], []])
            found[place].append(sample)
    for name, found in sorted(by_name.items()):
        if name != _OURS:
            yield f"{kind.word}{name}: {'; '.join(filter(None, _parts(*found)))}\n"


def _parts(
    states: list[Sample], counts: list[Sample], sums: list[Sample], requests: list[Sample]
) -> Iterator[str]:
    yield _listed(states, "state", "instances")
    count, total = (sum(each.value for each in found) for found in (counts, sums))
    if count:
        yield f"{total / count * 1000:.1f} ms"
        yield _listed(requests, "result", "")


def _listed(samples: list[Sample], label: str, usual: str) -> str:
    return ", ".join(
        f"{each.labels.get(label, usual)} {each.value:.0f}" for each in samples if each.value
    )
