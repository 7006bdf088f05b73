"""Vectors from the UDM of a 5G core, by Nudm_UEAuthentication (TS 29.503 §5.4).

As an HSS asks (generate-av), for EAP-AKA and EAP-AKA'; or as an AUSF asks (generate-auth-data),
where the UDM chooses the method and EAP-AKA' is the only one that is of use.
"""

from __future__ import annotations

from simgrant.links.sbi.service import SbiService
from simgrant.links.sbi.vectors import Interface, SbiVectors
from simgrant.nouns import named_noun
from simgrant.wire.sbi.ueau import Operation


@named_noun
class Config:
    """What the UDM is asked for."""

    as_ausf: bool = False
    """Ask with generate-auth-data."""
    network: str = "WLAN"
    """What EAP-AKA' binds keys to, that of the EAP machine: an access network identity, or for an
    AUSF the serving network name."""
    instance: str = ""
    """Our NF instance id, a UUID; an AUSF must have one."""


def open_vectors(config: Config, *, service: SbiService) -> SbiVectors:
    """Return the UDM as a source of vectors."""
    interface = Interface(
        operation=Operation.GENERATE_AUTH_DATA if config.as_ausf else Operation.GENERATE_AV,
        network=config.network,
        ausf=config.instance,
    )
    return SbiVectors(interface, service)
