"""A call of a partner API, from its access token to the row that bills it.

All APIs have this in common: whose token it is, what it is good for, whom it is about, and that the
answer and the row of its usage go together (ADR 0054). A token for one call is spent by that row,
so whoever comes second gets 401 and no answer; what is refused before the line is looked at spends
nothing.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from functools import partial
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec

from simgrant.domain.camara.access_token import AccessToken, Method, Subject
from simgrant.domain.camara.consumer import Consumer, Permission
from simgrant.domain.camara.line import Line
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.domain.subscription import SERVED, SubscriptionStatus
from simgrant.domain.trail import Trail
from simgrant.errors import NotAllowed, Overloaded, Unauthenticated
from simgrant.flows.camara.api import (
    Answer,
    ApiOperation,
    ApiRules,
    Body,
    Handler,
    ResourceHandler,
    ResourceTask,
    Routes,
    Task,
)
from simgrant.flows.camara.bodies import tolerant
from simgrant.flows.camara.fraud import Fraud
from simgrant.flows.camara.line_facts import Asking, LineFacts
from simgrant.flows.camara.problem import Code, Problem
from simgrant.flows.camara.sandbox import Sandbox, Sandboxes
from simgrant.flows.camara.subscribing import Subscriptions
from simgrant.identities import Msisdn
from simgrant.nouns import named_noun, noun, replace
from simgrant.ports.camara_consents import CamaraConsents, Permits, Purposeful
from simgrant.ports.camara_lines import CamaraLines
from simgrant.ports.camara_usage import Record
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys

USAGE_ID_BYTES: Final = 16
_MOST_MESSAGE: Final = 200
_JSON: Final = "application/json"


@named_noun
class ApiRequest:
    """A request of an API, as far as anybody looks at it."""

    method: str
    path: str
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""
    accept: str = ""
    authorization: str = field(default="", repr=False)
    dpop: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    """SHA-256 of the client certificate; empty = there was none."""
    host: str = ""
    source: str = ""
    correlator: str = ""
    deadline: float
    """Seconds of the monotonic clock."""


@noun
class ApiReply:
    """What it is answered with: JSON, or nothing."""

    body: bytes = field(repr=False)
    status: int = 200


class NoMethod(Problem):
    """The resource has other methods."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(Code.METHOD_NOT_ALLOWED, reason="method")
        self.allowed = allowed


class OpenToken(Protocol):
    """Opens access tokens."""

    def __call__(self, text: str, keys: Keys, /, *, now: float) -> tuple[str, AccessToken]:
        """Return (tenant, token); raise Unauthenticated for anything wrong."""


class Holders(Protocol):
    """Knows who may show a token that is bound to a key."""

    async def check(self, token: AccessToken, request: ApiRequest, *, scheme: str) -> None:
        """Raise Unauthenticated where somebody else shows it.

        ``scheme`` is that of the Authorization header, in lower case.
        """


class Consumers(Protocol):
    """Knows the consumers."""

    def of(self, tenant: str, client_id: str) -> Consumer | None:
        """Return a consumer as it is now."""


class Books(Protocol):
    """Writes down what was used."""

    def priced(self, tenant: str, usage: Usage) -> Usage:
        """Return usage with its price."""

    async def record(
        self, tenant: str, usage: Usage, *, expires_at: int, write: Record | None = None
    ) -> bool:
        """Write a row; False, and nothing changed, where there is one of its ``usage_id``.

        ``write`` writes it together with something else.
        """


class Limits(Protocol):
    """Counts calls."""

    def take(
        self, tenant: str, consumer: Consumer, permission: Permission, /, *, now: float
    ) -> None:
        """Count a call; raise Overloaded where it is one too many.

        ``now`` is in seconds of the monotonic clock.
        """


@named_noun
class ApiPorts:
    """Who is asked about a call."""

    open_token: OpenToken
    holders: Holders
    consumers: Consumers
    limits: Limits
    lines: CamaraLines
    facts: LineFacts
    consents: CamaraConsents | None
    """None = nobody keeps any, and no API that needs them is served."""
    books: Books
    subscriptions: Subscriptions | None = None
    """Likewise."""
    fraud: Fraud | None = None
    """None = nobody is slowed down, and nothing is marked."""
    permits: Permits | None = None
    """None = nobody keeps consents, and the contract with the consumer is enough."""


@named_noun
class ApiTenant:
    """What is a tenant's own."""

    base: str
    """Its address, without a path: https://api.example.net."""
    home_plmns: frozenset[str] = frozenset()
    """Digits of MCC and MNC."""
    believes: frozenset[Method] = frozenset()
    """Proofs that are as good to the tenant as those that operations ask for."""
    sandbox: Sandbox = field(default_factory=Sandbox, hash=False)


@named_noun
class _Call:
    """A call that may be made."""

    operation: ApiOperation
    tenant: str
    token: AccessToken
    consumer: Consumer
    permission: Permission
    started: float


@noun
class _Found:
    """Whom a call is about."""

    line: Line | None
    number: Msisdn


class ServeApi:
    """Answers the calls of all APIs."""

    def __init__(
        self,
        routes: Routes,
        ports: ApiPorts,
        *,
        tenants: Mapping[str, ApiTenant],
        keys: Keys,
        clock: Clock,
        rules: ApiRules,
        strict: bool = True,
    ) -> None:
        """``strict`` refuses what a body says besides."""
        self._routes = routes
        self._ports = ports
        self._tenants = tenants
        self._by_host = {
            urlsplit(tenant.base).netloc.lower(): name for name, tenant in tenants.items()
        }
        self._keys = keys
        self._clock = clock
        self._rules = rules
        self._sandboxes = Sandboxes({name: each.sandbox for name, each in tenants.items()})
        self._decoders: dict[str, msgspec.json.Decoder[Body]] = {}
        for operation in routes.all:
            kind = operation.handler.body
            self._decoders[operation.id] = msgspec.json.Decoder(kind if strict else tolerant(kind))
        self._encoder = msgspec.json.Encoder()

    async def serve(self, request: ApiRequest, trail: Trail) -> ApiReply:
        """Return the answer; raise `Problem`, or an `EcsError` that any request may have."""
        started = self._clock.monotonic()
        route = self._routes.at(request.path)
        there = route.operations
        if not there:
            raise Problem(Code.NOT_FOUND, reason="no_such_resource")
        operation = there.get(request.method)
        if operation is None:
            raise NoMethod(tuple(there))
        trail.operation = operation.id
        _check_types(request)
        try:
            call = await self._admitted(operation, request, trail, started)
            body = self._body(operation, request)
            handler, found = operation.handler, None
            if isinstance(handler, ResourceHandler):
                await self._check_token(call)
                run = partial(self._resource, handler, call, route.resource, request, trail)
            else:
                found = await self._line(call, body, trail)
                run = partial(self._run, handler, call, body, found, request, trail)
        except Unauthenticated as error:
            # Whatever is wrong with a token, nobody learns it.
            raise Problem(Code.UNAUTHENTICATED, reason=error.reason) from None
        return await self._answered(call, run, found, request, trail)

    async def _admitted(
        self, operation: ApiOperation, request: ApiRequest, trail: Trail, started: float
    ) -> _Call:
        """Return the call, if its token, its consumer and the contract permit it."""
        scheme, _, text = request.authorization.partition(" ")
        scheme = scheme.lower()
        if scheme not in ("bearer", "dpop") or not text:
            raise Unauthenticated("no_bearer_token")
        ports = self._ports
        name, token = ports.open_token(text, self._keys, now=self._clock.now())
        tenant = self._tenants.get(name)
        if tenant is None or self._by_host.get(request.host.lower(), name) != name:
            raise Unauthenticated("access_token_of_another_tenant")
        trail.tenant, trail.requestor = name, token.client_id
        consumer = ports.consumers.of(name, token.client_id)
        if consumer is None or not consumer.active:
            raise Unauthenticated("consumer_not_active")
        await ports.holders.check(token, request, scheme=scheme)
        if token.audience and not _is_within(tenant.base + request.path, token.audience):
            raise Unauthenticated("access_token_of_another_resource")
        permission = _permission(operation, token, consumer)
        if permission is None:
            raise Problem(Code.PERMISSION_DENIED, reason="scope_not_granted")
        if token.purpose and token.purpose not in permission.purposes:
            raise Problem(Code.PERMISSION_DENIED, reason="purpose_not_granted")
        try:
            ports.limits.take(name, consumer, permission, now=started)
        except Overloaded as error:
            raise _too_many(error) from None
        return _Call(
            operation=operation,
            tenant=name,
            token=token,
            consumer=consumer,
            permission=permission,
            started=started,
        )

    def _body(self, operation: ApiOperation, request: ApiRequest) -> Body:
        """Return what the request says; raise `Problem` where that is not as it has to be."""
        data = request.body if operation.method == "POST" else b"{}"
        try:
            return self._decoders[operation.id].decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            said = str(error)[:_MOST_MESSAGE] if isinstance(error, msgspec.ValidationError) else ""
            raise Problem(Code.INVALID_ARGUMENT, said, reason="bad_body") from None

    async def _line(self, call: _Call, body: Body, trail: Trail) -> _Found:
        """Return the line that a call is about (Commonalities: two and three legs).

        Nobody is told whether a number that he names is that of his token.
        """
        subject, operation = call.token.subject, call.operation
        named = body.named()
        believed = operation.methods | self._tenants[call.tenant].believes
        if (3 if subject else 2) not in operation.legs or (
            operation.methods and call.token.method not in believed
        ):
            raise Problem(
                Code.NOT_BY_NETWORK
                if Code.NOT_BY_NETWORK in operation.codes
                else Code.PERMISSION_DENIED,
                reason="not_proved_enough",
            )
        if subject is not None and named is not None:
            raise Problem(Code.UNNECESSARY_IDENTIFIER)
        number = subject.msisdn if subject is not None else named
        if number is None:
            raise Problem(Code.MISSING_IDENTIFIER)
        now = self._clock.now()
        trail.subscriber_ref = self._keys.ring.reference(
            call.tenant, "msisdn", number.digits, now=now
        )
        if call.consumer.sandbox:
            found = self._sandboxes.line(call.tenant, number, now=int(now))
            return _Found(found, number)
        began = self._clock.monotonic()
        if subject is None and self._ports.fraud is not None:
            # With a subscriber in it, that was counted when the token was issued.
            try:
                self._ports.fraud.ask(
                    call.tenant, call.token.client_id, number=number.digits, now=began
                )
            except Overloaded as error:
                raise _too_many(error) from None
        token_id = call.token.token_id
        try:
            if subject is not None:
                read = self._ports.lines.by_imsi(call.tenant, subject.imsi, token_id=token_id)
            else:
                read = self._ports.lines.by_msisdn(call.tenant, number, token_id=token_id)
            there = await read
        finally:
            trail.peers_us["store"] = int((self._clock.monotonic() - began) * 1e6)
        if there.revoked:
            raise Unauthenticated("access_token_revoked")
        line = there.line
        if subject is not None and (line is None or not _is_still(line, subject)):
            raise Unauthenticated("access_token_of_before")
        if line is not None and line.subscription.status is SubscriptionStatus.REMOVED:
            line = None
        return _Found(line, number)

    async def _check_token(self, call: _Call) -> None:
        """Raise Unauthenticated for a token that is revoked, or about what is no longer so."""
        if call.consumer.sandbox:
            return
        subject, token_id = call.token.subject, call.token.token_id
        if subject is None:
            revoked = await self._ports.lines.is_revoked(call.tenant, token_id)
        else:
            there = await self._ports.lines.by_imsi(call.tenant, subject.imsi, token_id=token_id)
            if there.line is None or not _is_still(there.line, subject):
                raise Unauthenticated("access_token_of_before")
            revoked = there.revoked
        if revoked:
            raise Unauthenticated("access_token_revoked")

    async def _answered(
        self,
        call: _Call,
        run: Callable[[], Awaitable[Answer]],
        found: _Found | None,
        request: ApiRequest,
        trail: Trail,
    ) -> ApiReply:
        """Answer, and write down what was asked."""
        problem: Problem | None = None
        write: Record | None = None
        content, outcome, status, code, suspicion = b"", Outcome.REFUSED, 200, "", ""
        try:
            if found is not None:
                suspicion = self._suspicion(call, found)
            answer = await run()
            outcome, status = answer.outcome, answer.status
            if answer.made is not None and self._ports.subscriptions is not None:
                write = partial(self._ports.subscriptions.add, made=answer.made)
            if answer.content is not None:
                content = self._encoder.encode(answer.content)
        except Problem as error:
            if error.status == 401 or error.status >= 500 or error.reason == "consent_missing":
                raise  # Nothing was told, and the token may be shown again.
            problem, status, code = error, error.status, error.code.value
        once = call.token.single_use or call.operation.single_use
        now, monotonic = self._clock.now(), self._clock.monotonic()
        usage = Usage(
            usage_id=call.token.token_id if once else os.urandom(USAGE_ID_BYTES),
            at_ms=int(now * 1000),
            client_id=call.token.client_id,
            application=call.token.application,
            api=call.operation.api,
            operation=call.operation.id,
            purpose=call.token.purpose,
            method=call.token.method,
            outcome=outcome,
            status=status,
            code=code,
            subject_ref=trail.subscriber_ref,
            correlator=request.correlator,
            tariff=call.permission.tariff,
            suspicion=suspicion,
            sandbox=call.consumer.sandbox,
            duration_us=int((monotonic - call.started) * 1e6),
        )
        try:
            recorded = await self._record(call, usage, write)
        except Problem as error:  # For one thing more than the consumer may have.
            problem, code = error, error.code.value
            usage = replace(usage, outcome=Outcome.REFUSED, status=error.status, code=code)
            recorded = await self._record(call, usage, None)
        if not recorded:
            raise Problem(Code.UNAUTHENTICATED, reason="access_token_spent")
        trail.peers_us["books"] = int((self._clock.monotonic() - monotonic) * 1e6)
        if problem is not None:
            raise problem
        trail.outcome = outcome.value
        return ApiReply(content, status)

    async def _record(self, call: _Call, usage: Usage, write: Record | None) -> bool:
        books = self._ports.books
        priced = books.priced(call.tenant, usage)
        return await books.record(call.tenant, priced, expires_at=call.token.expires, write=write)

    async def _resource(
        self,
        handler: ResourceHandler,
        call: _Call,
        resource: str,
        request: ApiRequest,
        trail: Trail,
    ) -> Answer:
        subscriptions = self._ports.subscriptions
        if subscriptions is None:
            raise Problem(Code.NOT_FOUND, reason="no_subscriptions_kept")
        return await handler.run(
            ResourceTask(
                tenant=call.tenant,
                api=call.operation.api,
                resource=resource,
                token=call.token,
                subscriptions=subscriptions,
                asking=self._asking(request, trail),
            )
        )

    def _asking(self, request: ApiRequest, trail: Trail) -> Asking:
        return Asking(trail=trail, now=int(self._clock.now()), deadline=request.deadline)

    def _suspicion(self, call: _Call, found: _Found) -> str:
        """Return the mark of an answer about a line; raise `Problem` where it proves nothing.

        A call that is not about the holder of a SIM is about what happened to the line: that is
        told, whatever it was.
        """
        fraud = self._ports.fraud
        if fraud is None or found.line is None or call.consumer.sandbox:
            return ""
        try:
            return fraud.judge(
                found.line.sim_since,
                at=self._clock.now(),
                may_refuse=Method.SIM in call.operation.methods,
            )
        except NotAllowed as error:
            raise Problem(Code.PERMISSION_DENIED, reason=error.reason) from None

    async def _run(
        self,
        handler: Handler,
        call: _Call,
        body: Body,
        found: _Found,
        request: ApiRequest,
        trail: Trail,
    ) -> Answer:
        if found.line is None:
            codes = call.operation.codes
            if Code.IDENTIFIER_NOT_FOUND not in codes and Code.SERVICE_NOT_APPLICABLE in codes:
                raise Problem(Code.SERVICE_NOT_APPLICABLE, reason="no_such_line")
            raise Problem(Code.IDENTIFIER_NOT_FOUND)
        ports = self._ports
        facts: LineFacts = ports.facts
        consents: CamaraConsents | None = ports.consents
        if call.consumer.sandbox:
            facts = consents = self._sandboxes.facts(call.tenant, found.number)
        else:
            await self._check_consent(call, found.line)
        return await handler.run(
            Task(
                line=found.line,
                body=body,
                token=call.token,
                consumer=call.consumer,
                facts=facts,
                consents=consents,
                rules=self._rules,
                subscriptions=ports.subscriptions,
                home_plmns=self._tenants[call.tenant].home_plmns,
                asking=self._asking(request, trail),
            )
        )

    async def _check_consent(self, call: _Call, line: Line) -> None:
        """Raise `Problem` where the subscriber, or the law, does not permit it."""
        token, permits = call.token, self._ports.permits
        if permits is None or not token.purpose or not call.operation.needs_consent:
            return
        wanted = Purposeful(
            client_id=token.client_id,
            application=token.application,
            purpose=token.purpose,
            scopes=tuple(call.operation.scopes & token.scopes),
        )
        imsi, now = line.subscription.imsi, int(self._clock.now())
        if not await permits.permits(call.tenant, imsi, wanted, now=now, silent=line.silent):
            raise Problem(Code.PERMISSION_DENIED, reason="consent_missing")


def _check_types(request: ApiRequest) -> None:
    """Raise `Problem` where the body has another type, or another is wanted of the answer."""
    accept = request.accept
    if accept and not any(
        each.partition(";")[0].strip().lower() in ("*/*", "application/*", _JSON)
        for each in accept.split(",")
    ):
        raise Problem(Code.NOT_ACCEPTABLE)
    if request.method == "POST" and request.body:
        kind, _, parameters = request.content_type.partition(";")
        charset = parameters.strip().lower()
        if kind.strip().lower() != _JSON or charset not in ("", "charset=utf-8", 'charset="utf-8"'):
            raise Problem(Code.UNSUPPORTED_MEDIA_TYPE)


def _too_many(error: Overloaded) -> Problem:
    if error.reason == "quota_exceeded":
        return Problem(Code.QUOTA_EXCEEDED, reason="quota_exceeded", retry_after=error.retry_after)
    return Problem(Code.TOO_MANY_REQUESTS, reason=error.reason, retry_after=error.retry_after)


def _is_within(url: str, audience: str) -> bool:
    """Say whether a resource is the audience, or below it."""
    audience = audience.rstrip("/")
    return url == audience or url.startswith(f"{audience}/")


def _permission(
    operation: ApiOperation, token: AccessToken, consumer: Consumer
) -> Permission | None:
    """Return by which permission a consumer may do this with a token."""
    for scope in operation.scopes & token.scopes:
        permission = consumer.permission(scope)
        if permission is not None and permission.api == operation.api:
            return permission
    return None


def _is_still(line: Line, subject: Subject) -> bool:
    """Say whether a line is still that of whom a token is about: same SIM, same number."""
    subscription = line.subscription
    return (
        subscription.status in SERVED
        and subscription.token_epoch == subject.epoch
        and subscription.msisdn == subject.msisdn
    )
