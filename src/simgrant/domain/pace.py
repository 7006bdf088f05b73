"""How many eSIM orders may be made in a while, and for how many lines one eUICC may be used.

Pure, so that the question beforehand (CheckEligibility) and the transaction that makes an order
come to the same.
"""

from __future__ import annotations

from typing import Final

from simgrant.domain.order import Device
from simgrant.identities import Imei
from simgrant.nouns import noun

MOST_WINDOW_S: Final = 31 * 86_400
"""Seconds after which nobody counts an order any more."""


@noun
class Pace:
    """What is allowed; 0 = no limit."""

    window_s: int = 86_400
    per_line: int = 0
    per_eid: int = 0
    per_imei: int = 0
    lines_per_eid: int = 0


@noun
class Used:
    """What has been made of it, the order in question not counted."""

    line: int = 0
    """Orders of the subscription, in the window."""
    eid: int = 0
    """Orders for this eUICC, whosoever they were, in the window."""
    imei: int = 0
    """Orders for this device, likewise."""
    other_lines: int = 0
    """Other subscriptions that have a profile on this eUICC, or are about to."""


def exceeded(pace: Pace, used: Used) -> str:
    """Return the reason why there may not be one more; empty where there may."""
    for limit, count, reason in (
        (pace.lines_per_eid, used.other_lines, "eid_of_another"),
        (pace.per_line, used.line, "too_often_for_line"),
        (pace.per_eid, used.eid, "too_often_for_eid"),
        (pace.per_imei, used.imei, "too_often_for_imei"),
    ):
        if limit and count >= limit:
            return reason
    return ""


def eid_subject(device: Device) -> str:
    """Return the name of an eUICC that orders are counted by; empty where it is not known."""
    return f"eid {device.eid.digits}" if device.eid is not None else ""


def terminal_subject(device: Device) -> str:
    """Return the name of a device that orders are counted by.

    Of an IMEI the 14 digits that name the device: check digit and version of the software may be
    written, or not.
    """
    terminal_id = device.terminal_id
    if Imei.tac_of(terminal_id):
        return f"imei {terminal_id[:14]}"
    return f"id {terminal_id.lower()}" if terminal_id else ""
