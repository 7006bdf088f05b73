"""Who is asking: the peer's address, or what a trusted proxy says of it.

A header that anybody can send is believed only from configured proxies, and
only the part that they wrote themselves: the chain is walked from our end, and
the first address that is no trusted proxy is the source (RFC 7239 §5.2, §7.4).
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Sequence

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_HEAD = struct.Struct(">12sBBH")
_MOST = 2048
_FOR = re.compile(r"for=(?:\"([^\"]*)\"|([^;,\s]*))", re.IGNORECASE)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The proxies whose word is taken."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(each, strict=False) for each in networks)
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, address: str) -> bool:
        """Say whether an address is one of the proxies."""
        if not self._networks:
            return False
        known = self._known.get(address)
        if known is None:
            parsed = parse_address(address)
            known = parsed is not None and any(parsed in network for network in self._networks)
            if len(self._known) < 1024:
                self._known[address] = known
        return known

    def source(self, peer: str, *, forwarded: str, x_forwarded_for: str) -> str:
        """Return the address of who asks, given the connection's peer and its headers."""
        if not self.trusts(peer):
            return peer
        source = peer
        for hop in reversed(hops(forwarded, x_forwarded_for)):
            address = parse_address(hop)
            if address is None:
                break  # "unknown", an obfuscated name, or rubbish: nothing behind it counts
            source = str(address)
            if not self.trusts(source):
                break
        return source


def hops(forwarded: str, x_forwarded_for: str) -> list[str]:
    """Return the chain of addresses, the furthest first; ``Forwarded`` wins over the older one."""
    if forwarded:
        return [quoted or plain for quoted, plain in _FOR.findall(forwarded[:_MOST])]
    return [hop.strip() for hop in x_forwarded_for[:_MOST].split(",") if hop.strip()]


def parse_address(text: str) -> Address | None:
    """Return the address in ``192.0.2.1``, ``192.0.2.1:80``, ``[2001:db8::1]:80``; else None."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


class BadProxyHeader(ValueError):
    """The bytes are no PROXY protocol v2 header."""


def pull_proxy_header(data: bytes) -> tuple[tuple[str, int] | None, int] | None:
    """Read a PROXY protocol v2 header at the start of ``data``.

    Return (source, bytes used), the source None for LOCAL and for families that we do
    not know; None when more bytes are needed. Raise BadProxyHeader.
    """
    if not _SIGNATURE.startswith(data[:12]) or (len(data) >= 12 and data[:12] != _SIGNATURE):
        raise BadProxyHeader("signature")
    if len(data) < _HEAD.size:
        return None
    _, version_command, family, length = _HEAD.unpack_from(data)
    if version_command >> 4 != 2 or version_command & 0xF > 1 or length > _MOST:
        raise BadProxyHeader("version, command or length")
    end = _HEAD.size + length
    if len(data) < end:
        return None
    body = data[_HEAD.size : end]
    if version_command & 0xF == 0:
        return None, end
    for kind, size in ((1, 4), (2, 16)):
        if family >> 4 == kind:
            if length < 2 * size + 4:
                raise BadProxyHeader("addresses")
            (port,) = struct.unpack_from(">H", body, 2 * size)
            return (str(ipaddress.ip_address(body[:size])), port), end
    return None, end
