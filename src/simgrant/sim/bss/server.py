"""A BSS over HTTP: its APIs, its tokens, faults, and a list of who asked what."""

from __future__ import annotations

import asyncio
import base64
import hmac
import secrets
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import field
from typing import Any, Final
from urllib.parse import parse_qs, unquote_plus

from simgrant.nouns import noun
from simgrant.sim.bss import own
from simgrant.sim.bss.addresses import Addresses
from simgrant.sim.bss.answers import JSON, Call, Refusal, json_answer, listed, one, pull_call
from simgrant.sim.bss.faults import AFTER, BREAKS, Fault, Plan
from simgrant.sim.bss.hubs import Hubs
from simgrant.sim.bss.lines import Line, Lines
from simgrant.sim.bss.market import Market
from simgrant.sim.bss.network import Network
from simgrant.sim.bss.orders import Orders
from simgrant.sim.bss.ses import Ses, operation_of
from simgrant.sim.sims import Sim
from simgrant.sim.web import Answer, Request, WebServer, after
from simgrant.wire.tmf.apis import Api

_KEPT: Final = 10_000
_HUGE: Final = 50 * 1000 * 1000
_HTML: Final = b"<!doctype html><title>Bad gateway</title>\n"
_TOKEN_LIFE_S: Final = 300
_INVENTORIES: Final = frozenset({Api.PRODUCT, Api.SERVICE, Api.RESOURCE})


@noun
class Seen:
    """A request that came."""

    method: str
    api: Api | None
    resource: str
    target: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    fault: Fault | None
    answer: Answer = field(repr=False)

    @property
    def status(self) -> int:
        """Return what was answered; 0 = nothing was."""
        return self.answer.status if self.answer.fault is None else 0

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can have of it, without who it is about."""
        return {
            "method": self.method,
            "resource": self.resource,
            "authorized": "authorization" in self.headers,
            "status": self.status,
            "fault": self.fault,
        }


class Bss:
    """The whole of it; what is set in its parts holds from then on."""

    def __init__(
        self,
        sims: Iterable[Sim],
        *,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
        client: tuple[str, str] | None = None,
        callback_token: str = "",
        tell: Callable[[Seen], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``client`` is the OAuth client (id, secret) that gets tokens; None = none is needed.

        ``callback_token`` is the bearer token that those want who are told of events.
        """
        self.lines = Lines(sims)
        self.hubs = Hubs(token=callback_token, now=clock)
        self.market = Market(self.lines)
        self.addresses = Addresses()
        self.ses = Ses(self.lines, self.market.unqualified)
        self.network = Network(self.lines, self._vowifi_switched)
        self.orders = Orders(lambda: self.web.url, self._order_told)
        self.web = WebServer(self._answer, tls)
        self.web.port = port
        self.plan: Plan | None = None
        """What is done wrong."""
        self.canned: bytes | None = None
        """JSON that answers every request from now on; None = what is right does."""
        self.seen: deque[Seen] = deque(maxlen=_KEPT)
        self.changed = asyncio.Event()
        """Set whenever something came; for tests, which clear it."""
        self._client = client
        self._tokens: set[str] = set()
        self._tell = tell

    async def up(self) -> None:
        """Listen; OSError where the port is taken."""
        await self.web.up()

    async def down(self) -> None:
        """Forget the hubs, break every connection and listen no more."""
        await self.hubs.close()
        await self.web.down()

    def revoke(self) -> None:
        """Take no token any more that is out."""
        self._tokens.clear()

    def announce_line(self, api: Api, event_type: str, line: Line) -> None:
        """Tell that something happened to a line, as an inventory has it."""
        name = {Api.PRODUCT: "product", Api.SERVICE: "service"}.get(api, "resource")
        self.hubs.announce(api, event_type, name, self._documents(api, line)[0])

    # --- requests ---------------------------------------------------------------------

    def _answer(self, request: Request) -> Answer | Awaitable[Answer]:
        call = pull_call(request)
        plan = self._plan_for(call)
        fault = plan.fault if plan else None
        try:
            answer = _in_place(plan) or self._said(call, request, fault)
            if self.canned is not None:
                answer = Answer(200, (JSON,), self.canned)
            if fault is Fault.NONSENSE:
                answer = json_answer({"state": ["what"], "productOrderItem": 7})
            elif fault is Fault.LOST or fault is Fault.HALF:
                answer = Answer(answer.status, answer.headers, answer.body, BREAKS[fault])
        except Refusal as refusal:
            answer = refusal.answer()
        seen = Seen(
            request.method,
            call.api,
            call.resource,
            request.target,
            request.headers,
            request.body,
            fault,
            answer,
        )
        self.seen.append(seen)
        self.changed.set()
        self._tell(seen)
        if plan is not None and fault is Fault.SLOW:
            return after(plan.delay_s, answer)
        return answer

    def _plan_for(self, call: Call) -> Plan | None:
        """Return what is to be done wrong to a request, and count it."""
        plan = self.plan
        if plan is None or (plan.resource and plan.resource != call.resource):
            return None
        if plan.method and plan.method != call.method:
            return None
        self.plan = plan.counted
        return None if plan.is_off else plan

    def _said(self, call: Call, request: Request, fault: Fault | None) -> Answer:
        if call.api is None and call.resource == "token":
            return self._token(call, request)
        self._check(request)
        root = self.web.url
        if call.resource in ("hub", "topic"):
            return self.hubs.answer(call)
        if own.is_own(call):
            return own.answered(call, self.lines, fault)
        if operation_of(call):
            return self.ses.answer(call, fault)
        match call.api:
            case api if api in _INVENTORIES:
                return self._inventory(call, fault)
            case Api.ORDER:
                return self._order(call, fault)
            case Api.OFFERING if call.resource == "productOffering":
                return self.market.offered(call, root)
            case Api.QUALIFICATION:
                return self.market.qualified(call, root, fault)
            case Api.ACTIVATION:
                return self.network.answer(call, root, fault)
            case Api.ADDRESS:
                return self.addresses.answer(call, root)
        raise Refusal(404)

    def _inventory(self, call: Call, fault: Fault | None) -> Answer:
        assert call.api is not None  # noqa: S101 - the caller looked
        if call.method != "GET":
            raise Refusal(405)
        if call.resource != call.api.name.lower():
            raise Refusal(404)
        documents = [] if fault is Fault.NOBODY else self._found(call, call.api)
        if fault is Fault.ENDLESS and documents:
            return json_answer(documents[:1] * int(call.parameter("limit") or "100"))
        answer = json_answer(one(documents, call)) if call.id else listed(documents, call)
        # What is wrong is put in where everything else was found as it should be.
        if fault is Fault.OTHER_SUBSCRIBER:
            return json_answer(
                [
                    document
                    for line in self._lines_for(call)[:1]
                    for document in self._documents(call.api, line.as_another())
                ]
            )
        if fault is Fault.ODD_STATE:
            odd = {"status": "limbo", "state": "limbo", "resourceStatus": "limbo"}
            return json_answer(
                [{name: odd.get(name, value) for name, value in each.items()} for each in documents]
            )
        return answer

    def _found(self, call: Call, api: Api) -> list[dict[str, Any]]:
        return [
            document for line in self._lines_for(call) for document in self._documents(api, line)
        ]

    def _lines_for(self, call: Call) -> list[Line]:
        """Return the lines that a request may mean: one, where it names an IMSI or a number."""
        for _, value in call.query:
            line = self.lines.find(imsi=value) or self.lines.find(msisdn=value)
            if line is not None:
                return [line]
        return list(self.lines)

    def _documents(self, api: Api, line: Line) -> list[dict[str, Any]]:
        root = self.web.url
        match api:
            case Api.PRODUCT:
                return line.products(root)
            case Api.SERVICE:
                return line.services(root)
        return line.resources(root)

    def _order(self, call: Call, fault: Fault | None) -> Answer:
        if call.resource not in ("productOrder", "cancelProductOrder"):
            raise Refusal(404)
        if fault is Fault.NOBODY and call.method == "GET":
            return json_answer([])
        return self.orders.answer(call)

    def _order_told(self, event_type: str, document: dict[str, Any]) -> None:
        self.hubs.announce(Api.ORDER, event_type, "productOrder", document)

    def _vowifi_switched(self, line: Line) -> None:
        self.announce_line(Api.SERVICE, "ServiceStateChangeEvent", line)

    # --- tokens -----------------------------------------------------------------------

    def _token(self, call: Call, request: Request) -> Answer:
        form = {
            name: values[-1]
            for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()
        }
        if call.method != "POST" or form.get("grant_type") != "client_credentials":
            raise Refusal(400)
        if self._client is None or not _is_client(self._client, request, form):
            raise Refusal(401)
        token = secrets.token_urlsafe(16)
        self._tokens.add(token)
        return json_answer(
            {"access_token": token, "token_type": "Bearer", "expires_in": _TOKEN_LIFE_S}
        )

    def _check(self, request: Request) -> None:
        if self._client is None:
            return
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or token not in self._tokens:
            raise Refusal(401)


def _is_client(client: tuple[str, str], request: Request, form: dict[str, str]) -> bool:
    """Say whether a request proves to come from a client, by its secret."""
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            pair = base64.b64decode(text, validate=True).decode()
        except ValueError:
            return False
        id_, _, secret = pair.partition(":")
        id_, secret = unquote_plus(id_), unquote_plus(secret)
    else:
        id_, secret = form.get("client_id", ""), form.get("client_secret", "")
    return id_ == client[0] and hmac.compare_digest(secret.encode(), client[1].encode())


def _in_place(plan: Plan | None) -> Answer | None:
    """Return what is answered whatever was asked, None where that is looked at; Refusal."""
    if plan is None:
        return None
    wait = () if plan.retry_after_s is None else (("retry-after", str(plan.retry_after_s)),)
    match plan.fault:
        case fault if fault in BREAKS and fault not in AFTER:
            return Answer(fault=BREAKS[fault])
        case Fault.STATUS:
            raise Refusal(plan.status)
        case Fault.BUSY | Fault.FLAPPING:
            raise Refusal(503, headers=wait)
        case Fault.THROTTLED:
            raise Refusal(429, headers=wait)
        case Fault.UNAUTHORIZED:
            raise Refusal(401)
        case Fault.GARBAGE:
            return Answer(200, (JSON,), b'[{"id": "prod-')
        case Fault.EMPTY:
            return Answer(200, (JSON,))
        case Fault.WRONG_TYPE:
            return Answer(200, (("content-type", "text/html"),), _HTML)
        case Fault.HUGE:
            return Answer(200, (JSON,), b"[" + b" " * _HUGE + b"]")
    return None
