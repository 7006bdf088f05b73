"""Which of several SM-DP+s a new order's profile comes from: the first rule that fits it.

The rules behind it are for when none is left there.
"""

from __future__ import annotations

from collections.abc import Sequence

from simgrant.domain.order import Device, Order, Source
from simgrant.identities import Eid
from simgrant.nouns import named_noun, replace


@named_noun
class SourceRule:
    """An SM-DP+, and which orders are for it: those that fit every condition it has."""

    smdp: str
    """Its name in the settings."""
    profile_type: str = ""
    """What it calls these profiles; empty = what the order does."""
    pooled: bool | None = None
    """Whether the ICCID is of our own stock; None = as the order's source says."""
    eid_prefixes: tuple[str, ...] = ()
    eid_ranges: tuple[tuple[str, str], ...] = ()
    """First and last EID; one of these or of the prefixes has to fit, where there are any."""
    profile_types: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    """In lower case."""
    share: float = 1.0
    """How much of what fits comes from here, 0 to 1."""


def choose(rules: Sequence[SourceRule], order: Order, draw: float) -> tuple[Source, ...]:
    """Return where an order's profile comes from, best first; its own source is the last of all.

    Whatever comes after the first is for when there is none left. A rule whose share does not have
    this device is passed over in any case, so that no share is ever more than it says.
    ``draw`` is a number of this device's from 0 to below 1, the same whenever it asks: with equal
    rules the same device is led to the same SM-DP+s.
    """
    source = order.source
    found = []
    for rule in rules:
        if not _fits(rule, order.device, source):
            continue
        # Either way what is left is spread evenly again: shares further down are of the rest.
        if draw < rule.share or rule.share == 1:
            found.append(
                replace(
                    source,
                    smdp=rule.smdp,
                    profile_type=rule.profile_type or source.profile_type,
                    pooled=source.pooled if rule.pooled is None else rule.pooled,
                )
            )
            draw /= rule.share
        else:
            draw = (draw - rule.share) / (1 - rule.share)
    return tuple(dict.fromkeys((*found, source)))


def _fits(rule: SourceRule, device: Device, source: Source) -> bool:
    return (
        _has_eid(rule, device.eid)
        and (not rule.profile_types or source.profile_type in rule.profile_types)
        and (not rule.vendors or device.vendor.strip().lower() in rule.vendors)
    )


def _has_eid(rule: SourceRule, eid: Eid | None) -> bool:
    if not rule.eid_prefixes and not rule.eid_ranges:
        return True
    if eid is None:
        return False
    return eid.digits.startswith(rule.eid_prefixes) or any(
        first <= eid.digits <= last for first, last in rule.eid_ranges
    )
