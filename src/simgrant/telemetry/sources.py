"""What the metrics say of the sources of vectors, as lines for people (``/readyz``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

_OURS: Final = "local_auc"
"""Our own AuC: it is as well as the store, and that is what readiness is about."""


def source_lines(registry: CollectorRegistry) -> str:
    """Return a line for each source: workers by state, mean time in ms, requests by result."""
    found: dict[str, dict[str, list[Sample]]] = {}
    for family in registry.collect():
        if family.name.startswith("simgrant_vector_"):
            for sample in family.samples:
                by_name = found.setdefault(sample.labels.get("source", _OURS), {})
                by_name.setdefault(sample.name, []).append(sample)
    return "".join(
        f"{source}: {'; '.join(_parts(by_name))}\n"
        for source, by_name in sorted(found.items())
        if source != _OURS
    )


def _parts(by_name: Mapping[str, list[Sample]]) -> list[str]:
    parts = [_listed(by_name.get("simgrant_vector_sources", []), "state")]
    count, total = (
        sum(sample.value for sample in by_name.get(f"simgrant_vector_seconds_{end}", []))
        for end in ("count", "sum")
    )
    if count:
        parts.append(f"{total / count * 1000:.1f} ms")
        parts.append(_listed(by_name.get("simgrant_vector_requests_total", []), "result"))
    return parts


def _listed(samples: list[Sample], label: str) -> str:
    return ", ".join(f"{each.labels[label]} {each.value:.0f}" for each in samples if each.value)
