"""Facts from what one read of the store gave: each with its source and age."""

from __future__ import annotations

from simgrant.domain.facts import Area, Device, Fact, Facts
from simgrant.domain.policy import Policy
from simgrant.domain.subscription import Consent, ConsentKind, ConsentStatus, Profile
from simgrant.domain.tenant import Tenant
from simgrant.identities import Imei
from simgrant.wire.request import TerminalClaim

_STORE = "subscription"


def gather(
    profile: Profile,
    claim: TerminalClaim,
    *,
    policy: Policy,
    tenant: Tenant,
    now: float,
    roaming_max_age: int,
) -> Facts:
    """Return everything that rules and services may look at."""
    subscription = profile.subscription
    changed = subscription.changed_at
    visited, area = "", Area.UNKNOWN
    if subscription.visited_plmn and now - subscription.visited_at <= roaming_max_age:
        visited = subscription.visited_plmn
        at_home = any(plmn.digits == visited for plmn in tenant.plmns)
        area = Area.HOME if at_home else Area.ROAMING
    seen = subscription.visited_at or None
    imei = Imei.maybe(claim.terminal_id)
    return Facts(
        status=Fact(subscription.status, _STORE, changed),
        plan=Fact(subscription.plan, _STORE, changed),
        features=Fact(policy.features_of(subscription.plan), f"policy {policy.version}"),
        terms=_consent(ConsentKind.TERMS, profile.terms, policy, now),
        address=_consent(ConsentKind.ADDRESS, profile.address, policy, now),
        provisioning=Fact(subscription.provisioning, _STORE, changed),
        area=Fact(area, _STORE, seen),
        visited_plmn=Fact(visited, _STORE, seen),
        device=Fact(
            Device(
                tac=imei.tac if imei else "",
                vendor=claim.vendor,
                model=claim.model,
                sw_version=claim.sw_version,
            ),
            "request",
        ),
    )


def _consent(
    kind: ConsentKind, consent: Consent | None, policy: Policy, now: float
) -> Fact[ConsentStatus]:
    if not policy.requires(kind):
        return Fact(ConsentStatus.NOT_REQUIRED, f"policy {policy.version}")
    if consent is None:
        return Fact(ConsentStatus.MISSING, "consent")
    if consent.expires_at is not None and now >= consent.expires_at:
        return Fact(ConsentStatus.MISSING, "consent expired", consent.expires_at)
    return Fact(consent.status, "consent", consent.at)
