"""What the metrics say of published policies, as lines for people (``/readyz``)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry


def policy_lines(registry: CollectorRegistry) -> str:
    """Return a line for each tenant that published: workers by version, and why not by the newest.

    Nothing where no tenant did.
    """
    found: dict[str, list[str]] = {}
    for family in registry.collect():
        for sample in family.samples:
            if sample.value and sample.name == "simgrant_policies":
                said = f"{sample.labels['version']} {sample.value:.0f}"
                found.setdefault(sample.labels["tenant"], []).insert(0, said)
            elif sample.value and sample.name == "simgrant_policies_refused":
                reason = sample.labels["reason"].replace("_", " ")
                said = f"newest not taken over: {reason} {sample.value:.0f}"
                found.setdefault(sample.labels["tenant"], []).append(said)
    return "".join(
        f"policy {tenant}: {'; '.join(said)}\n" for tenant, said in sorted(found.items())
    )
