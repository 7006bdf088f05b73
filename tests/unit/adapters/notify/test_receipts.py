"""What each channel's answers mean for a notice, one by one, and for any bytes whatever."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyreqwest.http import HeaderMap

from simgrant.adapters.notify import apns, fcm, sms, wns
from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.links.http import Reply
from simgrant.links.smpp import SubmitReply
from simgrant.ports.notifier import Dead, Delivered, Later, Receipt, Refused

NOW = 1_795_424_400.0
DETAIL = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


def reply(status: int, body: object = b"", **headers: str) -> Reply:
    """Return an answer; ``retry_after="7"`` is the header Retry-After."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, "HTTP/2.0", data, HeaderMap(named))


def google(status: int, word: str, code: str = "", message: str = "") -> dict[str, object]:
    """Return an error object as Google writes it."""
    details = [{"@type": DETAIL, "errorCode": code}] if code else []
    return {"error": {"code": status, "message": message, "status": word, "details": details}}


def violation(field: str) -> dict[str, object]:
    """Return the error object of an argument that is wrong."""
    details = [
        {"@type": DETAIL, "errorCode": "INVALID_ARGUMENT"},
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": field, "description": "Invalid"}],
        },
    ]
    return {"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": details}}


FCM: list[tuple[Reply, Receipt | str]] = [
    (reply(200, {"name": "projects/p/messages/1"}), Delivered("projects/p/messages/1")),
    (reply(404, google(404, "NOT_FOUND", "UNREGISTERED")), Dead("unregistered")),
    (
        reply(
            400,
            google(
                400,
                "INVALID_ARGUMENT",
                "INVALID_ARGUMENT",
                "The registration token is not a valid FCM registration token",
            ),
        ),
        Dead("invalid_token"),
    ),
    (reply(400, violation("message.token")), Dead("invalid_token")),
    (reply(400, violation("message.data[0].value")), Refused("message_refused")),
    (reply(400, google(400, "INVALID_ARGUMENT")), Refused("message_refused")),
    (
        reply(403, google(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH")),
        Refused("sender_id_mismatch"),
    ),
    (reply(403, google(403, "PERMISSION_DENIED")), "credentials_refused"),
    (reply(429, google(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")), Later("quota_exceeded", 60)),
    (reply(429, b"", retry_after="7"), Later("quota_exceeded", 7)),
    (reply(503, google(503, "UNAVAILABLE", "UNAVAILABLE")), Later("push_service_unavailable")),
    (reply(502, b"<!DOCTYPE html>", retry_after="9"), Later("push_service_unavailable", 9)),
    # The project is not there: the token has nothing to do with it.
    (reply(404, google(404, "NOT_FOUND")), "push_answer_unknown"),
    (reply(404, b"<!DOCTYPE html>"), "push_answer_unknown"),
    (reply(200, b"<html>"), "push_answer_unreadable"),
    (reply(302), "push_answer_unknown"),
]
APNS: list[tuple[Reply, Receipt | str]] = [
    (reply(200, apns_id="A-1"), Delivered("A-1")),
    (
        reply(410, {"reason": "Unregistered", "timestamp": 1_795_000_000_123}),
        Dead("unregistered", 1_795_000_000),
    ),
    (reply(410, {"reason": "ExpiredToken"}), Dead("unregistered")),
    (reply(400, {"reason": "BadDeviceToken"}), Dead("invalid_token")),
    (reply(400, {"reason": "DeviceTokenNotForTopic"}), Refused("topic_mismatch")),
    (reply(400, {"reason": "BadCollapseId"}), Refused("message_refused")),
    (reply(413, {"reason": "PayloadTooLarge"}), Refused("message_refused")),
    (reply(403, {"reason": "InvalidProviderToken"}), "credentials_refused"),
    (reply(429, {"reason": "TooManyRequests"}), Later("device_throttled")),
    (reply(429, {"reason": "TooManyRequests"}, retry_after="7"), Later("device_throttled", 7)),
    (reply(429, {"reason": "TooManyProviderTokenUpdates"}), "credentials_refused"),
    (reply(500, {"reason": "InternalServerError"}), Later("push_service_unavailable")),
    (reply(503, {"reason": "Shutdown"}, retry_after="3"), Later("push_service_unavailable", 3)),
    (reply(404, {"reason": "BadPath"}), "push_answer_unknown"),
    (reply(302), "push_answer_unknown"),
]
WNS: list[tuple[Reply, Receipt | str]] = [
    (reply(200, x_wns_msg_id="M1", x_wns_status="received"), Delivered("M1")),
    (reply(200), Delivered()),
    (reply(200, x_wns_status="dropped"), Later("device_offline")),
    (reply(200, x_wns_status="channelThrottled"), Later("device_throttled")),
    (reply(404), Dead("invalid_token")),
    (reply(410), Dead("unregistered")),
    (reply(403), Refused("channel_of_another_app")),
    (reply(406, retry_after="7"), Later("throttled", 7)),
    (reply(406), Later("throttled")),
    (reply(400), Refused("message_refused")),
    (reply(413), Refused("message_refused")),
    (reply(500), Later("push_service_unavailable")),
    (reply(503, retry_after="5"), Later("push_service_unavailable", 5)),
    (reply(302), "push_answer_unknown"),
    (reply(405), "push_answer_unknown"),
]
SMS = [
    (SubmitReply(0x00, "1f"), Delivered("1f")),
    (SubmitReply(0x0B, ""), Dead("invalid_token")),
    (SubmitReply(0x14, ""), Later("queue_full")),
    (SubmitReply(0x58, ""), Later("throttled", 1.0)),
    (SubmitReply(0x08, ""), Later("push_service_unavailable")),
    (SubmitReply(0x45, ""), Later("push_service_unavailable")),
    (SubmitReply(0x64, ""), Later("push_service_unavailable")),
    (SubmitReply(0x0A, ""), Refused("smpp_0xa")),
    (SubmitReply(0x65, ""), Refused("smpp_0x65")),
]
Reader = Callable[..., Receipt]
CASES = [
    (module.receipt, answer, meaning)
    for module, table in ((fcm, FCM), (apns, APNS), (wns, WNS))
    for answer, meaning in table
]


@pytest.mark.parametrize(("read", "answer", "meaning"), CASES)
def test_each_answer_of_the_documentation_has_its_meaning(
    read: Reader, answer: Reply, meaning: Receipt | str
) -> None:
    if isinstance(meaning, str):
        with pytest.raises((PeerUnavailable, PeerMisbehaved)) as raised:
            read(answer, now=NOW)
        assert raised.value.reason == meaning
    else:
        assert read(answer, now=NOW) == meaning


@pytest.mark.parametrize(("answer", "meaning"), SMS)
def test_each_status_of_smpp_has_its_meaning(answer: SubmitReply, meaning: Receipt) -> None:
    assert sms.receipt(answer) == meaning


BODIES = st.binary(max_size=60) | st.sampled_from(
    [
        b"[" * 2_000,
        b'{"error":' * 800,
        b'{"error": {"details": [{"errorCode": "\xff"}]}}',
        b'{"error": {"details": [1]}}',
        b'{"error": null}',
        b'{"reason": 1}',
        b'{"reason": "Unregistered", "timestamp": 1e400}',
        b'{"name": "\xff"}',
        b'{"name": ' + b"[" * 2_000,
    ]
)


@given(
    st.sampled_from([fcm.receipt, apns.receipt, wns.receipt]),
    st.integers(min_value=100, max_value=999),
    BODIES,
    st.text(alphabet="0123456789: GMTJan,-+", max_size=40),
)
def test_whatever_comes_is_a_receipt_or_an_error_of_the_port(
    read: Reader, status: int, body: bytes, retry_after: str
) -> None:
    try:
        receipt = read(reply(status, body, retry_after=retry_after), now=NOW)
    except (PeerUnavailable, PeerMisbehaved) as error:
        assert error.for_operator  # noqa: PT017
    else:
        # Only what a channel says so clearly costs a registration, or ends a notice.
        if isinstance(receipt, Dead):
            assert status in (400, 404, 410)
        if isinstance(receipt, Delivered):
            assert status == 200
        if isinstance(receipt, Later):
            assert receipt.after is None or 0 <= receipt.after <= 86_400
