"""Sh as bytes: who is asked about, and the XML that tells of him (TS 29.328, TS 29.329)."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.diameter import sh
from simgrant.wire.diameter.avps import (
    CURRENT_LOCATION,
    DATA_REFERENCE,
    MSISDN,
    PUBLIC_IDENTITY,
    REQUESTED_DOMAIN,
    USER_IDENTITY,
    USER_NAME,
)
from simgrant.wire.diameter.message import BadDiameter, pull_avps
from simgrant.wire.diameter.s6a import push_plmn
from simgrant.wire.diameter.sh import Asked, Reference
from simgrant.wire.diameter.sh_data import (
    State,
    UserData,
    pull_plmn,
    pull_user_data,
    push_user_data,
)

IMSI, DOMAIN = "001010000000001", "ims.mnc001.mcc001.3gppnetwork.org"
DIGITS = st.text("0123456789", min_size=5, max_size=15)
REFERENCES = st.sets(st.sampled_from(Reference), min_size=1)


# --- requests --------------------------------------------------------------------------------


@given(DIGITS, REFERENCES)
def test_a_number_is_read_as_it_was_written(number: str, references: set[Reference]) -> None:
    avps = pull_avps(sh.push_by_number(number, IMSI, references))
    assert sh.pull_request(avps) == Asked(number, "", IMSI, frozenset(references))


@given(REFERENCES)
def test_who_has_no_number_is_named_by_identities_of_ims(references: set[Reference]) -> None:
    avps = pull_avps(sh.push_by_identity(IMSI, DOMAIN, references))
    private = f"{IMSI}@{DOMAIN}"
    assert sh.pull_request(avps) == Asked("", f"sip:{private}", private, frozenset(references))


@pytest.mark.spec("TS 29.002 §17.7.8")
def test_digits_go_two_by_two_the_first_in_the_lower_half() -> None:
    avps = pull_avps(sh.push_by_number("447700900", IMSI, [Reference.MSISDN]))
    assert avps.need(USER_IDENTITY).need(MSISDN) == bytes.fromhex("44770009f0")


def test_nobody_is_paged_and_only_the_packet_domain_is_asked() -> None:
    avps = pull_avps(sh.push_by_number("44", IMSI, list(Reference)))
    assert list(avps.all(DATA_REFERENCE)) == [14, 15, 17]
    assert (avps.get(REQUESTED_DOMAIN), avps.get(CURRENT_LOCATION)) == (1, 0)
    bare = pull_avps(sh.push_by_number("44", IMSI, [Reference.MSISDN]))
    assert (bare.get(REQUESTED_DOMAIN), bare.get(CURRENT_LOCATION)) == (None, None)


@pytest.mark.parametrize(
    "avps",
    [
        DATA_REFERENCE.push(14),
        USER_IDENTITY.wrap(b"") + DATA_REFERENCE.push(14),
        USER_IDENTITY.wrap(PUBLIC_IDENTITY.push("sip:a@b")) + USER_NAME.push("a"),
        USER_IDENTITY.wrap(MSISDN.push(b"\xab")) + DATA_REFERENCE.push(14),
    ],
)
def test_what_asks_nothing_about_nobody_is_refused(avps: bytes) -> None:
    with pytest.raises(BadDiameter):
        sh.pull_request(pull_avps(avps))


# --- documents -------------------------------------------------------------------------------

PLMNS = st.from_regex(r"[0-9]{3}-[0-9]{2,3}", fullmatch=True)


@given(PLMNS)
def test_three_bytes_are_the_network_that_they_were_made_of(plmn: str) -> None:
    assert pull_plmn(push_plmn(plmn)) == plmn.replace("-", "")


@given(st.binary(max_size=5))
def test_any_bytes_are_a_network_or_none(data: bytes) -> None:
    assert len(pull_plmn(data)) in (0, 5, 6)


@given(DIGITS | st.just(""), PLMNS | st.just(""), st.integers(0, 32767), st.sampled_from(State))
def test_what_was_written_is_read(number: str, plmn: str, minutes: int, state: State) -> None:
    told = UserData(
        number=number,
        network=plmn.replace("-", ""),
        age_s=minutes * 60 if plmn else 0,
        state=state,
    )
    data = push_user_data(told, plmn=push_plmn(plmn) if plmn else b"")
    assert pull_user_data(data) == told


def inside(xml: str, depth: int = 4) -> bytes:
    return f"<Sh-Data>{'<Extension>' * depth}{xml}{'</Extension>' * depth}</Sh-Data>".encode()


def cell(plmn: str, length: int) -> str:
    return base64.b64encode(push_plmn(plmn) + bytes(length - 3)).decode()


# As HSSs of several makes write them, each with what the others leave out.
DOCUMENTS = {
    "a cell, an area and digits": (
        inside(
            f"<EPSLocationInformation><E-UTRANCellGlobalId>{cell('302-610', 7)}"
            f"</E-UTRANCellGlobalId><TrackingAreaId>{cell('302-610', 5)}</TrackingAreaId>"
            "<MMEName>mme1.example.net</MMEName><AgeOfLocationInformation>2"
            "</AgeOfLocationInformation><Extension><VisitedPLMNID>302610</VisitedPLMNID>"
            "</Extension></EPSLocationInformation>"
        ),
        UserData(network="302610", age_s=120),
    ),
    "an empty network and an area": (
        inside(
            f"<EPSLocationInformation><TrackingAreaId>{cell('001-01', 5)}</TrackingAreaId>"
            "<Extension><VisitedPLMNID></VisitedPLMNID></Extension></EPSLocationInformation>"
        ),
        UserData(network="00101"),
    ),
    "the name of an MME and nothing else": (
        inside("<EPSLocationInformation><MMEName>mme1</MMEName></EPSLocationInformation>"),
        UserData(),
    ),
    "three bytes of a network of the packet domain": (
        f"<Sh-Data><PSLocationInformation><RoutingAreaId>{cell('001-01', 6)}</RoutingAreaId>"
        f"<Extension><Extension><VisitedPLMNID>{cell('502-19', 3)}</VisitedPLMNID></Extension>"
        "</Extension></PSLocationInformation></Sh-Data>".encode(),
        UserData(network="50219"),
    ),
    "5G and EPS, of the same age": (
        inside(
            "<EPSUserState>0</EPSUserState><EPSLocationInformation><Extension>"
            "<VisitedPLMNID>26201</VisitedPLMNID></Extension></EPSLocationInformation>"
            "<Extension><Sh-5GSUserState>2</Sh-5GSUserState><Sh-5GSLocationInformation>"
            "<VisitedPLMNID>00101</VisitedPLMNID></Sh-5GSLocationInformation></Extension>"
        ),
        UserData(network="00101", state=State.ATTACHED_REACHABLE),
    ),
    "5G, but longer ago than EPS": (
        inside(
            "<EPSLocationInformation><AgeOfLocationInformation>1</AgeOfLocationInformation>"
            "<Extension><VisitedPLMNID>26201</VisitedPLMNID></Extension></EPSLocationInformation>"
            "<Sh-5GSLocationInformation><AgeOfLocationInformation>9</AgeOfLocationInformation>"
            "<VisitedPLMNID>00101</VisitedPLMNID></Sh-5GSLocationInformation>"
        ),
        UserData(network="26201", age_s=60),
    ),
    "a state that is not provided, and one that is": (
        inside("<EPSUserState>0</EPSUserState><Sh-5GSUserState>5</Sh-5GSUserState>"),
        UserData(state=State.DETACHED),
    ),
    "numbers among identities, with a prefix and a plus": (
        b'<?xml version="1.0"?><sh:Sh-Data xmlns:sh="urn:x"><sh:PublicIdentifiers>'
        b"<sh:IMSPublicIdentity>sip:a@b</sh:IMSPublicIdentity><sh:MSISDN> +447700900001 "
        b"</sh:MSISDN><sh:MSISDN>447700900002</sh:MSISDN></sh:PublicIdentifiers></sh:Sh-Data>",
        UserData(number="447700900001"),
    ),
    "values of no use": (
        inside(
            "<PSUserState>77</PSUserState><EPSLocationInformation><AgeOfLocationInformation>x"
            "</AgeOfLocationInformation><TrackingAreaId>!</TrackingAreaId><Extension>"
            "<VisitedPLMNID>abroad</VisitedPLMNID></Extension></EPSLocationInformation>"
        ),
        UserData(),
    ),
    "nothing": (b"<Sh-Data/>", UserData()),
}


@pytest.mark.spec("TS 29.328 Annex D")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_of_several_makes(name: str) -> None:
    data, told = DOCUMENTS[name]
    assert pull_user_data(data) == told


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "no XML"),
        (b"<Sh-Data>", "no XML"),
        (b"<Sh-Data>\xff</Sh-Data>", "no XML"),
        (b"<Other/>", "no Sh-Data"),
        (b'<!DOCTYPE a [<!ENTITY e "e">]><Sh-Data>&e;</Sh-Data>', "DOCTYPE"),
        (b"<Sh-Data>" + b"<Extension>" * 50, "too many elements"),
        (b"<Sh-Data>" + b"<Extension/>" * 500 + b"</Sh-Data>", "too many elements"),
        (b"<Sh-Data>" + b" " * 65_536 + b"</Sh-Data>", "too large"),
    ],
)
def test_what_a_hostile_peer_writes_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(BadDiameter, match=text):
        pull_user_data(data)


def test_a_text_without_end_is_none_that_is_looked_for() -> None:
    data = inside(f"<EPSUserState>{'2' * 60_000}</EPSUserState>")
    assert pull_user_data(data) == UserData()


WHOLE = DOCUMENTS["5G and EPS, of the same age"][0]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        pull_user_data(data)
    except BadDiameter:
        return


@given(st.data())
def test_any_damage_is_read_or_refused(draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(WHOLE)))
    until = draw.draw(st.integers(at, len(WHOLE)))
    try:
        pull_user_data(WHOLE[:at] + draw.draw(st.binary(max_size=8)) + WHOLE[until:])
    except BadDiameter:
        return


def test_an_answer_without_user_data_tells_nothing() -> None:
    assert sh.pull_answer(pull_avps(b"")) == UserData()
