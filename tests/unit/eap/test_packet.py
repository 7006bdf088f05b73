"""The packet codec: published packets four ways, every rule once, and rubbish."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.eap.packet import (
    EMPTY_MAC,
    MAX_PACKET_BYTES,
    Code,
    Encrypted,
    IdentityRequest,
    MalformedPacket,
    Packet,
    Res,
    Subtype,
    Variant,
    pull_encrypted,
    pull_packet,
    push_encrypted,
    push_packet,
    push_plain_challenge,
)
from tests.vectors import Case, each, load

BLOCK = bytes(range(16))


def raw(*attributes: bytes, code: int = 2, method: int = 23, subtype: int = 1) -> bytes:
    """Return a packet around attributes that need not be right."""
    body = b"".join(attributes)
    return struct.pack(">BBHBBH", code, 7, 8 + len(body), method, subtype, 0) + body


def block(kind: int, value: bytes = BLOCK) -> bytes:
    return bytes((kind, 5, 0, 0)) + value


def challenge(**fields: object) -> Packet:
    base = Packet(code=Code.REQUEST, identifier=7, variant=Variant.AKA, subtype=Subtype.CHALLENGE)
    return replace(base, **fields)  # type: ignore[arg-type]


# --- published packets: decode, encode, cut off, with rubbish behind ---


@each("aka_packets")
def test_decodes(case: Case) -> None:
    packet = pull_packet(case.raw("data"))
    assert packet.code is Code[case["code"]]
    assert packet.subtype is Subtype[case["subtype"]]
    assert packet.identifier == int(case["identifier"])
    assert packet.variant is Variant.AKA
    for name in ("rand", "autn", "auts", "mac"):
        if name in case:
            assert getattr(packet, name) == case.raw(name)
    if "res" in case:
        assert packet.res == Res(case.raw("res"), 64)


@each("aka_packets")
def test_encodes_to_the_same_bytes(case: Case) -> None:
    assert push_packet(pull_packet(case.raw("data"))) == case.raw("data")


@each("aka_packets")
def test_refuses_every_cut(case: Case) -> None:
    data = case.raw("data")
    for size in range(len(data)):
        with pytest.raises(MalformedPacket):
            pull_packet(data[:size])


@each("aka_packets")
def test_refuses_every_cut_with_a_length_that_pretends(case: Case) -> None:
    data = case.raw("data")
    # Cut between two attributes it is a packet that lacks one, and well formed.
    boundaries = {"rand": {8, 28, 48}, "res": {8, 20}, "auts": {8}}[case["first"]]
    for size in range(8, len(data)):
        shortened = data[:2] + struct.pack(">H", size) + data[4:size]
        if size in boundaries:
            pull_packet(shortened)
            continue
        with pytest.raises(MalformedPacket):
            pull_packet(shortened)


@each("aka_packets")
@pytest.mark.parametrize("rubbish", [b"\0", b"\0\0\0\0", b"\x0b\x05\0\0" + BLOCK])
def test_refuses_rubbish_behind(case: Case, rubbish: bytes) -> None:
    with pytest.raises(MalformedPacket, match="length"):
        pull_packet(case.raw("data") + rubbish)


# --- the header ---


@pytest.mark.spec("RFC 3748 §4.1")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(7),
        bytes.fromhex("03010004"),
        bytes.fromhex("0201000a0130313233340000"),
        raw(code=0),
        raw(code=3),
        raw(method=18),
        raw(method=3),
        raw(subtype=0),
        raw(subtype=3),
        raw(b"\x87\x01\0\0" * 400),
    ],
)
def test_refuses_what_is_no_eap_aka(data: bytes) -> None:
    with pytest.raises(MalformedPacket):
        pull_packet(data)


@pytest.mark.parametrize("step", [-1, 1])
def test_refuses_a_wrong_length_field(step: int) -> None:
    data = bytearray(load("aka_packets")[0].raw("data"))
    data[3] += step
    with pytest.raises(MalformedPacket, match="length"):
        pull_packet(bytes(data))


def test_takes_the_longest_packet_and_no_longer() -> None:
    filling = b"\xc8\xff" + bytes(4 * 255 - 2)
    rest = MAX_PACKET_BYTES - 8 - len(filling)
    longest = raw(filling, b"\xc8" + bytes((rest // 4,)) + bytes(rest - 2))
    assert len(longest) == MAX_PACKET_BYTES
    pull_packet(longest)
    with pytest.raises(MalformedPacket, match="1500"):
        pull_packet(longest + b"\xc8\x01\0\0")


# --- attributes in general ---


@pytest.mark.spec("RFC 4187 §8.1")
def test_passes_over_unknown_skippable_attributes() -> None:
    packet = pull_packet(raw(b"\xff\x01\0\0", block(1), b"\x80\x02" + bytes(6)))
    assert packet.rand == BLOCK


@pytest.mark.spec("RFC 4187 §8.1")
@pytest.mark.parametrize("kind", [0, 5, 9, 19, 20, 21, 127])
def test_refuses_unknown_and_misplaced_attributes_that_may_not_be_skipped(kind: int) -> None:
    with pytest.raises(MalformedPacket, match="not skippable"):
        pull_packet(raw(bytes((kind, 1, 0, 0))))


@pytest.mark.parametrize("kind", [1, 2, 4, 10, 11, 14, 22, 23, 24, 127, 128, 129, 134, 255])
def test_refuses_an_attribute_of_length_zero(kind: int) -> None:
    with pytest.raises(MalformedPacket, match="zero"):
        pull_packet(raw(bytes((kind, 0, 0, 0))))


def test_refuses_a_res_of_length_zero() -> None:
    with pytest.raises(MalformedPacket):
        pull_packet(raw(bytes((3, 0, 0, 0))))


@pytest.mark.parametrize("kind", [1, 11, 14, 24, 127, 200])
def test_refuses_an_attribute_past_the_end(kind: int) -> None:
    with pytest.raises(MalformedPacket, match="past the end"):
        pull_packet(raw(bytes((kind, 5)) + bytes(17)))


@pytest.mark.parametrize("kind", [1, 2, 11, 129])
def test_refuses_a_second_one(kind: int) -> None:
    with pytest.raises(MalformedPacket, match="twice"):
        pull_packet(raw(block(kind), block(kind)))


def test_refuses_two_different_identity_requests() -> None:
    with pytest.raises(MalformedPacket, match="twice"):
        pull_packet(raw(b"\x0a\x01\0\0", b"\x0d\x01\0\0", subtype=5))


@pytest.mark.parametrize(
    "attribute",
    [
        b"\x01\x04" + bytes(14),
        b"\x02\x06" + bytes(22),
        b"\x0b\x01\0\0",
        b"\x81\x04" + bytes(14),
        b"\x04\x05" + bytes(18),
        b"\x04\x03" + bytes(10),
        b"\x0a\x02" + bytes(6),
        b"\x0d\x02" + bytes(6),
        b"\x11\x02" + bytes(6),
        b"\x16\x02" + bytes(6),
        b"\x0c\x02" + bytes(6),
        b"\x18\x02" + bytes(6),
        b"\x87\x02" + bytes(6),
        b"\x88\x02" + bytes(6),
        b"\x86\x02" + bytes(6),
        b"\x86\x05" + bytes(18),
        b"\x82\x01\0\0",
        b"\x82\x04" + bytes(14),
        b"\x82\x06" + bytes(22),
        b"\x0e\x02\0\x05" + bytes(4),
        b"\x0e\x03\0\x04" + bytes(8),
        b"\x17\x01\xff\xff",
        b"\x0e\x01\0\x01",
    ],
    ids=lambda attribute: attribute[:4].hex(),
)
def test_refuses_wrong_sizes(attribute: bytes) -> None:
    with pytest.raises(MalformedPacket):
        pull_packet(raw(attribute))


def test_reserved_bytes_do_not_matter() -> None:
    assert pull_packet(raw(b"\x01\x05\xff\xff" + BLOCK)).rand == BLOCK


def test_keeps_every_kdf_in_order() -> None:
    kdfs = b"\x18\x01\0\x02\x18\x01\0\x01\x18\x01\0\x02"
    assert pull_packet(raw(kdfs, method=50)).kdfs == (2, 1, 2)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (13, IdentityRequest.ANY),
        (17, IdentityRequest.FULLAUTH),
        (10, IdentityRequest.PERMANENT),
    ],
)
def test_tells_the_identity_requests_apart(kind: int, asked: IdentityRequest) -> None:
    data = raw(bytes((kind, 1, 0, 0)), code=1, subtype=5)
    assert pull_packet(data).identity_request is asked
    assert push_packet(pull_packet(data)) == data


@pytest.mark.spec("RFC 9048 §4")
@pytest.mark.parametrize(("bits", "prefers"), [(0x8000, True), (0x7FFF, False)])
def test_bidding_is_one_bit(bits: int, prefers: bool) -> None:
    packet = pull_packet(raw(b"\x88\x01" + struct.pack(">H", bits), code=1))
    assert packet.bidding is prefers


def test_tells_where_the_mac_is() -> None:
    data = raw(block(11), block(129))
    assert data[pull_packet(data).mac_at :][:16] == BLOCK
    assert pull_packet(raw(block(129))).mac_at == 0


# --- AT_RES ---


@pytest.mark.spec("RFC 4187 §10.8")
@pytest.mark.parametrize("size", range(4, 17))
def test_res_of_every_size_padded(size: int) -> None:
    res = BLOCK[:size]
    packet = challenge(res=Res(res, 8 * size), mac=BLOCK)
    data = push_packet(packet)
    assert len(data) % 4 == 0
    assert pull_packet(data) == packet


@pytest.mark.spec("AOSP service_entitlement")
@pytest.mark.parametrize("size", range(4, 17))
def test_res_of_every_size_as_android_sends_it(size: int) -> None:
    res = b"\x03" + bytes(((4 + size) // 4,)) + struct.pack(">H", 8 * size) + BLOCK[:size]
    packet = pull_packet(raw(res, block(11)))
    assert packet.res == Res(BLOCK[:size], 8 * size)
    assert packet.mac == BLOCK
    assert packet.mac_at == 8 + len(res) + 4


@pytest.mark.parametrize("bits", [0, 8, 31, 129, 136, 160, 1016, 65535])
def test_refuses_a_res_outside_32_to_128_bits(bits: int) -> None:
    size = (bits + 31) // 32 * 4
    head = bytes((3, (1 + size // 4) & 0xFF)) + struct.pack(">H", bits)
    with pytest.raises(MalformedPacket, match="RES"):
        pull_packet(raw(head + bytes(size)) if size < 1000 else raw(head))


@pytest.mark.parametrize("words", [1, 2, 4, 5, 255])
def test_refuses_a_res_whose_two_lengths_differ(words: int) -> None:
    with pytest.raises(MalformedPacket):
        pull_packet(raw(bytes((3, words)) + b"\0\x40" + bytes(16)))


def test_refuses_an_unpadded_res_past_the_end() -> None:
    with pytest.raises(MalformedPacket, match="past the end"):
        pull_packet(raw(b"\x03\x02\0\x28" + bytes(4)))


# --- AT_ENCR_DATA ---


@pytest.mark.spec("RFC 4187 §10.12")
@pytest.mark.parametrize(
    "inner",
    [
        Encrypted(),
        Encrypted(counter=1),
        Encrypted(counter=65535, counter_too_small=True),
        Encrypted(counter=2, nonce_s=BLOCK, next_reauth_id=b"4abc"),
        Encrypted(next_pseudonym=b"2" * 253, next_reauth_id=b"4" * 250),
    ],
)
def test_encrypted_attributes_there_and_back(inner: Encrypted) -> None:
    data = push_encrypted(inner)
    assert len(data) % 16 == 0
    assert pull_encrypted(data) == inner


@pytest.mark.parametrize(
    "data",
    [
        b"\x06\x03" + bytes(9) + b"\x01\x13\x01\0\x01",
        b"\x06\x04" + bytes(14),
        b"\x01\x05\0\0" + BLOCK,
        b"\x0b\x05\0\0" + BLOCK,
        b"\x13\x01\0\x01\x13\x01\0\x02",
        b"\x13\x00\0\x01",
        b"\x13\x01",
    ],
)
def test_refuses_wrong_encrypted_attributes(data: bytes) -> None:
    with pytest.raises(MalformedPacket):
        pull_encrypted(data)


# --- writing ---


def test_the_quick_challenge_equals_the_slow_one() -> None:
    slow = challenge(rand=BLOCK, autn=BLOCK[::-1], mac=EMPTY_MAC)
    quick = push_plain_challenge(7, rand=BLOCK, autn=BLOCK[::-1])
    assert quick == push_packet(slow)
    assert len(quick) == 68


@pytest.mark.parametrize(
    "fields",
    [
        {"rand": bytes(15)},
        {"mac": bytes(17)},
        {"auts": bytes(16)},
        {"res": Res(bytes(3), 24)},
        {"res": Res(bytes(9), 64)},
        {"checkcode": bytes(16)},
        {"encrypted": b""},
        {"encrypted": bytes(17)},
        {"identity": bytes(1020)},
        {"kdfs": (1,) * 400},
    ],
)
def test_refuses_to_write_what_it_would_not_read(fields: dict[str, object]) -> None:
    with pytest.raises(MalformedPacket):
        push_packet(challenge(**fields))


blocks = st.binary(min_size=16, max_size=16)
maybe_number = st.none() | st.integers(0, 65535)
packets = st.builds(
    Packet,
    code=st.sampled_from(Code),
    identifier=st.integers(0, 255),
    variant=st.sampled_from(Variant),
    subtype=st.sampled_from(Subtype),
    rand=st.none() | blocks,
    autn=st.none() | blocks,
    res=st.none() | st.binary(min_size=4, max_size=16).map(lambda res: Res(res, 8 * len(res))),
    auts=st.none() | st.binary(min_size=14, max_size=14),
    identity_request=st.sampled_from(IdentityRequest),
    identity=st.none() | st.binary(max_size=260),
    client_error=maybe_number,
    notification=maybe_number,
    network_name=st.none() | st.binary(max_size=40),
    kdfs=st.lists(st.integers(0, 65535), max_size=5).map(tuple),
    iv=st.none() | blocks,
    encrypted=st.none() | st.integers(1, 8).map(lambda count: BLOCK * count),
    checkcode=st.sampled_from([None, b"", bytes(20), bytes(32)]),
    result_indication=st.booleans(),
    bidding=st.none() | st.booleans(),
    mac=st.none() | blocks,
)


@given(packet=packets)
def test_every_packet_there_and_back(packet: Packet) -> None:
    assert pull_packet(push_packet(packet)) == packet


# --- rubbish ---


def only_malformed(data: bytes) -> None:
    try:
        packet = pull_packet(data)
    except MalformedPacket:
        return
    assert isinstance(packet, Packet)


@given(data=st.binary(max_size=200))
def test_any_bytes_give_a_packet_or_malformed(data: bytes) -> None:
    only_malformed(data)


@given(
    subtype=st.sampled_from(Subtype),
    attributes=st.lists(
        st.tuples(st.integers(0, 255), st.integers(0, 6), st.binary(max_size=24)), max_size=8
    ),
)
def test_any_attributes_give_a_packet_or_malformed(
    subtype: Subtype, attributes: list[tuple[int, int, bytes]]
) -> None:
    body = b"".join(bytes((kind, words)) + value for kind, words, value in attributes)
    only_malformed(raw(body, subtype=subtype))


@given(packet=packets, at=st.integers(0, 600), value=st.integers(0, 255))
def test_any_changed_byte_gives_a_packet_or_malformed(packet: Packet, at: int, value: int) -> None:
    data = bytearray(push_packet(packet))
    data[at % len(data)] = value
    only_malformed(bytes(data))


def test_shows_no_contents() -> None:
    data = load("aka_packets")[0].raw("data")
    assert repr(pull_packet(data)) == "Packet(RESPONSE 2 AKA CHALLENGE)"
    assert "c79f" not in repr(pull_packet(data).res)
    assert "nonce" not in repr(Encrypted(nonce_s=BLOCK))
