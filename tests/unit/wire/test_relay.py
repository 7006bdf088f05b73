"""The envelope of a relayed EAP packet."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.errors import BadRequest
from simgrant.wire.relay import CONTENT_TYPE, MAX_PACKET, pull_relay, push_relay


@pytest.mark.conforms("eap.packet-member")
@pytest.mark.spec("TS.43 §2.8.1")
def test_push_relay_is_one_member_and_nothing_else() -> None:
    assert push_relay(b"\xff\xfe\xfd\0") == b'{"eap-relay-packet":"//79AA=="}'
    assert CONTENT_TYPE == "application/vnd.gsma.eap-relay.v1.0+json"


@pytest.mark.conforms("eap.packet-member")
@given(st.binary(min_size=1, max_size=MAX_PACKET))
def test_what_was_pushed_comes_back(packet: bytes) -> None:
    assert pull_relay(push_relay(packet)) == packet
    assert list(json.loads(push_relay(packet))) == ["eap-relay-packet"]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"eap-relay-packet":""}', b" " * 20_000])
def test_no_packet_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        pull_relay(body)


@given(st.binary())
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        pull_relay(body)
