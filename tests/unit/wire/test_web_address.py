"""Addresses that others name: which are taken, and which lead into somebody's own network."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.web_address import WebAddress, is_public, pull_web_address


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://bank.example/keys", WebAddress("bank.example", 443)),
        ("https://BANK.example.:8443", WebAddress("bank.example", 8443)),
        ("https://xn--bcher-kva.example/a?b=c", WebAddress("xn--bcher-kva.example", 443)),
        ("https://9.9.9.9/", WebAddress("9.9.9.9", 443, ip_address("9.9.9.9"))),
        ("https://[2620:FE::9]:1/", WebAddress("2620:fe::9", 1, ip_address("2620:fe::9"))),
    ],
)
def test_an_address_leads_somewhere(url: str, found: WebAddress) -> None:
    assert pull_web_address(url) == found


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://bank.example/",
        "ftp://bank.example/",
        "https://",
        "https:///keys",
        "https://user@bank.example/",
        "https://bank.example:pass@169.254.169.254/",
        "https://bank.example\\@127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.0.0.0x1/",
        "https://1.2.3.4.5/",
        "https://%31%32%37.0.0.1/",
        "https://bank.example%00.evil/",
        "https://bänk.example/",
        "https://①②⑦.0.0.1/",
        "https://[fe80::1%25eth0]/",
        "https://[::1",
        "https://[bank.example]/",
        "https://bank..example/",
        "https://-bank.example/",
        "https://bank.example:0/",
        "https://bank.example:99999/",
        "https://bank.example/#keys",
        "https://bank.example/ a",
        "https://bank.example/\r\nx: y",
        f"https://bank.example/{'a' * 2048}",
    ],
)
def test_what_can_be_misread_is_no_address(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any says no
        pull_web_address(url)


@given(
    text=st.text() | st.text("htps:/@[]%.0123456789abcx#?\\-", max_size=40).map("https://".__add__)
)
def test_whatever_comes_is_an_address_or_refused(text: str) -> None:
    try:
        found = pull_web_address(text)
    except ValueError:
        return
    assert urlsplit(text).hostname is not None
    assert 0 < found.port < 65536
    assert found.host.isascii()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2001:db8::1",
    ],
)
def test_what_is_somebodys_own_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::9", "::ffff:9.9.9.9", "64:ff9b::909:909"])
def test_the_rest_is_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_network_may_be_allowed() -> None:
    but = (ip_network("127.0.0.0/30"), ip_network("fd00::/64"))
    assert is_public(ip_address("127.0.0.1"), but)
    assert is_public(ip_address("::ffff:127.0.0.1"), but)
    assert is_public(ip_address("fd00::7"), but)
    assert not is_public(ip_address("127.0.0.4"), but)
