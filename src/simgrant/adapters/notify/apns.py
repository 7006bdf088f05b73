"""Apple Push Notification service: background pushes over HTTP/2, with a provider token.

The provider token is a JWT made here from the team's signing key. Apple takes one for an hour and
refuses who makes more than one in twenty minutes, so it is renewed after forty, and sooner only
where the key's file has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.links.bearer import Bearer, Token, send_as
from simgrant.links.http import HttpConfig, HttpLink, HttpRequest, Repeat, Reply
from simgrant.links.secret_file import SecretFile
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.notifier import Dead, Delivered, Later, Notice, Receipt, Refused, Target
from simgrant.wire.push_payload import push_json
from simgrant.wire.push_token import Channel, is_token

_RENEW_AFTER_S: Final = 40 * 60.0
_GOOD_FOR_S: Final = 55 * 60.0
_GAP_S: Final = 20 * 60.0
_OLD_TOKEN: Final = frozenset({"ExpiredProviderToken", "InvalidProviderToken"})


@named_noun
class Config:
    """Whose apps, and how Apple is reached."""

    key_file: Path
    """The signing key (``.p8``) as Apple gave it."""
    key_id: str
    team_id: str
    topic: str
    """Bundle id of the app that clients without one of their own belong to."""
    topics: Mapping[str, str] = field(default_factory=dict)
    """Bundle id by ``app_name``, in lower case."""
    http: HttpConfig = HttpConfig(peer="apns")
    url: str = "https://api.push.apple.com"
    """``https://api.sandbox.push.apple.com`` for apps under development."""


def open_notifier(config: Config, *, clock: Clock) -> Apns:
    """Return the channel; raise StartRefused where the key's file is no use."""
    return Apns(config, clock)


class _Failure(msgspec.Struct, frozen=True):
    reason: str = ""
    timestamp: int | None = None
    """Milliseconds since 1970: when Apple last found the token dead."""


class Apns:
    """APNs (the ``Notifier`` port)."""

    channel = Channel.APNS

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._key = SecretFile(config.key_file, _read_key)
        self._http = HttpLink(config.http, clock)
        self._bearer = Bearer(self._sign, clock, gap_s=_GAP_S, is_stale=self._key.has_changed)

    async def notify(self, target: Target, notice: Notice, *, deadline: float) -> Receipt:
        """Send one background push (see the port)."""
        if not is_token(Channel.APNS, target.token):
            return Dead("invalid_token")
        url = f"{self._config.url}/3/device/{target.token}"
        body = push_json(notice.apps, notice.at, aps=True)
        topic = self._config.topics.get(target.app_name, self._config.topic)

        def request(token: str) -> HttpRequest:
            headers = {
                "authorization": f"bearer {token}",
                "apns-topic": topic,
                "apns-push-type": "background",
                "apns-priority": "5",
                "apns-expiration": str(notice.expires_at),
                "apns-collapse-id": notice.collapse_id,
                "content-type": "application/json",
            }
            return HttpRequest("POST", url, headers, body, Repeat.UNANSWERED)

        reply = await send_as(
            self._bearer,
            self._http,
            request,
            deadline=deadline,
            is_refusal=lambda reply: reply.status == 403 and _failure(reply).reason in _OLD_TOKEN,
        )
        return receipt(reply, now=self._clock.now())

    async def close(self) -> None:
        """Let go of every connection."""
        await self._bearer.close()
        await self._http.close()

    async def _sign(self, deadline: float) -> Token:
        """Make a provider token; nobody has to be asked for it."""
        del deadline
        text = jwt.encode(
            {"alg": "ES256", "kid": self._config.key_id},
            {"iss": self._config.team_id, "iat": int(self._clock.now())},
            self._key.value(),
        )
        return Token(text, renew_after=_RENEW_AFTER_S, good_for=_GOOD_FOR_S)


def receipt(reply: Reply, *, now: float) -> Receipt:
    """Return what an answer means for a notice; ``now`` is in Unix seconds.

    Raises PeerUnavailable (credentials) and PeerMisbehaved.
    """
    if reply.status == 200:
        return Delivered(reply.header("apns-id"))
    failure = _failure(reply)
    after = reply.retry_after(now)
    match reply.status, failure.reason:
        case 410, _:
            # A token that was registered again after that is alive.
            since = None if failure.timestamp is None else failure.timestamp // 1000
            return Dead("unregistered", since)
        case 400, "BadDeviceToken":
            return Dead("invalid_token")
        case 400, "DeviceTokenNotForTopic":
            return Refused("topic_mismatch")
        case 403, _:
            raise PeerUnavailable(
                "credentials_refused",
                for_operator=f"apns: {failure.reason[:40] or 'status 403'}",
            )
        case 429, "TooManyProviderTokenUpdates":
            raise PeerUnavailable(
                "credentials_refused",
                for_operator="apns: too many provider tokens: who else signs with this key?",
                retry_after=int(_GAP_S),
            )
        case 429, _:
            return Later("device_throttled", after)
        case status, _ if status >= 500:
            return Later("push_service_unavailable", after)
        case ((400 | 413), _):
            return Refused("message_refused")
    raise PeerMisbehaved("push_answer_unknown", for_operator=f"apns: status {reply.status}")


def _read_key(data: bytes) -> ECKey:
    try:
        key = ECKey.import_key(data)
    except (JoseError, ValueError, TypeError):
        raise ValueError("not a signing key in PEM") from None
    if key.curve_name != "P-256" or not key.is_private:
        raise ValueError("not a private key on P-256")
    return key


def _failure(reply: Reply) -> _Failure:
    try:
        return reply.json(_Failure)
    except ValueError:
        return _Failure()
