"""Who is asking, through proxies and the PROXY protocol."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.fronts.device.source import BadProxyHeader, Proxies, pull_proxy_header

PROXIES = Proxies(["10.0.0.0/8", "2001:db8::/32"])
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def source(peer: str, forwarded: str = "", x_forwarded_for: str = "") -> str:
    return PROXIES.source(peer, forwarded=forwarded, x_forwarded_for=x_forwarded_for)


@pytest.mark.parametrize(
    ("peer", "forwarded", "x_forwarded_for", "expected"),
    [
        ("192.0.2.9", "for=198.51.100.1", "198.51.100.1", "192.0.2.9"),
        ("10.1.1.1", "for=198.51.100.1;proto=https", "", "198.51.100.1"),
        ("10.1.1.1", 'for="[2001:dba::7]:4711"', "", "2001:dba::7"),
        ("10.1.1.1", "", "198.51.100.1", "198.51.100.1"),
        ("10.1.1.1", "", "203.0.113.66, 198.51.100.1, 10.2.2.2", "198.51.100.1"),
        ("10.1.1.1", "", "10.3.3.3, 10.2.2.2", "10.3.3.3"),
        ("10.1.1.1", "for=unknown", "", "10.1.1.1"),
        ("10.1.1.1", "for=_hidden, for=10.9.9.9", "", "10.9.9.9"),
        ("10.1.1.1", "", "::ffff:198.51.100.1", "198.51.100.1"),
        ("10.1.1.1", "", "", "10.1.1.1"),
        ("10.1.1.1", "for=198.51.100.1", "198.51.100.2", "198.51.100.1"),
    ],
)
def test_only_what_trusted_proxies_wrote_is_believed(
    peer: str, forwarded: str, x_forwarded_for: str, expected: str
) -> None:
    assert source(peer, forwarded, x_forwarded_for) == expected


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_header_gives_an_address(forwarded: str, x_forwarded_for: str) -> None:
    ipaddress.ip_address(source("10.1.1.1", forwarded, x_forwarded_for))


def header(family: int, body: bytes, command: int = 0x21) -> bytes:
    return SIGNATURE + struct.pack(">BBH", command, family, len(body)) + body


V4 = header(0x11, bytes([198, 51, 100, 7, 10, 0, 0, 1]) + struct.pack(">HH", 40_000, 443))
V6 = header(
    0x21,
    ipaddress.ip_address("2001:db8::7").packed * 2 + struct.pack(">HH", 40_000, 443) + b"tlv",
)


def test_proxy_headers_are_read() -> None:
    assert pull_proxy_header(V4 + b"GET /") == (("198.51.100.7", 40_000), len(V4))
    assert pull_proxy_header(V6) == (("2001:db8::7", 40_000), len(V6))
    assert pull_proxy_header(header(0, b"", command=0x20)) == (None, 16)
    assert pull_proxy_header(header(0x31, bytes(216))) == (None, 16 + 216)


@pytest.mark.parametrize("whole", [V4, V6])
def test_a_proxy_header_may_come_byte_by_byte(whole: bytes) -> None:
    for size in range(len(whole)):
        assert pull_proxy_header(whole[:size]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        header(0x11, bytes(12), command=0x11),
        header(0x11, bytes(12), command=0x22),
        header(0x11, bytes(11)),
        header(0x21, bytes(12)),
        SIGNATURE + struct.pack(">BBH", 0x21, 0x11, 60_000),
    ],
)
def test_bad_proxy_headers_are_refused(data: bytes) -> None:
    with pytest.raises(BadProxyHeader):
        pull_proxy_header(data)


@given(st.binary(max_size=64), st.booleans())
def test_any_bytes_are_a_header_incomplete_or_refused(data: bytes, signed: bool) -> None:
    data = SIGNATURE + data if signed else data
    try:
        found = pull_proxy_header(data)
    except BadProxyHeader:
        return
    assert found is None or found[1] <= len(data)
