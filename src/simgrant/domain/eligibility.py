"""What the operator's business support system tells of a subscription: eligibility, no decision.

A BSS tells some aspects and knows nothing of others. What it does not tell, our own store says.
"""

from __future__ import annotations

from dataclasses import field
from typing import Final, TypeAlias

from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.identities import Msisdn
from simgrant.nouns import Word, named_noun
from simgrant.spec.ids import ProvStatus


class Aspect(Word):
    """What a BSS can be asked about a subscription; each is a field of `Eligibility`."""

    STATUS = "status"
    PLAN = "plan"
    OPTIONS = "options"
    REFUSALS = "refusals"
    TERMS = "terms"
    ADDRESS = "address"
    PROVISIONING = "provisioning"
    VISITED_PLMN = "visited_plmn"
    MSISDN = "msisdn"
    NUMBER_TYPE = "number_type"
    PREPAID = "prepaid"
    PORT_FREEZE = "port_freeze"
    CUSTOMER_SINCE = "customer_since"
    SIM_SINCE = "sim_since"


Aspects: TypeAlias = frozenset[Aspect]
"""Some of them."""


@named_noun
class Eligibility:
    """What is told of a subscription; None = nothing is told of it."""

    status: SubscriptionStatus | None = None
    plan: str | None = None
    """A name of the tenant's policy."""
    options: frozenset[str] | None = None
    """Features of the policy that it has besides those of its plan."""
    refusals: frozenset[str] | None = None
    """Features that it may not have, whatever its plan says."""
    terms: ConsentStatus | None = None
    address: ConsentStatus | None = None
    provisioning: ProvStatus | None = None
    visited_plmn: str | None = field(default=None, repr=False)
    """Digits of MCC and MNC of the network that it is in; empty = not known."""
    msisdn: Msisdn | None = None
    number_type: NumberType | None = None
    prepaid: bool | None = None
    port_freeze: bool | None = None
    """Whether the line is locked against being moved."""
    customer_since: int | None = None
    """Unix seconds since when its subscriber is one."""
    sim_since: int | None = None
    """Unix seconds since when the line has its SIM."""


NOTHING_TOLD: Final = Eligibility()
