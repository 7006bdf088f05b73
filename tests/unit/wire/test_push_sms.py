"""Notices as short messages to a port (TS.43 §2.6.1)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.push_sms import (
    BadMessage,
    PortMessage,
    pull_message,
    push_header,
    push_port,
    push_text,
    push_time,
)

USER = "001010000000001"
APPS = st.lists(st.from_regex(r"ap[0-9]{4}", fullmatch=True), min_size=1, max_size=15).map(tuple)
PORTS = st.integers(min_value=0, max_value=65535)


@pytest.mark.spec("TS.43 §2.6.1")
@pytest.mark.conforms("sms.text")
def test_the_text_is_as_the_specification_has_it() -> None:
    assert push_text(USER, ("ap2003", "ap2004")) == b"001010000000001-aescfg,ap2003,ap2004"


@pytest.mark.spec("TS.43 §2.6.1", "TS 23.040 §9.2.3.24.4")
@pytest.mark.conforms("sms.port")
def test_the_header_addresses_port_8095() -> None:
    assert push_header(8095).hex() == "0605041f9f0000"


def test_fifteen_applications_fit_and_sixteen_do_not() -> None:
    assert len(push_header(8095) + push_text(USER, ("ap2004",) * 15)) <= 140
    with pytest.raises(ValueError, match="more applications"):
        push_text(USER, ("ap2004",) * 16)


def test_smpp_times_are_absolute_and_in_utc() -> None:
    assert push_time(1_795_424_400) == "261123090000000+"


@given(st.from_regex(r"[0-9]{6,15}", fullmatch=True), APPS, PORTS)
def test_every_notice_is_read_back_as_it_was(user: str, apps: tuple[str, ...], port: int) -> None:
    said = PortMessage(port, user, apps)
    text = push_text(user, apps)
    assert pull_message(push_header(port) + text, udhi=True) == said
    assert pull_message(text, udhi=False, port=port) == said
    assert int.from_bytes(push_port(port), "big") == port


def test_a_message_without_a_port_is_no_notice() -> None:
    with pytest.raises(BadMessage):
        pull_message(push_text(USER, ("ap2004",)), udhi=False)


@given(st.binary(max_size=160), st.booleans(), st.none() | PORTS)
def test_bytes_are_a_notice_or_bad(data: bytes, udhi: bool, port: int | None) -> None:
    with contextlib.suppress(BadMessage):
        assert pull_message(data, udhi=udhi, port=port).apps
