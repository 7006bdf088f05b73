"""Firebase Cloud Messaging, HTTP v1: data messages to Android.

One project; its registration tokens are bound to it (Android takes a message only from the sender
that the carrier configuration names). The service account's file says who we are and where its
assertions are exchanged for access tokens, and is read again when it has changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.links.bearer import Bearer, Token, send_as
from simgrant.links.http import HttpConfig, HttpLink, HttpRequest, Repeat, Reply, read_json
from simgrant.links.oauth import fetch_token
from simgrant.links.secret_file import SecretFile
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.notifier import Dead, Delivered, Later, Notice, Receipt, Refused, Target
from simgrant.wire.push_payload import push_data
from simgrant.wire.push_token import Channel, is_token

_SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_S: Final = 3600
_LONGEST_TTL_S: Final = 2_419_200
_QUOTA_S: Final = 60.0
"""Quotas are by the minute, and so is the wait where Google names none."""


@named_noun
class Config:
    """Which project, and how it is reached."""

    service_account: Path
    """The JSON file of a service account that may send messages."""
    http: HttpConfig = HttpConfig(peer="fcm")
    url: str = "https://fcm.googleapis.com"
    project: str = ""
    """Empty = the service account's own."""
    priority: Literal["high", "normal"] = "high"
    """``normal`` messages wait until the device wakes up by itself."""


def open_notifier(config: Config, *, clock: Clock) -> Fcm:
    """Return the channel; raise StartRefused where the service account's file is no use."""
    return Fcm(config, clock)


class _Account(msgspec.Struct, frozen=True):
    project_id: str
    private_key_id: str
    private_key: str
    client_email: str
    token_uri: str

    def __repr__(self) -> str:
        return "_Account(…)"


class _Detail(msgspec.Struct, frozen=True):
    error_code: str = msgspec.field(name="errorCode", default="")
    violations: tuple[dict[str, object], ...] = msgspec.field(name="fieldViolations", default=())


class _Problem(msgspec.Struct, frozen=True):
    status: str = ""
    message: str = ""
    details: tuple[_Detail, ...] = ()


class _Failure(msgspec.Struct, frozen=True):
    error: _Problem = _Problem()


class _Sent(msgspec.Struct, frozen=True):
    name: str


class Fcm:
    """FCM (the ``Notifier`` port)."""

    channel = Channel.FCM

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._account = SecretFile(config.service_account, _read_account)
        project = config.project or self._account.value().project_id
        self._url = f"{config.url}/v1/projects/{project}/messages:send"
        self._http = HttpLink(config.http, clock)
        self._bearer = Bearer(self._exchange, clock, is_stale=self._account.has_changed)

    async def notify(self, target: Target, notice: Notice, *, deadline: float) -> Receipt:
        """Send one data message (see the port)."""
        if not is_token(Channel.FCM, target.token):
            return Dead("invalid_token")
        ttl = min(max(0, notice.expires_at - int(self._clock.now())), _LONGEST_TTL_S)
        message = {
            "token": target.token,
            "data": push_data(notice.apps, notice.at),
            "android": {
                "collapse_key": notice.collapse_id,
                "priority": self._config.priority,
                "ttl": f"{ttl}s",
            },
        }
        body = msgspec.json.encode({"message": message})

        def request(token: str) -> HttpRequest:
            headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
            return HttpRequest("POST", self._url, headers, body, Repeat.UNANSWERED)

        reply = await send_as(
            self._bearer,
            self._http,
            request,
            deadline=deadline,
        )
        return receipt(reply, now=self._clock.now())

    async def close(self) -> None:
        """Let go of every connection."""
        await self._bearer.close()
        await self._http.close()

    async def _exchange(self, deadline: float) -> Token:
        """Exchange an assertion for an access token (RFC 7523 §2.1)."""
        account = self._account.value()
        now = int(self._clock.now())
        assertion = jwt.encode(
            {"alg": "RS256", "kid": account.private_key_id},
            {
                "iss": account.client_email,
                "scope": _SCOPE,
                "aud": account.token_uri,
                "iat": now,
                "exp": now + _ASSERTION_S,
            },
            RSAKey.import_key(account.private_key),
        )
        form = {"grant_type": _GRANT, "assertion": assertion}
        return await fetch_token(self._http, account.token_uri, form, deadline=deadline)


def receipt(reply: Reply, *, now: float) -> Receipt:
    """Return what an answer means for a notice; ``now`` is in Unix seconds.

    Raises PeerUnavailable (credentials) and PeerMisbehaved.
    """
    if reply.status == 200:
        try:
            return Delivered(reply.json(_Sent).name)
        except ValueError:
            raise PeerMisbehaved("push_answer_unreadable", for_operator="fcm") from None
    problem, code = _problem(reply)
    after = reply.retry_after(now)
    match reply.status, code:
        case 404, "UNREGISTERED":
            return Dead("unregistered")
        case 400, "INVALID_ARGUMENT" if _is_about_token(problem):
            return Dead("invalid_token")
        case 403, "SENDER_ID_MISMATCH":
            return Refused("sender_id_mismatch")
        case 403, _:
            raise PeerUnavailable(
                "credentials_refused",
                for_operator="fcm: the service account may not send for this project",
            )
        case 429, _:
            return Later("quota_exceeded", _QUOTA_S if after is None else after)
        case status, _ if status >= 500:
            return Later("push_service_unavailable", after)
        case 400, _:
            return Refused("message_refused")
    # Such as the 404 of a project that is not there.
    raise PeerMisbehaved("push_answer_unknown", for_operator=f"fcm: status {reply.status}")


def _read_account(data: bytes) -> _Account:
    try:
        account = read_json(data, _Account)
        is_usable = RSAKey.import_key(account.private_key).is_private
    except (JoseError, ValueError, TypeError):
        is_usable = False
    if not is_usable:
        raise ValueError("not the JSON file of a service account with its private key")
    return account


def _problem(reply: Reply) -> tuple[_Problem, str]:
    """Return Google's error object and its FCM error code; empty where there is none."""
    try:
        problem = reply.json(_Failure).error
    except ValueError:
        return _Problem(), ""
    codes = [detail.error_code for detail in problem.details if detail.error_code]
    return problem, codes[0] if codes else problem.status


def _is_about_token(problem: _Problem) -> bool:
    """Tell whether what is invalid is the token, and not the message."""
    fields = [
        violation.get("field") for detail in problem.details for violation in detail.violations
    ]
    if fields:
        return "message.token" in fields
    return "registration token" in problem.message
