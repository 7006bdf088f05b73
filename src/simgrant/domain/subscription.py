"""What we know of a subscription, its consents and its terminals."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from simgrant.domain.companions import NOT_COUNTED, Counted
from simgrant.domain.holdings import NOTHING, Holdings
from simgrant.domain.network_facts import NOTHING_HEARD, Heard
from simgrant.identities import Imsi, Msisdn
from simgrant.nouns import Word, noun
from simgrant.spec.ids import ProvStatus

if TYPE_CHECKING:
    from simgrant.domain.told import Told  # which is about a subscription


class SubscriptionStatus(Word):
    """The life of a subscription as the operator's BSS sees it."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    """Authenticates, and is told "no service" in a document with the operator's text."""
    BARRED = "barred"
    """Refused with 403, its tokens with 511."""
    REMOVED = "removed"
    """Gone; kept as a tombstone so that its tokens stay refused."""


SERVED = frozenset({SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED})
"""The states in which a device gets a document at all."""


class ConsentKind(Word):
    """What a subscriber has to give before a service starts."""

    TERMS = "terms"
    ADDRESS = "address"


class ConsentStatus(Word):
    """How far a consent is; maps to AddrStatus and TC_Status (TS.43 Tables 16, 17)."""

    MISSING = "missing"
    GIVEN = "given"
    NOT_REQUIRED = "not_required"
    IN_PROGRESS = "in_progress"


@noun
class Consent:
    """One consent of one subscription."""

    kind: ConsentKind
    status: ConsentStatus
    version: str = ""
    """Which text was agreed to, or the identifier of the address (TS.43 AddrIdentifier)."""
    at: int = 0
    """Unix seconds when it took this status."""
    expires_at: int | None = None
    """Unix seconds after which it counts as missing; None = never."""


@noun
class Subscription:
    """A SIM's contract with the operator, as the store keeps it."""

    tenant: str
    imsi: Imsi
    msisdn: Msisdn | None
    status: SubscriptionStatus
    plan: str
    """Name of a plan in the tenant's policy."""
    gid1: str = ""
    provisioning: ProvStatus = ProvStatus.NOT_REQUIRED
    """State of VoWiFi in the network, where the operator provisions it per line."""
    visited_plmn: str = ""
    """Digits of MCC and MNC of the network it was last seen in; empty = never told."""
    visited_at: int = 0
    """Unix seconds of ``visited_plmn``."""
    token_epoch: int = 0
    """Raised to revoke every token of the subscription at once."""
    created_at: int = 0
    changed_at: int = 0


@noun
class Terminal:
    """A device that authenticated with a subscription's SIM."""

    terminal_id: str = field(repr=False)
    """IMEI or UUID as the device says it (TS.43 Table 4); self-asserted."""
    vendor: str = ""
    model: str = ""
    sw_version: str = ""
    seen_at: int = 0
    """Unix seconds of its last full authentication."""
    first_at: int = 0
    """Unix seconds of its first one with this SIM, as far as it is known."""


@noun
class Profile:
    """All that one request needs to know of a subscription, from one read."""

    subscription: Subscription
    terms: Consent | None
    address: Consent | None
    terminal_epoch: int | None
    """Token epoch of the asking client's grant, raised with those of all clients of its
    terminal; None without a grant: this client never authenticated there."""
    granted_at: int | None = None
    """Unix seconds at which the asking client's newest token was issued; None = never."""
    held: Holdings = NOTHING
    """What services for data, satellite and billing look at."""
    heard: Heard = NOTHING_HEARD
    """What core networks said, where that is looked at."""
    told: Told | None = None
    """What the BSS told, which is in the place of the store's own already; None = it tells
    nothing here."""
    kept: Told | None = None
    """What it told once, as the store has it, where that was read too: `NEVER_TOLD` where there is
    nothing. None = nobody looked."""
    counted: Counted = NOT_COUNTED
    """How many companions there are, where that is looked at."""


@noun
class PushRegistration:
    """Where a terminal wants to be told of changes (TS.43 §2.6.2)."""

    terminal_id: str = field(repr=False)
    app_id: str
    app_name: str
    action: int
    """notif_action: 0 removes the registration (TS.43 Table 4)."""
    token: str = field(repr=False)
    at: int
