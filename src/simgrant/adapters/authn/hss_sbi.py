"""Vectors from an HSS with service-based interfaces (TS 29.562 §5.4, §6.5).

As a BSF asks (Nhss_gbaUEAU), which changes nothing for the subscriber, or as an S-CSCF asks
(Nhss_imsUEAU). Both have vectors for EAP-AKA alone.
"""

from __future__ import annotations

from simgrant.links.sbi.service import SbiService
from simgrant.links.sbi.vectors import Interface, SbiVectors
from simgrant.nouns import named_noun
from simgrant.wire.sbi.ueau import Operation


@named_noun
class Config:
    """What the HSS is asked for."""

    ims_domain: str = ""
    """What follows the IMSI in a private identity; with it the HSS is asked as an S-CSCF does."""
    server_name: str = ""
    """The SIP URI that we say we are, as an S-CSCF."""


def open_vectors(config: Config, *, service: SbiService) -> SbiVectors:
    """Return the HSS as a source of vectors."""
    interface = Interface(
        operation=Operation.IMS if config.ims_domain else Operation.GBA,
        ims_domain=config.ims_domain,
        server_name=config.server_name,
    )
    return SbiVectors(interface, service)
