"""Plays Microsoft: a token endpoint, and channels of the Windows push service."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

from simgrant.sim.push.certificates import Authority
from simgrant.sim.push.switch import Fault, Switch, Taken
from simgrant.sim.web import Answer, Request, WebServer
from simgrant.wire.push_payload import BadPayload, pull_json

_LIFE_S: Final = 86_400
_MOST_PAYLOAD: Final = 5000


class Microsoft:
    """One app with channels on one host. Clients have to be told where that host is."""

    host = "db5.notify.windows.com"
    login_host = "login.live.com"
    client_id = "ms-app://s-1-15-2-1234567890"
    scope = "notify.windows.com"

    def __init__(self, authority: Authority, *, clock: Callable[[], float] = time.time) -> None:
        self.web = WebServer(
            self._answer, authority.server([self.host, self.login_host, "127.0.0.1"])
        )
        self.switch = Switch()
        self.client_secret = secrets.token_urlsafe(24)
        self.offline: set[str] = set()
        """Channels of devices that are off."""
        self.grants = 0
        self._clock = clock
        self._good: dict[str, float] = {}

    async def up(self) -> None:
        """Listen."""
        await self.web.up()

    async def down(self) -> None:
        """Be unreachable."""
        await self.web.down()

    def channel(self, name: str) -> str:
        """Return the address of a channel, as a device would register it."""
        return f"https://{self.host}/?token={name}"

    def revoke(self) -> None:
        """Take back every access token."""
        self._good.clear()

    def _answer(self, request: Request) -> Answer:
        parts = urlsplit(request.target)
        if request.method == "POST" and parts.path == "/accesstoken.srf":
            return self._grant(request)
        if request.method == "POST" and parts.path == "/":
            return self._send(self.channel(dict(parse_qsl(parts.query)).get("token", "")), request)
        return Answer(405)

    def _grant(self, request: Request) -> Answer:
        form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
        if form != {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scope": self.scope,
        }:
            return Answer(400, (), b'{"error":"invalid_client"}')
        self.grants += 1
        token = secrets.token_urlsafe(40)
        self._good[token] = self._clock() + _LIFE_S
        granted = {"access_token": token, "token_type": "bearer", "expires_in": _LIFE_S}
        return Answer(200, (("content-type", "application/json"),), json.dumps(granted).encode())

    def _send(self, channel: str, request: Request) -> Answer:
        switch = self.switch
        match switch.next():
            case (Fault.SLOW | Fault.RESET | Fault.GOAWAY) as fault:
                return Answer(fault=fault.breaks)
            case Fault.THROTTLED:
                retry = (("retry-after", switch.retry_after),) if switch.retry_after else ()
                return Answer(406, retry)
            case Fault.BROKEN:
                return Answer(500)
            case Fault.NONSENSE:
                return Answer(302, (("location", "https://example.org/"),))
            case Fault.BAD_AUTH:
                return Answer(401)
        headers = request.headers
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or self._good.get(token, 0) <= self._clock():
            return Answer(401, (("www-authenticate", "Bearer"),))
        if switch.buried(channel):
            return Answer(410)
        if channel == self.channel(""):
            return Answer(404)
        if len(request.body) > _MOST_PAYLOAD:
            return Answer(413)
        if (
            headers.get("x-wns-type") != "wns/raw"
            or headers.get("content-type") != "application/octet-stream"
            or not headers.get("x-wns-ttl", "1").isdigit()
        ):
            return Answer(400)
        try:
            said = pull_json(request.body)
        except BadPayload:
            return Answer(400)
        status = "dropped" if channel in self.offline else "received"
        if status == "received":
            extra = {**headers, "body": request.body.decode()}
            switch.take(Taken(channel, said.apps, said.timestamp, "", extra))
        told = (("x-wns-status", status),) if "x-wns-requestforstatus" in headers else ()
        return Answer(200, (("x-wns-msg-id", secrets.token_hex(8).upper()), *told))
