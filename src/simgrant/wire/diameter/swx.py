"""Vectors over SWx: Multimedia-Auth of an AAA server (TS 29.273 §8.1.2.1, §8.2.2.1)."""

from __future__ import annotations

from typing import Final

from simgrant.nouns import Number, replace
from simgrant.spec.diameter import dictionary
from simgrant.wire.diameter.avps import ANID, RAT_TYPE
from simgrant.wire.diameter.base import push_destination
from simgrant.wire.diameter.message import Avps
from simgrant.wire.diameter.multimedia_auth import (
    ONE_VECTOR,
    pull_item,
    pull_wanted,
    push_item,
    push_wanted,
)
from simgrant.wire.diameter.vectors import Wanted

__all__ = ["pull_item", "push_item"]

APPLICATION: Final = dictionary().applications["3GPP SWx"].id
_WLAN: Final = 0


class Command(Number):
    """Commands of SWx."""

    SERVER_ASSIGNMENT = 301
    MULTIMEDIA_AUTH = 303
    REGISTRATION_TERMINATION = 304
    PUSH_PROFILE = 305


def push_fixed(realm: str, host: str) -> bytes:
    """Return the AVPs that every request to one HSS has; ``host`` empty = any of the realm."""
    return push_destination(APPLICATION, realm, host) + RAT_TYPE.push(_WLAN) + ONE_VECTOR


def push_request(wanted: Wanted) -> bytes:
    """Return the AVPs of a MAR that are its own."""
    network = ANID.push(wanted.network) if wanted.network else b""
    return push_wanted(wanted) + network


def pull_request(avps: Avps) -> Wanted:
    """Return what a MAR asks for; BadDiameter."""
    return replace(pull_wanted(avps), network=avps.get(ANID) or "")
