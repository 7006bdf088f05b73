"""Who offers a service, as an NRF tells it, and the tokens it gives for that (TS 29.510).

Both directions of what is asked; of what it answers the part that says where instances are and
whom they serve. An instance that makes no sense, or serves an older or newer version, is passed
over; an answer that is none is `BadMessage`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec

from simgrant.nouns import named_noun
from simgrant.wire.sbi.body import BadMessage, read

DISCOVERY_PATH: Final = "/nnrf-disc/v1/nf-instances"
TOKEN_PATH: Final = "/oauth2/token"  # noqa: S105 - a path
_MOST_INSTANCES: Final = 64
_MOST_RANGES: Final = 1_000
_REGISTERED: Final = "REGISTERED"
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~-]{1,64}){0,4}", re.ASCII)
_ANY_DIGIT: Final = r"(?:\[0-9\]|\\d)"
_START: Final = re.compile(
    rf"\^?(?:imsi-)?([0-9]*)(?:{_ANY_DIGIT}(?:[*+]|\{{[0-9,]+\}})|\.[*+])?\$?"
)
"""The patterns whose meaning is plain: digits, and then whatever. Others are not evaluated: what a
peer sends as a pattern may take years to evaluate."""


@named_noun
class Instance:
    """One instance of a service, and how it is reached."""

    id: str
    """Its NF instance id, in lower case."""
    root: str
    """Its API root: scheme, host, port, and a path where there is one; no slash at the end."""
    address: str = ""
    """The IP address that the host of ``root`` is at; empty = as DNS says."""
    port: int = 0
    """The port that goes with ``address``."""
    priority: int = 0
    """Those with the lowest are asked while one of them is there."""
    capacity: int = 100
    """Its share among those of one priority."""
    load: int = 0
    """Percent of its capacity that is used."""
    ranges: tuple[tuple[str, str], ...] | None = None
    """Whom it serves: first and last of what an IMSI starts with, both of one length; None =
    everybody."""

    def serves(self, imsi: str) -> bool:
        """Tell whether it serves an IMSI (digits)."""
        if self.ranges is None:
            return True
        return any(first <= imsi[: len(first)] <= last for first, last in self.ranges)


_Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
_Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


class _EndPoint(msgspec.Struct, frozen=True, rename="camel"):
    ipv4_address: str = ""
    ipv6_address: str = ""
    port: _Port = 0


class _Version(msgspec.Struct, frozen=True, rename="camel"):
    api_version_in_uri: str = ""


class _Range(msgspec.Struct, frozen=True):
    start: str = ""
    end: str = ""
    pattern: str = ""


class _Info(msgspec.Struct, frozen=True, rename="camel"):
    supi_ranges: tuple[_Range, ...] = ()
    imsi_ranges: tuple[_Range, ...] = ()


class _Service(msgspec.Struct, frozen=True, rename="camel"):
    service_name: str = ""
    versions: tuple[_Version, ...] = ()
    scheme: str = ""
    nf_service_status: str = ""
    fqdn: str = ""
    ip_end_points: tuple[_EndPoint, ...] = ()
    api_prefix: str = ""
    priority: _Port | None = None
    capacity: _Port | None = None
    load: _Percent | None = None


class _Profile(msgspec.Struct, frozen=True, rename="camel"):
    nf_instance_id: str = ""
    nf_status: str = ""
    fqdn: str = ""
    ipv4_addresses: tuple[str, ...] = ()
    ipv6_addresses: tuple[str, ...] = ()
    priority: _Port | None = None
    capacity: _Port | None = None
    load: _Percent | None = None
    nf_services: tuple[_Service, ...] = ()
    nf_service_list: dict[str, _Service] = {}
    udm_info: _Info | None = None
    udm_info_list: dict[str, _Info] = {}
    hss_info_list: dict[str, _Info] = {}


class _SearchResult(msgspec.Struct, frozen=True, rename="camel"):
    validity_period: int
    nf_instances: tuple[msgspec.Raw, ...]


def discovery_query(*, target: str, requester: str, service: str) -> str:
    """Return the query of a discovery (TS 29.510 §6.2.3.2.3.1); types as UDM, AUSF."""
    return urlencode(
        {"target-nf-type": target, "requester-nf-type": requester, "service-names": service}
    )


def token_form(*, instance: str, own: str, target: str, scope: str) -> dict[str, str]:
    """Return the form of a token request (TS 29.510 §6.3.5.2.2), for any instance of a type."""
    return {
        "grant_type": "client_credentials",
        "nfInstanceId": instance,
        "nfType": own,
        "targetNfType": target,
        "scope": scope,
    }


def pull_instances(
    body: bytes, service: str, version: str = "v1"
) -> tuple[int, tuple[Instance, ...]]:
    """Return for how many seconds a search result is good, and who offers ``service``.

    ``version`` is that in its addresses.
    """
    told = read(body, _SearchResult)
    found: list[Instance] = []
    for raw in told.nf_instances[:_MOST_INSTANCES]:
        try:
            profile = read(bytes(raw), _Profile)
        except BadMessage:
            continue
        found.extend(_instances(profile, service, version))
    return max(0, told.validity_period), tuple(found[:_MOST_INSTANCES])


def _instances(profile: _Profile, service: str, version: str) -> Iterator[Instance]:
    if profile.nf_status != _REGISTERED or not profile.nf_instance_id:
        return
    for each in (*profile.nf_service_list.values(), *profile.nf_services):
        offered = each.service_name == service and each.nf_service_status == _REGISTERED
        versions = {known.api_version_in_uri for known in each.versions}
        if offered and version in versions and (where := _where(profile, each)):
            root, address, port = where
            yield Instance(
                id=profile.nf_instance_id.lower(),
                root=root,
                address=address,
                port=port,
                priority=_first(each.priority, profile.priority, 0),
                capacity=_first(each.capacity, profile.capacity, 100),
                load=_first(each.load, profile.load, 0),
                ranges=_ranges(profile),
            )
            # The list and the map, of which the first is the older form, may say the same.
            return


def _where(profile: _Profile, service: _Service) -> tuple[str, str, int] | None:
    """Return API root, IP address and port; None where it cannot be reached.

    The name goes into the address wherever there is one, since a certificate is for a name.
    """
    if service.scheme not in ("http", "https") or not _PREFIX.fullmatch(_slashed(service)):
        return None
    point = service.ip_end_points[0] if service.ip_end_points else _EndPoint()
    port = point.port or (443 if service.scheme == "https" else 80)
    addresses = (
        point.ipv4_address,
        point.ipv6_address,
        *profile.ipv4_addresses[:1],
        *profile.ipv6_addresses[:1],
    )
    address = next((each for each in addresses if _is_address(each)), "")
    name = service.fqdn or profile.fqdn
    if name and not _HOST.fullmatch(name):
        return None
    host = name or (f"[{address}]" if ":" in address else address)
    if not host:
        return None
    root = f"{service.scheme}://{host}:{port}{_slashed(service)}"
    return root, address if name else "", port


def _slashed(service: _Service) -> str:
    prefix = service.api_prefix.strip("/")
    return f"/{prefix}" if prefix else ""


def _ranges(profile: _Profile) -> tuple[tuple[str, str], ...] | None:
    infos = [*profile.udm_info_list.values(), *profile.hss_info_list.values()]
    if profile.udm_info is not None:
        infos.append(profile.udm_info)
    told = [each for info in infos for each in (*info.supi_ranges, *info.imsi_ranges)]
    if not told:
        return None
    return tuple(filter(None, map(_range, told[:_MOST_RANGES])))


def _range(told: _Range) -> tuple[str, str] | None:
    if told.pattern:
        plain = _START.fullmatch(told.pattern)
        return (plain[1], plain[1]) if plain else None
    first, last = told.start, told.end
    fits = (first + last).isdecimal() and (first + last).isascii() and len(first) == len(last)
    return (first, last) if fits and first <= last else None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
