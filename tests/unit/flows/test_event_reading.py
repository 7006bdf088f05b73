"""What an operator's systems send, read as changes of subscriptions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.adapters.store.sql.event_rows import from_event, to_event
from simgrant.domain.bss_events import Change, ToldConsent
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.flows.event_reading import EventReader, Names, Reading, Rule
from simgrant.identities import Iccid, Imsi, Msisdn
from simgrant.spec.ids import ProvStatus
from simgrant.wire.tmf_events import Unreadable, plain_event

NOW = 1_795_000_000
IMSI, NUMBER = Imsi("001010000000001"), Msisdn("15550100")
NAMES = Names(plan=("productoffering.id",), plans={"po-7": "premium"}, new_imsi=("newimsi",))
RULES = (
    Rule(
        change=Change.SUSPENDED,
        status=SubscriptionStatus.SUSPENDED,
        event_types=("Product*Event",),
        states=frozenset({"suspended"}),
    ),
    Rule(change=Change.IMSI_CHANGED, values=("newimsi",)),
    Rule(change=Change.PLAN_CHANGED, senders=frozenset({"crm"}), values=("productoffering.id",)),
)


def product(event_type: str = "ProductStateChangeEvent", **members: Any) -> dict[str, Any]:
    return {"eventId": "t-1", "eventType": event_type, "event": {"product": members}}


def read(*events: Any, sender: str = "crm") -> Reading:
    body = json.dumps(events[0] if len(events) == 1 else events).encode()
    return EventReader(RULES, NAMES).read(sender, body, now=NOW)


def test_a_state_is_a_change_where_a_rule_says_so() -> None:
    (event,) = read(product(status="Suspended", msisdn="+1555 0100".replace(" ", ""))).events
    assert (event.change, event.msisdn, event.at) == (Change.SUSPENDED, NUMBER, NOW)
    assert event.told == Eligibility(status=SubscriptionStatus.SUSPENDED)


@pytest.mark.parametrize("number", ["+15550100", "0015550100", "tel:+15550100", "15550100"])
def test_a_number_may_have_its_prefixes(number: str) -> None:
    (event,) = read(product(msisdn=number)).events
    assert event.msisdn == NUMBER


def test_the_first_rule_that_fits_counts_and_without_one_it_is_a_hint() -> None:
    offer: dict[str, Any] = {"imsi": IMSI.digits, "productOffering": {"id": "po-7"}}
    assert read(product(**offer)).events[0].change is Change.PLAN_CHANGED
    assert read(product(**offer)).events[0].told == Eligibility(plan="premium")
    assert read(product(**offer), sender="other").events[0].change is Change.CHANGED
    changed = read(product(**offer, newImsi="001010000000002")).events[0]
    assert (changed.change, changed.new_imsi) == (Change.IMSI_CHANGED, Imsi("001010000000002"))
    unknown = product(imsi=IMSI.digits, productOffering={"id": "po-8"})
    assert read(unknown).events[0].told == Eligibility()
    service = {"eventId": "1", "eventType": "ServiceStateChangeEvent"}
    event = service | {"event": {"service": {"state": "suspended", "imsi": IMSI.digits}}}
    assert read(event).events[0].change is Change.CHANGED


def test_of_a_batch_each_is_an_event_of_its_own() -> None:
    lines = [{"imsi": f"00101000000000{each}"} for each in range(3)]
    batch = {"eventId": "b" * 128, "eventType": "ProductBatchEvent", "event": {"product": lines}}
    ids = [each.event_id for each in read(batch).events]
    assert len(set(ids)) == 3
    assert max(map(len, ids)) <= 128


def test_the_same_bytes_without_an_id_are_the_same_event() -> None:
    event = product(imsi=IMSI.digits)
    del event["eventId"]
    once, again = read(event).events[0].event_id, read(event).events[0].event_id
    assert once == again
    assert once != read(event | {"title": "x"}).events[0].event_id


def test_a_plain_event_tells_what_holds() -> None:
    told = {
        "status": "active",
        "plan": "premium",
        "options": ["a", "b"],
        "refusals": [],
        "terms": "given",
        "address": "missing",
        "provisioning": "in_progress",
        "visited_plmn": "00101",
        "msisdn": "+15550100",
        "number_type": "mobile",
        "prepaid": True,
        "port_freeze": False,
        "customer_since": 5,
        "sim_since": "1970-01-01T00:00:06Z",
    }
    event = plain_event(
        "e-1", "sim_swapped", at=NOW, imsi=IMSI.digits, iccid="8949000000000000018F", told=told
    )
    (found,) = read(event).events
    assert (found.change, found.imsi, found.iccid) == (
        Change.SIM_SWAPPED,
        IMSI,
        Iccid("8949000000000000018"),
    )
    assert found.told == Eligibility(
        status=SubscriptionStatus.ACTIVE,
        plan="premium",
        options=frozenset({"a", "b"}),
        refusals=frozenset(),
        terms=ConsentStatus.GIVEN,
        address=ConsentStatus.MISSING,
        provisioning=ProvStatus.IN_PROGRESS,
        visited_plmn="00101",
        msisdn=NUMBER,
        number_type=NumberType.MOBILE,
        prepaid=True,
        port_freeze=False,
        customer_since=5,
        sim_since=6,
    )


@pytest.mark.parametrize("change", Change)
def test_a_plain_event_knows_every_change(change: Change) -> None:
    assert read(plain_event("1", change, at=NOW, msisdn="15550100")).events[0].change is change


PLAIN = plain_event("e-1", "plan_changed", at=NOW, imsi=IMSI.digits)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (PLAIN | {"change": "plan_chnaged"}, Unreadable.UNKNOWN_CHANGE),
        (PLAIN | {"imsi": "12"}, Unreadable.BAD_IDENTITY),
        (PLAIN | {"imsi": ""}, Unreadable.NO_SUBSCRIPTION),
        (PLAIN | {"iccid": "x"}, Unreadable.BAD_IDENTITY),
        (PLAIN | {"told": {"status": "actve"}}, Unreadable.BAD_VALUE),
        (PLAIN | {"told": {"provisioning": "done"}}, Unreadable.BAD_VALUE),
        (PLAIN | {"told": {"visited_plmn": "abc"}}, Unreadable.BAD_VALUE),
        (PLAIN | {"told": {"number_type": "x"}}, Unreadable.BAD_VALUE),
        (PLAIN | {"told": {"msisdn": "x"}}, Unreadable.BAD_IDENTITY),
        (product(status="x"), Unreadable.NO_SUBSCRIPTION),
        (product(msisdn="nobody"), Unreadable.BAD_IDENTITY),
    ],
)
def test_what_is_no_use_is_said_to_be_none(event: Any, reason: Unreadable) -> None:
    found = read(event)
    assert found.events == ()
    assert [each.reason for each in found.unread] == [reason]


def test_of_a_list_what_can_be_read_is_read() -> None:
    found = read(PLAIN, {"id": 1}, product(imsi=IMSI.digits), 5)
    assert [each.event_id for each in found.events] == ["e-1", "t-1"]
    assert [json.loads(each.raw) for each in found.unread] == [{"id": 1}, 5]
    assert found.named == (("e-1", "plan_changed"), ("t-1", "ProductStateChangeEvent"))


@given(
    st.dictionaries(st.sampled_from([*PLAIN, "told", "new_imsi", "iccid"]), st.text(max_size=20))
)
def test_whatever_a_plain_event_says_is_read_or_put_aside(members: dict[str, str]) -> None:
    found = read(PLAIN | members)
    assert len(found.events) + len(found.unread) == 1


@pytest.mark.parametrize("suffix", ["", "-return"])
def test_news_of_our_own_product_orders_are_told_by_their_names(suffix: str) -> None:
    ours = "0123456789abcdef" * 2

    def order(**members: Any) -> dict[str, Any]:
        event = {"productOrder": {"id": "7", "externalId": f"{ours}{suffix}", **members}}
        return {"eventType": "ProductOrderStateChangeEvent", "event": event}

    found = read(order(state="completed"))
    assert (found.orders, found.events, found.unread) == ((ours,), (), ())
    found = read(order(state="completed", imsi=IMSI.digits), order(state="held"))
    assert found.orders == (ours,)
    assert [event.imsi for event in found.events] == [IMSI], "it is a hint about the line, too"


@pytest.mark.parametrize("external", ["", "CRM-17", "0123456789ABCDEF" * 2, "0" * 33])
def test_of_other_product_orders_nobody_is_told(external: str) -> None:
    event = {"productOrder": {"id": "7", "externalId": external}}
    found = read({"eventType": "ProductOrderStateChangeEvent", "event": event})
    assert found.orders == ()
    assert found.unread[0].reason is Unreadable.NO_SUBSCRIPTION


CONSENT = {"client_id": "bank", "purpose": "dpv:Fraud", "apis": ["sim-swap", "kyc-tenure"]}
TOLD = ToldConsent(client_id="bank", purpose="Fraud", apis=("sim-swap", "kyc-tenure"))


def consent(change: str = "consent_given", **members: Any) -> dict[str, Any]:
    about = CONSENT | members
    return plain_event("c-1", change, at=NOW, imsi=IMSI.digits, api_consent=about)


def test_a_plain_event_tells_a_consent_to_a_consumer() -> None:
    more = {"application": "app", "expires_at": "2028-01-01T00:00:00Z", "evidence": "call 7"}
    (event,) = read(consent(**more)).events
    expires_at = 1_830_297_600
    assert event.api_consent == replace(
        TOLD, application="app", expires_at=expires_at, evidence="call 7"
    )
    assert (event.change, event.told) == (Change.CONSENT_GIVEN, Eligibility())
    assert read(consent("consent_withdrawn")).events[0].api_consent == TOLD
    assert "call 7" not in repr(event)


@pytest.mark.parametrize(
    "wrong",
    [
        consent("suspended"),
        consent(apis=[]),
        consent(apis=["a"] * 101),
        consent(apis=["Sim Swap"]),
        consent(purpose="F" * 300),
        consent(client_id=""),
        consent(expires_at=NOW),
        consent("consent_withdrawn", expires_at=NOW + 9),
        consent() | {"told": {"terms": "given"}},
        consent() | {"terminal_id": "350000000000017"},
    ],
)
def test_a_consent_that_nobody_could_write_down_is_unread(wrong: dict[str, Any]) -> None:
    (unread,) = read(wrong).unread
    assert unread.reason is Unreadable.BAD_VALUE


def test_a_consent_of_another_shape_is_no_event() -> None:
    for wrong in (consent(apis="sim-swap"), consent(scope="x"), consent() | {"api_consent": 1}):
        assert read(wrong).unread[0].reason is Unreadable.NO_ENVELOPE
    assert read(consent(expires_at="soon")).unread[0].reason is Unreadable.BAD_TIME


RULES_OF_CONSENT = (
    Rule(
        change=Change.CONSENT_WITHDRAWN,
        event_types=("PartyPrivacyAgreementDeleteEvent",),
        values=("clientid",),
    ),
    Rule(
        change=Change.CONSENT_GIVEN,
        event_types=("PartyPrivacyAgreement*Event",),
        states=frozenset({"approved"}),
    ),
    Rule(change=Change.CONSENT_WITHDRAWN, event_types=("PartyPrivacyAgreement*Event",)),
)


def agreement(status: str, *, event_type: str = "", **values: Any) -> Reading:
    """Read an event of an agreement, as a hub of TM Forum's API for privacy tells it."""
    listed = {"msisdn": "+15550100", "clientId": "bank", "purpose": "Fraud"} | values
    thing = {
        "id": "a-1",
        "status": status,
        "characteristic": [{"name": name, "value": value} for name, value in listed.items()],
    }
    event = {
        "eventId": "t-1",
        "eventType": event_type or "PartyPrivacyAgreementStatusChangeEvent",
        "eventTime": "2026-11-18T20:26:40Z",
        "event": {"partyPrivacyAgreement": thing},
    }
    reader = EventReader(RULES_OF_CONSENT, Names())
    return reader.read("crm", json.dumps(event).encode(), now=NOW)


def test_an_agreement_of_tm_forum_is_a_consent_by_its_names() -> None:
    ends = {"expiresAt": "2028-01-01T00:00:00Z"}
    more = {"applicationId": "app", "evidence": "text 3"}
    (event,) = agreement("approved", apis="sim-swap, kyc-tenure", **ends, **more).events
    assert (event.change, event.msisdn) == (Change.CONSENT_GIVEN, NUMBER)
    assert event.api_consent == replace(
        TOLD, application="app", evidence="text 3", expires_at=1_830_297_600
    )
    # It still says until when it was to be given.
    (event,) = agreement("terminated", apis="sim-swap kyc-tenure", **ends).events
    assert (event.change, event.api_consent) == (Change.CONSENT_WITHDRAWN, TOLD)
    # One that is deleted has the state that it had.
    deleted = "PartyPrivacyAgreementDeleteEvent"
    (event,) = agreement("approved", event_type=deleted, apis="sim-swap kyc-tenure").events
    assert (event.change, event.api_consent) == (Change.CONSENT_WITHDRAWN, TOLD)


def test_an_agreement_about_no_consumer_is_about_our_own_terms() -> None:
    (event,) = agreement("approved", clientId="").events
    assert (event.change, event.api_consent) == (Change.CONSENT_GIVEN, None)
    # Without a rule nobody knows what it means.
    (event,) = agreement("approved", event_type="OtherEvent", apis="sim-swap").events
    assert (event.change, event.api_consent) == (Change.CHANGED, None)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, Unreadable.BAD_VALUE),
        ({"apis": "sim-swap", "purpose": ""}, Unreadable.BAD_VALUE),
        ({"apis": "sim-swap", "clientId": "not one"}, Unreadable.BAD_VALUE),
        ({"apis": "sim-swap", "expiresAt": "soon"}, Unreadable.BAD_TIME),
    ],
)
def test_half_an_agreement_is_unread(values: dict[str, str], reason: Unreadable) -> None:
    (unread,) = agreement("approved", **values).unread
    assert unread.reason is reason


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.text(max_size=20) | st.integers() | st.lists(st.text(max_size=9), max_size=3)
            for name in ("client_id", "purpose", "apis", "application", "expires_at", "evidence")
        },
    )
)
def test_whatever_a_consent_is_it_is_read_or_told_apart(members: dict[str, Any]) -> None:
    event = plain_event("c", "consent_given", at=NOW, imsi=IMSI.digits) | {"api_consent": members}
    reading = read(event)
    assert len(reading.events) + len(reading.unread) == 1
    for found in reading.events:
        assert found.api_consent is not None
        assert to_event(from_event(found)) == found


def test_a_consent_is_kept_as_it_was_told() -> None:
    (event,) = read(consent(application="app", expires_at=NOW + 5, evidence="e")).events
    assert to_event(from_event(event)) == event
