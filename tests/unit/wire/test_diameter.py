"""The Diameter codec: messages of another implementation, round trips, and bytes of nobody."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.spec.diameter import IETF, TGPP, dictionary, result_name
from simgrant.wire.diameter import avps as every
from simgrant.wire.diameter import base, cx, s6a, swx
from simgrant.wire.diameter.avps import (
    HOST_IP_ADDRESS,
    ORIGIN_HOST,
    PROXY_INFO,
    RESULT_CODE,
    SESSION_ID,
    SIP_AUTH_DATA_ITEM,
    SIP_AUTHENTICATION_SCHEME,
    USER_NAME,
    VENDOR_SPECIFIC_APPLICATION_ID,
)
from simgrant.wire.diameter.message import (
    HEADER_BYTES,
    AvpKind,
    Avps,
    BadDiameter,
    Fault,
    Header,
    pull_avps,
    pull_header,
    pull_message,
    push_message,
    request,
)
from simgrant.wire.diameter.stream import Splitter
from simgrant.wire.diameter.vectors import Brought, Scheme, Wanted
from tests.examples import examples
from tests.vectors import load

FOREIGN = {case["name"]: bytes.fromhex(case["message"]) for case in load("diameter")}
NODE = base.Node("ecs-0.example.net", "example.net", "simgrant", (swx.APPLICATION,), 1_700_000_000)
HSS = base.Node("hss.example.net", "example.net", "hss", (swx.APPLICATION,))
IMSI = "001010000000001"
ITEM = Brought(
    IMSI,
    "EAP-AKA",
    bytes(range(16)),
    bytes(range(16, 32)),
    bytes(range(0x40, 0x48)),
    b"\xcc" * 16,
    b"\xdd" * 16,
)
KINDS = {name: kind for name, kind in vars(every).items() if isinstance(kind, AvpKind)}
HEADERS = st.builds(
    Header,
    length=st.just(0),
    flags=st.integers(0, 255),
    command=st.integers(0, (1 << 24) - 1),
    application=st.integers(0, (1 << 32) - 1),
    hop_by_hop=st.integers(0, (1 << 32) - 1),
    end_to_end=st.integers(0, (1 << 32) - 1),
)
ANY_AVPS = st.lists(
    st.builds(
        lambda kind, data: kind.wrap(data), st.sampled_from(list(KINDS.values())), st.binary()
    )
).map(b"".join)


def mar(**wanted: str | bytes) -> bytes:
    asked = Wanted(IMSI, **{"scheme": Scheme.AKA, **wanted})  # type: ignore[arg-type]
    return request(
        swx.Command.MULTIMEDIA_AUTH,
        swx.APPLICATION,
        SESSION_ID.push("ecs-0.example.net;1;2")
        + swx.push_fixed("example.net", "hss.example.net")
        + NODE.push_origin()
        + swx.push_request(asked),
        hop_by_hop=0x01020304,
        end_to_end=0x0A0B0C0D,
    )


# --- what another implementation wrote ---------------------------------------------------------


def test_their_maa_is_read() -> None:
    message = pull_message(FOREIGN["maa"])
    assert not message.header.is_request
    assert message.header.hop_by_hop == 0x01020304
    assert base.pull_result(message.avps) == (IETF, 2001)
    assert swx.pull_item(message.avps) == ITEM


def test_their_user_unknown_is_an_experimental_result_of_3gpp() -> None:
    message = pull_message(FOREIGN["maa_user_unknown"])
    vendor, code = base.pull_result(message.avps)
    assert (vendor, code) == (TGPP, 5001)
    assert result_name(vendor, code) == "3GPP 5001 ERROR_USER_UNKNOWN"
    assert result_name(IETF, 5001) == "5001 AVP_UNSUPPORTED"


def _set(data: bytes) -> set[tuple[int, bytes]]:
    avps = pull_message(data).avps
    return {(key, data) for key, _, data in avps._found}


def test_our_mar_has_the_avps_that_theirs_has() -> None:
    ours = mar(resync=bytes(range(30)))
    theirs = FOREIGN["mar_resync"]
    assert ours[:4] == theirs[:4]
    assert pull_header(ours) == pull_header(theirs)
    assert _set(ours) == _set(theirs)


def _asked(application: int, command: int, avps: bytes) -> bytes:
    session = SESSION_ID.push("ecs-0.example.net;1;2") + NODE.push_origin()
    return request(
        command, application, session + avps, hop_by_hop=0x01020304, end_to_end=0x0A0B0C0D
    )


def test_our_air_has_the_avps_that_theirs_has() -> None:
    fixed = s6a.push_fixed("example.net", "hss.example.net", visited_plmn="001-01")
    own = s6a.push_request(Wanted(IMSI, Scheme.UTRAN, bytes(range(30))))
    ours = _asked(s6a.APPLICATION, s6a.Command.AUTHENTICATION_INFORMATION, fixed + own)
    theirs = FOREIGN["air_resync"]
    assert pull_header(ours) == pull_header(theirs)
    assert _set(ours) == _set(theirs)


def test_our_mar_of_cx_has_the_avps_that_theirs_has() -> None:
    server = "sip:ecs.example.net"
    fixed = cx.push_fixed("example.net", "hss.example.net", server_name=server)
    own = cx.push_request(Wanted(f"{IMSI}@ims.example.net", Scheme.IMS_AKA, bytes(range(30))))
    ours = _asked(cx.APPLICATION, cx.Command.MULTIMEDIA_AUTH, fixed + own)
    theirs = FOREIGN["cx_mar_resync"]
    assert pull_header(ours) == pull_header(theirs)
    assert _set(ours) == _set(theirs)


def test_their_aia_is_read() -> None:
    found = s6a.pull_item(pull_message(FOREIGN["aia"]).avps)
    assert found == replace(ITEM, user_name="", scheme=Scheme.UTRAN)
    found = s6a.pull_item(pull_message(FOREIGN["aia_eutran"]).avps)
    assert found == replace(ITEM, user_name="", scheme=Scheme.E_UTRAN, ck=b"", ik=b"")


def test_our_cer_has_the_avps_that_theirs_has() -> None:
    ours = request(
        base.Command.CAPABILITIES_EXCHANGE,
        base.COMMON,
        base.push_capabilities(NODE, "10.0.0.1"),
        hop_by_hop=1,
        end_to_end=2,
        flags=0,
    )
    theirs = FOREIGN["cer"]
    assert pull_header(ours) == pull_header(theirs)
    assert _set(ours) == _set(theirs)
    found = base.pull_capabilities(pull_message(theirs).avps)
    assert (found.host, found.realm) == ("ecs-0.example.net", "example.net")
    assert found.applications == {swx.APPLICATION}


# --- there and back ----------------------------------------------------------------------------


@given(HEADERS, ANY_AVPS)
def test_a_message_is_read_as_it_was_written(header: Header, avps: bytes) -> None:
    data = push_message(header, avps)
    message = pull_message(data)
    assert replace(message.header, length=0) == header
    assert message.header.length == len(data)
    assert message.avps.push() == avps


_VALUES: dict[str, st.SearchStrategy[object]] = {
    "Unsigned32": st.integers(0, (1 << 32) - 1),
    "Enumerated": st.integers(0, (1 << 31) - 1),
    "Unsigned64": st.integers(0, (1 << 64) - 1),
    "UTF8String": st.text(),
    "DiameterURI": st.text(),
    "OctetString": st.binary(),
    "DiameterIdentity": st.from_regex(r"[a-z0-9]{1,20}(\.[a-z0-9]{1,20}){0,3}", fullmatch=True),
    "Address": st.ip_addresses().map(str),
}


@pytest.mark.parametrize("name", sorted(KINDS))
@settings(max_examples=examples(25))
@given(data=st.data())
def test_every_avp_is_read_as_it_was_written(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    row = dictionary().avps[kind.name]
    if row.type == "Grouped":
        avps = pull_avps(data.draw(ANY_AVPS))
        read = pull_avps(kind.push(avps)).need(kind)
        assert isinstance(read, Avps)
        assert read.push() == avps.push()
        return
    value = data.draw(_VALUES[row.type])
    written = kind.push(value)
    assert len(written) % 4 == 0
    assert pull_avps(written).need(kind) == value


@given(st.text(max_size=20), st.text(max_size=20), st.binary(max_size=40), st.text(max_size=9))
def test_a_mar_is_read_as_it_was_written(
    user: str, scheme: str, resync: bytes, network: str
) -> None:
    wanted = Wanted(user, scheme, resync, network)
    assert swx.pull_request(pull_avps(swx.push_request(wanted))) == wanted


@given(st.text(max_size=20), st.text(max_size=20), st.binary(max_size=40))
def test_a_mar_of_cx_is_read_as_it_was_written(user: str, scheme: str, resync: bytes) -> None:
    wanted = Wanted(user, scheme, resync)
    avps = cx.push_fixed("example.net", "", server_name="sip:ecs") + cx.push_request(wanted)
    assert cx.pull_request(pull_avps(avps)) == wanted
    # It lacks Server-Name, or it is another application's.
    for other in (cx.push_request(wanted), swx.push_request(wanted)):
        with pytest.raises(BadDiameter) as raised:
            cx.pull_request(pull_avps(other))
        assert raised.value.fault is Fault.MISSING_AVP


@given(st.text(max_size=20), st.binary(max_size=40))
def test_an_air_is_read_as_it_was_written(user: str, resync: bytes) -> None:
    wanted = Wanted(user, Scheme.UTRAN, resync)
    avps = s6a.push_fixed("example.net", "", visited_plmn="001-01") + s6a.push_request(wanted)
    assert s6a.pull_request(pull_avps(avps)) == wanted


_PART = st.binary(max_size=40)
_BROUGHT = st.builds(
    Brought,
    user_name=st.text(max_size=20),
    scheme=st.just(Scheme.UTRAN),
    rand=st.binary(min_size=16, max_size=16),
    autn=_PART,
    xres=_PART,
    ck=st.binary(min_size=1, max_size=40),
    ik=st.binary(min_size=1, max_size=40),
)


@given(_BROUGHT)
def test_an_answer_is_read_as_it_was_written(item: Brought) -> None:
    for each in (swx, cx):
        assert each.pull_item(pull_avps(each.push_item(item))) == item
    assert s6a.pull_item(pull_avps(s6a.push_item(item))) == replace(item, user_name="")


@given(_BROUGHT, st.binary(min_size=32, max_size=32))
def test_of_a_vector_of_eutran_no_keys_are_had(item: Brought, kasme: bytes) -> None:
    found = s6a.pull_item(pull_avps(s6a.push_eutran_item(item, kasme)))
    assert found == replace(item, user_name="", scheme=Scheme.E_UTRAN, ck=b"", ik=b"")


@given(_BROUGHT, _BROUGHT, st.booleans())
def test_where_both_come_that_of_utran_is_taken(item: Brought, other: Brought, first: bool) -> None:
    utran = pull_avps(s6a.push_item(item)).need(every.AUTHENTICATION_INFO).push()
    eutran = pull_avps(s6a.push_eutran_item(other, bytes(32))).need(every.AUTHENTICATION_INFO)
    parts = (utran, eutran.push()) if first else (eutran.push(), utran)
    found = s6a.pull_item(pull_avps(every.AUTHENTICATION_INFO.wrap(b"".join(parts))))
    assert found == replace(item, user_name="")


@pytest.mark.spec("TS 29.272 §7.3.9")
@pytest.mark.parametrize(
    ("plmn", "data"), [("001-01", "00f110"), ("310-410", "130014"), ("262-01", "62f210")]
)
def test_a_network_is_three_bytes(plmn: str, data: str) -> None:
    assert s6a.push_plmn(plmn).hex() == data


@pytest.mark.parametrize(
    "plmn", ["", "00101", "001-1", "001-0101", "01-001", "a01-01", "\u0660\u0660\u0661-01"]
)
def test_what_is_no_network_is_refused(plmn: str) -> None:
    with pytest.raises(ValueError, match="is no network"):
        s6a.push_plmn(plmn)


def test_an_answer_repeats_what_leads_back() -> None:
    asked = pull_message(mar())
    way_back = PROXY_INFO.wrap(ORIGIN_HOST.push("dra.example.net"))
    asked = pull_message(push_message(asked.header, asked.avps.push() + way_back * 2))
    told = pull_message(base.answer_with(HSS, asked, TGPP, 5001))
    assert told.avps.get(SESSION_ID) == "ecs-0.example.net;1;2"
    assert told.avps.copies(PROXY_INFO) == way_back * 2
    assert not told.header.is_request
    assert told.header.flags == 0x40


def test_results_of_the_protocol_have_the_e_flag_and_others_not() -> None:
    asked = pull_message(mar())
    for vendor, code, flags in ((IETF, 3004, 0x60), (IETF, 5012, 0x40), (TGPP, 5001, 0x40)):
        told = pull_message(base.answer_with(HSS, asked, vendor, code))
        assert told.header.flags == flags
        assert base.pull_result(told.avps) == (vendor, code)


# --- leniency, where peers are known to err ----------------------------------------------------


def test_the_last_avp_of_a_group_may_lack_its_padding() -> None:
    item = SIP_AUTHENTICATION_SCHEME.push("EAP-AKA")
    assert len("EAP-AKA") % 4
    avps = pull_avps(SIP_AUTH_DATA_ITEM.wrap(item.rstrip(b"\0")))
    assert avps.need(SIP_AUTH_DATA_ITEM).need(SIP_AUTHENTICATION_SCHEME) == "EAP-AKA"


def test_an_m_flag_that_is_missing_changes_nothing() -> None:
    data = bytearray(USER_NAME.push(IMSI))
    data[4] = 0
    assert pull_avps(bytes(data)).need(USER_NAME) == IMSI


def test_a_name_may_end_as_a_c_string_does() -> None:
    avps = pull_avps(ORIGIN_HOST.wrap(b"hss.example.net\0"))
    assert avps.need(ORIGIN_HOST) == "hss.example.net"


def test_an_experimental_result_without_a_vendor_is_3gpps() -> None:
    avps = pull_avps(every.EXPERIMENTAL_RESULT.wrap(every.EXPERIMENTAL_RESULT_CODE.push(5001)))
    assert base.pull_result(avps) == (TGPP, 5001)


def test_the_same_code_of_another_vendor_is_another_avp() -> None:
    other = bytearray(SIP_AUTHENTICATION_SCHEME.push("EAP-AKA"))
    other[8:12] = (9).to_bytes(4, "big")
    assert pull_avps(bytes(other)).get(SIP_AUTHENTICATION_SCHEME) is None


# --- strictness --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("", Fault.INVALID_MESSAGE_LENGTH),
        ("02000014" + 16 * "00", Fault.UNSUPPORTED_VERSION),
        ("01000010" + 16 * "00", Fault.INVALID_MESSAGE_LENGTH),
        ("01000016" + 18 * "00", Fault.INVALID_MESSAGE_LENGTH),
        ("01000018" + 16 * "00", Fault.INVALID_MESSAGE_LENGTH),
        ("0100001c" + 16 * "00" + "00000001" + "40000007", Fault.INVALID_AVP_LENGTH),
        ("0100001c" + 16 * "00" + "00000001" + "4000000c", Fault.INVALID_AVP_LENGTH),
        ("0100001c" + 16 * "00" + "00000001" + "c0000008", Fault.INVALID_AVP_LENGTH),
        ("01000018" + 16 * "00" + "00000001", Fault.INVALID_AVP_LENGTH),
    ],
)
def test_where_things_end_is_checked(data: str, fault: Fault) -> None:
    with pytest.raises(BadDiameter) as raised:
        pull_message(bytes.fromhex(data))
    assert raised.value.fault is fault


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (RESULT_CODE, b"\0\0\0"),
        (RESULT_CODE, b"\0\0\0\0\0"),
        (USER_NAME, b"\xff"),
        (ORIGIN_HOST, b""),
        (ORIGIN_HOST, b"a b"),
        (ORIGIN_HOST, b"a" * 256),
        (HOST_IP_ADDRESS, b"\0\1\1"),
        (HOST_IP_ADDRESS, b""),
    ],
)
def test_a_value_that_is_none_of_its_type_is_refused(kind: AvpKind[object], data: bytes) -> None:
    with pytest.raises(BadDiameter) as raised:
        pull_avps(kind.wrap(data)).get(kind)
    assert raised.value.fault is Fault.INVALID_AVP_VALUE
    assert str(raised.value) == f"{kind.name} is malformed"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (RESULT_CODE, 1 << 32),
        (RESULT_CODE, -1),
        (ORIGIN_HOST, "a b"),
        (ORIGIN_HOST, ""),
        (HOST_IP_ADDRESS, "here"),
    ],
)
def test_what_cannot_be_written_is_refused(kind: AvpKind[object], value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever text
        kind.push(value)


# --- bytes of nobody ---------------------------------------------------------------------------


def _read_all(data: bytes) -> None:
    message = pull_message(data)
    for kind in KINDS.values():
        with contextlib.suppress(BadDiameter):
            message.avps.get(kind)
    for pull in (
        *(base.pull_capabilities, base.pull_result),
        *(swx.pull_request, swx.pull_item, cx.pull_request, cx.pull_item),
        *(s6a.pull_request, s6a.pull_item),
    ):
        with contextlib.suppress(BadDiameter):
            pull(message.avps)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_bad_diameter(data: bytes) -> None:
    with contextlib.suppress(BadDiameter):
        _read_all(data)
    with contextlib.suppress(BadDiameter):
        _read_all(push_message(Header(0, 0, 303, 0, 0, 0), data + b"\0" * (-len(data) % 4)))


@given(st.sampled_from(sorted(FOREIGN)), st.data())
def test_a_message_with_changed_bytes_is_one_or_bad_diameter(
    name: str, data: st.DataObject
) -> None:
    changed = bytearray(FOREIGN[name])
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(changed)))
    with contextlib.suppress(BadDiameter):
        _read_all(bytes(changed[: cut or None]))


def test_groups_in_groups_cost_nothing_where_nobody_looks() -> None:
    data = b""
    for _ in range(4000):
        data = VENDOR_SPECIFIC_APPLICATION_ID.wrap(data)
    avps = pull_avps(data)
    assert len(avps) == 1
    assert base.pull_capabilities(pull_avps(NODE.push_origin() + data)).applications == frozenset()


# --- the stream --------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(sorted(FOREIGN)), max_size=5), st.data())
def test_messages_come_out_whole_however_they_are_cut(
    names: list[str], data: st.DataObject
) -> None:
    sent = [FOREIGN[name] for name in names]
    stream, splitter, got = b"".join(sent), Splitter(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += splitter.feed(stream[:size])
        stream = stream[size:]
    assert got == sent


def test_one_byte_at_a_time() -> None:
    splitter, data = Splitter(), FOREIGN["maa"]
    got = [message for byte in data for message in splitter.feed(bytes([byte]))]
    assert got == [data]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\x01\xff\xff\xfc", Fault.INVALID_MESSAGE_LENGTH),
        (b"\x01\x00\x00\x10" + bytes(16), Fault.INVALID_MESSAGE_LENGTH),
        (b"GET / HTTP/1.1\r\n\r\n123", Fault.INVALID_MESSAGE_LENGTH),
        (b"\x02\x00\x00\x14" + bytes(HEADER_BYTES - 4), Fault.UNSUPPORTED_VERSION),
    ],
)
def test_what_cannot_become_a_message_ends_the_stream(data: bytes, fault: Fault) -> None:
    with pytest.raises(BadDiameter) as raised:
        Splitter().feed(data)
    assert raised.value.fault is fault


def test_no_repr_has_a_value() -> None:
    message = pull_message(FOREIGN["maa"])
    for shown in (repr(message), repr(swx.pull_item(message.avps)), str(message.avps)):
        assert IMSI not in shown
        assert "cccc" not in shown
        assert "\\xcc" not in shown
