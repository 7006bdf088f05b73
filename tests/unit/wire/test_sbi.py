"""Messages of service-based interfaces: round trips, examples of TS 29.500, and bytes of nobody."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.sbi import headers, nrf, subscriber, ueau
from simgrant.wire.sbi.body import BadMessage
from simgrant.wire.sbi.headers import Load, Overload, Problem
from simgrant.wire.sbi.nrf import Instance
from simgrant.wire.sbi.ueau import Asked, Brought, Operation

RAND, AUTN, XRES, CK, IK = (bytes([n]) * 16 for n in range(1, 6))
IMSI = "001010000000001"
RESYNC = Asked(IMSI, rand=RAND, auts=b"a" * 14)
NAMES = ("hssAuthenticationVectors", "authenticationVector", "authType", "3gAkaAv", "3gAkaAvs")
MEMBERS = ("rand", "autn", "xres", "ck", "ik", "impi", "nfInstances", "validityPeriod")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES + MEMBERS), inner, max_size=6)
    ),
    max_leaves=12,
)
BODIES = st.binary(max_size=200) | JSON.map(lambda found: json.dumps(found).encode())


def vector(**more: str) -> dict[str, str]:
    found = {"rand": RAND.hex(), "autn": AUTN.hex(), "xres": XRES.hex()}
    return {**found, "ck": CK.hex(), "ik": IK.hex(), **more}


PRIME = {
    "avType": "EAP_AKA_PRIME",
    "rand": RAND.hex(),
    "autn": AUTN.hex(),
    "xres": XRES.hex(),
    "ckPrime": CK.hex(),
    "ikPrime": IK.hex(),
}
ANSWERS: dict[Operation, tuple[dict[str, Any], str, str]] = {
    Operation.GENERATE_AV: (
        {"hssAuthenticationVectors": [vector(avType="EAP_AKA"), PRIME]},
        "EAP_AKA",
        "",
    ),
    Operation.GENERATE_AUTH_DATA: (
        {"authType": "EAP_AKA_PRIME", "authenticationVector": PRIME, "supi": f"imsi-{IMSI}"},
        "EAP_AKA_PRIME",
        f"imsi-{IMSI}",
    ),
    Operation.GBA: ({"impi": f"{IMSI}@ims", "3gAkaAv": vector()}, "", f"{IMSI}@ims"),
    Operation.IMS: ({"impi": f"{IMSI}@ims", "3gAkaAvs": [vector()]}, "", f"{IMSI}@ims"),
}


# --- vectors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", Operation)
def test_an_answer_brings_one_vector(operation: Operation) -> None:
    body, kind, user = ANSWERS[operation]
    assert ueau.pull(operation, json.dumps(body).encode()) == Brought(
        kind, RAND, AUTN, XRES, CK, IK, user
    )


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        (
            Operation.GENERATE_AV,
            f"/nudm-ueau/v1/imsi-{IMSI}/hss-security-information/eap-aka/generate-av",
        ),
        (
            Operation.GENERATE_AUTH_DATA,
            f"/nudm-ueau/v1/imsi-{IMSI}/security-information/generate-auth-data",
        ),
        (
            Operation.GBA,
            f"/nhss-gba-ueau/v1/imsi-{IMSI}/security-information/generate-auth-data",
        ),
        (
            Operation.IMS,
            f"/nhss-ims-ueau/v1/{IMSI}@ims.x/security-information/generate-sip-auth-data",
        ),
    ],
)
def test_each_operation_has_its_path(operation: Operation, path: str) -> None:
    assert ueau.path(operation, Asked(IMSI, ims_domain="ims.x")) == path


@pytest.mark.parametrize("operation", Operation)
def test_a_resynchronisation_is_rand_and_auts(operation: Operation) -> None:
    told = {"rand": RAND.hex(), "auts": (b"a" * 14).hex()}
    assert json.loads(ueau.push(operation, RESYNC))["resynchronizationInfo"] == told
    assert "resynchronizationInfo" not in json.loads(ueau.push(operation, Asked(IMSI)))


def test_a_vector_for_aka_prime_is_bound_to_an_access_network() -> None:
    asked = json.loads(ueau.push(Operation.GENERATE_AV, Asked(IMSI, True, "WLAN")))
    assert (asked["hssAuthType"], asked["anId"]) == ("EAP_AKA_PRIME", "WLAN")
    assert "anId" not in json.loads(ueau.push(Operation.GENERATE_AV, Asked(IMSI, False, "WLAN")))


@pytest.mark.parametrize(
    ("network", "known"),
    [
        ("5G:mnc001.mcc001.3gppnetwork.org", True),
        ("5G:NSWO", True),
        ("WLAN", False),
        ("5G:mnc01.mcc001.3gppnetwork.org", False),
        ("5G:NSWO\n", False),
    ],
)
def test_serving_networks(network: str, known: bool) -> None:
    assert ueau.is_serving_network(network) is known


def test_offload_over_wlan_is_said() -> None:
    asked = Asked(IMSI, True, "5G:NSWO", ausf="a")
    assert json.loads(ueau.push(Operation.GENERATE_AUTH_DATA, asked))["nswoInd"] is True


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("name", ["rand", "autn", "xres", "ck", "ik"])
@pytest.mark.parametrize("value", ["00", "0" * 31, "g" * 32, "00" * 16 + "\n", 7, None])
def test_a_malformed_member_is_named_and_not_shown(
    operation: Operation, name: str, value: object
) -> None:
    body = json.loads(json.dumps(ANSWERS[operation][0]))
    several = body.get("hssAuthenticationVectors") or body.get("3gAkaAvs") or [{}]
    alone = body.get("authenticationVector", {}), body.get("3gAkaAv", {})
    for found in (several[0], *alone):
        for key in (name, f"{name}Prime"):
            if key in found:
                found[key] = value
    with pytest.raises(BadMessage) as raised:
        ueau.pull(operation, json.dumps(body).encode())
    assert name in str(raised.value)
    assert RAND.hex() not in str(raised.value)


@given(st.sampled_from(Operation), BODIES)
def test_any_bytes_are_a_vector_or_one_error(operation: Operation, body: bytes) -> None:
    with contextlib.suppress(BadMessage):
        ueau.pull(operation, body)


def test_nothing_shows_a_key() -> None:
    brought = ueau.pull(Operation.GBA, json.dumps(ANSWERS[Operation.GBA][0]).encode())
    shown = repr(brought) + repr(RESYNC) + repr(ueau.Vector(rand=RAND.hex(), autn=AUTN.hex()))
    for secret in (RAND, AUTN, XRES, CK, IK, IMSI.encode()):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown


# --- headers -------------------------------------------------------------------------------------

ID = "54804518-4191-46b3-955c-ac631f953ed8"
AT = 1_580_806_177.0
"""Tue, 04 Feb 2020 08:49:37 GMT."""
OCI = (
    'Timestamp: "Tue, 04 Feb 2020 08:49:37 GMT"; Period-of-Validity: 75s; '
    f"Overload-Reduction-Metric: 50%; NF-Instance: {ID}"
)
LCI = f'Timestamp: "Tue, 04 Feb 2020 08:49:37 GMT"; Load-Metric: 25%; NF-Instance: {ID}'
OVERLOAD = Overload(f"NF-Instance: {ID}", ID, AT, 50, 75)
TEXTS = st.text(max_size=300) | st.lists(
    st.sampled_from([*re.split(r"(?<=[;:,])", OCI), ",", ";", '"', "%", "s", " ", "9" * 30]),
    max_size=30,
).map("".join)


def test_overload_is_read_as_it_is_written_there() -> None:
    assert list(headers.pull_overloads(OCI)) == [OVERLOAD]
    assert headers.push_overload(OVERLOAD) == OCI
    assert list(headers.pull_overloads(f"{OCI} , {OCI}")) == [OVERLOAD, OVERLOAD]


def test_load_is_read_as_it_is_written_there() -> None:
    assert list(headers.pull_loads(LCI)) == [Load(ID, AT, 25)]
    assert headers.push_load(Load(ID, AT, 25)) == LCI


@pytest.mark.parametrize(
    "text",
    [
        OCI.replace("75s", "75"),
        OCI.replace("50%", "101%"),
        OCI.replace("04 Feb", "99 Feb"),
        OCI.replace("NF-Instance", "NFC-Instance"),
        OCI + "; S-NSSAI: x; DNN: internet",
        OCI * 40,
    ],
)
def test_what_makes_no_sense_of_overload_is_passed_over(text: str) -> None:
    assert list(headers.pull_overloads(text)) == []


def test_nobody_is_overloaded_for_longer_than_an_hour() -> None:
    (told,) = headers.pull_overloads(OCI.replace("75s", "999999s"))
    assert told.validity_s == 3_600


@given(TEXTS)
def test_any_header_is_read_or_passed_over(text: str) -> None:
    for told in headers.pull_overloads(text):
        assert 0 <= told.reduction <= 100
    for load in headers.pull_loads(text):
        assert 0 <= load.percent <= 100


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (AT, "Tue, 04 Feb 2020 08:49:37.000 GMT"),
        (AT + 0.9999, "Tue, 04 Feb 2020 08:49:37.999 GMT"),
        (0.05, "Thu, 01 Jan 1970 00:00:00.050 GMT"),
    ],
)
def test_a_timestamp_has_milliseconds(now: float, text: str) -> None:
    assert headers.push_timestamp(now) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.5, "1500"), (0.0, "1"), (-3, "1"), (1e9, "99999")]
)
def test_the_time_to_answer_is_one_to_five_digits(seconds: float, text: str) -> None:
    assert headers.push_max_rsp_time(seconds) == text


@pytest.mark.parametrize(
    ("content_type", "body", "problem"),
    [
        (
            "application/problem+json; charset=utf-8",
            b'{"status":404,"cause":"USER_NOT_FOUND"}',
            Problem(404, "USER_NOT_FOUND"),
        ),
        ("application/problem+json", b'{"title":"x"}', Problem()),
        ("application/problem+json", b'{"cause":"<b>hello</b>"}', Problem()),
        ("application/problem+json", b'{"cause":7}', None),
        ("application/problem+json", b"no", None),
        ("application/json", b'{"cause":"USER_NOT_FOUND"}', None),
        ("", b'{"cause":"USER_NOT_FOUND"}', None),
    ],
)
def test_problems(content_type: str, body: bytes, problem: Problem | None) -> None:
    assert headers.pull_problem(content_type, body) == problem


# --- what an NRF tells ------------------------------------------------------------------------


def service(**more: Any) -> dict[str, Any]:
    return {
        "serviceInstanceId": "1",
        "serviceName": "nudm-ueau",
        "versions": [{"apiVersionInUri": "v1", "apiFullVersion": "1.2.0"}],
        "scheme": "http",
        "nfServiceStatus": "REGISTERED",
        "ipEndPoints": [{"ipv4Address": "10.0.0.7", "port": 7777}],
        **more,
    }


def profile(*services: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "nfInstanceId": ID.upper(),
        "nfType": "UDM",
        "nfStatus": "REGISTERED",
        "nfServices": list(services),
        **more,
    }


def instances(*profiles: dict[str, Any]) -> tuple[Instance, ...]:
    body = json.dumps({"validityPeriod": 60, "nfInstances": profiles}).encode()
    validity, found = nrf.pull_instances(body, "nudm-ueau")
    assert validity == 60
    return found


@pytest.mark.parametrize(
    ("told", "root", "address", "port"),
    [
        (profile(service()), "http://10.0.0.7:7777", "", 7777),
        (
            profile(service(ipEndPoints=[]), ipv4Addresses=["10.0.0.8"]),
            "http://10.0.0.8:80",
            "",
            80,
        ),
        (
            profile(service(fqdn="udm.example", scheme="https")),
            "https://udm.example:7777",
            "10.0.0.7",
            7777,
        ),
        (
            profile(service(scheme="https", ipEndPoints=[], apiPrefix="core/a"), fqdn="u.example"),
            "https://u.example:443/core/a",
            "",
            443,
        ),
        (
            profile(service(ipEndPoints=[{"ipv6Address": "2001:db8::1", "port": 1}])),
            "http://[2001:db8::1]:1",
            "",
            1,
        ),
    ],
)
def test_an_instance_is_where_its_profile_says(
    told: dict[str, Any], root: str, address: str, port: int
) -> None:
    (found,) = instances(told)
    assert (found.id, found.root, found.address, found.port) == (ID, root, address, port)


def test_a_service_says_more_than_the_profile() -> None:
    told = profile(service(priority=2, load=10), priority=1, capacity=50, load=90)
    (found,) = instances(told)
    assert (found.priority, found.capacity, found.load) == (2, 50, 10)


def test_the_map_of_services_is_read_and_says_the_same_once() -> None:
    assert len(instances(profile(service(), nfServiceList={"1": service()}))) == 1
    assert len(instances(profile(nfServiceList={"1": service()}))) == 1


@pytest.mark.parametrize(
    "told",
    [
        profile(service(), nfStatus="SUSPENDED"),
        profile(service(nfServiceStatus="SUSPENDED")),
        profile(service(serviceName="nudm-sdm")),
        profile(service(versions=[{"apiVersionInUri": "v2"}])),
        profile(service(scheme="ftp")),
        profile(service(ipEndPoints=[{"ipv4Address": "10.0.0.7:1/x"}])),
        profile(service(fqdn="a/b")),
        profile(service(fqdn="user@evil.example")),
        profile(service(apiPrefix="/x?y")),
        profile(service(ipEndPoints=[{"port": 70_000}])),
        profile(service(), nfInstanceId=7),
    ],
)
def test_who_cannot_be_asked_is_passed_over(told: dict[str, Any]) -> None:
    assert instances(told) == ()
    assert len(instances(told, profile(service()))) == 1


@pytest.mark.parametrize(
    ("ranges", "served"),
    [
        ([{"start": "001010000000000", "end": "001010000000009"}], True),
        ([{"start": "001010000000002", "end": "001010000000009"}], False),
        ([{"start": "00101", "end": "00102"}], True),
        ([{"start": "00102", "end": "00101"}], False),
        ([{"pattern": "^imsi-00101[0-9]{10}$"}], True),
        ([{"pattern": "^imsi-00102[0-9]{10}$"}], False),
        ([{"pattern": r"^imsi-00101\d+$"}], True),
        ([{"pattern": "^imsi-00101.*$"}], True),
        ([{"pattern": "^imsi-0010[12].+$"}], False),
        ([{"pattern": "(0*)*b"}], False),
        ([], True),
    ],
)
def test_an_instance_serves_its_ranges(ranges: list[dict[str, str]], served: bool) -> None:
    (found,) = instances(profile(service(), udmInfo={"supiRanges": ranges}))
    assert found.serves(IMSI) is served


def test_an_instance_without_ranges_serves_everybody() -> None:
    (found,) = instances(profile(service()))
    assert found.serves(IMSI)
    info = {"imsiRanges": [{"start": "9", "end": "9"}]}
    (found,) = instances(profile(service(), hssInfoList={"a": info}))
    assert not found.serves(IMSI)


def test_an_nrf_cannot_tell_of_more_than_is_kept() -> None:
    assert len(instances(*[profile(service())] * 500)) == 64


@given(BODIES)
def test_any_bytes_are_instances_or_one_error(body: bytes) -> None:
    with contextlib.suppress(BadMessage):
        nrf.pull_instances(body, "nudm-ueau")


# --- what a UDM tells of a subscriber -------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ({"supi": f"imsi-{IMSI}", "gpsi": "msisdn-447700900001"}, "447700900001"),
        ({"gpsi": "extid-a@b", "additionalGpsis": ["msisdn-447700900002"]}, "447700900002"),
        ({"gpsi": "msisdn-1"}, ""),
        ({"gpsi": "msisdn-447700900001x"}, ""),
        ({}, ""),
    ],
)
def test_a_number_is_the_first_that_is_one(told: dict[str, Any], number: str) -> None:
    assert subscriber.pull_number(json.dumps(told).encode(), IMSI) == number


GUAMI = {"plmnId": {"mcc": "001", "mnc": "02"}, "amfId": "020040"}


@pytest.mark.parametrize(
    ("told", "network"),
    [
        ({"guami": GUAMI}, "00102"),
        ({"guami": GUAMI, "registrationTime": "2020-02-04T08:49:37Z"}, "00102"),
        ({"guami": GUAMI, "purgeFlag": True}, ""),
    ],
)
def test_a_phone_is_in_the_network_of_its_amf(told: dict[str, Any], network: str) -> None:
    assert subscriber.pull_network(json.dumps(told).encode(), IMSI) == network


@pytest.mark.parametrize(
    "told", [{}, {"guami": {}}, {"guami": {"plmnId": {"mcc": "1", "mnc": "01"}}}, [], "x"]
)
def test_a_registration_without_a_network_is_none(told: Any) -> None:
    with pytest.raises(BadMessage):
        subscriber.pull_network(json.dumps(told).encode(), IMSI)


def test_what_is_another_user_s_is_refused() -> None:
    told = {"supi": "imsi-001010000000002", "gpsi": "msisdn-447700900001", "guami": GUAMI}
    for pull in (subscriber.pull_number, subscriber.pull_network):
        with pytest.raises(BadMessage, match="another user's"):
            pull(json.dumps(told).encode(), IMSI)


@given(BODIES)
def test_any_bytes_are_of_a_subscriber_or_one_error(body: bytes) -> None:
    for pull in (subscriber.pull_number, subscriber.pull_network):
        with contextlib.suppress(BadMessage):
            pull(body, IMSI)
