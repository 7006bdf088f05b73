"""Vectors over Cx: Multimedia-Auth of an S-CSCF (TS 29.228 §6.3, TS 29.229 §6.1.7)."""

from __future__ import annotations

from typing import Final

from simgrant.nouns import Number
from simgrant.spec.diameter import dictionary
from simgrant.wire.diameter.avps import PUBLIC_IDENTITY, SERVER_NAME
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

APPLICATION: Final = dictionary().applications["3GPP Cx"].id


class Command(Number):
    """Commands of Cx that we send or are sent."""

    MULTIMEDIA_AUTH = 303
    REGISTRATION_TERMINATION = 304
    PUSH_PROFILE = 305


def push_fixed(realm: str, host: str, *, server_name: str) -> bytes:
    """Return the AVPs that every request to one HSS has; ``host`` empty = any of the realm."""
    return push_destination(APPLICATION, realm, host) + SERVER_NAME.push(server_name) + ONE_VECTOR


def push_request(wanted: Wanted) -> bytes:
    """Return the AVPs of a MAR that are its own.

    User-Name is the private identity, and the public one is made of it as a phone without an ISIM
    does (TS 23.003 §13.3, §13.4B).
    """
    return push_wanted(wanted) + PUBLIC_IDENTITY.push(f"sip:{wanted.user_name}")


def pull_request(avps: Avps) -> Wanted:
    """Return what a MAR asks for; BadDiameter, also where it lacks what Cx demands."""
    avps.need(PUBLIC_IDENTITY)
    avps.need(SERVER_NAME)
    return pull_wanted(avps)
