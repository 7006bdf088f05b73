"""Partner APIs in memory: lines, consumers and tokens that a test puts there, and who calls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from simgrant.domain.camara.access_token import AccessToken, Method, Subject
from simgrant.domain.camara.consumer import Consumer, Permission
from simgrant.domain.camara.event_subscription import EndReason, EventSubscription, Happening
from simgrant.domain.camara.line import Line
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.subscription import Subscription, SubscriptionStatus, Terminal
from simgrant.domain.trail import Trail
from simgrant.errors import Unauthenticated
from simgrant.flows.camara.api import ApiRules, Routes
from simgrant.flows.camara.apis import APIS
from simgrant.flows.camara.fraud import Fraud
from simgrant.flows.camara.holders import BoundHolders
from simgrant.flows.camara.line_facts import Asking, Place, Since
from simgrant.flows.camara.problem import Problem
from simgrant.flows.camara.sandbox import Sandbox
from simgrant.flows.camara.serve_api import (
    ApiPorts,
    ApiRequest,
    ApiTenant,
    Limits,
    ServeApi,
)
from simgrant.flows.camara.subscribing import SubscriptionRules, Subscriptions
from simgrant.fronts.camara.apis import ApisFront
from simgrant.fronts.camara.app import CamaraFront
from simgrant.fronts.camara.app import Limits as FrontLimits
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.ring import Key, KeyRing, Use
from simgrant.ports.camara_consents import Permits, Processing, Purposeful, Standing
from simgrant.ports.camara_events import Added, CamaraEvents
from simgrant.ports.camara_lines import LineFound
from simgrant.ports.camara_tokens import CamaraTokens
from simgrant.ports.camara_usage import Record

NOW: Final = 1_800_000_000
DAY_S: Final = 86_400
TENANT: Final = "default"
HOST: Final = "api.example.net"
IMSI: Final = Imsi("001010000000001")
NUMBER: Final = Msisdn("447700900001")
OTHER: Final = Msisdn("447700900002")
NOBODYS: Final = Msisdn("447700900009")
PURPOSE: Final = "FraudPreventionAndDetection"
SCOPES: Final = frozenset(
    scope for api in APIS.values() for each in api.operations for scope in each.scopes
)
OWN: Final = frozenset({"sim_since", "iccid_at", "number_since"})
"""Fields of a line that are not its subscription's."""
CONSUMER: Final = Consumer(
    client_id="bank",
    name="Bank",
    permissions=tuple(
        Permission(
            api=api.name,
            scopes=frozenset(scope for each in api.operations for scope in each.scopes),
            purposes=frozenset({PURPOSE}),
            tariff="usual",
        )
        for api in APIS.values()
    ),
    redirect_uris=frozenset({"https://bank.example/back", "bankapp:/back"}),
)


SUBSCRIPTION_RULES: Final = SubscriptionRules(most=50, ahead_s=60)
HOME: Final = Place("00101", NOW - 60)
SINCE: Final = Since(NOW - 500 * DAY_S, known=True)
NUMBER_SINCE: Final = Since(NOW - 400 * DAY_S, known=True)
SAID: Final = Eligibility(status=SubscriptionStatus.ACTIVE, prepaid=False)


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.at = float(NOW)

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at - NOW + 1000


class Keys:
    """A ring that never changes."""

    def __init__(self, tenant: str = TENANT) -> None:
        keys = [Key(f"{n:08x}", use, 0, 0, bytes([n + 1]) * 32) for n, use in enumerate(Use)]
        self.ring = KeyRing({tenant: keys}, accept_for=10**12)

    def refresh(self) -> bool:
        return False


def subscription(number: Msisdn = NUMBER, imsi: Imsi = IMSI) -> Subscription:
    """Return one that is three years old."""
    began = NOW - 1000 * DAY_S
    return Subscription(
        TENANT,
        imsi,
        number,
        SubscriptionStatus.ACTIVE,
        plan="standard",
        token_epoch=3,
        created_at=began,
        changed_at=began,
    )


@dataclass
class Lines:
    """The port `CamaraLines`."""

    there: dict[Imsi, Line] = field(default_factory=dict)
    revoked: set[bytes] = field(default_factory=set)
    devices: dict[Imsi, list[Terminal]] = field(default_factory=dict)
    asked: int = 0

    def put(self, line: Line) -> None:
        self.there[line.subscription.imsi] = line

    async def by_imsi(self, tenant: str, imsi: Imsi, *, token_id: bytes) -> LineFound:
        assert tenant == TENANT
        self.asked += 1
        return LineFound(self.there.get(imsi), token_id in self.revoked)

    async def by_msisdn(self, tenant: str, msisdn: Msisdn, *, token_id: bytes) -> LineFound:
        assert tenant == TENANT
        self.asked += 1
        found = [line for line in self.there.values() if line.msisdn == msisdn]
        return LineFound(found[0] if found else None, token_id in self.revoked)

    async def is_revoked(self, tenant: str, token_id: bytes) -> bool:
        assert tenant == TENANT
        return token_id in self.revoked

    async def terminals(self, tenant: str, imsi: Imsi) -> Sequence[Terminal]:
        assert tenant == TENANT
        return self.devices.get(imsi, [])


@dataclass
class Facts:
    """What there is to be told (`LineFacts`), and of consents (`CamaraConsents`)."""

    sim_changed: int | None = None
    device_changed: int = NOW - 300 * DAY_S
    where: Place | None = HOME
    since: Since = SINCE
    number: Since = NUMBER_SINCE
    said: Eligibility = SAID
    throttled: bool = False
    standings: tuple[Processing, ...] = ()
    page: str = ""
    wanted: Purposeful | None = None
    partly: bool = False
    error: Exception | None = None

    def _told(self, value: Any) -> Any:
        if self.error is not None:
            raise self.error
        return value

    async def sim_changed_at(self, line: Line, _asking: Asking, /) -> int:
        changed: int = self._told(line.sim_changed_at)
        return changed if self.sim_changed is None else self.sim_changed

    async def device_changed_at(self, _line: Line, _asking: Asking, /) -> int:
        changed: int = self._told(self.device_changed)
        return changed

    async def place(self, _line: Line, _asking: Asking, /) -> Place | None:
        where: Place | None = self._told(self.where)
        return where

    async def customer_since(self, _line: Line, _asking: Asking, /) -> Since:
        since: Since = self._told(self.since)
        return since

    async def number_since(self, _line: Line, _asking: Asking, /) -> Since:
        since: Since = self._told(self.number)
        return since

    async def told(self, _line: Line, _asking: Asking, /) -> Eligibility:
        said: Eligibility = self._told(self.said)
        return said

    async def is_throttled(self, _line: Line, /) -> bool:
        return self.throttled

    async def of(
        self, _subscription: Subscription, wanted: Purposeful, /, *, now: int
    ) -> Sequence[Processing]:
        assert now == NOW
        self.wanted = wanted
        return self.standings or (Processing(scopes=wanted.scopes, standing=Standing.VALID),)

    async def capture_url(
        self,
        _subscription: Subscription,
        _wanted: Purposeful,
        callback: str,
        /,
        *,
        partly: bool,
        now: int,
    ) -> str:
        assert now == NOW
        self.partly = partly
        return self.page + callback


@dataclass
class Books:
    """Rows of usage."""

    rows: list[Usage] = field(default_factory=list)
    error: Exception | None = None

    def priced(self, tenant: str, usage: Usage) -> Usage:
        assert tenant == TENANT
        return replace(usage, price_micros=usage.outcome is not Outcome.REFUSED)

    async def record(
        self, tenant: str, usage: Usage, *, expires_at: int, write: Record | None = None
    ) -> bool:
        if write is not None:
            return await write(tenant, usage, expires_at=expires_at)
        assert tenant == TENANT
        assert expires_at > NOW
        if self.error is not None:
            raise self.error
        if any(row.usage_id == usage.usage_id for row in self.rows):
            return False
        self.rows.append(usage)
        return True


class Limitless:
    """Lets everybody ask as much as he likes."""

    def take(
        self, tenant: str, consumer: Consumer, permission: Permission, /, *, now: float
    ) -> None:
        assert tenant == TENANT
        assert permission in consumer.permissions
        assert now > 0


@dataclass
class Events:
    """What is subscribed to (`CamaraEvents`), as far as calls come to it."""

    books: Books
    there: dict[str, EventSubscription] = field(default_factory=dict)
    happened: list[Happening | None] = field(default_factory=list)
    token_ends_at: int = 0
    ended: list[EndReason] = field(default_factory=list)

    async def add(
        self,
        tenant: str,
        subscription: EventSubscription,
        *,
        happened: Happening | None,
        token_ends_at: int,
        most: int,
        usage: Usage,
        expires_at: int,
    ) -> Added:
        assert tenant == TENANT
        if len(self.there) >= most:
            return Added.FULL
        if not await self.books.record(tenant, usage, expires_at=expires_at):
            return Added.SPENT
        self.there[subscription.subscription_id] = subscription
        self.happened.append(happened)
        self.token_ends_at = token_ends_at
        return Added.DONE

    async def find(self, tenant: str, subscription_id: str) -> EventSubscription | None:
        assert tenant == TENANT
        return self.there.get(subscription_id)

    async def list(
        self, tenant: str, client_id: str, api: str, *, limit: int
    ) -> Sequence[EventSubscription]:
        assert tenant == TENANT
        assert limit
        return [
            each for each in self.there.values() if (each.client_id, each.api) == (client_id, api)
        ]

    async def end(self, tenant: str, subscription_id: str, reason: EndReason, *, at: int) -> bool:
        assert tenant == TENANT
        assert at == NOW
        self.ended.append(reason)
        return self.there.pop(subscription_id, None) is not None


@dataclass(frozen=True)
class Called:
    """What a call was answered with."""

    status: int
    body: bytes
    reason: str = ""
    """For the operator."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """That of an error."""
        said = self.json
        assert said["status"] == self.status >= 400
        assert said["message"]
        return str(said["code"])


class World:
    """All of it."""

    def __init__(
        self,
        *,
        rules: ApiRules | None = None,
        strict: bool = True,
        limits: Limits | None = None,
        fraud: Fraud | None = None,
        sandbox: Sandbox | None = None,
        permits: Permits | None = None,
    ) -> None:
        self.clock, self.keys = Clock(), Keys()
        self.lines, self.facts, self.books = Lines(), Facts(), Books()
        self.events = Events(self.books)
        self.consumers = {CONSUMER.client_id: CONSUMER}
        self.tokens: dict[str, AccessToken] = {}
        self.trail = Trail(request_id="1")
        self.lines.put(Line(subscription=subscription()))
        self.lines.put(Line(subscription=subscription(OTHER, Imsi("001010000000002"))))
        self.serve_api = ServeApi(
            Routes(APIS.values()),
            ApiPorts(
                open_token=self._open,
                holders=BoundHolders(
                    # Nothing here shows a proof of DPoP, which alone would be looked up.
                    cast("CamaraTokens", None),
                    {TENANT: f"https://{HOST}"},
                    clock=self.clock,
                ),
                consumers=self,
                limits=limits or Limitless(),
                lines=self.lines,
                facts=self.facts,
                consents=self.facts,
                permits=permits,
                books=self.books,
                subscriptions=Subscriptions(
                    cast("CamaraEvents", self.events), self.keys, rules=SUBSCRIPTION_RULES
                ),
                fraud=fraud,
            ),
            tenants={
                TENANT: ApiTenant(
                    base=f"https://{HOST}",
                    home_plmns=frozenset({"00101"}),
                    sandbox=sandbox or Sandbox(),
                )
            },
            keys=self.keys,
            clock=self.clock,
            rules=rules or ApiRules(),
            strict=strict,
        )

    def of(self, tenant: str, client_id: str) -> Consumer | None:
        """Return a consumer, as whoever knows them does."""
        assert tenant == TENANT
        return self.consumers.get(client_id)

    def _open(self, text: str, _keys: object, /, *, now: float) -> tuple[str, AccessToken]:
        token = self.tokens.get(text)
        if token is None or now >= token.expires:
            raise Unauthenticated("access_token_not_good")
        return TENANT, token

    def token(self, *, two_legs: bool = False, **own: Any) -> str:
        """Return a new token of the bank's, about the line with the number."""
        number = len(self.tokens) + 1
        token = AccessToken(
            token_id=number.to_bytes(16),
            client_id="bank",
            scopes=SCOPES,
            purpose="" if two_legs else PURPOSE,
            method=Method.NONE if two_legs else Method.SIM,
            subject=None if two_legs else Subject(imsi=IMSI, msisdn=NUMBER, epoch=3),
            issued=NOW,
            expires=NOW + 300,
        )
        text = f"token-{number}"
        self.tokens[text] = replace(token, **own)
        return text

    def change(self, **fields: Any) -> None:
        """Change the bank."""
        self.consumers["bank"] = replace(CONSUMER, **fields)

    def line(self, **fields: Any) -> None:
        """Change the line with the number; fields of the subscription among them."""
        line = self.lines.there[IMSI]
        own = {name: fields.pop(name) for name in list(fields) if name in OWN}
        changed = replace(line.subscription, **fields)
        self.lines.put(replace(line, subscription=changed, **own))

    async def call(
        self,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        method: str = "POST",
        said: Mapping[str, Any] | None = None,
    ) -> Called:
        """Call an API; without a token, with a new one."""
        text = self.token() if token is None else token
        data = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        request = ApiRequest(
            method=method,
            path=path,
            body=data,
            content_type="application/json",
            authorization=f"Bearer {text}" if text else "",
            host=HOST,
            source="192.0.2.1",
            correlator="c-1",
            deadline=self.clock.monotonic() + 10,
        )
        self.trail = Trail(request_id="1")
        try:
            reply = await self.serve_api.serve(replace(request, **(said or {})), self.trail)
        except Problem as problem:
            body = json.dumps(
                {
                    "status": problem.status,
                    "code": problem.code.value,
                    "message": problem.message,
                }
            )
            return Called(problem.status, body.encode(), problem.reason)
        return Called(reply.status, reply.body)


class Said:
    """Takes the records of requests."""

    def __init__(self) -> None:
        self.trails: list[Trail] = []

    def finish(self, trail: Trail, seconds: float) -> None:
        """Take one."""
        assert seconds >= 0
        self.trails.append(trail)


def front_of(world: World, said: Said | None = None) -> CamaraFront:
    """Return the front of the partners' listener, with the APIs of a world behind it."""
    return CamaraFront(
        {},
        others=ApisFront(world.serve_api),
        journal=cast("Any", said or Said()),
        clock=world.clock,
        limits=FrontLimits(max_in_flight=64, request_timeout_s=10, retry_after_s=30),
    )
