"""What is wrong with the settings of the listener for partners."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from simgrant.config.model import Settings, Tenant
from simgrant.config.section import unknown_tenants

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{4,14}")
_NETWORK: Final = re.compile(r"[0-9]{3}-[0-9]{2,3}")


def camara_problems(
    settings: Settings, tenants: Mapping[str, Tenant], default: str
) -> Iterator[str]:
    """Name what would keep partners out, or take them for another tenant's."""
    camara = settings.camara
    if bool(camara.tls_certificate) != bool(camara.tls_key):
        yield "camara: tls_certificate and tls_key go together"
    if camara.client_ca and not camara.tls_certificate:
        yield "camara.client_ca: without tls_certificate nobody shows a certificate"
    if not camara.public_url and camara.listen.startswith(("0.0.0.0:", "[::]:")):
        yield f"camara.public_url: must be set, since partners find nothing at {camara.listen}"
    if camara.connection_owner and not _is_safe(camara.connection_owner):
        yield f"camara.connection_owner: {camara.connection_owner!r} is no https address"
    hosts: dict[str, str] = {}
    for name, tenant in tenants.items():
        where = "camara.public_url" if name == default else f"tenants.{name}.camara_url"
        if name == default and tenant.camara_url:
            yield f"tenants.{name}.camara_url: it is camara.public_url"
        url = camara.public_url if name == default else tenant.camara_url
        if not url:
            continue
        if not _is_place(url):
            yield f"{where}: {url!r} is no https address without a path"
            continue
        if (other := hosts.setdefault(urlsplit(url).netloc.lower(), where)) != where:
            yield f"{where}: it is also that of {other}"


def test_number_problems(settings: Settings, tenants: Collection[str]) -> Iterator[str]:
    """Name what is no test number, or tells nothing that there is."""
    for number, table in settings.test_numbers.items():
        where = f"test_numbers.{number}"
        if not _NUMBER.fullmatch(number):
            yield f"{where}: is no number in international form, such as +447700900100"
        yield from unknown_tenants(where, table.tenants, tenants)
        if table.network and not _NETWORK.fullmatch(table.network):
            yield f"{where}.network: {table.network!r} is no network, such as 262-01"


def _is_safe(url: str) -> bool:
    """Say whether an address is one that subscribers may be asked about at: of this machine too."""
    parts = urlsplit(url)
    return not parts.query and _is_place(f"{parts.scheme}://{parts.netloc}")


def _is_place(url: str) -> bool:
    """Say whether an address is one of a host: partners' secrets go there, or it is this one."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return False
    if not url.isascii() or not url.isprintable() or " " in url:
        return False
    is_here = host in ("127.0.0.1", "localhost", "::1")
    return parts.scheme == "https" or (parts.scheme == "http" and is_here)
