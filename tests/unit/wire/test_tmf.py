"""TM Forum's APIs as bytes: what is read, what is passed over, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.adapters.bss.tmf.rules import SomebodyElse, Useless
from simgrant.domain.eligibility import Eligibility
from simgrant.wire.tmf import activation, address, offering, order, qualification, service_order
from simgrant.wire.tmf.inventory import FIELDS, MOST_ITEMS, Inventory, pull_items, push_query
from simgrant.wire.tmf.parts import (
    MOST_TEXT,
    BadMessage,
    Characteristic,
    Part,
    characteristics_of,
    read,
    unix_seconds,
)
from tests.tmf import ALL, WHO

NUMBER = WHO.msisdn.digits if WHO.msisdn else ""
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
ANY = st.recursive(
    LEAVES,
    lambda of: st.lists(of, max_size=4) | st.dictionaries(st.text(max_size=8), of),
    max_leaves=12,
)
MEMBERS = sorted({*sum(FIELDS.values(), ()), "name", "value", "state", "externalId"})
WORDS = ["active", "suspended", NUMBER, WHO.imsi.digits, "msisdn", "standard"]
LIKELY = st.recursive(
    LEAVES | st.sampled_from(WORDS),
    lambda of: st.lists(of, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS), of, max_size=6),
    max_leaves=30,
)
JSON = (ANY | LIKELY).map(lambda each: json.dumps(each).encode())
KINDS: list[Any] = [
    order.ProductOrder,
    order.CancelProductOrder,
    offering.Offering,
    qualification.Qualification,
    activation.Service,
    activation.Monitor,
    address.Validation,
    service_order.ServiceOrder,
]


# --- characteristics ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("447700900001", "447700900001"),
        (447700900001, "447700900001"),
        (447700900001.0, "447700900001"),
        (True, "true"),
        (False, "false"),
        (1.5, "1.5"),
        ({"value": "x"}, "x"),
        ({"@value": {"value": 7}}, "7"),
        ({"value": "x", "unit": "y"}, ""),
        ({"other": "x"}, ""),
        (["x"], ""),
        (None, ""),
        ("x" * (MOST_TEXT + 1), ""),
        (10**30, ""),
        (1e300, "1e+300"),
    ],
)
def test_a_value_is_text_or_none(value: object, text: str) -> None:
    assert Characteristic("n", value).text == text


def test_of_a_repeated_name_the_first_counts() -> None:
    found = [Characteristic("a", "1"), Characteristic("a", "2"), Characteristic("b", [])]
    assert characteristics_of(found) == {"a": "1"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:10Z", 10),
        ("1970-01-01T01:00:10+01:00", 10),
        ("1970-01-01T00:00:10", 10),
        ("1970-01-02", 86_400),
        ("0001-01-01T00:00:00+14:00", -62_135_647_200),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times(text: str, seconds: int | None) -> None:
    assert unix_seconds(text) == seconds


@given(st.text())
def test_any_text_is_a_time_or_none(text: str) -> None:
    assert isinstance(unix_seconds(text), int | None)


# --- inventories --------------------------------------------------------------------------


def items(inventory: Inventory, *documents: Any) -> Any:
    return pull_items(json.dumps(documents).encode(), inventory)


def test_a_product_is_known_by_all_its_names() -> None:
    (item,) = items(
        Inventory.PRODUCT,
        {
            "id": "1",
            "name": "n",
            "status": "aborted ",
            "startDate": "2026-01-01",
            "productOffering": {"id": "o", "name": "O"},
            "productSpecification": {"id": "s"},
            "productCharacteristic": [{"name": "msisdn", "value": 5}],
            "realizingResource": [{"id": "r", "name": "iccid", "value": "89"}, {"id": "q"}],
            "somethingOfTheirs": {"x": [1]},
        },
    )
    assert item.names == {"n", "o", "O", "s"}
    assert item.state == "aborted"
    assert item.values == {"msisdn": "5", "iccid": "89", "startDate": "2026-01-01"}
    assert "89" not in repr(item)


def test_a_service_and_a_resource_are_items_too() -> None:
    characteristic = [{"name": "startDate", "value": "theirs"}]
    (service,) = items(
        Inventory.SERVICE,
        {
            "state": "active",
            "category": "CFS",
            "serviceType": "t",
            "startDate": "2026-01-01",
            "serviceCharacteristic": characteristic,
        },
    )
    assert (service.state, service.names) == ("active", {"CFS", "t"})
    assert service.values["startDate"] == "theirs", "a characteristic of that name comes first"
    (resource,) = items(
        Inventory.RESOURCE, {"resourceStatus": "available", "startOperatingDate": "2026-01-02"}
    )
    assert (resource.state, resource.values) == ("available", {"startDate": "2026-01-02"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b'[{"id": 7}]',
        b'[{"productOffering": []}]',
        b'[{"productCharacteristic": [{"value": "x"}]}]',
        b'[{"productCharacteristic": null}]',
        b"[" + b"{}," * MOST_ITEMS + b"{}]",
        b"[" * 100_000,
        b'[{"name": "' + b"x" * (MOST_TEXT + 1) + b'"}]',
        b'[{"name": "\xff"}]',
    ],
    ids=range(11),
)
def test_what_is_no_list_of_products_is_refused(body: bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        pull_items(body, Inventory.PRODUCT)
    assert len(str(caught.value)) < 120


def test_a_query_says_what_is_wanted() -> None:
    query = push_query([("a.b", "x&y=z"), ("c", "+1")], ("id", "state"), offset=20, limit=5)
    assert query == "a.b=x%26y%3Dz&c=%2B1&fields=id,state&offset=20&limit=5"
    assert push_query([], (), offset=0, limit=5) == "limit=5"


@given(st.lists(LIKELY, max_size=4), st.sampled_from(ALL))
def test_whatever_is_listed_has_a_defined_outcome(content: list[Any], rules: Any) -> None:
    body, told, why = json.dumps(content).encode(), None, ""
    try:
        told = rules.understood(rules.own(pull_items(body, rules.inventory), WHO))
    except (BadMessage, Useless, SomebodyElse) as error:
        why = str(error)
    assert told is None or isinstance(told, Eligibility)
    assert NUMBER not in why
    assert WHO.imsi.digits not in why


# --- the others ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@given(st.binary() | JSON)
def test_whatever_comes_is_read_or_refused(kind: type[Part], body: bytes) -> None:
    found, why = None, ""
    try:
        found = read(body, kind)
    except BadMessage as error:
        why = str(error)
    assert len(why) < 120
    assert found is None or repr(found) == f"{kind.__name__}(…)"


@pytest.mark.parametrize(
    ("location", "id_"),
    [
        ("https://x/tmf-api/a/v4/monitor/7", "7"),
        ("/monitor/7/", "7"),
        ("/a/monitor/7?fields=id", "7"),
        ("https://x/service/7", ""),
        ("7", ""),
        ("", ""),
    ],
)
def test_a_monitor_is_named_by_an_address(location: str, id_: str) -> None:
    assert activation.monitor_id(location) == id_


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("InProgress", activation.Outcome.UNDER_WAY),
        ("in_progress", activation.Outcome.UNDER_WAY),
        ("completed", activation.Outcome.DONE),
        ("Completed", activation.Outcome.DONE),
        ("InError", activation.Outcome.FAILED),
        ("limbo", None),
        ("", None),
    ],
)
def test_a_monitor_says_how_far_it_is(state: str, outcome: activation.Outcome | None) -> None:
    assert activation.Monitor(state=state).outcome is outcome


def test_a_qualification_is_that_of_its_only_item() -> None:
    body = {
        "qualificationResult": "qualified",
        "productOfferingQualificationItem": [
            {
                "id": "1",
                "qualificationItemResult": "unqualified",
                "eligibilityUnavailabilityReason": [{"code": "7", "label": ""}],
            }
        ],
    }
    found = read(json.dumps(body).encode(), qualification.Qualification)
    assert (found.result, found.why) == ("unqualified", "7")
    assert read(b'{"qualificationResult": "x"}', qualification.Qualification).result == "x"
