"""What the settings of a 5G core mean, and what would keep a UDM or an HSS from being asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from simgrant.config.diameter import domain_problem, uri_problem
from simgrant.config.model import HssSbi, Nrf, Producer, Settings, Udm
from simgrant.wire.sbi.ueau import Operation, is_serving_network

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_TYPE: Final = re.compile(r"[A-Z0-9_]{1,32}", re.ASCII)
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*/?", re.ASCII)


def operation_of(table: Udm | HssSbi) -> Operation:
    """Return what vectors are asked for with."""
    if isinstance(table, Udm):
        return Operation(table.operation)
    return Operation.IMS if table.ims_domain else Operation.GBA


def type_of(table: Udm | HssSbi) -> str:
    """Return the NF type of who is asked."""
    return "UDM" if isinstance(table, Udm) else "HSS"


def producers_of(settings: Settings) -> Iterator[tuple[str, Udm | HssSbi]]:
    """Yield every UDM and HSS by the name of its table, ``udm.home``."""
    yield from ((f"udm.{name}", table) for name, table in settings.udm.items())
    yield from ((f"hss_sbi.{name}", table) for name, table in settings.hss_sbi.items())


def sbi_problems(settings: Settings) -> Iterator[str]:
    """Name what is missing or malformed."""
    sbi = settings.sbi
    if sbi.nf_instance_id and not _UUID.fullmatch(sbi.nf_instance_id):
        yield f"sbi.nf_instance_id: {sbi.nf_instance_id!r} is no UUID"
    if not _TYPE.fullmatch(sbi.nf_type):
        yield f"sbi.nf_type: {sbi.nf_type!r} is no NF type; one such as AUSF is meant"
    if bool(sbi.certificate) != bool(sbi.key):
        yield "sbi: certificate and key go together"
    for name, nrf in settings.nrf.items():
        if not nrf.addresses:
            yield f"nrf.{name}.addresses: must be set"
        yield from _address_problems(f"nrf.{name}", nrf)
    for where, table in producers_of(settings):
        yield from _address_problems(where, table)
        yield from _producer_problems(where, table, settings.nrf)
        if not sbi.nf_instance_id and table.oauth2:
            yield f"sbi.nf_instance_id: must be set: {where} wants tokens, which are for somebody"
        if isinstance(table, HssSbi):
            yield from _hss_problems(where, table)
            if settings.auth.aka_prime:
                yield f"auth.aka_prime: {where} has no vectors for EAP-AKA', only a UDM has them"
        elif operation_of(table) is Operation.GENERATE_AUTH_DATA:
            yield from _ausf_problems(where, settings)


def _address_problems(where: str, table: Producer | Nrf) -> Iterator[str]:
    for address in table.addresses:
        if text := _root_problem(address):
            yield f"{where}.addresses: {address!r} {text}"
    if len({each.rstrip("/") for each in table.addresses}) < len(table.addresses):
        yield f"{where}.addresses: one is named twice"


def _root_problem(address: str) -> str:
    try:
        parts = urlsplit(address)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return "is no http:// or https:// address"
    if parts.query or parts.fragment or not _PATH.fullmatch(parts.path):
        return "is more than an API root: scheme, host, port and a path"
    return ""


def _producer_problems(where: str, table: Producer, nrfs: Mapping[str, Nrf]) -> Iterator[str]:
    if table.nrf and table.nrf not in nrfs:
        yield f"{where}.nrf: there is no [nrf.{table.nrf}]"
    if not table.nrf and not table.addresses:
        yield f"{where}: addresses must be set, or nrf"
    if not table.nrf and table.oauth2:
        yield f"{where}.oauth2: nrf must be set, which gives the tokens"


def _hss_problems(where: str, table: HssSbi) -> Iterator[str]:
    if bool(table.ims_domain) != bool(table.server_name):
        yield f"{where}: ims_domain and server_name go together"
    for key, value, problem in (
        ("ims_domain", table.ims_domain, domain_problem),
        ("server_name", table.server_name, uri_problem),
    ):
        if value and (text := problem(value)):
            yield f"{where}.{key}: {text}"


def _ausf_problems(where: str, settings: Settings) -> Iterator[str]:
    if not settings.sbi.nf_instance_id:
        yield f"sbi.nf_instance_id: must be set: {where} is told which AUSF asks"
    if not settings.auth.aka_prime:
        yield f"auth.aka_prime: must be on: {where} has vectors for EAP-AKA' alone"
    if not is_serving_network(settings.auth.aka_prime_network):
        yield (
            f"auth.aka_prime_network: {where} binds keys to a serving network, such as "
            "5G:mnc001.mcc001.3gppnetwork.org or 5G:NSWO"
        )
