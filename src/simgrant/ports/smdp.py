"""Who makes profiles ready for eUICCs: an SM-DP+, asked over ES2+ (SGP.22 §5.3).

What every adapter promises:

- Each call ends by its deadline, in seconds of the monotonic clock. Give it five seconds or more:
  a deadline that ends while the connection is being made leaves an unknown outcome.
- It is sent at most once. Whoever repeats it gives the same ``call_id``.
- A value is returned only where the SM-DP+ said that it did what was asked, for this profile.
- What is none is one of three errors, told apart by what may be concluded: `Refused`, it was not
  done, and why; `NotReached`, it surely was not done; `UnknownOutcome`, nobody knows. All three
  are PeerUnavailable for who does not tell them apart.
- No ICCID, EID, matching id, code or password is in any error or log line.

The SM-DP+ does not tell what became of a call: write down what is to be done before it is asked.
"""

from __future__ import annotations

from dataclasses import field
from typing import Protocol

from simgrant.errors import PeerUnavailable
from simgrant.identities import Eid, Iccid
from simgrant.nouns import Word, named_noun
from simgrant.wire.es2plus import FinalStatus

__all__ = [
    "Cause",
    "Confirmed",
    "FinalStatus",
    "NotReached",
    "Refused",
    "Smdp",
    "Terms",
    "UnknownOutcome",
]


class Cause(Word):
    """Why an SM-DP+ did not do it (SGP.22 §5.2.6)."""

    OUT_OF_STOCK = "out_of_stock"
    """There is no profile of this type left."""
    IN_USE = "in_use"
    """The ICCID or the matching id belongs to an order; perhaps to ours, whose answer was lost."""
    ALREADY_RELEASED = "already_released"
    """Of releaseProfile: nothing is left to do."""
    WRONG_STATE = "wrong_state"
    """The profile is in a state in which this cannot be done with it."""
    OTHER_EID = "other_eid"
    """The profile is bound to another eUICC."""
    SMDS_DOWN = "smds_down"
    """The discovery server cannot be told; without it the order can be confirmed."""
    CONFIGURATION = "configuration"
    """What we may do, or what we named, is not what the SM-DP+ knows: nothing to try again."""
    OTHER = "other"


class Refused(PeerUnavailable):
    """The SM-DP+ answered that it did not do it."""

    def __init__(self, cause: Cause, *, subject: str, reason_code: str, for_operator: str) -> None:
        """``subject`` and ``reason_code`` are numbers of the specification, or empty."""
        super().__init__(cause.value, for_operator=for_operator)
        self.cause = cause
        self.subject = subject
        self.reason_code = reason_code


class NotReached(PeerUnavailable):
    """It surely was not done; ``retry_after`` says how long to wait, where that is known."""

    default_reason = "smdp_not_reached"


class UnknownOutcome(PeerUnavailable):
    """Nobody knows whether it was done."""

    default_reason = "smdp_outcome_unknown"


@named_noun
class Terms:
    """What was agreed with an SM-DP+, as far as callers need it."""

    name: str
    """Its name in the settings."""
    address: str
    """The name by which eUICCs reach it, as activation codes have it."""
    profile_types: tuple[str, ...] = ()
    """What may be ordered of it; empty = anything."""
    remembers_calls: bool = False
    """Whether it knows a call that comes again by its identifier, so that a repetition of
    downloadOrder reserves nothing more."""
    post_confirm_delay_s: float = 0.0
    """Seconds from a confirmed order until its profile can really be downloaded."""


@named_noun
class Confirmed:
    """An order that was confirmed."""

    matching_id: str = field(repr=False)
    """What the eUICC asks with; empty = its EID is enough. A credential."""
    smdp_address: str
    """Where it asks."""


class Smdp(Protocol):
    """One SM-DP+; see the module's docstring for what it promises."""

    @property
    def terms(self) -> Terms:
        """Return what was agreed with it."""

    async def download_order(
        self,
        call_id: str,
        *,
        iccid: Iccid | None = None,
        profile_type: str = "",
        eid: Eid | None = None,
        deadline: float,
    ) -> Iccid:
        """Reserve this profile, or one of this type, and return which it is."""

    async def confirm_order(
        self,
        call_id: str,
        *,
        iccid: Iccid,
        release: bool,
        eid: Eid | None = None,
        matching_id: str | None = None,
        confirmation_code: str = "",
        smds_address: str = "",
        deadline: float,
    ) -> Confirmed:
        """Make a reserved profile ready, and with ``release`` let it be downloaded.

        ``matching_id`` None lets the SM-DP+ choose one; the empty one leaves the EID as the only
        name of the order.
        """

    async def cancel_order(
        self,
        call_id: str,
        *,
        iccid: Iccid,
        final: FinalStatus = FinalStatus.AVAILABLE,
        eid: Eid | None = None,
        matching_id: str | None = None,
        deadline: float,
    ) -> None:
        """Give a profile back to the stock, or out of use, before it was downloaded."""

    async def release_profile(self, call_id: str, *, iccid: Iccid, deadline: float) -> None:
        """Let a confirmed profile be downloaded."""

    async def close(self) -> None:
        """Let go of every connection; calls under way end with `UnknownOutcome`."""
