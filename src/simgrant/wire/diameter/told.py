"""What an HSS tells of a user: whether he has ended, and why (TS 29.229, 29.272, 29.273)."""

from __future__ import annotations

from typing import Final

from simgrant.nouns import Number, noun
from simgrant.wire.diameter.avps import CANCELLATION_TYPE, DEREGISTRATION_REASON, REASON_CODE
from simgrant.wire.diameter.message import Avps


class DeregistrationReason(Number):
    """Why a registration ends (TS 29.229 §6.3.17)."""

    PERMANENT_TERMINATION = 0
    NEW_SERVER_ASSIGNED = 1
    SERVER_CHANGE = 2
    REMOVE_S_CSCF = 3


class CancellationType(Number):
    """Why a location is cancelled (TS 29.272 §7.3.24)."""

    MME_UPDATE_PROCEDURE = 0
    SGSN_UPDATE_PROCEDURE = 1
    SUBSCRIPTION_WITHDRAWAL = 2
    UPDATE_PROCEDURE_IWF = 3
    INITIAL_ATTACH_PROCEDURE = 4


UNSAID: Final = "unsaid"
"""The cause where none came, or one that has no name."""


@noun
class Ending:
    """What a request tells of a user."""

    cause: str
    """The name of the reason in lower case; empty where there is none to tell."""
    for_good: bool
    """Whether the subscription is over, not only its place. Who does not say why means that."""


def pull_deregistration(avps: Avps) -> Ending:
    """Return what a Registration-Termination tells; BadDiameter."""
    group = avps.get(DEREGISTRATION_REASON)
    code = None if group is None else group.get(REASON_CODE)
    if code not in tuple(DeregistrationReason):
        return Ending(UNSAID, for_good=True)
    reason = DeregistrationReason(code)
    gone = reason is DeregistrationReason.PERMANENT_TERMINATION
    return Ending(reason.name.lower(), for_good=gone)


def pull_cancellation(avps: Avps) -> Ending:
    """Return what a Cancel-Location tells; BadDiameter."""
    code = avps.get(CANCELLATION_TYPE)
    if code not in tuple(CancellationType):
        return Ending(UNSAID, for_good=True)
    kind = CancellationType(code)
    return Ending(kind.name.lower(), for_good=kind is CancellationType.SUBSCRIPTION_WITHDRAWAL)


def pull_change(avps: Avps) -> Ending:
    """Return what a request tells that is about a changed profile: that nothing ended."""
    del avps
    return Ending("", for_good=False)
