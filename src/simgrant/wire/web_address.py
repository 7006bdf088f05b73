"""Addresses that others name for us to go to: https, and a host that is one, not in our network.

What is refused is whatever two readers of an address may understand differently: a host as a number
or in part of one, percent signs, backslashes, somebody's name before it. Whether a name leads into
our own network is only known once it is resolved, and is asked of each address then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from simgrant.nouns import noun

IpAddress: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MAX_TEXT: Final = 2048
_NAME: Final = re.compile(r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}")
_NUMBER: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)")
_CHARACTERS: Final = re.compile(r"[!-~]+")
_TRANSLATED: Final = ip_network("64:ff9b::/96")
_LOCAL_TRANSLATED: Final = ip_network("64:ff9b:1::/48")


@noun
class WebAddress:
    """Where an address leads."""

    host: str
    """A name in lower case, or an IP address without brackets."""
    port: int
    literal: IpAddress | None = None
    """The host, where it is an IP address."""


def pull_web_address(url: str) -> WebAddress:
    """Return where an https address leads; ValueError for whatever is none, or can be misread."""
    if len(url) > MAX_TEXT or not _CHARACTERS.fullmatch(url) or "\\" in url:
        raise ValueError("not an address")
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise ValueError("not an https address with a host, and without user or fragment")
    port = 443 if parts.port is None else parts.port
    if not port:
        raise ValueError("not a port")
    host = parts.hostname.lower().rstrip(".")
    if "[" in parts.netloc:
        if "%" in host:
            raise ValueError("a zone is nobody else's")
        return WebAddress(host, port, ip_address(host))
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        # RFC 3986 knows one way to write it, readers of addresses know many.
        return WebAddress(host, port, IPv4Address(host))
    if not _NAME.fullmatch(host):
        raise ValueError("not the name of a host")
    return WebAddress(host, port)


def is_public(address: IpAddress, but: Iterable[Network] = ()) -> bool:
    """Say whether an address is in nobody's own network, or in one ``but`` that may be asked."""
    if any(address.version == network.version and address in network for network in but):
        return True
    inner = _inside(address)
    if inner is not None:
        return is_public(inner, but)
    return address.is_global and not address.is_multicast and address not in _LOCAL_TRANSLATED


def _inside(address: IpAddress) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to, if it does."""
    if isinstance(address, IPv4Address):
        return None
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if int(address) >> 32 == 0 and int(address) > 1:
        return IPv4Address(int(address))
    return address.ipv4_mapped or address.sixtofour
