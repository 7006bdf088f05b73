"""Vectors from an HSS over SWx, as a 3GPP AAA server asks for them (TS 29.273 §8).

No Server-Assignment is sent, so the AAA server that serves a subscriber stays his. The subscriber
is named by his IMSI, in digits: some HSSs gather every digit of a longer name.
"""

from __future__ import annotations

from typing import Final

from simgrant.eap.packet import Variant
from simgrant.links.diameter.events import Tell, Tells
from simgrant.links.diameter.hss import HssVectors, Interface
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.nouns import named_noun
from simgrant.wire.diameter.swx import APPLICATION, Command, pull_item, push_fixed, push_request
from simgrant.wire.diameter.told import pull_change, pull_deregistration
from simgrant.wire.diameter.vectors import Scheme

HANDLERS: Final[Tells] = {
    (APPLICATION, Command.REGISTRATION_TERMINATION): Tell(
        name="swx_registration_termination", pull=pull_deregistration
    ),
    (APPLICATION, Command.PUSH_PROFILE): Tell(name="swx_push_profile", pull=pull_change),
}
"""What an HSS may tell."""


@named_noun
class Config:
    """Which HSS, and what it has to know."""

    route: RouteConfig
    realm: str
    """Destination-Realm."""
    host: str = ""
    """Destination-Host; empty = whoever serves the realm."""
    network: str = "WLAN"
    """The access network that EAP-AKA' binds keys to (ANID); that of the EAP machine."""


def open_vectors(config: Config, *, node: DiameterNode) -> HssVectors:
    """Return the HSS as a source of vectors."""
    interface = Interface(
        application=APPLICATION,
        command=Command.MULTIMEDIA_AUTH,
        fixed=push_fixed(config.realm, config.host),
        schemes={Variant.AKA: Scheme.AKA, Variant.AKA_PRIME: Scheme.AKA_PRIME},
        push=push_request,
        pull=pull_item,
        network=config.network,
    )
    return HssVectors(config.route, interface, node)
