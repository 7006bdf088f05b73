"""ES2+ messages (SGP.22 §5.3, §6.5): as peers write them, as we do, and rubbish."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.identities import Eid, Iccid
from simgrant.wire.es2plus import (
    DONE,
    MAX_BODY,
    Answer,
    BadMessage,
    CancelOrder,
    ConfirmOrder,
    DownloadOrder,
    FinalStatus,
    Function,
    Header,
    Outcome,
    Progress,
    ReleaseProfile,
    Request,
    Status,
    is_admin_protocol,
    pull_answer,
    pull_iccid,
    pull_request,
    pull_time,
    push_answer,
    push_iccid,
    push_request,
    push_time,
)

HEADER = Header("ECS1", "FCI-1")
EID = Eid("89049032123451234512345678901235")
ICCID = Iccid("8949449999999990023")


# --- as it was seen on the wire -------------------------------------------------------------


@pytest.mark.spec("SGP.22 §5.3.1")
def test_a_download_order_is_written_as_a_peer_reads_it() -> None:
    order = DownloadOrder(profile_type="CONSUMER", eid=EID)
    assert push_request(HEADER, order) == (
        b'{"header":{"functionRequesterIdentifier":"ECS1","functionCallIdentifier":"FCI-1"},'
        b'"eid":"89049032123451234512345678901235","profileType":"CONSUMER"}'
    )


@pytest.mark.spec("SGP.22 §5.3.2")
def test_a_confirmation_is_written_as_a_peer_reads_it() -> None:
    order = ConfirmOrder(iccid=ICCID, release=True)
    assert push_request(HEADER, order) == (
        b'{"header":{"functionRequesterIdentifier":"ECS1","functionCallIdentifier":"FCI-1"},'
        b'"iccid":"8949449999999990023F","releaseFlag":true}'
    )
    whole = ConfirmOrder(
        iccid=ICCID,
        release=False,
        eid=EID,
        matching_id="",
        confirmation_code="1234",
        smds_address="lpa.ds.example.com",
    )
    assert json.loads(push_request(HEADER, whole, padded=False)) == {
        "header": {"functionRequesterIdentifier": "ECS1", "functionCallIdentifier": "FCI-1"},
        "eid": EID.digits,
        "iccid": "8949449999999990023",
        "releaseFlag": False,
        "matchingId": "",
        "confirmationCode": "1234",
        "smdsAddress": "lpa.ds.example.com",
    }


@pytest.mark.spec("SGP.22 §5.3.3")
def test_a_cancellation_is_written_as_a_peer_reads_it() -> None:
    order = CancelOrder(iccid=ICCID, final=FinalStatus.AVAILABLE, matching_id="A-1")
    assert json.loads(push_request(HEADER, order)) == {
        "header": {"functionRequesterIdentifier": "ECS1", "functionCallIdentifier": "FCI-1"},
        "iccid": "8949449999999990023F",
        "finalProfileStatusIndicator": "Available",
        "matchingId": "A-1",
    }


@pytest.mark.spec("SGP.22 §5.3.4")
def test_a_release_is_written_as_a_peer_reads_it() -> None:
    assert push_request(HEADER, ReleaseProfile(iccid=ICCID)) == (
        b'{"header":{"functionRequesterIdentifier":"ECS1","functionCallIdentifier":"FCI-1"},'
        b'"iccid":"8949449999999990023F"}'
    )


DOWNLOADED = (
    b'{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},'
    b'"iccid":"8949449999999990023F"}'
)
CONFIRMED = (
    b'{"header":{"functionExecutionStatus":{"status":"Executed-Success"}},'
    b'"matchingId":"QR-G-5C-1LS-1W1Z9P7","smdpAddress":"smdp.example.com"}'
)
UNKNOWN_ICCID = (
    b'{"header":{"functionExecutionStatus":{"status":"Failed","statusCodeData":'
    b'{"subjectCode":"8.2.1","reasonCode":"3.9","message":"Unknown ICCID"}}}}'
)


def test_answers_of_a_peer_are_read() -> None:
    assert pull_answer(DOWNLOADED) == Answer(status=DONE, iccid=ICCID)
    assert pull_answer(CONFIRMED) == Answer(
        status=DONE, matching_id="QR-G-5C-1LS-1W1Z9P7", smdp_address="smdp.example.com"
    )
    failed = Status(Outcome.FAILED, "8.2.1", "3.9", "Unknown ICCID")
    assert pull_answer(UNKNOWN_ICCID) == Answer(status=failed)


def test_answers_are_written_as_a_peer_writes_them() -> None:
    for body in (DOWNLOADED, CONFIRMED, UNKNOWN_ICCID):
        assert push_answer(pull_answer(body)) == body


def test_a_failure_counts_whatever_stands_beside_it() -> None:
    content = json.loads(UNKNOWN_ICCID) | {"iccid": "rubbish", "matchingId": "a b", "eid": "1"}
    assert pull_answer(json.dumps(content).encode()).status.subject == "8.2.1"


PROGRESS: dict[str, Any] = {
    "header": {"functionRequesterIdentifier": "DP", "functionCallIdentifier": "7"},
    "eid": EID.digits,
    "iccid": "8949449999999990023F",
    "profileType": "CONSUMER",
    "timestamp": "2026-11-27T03:26:55Z",
    "notificationPointId": 4,
    "notificationPointStatus": {"status": "Executed-Success"},
    "resultData": "vyc=",
    "tac": "35332800",
    "imei": None,
}
TOLD = Progress(
    iccid=ICCID,
    point=4,
    status=DONE,
    profile_type="CONSUMER",
    at=1_795_750_015,
    eid=EID,
)


def progress(
    function: Function = Function.HANDLE_PROGRESS, *without: str, **changes: Any
) -> Progress:
    content = {name: each for name, each in PROGRESS.items() if name not in without} | changes
    header, told = pull_request(function, json.dumps(content).encode())
    assert header == Header("DP", "7")
    assert isinstance(told, Progress)
    return told


@pytest.mark.spec("SGP.22 §5.3.5")
def test_progress_is_read_with_what_vendors_add() -> None:
    assert progress() == TOLD
    failed = {"status": "Failed", "statusCodeData": {"subjectCode": "8.1", "reasonCode": "4.8"}}
    told = progress(notificationPointId=3, notificationPointStatus=failed)
    assert (told.point, told.status) == (3, Status(Outcome.FAILED, "8.1", "4.8"))


def test_progress_is_read_in_the_spellings_of_peers() -> None:
    told = progress(Function.HANDLE_PROGRESS, "timestamp", timeStamp="1709712641")
    assert told.at == 1_709_712_641
    assert progress(notificationPointId="102").point == 102
    assert progress(Function.HANDLE_PROGRESS, "timestamp", "eid", "profileType").at is None
    assert progress(timestamp="yesterday").at is None
    told = progress(
        Function.HANDLE_NOTIFICATION,
        "notificationPointId",
        "notificationPointStatus",
        notificationEvent=4,
        notificationEventStatus={"status": "Executed-Success"},
    )
    assert (told.function, told.point, told.status) == (Function.HANDLE_NOTIFICATION, 4, DONE)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"iccid": "89"}, "iccid"),
        ({"iccid": "8949449999999990023G"}, "iccid"),
        ({"eid": "8904"}, "eid"),
        ({"notificationPointId": -1}, "notificationPointId"),
        ({"notificationPointId": 10**30}, "notificationPointId"),
        ({"notificationPointId": "four"}, "notificationPointId"),
        ({"notificationPointId": None}, "notificationPointId"),
        ({"notificationPointStatus": None}, "notificationPointId"),
        ({"notificationPointStatus": {"status": "Fine"}}, "status"),
        ({"profileType": "x" * 129}, "profileType"),
        ({"profileType": "a\nb"}, "profileType"),
        ({"header": {}}, "JSON"),
        (
            {"header": {"functionRequesterIdentifier": "", "functionCallIdentifier": "7"}},
            "header",
        ),
    ],
)
def test_progress_that_is_none_is_refused_by_its_part(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BadMessage, match=named):
        progress(**changes)


# --- forms ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "digits"),
    [
        ("8949449999999990023F", "8949449999999990023"),
        ("8949449999999990023f", "8949449999999990023"),
        ("89494499999999900234", "89494499999999900234"),
        ("89494499999999900234F", "89494499999999900234"),
        ("894944999999999002FF", "894944999999999002"),
        ("894944999999999002", "894944999999999002"),
    ],
)
def test_an_iccid_is_read_with_its_padding_and_without(wire: str, digits: str) -> None:
    assert pull_iccid(wire) == Iccid(digits)


@pytest.mark.parametrize(
    "wire",
    ["", "F", "89494499999999900", "894944999999999002345", "89494499999999900234FF", "٣" * 19],
)
def test_what_is_no_iccid_is_refused(wire: str) -> None:
    with pytest.raises(BadMessage):
        pull_iccid(wire)


def test_one_peer_writes_the_final_status_in_capitals() -> None:
    body = push_request(HEADER, CancelOrder(iccid=ICCID, final=FinalStatus.UNAVAILABLE))
    loud = body.replace(b"Unavailable", b"UNAVAILABLE")
    _, order = pull_request(Function.CANCEL_ORDER, loud)
    assert order == CancelOrder(iccid=ICCID, final=FinalStatus.UNAVAILABLE)
    with pytest.raises(BadMessage):
        pull_request(Function.CANCEL_ORDER, body.replace(b"Unavailable", b"Gone"))


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("gsma/rsp/v2.5.0", True),
        ("gsma/rsp/v2.0.0", True),
        ("gsma/rsp/v3.1.0", True),
        ("gsma/rsp/v1.0.0", False),
        ("gsma/rsp/v20.0", False),
        ("", False),
    ],
)
def test_versions_2_and_3_are_understood(text: str, known: bool) -> None:
    assert is_admin_protocol(text) is known


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-27T03:26:55Z", 1_795_750_015),
        ("2026-11-27T05:26:55+02:00", 1_795_750_015),
        ("2026-11-27T05:26:55+0200", 1_795_750_015),
        ("2026-11-27T03:26:55.123456789Z", 1_795_750_015),
        ("2026-11-27T03:26:55", 1_795_750_015),
        ("1795750015", 1_795_750_015),
        ("2026-13-27T03:26:55Z", None),
        ("2026-11-27", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("", None),
    ],
)
def test_times_are_read_in_every_form_that_was_seen(text: str, at: int | None) -> None:
    assert pull_time(text) == at


@given(st.integers(min_value=0, max_value=253_402_300_799))
def test_every_time_is_read_back(at: int) -> None:
    assert pull_time(push_time(at)) == at


def test_a_time_beyond_the_calendar_is_not_written() -> None:
    with pytest.raises(ValueError, match="calendar"):
        push_time(10**12)


def test_nothing_shows_who_it_is_about() -> None:
    order = ConfirmOrder(
        iccid=ICCID, release=True, eid=EID, matching_id="SECRET-1", confirmation_code="SECRET-2"
    )
    answer = Answer(status=Status(Outcome.FAILED, message="SECRET-3"), matching_id="SECRET-4")
    for text in (repr(order), repr(answer)):
        assert "SECRET" not in text
        assert ICCID.digits not in text
        assert EID.digits not in text


# --- everything there is --------------------------------------------------------------------

PRINTABLE = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF).filter(str.isprintable), max_size=40
)
NAMES = PRINTABLE.filter(bool)
ICCIDS = st.from_regex(r"[0-9]{18,20}", fullmatch=True).map(Iccid)
EIDS = st.none() | st.from_regex(r"[0-9]{32}", fullmatch=True).map(Eid)
MATCHING_IDS = st.none() | st.from_regex(r"[-0-9A-Z]{0,255}", fullmatch=True)
HOSTS = st.sampled_from(["", "smdp.example.com", "a", "x-1.example"])
CODES = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}", fullmatch=True)
STATUSES = st.builds(Status, st.sampled_from(Outcome)) | st.builds(
    Status, st.sampled_from(Outcome), CODES, CODES, PRINTABLE
)
ORDERS: dict[Function, st.SearchStrategy[Request]] = {
    Function.DOWNLOAD_ORDER: st.builds(
        DownloadOrder, iccid=st.none() | ICCIDS, profile_type=PRINTABLE, eid=EIDS
    ),
    Function.CONFIRM_ORDER: st.builds(
        ConfirmOrder,
        iccid=ICCIDS,
        release=st.booleans(),
        eid=EIDS,
        matching_id=MATCHING_IDS,
        confirmation_code=PRINTABLE,
        smds_address=HOSTS,
    ),
    Function.CANCEL_ORDER: st.builds(
        CancelOrder,
        iccid=ICCIDS,
        final=st.sampled_from(FinalStatus),
        eid=EIDS,
        matching_id=MATCHING_IDS,
    ),
    Function.RELEASE_PROFILE: st.builds(ReleaseProfile, iccid=ICCIDS),
    Function.HANDLE_PROGRESS: st.builds(
        Progress,
        iccid=ICCIDS,
        point=st.integers(0, 999_999),
        status=STATUSES,
        profile_type=PRINTABLE,
        at=st.none() | st.integers(0, 2**32),
        eid=EIDS,
    ),
}


@pytest.mark.parametrize("function", ORDERS)
@given(st.data(), st.booleans())
def test_every_request_is_read_back(function: Function, data: st.DataObject, padded: bool) -> None:
    header = Header(data.draw(NAMES), data.draw(NAMES))
    request = data.draw(ORDERS[function])
    body = push_request(header, request, padded=padded)
    assert pull_request(function, body) == (header, request)


@given(
    st.builds(
        Answer,
        status=STATUSES.filter(lambda each: each.outcome.is_done),
        iccid=st.none() | ICCIDS,
        matching_id=MATCHING_IDS,
        eid=EIDS,
        smdp_address=HOSTS,
    ),
    st.booleans(),
)
def test_every_answer_is_read_back(answer: Answer, padded: bool) -> None:
    assert pull_answer(push_answer(answer, padded=padded)) == answer


@given(ICCIDS)
def test_a_padded_iccid_has_twenty_characters(iccid: Iccid) -> None:
    assert len(push_iccid(iccid, padded=True)) == 20
    assert push_iccid(iccid, padded=False) == iccid.digits


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)
GOOD = {
    Function.DOWNLOAD_ORDER: push_request(HEADER, DownloadOrder(iccid=ICCID, eid=EID)),
    Function.CONFIRM_ORDER: push_request(HEADER, ConfirmOrder(iccid=ICCID, release=True)),
    Function.CANCEL_ORDER: push_request(
        HEADER, CancelOrder(iccid=ICCID, final=FinalStatus.AVAILABLE)
    ),
    Function.RELEASE_PROFILE: push_request(HEADER, ReleaseProfile(iccid=ICCID)),
    Function.HANDLE_PROGRESS: json.dumps(PROGRESS).encode(),
    Function.HANDLE_NOTIFICATION: json.dumps(PROGRESS).encode(),
}


def tried(body: bytes) -> None:
    """Read as everything: a value or BadMessage, and nothing else."""
    for function in Function:
        with contextlib.suppress(BadMessage):
            pull_request(function, body)
    with contextlib.suppress(BadMessage):
        pull_answer(body)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_none(body: bytes) -> None:
    tried(body)


@given(st.sampled_from(list(GOOD)), st.data())
def test_any_member_may_hold_anything(function: Function, data: st.DataObject) -> None:
    content = json.loads(GOOD[function])
    name = data.draw(st.sampled_from([*content, "matchingId", "confirmationCode", "timeStamp"]))
    content[name] = data.draw(JSON)
    tried(json.dumps(content).encode())


@given(st.sampled_from([*GOOD.values(), DOWNLOADED, UNKNOWN_ICCID]), st.data())
def test_any_byte_may_be_wrong(body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body) - 1))
    tried(body[:at] + bytes([data.draw(st.integers(0, 255))]) + body[at + 1 :])
    tried(body[:at])


def test_depth_and_length_are_bounded() -> None:
    tried(b"[" * 60_000)
    tried(b'{"header":' * 6_000)
    with pytest.raises(BadMessage, match="more bytes"):
        pull_answer(DOWNLOADED + b" " * MAX_BODY)
