"""Why a device may have an eSIM or not: the rules' own functions, for a supposed request.

Nobody proved anything and nothing is ordered; what is counted is told as it stands.
"""

from __future__ import annotations

from simgrant.domain.facts import Device as DeviceFact
from simgrant.domain.facts import Facts
from simgrant.domain.order import Device, Kind
from simgrant.domain.pace import exceeded
from simgrant.domain.policy import Decision, Policy
from simgrant.domain.risk import Way
from simgrant.domain.subscription import Subscription
from simgrant.domain.told import Told
from simgrant.flows.device_lists import DeviceLists
from simgrant.flows.esim_means import FEATURES, Conditions, Line
from simgrant.flows.esim_rules import Target, activation_facts, by_bss, decide
from simgrant.flows.gather import View
from simgrant.nouns import noun
from simgrant.ports.orders import Orders
from simgrant.ports.risk import RiskSource
from simgrant.spec.ids import AppId

ESIM_APPS = frozenset(app.value for app in FEATURES)


@noun
class Supposed:
    """What is supposed of the request."""

    device: Device | None = None
    """Who would get the eSIM; None = not named."""
    kind: Kind = Kind.SUBSCRIBE
    proof: Way = Way.SIM


@noun
class Sources:
    """Where what has to be known comes from."""

    risk: RiskSource
    orders: Orders
    lists: DeviceLists
    line: Line | None
    """What the tenant offers to the application; None = nothing."""


async def explain_esim(
    supposed: Supposed,
    sources: Sources,
    subscription: Subscription,
    told: Told | None,
    view: View,
    *,
    app_id: str,
    asking: DeviceFact,
    terminal_id: str,
    policy: Policy,
    times: dict[str, int],
    now: float,
) -> tuple[Facts, Decision, str]:
    """Return the facts, what the policy says, and which limit is in the way (empty = none)."""
    tenant, imsi, at = subscription.tenant, subscription.imsi, int(now)
    line = sources.line
    conditions = line.conditions if line is not None else Conditions()
    facts = activation_facts(
        view,
        Target(supposed.device, supposed.kind, beforehand=True),
        conditions,
        asking=asking,
        proof=supposed.proof,
        holder_proof=Way.SIM if supposed.proof is Way.TEMPORARY_TOKEN else supposed.proof,
        risk=by_bss(await sources.risk.of(subscription, terminal_id), told),
        policy=policy,
        lists=sources.lists,
        times=times,
        at=at,
    )
    decision = decide(policy, AppId(app_id), facts)
    if line is None:
        return facts, decision, "not_offered"
    device = supposed.device or Device("", None)
    used = await sources.orders.used(tenant, imsi, device, conditions.pace, at=at)
    return facts, decision, exceeded(conditions.pace, used)
