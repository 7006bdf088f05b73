"""An SM-DP+ over ES2+: JSON in HTTP, with a certificate on either side (SGP.22 §6.5)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Final

from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.identities import Eid, Iccid
from simgrant.links.http import HttpConfig, HttpLink, HttpRequest, Repeat, Reply, Unsent
from simgrant.links.secret_file import SecretFile, read_text
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.smdp import (
    Cause,
    Confirmed,
    FinalStatus,
    NotReached,
    Refused,
    Terms,
    UnknownOutcome,
)
from simgrant.wire.es2plus import (
    ADMIN_PROTOCOL,
    CONTENT_TYPE,
    Answer,
    BadMessage,
    CancelOrder,
    ConfirmOrder,
    DownloadOrder,
    Function,
    Header,
    Outcome,
    ReleaseProfile,
    Request,
    Status,
    is_admin_protocol,
    pull_answer,
    push_request,
)

_NOT_LOOKED_AT: Final = frozenset({400, 401, 403, 404, 405, 413, 415, 421, 426, 429, 431})
"""Statuses by which a server says that it did not do what was asked for (RFC 9110 §15.5)."""
_CAUSES: Final[Mapping[tuple[str, str], Cause]] = {
    ("8.2.5", "3.7"): Cause.OUT_OF_STOCK,
    ("8.2.1", "3.3"): Cause.IN_USE,
    ("8.2.6", "3.3"): Cause.IN_USE,
    ("8.2.1", "3.5"): Cause.WRONG_STATE,
    ("8.1.1", "3.10"): Cause.OTHER_EID,
    ("8.2.6", "3.10"): Cause.OTHER_EID,
    ("8.9", "5.1"): Cause.SMDS_DOWN,
}
"""By subject and reason (SGP.22 §5.2.6)."""
_OURS_TO_MEND: Final = frozenset({"1.2", "3.9"})
"""Reasons, of whatever subject: not allowed, and unknown."""
_HEADER: Final = frozenset({"1.2.1", "1.2.2"})
"""Subjects: requester and call identifier."""


@named_noun
class Config:
    """One SM-DP+, and what was agreed with it."""

    terms: Terms
    url: str
    """What the paths of the functions are put behind."""
    urls: Mapping[Function, str] = field(default_factory=dict)
    """Whole addresses of functions that are elsewhere."""
    requester: str
    """functionRequesterIdentifier: who we are to it."""
    admin_protocol: str = "gsma/rsp/v2.5.0"
    pad_iccid: bool = True
    user: str = ""
    """For a password beside the certificate; empty = none."""
    password_file: Path | None = None
    http: HttpConfig = HttpConfig(peer="smdp")


def open_smdp(config: Config, *, clock: Clock) -> Es2plus:
    """Return the SM-DP+; raise StartRefused where a file is no use. Nothing is asked yet."""
    return Es2plus(config, clock)


class Es2plus:
    """One SM-DP+ (the ``Smdp`` port)."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._http = HttpLink(config.http, clock)
        self._clock = clock
        self._password: SecretFile[str] | None = None
        if config.user and config.password_file is not None:
            self._password = SecretFile(config.password_file, read_text)

    @property
    def terms(self) -> Terms:
        """Return what was agreed with it."""
        return self._config.terms

    async def download_order(
        self,
        call_id: str,
        *,
        iccid: Iccid | None = None,
        profile_type: str = "",
        eid: Eid | None = None,
        deadline: float,
    ) -> Iccid:
        """Reserve a profile (see the port)."""
        order = DownloadOrder(iccid=iccid, profile_type=profile_type, eid=eid)
        answer = await self._call(Function.DOWNLOAD_ORDER, call_id, order, deadline)
        if answer.iccid is None:
            raise self._unknown(Function.DOWNLOAD_ORDER, "no ICCID in the answer")
        return answer.iccid

    async def confirm_order(
        self,
        call_id: str,
        *,
        iccid: Iccid,
        release: bool,
        eid: Eid | None = None,
        matching_id: str | None = None,
        confirmation_code: str = "",
        smds_address: str = "",
        deadline: float,
    ) -> Confirmed:
        """Make a reserved profile ready (see the port)."""
        order = ConfirmOrder(
            iccid=iccid,
            release=release,
            eid=eid,
            matching_id=matching_id,
            confirmation_code=confirmation_code,
            smds_address=smds_address,
        )
        function = Function.CONFIRM_ORDER
        answer = await self._call(function, call_id, order, deadline)
        told = answer.matching_id
        if told is None:
            told = matching_id
        if told is None or (matching_id is not None and told != matching_id):
            raise self._unknown(function, "no matching id, or another than was asked for")
        return Confirmed(matching_id=told, smdp_address=answer.smdp_address or self.terms.address)

    async def cancel_order(
        self,
        call_id: str,
        *,
        iccid: Iccid,
        final: FinalStatus = FinalStatus.AVAILABLE,
        eid: Eid | None = None,
        matching_id: str | None = None,
        deadline: float,
    ) -> None:
        """Give a profile back (see the port)."""
        order = CancelOrder(iccid=iccid, final=final, eid=eid, matching_id=matching_id)
        await self._call(Function.CANCEL_ORDER, call_id, order, deadline)

    async def release_profile(self, call_id: str, *, iccid: Iccid, deadline: float) -> None:
        """Let a confirmed profile be downloaded (see the port)."""
        order = ReleaseProfile(iccid=iccid)
        await self._call(Function.RELEASE_PROFILE, call_id, order, deadline)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._http.close()

    async def _call(
        self, function: Function, call_id: str, order: Request, deadline: float
    ) -> Answer:
        """Return the answer to a call that was executed; it is sent once."""
        config = self._config
        request = HttpRequest(
            "POST",
            config.urls.get(function) or config.url.rstrip("/") + function.path,
            self._headers(),
            push_request(Header(config.requester, call_id), order, padded=config.pad_iccid),
            Repeat.NEVER_SENT,
        )
        try:
            reply = await self._http.send(request, deadline=deadline)
        except Unsent as error:
            raise NotReached(
                error.reason, for_operator=error.for_operator, retry_after=error.retry_after
            ) from None
        except (PeerUnavailable, PeerMisbehaved) as error:
            raise UnknownOutcome(error.reason, for_operator=error.for_operator) from None
        return self._judged(function, order, reply)

    def _headers(self) -> dict[str, str]:
        headers = {"content-type": CONTENT_TYPE, ADMIN_PROTOCOL: self._config.admin_protocol}
        if self._password is not None:
            try:
                password = self._password.value()
            except PeerUnavailable as error:
                raise NotReached(error.reason, for_operator=error.for_operator) from None
            pair = f"{self._config.user}:{password}".encode()
            headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return headers

    def _judged(self, function: Function, order: Request, reply: Reply) -> Answer:
        """Return what a reply says was done for this order; raise what else it means."""
        if reply.status in _NOT_LOOKED_AT:
            after = reply.retry_after(self._clock.now())
            raise NotReached(
                f"smdp_status_{reply.status}",
                for_operator=f"{self._http.peer}: {function}: status {reply.status}",
                retry_after=None if after is None else round(after),
            )
        if reply.status != 200:
            raise self._unknown(function, f"status {reply.status}")
        kind = reply.header("content-type").partition(";")[0].strip().lower()
        version = reply.header(ADMIN_PROTOCOL)
        if kind not in ("", CONTENT_TYPE) or not (version == "" or is_admin_protocol(version)):
            raise self._unknown(function, "an answer that is none of ES2+")
        try:
            answer = pull_answer(reply.body)
        except BadMessage as bad:
            raise self._unknown(function, f"an answer that cannot be read: {bad}") from None
        if answer.status.outcome is Outcome.FAILED:
            raise self._refused(function, answer.status)
        if answer.status.outcome is Outcome.EXPIRED:
            raise self._unknown(function, "the call expired there")
        if answer.iccid is not None and order.iccid not in (None, answer.iccid):
            raise self._unknown(function, "the answer is about another ICCID")
        eid = None if isinstance(order, ReleaseProfile) else order.eid
        if answer.eid is not None and eid not in (None, answer.eid):
            raise self._unknown(function, "the answer is about another EID")
        return answer

    def _refused(self, function: Function, status: Status) -> Refused:
        cause = cause_of(function, status)
        codes = f"subject {status.subject or '?'}, reason {status.reason or '?'}"
        return Refused(
            cause,
            subject=status.subject,
            reason_code=status.reason,
            for_operator=f"{self._http.peer}: {function} failed: {codes}",
        )

    def _unknown(self, function: Function, what: str) -> UnknownOutcome:
        return UnknownOutcome(for_operator=f"{self._http.peer}: {function}: {what}")


def cause_of(function: Function, status: Status) -> Cause:
    """Return what a failure means for an order."""
    cause = _CAUSES.get((status.subject, status.reason))
    if cause is Cause.WRONG_STATE and function is Function.RELEASE_PROFILE:
        return Cause.ALREADY_RELEASED
    if cause is not None:
        return cause
    if status.reason in _OURS_TO_MEND or status.subject in _HEADER:
        return Cause.CONFIGURATION
    return Cause.OTHER
