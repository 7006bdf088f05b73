"""The names of other systems that the settings have, to be looked up before a start."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from simgrant.config import diameter, hlr
from simgrant.config.model import Settings
from simgrant.config.sbi import producers_of


def named_hosts(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the setting and the name of each system of the core network, BSS, SM-DP+ and
    gateway.

    Addresses are left out, since nobody has to find them.
    """
    for where, host in _all(settings):
        try:
            ipaddress.ip_address(host)
        except ValueError:
            yield where, host


def _all(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, peer in settings.diameter_peers.items():
        key = "address" if peer.address else "host"
        yield f"diameter_peers.{name}.{key}", diameter.place(peer)[0]
    for name, table in settings.hlr.items():
        yield f"hlr.{name}.address", hlr.place(table)[0]
    for where, addresses in (
        *((f"nrf.{name}", nrf.addresses) for name, nrf in settings.nrf.items()),
        *((name, producer.addresses) for name, producer in producers_of(settings)),
    ):
        for address in addresses:
            yield f"{where}.addresses", urlsplit(address).hostname or ""
    for name, bss in settings.bss.items():
        yield f"bss.{name}.url", urlsplit(bss.url).hostname or ""
        if bss.token_url:
            yield f"bss.{name}.token_url", urlsplit(bss.token_url).hostname or ""
    for name, questions in settings.questions.items():
        yield f"questions.{name}.gateway", questions.gateway.rpartition(":")[0].strip("[]")
    for name, smdp in settings.smdp.items():
        yield f"smdp.{name}.url", urlsplit(smdp.url).hostname or ""
