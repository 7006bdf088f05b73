"""What is between the played push services and their phones, and the switches of both.

How a phone hears of its notices is each maker's own affair; here it is HTTP on one more port, which
a shell can speak too:

    POST /fcm/phones                    a push token for a phone; of sms the body is its number
    GET  /fcm/notices?token=T&after=0   the first notice to that token, once there is one
    POST /fcm/fault                     what to do wrong from now on: down, slow, throttled …, none
    POST /fcm/dead                      the token in the body is dead from now on
    POST /sms/say?number=N&session=S    the phone of a number answers; with a session, by USSD
    GET  /                              how everything stands
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from simgrant.sim.push.services import Services
from simgrant.sim.push.switch import DOWN, FAULTS, NONE, Fault, Taken, Turned
from simgrant.sim.web import Answer, Request, WebServer
from simgrant.spec.ids import NotifAction
from simgrant.wire.push_token import CHANNELS, Channel, is_token
from simgrant.wire.ussd import Dialogue, UssdOp

_ACTIONS: Final = {channel: action for action, channel in CHANNELS.items()}
_MOST_PHONES: Final = 100_000
_MOST_NOTICES: Final = 1_000
_JSON: Final = (("content-type", "application/json"), ("cache-control", "no-store"))


class _Phone:
    """Who has a push token, and the notices to it."""

    def __init__(self) -> None:
        self.notices: list[Taken] = []
        self.news = asyncio.Event()


class Air:
    """One port for the phones of all four services, and for whoever throws the switches."""

    def __init__(
        self,
        services: Services,
        *,
        port: int = 0,
        tell: Callable[[Channel, Taken | Turned], None] = lambda _channel, _what: None,
    ) -> None:
        """``tell`` is called with everything that comes to a service."""
        self.web = WebServer(self._answer, None)
        self.web.port = port
        self._services = services
        self._tell = tell
        self._phones: dict[tuple[Channel, str], _Phone] = {}
        self._down: set[Channel] = set()
        for channel, service in services.all.items():
            service.switch.tell = partial(self._heard, channel)

    async def up(self) -> None:
        """Listen; OSError where the port is taken."""
        await self.web.up()

    async def down(self) -> None:
        """Let the phones hear nothing more."""
        await self.web.down()

    async def play(self, channel: Channel, fault: str) -> None:
        """Do something wrong from now on, one of `FAULTS`; ValueError for anything else.

        A number behind it says for how many messages: ``throttled 3``.
        """
        name, _, count = fault.partition(" ")
        service = self._services.all[channel]
        if name not in FAULTS or (count and not (count.isascii() and count.isdecimal())):
            raise ValueError(f"{fault[:40]!r} is none of: {', '.join(FAULTS)}")
        if name == DOWN:
            if channel not in self._down:
                self._down.add(channel)
                await service.down()
            return
        if channel in self._down:
            await service.up()
            self._down.discard(channel)
        service.switch.play(None if name == NONE else Fault(name), int(count or -1))

    def new_phone(self, channel: Channel, number: str = "") -> str:
        """Return a push token, as a phone gets it of its maker; of SMS it is ``number``.

        Raises ValueError where that is no number, and where there are too many phones.
        """
        if len(self._phones) >= _MOST_PHONES:
            raise ValueError("there are enough phones")
        match channel:
            case Channel.FCM:
                token = f"f{secrets.token_urlsafe(15)}:APA91b{secrets.token_urlsafe(99)}"
            case Channel.APNS:
                token = f"a1{secrets.token_hex(31)}"
            case Channel.WNS:
                token = self._services.wns.channel(secrets.token_urlsafe(24))
            case _:
                token = number.strip().removeprefix("+")
        if not is_token(channel, token):
            raise ValueError("no telephone number")
        self._phones.setdefault((channel, token), _Phone())
        return token

    # --- listening -------------------------------------------------------------------------

    def _heard(self, channel: Channel, what: Taken | Turned) -> None:
        if isinstance(what, Taken):
            phone = self._phones.get((channel, what.token))
            if phone is not None and len(phone.notices) < _MOST_NOTICES:
                phone.notices.append(what)
                phone.news.set()
                phone.news.clear()
        self._tell(channel, what)

    async def _next(self, phone: _Phone, after: int) -> Answer:
        """Answer with a notice; whoever has waited enough hangs up."""
        while len(phone.notices) <= after:
            await phone.news.wait()
        taken = phone.notices[after]
        text = taken.extra.get("text", "")
        said = {"apps": taken.apps, "timestamp": taken.timestamp, "text": text}
        return _json(said | {"number": after + 1})

    # --- answering -------------------------------------------------------------------------

    def _answer(self, request: Request) -> Answer | Awaitable[Answer]:
        parts = urlsplit(request.target)
        if request.method == "GET" and parts.path == "/":
            return _json(self._state())
        name, _, what = parts.path.removeprefix("/").partition("/")
        if name not in list(Channel):
            return _refused(404, f"no such channel; there are: {', '.join(Channel)}")
        channel, body = Channel(name), request.body.decode("latin-1").strip()
        query = dict(parse_qsl(parts.query))
        match request.method, what:
            case "POST", "phones":
                return self._register(channel, body)
            case "GET", "notices":
                phone = self._phones.get((channel, query.get("token", "")))
                after = query.get("after", "0")
                if phone is None or not (after.isascii() and after.isdecimal()):
                    return _refused(404, "no such phone")
                return self._next(phone, int(after))
            case "POST", "fault":
                return self._switch(channel, body)
            case "POST", "say" if channel is Channel.SMS:
                return self._say(query.get("number", ""), query.get("session", ""), body)
            case "POST", "dead":
                if not is_token(channel, body):
                    return _refused(400, "no token of this channel")
                self._services.all[channel].switch.dead.add(body)
                return _json(self._state()[name])
        return _refused(404, "no such thing")

    def _register(self, channel: Channel, number: str) -> Answer:
        try:
            token = self.new_phone(channel, number)
        except ValueError as error:
            return _refused(400, str(error))
        action = _ACTIONS.get(channel, NotifAction.DISABLE)
        # Of a number that was registered before, only what comes from now on is news.
        before = len(self._phones[channel, token].notices)
        return _json({"notif_action": int(action), "notif_token": token, "after": before})

    async def _say(self, number: str, session: str, text: str) -> Answer:
        """Answer as a phone; in a USSD dialogue, where a session is named."""
        number = number.strip().removeprefix("+")
        if not is_token(Channel.SMS, number) or not (session + "0").isdecimal():
            return _refused(400, "no telephone number, or no session")
        dialogue = Dialogue(UssdOp.USSR_CONFIRM, int(session)) if session else None
        try:
            status = await self._services.sms.say(number, text, dialogue=dialogue)
        except (ValueError, ConnectionError) as error:
            return _refused(400, str(error))
        return _json({"command_status": status})

    async def _switch(self, channel: Channel, fault: str) -> Answer:
        try:
            await self.play(channel, fault)
        except (ValueError, OSError) as error:
            return _refused(400, str(error))
        return _json(self._state()[channel.value])

    def _state(self) -> dict[str, dict[str, Any]]:
        return {
            channel.value: {
                "address": self._services.address(channel),
                "fault": DOWN if channel in self._down else service.switch.fault or NONE,
                "dead": len(service.switch.dead),
                "asked": service.switch.asked,
                "taken": len(service.switch.taken),
            }
            for channel, service in self._services.all.items()
        }


def _json(data: object) -> Answer:
    return Answer(200, _JSON, json.dumps(data).encode() + b"\n")


def _refused(status: int, why: str) -> Answer:
    return Answer(status, (("content-type", "text/plain"),), f"{why}\n".encode())
