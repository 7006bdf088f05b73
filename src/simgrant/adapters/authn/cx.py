"""Vectors from an HSS over Cx, as an S-CSCF asks for them (TS 29.228 §6.3).

They are those of IMS AKA, which have CK and IK. EAP-AKA' is not to be had: the HSS has no reason to
set the separation bit in their AMF. No Server-Assignment is sent, but an HSS may keep Server-Name
with the subscriber until his next registration: give it a name that its people chose.
"""

from __future__ import annotations

from typing import Final

from simgrant.eap.packet import Variant
from simgrant.links.diameter.events import Tell, Tells
from simgrant.links.diameter.hss import HssVectors, Interface
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.nouns import named_noun
from simgrant.wire.diameter.cx import APPLICATION, Command, pull_item, push_fixed, push_request
from simgrant.wire.diameter.told import pull_change, pull_deregistration
from simgrant.wire.diameter.vectors import Scheme

HANDLERS: Final[Tells] = {
    (APPLICATION, Command.REGISTRATION_TERMINATION): Tell(
        name="cx_registration_termination", pull=pull_deregistration
    ),
    (APPLICATION, Command.PUSH_PROFILE): Tell(name="cx_push_profile", pull=pull_change),
}
"""What an HSS may tell."""


@named_noun
class Config:
    """Which HSS, and what it has to know."""

    route: RouteConfig
    realm: str
    """Destination-Realm."""
    domain: str
    """The home network domain of private identities: they are IMSI@domain."""
    server_name: str
    """The SIP URI that we say we are (Server-Name)."""
    host: str = ""
    """Destination-Host; empty = whoever serves the realm."""


def open_vectors(config: Config, *, node: DiameterNode) -> HssVectors:
    """Return the HSS as a source of vectors."""
    interface = Interface(
        application=APPLICATION,
        command=Command.MULTIMEDIA_AUTH,
        fixed=push_fixed(config.realm, config.host, server_name=config.server_name),
        schemes={Variant.AKA: Scheme.IMS_AKA},
        push=push_request,
        pull=pull_item,
        domain=f"@{config.domain}",
    )
    return HssVectors(config.route, interface, node)
