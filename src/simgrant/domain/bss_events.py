"""What an operator's systems, or its core network, tell when a subscription changed.

An event is a hint: where somebody can be asked what holds now, he is. Else what it tells holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from simgrant.domain.eligibility import NOTHING_TOLD, Eligibility
from simgrant.domain.network_facts import Kind, Learned
from simgrant.identities import Iccid, Imsi, Msisdn
from simgrant.nouns import Word, named_noun

MOST_ID: Final = 128
"""Characters of an event's id."""
MOST_APIS: Final = 20
"""APIs that one word of a subscriber's is about."""


class Change(Word):
    """What happened."""

    PLAN_CHANGED = "plan_changed"
    OPTION_STARTED = "option_started"
    OPTION_ENDED = "option_ended"
    CONSENT_GIVEN = "consent_given"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    SIM_SWAPPED = "sim_swapped"
    IMSI_CHANGED = "imsi_changed"
    MSISDN_CHANGED = "msisdn_changed"
    PORTED_OUT = "ported_out"
    DEVICE_LOST = "device_lost"
    ROAMING_ENTERED = "roaming_entered"
    ROAMING_LEFT = "roaming_left"
    PROFILE_READY = "profile_ready"
    """An SM-DP+ has a profile ready."""
    CHANGED = "changed"
    """Something: whoever keeps what was told before has to ask anew."""


@named_noun
class ToldConsent:
    """What a subscriber said yes or no to: one consumer of partner APIs, and one purpose of its."""

    client_id: str
    application: str = ""
    """Only this one of the consumer's; empty = all."""
    purpose: str
    """W3C DPV, without the prefix."""
    apis: tuple[str, ...]
    """At least one, at most `MOST_APIS`."""
    expires_at: int | None = None
    """Unix seconds until when it is given; None = until it is withdrawn."""
    evidence: str = field(default="", repr=False)
    """What shows it to a third party; empty = the event's id does."""


@named_noun
class BssEvent:
    """One event; it names its subscription by IMSI, by number, or by both."""

    event_id: str
    """What its sender calls it: the same event may come often."""
    change: Change
    at: int
    """Unix seconds at which it happened, as the sender says."""
    imsi: Imsi | None = None
    msisdn: Msisdn | None = None
    told: Eligibility = NOTHING_TOLD
    """What holds since then, as far as it is told."""
    new_imsi: Imsi | None = None
    """For `IMSI_CHANGED`, and for a SIM swap that changed it."""
    iccid: Iccid | None = None
    """Of the new SIM, or of the profile that is ready."""
    terminal_id: str = field(default="", repr=False)
    """Of the device that is lost."""
    learned: Mapping[Kind, Learned] | None = field(default=None, hash=False)
    """Where a core network tells: what it had said until then, by which devices were told."""
    api_consent: ToldConsent | None = None
    """For `CONSENT_GIVEN` and `CONSENT_WITHDRAWN`: the event is about this and nothing else. Those
    without it are about the terms of our own services."""
