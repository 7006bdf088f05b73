"""ES2+: what an operator and an SM-DP+ say to each other, as JSON (SGP.22 §5.3 and §6.5).

Both directions, for whoever asks and for whoever plays the other side. Unknown members are passed
over, since vendors add some. Whatever is no such message is `BadMessage` and nothing else, and no
error repeats what came: ICCIDs, EIDs and matching ids stand in it.
"""

from __future__ import annotations

import re
from dataclasses import field
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from simgrant.identities import Eid, Iccid, InvalidIdentity
from simgrant.nouns import Word, named_noun, noun
from simgrant.wire.instant import utc

S = TypeVar("S", bound=msgspec.Struct)

CONTENT_TYPE: Final = "application/json"
ADMIN_PROTOCOL: Final = "x-admin-protocol"
"""The header that names the version of the interface."""
MAX_BODY: Final = 64 * 1024
_ROOT: Final = "/gsma/rsp2/es2plus/"
_ADMIN: Final = re.compile(r"gsma/rsp/v[23](\.[0-9]{1,4}){1,3}")
_ICCID: Final = re.compile(r"([0-9]{18,20})[Ff]{0,2}")
_PADDED: Final = 20
_MATCHING_ID: Final = re.compile(r"[-0-9A-Z]{0,255}")
_FQDN: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_CODE: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){0,5}")
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_SECONDS: Final = re.compile(r"[0-9]{1,10}")
_NUMBER: Final = re.compile(r"[0-9]{1,6}")
_LONGEST_ID: Final = 256
_LONGEST_TYPE: Final = 128
_LONGEST_TEXT: Final = 1024
_MOST_POINT: Final = 999_999


class BadMessage(ValueError):
    """It is no message of this interface; the text says which part is not, and never repeats it."""


class Function(Word):
    """The functions of ES2+; the last two are asked of the operator."""

    DOWNLOAD_ORDER = "downloadOrder"
    CONFIRM_ORDER = "confirmOrder"
    CANCEL_ORDER = "cancelOrder"
    RELEASE_PROFILE = "releaseProfile"
    HANDLE_PROGRESS = "handleDownloadProgressInfo"
    HANDLE_NOTIFICATION = "handleNotification"
    """Of SGP.22 version 3, in place of the one before."""

    @property
    def path(self) -> str:
        """Return where it is asked for."""
        return _ROOT + self.value


class Outcome(Word):
    """What became of a call (functionExecutionStatus)."""

    SUCCESS = "Executed-Success"
    WARNING = "Executed-WithWarning"
    FAILED = "Failed"
    EXPIRED = "Expired"

    @property
    def is_done(self) -> bool:
        """Tell whether it was executed."""
        return self in (Outcome.SUCCESS, Outcome.WARNING)


class FinalStatus(Word):
    """What becomes of a profile whose order is cancelled."""

    AVAILABLE = "Available"
    UNAVAILABLE = "Unavailable"


@noun
class Header:
    """Who calls, and which call it is; both 1 to 256 characters."""

    requester: str
    call_id: str


@noun
class Status:
    """What became of a call, and why, as two codes (SGP.22 §5.2.6); empty where it says none."""

    outcome: Outcome
    subject: str = ""
    reason: str = ""
    message: str = field(default="", repr=False)
    """For people. Peers put ICCIDs and matching ids into it: it is for no log."""


DONE: Final = Status(Outcome.SUCCESS)


@named_noun
class DownloadOrder:
    """Reserve a profile: this one, or any of a type."""

    iccid: Iccid | None = None
    profile_type: str = ""
    eid: Eid | None = None
    """Whose it will be, where that is known."""


@named_noun
class ConfirmOrder:
    """Make a reserved profile ready, and with ``release`` let it be downloaded."""

    iccid: Iccid
    release: bool
    eid: Eid | None = None
    matching_id: str | None = field(default=None, repr=False)
    """None: the SM-DP+ chooses. Empty: the eUICC asks its default SM-DP+, with its EID."""
    confirmation_code: str = field(default="", repr=False)
    smds_address: str = ""


@named_noun
class CancelOrder:
    """Give a profile back, or out of use."""

    iccid: Iccid
    final: FinalStatus
    eid: Eid | None = None
    matching_id: str | None = field(default=None, repr=False)


@named_noun
class ReleaseProfile:
    """Let a confirmed profile be downloaded."""

    iccid: Iccid


@named_noun
class Progress:
    """What the SM-DP+ tells of a profile: a step of its download, and how that ended."""

    function: Function = Function.HANDLE_PROGRESS
    """Or HANDLE_NOTIFICATION; the content is the same."""
    iccid: Iccid
    point: int
    """notificationPointId: 1 eligibility and retries, 2 confirmation code, 3 download of the bound
    package, 4 its installation; peers have others of their own, up to 999,999."""
    status: Status
    profile_type: str = ""
    at: int | None = None
    """Unix seconds; None where it says none that can be read."""
    eid: Eid | None = None


Request: TypeAlias = DownloadOrder | ConfirmOrder | CancelOrder | ReleaseProfile | Progress


@named_noun
class Answer:
    """An answer; what its function does not tell, or a failure leaves out, is None or empty."""

    status: Status
    iccid: Iccid | None = None
    matching_id: str | None = field(default=None, repr=False)
    eid: Eid | None = None
    smdp_address: str = ""


# --- forms ----------------------------------------------------------------------------------


def is_admin_protocol(text: str) -> bool:
    """Say whether a header names a version that is understood: 2 or 3."""
    return _ADMIN.fullmatch(text.strip()) is not None


def is_matching_id(text: str) -> bool:
    """Say whether a text may be a matching id; the empty one may."""
    return _MATCHING_ID.fullmatch(text) is not None


def is_fqdn(text: str) -> bool:
    """Say whether a text may be the name of an SM-DP+ or SM-DS."""
    return _FQDN.fullmatch(text) is not None


def push_iccid(iccid: Iccid, *, padded: bool) -> str:
    """Return the digits; ``padded`` with F to 20."""
    return iccid.digits.ljust(_PADDED, "F") if padded else iccid.digits


def pull_iccid(text: str) -> Iccid:
    """Return an ICCID of 18 to 20 digits, with its padding taken off."""
    found = _ICCID.fullmatch(text)
    if found is None or len(text) > _PADDED + 1:
        raise BadMessage("iccid")
    return Iccid(found[1])


def push_time(at: int) -> str:
    """Return Unix seconds in UTC, to the second; ValueError beyond the year 9999."""
    try:
        return utc(at)
    except (OverflowError, OSError, ValueError):
        raise ValueError("no time of the calendar") from None


def pull_time(text: str) -> int | None:
    """Return Unix seconds; None for what names none. Without a zone it is UTC."""
    if _SECONDS.fullmatch(text):
        return int(text)
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(found[1] + (found[3] or "Z"))
        at = int(moment.timestamp())
    except (ValueError, OverflowError):
        return None
    return at if at >= 0 else None


# --- requests -------------------------------------------------------------------------------


class _WireHeader(msgspec.Struct, frozen=True, rename="camel"):
    function_requester_identifier: str
    function_call_identifier: str


class _Codes(msgspec.Struct, frozen=True, rename="camel"):
    subject_code: str = ""
    reason_code: str = ""
    message: str = ""


class _WireStatus(msgspec.Struct, frozen=True, rename="camel"):
    status: str
    status_code_data: _Codes | None = None


class _Download(msgspec.Struct, frozen=True, rename="camel"):
    header: _WireHeader
    eid: str | None = None
    iccid: str | None = None
    profile_type: str | None = None


class _Confirm(msgspec.Struct, frozen=True, rename="camel"):
    header: _WireHeader
    iccid: str
    release_flag: bool
    eid: str | None = None
    matching_id: str | None = None
    confirmation_code: str | None = None
    smds_address: str | None = None


class _Cancel(msgspec.Struct, frozen=True, rename="camel"):
    header: _WireHeader
    iccid: str
    final_profile_status_indicator: str
    eid: str | None = None
    matching_id: str | None = None


class _Release(msgspec.Struct, frozen=True, rename="camel"):
    header: _WireHeader
    iccid: str


class _Progress(msgspec.Struct, frozen=True, rename="camel"):
    header: _WireHeader
    iccid: str
    notification_point_id: int | str | None = None
    notification_point_status: _WireStatus | None = None
    # What version 3 is said to call the same two.
    notification_event: int | str | None = None
    notification_event_status: _WireStatus | None = None
    profile_type: str | None = None
    timestamp: int | str | None = None
    time_stamp: int | str | None = None
    """As some peers spell it."""
    eid: str | None = None


def push_request(header: Header, request: Request, *, padded: bool = True) -> bytes:
    """Return the body of a call; ``padded`` says how ICCIDs are written."""
    content: dict[str, Any] = {
        "header": {
            "functionRequesterIdentifier": header.requester,
            "functionCallIdentifier": header.call_id,
        }
    }
    eid = None if isinstance(request, ReleaseProfile) else request.eid
    if eid is not None:
        content["eid"] = eid.digits
    if request.iccid is not None:
        content["iccid"] = push_iccid(request.iccid, padded=padded)
    match request:
        case DownloadOrder(profile_type=profile_type):
            if profile_type:
                content["profileType"] = profile_type
        case ConfirmOrder():
            content["releaseFlag"] = request.release
            if request.matching_id is not None:
                content["matchingId"] = request.matching_id
            if request.confirmation_code:
                content["confirmationCode"] = request.confirmation_code
            if request.smds_address:
                content["smdsAddress"] = request.smds_address
        case CancelOrder():
            content["finalProfileStatusIndicator"] = request.final.value
            if request.matching_id is not None:
                content["matchingId"] = request.matching_id
        case Progress():
            if request.profile_type:
                content["profileType"] = request.profile_type
            if request.at is not None:
                content["timestamp"] = push_time(request.at)
            content["notificationPointId"] = request.point
            content["notificationPointStatus"] = _push_status(request.status)
        case ReleaseProfile():
            pass
    return msgspec.json.encode(content)


def pull_request(function: Function, body: bytes) -> tuple[Header, Request]:
    """Return who calls and what for; raise `BadMessage`."""
    match function:
        case Function.DOWNLOAD_ORDER:
            download = _read(body, _Download)
            return _header(download.header), DownloadOrder(
                iccid=pull_iccid(download.iccid) if download.iccid else None,
                profile_type=_text(download.profile_type, "profileType", _LONGEST_TYPE),
                eid=_eid(download.eid),
            )
        case Function.CONFIRM_ORDER:
            confirm = _read(body, _Confirm)
            return _header(confirm.header), ConfirmOrder(
                iccid=pull_iccid(confirm.iccid),
                release=confirm.release_flag,
                eid=_eid(confirm.eid),
                matching_id=_matching_id(confirm.matching_id),
                confirmation_code=_text(confirm.confirmation_code, "confirmationCode", _LONGEST_ID),
                smds_address=_fqdn(confirm.smds_address, "smdsAddress"),
            )
        case Function.CANCEL_ORDER:
            cancel = _read(body, _Cancel)
            return _header(cancel.header), CancelOrder(
                iccid=pull_iccid(cancel.iccid),
                # One peer's documents have it in upper case.
                final=_word(
                    FinalStatus,
                    cancel.final_profile_status_indicator.capitalize(),
                    "finalProfileStatusIndicator",
                ),
                eid=_eid(cancel.eid),
                matching_id=_matching_id(cancel.matching_id),
            )
        case Function.RELEASE_PROFILE:
            release = _read(body, _Release)
            return _header(release.header), ReleaseProfile(iccid=pull_iccid(release.iccid))
        case Function.HANDLE_PROGRESS | Function.HANDLE_NOTIFICATION:
            return _pull_progress(function, _read(body, _Progress))


def _pull_progress(function: Function, found: _Progress) -> tuple[Header, Progress]:
    point, status = found.notification_point_id, found.notification_point_status
    if point is None and status is None:
        point, status = found.notification_event, found.notification_event_status
    if point is None or status is None:
        raise BadMessage("notificationPointId")
    if isinstance(point, str):
        if not _NUMBER.fullmatch(point):
            raise BadMessage("notificationPointId")
        point = int(point)
    if not 0 <= point <= _MOST_POINT:
        raise BadMessage("notificationPointId")
    time = found.timestamp if found.timestamp is not None else found.time_stamp
    return _header(found.header), Progress(
        function=function,
        iccid=pull_iccid(found.iccid),
        point=point,
        status=_status(status),
        profile_type=_text(found.profile_type, "profileType", _LONGEST_TYPE),
        at=None if time is None else pull_time(str(time)),
        eid=_eid(found.eid),
    )


# --- answers --------------------------------------------------------------------------------


class _AnswerHeader(msgspec.Struct, frozen=True, rename="camel"):
    function_execution_status: _WireStatus


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    header: _AnswerHeader
    iccid: str | None = None
    matching_id: str | None = None
    eid: str | None = None
    smdp_address: str | None = None


def push_answer(answer: Answer, *, padded: bool = True) -> bytes:
    """Return the body of an answer."""
    content: dict[str, Any] = {
        "header": {"functionExecutionStatus": _push_status(answer.status)},
    }
    if answer.eid is not None:
        content["eid"] = answer.eid.digits
    if answer.iccid is not None:
        content["iccid"] = push_iccid(answer.iccid, padded=padded)
    if answer.matching_id is not None:
        content["matchingId"] = answer.matching_id
    if answer.smdp_address:
        content["smdpAddress"] = answer.smdp_address
    return msgspec.json.encode(content)


def pull_answer(body: bytes) -> Answer:
    """Return an answer of any function; raise `BadMessage`."""
    found = _read(body, _Answer)
    status = _status(found.header.function_execution_status)
    if not status.outcome.is_done:
        # Beside a failure nothing else counts, and nothing else is looked at.
        return Answer(status=status)
    return Answer(
        status=status,
        iccid=pull_iccid(found.iccid) if found.iccid else None,
        matching_id=_matching_id(found.matching_id),
        eid=_eid(found.eid),
        smdp_address=_fqdn(found.smdp_address, "smdpAddress"),
    )


# --- parts ----------------------------------------------------------------------------------


def _read(body: bytes, kind: type[S]) -> S:
    if len(body) > MAX_BODY:
        raise BadMessage("more bytes than a message may have")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadMessage("not the JSON of this function") from None


def _header(found: _WireHeader) -> Header:
    requester, call_id = found.function_requester_identifier, found.function_call_identifier
    if not requester or not call_id:
        raise BadMessage("header")
    return Header(
        _text(requester, "functionRequesterIdentifier", _LONGEST_ID),
        _text(call_id, "functionCallIdentifier", _LONGEST_ID),
    )


def _push_status(status: Status) -> dict[str, Any]:
    content: dict[str, Any] = {"status": status.outcome.value}
    if status.subject or status.reason:
        content["statusCodeData"] = {"subjectCode": status.subject, "reasonCode": status.reason}
        if status.message:
            content["statusCodeData"]["message"] = status.message
    return content


def _status(found: _WireStatus) -> Status:
    outcome = _word(Outcome, found.status, "status")
    codes = found.status_code_data or _Codes()
    return Status(
        outcome,
        _code(codes.subject_code),
        _code(codes.reason_code),
        codes.message[:_LONGEST_TEXT],
    )


def _code(text: str) -> str:
    """Return a code; one that is none counts as not said."""
    return text if _CODE.fullmatch(text) else ""


W = TypeVar("W", bound=Word)


def _word(kind: type[W], text: str, name: str) -> W:
    try:
        return kind(text)
    except ValueError:
        raise BadMessage(name) from None


def _text(text: str | None, name: str, longest: int) -> str:
    if not text:
        return ""
    if len(text) > longest or not text.isprintable():
        raise BadMessage(name)
    return text


def _eid(text: str | None) -> Eid | None:
    if not text:
        return None
    try:
        return Eid(text)
    except InvalidIdentity:
        raise BadMessage("eid") from None


def _matching_id(text: str | None) -> str | None:
    if text is not None and not is_matching_id(text):
        raise BadMessage("matchingId")
    return text


def _fqdn(text: str | None, name: str) -> str:
    if text and not is_fqdn(text):
        raise BadMessage(name)
    return text or ""
