"""The demonstration subscriptions: test SIMs with published keys, one for each story.

All have Ki and OPc of TS 35.207 test set 1, so they are good for nothing but
tests, and their IMSIs are in the test network 001-01.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from simgrant.domain.tenant import Tenant
from simgrant.flows.subscriptions import Context, Draft, draft
from simgrant.identities import Imsi
from simgrant.nouns import noun

KI: Final = "465b5ce8b199b49faa5f0a2ee238a6bc"
"""K of test set 1 (TS 35.207 §4.3)."""
OPC: Final = "cd63cb71954a9f4e48a5994e37a02baf"
"""OPc of the same set."""


@noun
class DemoSim:
    """One demonstration subscription."""

    imsi: str
    story: str
    """What it shows, for people."""
    row: Mapping[str, str]
    """Its columns beside IMSI and keys."""


_READY: Final = {"terms": "given", "address": "given"}

SIMS: Final = tuple(
    DemoSim(
        f"00101000000000{number}",
        story,
        MappingProxyType({"msisdn": f"+44770090000{number}", **row}),
    )
    for number, (story, row) in enumerate(
        (
            ("has everything", {"plan": "standard", **_READY}),
            ("has a plan without VoWiFi", {"plan": "basic", **_READY}),
            ("has not accepted the terms", {"plan": "standard"}),
            ("is suspended", {"plan": "standard", "status": "suspended", **_READY}),
            ("may use everything at home only", {"plan": "home", **_READY}),
        ),
        start=1,
    )
)
"""The demonstration subscriptions, by IMSI."""


def drafts(tenant: Tenant, *, now: int) -> list[Draft]:
    """Return those demonstration subscriptions that the tenant's networks allow."""
    context = Context(tenant, {sim.row["plan"] for sim in SIMS}, now)
    return [
        draft({"imsi": sim.imsi, "k": KI, "opc": OPC, **sim.row}, context)
        for sim in SIMS
        if tenant.serves(Imsi(sim.imsi))
    ]
