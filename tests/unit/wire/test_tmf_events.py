"""Events of an operator's systems: what is made is read, what is no event is said to be none."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.tmf_events import (
    MOST_BYTES,
    MOST_EVENTS,
    MOST_THINGS,
    BadEvent,
    Happening,
    Kind,
    Made,
    PlainEvent,
    TmfEvent,
    Unreadable,
    bound,
    plain_event,
    pull_event,
    pull_raw,
    push_message,
    tmf_event,
)
from tests.cloud_events import cloud_event
from tests.swagger import Swagger

AT = 1_795_000_000
LINE = {"msisdn": "+15550100", "planCode": "GOLD"}
IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128)


def read(event: Any, **place: str) -> Any:
    (raw,) = pull_raw(event if isinstance(event, bytes) else json.dumps(event).encode())
    return pull_event(raw, **place)


def why(event: Any) -> Unreadable:
    with pytest.raises(BadEvent) as caught:
        read(event)
    assert str(caught.value) == caught.value.reason.value
    return caught.value.reason


@given(IDS, st.sampled_from(Kind), st.sampled_from(Happening), st.integers(0, 1 << 33))
def test_what_is_made_is_read(event_id: str, kind: Kind, happening: Happening, at: int) -> None:
    made = Made(kind, "p-1", state="Suspended", characteristics=LINE)
    event = tmf_event(event_id, made, happening, at=at)
    found = read(push_message([event]))
    assert (found.event_id, found.event_type, found.at) == (
        event_id,
        kind.event_type(happening),
        at,
    )
    (thing,) = found.things
    assert (thing.kind, thing.thing_id, thing.state) == (kind.value, "p-1", "suspended")
    assert thing.value(("msisdn",)) == "+15550100"
    assert thing.value(("nothing", "plancode")) == "GOLD"
    around = read(cloud_event(event, source="/bss", event_id="outer", at=at))
    assert around == found


def test_a_cloud_event_says_what_the_event_in_it_does_not() -> None:
    event = {
        "specversion": "1.0",
        "id": "c-1",
        "source": "/bss",
        "type": "com.example.ProductStateChangeEvent",
        "time": "2026-11-23T02:40:00.123Z",
        "data": {"event": {"product": {"id": "1", "status": "suspended"}}},
    }
    found = read(event)
    assert isinstance(found, TmfEvent)
    assert (found.event_id, found.event_type) == ("c-1", "ProductStateChangeEvent")
    assert found.at == 1_795_401_600


def test_a_plain_event_is_read() -> None:
    told = {
        "plan": "premium",
        "options": ["roaming"],
        "prepaid": False,
        "sim_since": "2026-01-01T00:00:00Z",
    }
    event = plain_event("e-1", "plan_changed", at=AT, imsi="001010000000001", told=told)
    found = read(event)
    assert isinstance(found, PlainEvent)
    assert (found.event_id, found.change, found.at) == ("e-1", "plan_changed", AT)
    assert found.told == told | {"sim_since": 1_767_225_600}
    assert "001010000000001" not in repr(found)
    assert read(cloud_event(event, source="/x", event_id="other", at=AT)) == found


@pytest.mark.parametrize(
    "members",
    [
        {"productCharacteristic": [{"name": "MSISDN", "value": "15550100"}]},
        {"serviceCharacteristic": [{"name": "msisdn", "value": {"value": "15550100"}}]},
        {"realizingResource": [{"id": "7", "name": "msisdn", "value": "15550100"}]},
        {
            "productOrderItem": [
                {"product": {"productCharacteristic": [{"name": "msisdn", "value": 15550100}]}}
            ]
        },
        {"name": "MSISDN", "value": "15550100"},
        {"msisdn": "15550100"},
        {"msisdn": {"id": "15550100"}},
    ],
)
def test_a_number_is_found_where_the_apis_have_it(members: dict[str, Any]) -> None:
    event = {"eventId": "1", "eventType": "productCreateEvent", "event": {"product": members}}
    (thing,) = read(event).things
    assert thing.value(("msisdn", "msisdn.id")) == "15550100"


def test_a_batch_is_about_many() -> None:
    products = [{"id": str(each)} for each in range(3)]
    event = {"eventId": "1", "eventType": "ProductBatchEvent", "event": {"product": products}}
    assert [each.thing_id for each in read(event).things] == ["0", "1", "2"]
    event["event"] = {"product": [{}] * (MOST_THINGS + 1)}
    assert why(event) is Unreadable.TOO_MANY


PLAIN = plain_event("e-1", "plan_changed", at=AT, imsi="001010000000001")
TMF = tmf_event("t-1", Made(Kind.PRODUCT, "1"), Happening.CREATE, at=AT)
CLOUD = cloud_event(PLAIN, source="/", event_id="1", at=AT)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (b"", Unreadable.NOT_JSON),
        (b"{", Unreadable.NOT_JSON),
        (b'{"id": "\xff"}', Unreadable.NOT_JSON),
        (b'{"a":' * 100_000, Unreadable.NOT_JSON),
        (b"[" * 100_000, Unreadable.NOT_JSON),
        (b'{"a":"' + b"x" * MOST_BYTES + b'"}', Unreadable.TOO_LARGE),
        (b"3", Unreadable.NO_ENVELOPE),
        ({}, Unreadable.NO_ENVELOPE),
        (TMF | {"event": {}}, Unreadable.NO_ENVELOPE),
        (TMF | {"event": {"product": 3}}, Unreadable.NO_ENVELOPE),
        (TMF | {"event": []}, Unreadable.NO_ENVELOPE),
        (TMF | {"eventType": 3}, Unreadable.NO_ENVELOPE),
        (TMF | {"eventType": "no such/type"}, Unreadable.BAD_TYPE),
        (TMF | {"eventId": "two words"}, Unreadable.BAD_ID),
        (TMF | {"eventId": "x" * 129}, Unreadable.BAD_ID),
        (TMF | {"eventTime": "yesterday"}, Unreadable.BAD_TIME),
        (TMF | {"eventTime": "2026-13-01T00:00:00Z"}, Unreadable.BAD_TIME),
        (PLAIN | {"at": -1}, Unreadable.BAD_TIME),
        (PLAIN | {"at": 1 << 60}, Unreadable.BAD_TIME),
        (PLAIN | {"at": 1.5}, Unreadable.NO_ENVELOPE),
        (PLAIN | {"imsi": 1}, Unreadable.NO_ENVELOPE),
        (PLAIN | {"imsy": "001010000000001"}, Unreadable.NO_ENVELOPE),
        (PLAIN | {"change": "Plan changed"}, Unreadable.UNKNOWN_CHANGE),
        (PLAIN | {"imsi": "1" * 300}, Unreadable.BAD_IDENTITY),
        (PLAIN | {"told": {"plan": "x" * 300}}, Unreadable.BAD_VALUE),
        (PLAIN | {"told": {"options": ["x"] * 101}}, Unreadable.BAD_VALUE),
        (PLAIN | {"told": {"plam": "x"}}, Unreadable.NO_ENVELOPE),
        (CLOUD | {"specversion": "0.3"}, Unreadable.NO_ENVELOPE),
        (
            cloud_event(CLOUD, source="/", event_id="1", at=AT),
            Unreadable.NO_ENVELOPE,
        ),
    ],
    ids=str,
)
def test_what_is_no_event_is_said_to_be_none(event: Any, reason: Unreadable) -> None:
    assert why(event) is reason


def test_a_list_is_bounded_and_each_of_it_read_alone() -> None:
    assert len(pull_raw(push_message([PLAIN, TMF]))) == 2
    with pytest.raises(BadEvent, match="too_many"):
        pull_raw(b"[" + b",".join([b"1"] * (MOST_EVENTS + 1)) + b"]")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
BROKEN = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda base, name, value: json.dumps(base | {name: value}).encode(),
        st.sampled_from([PLAIN, TMF, cloud_event(TMF, source="/", event_id="1", at=AT)]),
        st.sampled_from([*PLAIN, *TMF, "specversion", "data", "told", "event", "type"]),
        JSON,
    ),
    st.builds(lambda value: json.dumps(TMF | {"event": {"product": value}}).encode(), JSON),
)


@given(BROKEN)
def test_whatever_comes_is_read_or_is_no_event(body: bytes) -> None:
    try:
        for raw in pull_raw(body):
            pull_event(raw)
    except BadEvent:
        pass


@pytest.mark.parametrize(
    ("api", "kind"),
    [
        ("637", Kind.PRODUCT),
        ("638", Kind.SERVICE),
        ("639", Kind.RESOURCE),
        ("622", Kind.PRODUCT_ORDER),
    ],
)
def test_made_events_are_as_tm_forum_defines_them(api: str, kind: Kind) -> None:
    swagger = Swagger(api)
    for happening in (Happening.CREATE, Happening.STATE_CHANGE, Happening.DELETE):
        made = Made(kind, "1", characteristics={"msisdn": "15550100"})
        event = tmf_event("e-1", made, happening, at=AT)
        swagger.event(event, kind.event_type(happening))


ATTRIBUTES = {
    "specversion": "1.0",
    "id": "c-1",
    "type": "com.example.ProductStateChangeEvent",
    "source": "/bss",
    "time": "2026-11-23T02:40:00.123Z",
    "subject": "15550100",
}


def test_in_binary_mode_what_is_beside_the_body_counts() -> None:
    body = json.dumps({"event": {"product": {"id": "1", "status": "suspended"}}}).encode()
    found = read(bound(ATTRIBUTES, body))
    assert isinstance(found, TmfEvent)
    assert (found.event_id, found.event_type) == ("c-1", "ProductStateChangeEvent")
    assert found.at == 1_795_401_600
    assert found.things[0].value(("msisdn", "subject")) == "15550100"
    plain = {"change": "plan_changed", "imsi": "001010000000001"}
    found = read(bound(ATTRIBUTES, json.dumps(plain).encode()))
    assert isinstance(found, PlainEvent)
    assert (found.event_id, found.change, found.at) == ("c-1", "plan_changed", 1_795_401_600)
    # What the inner event says itself goes before.
    found = read(bound(ATTRIBUTES, json.dumps(PLAIN).encode()))
    assert (found.event_id, found.at) == ("e-1", AT)


def test_without_attributes_a_body_is_what_it_is() -> None:
    body = json.dumps(PLAIN).encode()
    assert bound({"id": "1"}, body) is body
    assert bound(ATTRIBUTES, b"{") == b"{"


@given(
    st.dictionaries(st.sampled_from([*ATTRIBUTES, "data", "x"]), st.text(max_size=300)),
    st.binary(max_size=60) | st.sampled_from([json.dumps(TMF).encode(), b"[1]", b"3"]),
)
def test_whatever_is_beside_it_is_an_event_or_none(attributes: dict[str, str], body: bytes) -> None:
    with contextlib.suppress(BadEvent):
        read(bound(attributes, body))
