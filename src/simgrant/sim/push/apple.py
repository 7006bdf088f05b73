"""Plays Apple: the push service over HTTP/2, with provider tokens."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from simgrant.sim.push.certificates import Authority
from simgrant.sim.push.signed import BadToken, pull_jwt
from simgrant.sim.push.switch import Fault, Switch, Taken
from simgrant.sim.web import Answer, Request, WebServer
from simgrant.wire.push_payload import BadPayload, pull_json

_LIFE_S: Final = 3600
_LEAST_S: Final = 20 * 60
_MOST_PAYLOAD: Final = 4096
_PATH: Final = re.compile(r"/3/device/([0-9A-Fa-f]+)")


class Apple:
    """One team with one app."""

    team_id = "TEAM012345"
    key_id = "KEY0123456"
    topic = "org.example.carrier"

    def __init__(self, authority: Authority, *, clock: Callable[[], float] = time.time) -> None:
        self.web = WebServer(self._answer, authority.server(["127.0.0.1", "localhost"]))
        self.switch = Switch()
        self._clock = clock
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._newest = float("-inf")

    async def up(self) -> None:
        """Listen."""
        await self.web.up()

    async def down(self) -> None:
        """Be unreachable."""
        await self.web.down()

    def signing_key(self) -> bytes:
        """Return the ``.p8`` file."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def renew_key(self) -> None:
        """Make a new signing key; tokens by the old one are refused from now on."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._newest = float("-inf")

    def _answer(self, request: Request) -> Answer:
        switch = self.switch
        match switch.next():
            case (Fault.SLOW | Fault.RESET | Fault.GOAWAY) as fault:
                return Answer(fault=fault.breaks)
            case Fault.THROTTLED:
                return _failure(429, "TooManyRequests", retry_after=switch.retry_after)
            case Fault.BROKEN:
                return _failure(500, "InternalServerError")
            case Fault.NONSENSE:
                return Answer(302, (("location", "https://example.org/"),))
            case Fault.BAD_AUTH:
                return _failure(403, "InvalidProviderToken")
        if request.version != "h2":
            return Answer(505)
        if request.method != "POST":
            return _failure(405, "MethodNotAllowed")
        path = _PATH.fullmatch(request.target)
        if path is None:
            return _failure(404, "BadPath")
        reason = self._check_token(request.headers.get("authorization", ""))
        if reason:
            return _failure(429 if reason.startswith("TooMany") else 403, reason)
        return self._take(path[1], request)

    def _check_token(self, authorization: str) -> str:
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return "MissingProviderToken"
        try:
            header, claims = pull_jwt(text, self._key.public_key())
            made = int(claims["iat"])
        except (BadToken, KeyError, ValueError):
            return "InvalidProviderToken"
        if header.get("kid") != self.key_id or claims.get("iss") != self.team_id:
            return "InvalidProviderToken"
        if not self._clock() - _LIFE_S <= made <= self._clock() + 60:
            return "ExpiredProviderToken"
        if 0 < made - self._newest < _LEAST_S:
            return "TooManyProviderTokenUpdates"
        self._newest = max(self._newest, made)
        return ""

    def _take(self, token: str, request: Request) -> Answer:
        headers = request.headers
        if headers.get("apns-topic") != self.topic:
            return _failure(400, "DeviceTokenNotForTopic")
        if headers.get("apns-push-type") != "background" or headers.get("apns-priority") != "5":
            # What Apple demands of a push that shows nothing.
            return _failure(400, "BadPriority")
        if not headers.get("apns-expiration", "").isdigit():
            return _failure(400, "BadExpirationDate")
        collapse_id = headers.get("apns-collapse-id", "")
        if len(collapse_id) > 64:
            return _failure(400, "BadCollapseId")
        if len(request.body) > _MOST_PAYLOAD:
            return _failure(413, "PayloadTooLarge")
        if token.startswith("bad") or len(token) % 2:
            return _failure(400, "BadDeviceToken")
        if self.switch.buried(token):
            return _failure(410, "Unregistered", timestamp=int(self._clock() * 1000))
        try:
            said = pull_json(request.body)
            if json.loads(request.body)["aps"] != {"content-available": 1}:
                raise BadPayload("aps")
        except (BadPayload, KeyError):
            return _failure(400, "PayloadEmpty")
        self.switch.take(
            Taken(
                token, said.apps, said.timestamp, collapse_id, {**headers, "body": _text(request)}
            )
        )
        return Answer(200, (("apns-id", secrets.token_hex(16).upper()),))


def _text(request: Request) -> str:
    return request.body.decode()


def _failure(
    status: int, reason: str, *, timestamp: int | None = None, retry_after: str = ""
) -> Answer:
    content: dict[str, object] = {"reason": reason}
    if timestamp is not None:
        content["timestamp"] = timestamp
    headers = (("retry-after", retry_after),) if retry_after else ()
    return Answer(status, headers, json.dumps(content).encode())
