"""Facts from what one read of the store gave: each with its source and age.

In two steps, since a phone's request needs only the first most of the time: what the facts are
made of is looked at for every request, and facts are made of it where nobody decided on the
like before (``flows.verdicts``), or where somebody wants to read them.
"""

from __future__ import annotations

from typing import NamedTuple

from simgrant.domain.facts import Area, Device, Fact, Facts
from simgrant.domain.policy import Policy
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    Profile,
    SubscriptionStatus,
)
from simgrant.domain.tenant import Tenant
from simgrant.identities import Imei
from simgrant.spec.ids import ProvStatus
from simgrant.wire.request import TerminalClaim

SUBSCRIPTION, LOCATION, REQUEST = "subscription", "location", "request"
TERMS, ADDRESS = "terms consent", "address consent"
EXPIRED = "expired"
"""State of a consent whose time is over."""


class View(NamedTuple):
    """What the facts are made of, but for their ages: equal views make equal facts."""

    status: SubscriptionStatus
    plan: str
    provisioning: ProvStatus
    terms: str
    """A `ConsentStatus`, ``expired``, or empty for a consent that was never given."""
    address: str
    area: Area
    visited_plmn: str


def look(profile: Profile, *, tenant: Tenant, now: float, roaming_max_age: int) -> View:
    """Return what a subscription's facts are made of now."""
    subscription = profile.subscription
    visited, area = "", Area.UNKNOWN
    if subscription.visited_plmn and now - subscription.visited_at <= roaming_max_age:
        visited = subscription.visited_plmn
        at_home = any(plmn.digits == visited for plmn in tenant.plmns)
        area = Area.HOME if at_home else Area.ROAMING
    return View(
        subscription.status,
        subscription.plan,
        subscription.provisioning,
        _state(profile.terms, now),
        _state(profile.address, now),
        area,
        visited,
    )


def times_of(profile: Profile, *, now: float) -> dict[str, int]:
    """Return when each source told what it told (Unix seconds), where it can grow old.

    A consent whose time is over has been missing since then.
    """
    subscription = profile.subscription
    found = {SUBSCRIPTION: subscription.changed_at}
    if profile.terms is not None:
        found[TERMS] = _since(profile.terms, now)
    if profile.address is not None:
        found[ADDRESS] = _since(profile.address, now)
    if subscription.visited_at:
        found[LOCATION] = subscription.visited_at
    return found


def device_of(claim: TerminalClaim) -> Device:
    """Return what the request says that the device is."""
    return Device(Imei.tac_of(claim.terminal_id), claim.vendor, claim.model, claim.sw_version)


def gather(
    view: View, device: Device, *, policy: Policy, times: dict[str, int] | None = None
) -> Facts:
    """Return everything that rules and services may look at; without ``times``, without ages."""
    at = (times or {}).get
    by_policy = f"policy {policy.version}"
    return Facts(
        status=Fact(view.status, SUBSCRIPTION, at(SUBSCRIPTION)),
        plan=Fact(view.plan, SUBSCRIPTION, at(SUBSCRIPTION)),
        features=Fact(policy.features_of(view.plan), by_policy),
        terms=_consent(ConsentKind.TERMS, view.terms, policy, TERMS, at(TERMS)),
        address=_consent(ConsentKind.ADDRESS, view.address, policy, ADDRESS, at(ADDRESS)),
        provisioning=Fact(view.provisioning, SUBSCRIPTION, at(SUBSCRIPTION)),
        area=Fact(view.area, LOCATION, at(LOCATION)),
        visited_plmn=Fact(view.visited_plmn, LOCATION, at(LOCATION)),
        device=Fact(device, REQUEST),
    )


def _state(consent: Consent | None, now: float) -> str:
    if consent is None:
        return ""
    over = consent.expires_at
    return EXPIRED if over is not None and now >= over else consent.status


def _since(consent: Consent, now: float) -> int:
    over = consent.expires_at
    return over if over is not None and now >= over else consent.at


def _consent(
    kind: ConsentKind, state: str, policy: Policy, source: str, at: int | None
) -> Fact[ConsentStatus]:
    if not policy.requires(kind):
        return Fact(ConsentStatus.NOT_REQUIRED, f"policy {policy.version}")
    if state in ("", EXPIRED):
        return Fact(ConsentStatus.MISSING, f"{source}, {state}".rstrip(", "), at)
    return Fact(ConsentStatus(state), source, at)
