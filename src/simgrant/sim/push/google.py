"""Plays Google: a token endpoint for service accounts, and FCM by its HTTP v1."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qs

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from simgrant.sim.push.certificates import Authority
from simgrant.sim.push.signed import BadToken, pull_jwt
from simgrant.sim.push.switch import Fault, Switch, Taken
from simgrant.sim.web import Answer, Request, WebServer
from simgrant.wire.push_payload import BadPayload, pull_data

_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_LIFE_S: Final = 3599
_FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_:.=-]+")


class _Android(msgspec.Struct, forbid_unknown_fields=True):
    collapse_key: str
    priority: Literal["high", "normal", "HIGH", "NORMAL"]
    ttl: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+s$")]


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    token: str
    data: dict[str, str]
    android: _Android


class _Send(msgspec.Struct, forbid_unknown_fields=True):
    message: _Message


class Google:
    """One project with one service account."""

    project = "simgrant-lab"

    def __init__(
        self, authority: Authority, *, clock: Callable[[], float] = time.time, life_s: int = _LIFE_S
    ) -> None:
        """``life_s`` is that of the access tokens."""
        self.web = WebServer(self._answer, authority.server(["127.0.0.1", "localhost"]))
        self.switch = Switch()
        self.exchanges = 0
        """Assertions that were exchanged."""
        self._clock = clock
        self._life_s = life_s
        self._key = rsa.generate_private_key(65537, 2048)
        self._key_id = secrets.token_hex(20)
        self._good: dict[str, float] = {}
        self._senders: set[str] = set()

    async def up(self) -> None:
        """Listen."""
        await self.web.up()

    async def down(self) -> None:
        """Be unreachable."""
        await self.web.down()

    def service_account(self) -> str:
        """Return the account's file: JSON, with the private key."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return json.dumps(
            {
                "type": "service_account",
                "project_id": self.project,
                "private_key_id": self._key_id,
                "private_key": pem.decode(),
                "client_email": self._email,
                "client_id": "100000000000000000000",
                "token_uri": self._token_uri,
            }
        )

    def revoke(self) -> None:
        """Take back every access token."""
        self._good.clear()

    def renew_key(self) -> None:
        """Make a new key for the account; assertions by the old one are refused from now on."""
        self._key = rsa.generate_private_key(65537, 2048)
        self._key_id = secrets.token_hex(20)
        self.revoke()

    def belongs_elsewhere(self, token: str) -> None:
        """Let a registration token be another sender's."""
        self._senders.add(token)

    @property
    def _email(self) -> str:
        return f"push@{self.project}.iam.gserviceaccount.com"

    @property
    def _token_uri(self) -> str:
        return f"{self.web.url}/token"

    def _answer(self, request: Request) -> Answer:
        if request.method == "POST" and request.target == "/token":
            return self._exchange(request)
        if request.method == "POST" and request.target.endswith("/messages:send"):
            return self._send(request)
        return _error(404, "NOT_FOUND", "Requested entity was not found.")

    def _exchange(self, request: Request) -> Answer:
        form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
        now = self._clock()
        try:
            header, claims = pull_jwt(form.get("assertion", ""), self._key.public_key())
            expected = {"iss": self._email, "scope": _SCOPE, "aud": self._token_uri}
            if form.get("grant_type") != _GRANT or header.get("kid") != self._key_id:
                raise BadToken("grant or key")
            if any(claims.get(name) != value for name, value in expected.items()):
                raise BadToken("claims")
            if not now - 300 <= claims["iat"] < claims["exp"] <= claims["iat"] + 3600:
                raise BadToken("times")
        except (BadToken, KeyError, TypeError):
            return _json(400, {"error": "invalid_grant", "error_description": "Invalid JWT"})
        self.exchanges += 1
        token = f"ya29.{secrets.token_urlsafe(60)}"
        self._good[token] = now + self._life_s
        return _json(
            200, {"access_token": token, "expires_in": self._life_s, "token_type": "Bearer"}
        )

    def _send(self, request: Request) -> Answer:
        switch = self.switch
        match switch.next():
            case (Fault.SLOW | Fault.RESET | Fault.GOAWAY) as fault:
                return Answer(fault=fault.breaks)
            case Fault.THROTTLED:
                retry = (("retry-after", switch.retry_after),) if switch.retry_after else ()
                return _error(429, "RESOURCE_EXHAUSTED", "Quota", "QUOTA_EXCEEDED", headers=retry)
            case Fault.BROKEN:
                return _error(500, "INTERNAL", "Internal error encountered.", "INTERNAL")
            case Fault.NONSENSE:
                return Answer(200, (("content-type", "text/html"),), b"<html>hello</html>")
            case Fault.BAD_AUTH:
                return _error(401, "UNAUTHENTICATED", "Invalid authentication credentials.")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or self._good.get(token, 0) <= self._clock():
            return _error(401, "UNAUTHENTICATED", "Invalid authentication credentials.")
        if request.target != f"/v1/projects/{self.project}/messages:send":
            return _error(403, "PERMISSION_DENIED", "Permission denied on the project.")
        try:
            message = msgspec.json.decode(request.body, type=_Send).message
            said = pull_data(message.data)
        except (msgspec.DecodeError, UnicodeDecodeError, BadPayload) as problem:
            return _error(400, "INVALID_ARGUMENT", str(problem), field="message")
        if not _TOKEN.fullmatch(message.token) or message.token.startswith("bad"):
            text = "The registration token is not a valid FCM registration token"
            return _error(400, "INVALID_ARGUMENT", text, "INVALID_ARGUMENT")
        if switch.buried(message.token):
            return _error(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED")
        if message.token in self._senders:
            return _error(403, "PERMISSION_DENIED", "SenderId mismatch", "SENDER_ID_MISMATCH")
        android = message.android
        switch.take(
            Taken(
                message.token,
                said.apps,
                said.timestamp,
                android.collapse_key,
                {"priority": android.priority, "ttl": android.ttl, **message.data},
            )
        )
        return _json(200, {"name": f"projects/{self.project}/messages/{secrets.token_hex(8)}"})


def _json(
    status: int, content: Mapping[str, Any], headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    kind = ("content-type", "application/json; charset=UTF-8")
    return Answer(status, (kind, *headers), json.dumps(content).encode())


def _error(
    status: int,
    code: str,
    message: str,
    fcm: str = "",
    *,
    field: str = "",
    headers: tuple[tuple[str, str], ...] = (),
) -> Answer:
    error: dict[str, Any] = {"code": status, "message": message, "status": code}
    if fcm:
        error["details"] = [{"@type": _FCM_ERROR, "errorCode": fcm}]
    if field:
        violation = {"field": field, "description": message}
        error["details"] = [{"@type": _BAD_REQUEST, "fieldViolations": [violation]}]
    return _json(status, {"error": error}, headers)
