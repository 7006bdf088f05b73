"""Vectors from an HSS over S6a (S6d), as an SGSN asks for them (TS 29.272 §5.2.3).

Those of UTRAN are asked for, which have CK and IK; where an HSS answers with those of E-UTRAN all
the same, they are refused. EAP-AKA' is not to be had: in vectors of UTRAN the separation bit is 0,
and to those of E-UTRAN CK and IK are missing. No location is updated, so the subscriber stays with
his MME and SGSN.
"""

from __future__ import annotations

from typing import Final

from simgrant.eap.packet import Variant
from simgrant.links.diameter.events import DONE, Tell, Tells
from simgrant.links.diameter.hss import HssVectors, Interface
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.nouns import named_noun
from simgrant.wire.diameter.s6a import APPLICATION, Command, pull_item, push_fixed, push_request
from simgrant.wire.diameter.told import pull_cancellation, pull_change
from simgrant.wire.diameter.vectors import Scheme

HANDLERS: Final[Tells] = {
    # Who is not here need not be cancelled (TS 29.272 §5.2.1.2.2); a reset is about no user.
    (APPLICATION, Command.CANCEL_LOCATION): Tell(
        name="s6a_cancel_location", pull=pull_cancellation, unknown=DONE
    ),
    (APPLICATION, Command.RESET): Tell(name="s6a_reset", pull=None, unknown=DONE),
    (APPLICATION, Command.INSERT_SUBSCRIBER_DATA): Tell(
        name="s6a_insert_subscriber_data", pull=pull_change
    ),
    (APPLICATION, Command.DELETE_SUBSCRIBER_DATA): Tell(
        name="s6a_delete_subscriber_data", pull=pull_change
    ),
}
"""What an HSS may tell."""


@named_noun
class Config:
    """Which HSS, and what it has to know."""

    route: RouteConfig
    realm: str
    """Destination-Realm."""
    visited_plmn: str
    """The network that we say we ask from, such as 001-01."""
    host: str = ""
    """Destination-Host; empty = whoever serves the realm."""


def open_vectors(config: Config, *, node: DiameterNode) -> HssVectors:
    """Return the HSS as a source of vectors."""
    interface = Interface(
        application=APPLICATION,
        command=Command.AUTHENTICATION_INFORMATION,
        fixed=push_fixed(config.realm, config.host, visited_plmn=config.visited_plmn),
        schemes={Variant.AKA: Scheme.UTRAN},
        push=push_request,
        pull=pull_item,
    )
    return HssVectors(config.route, interface, node)
