"""What nobody should send: a short refusal, one record of it, and nothing changed."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, example
from hypothesis import given as for_all
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from prometheus_client import generate_latest

from simgrant.domain.subscription import PushRegistration, Terminal
from simgrant.domain.trail import Trail
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import pull_packet
from simgrant.flows.authenticate import Call
from simgrant.flows.sessions import pull_cookie
from simgrant.flows.tokens import pull_token
from simgrant.fronts.device import message
from simgrant.fronts.device.message import Reply
from simgrant.identities import Imsi
from simgrant.wire.request import ask as to_ask
from simgrant.wire.request import pull_query
from tests.device.harness import (
    ALLOWED,
    BARRED,
    IMEI,
    JSON,
    NO_CONSENT,
    OPC,
    RELAY,
    STRANGER,
    XML,
    Answer,
    K,
    Phone,
    Request,
    Server,
    Workbench,
    connect,
    flip,
    k_aut_of,
    nai,
    new_card,
    pull_answer,
    query,
    relay_body,
    res_attribute,
    response,
    signed,
)

SHORT = 64
"""Bytes that a refusal may have."""


async def refused(server: Server, request: Request, *statuses: int) -> Answer:
    """Send a request; check its status, its text, that it left one record and changed nothing."""
    records, lines = len(await server.records()), len(server.log_lines)
    writes, events = list(server.store.writes), list(server.events)
    answer = await server.send(request)
    assert answer.status in statuses, (answer, statuses)
    assert len(answer.body) <= SHORT
    kind = "" if answer.header("content-length") == "0" else "text/plain; charset=utf-8"
    assert answer.header("content-type") == kind
    assert answer.all("set-cookie") == []
    kept = await server.records()
    assert len(kept) == records + 1
    assert len(server.log_lines) == lines + 1
    assert server.log_lines[-1] == kept[-1]
    assert kept[-1]["status"] == answer.status
    assert kept[-1]["request_id"] == answer.header("x-request-id")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", kept[-1]["outcome"])
    assert server.store.writes == writes
    assert server.events == events, "nothing internal broke"
    return answer


# --- bodies --------------------------------------------------------------------------------


def packet_body(text: object) -> bytes:
    return json.dumps({"eap-relay-packet": text}).encode()


BODIES = {
    "no JSON": b"app=ap2004",
    "cut off": b'{"app":"ap2004"',
    "an array": b'["ap2004"]',
    "a text": b'"ap2004"',
    "a number": b"7",
    "null": b"null",
    "NaN": b'{"vers":NaN}',
    "two objects": b"{}{}",
    "invalid UTF-8": b'{"app":"\xff"}',
    "half a surrogate": b'{"app":"\\ud800"}',
    "NUL": b'{"app":"ap2004\\u0000"}',
    "a byte order mark": b'\xef\xbb\xbf{"app":"ap2004"}',
    "a nested object": b'{"app":{"a":"b"}}',
    "a list where none belongs": b'{"EAP_ID":["a","b"]}',
    "a list of lists": b'{"app":[["ap2004"]]}',
    "a boolean": b'{"app":true}',
    "a name twice": b'{"token":"a","token":"b"}',
    "a name twice in other letters": b'{"token":"a","Token":"b"}',
    "a number without end": b'{"vers":' + b"9" * 5000 + b"}",
    "nested 10,000 deep": b'{"a":' + b"[" * 10_000,
    "nested and closed": b'{"app":' + b"[" * 7000 + b"]" * 7000 + b"}",
    "200 parameters": json.dumps({f"p{number}": "1" for number in range(200)}).encode(),
    "a long name": json.dumps({"p" * 65: "1"}).encode(),
    "a long value": json.dumps({"p": "1" * 4097}).encode(),
    "many apps": json.dumps({"app": [f"ap{number}" for number in range(40)]}).encode(),
    "the packet is a number": packet_body(7),
    "the packet is null": packet_body(None),
    "the packet is a list": packet_body(["AgEACA=="]),
    "the packet is empty": packet_body(""),
    "wrong base64": packet_body("%%%%"),
    "base64 of the other alphabet": packet_body("AgEA-_8="),
    "base64 without padding": packet_body("AgEACBc"),
    "base64 with spaces": packet_body("AgEA CBc="),
    "padding in the middle": packet_body("Ag==EACB"),
    "a packet over 1500 bytes": packet_body(base64.b64encode(bytes(1501)).decode()),
    "two packets": b'{"eap-relay-packet":"AgEACBcOAAA=","EAP-Relay-Packet":"AgEACBcOAAA="}',
}


@pytest.mark.conforms("post.unreadable-400", "answers.malformed-400")
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_bodies_that_cannot_be_read_are_400(server: Server, body: bytes) -> None:
    await refused(server, Request("POST", b"", [("content-type", JSON)], body), 400)


async def test_an_empty_body_and_query_ask_for_a_proof(server: Server) -> None:
    await refused(server, Request("POST"), 400, 511)
    await refused(server, Request("POST", body=b"{}"), 400, 511)
    await refused(server, Request("GET"), 400, 511)


# --- size ----------------------------------------------------------------------------------


@pytest.mark.conforms("status.413", "divergence.too-large-413")
async def test_a_megabyte_that_was_announced_is_413_unread(server: Server) -> None:
    pieces = [bytes(65_536)] * 16
    headers = [("content-length", str(1 << 20))]
    answer = await refused(server, Request("POST", b"", headers, pieces), 413)
    assert answer.messages_taken == 0
    assert answer.header("connection") == "close"


async def test_a_megabyte_in_chunks_is_413_as_soon_as_it_is_too_much(server: Server) -> None:
    pieces = [bytes(4096)] * 256
    answer = await refused(server, Request("POST", b"", (), pieces), 413)
    assert answer.messages_taken == 5
    assert answer.header("connection") == "close"


@pytest.mark.parametrize("text", ["-1", "abc", "1e9", "9" * 30, "9" * 5000, "16385", "²"])
async def test_a_length_that_is_none_or_too_much_is_refused(server: Server, text: str) -> None:
    request = Request("POST", b"", [("content-length", text)], b"{}")
    await refused(server, request, 400, 413)


async def test_the_largest_body_is_read(server: Server) -> None:
    members = {"app": "ap2004", "EAP_ID": nai(ALLOWED), "terminal_id": IMEI}
    for number in range(3):
        members[f"p{number}"] = "x" * 4096
    body = json.dumps(members).encode()
    body += b" " * (16_384 - len(body))
    assert (await server.post(body)).status == 200
    await refused(server, Request("POST", body=body + b" "), 413)


async def test_a_client_that_goes_away_in_the_middle(server: Server) -> None:
    connection, line = connect(server.parts)
    connection.data_received(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
    line.close()
    connection.connection_lost(None)
    await asyncio.sleep(0)
    assert line.sent == b""
    assert (await server.records())[-1]["outcome"] == "disconnected"


async def test_an_answer_that_cannot_be_sent_leaves_its_record(server: Server) -> None:
    def send(_: Reply, __: bytes) -> None:
        raise OSError("the connection is gone")

    with pytest.raises(OSError, match="connection is gone"):
        await server.parts.device(message.Request("192.0.2.7"), send)
    assert len(await server.records()) == 1


@pytest.mark.parametrize(
    "data", [b"BREW /pot HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\n:\r\n\r\n"]
)
async def test_what_is_no_http_is_400(server: Server, data: bytes) -> None:
    connection, line = connect(server.parts)
    connection.data_received(data)
    await line.answered.wait()
    answer = pull_answer(line.sent)
    assert (answer.status, answer.header("connection")) == (400, "close")
    await asyncio.sleep(0)
    assert line.closing
    assert [record["outcome"] for record in await server.records()] == ["no_http"]


# --- queries -------------------------------------------------------------------------------

QUERIES = {
    "invalid UTF-8": b"app=ap2004&EAP_ID=\xff\xfe",
    "invalid UTF-8, encoded": b"app=ap2004&EAP_ID=%ff%fe",
    "an overlong NUL": b"app=ap2004&EAP_ID=%c0%80",
    "NUL": b"app=ap2004&EAP_ID=%00",
    "half a surrogate": b"app=ap2004&EAP_ID=%ed%a0%80",
    "10,000 parameters": b"&" * 9_999,
    "101 parameters": b"&".join(b"p%d=1" % number for number in range(101)),
    "a long name": b"x" * 65 + b"=1",
    "a long value": b"x=" + b"1" * 4097,
    "many apps": b"app=" + b",".join(b"ap%d" % number for number in range(17)),
    "a long app": b"app=" + b"x" * 65,
    "another version": b"entitlement_version=two&app=ap2004",
    "two identities": b"EAP_ID=a&EAP_ID=b&app=ap2004",
    "two identities in other letters": b"EAP_ID=a&eap_id=b&app=ap2004",
    "two tokens": b"token=a&app=ap2004&token=b",
    "two IMSIs": b"IMSI=001010000000001&token=a&IMSI=001010000000002&app=ap2004",
    "two temporary tokens": b"temporary_token=a&temporary_token=b",
}


@pytest.mark.conforms("answers.malformed-400", "answers.contradiction-400")
@pytest.mark.parametrize("text", QUERIES.values(), ids=QUERIES)
async def test_queries_that_cannot_be_read_are_400(server: Server, text: bytes) -> None:
    await refused(server, Request("GET", text), 400)


@pytest.mark.conforms("status.431", "divergence.too-large-413")
async def test_too_long_a_query_makes_the_head_too_long(server: Server) -> None:
    await refused(server, Request("GET", b"p=1&" * 10_000), 431)


async def test_too_long_a_query_in_a_head_that_may_be_long_is_413(bench: Workbench) -> None:
    async with bench.opened("[device]\nmax_head = 65536\n") as server:
        await refused(server, Request("GET", b"p=1&" * 10_000), 413)


async def test_the_same_proof_twice_is_no_contradiction(phone: Phone) -> None:
    pairs = (("EAP_ID", phone.eap_id), ("EAP_ID", phone.eap_id))
    assert (await phone.server.get(phone.query(*pairs))).status == 200


@pytest.mark.conforms("answers.no-app-400")
async def test_no_app_is_400(phone: Phone) -> None:
    query = phone.but(apps=()).query(("EAP_ID", phone.eap_id))
    await refused(phone.server, Request("GET", query), 400)


@pytest.mark.conforms("answers.contradiction-400")
async def test_an_imsi_that_contradicts_the_identity_is_400(phone: Phone) -> None:
    query = phone.query(("EAP_ID", phone.eap_id), ("IMSI", NO_CONSENT.digits))
    await refused(phone.server, Request("GET", query), 400)


@pytest.mark.conforms("answers.other-method-405", "status.405")
@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
async def test_other_methods_are_405(phone: Phone, method: str) -> None:
    query = phone.query(("EAP_ID", phone.eap_id))
    answer = await refused(phone.server, Request(method, query), 405)
    assert answer.header("allow") == "GET, POST"
    assert phone.server.store.asked == []


# --- identities ----------------------------------------------------------------------------


async def start_as(server: Server, eap_id: str, *statuses: int) -> Answer:
    text = query([("EAP_ID", eap_id), ("terminal_id", IMEI), ("app", "ap2004")])
    return await refused(server, Request("GET", text), *statuses)


@pytest.mark.spec("TS.43 §2.10")
@pytest.mark.conforms("eap.unknown-identity-403")
@pytest.mark.parametrize(
    "eap_id",
    [
        nai(ALLOWED, mnc="002"),
        nai(ALLOWED).replace("mcc001", "mcc002"),
        nai(Imsi("262011234567890")),
        nai(ALLOWED).replace("mnc001.mcc001", "mnc099.mcc999"),
        nai(ALLOWED, mnc="010"),
        nai(Imsi("999991234567890"), mnc="999"),
        nai(ALLOWED).replace("mnc001", "mnc01"),
    ],
)
async def test_an_imsi_of_another_network_is_403_without_a_look_up(
    server: Server, eap_id: str
) -> None:
    answer = await start_as(server, eap_id, 400, 403)
    assert answer.status == 403 or "mnc01." in eap_id
    assert server.store.asked == []


@pytest.mark.parametrize(
    "eap_id",
    [
        "null@nai.epc.mnc001.mcc001.3gppnetwork.org",
        "0",
        "x",
        "@",
        ALLOWED.digits,
        "0" + ALLOWED.digits,
        f"0{ALLOWED.digits}@",
        f"0{ALLOWED.digits}@example.org",
        f"00{ALLOWED.digits}@nai.epc.mnc001.mcc001.3gppnetwork.org",
        "000101@nai.epc.mnc001.mcc001.3gppnetwork.org",
        "0" + "9" * 300 + "@nai.epc.mnc001.mcc001.3gppnetwork.org",
        nai(ALLOWED, leading="6"),
        nai(ALLOWED, leading="2"),
        nai(ALLOWED, leading="4"),
        nai(ALLOWED, leading="7"),
        nai(ALLOWED, leading=""),
        nai(ALLOWED) + "\n",
        nai(ALLOWED) + " ",
        "\u0660" + nai(ALLOWED)[1:],
        nai(ALLOWED).replace("1@", "\u0661@"),
    ],
)
async def test_identities_of_no_use_are_refused(server: Server, eap_id: str) -> None:
    await start_as(server, eap_id, 400, 403)
    assert server.store.writes == []


# --- EAP packets ---------------------------------------------------------------------------

Spoil = Callable[[Phone, Answer], bytes]


def _attribute(kind: int) -> Spoil:
    def make(phone: Phone, challenge: Answer) -> bytes:
        k_aut = k_aut_of(phone, challenge)
        attributes = bytes((kind, 1, 0, 0)) + res_attribute(challenge)
        return signed(k_aut, challenge.packet[1], attributes)

    return make


def _tail(extra: bytes) -> Spoil:
    def make(phone: Phone, challenge: Answer) -> bytes:
        del phone
        return response(challenge.packet[1], res_attribute(challenge) + extra)

    return make


MALFORMED: dict[str, Spoil] = {
    "one byte": lambda _, __: b"\x02",
    "a header only": lambda _, challenge: b"\x02" + challenge.packet[1:2] + b"\x00\x04",
    "cut by one": lambda phone, challenge: right_answer(phone, challenge)[:-1],
    "cut in the middle": lambda phone, challenge: right_answer(phone, challenge)[:21],
    "one byte more": lambda phone, challenge: right_answer(phone, challenge) + b"\0",
    "length zero": lambda _, challenge: b"\x02" + challenge.packet[1:2] + bytes(2) + b"\x17\x01",
    "attribute length zero": _tail(b"\x0b\x00\0\0"),
    "skippable attribute length zero": _tail(b"\xff\x00\0\0"),
    "attribute past the end": _tail(b"\x0b\x06\0\0" + bytes(16)),
    "a single byte of attribute": _tail(b"\x0b"),
    "unknown and not skippable": _attribute(100),
    "RES twice": lambda phone, challenge: signed(
        k_aut_of(phone, challenge), challenge.packet[1], res_attribute(challenge) * 2
    ),
    "RES of no length": _tail(b"\x03\x01\x00\x00"),
    "RES of 128 bytes": _tail(b"\x03\x21\x04\x00" + bytes(128)),
    "AUTS of a wrong size": lambda _, challenge: response(
        challenge.packet[1], b"\x04\x03" + bytes(10), subtype=4
    ),
    "another method": lambda phone, challenge: change(right_answer(phone, challenge), 4, 18),
    "another subtype": lambda phone, challenge: change(right_answer(phone, challenge), 5, 99),
    "another code": lambda phone, challenge: change(right_answer(phone, challenge), 0, 9),
}


def right_answer(phone: Phone, challenge: Answer) -> bytes:
    return signed(k_aut_of(phone, challenge), challenge.packet[1], res_attribute(challenge))


def change(packet: bytes, at: int, value: int) -> bytes:
    return packet[:at] + bytes((value,)) + packet[at + 1 :]


@pytest.mark.spec("RFC 4187 §6.3.1")
@pytest.mark.parametrize("make", MALFORMED.values(), ids=MALFORMED)
async def test_a_packet_that_is_none_is_400_and_the_session_goes_on(
    phone: Phone, make: Spoil
) -> None:
    challenge = await phone.begin()
    wrong = make(phone, challenge)
    headers = [("cookie", challenge.cookie)]
    answer = await refused(phone.server, Request("POST", b"", headers, relay_body(wrong)), 400)
    assert answer.body == b"bad request"
    assert (await phone.end(challenge)).status == 200


async def test_an_unknown_attribute_that_may_be_skipped_is(phone: Phone) -> None:
    challenge = await phone.begin()
    assert (await phone.post(_attribute(200)(phone, challenge), challenge.cookie)).status == 200


@pytest.mark.conforms("eap.unknown-session-511")
async def test_a_packet_without_a_session_is_511(phone: Phone) -> None:
    challenge = await phone.begin()
    body = relay_body(right_answer(phone, challenge))
    for headers in ([], [("cookie", "ECSSID=x")], [("cookie", "\xff\xfe;;;=;ECSSID")]):
        await refused(phone.server, Request("POST", b"", headers, body), 511)
    assert phone.server.store.asked == ["sim_key"]


async def test_a_flood_of_cookies_is_refused(phone: Phone) -> None:
    challenge = await phone.begin()
    body = relay_body(right_answer(phone, challenge))
    lines = [("cookie", f"ECSSID={'x' * 1000}{number}") for number in range(100)]
    await refused(phone.server, Request("POST", b"", lines, body), 431)
    await refused(phone.server, Request("POST", b"", lines[:12], body), 413, 511)


# --- anything at all -----------------------------------------------------------------------

REFUSALS = frozenset({400, 401, 403, 405, 406, 413, 511})

names = st.sampled_from(
    [
        "app",
        "EAP_ID",
        "IMSI",
        "token",
        "temporary_token",
        "terminal_id",
        "vers",
        "entitlement_version",
        "notif_action",
        "notif_token",
        "gid1",
        "app_name",
        "operation",
        "eap-relay-packet",
        "msisdn",
    ]
) | st.text(max_size=12)
values = (
    st.sampled_from(["", "null", "ap2004", "[ap2003,ap2004]", "2.0", "-1", "0001010000000001@x"])
    | st.text(max_size=40)
    | st.binary(max_size=20).map(lambda data: base64.b64encode(data).decode())
)
pairs = st.lists(st.tuples(names, values), max_size=12)
queries = st.binary(max_size=200) | pairs.map(query)
json_values = st.recursive(
    values | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
bodies = st.binary(max_size=200) | st.dictionaries(names, json_values, max_size=8).map(
    lambda found: json.dumps(found).encode()
)
header_names = st.sampled_from(
    [
        "host",
        "accept",
        "accept-language",
        "accept-encoding",
        "cookie",
        "content-type",
        "user-agent",
        "forwarded",
        "x-forwarded-for",
        "x-anything",
    ]
)
header_values = (
    st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=60)
    | st.sampled_from([XML, JSON, RELAY, "ECSSID=", "gzip", "*/*;q=0", "for=unknown", "[::1]:80"])
    | st.text("ABCxyz019-_", min_size=40, max_size=200).map(lambda text: f"ECSSID={text}")
)


@hypothesis_settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@for_all(
    method=st.sampled_from(["GET", "POST", "POST", "HEAD", "PUT"]),
    query=queries,
    body=bodies,
    headers=st.lists(st.tuples(header_names, header_values), max_size=8),
)
@example("GET", b"%", b"", [("host", "]:x")])
async def test_whatever_comes_is_refused_in_words(
    server: Server, method: str, query: bytes, body: bytes, headers: list[tuple[str, str]]
) -> None:
    server.events.clear()
    answer = await server.send(Request(method, query, headers, body))
    assert answer.status in REFUSALS
    assert len(answer.body) <= SHORT
    assert server.store.writes == []
    assert server.events == []


@hypothesis_settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@for_all(headers=st.lists(st.tuples(header_names, header_values), max_size=8))
async def test_no_header_keeps_a_good_request_from_its_answer(
    server: Server, headers: list[tuple[str, str]]
) -> None:
    server.events.clear()
    phone = Phone(server)
    text = phone.query(("EAP_ID", phone.eap_id))
    answer = await server.send(Request("GET", text, headers))
    assert answer.status in (200, 503), "503 when this has gone on for too long"
    assert server.events == []


@hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@for_all(packet=st.binary(min_size=1, max_size=80))
async def test_no_made_up_packet_opens_a_session(phone: Phone, packet: bytes) -> None:
    phone.server.clock.advance(5)
    challenge = await phone.begin()
    for data in (packet, b"\x02" + challenge.packet[1:2] + packet):
        answer = await phone.post(data.ljust(6, b"\0"), challenge.cookie)
        assert answer.status in (400, 403, 511)
    assert phone.server.events == []


# --- who exists ----------------------------------------------------------------------------


def asked_since(server: Server) -> list[str]:
    """Return what the store was asked since the last time, and start over."""
    found = list(server.store.asked)
    server.store.calls.clear()
    return found


@pytest.mark.conforms("eap.unknown-identity-403", "answers.rejected-sim-403")
@pytest.mark.spec("TS.43 §2.8.1")
async def test_an_unknown_imsi_is_403_after_the_same_work_as_a_known_one(
    server: Server,
) -> None:
    known, unknown = Phone(server), Phone(server, imsi=STRANGER)
    assert (await known.begin()).status == 200
    first = asked_since(server)
    answer = await unknown.begin()
    assert (answer.status, answer.body) == (403, b"")
    assert asked_since(server) == first == ["sim_key"]
    assert answer.all("set-cookie") == []


HIDDEN = "[auth]\nhide_unknown = true"


@pytest.mark.conforms("divergence.unknown-sim-challenged")
async def test_a_hidden_stranger_gets_a_challenge_that_looks_like_any_other(
    bench: Workbench,
) -> None:
    async with bench.opened(HIDDEN) as server:
        known = await Phone(server).begin()
        first = asked_since(server)
        unknown = await Phone(server, imsi=STRANGER).begin()
        assert asked_since(server) == first
        assert (unknown.status, len(unknown.body)) == (known.status, len(known.body))
        assert [name for name, _ in unknown.headers] == [name for name, _ in known.headers]
        for name in ("content-type", "cache-control", "content-length"):
            assert unknown.header(name) == known.header(name)
        one, two = known.packet, unknown.packet
        fixed = [(0, 1), (2, 12), (28, 32), (38, 40), (48, 52)]
        assert [one[a:b] for a, b in fixed] == [two[a:b] for a, b in fixed], "all but the secrets"
        assert len(unknown.cookie) == len(known.cookie)


async def test_a_hidden_stranger_s_challenges_differ(bench: Workbench) -> None:
    async with bench.opened(HIDDEN) as server:
        found = {(await Phone(server, imsi=STRANGER).begin()).packet for _ in range(3)}
        assert len(found) == 3


ANSWERS: dict[str, Spoil] = {
    "wrong RES": lambda _, challenge: signed(
        bytes(16), challenge.packet[1], b"\x03\x03\x00\x40" + bytes(8)
    ),
    "AUTS": lambda _, challenge: response(challenge.packet[1], b"\x04\x04" + bytes(14), subtype=4),
    "reject": lambda _, challenge: response(challenge.packet[1], b"", subtype=2),
    "client error": lambda _, challenge: response(challenge.packet[1], b"\x16\x01\0\0", subtype=14),
    "another identifier": lambda _, challenge: response(challenge.packet[1] ^ 1, b"", subtype=2),
    "malformed": lambda _, __: b"\x02\x01\x00",
    "attribute length zero": lambda _, challenge: response(challenge.packet[1], b"\x0b\x00\0\0"),
    "unknown attribute": lambda _, challenge: response(challenge.packet[1], b"\x64\x01\0\0"),
}


@pytest.mark.conforms("divergence.unknown-sim-challenged")
@pytest.mark.parametrize("make", ANSWERS.values(), ids=ANSWERS)
async def test_a_hidden_stranger_s_answer_is_refused_like_a_wrong_one(
    bench: Workbench, make: Spoil
) -> None:
    """Whoever cannot answer for the SIM must not learn by how he is refused that there is one."""
    async with bench.opened(HIDDEN) as server:
        found = []
        for imsi in (ALLOWED, STRANGER):
            phone = Phone(server, imsi=imsi)
            challenge = await phone.begin()
            packet = make(phone, challenge).ljust(6, b"\0")
            server.store.calls.clear()
            once = await phone.post(packet, challenge.cookie)
            writes = list(server.store.writes)
            twice = await phone.post(packet, challenge.cookie)
            found.append((once.status, once.body, twice.status, twice.body, writes))
        assert found[0] == found[1]
        assert found[1][0] in (400, 403)


async def test_a_hidden_stranger_is_403_even_with_the_right_shape(bench: Workbench) -> None:
    async with bench.opened(HIDDEN) as server:
        phone = Phone(server, imsi=STRANGER)
        challenge = await phone.begin()
        packet = signed(bytes(16), challenge.packet[1], b"\x03\x03\x00\x40" + bytes(8))
        answer = await phone.post(packet, challenge.cookie)
        assert (answer.status, answer.body) == (403, b"")
        assert (await phone.post(packet, challenge.cookie)).status == 511


async def test_hiding_changes_nothing_for_a_known_sim(bench: Workbench) -> None:
    async with bench.opened(HIDDEN) as server:
        assert (await Phone(server).full()).status == 200
        assert (await Phone(server, imsi=BARRED).full()).status == 403
        ahead = Phone(server, card=new_card(ahead=True), imsi=NO_CONSENT)
        assert (await ahead.full()).status == 200


# --- limits --------------------------------------------------------------------------------

LIMITED = """
[limits]
imsi_source_burst = 3
imsi_source_per_minute = 30
imsi_burst = 6
imsi_per_minute = 30
source_burst = 9
source_per_minute = 30
"""


async def starts_until_refused(phone: Phone, *, answer: bool, most: int = 50) -> int:
    """Start until 503 and return how many were allowed."""
    for count in range(most):
        challenge = await phone.begin()
        if challenge.status == 503:
            assert int(challenge.header("retry-after")) >= 1
            return count
        assert challenge.status == 200
        if answer:
            assert (await phone.end(challenge)).status == 200
    raise AssertionError("never refused")


async def test_starts_are_limited_before_any_look_up(bench: Workbench) -> None:
    async with bench.opened(LIMITED) as server:
        phone = Phone(server)
        assert await starts_until_refused(phone, answer=False) == 3
        server.store.calls.clear()
        text = phone.query(("EAP_ID", phone.eap_id))
        answer = await refused(server, Request("GET", text), 503)
        assert 2 <= int(answer.header("retry-after")) <= 4
        assert server.store.asked == []


async def test_an_answered_start_costs_half(bench: Workbench) -> None:
    """Six halves: each start takes two, each answer gives one back."""
    async with bench.opened(LIMITED) as server:
        assert await starts_until_refused(Phone(server), answer=True) == 5


async def test_a_start_with_resynchronisation_costs_no_less(bench: Workbench) -> None:
    async with bench.opened(LIMITED) as server:
        phone = Phone(server)
        statuses = []
        for _ in range(6):
            phone.card = new_card(ahead=True)  # one that was restored from a copy, each time
            statuses.append((await phone.full()).status)
        assert statuses[-1] == 503


async def test_one_answer_many_times_at_once_is_counted_once(bench: Workbench) -> None:
    async with bench.opened(LIMITED) as server:
        phone = Phone(server)
        challenge = await phone.begin()
        packet = phone.reply(challenge)
        server.store.hold()
        posts = [asyncio.create_task(phone.post(packet, challenge.cookie)) for _ in range(8)]
        await server.store.called("profile", 8)
        server.store.release()
        assert {answer.status for answer in await asyncio.gather(*posts)} == {200}
        # Five of six halves are left.
        assert await starts_until_refused(phone, answer=False) == 2


async def test_wrong_answers_give_nothing_back(bench: Workbench) -> None:
    async with bench.opened(LIMITED) as server:
        phone = Phone(server)
        count = 0
        while (challenge := await phone.begin()).status == 200:
            count += 1
            packet = response(challenge.packet[1], b"", subtype=2)
            assert (await phone.post(packet, challenge.cookie)).status == 403
        assert count == 3


async def test_after_the_time_it_says_a_start_is_allowed(bench: Workbench) -> None:
    async with bench.opened(LIMITED) as server:
        phone = Phone(server)
        await starts_until_refused(phone, answer=False)
        server.clock.advance(1.9)
        assert (await phone.begin()).status == 503
        server.clock.advance(0.2)
        assert (await phone.begin()).status == 200
        assert (await phone.begin()).status == 503


async def test_another_imsi_and_another_source_are_not_affected(bench: Workbench) -> None:
    async with bench.opened(LIMITED) as server:
        phone = Phone(server)
        assert await starts_until_refused(phone, answer=False) == 3
        assert (await phone.but(imsi=NO_CONSENT).begin()).status == 200
        assert (await phone.but(source="198.51.100.9").begin()).status == 200


async def test_an_imsi_is_limited_over_all_sources(bench: Workbench) -> None:
    async with bench.opened(LIMITED) as server:
        phone = Phone(server)
        allowed = 0
        for number in range(10):
            allowed += (await phone.but(source=f"198.51.100.{number}").begin()).status == 200
        assert allowed == 6


async def test_a_source_is_limited_over_all_imsis(bench: Workbench) -> None:
    async with bench.opened(LIMITED) as server:
        statuses = [
            (await Phone(server, imsi=Imsi(f"00101000001{number:04}")).begin()).status
            for number in range(12)
        ]
        assert statuses == [403] * 9 + [503] * 3


async def test_tokens_are_not_limited_by_starts(bench: Workbench) -> None:
    async with bench.opened(LIMITED) as server:
        phone = Phone(server)
        token = await phone.token()
        await starts_until_refused(phone, answer=False)
        assert (await phone.fast(token)).status == 200


async def test_a_refused_network_costs_no_allowance(bench: Workbench) -> None:
    async with bench.opened(LIMITED) as server:
        stranger = nai(Imsi("262011234567890"))
        for _ in range(20):
            await start_as(server, stranger, 403)
        assert (await Phone(server).begin()).status == 200


async def test_no_limit_means_none(bench: Workbench) -> None:
    settings = "[limits]\nimsi_source_burst = 0\nimsi_burst = 0\nsource_burst = 0"
    async with bench.opened(settings) as server:
        phone = Phone(server)
        for _ in range(300):
            assert (await phone.begin()).status == 200


async def test_the_second_leg_is_admitted_last_of_all(bench: Workbench) -> None:
    async with bench.opened("[server]\nmax_in_flight = 4\nretry_after_s = 40") as server:
        phone = Phone(server)
        started = [await phone.begin() for _ in range(4)]
        answers = [(phone.reply(challenge), challenge.cookie) for challenge in started]
        token = await phone.token()
        server.store.hold()
        waiting = [asyncio.create_task(phone.fast(token)) for _ in range(4)]
        await server.store.called("profile", 5)
        before = len(server.store.calls)
        after = set()
        for _ in range(40):
            answer = await phone.begin()
            assert answer.status == 503
            after.add(int(answer.header("retry-after")))
        assert len(server.store.calls) == before, "refused before any look-up"
        assert len(after) > 3
        assert min(after) >= 20
        assert max(after) <= 60
        second = [asyncio.create_task(phone.post(*each)) for each in answers]
        await asyncio.wait(second[2:])
        server.store.release()
        assert {answer.status for answer in await asyncio.gather(*waiting)} == {200}
        statuses = [answer.status for answer in await asyncio.gather(*second)]
        assert statuses == [200, 200, 503, 503]
        assert (await phone.post(*answers[-1])).status == 200, "tried again, it goes through"


async def test_what_was_in_flight_is_forgotten(bench: Workbench) -> None:
    async with bench.opened("[server]\nmax_in_flight = 1") as server:
        phone = Phone(server)
        for _ in range(3):
            assert (await phone.begin()).status == 200
            assert (await server.get("\xff")).status in (400, 511)


# --- nothing leaks -------------------------------------------------------------------------


def spellings(secret: bytes) -> Iterator[bytes]:
    """Return how a secret might stand in a text."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    encoded = base64.b64encode(secret).decode()
    for text in (encoded, base64.urlsafe_b64encode(secret).decode()):
        yield text.rstrip("=").encode()
        yield text.replace("/", "\\/").rstrip("=").encode()
    yield repr(secret).encode()
    yield repr(secret)[2:-1].encode()
    if secret.isascii() and secret.decode().isdigit():
        yield secret.hex().encode()
        yield b"%x" % int(secret)


def assert_silent(text: bytes, secrets: dict[str, bytes]) -> None:
    for name, secret in secrets.items():
        for spelling in spellings(secret):
            assert spelling not in text, name


async def everything(server: Server) -> tuple[bytes, dict[str, bytes]]:
    """Make every kind of request; return all refusals' bodies and the secrets that were used."""
    phone = Phone(
        server, card=new_card(ahead=True), extra=(("notif_action", "2"), ("notif_token", "FCMTOK"))
    )
    bodies = []
    first = await phone.begin()
    second = await phone.post(phone.reply(first), first.cookie)
    packet = phone.reply(second)
    last = await phone.post(packet, first.cookie)
    token = last.token
    rand = pull_packet(second.packet).rand
    assert rand is not None
    made = Milenage(K, OPC).f2345(rand)
    await phone.fast(token)
    wrong = await phone.begin()
    bodies += [
        await phone.post(flip(packet, 300), first.cookie),
        await phone.post(flip(phone.reply(wrong), 8 * 39), wrong.cookie),
        await phone.fast(token[:-2] + "AA"),
        await phone.fast(token, imsi=NO_CONSENT),
        await phone.fast(token, terminal_id="356938035643809"),
        await phone.but(imsi=STRANGER).begin(),
        await phone.but(imsi=BARRED, card=new_card()).full(),
        await phone.but(entitlement_version=token).begin(),
        await server.get(f"EAP_ID={ALLOWED.digits}&app=ap2004"),
        await server.get(f"EAP_ID={phone.eap_id}&IMSI=262019876543210&app=ap2004"),
        await server.post(json.dumps({"eap-relay-packet": token}), ("cookie", first.cookie)),
    ]
    server.store.down = True
    bodies += [await phone.begin(), await phone.fast(token)]
    server.store.down = False
    broken = server.store.real
    server.store.real = None  # type: ignore[assignment]
    bodies += [await phone.begin(), await phone.fast(token)]
    server.store.real = broken
    assert [answer.status for answer in bodies[-2:]] == [500, 500]
    secrets = {
        "IMSI": ALLOWED.digits.encode(),
        "another IMSI": STRANGER.digits.encode(),
        "MSISDN": b"447700900001",
        "IMEI": IMEI.encode(),
        "Ki": K,
        "OPc": OPC,
        "token": token.encode(),
        "cookie": first.cookie_value.encode(),
        "another cookie": wrong.cookie_value.encode(),
        "RES": made.res,
        "CK": made.ck,
        "IK": made.ik,
        "RAND": rand,
        "K_aut": k_aut_of(phone, second),
        "push token": b"FCMTOK",
        "EAP answer": packet,
    }
    return b"\n".join(answer.body for answer in bodies), secrets


@pytest.mark.parametrize("shape", ["json", "console"])
async def test_no_log_record_or_refusal_holds_an_identity_or_a_secret(
    bench: Workbench, shape: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with bench.opened(f'[server]\nlog_format = "{shape}"') as server:
        bodies, secrets = await everything(server)
        records = json.dumps(await server.records()).encode()
        server.parts.lines.flush()
        lines = server.out.getvalue()
        events = repr(server.events).encode()
        metrics = generate_latest(server.parts.metrics.registry)
    shown = "".join(capfd.readouterr()).encode()
    assert len(lines) > 1000
    assert len(events) > 100, "the broken store was reported"
    for text in (bodies, records, lines, events, metrics, shown):
        assert_silent(text, secrets)


async def test_the_database_holds_no_secret_in_clear(bench: Workbench) -> None:
    async with bench.opened() as server:
        _, secrets = await everything(server)
    kept = b"".join(
        file.read_bytes() for file in sorted(bench.loaded().state_dir.glob("simgrant*.db*"))
    )
    assert len(kept) > 10_000
    assert ALLOWED.digits.encode() in kept, "this is the right file"
    known_in_clear = {"IMSI", "MSISDN", "IMEI", "push token"}
    assert_silent(kept, {k: v for k, v in secrets.items() if k not in known_in_clear})


async def test_no_repr_holds_an_identity_or_a_secret(phone: Phone) -> None:
    server = phone.server
    _, secrets = await everything(server)
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    token = (await phone.post(packet, challenge.cookie)).token
    now = server.clock.now()
    keys = server.parts.keys
    ask = to_ask(pull_query(phone.query(("IMSI", ALLOWED.digits), ("token", token))))
    call = Call("", "192.0.2.7", XML, "", "", server.clock.monotonic() + 5)
    by_token, by_sim = server.parts.entitle._by_token, server.parts.entitle._by_sim
    store = server.store.real
    _, started = pull_cookie(challenge.cookie_value, keys, now=now, life=60)
    rand = pull_packet(challenge.packet).rand
    assert rand is not None
    made = Milenage(K, OPC).f2345(rand)
    secrets |= {"RES": made.res, "K_aut": k_aut_of(phone, challenge), "token": token.encode()}
    secrets |= {"cookie": challenge.cookie_value.encode()}
    with_eap_id = to_ask((*ask.parameters, ("eap_id", phone.eap_id)))
    shown = {
        "ask": ask,
        "claims": pull_token(token, keys, now=now),
        "principal": await by_token.authenticate(ask, call, Trail("x")),
        "challenge": await by_sim.start(with_eap_id, call, Trail("x")),
        "granted": await server.parts.entitle.ask(ask, call, Trail("x")),
        "started": started,
        "row": await store.session("default", ALLOWED, started.session_id),
        "profile": await store.profile("default", ALLOWED, IMEI, "|ap2004"),
        "sim key": await store.sim_key("default", ALLOWED),
        "export": await store.export("default", ALLOWED),
        "terminal": Terminal(IMEI),
        "push": PushRegistration(IMEI, "ap2004", "", 2, "FCMTOK", 0),
        "ring": keys.ring,
        "parts": server.parts,
    }
    told = []
    for name, value in shown.items():
        for secret, content in secrets.items():
            if any(spelling in repr(value).encode() for spelling in spellings(content)):
                told.append(f"{name} shows {secret}")
    assert not told, "; ".join(told)
