"""The authorization server of partner APIs: access tokens by four ways, and what is said of them.

Order matters: who asks, whether the contract has this way, what for, about whom. Only then one
transaction uses up the assertion together with what it brought (ADR 0055), so that nobody loses a
temporary token to a mistake, and of two who come with the same one gets an access token.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import msgspec

from simgrant.domain.camara.access_token import AccessToken, Method, Subject
from simgrant.domain.camara.consumer import Bound, Consumer, GrantType, Proving
from simgrant.errors import Overloaded, PeerMisbehaved, PeerUnavailable, Unauthenticated
from simgrant.flows.camara.fraud import Fraud
from simgrant.flows.camara.proving import NO_USE, Holder, ProvesConsumers, Signed
from simgrant.flows.camara.questions import Questions
from simgrant.flows.camara.refusals import OAuthError, OAuthRefused
from simgrant.flows.camara.request import OAuthRequest
from simgrant.flows.camara.scopes import INTROSPECTION, Granted, ScopeRules
from simgrant.flows.camara.subjects import IP_PORT, TEL, Meant, Subjects
from simgrant.flows.camara.tokens import (
    TOKEN_ID_BYTES,
    pull_access_token,
    push_access_token,
)
from simgrant.flows.camara.waiting import Waiting, pull_waiting, push_waiting
from simgrant.flows.signing import Signer
from simgrant.flows.tokens import encode
from simgrant.keyring.ring import NONCE_BYTES, Purpose
from simgrant.nouns import named_noun, replace
from simgrant.ports.camara_consents import Permits, Purposeful
from simgrant.ports.camara_tokens import (
    Assertion,
    AssertionKind,
    CamaraTokens,
    Exchange,
    Exchanged,
    RequestKind,
    RequestState,
    UserRequest,
)
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys

MOST_SINGLE_USE_S: Final = 300
"""Seconds that a token for one call may live (number-verification, Google)."""
_SLOWER_S: Final = 5
"""Seconds added to the pause of who polls too often (CIBA §11)."""
_LONGEST_PAUSE_S: Final = 60
_REQUEST_ID_BYTES: Final = 32
_MOST_RESOURCE: Final = 512
_READ: Final = frozenset({"scope", "login_hint", "login_hint_token", "id_token_hint", "resource"})
"""What a backchannel request is read for."""
_ASKED_BY: Final = _READ | {
    "acr_values",
    "binding_message",
    "client_notification_token",
    "requested_expiry",
    "user_code",
}
"""What a backchannel request may say (CIBA §7.1): in the signed object alone, if there is one."""
_CHALLENGE: Final = 43
"""Characters of a SHA-256 in base64url."""


class Spent(Protocol):
    """Knows which tokens for one call are spent: a part of the port ``UsageRows``."""

    async def spent(self, tenant: str, token_id: bytes) -> bool:
        """Say whether there is a row of it."""


@named_noun
class AuthRules:
    """For how long things are good, in seconds."""

    token_s: int = 300
    client_token_s: int = 3_600
    request_s: int = 120
    poll_s: int = 2
    code_s: int = 60


class AuthServer:
    """Answers the consumers of all tenants; each answer is the members of a JSON object."""

    def __init__(
        self,
        proving: ProvesConsumers,
        subjects: Subjects,
        *,
        rows: CamaraTokens,
        usage: Spent,
        scopes: ScopeRules,
        fraud: Fraud,
        permits: Permits,
        signer: Signer,
        keys: Keys,
        clock: Clock,
        rules: AuthRules,
        questions: Questions | None = None,
    ) -> None:
        """``questions`` are asked out of band; None = nobody is asked anything."""
        self._proving = proving
        self._subjects = subjects
        self._rows = rows
        self._usage = usage
        self._scopes = scopes
        self._fraud = fraud
        self._permits = permits
        self._signer = signer
        self._keys = keys
        self._clock = clock
        self._rules = rules
        self._questions = questions

    # --- the token endpoint ------------------------------------------------------------------

    async def token(self, request: OAuthRequest) -> Mapping[str, Any]:
        """Return an access token (RFC 6749 §3.2); raise `OAuthRefused`."""
        grant = request.form.get("grant_type", "")
        match grant:
            case GrantType.JWT_BEARER:
                request.trail.leg = "jwt_bearer"
                return await self._by_assertion(request)
            case GrantType.CLIENT_CREDENTIALS:
                request.trail.leg = "client_credentials"
                return await self._by_itself(request)
            case GrantType.CIBA:
                request.trail.leg = "ciba"
                return await self._by_request(request)
            case GrantType.AUTHORIZATION_CODE:
                request.trail.leg = "authorization_code"
                return await self._by_code(request)
            case "":
                raise OAuthRefused(OAuthError.INVALID_REQUEST, "no_grant_type")
            case _:
                raise OAuthRefused(OAuthError.UNSUPPORTED_GRANT_TYPE, "grant_type_unknown")

    async def _by_assertion(self, request: OAuthRequest) -> Mapping[str, Any]:
        """RFC 7523 §2.1: the assertion proves the consumer, and says what it wants."""
        form = request.form
        text = form.get("assertion", "")
        if not text:
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "no_assertion")
        if "scope" in form:
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "scope_beside_assertion")
        signed = await self._proving.signed(request, text, kind=AssertionKind.GRANT)
        consumer, claims = signed.consumer, signed.claims
        used = [signed.assertion]
        if "client_assertion" in form or request.authorization:
            other, assertion = await self._proving.prove(request)
            if other.client_id != consumer.client_id:
                raise OAuthRefused(OAuthError.INVALID_CLIENT, "assertion_of_another")
            used += [assertion] if assertion is not None else []
        self._check(consumer, GrantType.JWT_BEARER)
        if "iat" not in claims:
            raise OAuthRefused(OAuthError.INVALID_GRANT, "assertion_without_times")
        scope, hint = claims.get("scope"), claims.get("sub")
        if not isinstance(scope, str) or not isinstance(hint, str):
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "assertion_without_scope_or_sub")
        if hint.startswith(f"{IP_PORT}:"):
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "hint_unknown")
        holder = await self._proving.holder(request, consumer)
        granted = self._scopes.grant(consumer, scope, with_user=True)
        granted = replace(granted, openid=False)
        token = self._token(
            consumer,
            granted,
            holder,
            application=_application(consumer, claims),
            audience=self._audience(request, consumer),
        )
        meant = await self._subjects.meant(
            request, consumer, hint, granted, unknown=OAuthError.INVALID_GRANT
        )
        token = self._about(request, token, meant)
        if not await self._permitted(request, token, meant.subject):
            raise OAuthRefused(OAuthError.INVALID_GRANT, "consent_missing")
        text = self._sealed(request, token)
        temporary = meant.temporary(
            at=token.issued,
            redeemed_for=sha256(text.encode()).digest() if meant.redeems else b"",
        )
        await self._write(request, Exchange(assertions=_all(used, holder), temporary=temporary))
        return _answer(text, token, granted, holder)

    async def _by_itself(self, request: OAuthRequest) -> Mapping[str, Any]:
        """RFC 6749 §4.4: no subscriber is in it."""
        consumer, assertion = await self._proving.prove(request)
        self._check(consumer, GrantType.CLIENT_CREDENTIALS)
        scope = request.form.get("scope", "")
        if not scope and consumer.proving is Proving.CLIENT_SECRET_BASIC:
            scope = self._scopes.of_contract(consumer)
        holder = await self._proving.holder(request, consumer)
        granted = self._scopes.grant(consumer, scope, with_user=False)
        audience = self._audience(request, consumer)
        token = self._token(consumer, granted, holder, audience=audience, with_user=False)
        used = _all([assertion] if assertion is not None else [], holder)
        if used:
            await self._write(request, Exchange(assertions=used))
        return _answer(self._sealed(request, token), token, granted, holder)

    # --- backchannel requests --------------------------------------------------------------------

    async def backchannel(self, request: OAuthRequest) -> Mapping[str, Any]:
        """Return the id of a request that can be polled (CIBA §7); raise `OAuthRefused`."""
        request.trail.leg = "bc_authorize"
        consumer, assertion = await self._proving.prove(request)
        self._check(consumer, GrantType.CIBA)
        used = [assertion] if assertion is not None else []
        if "request" in request.form:
            request, inside = await self._inside(request, consumer)
            used.append(inside)
        form = request.form
        hint = form.get("login_hint", "")
        if not hint or "login_hint_token" in form or "id_token_hint" in form:
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "not_one_hint")
        granted = self._scopes.grant(consumer, form.get("scope", ""), with_user=True)
        questions = self._asks(consumer, hint)
        rules = self._rules
        life = rules.request_s if questions is None else questions.life_s(request.tenant, consumer)
        token = self._token(consumer, granted, Holder(), audience=self._audience(request, consumer))
        meant = await self._subjects.meant(
            request,
            consumer,
            hint,
            granted,
            unknown=OAuthError.UNKNOWN_USER_ID,
            asks=questions is not None,
        )
        if meant.redeems:
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "hint_unknown")
        token = self._about(request, token, meant)
        if not await self._permitted(request, token, meant.subject):
            # 403 at this endpoint (CIBA §13).
            raise OAuthRefused(OAuthError.ACCESS_DENIED, "consent_missing", status=403)
        now = token.issued
        name = encode(os.urandom(_REQUEST_ID_BYTES))
        request_id = sha256(name.encode()).digest()
        begun = None
        if questions is not None:
            begun = await questions.begin(request.tenant, consumer, token, request_id=request_id)
        waiting = Waiting(
            self._kept(request, token, life),
            openid=granted.openid,
            at=now,
            life_s=token.expires - now,
        )
        made = UserRequest(
            request_id=request_id,
            kind=RequestKind.CIBA,
            client_id=consumer.client_id,
            state=RequestState.GRANTED if begun is None else RequestState.PENDING,
            body=push_waiting(waiting),
            expires_at=now + life,
            poll_from=0,
            interval_s=rules.poll_s,
        )
        exchange = Exchange(
            assertions=tuple(used),
            temporary=meant.temporary(at=now),
            made=made,
            asks=begun.question if begun is not None else None,
            asked_before=begun.before if begun is not None else b"",
        )
        await self._write(request, exchange, OAuthError.UNKNOWN_USER_ID)
        if questions is not None and begun is not None:
            # Written before it is sent: its answer finds it, whoever of us hears it.
            await questions.send(request.tenant, begun, made.body, deadline=request.deadline)
        return {"auth_req_id": name, "expires_in": life, "interval": rules.poll_s}

    async def _inside(
        self, request: OAuthRequest, consumer: Consumer
    ) -> tuple[OAuthRequest, Assertion]:
        """Return a request as its signed object has it, which is all there is (CIBA §7.1.1)."""
        wrong = OAuthError.INVALID_REQUEST_OBJECT
        if not _ASKED_BY.isdisjoint(request.form):
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "parameters_beside_request")
        signed = await self._signed_request(request, consumer, has=("iat", "nbf"))
        asked = {name: signed.claims[name] for name in _ASKED_BY if name in signed.claims}
        if not all(isinstance(asked.get(name, ""), str) for name in _READ):
            raise OAuthRefused(wrong, "request_object_malformed")
        return replace(request, form=asked), signed.assertion

    async def _signed_request(
        self, request: OAuthRequest, consumer: Consumer, *, has: Collection[str]
    ) -> Signed:
        """Return a consumer's signed request, which has some claims besides those of assertions."""
        wrong, kind = OAuthError.INVALID_REQUEST_OBJECT, AssertionKind.REQUEST
        try:
            signed = await self._proving.signed(request, request.form["request"], kind=kind)
        except OAuthRefused as refused:
            raise OAuthRefused(wrong, refused.reason, for_operator=refused.for_operator) from None
        if signed.consumer.client_id != consumer.client_id:
            raise OAuthRefused(wrong, "request_of_another")
        if not signed.claims.keys() >= set(has):
            raise OAuthRefused(wrong, "assertion_without_times")
        return signed

    def _asks(self, consumer: Consumer, hint: str) -> Questions | None:
        """Return who asks the subscriber, where the contract wants that of such a hint."""
        if not (consumer.asks and hint.startswith(f"{TEL}:")):
            return None
        if self._questions is None:
            raise OAuthRefused(OAuthError.UNAUTHORIZED_CLIENT, "questions_not_offered")
        return self._questions

    async def _by_request(self, request: OAuthRequest) -> Mapping[str, Any]:
        """CIBA §10.1: the consumer asks whether it has been granted yet."""
        consumer, assertion = await self._proving.prove(request)
        self._check(consumer, GrantType.CIBA)
        name = request.form.get("auth_req_id", "")
        if not name:
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "no_auth_req_id")
        holder = await self._proving.holder(request, consumer)
        used = _all([assertion] if assertion is not None else [], holder)
        row = await self._waiting(request, consumer, name, RequestKind.CIBA)
        now = int(self._clock.now())
        if row.state is RequestState.PENDING:
            await self._write(request, Exchange(assertions=used))
            await self._poll_later(request, row, now)
        if row.state is RequestState.DENIED:
            raise OAuthRefused(OAuthError.ACCESS_DENIED, "request_denied")
        waiting = pull_waiting(row.body)
        return await self._granted(request, row, waiting, holder, used)

    async def _waiting(
        self, request: OAuthRequest, consumer: Consumer, name: str, kind: RequestKind
    ) -> UserRequest:
        """Return a request of a consumer's own that is not over; raise `OAuthRefused`."""
        row = await self._rows.request(request.tenant, sha256(name.encode()).digest())
        if row is None or row.kind is not kind or row.client_id != consumer.client_id:
            raise OAuthRefused(OAuthError.INVALID_GRANT, "request_unknown")
        if self._clock.now() >= row.expires_at:
            over = OAuthError.EXPIRED_TOKEN
            raise OAuthRefused(
                over if kind is RequestKind.CIBA else OAuthError.INVALID_GRANT, "request_over"
            )
        return row

    async def _poll_later(self, request: OAuthRequest, row: UserRequest, now: int) -> None:
        """Refuse, since nobody has decided yet, and say so if it is asked too often."""
        early = now < row.poll_from
        pause = min(row.interval_s + (_SLOWER_S if early else 0), _LONGEST_PAUSE_S)
        await self._rows.polled(
            request.tenant, row.request_id, poll_from=now + pause, interval_s=pause
        )
        raise OAuthRefused(
            OAuthError.SLOW_DOWN if early else OAuthError.AUTHORIZATION_PENDING,
            "polled_too_often" if early else "request_pending",
        )

    async def _granted(
        self,
        request: OAuthRequest,
        row: UserRequest,
        waiting: Waiting,
        holder: Holder,
        used: tuple[Assertion, ...],
    ) -> Mapping[str, Any]:
        """Return the access token of a request that was granted, once."""
        before = self._opened(request, waiting.token)
        subject = before.subject
        if subject is None or not await self._subjects.still(request, subject):
            raise OAuthRefused(OAuthError.INVALID_GRANT, "request_of_before")
        now = int(self._clock.now())
        token = replace(before, issued=now, expires=now + waiting.life_s, key=holder.key)
        granted = Granted(token.scopes, token.purpose, waiting.openid, token.single_use)
        await self._write(request, Exchange(assertions=used, used=row.request_id))
        answer = _answer(self._sealed(request, token), token, granted, holder)
        if waiting.openid:
            answer["id_token"] = self._id_token(request, token, subject, waiting)
        return answer

    # --- authorization codes --------------------------------------------------------------------

    async def authorize(self, request: OAuthRequest) -> str:
        """Return where a browser is sent with a code, or with why there is none (RFC 6749 §4.1).

        Whose connection the browser has says who the subscriber is; nobody is asked anything.
        Raise `OAuthRefused` where it must not be sent anywhere.
        """
        request.trail.leg = "authorize"
        form = request.form
        consumer = self._proving.found(request.tenant, form.get("client_id", ""))
        if consumer is None:
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "consumer_unknown")
        request.trail.requestor = consumer.client_id
        place = form.get("redirect_uri", "")
        if place not in consumer.redirect_uris:
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "redirect_uri_unknown")
        state = form.get("state", "")
        try:
            asked, used = await self._asked(request, consumer)
            state = asked.get("state", "")
            code = await self._code(request, consumer, asked, used)
        except OAuthRefused as refused:
            request.trail.outcome = refused.reason
            told = {"error": refused.error.value}
        except (PeerUnavailable, PeerMisbehaved, Overloaded) as error:
            request.trail.outcome, request.trail.detail = error.reason, error.for_operator
            told = {"error": OAuthError.TEMPORARILY_UNAVAILABLE.value}
        else:
            request.trail.outcome = "code"
            told = {"code": code}
        told |= {"iss": request.issuer} | ({"state": state} if state else {})
        return f"{place}{'&' if '?' in place else '?'}{urlencode(told)}"

    async def _asked(
        self, request: OAuthRequest, consumer: Consumer
    ) -> tuple[Mapping[str, str], tuple[Assertion, ...]]:
        """Return what is asked for: of a signed request what is signed alone (RFC 9101 §6.3)."""
        form = request.form
        if "request_uri" in form:
            raise OAuthRefused(OAuthError.REQUEST_URI_NOT_SUPPORTED, "request_uri_not_taken")
        if not form.get("request"):
            return form, ()
        wrong = OAuthError.INVALID_REQUEST_OBJECT
        signed = await self._signed_request(request, consumer, has=("iat",))
        claims = signed.claims
        for name in ("client_id", "redirect_uri", "response_type", "scope"):
            if claims.get(name) != form.get(name, ""):
                raise OAuthRefused(wrong, "request_contradicts")
        found = {name: value for name, value in claims.items() if isinstance(value, str)}
        return found, (signed.assertion,)

    async def _code(
        self,
        request: OAuthRequest,
        consumer: Consumer,
        asked: Mapping[str, str],
        used: tuple[Assertion, ...],
    ) -> str:
        if asked.get("response_type") != "code":
            raise OAuthRefused(OAuthError.UNSUPPORTED_RESPONSE_TYPE, "response_type_unknown")
        self._check(consumer, GrantType.AUTHORIZATION_CODE)
        if asked.get("response_mode", "query") != "query":
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "response_mode_unknown")
        challenge = asked.get("code_challenge", "")
        if challenge and (
            asked.get("code_challenge_method") != "S256" or len(challenge) != _CHALLENGE
        ):
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "challenge_malformed")
        if not (challenge or (asked.get("state") and asked.get("nonce"))):
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "no_challenge")
        granted = self._scopes.grant(consumer, asked.get("scope", ""), with_user=True)
        if asked.get("prompt", "none") != "none":
            raise OAuthRefused(OAuthError.INTERACTION_REQUIRED, "nobody_is_asked")
        token = self._token(consumer, granted, Holder())
        meant = await self._subjects.connected(
            request, request.source, 0, OAuthError.LOGIN_REQUIRED
        )
        token = self._about(request, token, meant)
        now, life = token.issued, self._rules.code_s
        code = encode(os.urandom(_REQUEST_ID_BYTES))
        waiting = Waiting(
            # Until its token would be over: one that is used twice takes that back.
            self._kept(request, token, life + token.expires - now),
            openid=granted.openid,
            nonce=asked.get("nonce", ""),
            challenge=challenge,
            redirect_uri=asked["redirect_uri"],
            at=now,
            life_s=token.expires - now,
        )
        made = UserRequest(
            request_id=sha256(code.encode()).digest(),
            kind=RequestKind.CODE,
            client_id=consumer.client_id,
            state=RequestState.GRANTED,
            body=push_waiting(waiting),
            expires_at=now + life,
        )
        await self._write(request, Exchange(assertions=used, made=made))
        return code

    async def _by_code(self, request: OAuthRequest) -> Mapping[str, Any]:
        """RFC 6749 §4.1.3, with the proof that it is who asked for the code (RFC 7636 §4.6)."""
        consumer, assertion = await self._proving.prove(request)
        self._check(consumer, GrantType.AUTHORIZATION_CODE)
        form = request.form
        if not form.get("code"):
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "no_code")
        holder = await self._proving.holder(request, consumer)
        used = _all([assertion] if assertion is not None else [], holder)
        row = await self._waiting(request, consumer, form["code"], RequestKind.CODE)
        waiting = pull_waiting(row.body)
        if form.get("redirect_uri") != waiting.redirect_uri:
            raise OAuthRefused(OAuthError.INVALID_GRANT, "code_of_another_place")
        verifier = form.get("code_verifier", "")
        shown = encode(sha256(verifier.encode()).digest()) if verifier else ""
        if not hmac.compare_digest(waiting.challenge, shown):
            raise OAuthRefused(OAuthError.INVALID_GRANT, "code_of_another")
        if row.state is RequestState.USED:
            # Somebody has it besides its consumer (RFC 6749 §4.1.2).
            before = self._opened(request, waiting.token)
            await self._rows.revoke(
                request.tenant, before.token_id, expires_at=row.expires_at + waiting.life_s
            )
            raise OAuthRefused(OAuthError.INVALID_GRANT, "code_used_twice")
        return await self._granted(request, row, waiting, holder, used)

    # --- what is said of tokens -------------------------------------------------------------------

    async def introspect(self, request: OAuthRequest) -> Mapping[str, Any]:
        """Return whether a token is good, and for what (RFC 7662 §2.2)."""
        request.trail.leg = "introspect"
        consumer, token = await self._asked_about(request)
        holder = None if token is None else self._proving.found(request.tenant, token.client_id)
        if token is None or holder is None or not await self._is_active(request, token):
            return {"active": False}
        answer: dict[str, Any] = {
            "active": True,
            "client_id": token.client_id,
            "scope": Granted(token.scopes, token.purpose, False, token.single_use).text,
            "token_type": "Bearer",
            "iat": token.issued,
            "exp": token.expires,
            "iss": request.issuer,
        }
        if token.audience:
            answer["aud"] = token.audience
        if token.subject is not None:
            answer["sub"] = self._pairwise(request, consumer, token.subject)
        if token.key:
            by_certificate = holder.bound is Bound.CERTIFICATE
            answer["cnf"] = {"x5t#S256" if by_certificate else "jkt": encode(token.key)}
            answer["token_type"] = "Bearer" if by_certificate else "DPoP"
        return answer

    async def revoke(self, request: OAuthRequest) -> None:
        """Make a token useless (RFC 7009 §2); one that is not the consumer's is left alone."""
        request.trail.leg = "revoke"
        consumer, token = await self._asked_about(request)
        if token is not None and token.client_id == consumer.client_id:
            await self._rows.revoke(request.tenant, token.token_id, expires_at=token.expires)

    async def _asked_about(self, request: OAuthRequest) -> tuple[Consumer, AccessToken | None]:
        """Return who asks, and the token; None for one that he may know nothing of."""
        consumer, assertion = await self._proving.prove(request)
        text = request.form.get("token", "")
        if not text:
            raise OAuthRefused(OAuthError.INVALID_REQUEST, "no_token")
        if assertion is not None:
            await self._write(request, Exchange(assertions=(assertion,)))
        try:
            tenant, token = pull_access_token(text, self._keys, now=self._clock.now())
        except Unauthenticated:
            return consumer, None
        own = token.client_id == consumer.client_id
        if tenant != request.tenant or not (own or consumer.permission(INTROSPECTION)):
            return consumer, None
        return consumer, token

    async def _is_active(self, request: OAuthRequest, token: AccessToken) -> bool:
        if await self._rows.revoked(request.tenant, token.token_id):
            return False
        if token.single_use and await self._usage.spent(request.tenant, token.token_id):
            return False
        return token.subject is None or await self._subjects.still(request, token.subject)

    # --- what tokens are made of ------------------------------------------------------------------

    def _check(self, consumer: Consumer, grant: GrantType) -> None:
        if grant not in consumer.grants:
            raise OAuthRefused(OAuthError.UNAUTHORIZED_CLIENT, "grant_type_not_of_contract")

    def _audience(self, request: OAuthRequest, consumer: Consumer) -> str:
        """Return what a token is good for alone (RFC 8707 §2); empty = all that its scopes are of.

        Consumers of Google's plain flavour name the address of devices, which nothing here knows.
        """
        resource = request.form.get("resource", "")
        if not resource:
            return ""
        plain = consumer.proving is Proving.CLIENT_SECRET_BASIC or "temptoken" in consumer.subjects
        own = resource == request.issuer or resource.startswith(f"{request.issuer}/")
        if len(resource) > _MOST_RESOURCE or "#" in resource or " " in resource:
            raise OAuthRefused(OAuthError.INVALID_TARGET, "resource_malformed")
        if not (own or (plain and resource.startswith("https://"))):
            raise OAuthRefused(OAuthError.INVALID_TARGET, "resource_of_another")
        return resource

    def _token(
        self,
        consumer: Consumer,
        granted: Granted,
        holder: Holder,
        *,
        application: str = "",
        audience: str = "",
        with_user: bool = True,
    ) -> AccessToken:
        now = int(self._clock.now())
        life = self._rules.token_s if with_user else self._rules.client_token_s
        if granted.single_use:
            life = min(life, MOST_SINGLE_USE_S)
        return AccessToken(
            token_id=os.urandom(TOKEN_ID_BYTES),
            client_id=consumer.client_id,
            application=application or _only(consumer),
            scopes=granted.scopes,
            purpose=granted.purpose,
            method=Method.NONE,
            audience=audience,
            single_use=granted.single_use,
            issued=now,
            expires=now + life,
            key=holder.key,
        )

    def _about(self, request: OAuthRequest, token: AccessToken, meant: Meant) -> AccessToken:
        """Return a token about somebody; raise Overloaded where it is one too many."""
        lent = meant.lent
        self._fraud.ask(
            request.tenant,
            token.client_id,
            number=meant.subject.msisdn.digits,
            device=lent.terminal_id if lent is not None else "",
            now=self._clock.monotonic(),
        )
        return replace(
            token,
            method=meant.method,
            subject=meant.subject,
            temporary_token=lent.token_id if lent is not None and meant.redeems else b"",
        )

    async def _permitted(self, request: OAuthRequest, token: AccessToken, subject: Subject) -> bool:
        """Say whether the subscriber, or the law, permits it (ICM: no consent, no token)."""
        wanted = Purposeful(
            client_id=token.client_id,
            application=token.application,
            purpose=token.purpose,
            scopes=tuple(sorted(self._scopes.consented(token.scopes))),
        )
        imsi, now = subject.imsi, token.issued
        return await self._permits.permits(request.tenant, imsi, wanted, now=now)

    def _sealed(self, request: OAuthRequest, token: AccessToken) -> str:
        return self._push(request, token, Purpose.ACCESS_TOKEN)

    def _kept(self, request: OAuthRequest, token: AccessToken, life_s: int) -> str:
        """Return a token as a row keeps it for so long, which is good for nothing else."""
        kept = replace(token, expires=token.issued + life_s)
        return self._push(request, kept, Purpose.USER_REQUEST)

    def _push(self, request: OAuthRequest, token: AccessToken, purpose: Purpose) -> str:
        nonce, now = os.urandom(NONCE_BYTES), self._clock.now()
        return push_access_token(
            token, self._keys.ring, request.tenant, nonce=nonce, now=now, purpose=purpose
        )

    def _opened(self, request: OAuthRequest, text: str) -> AccessToken:
        try:
            tenant, token = pull_access_token(
                text, self._keys, now=self._clock.now(), purpose=Purpose.USER_REQUEST
            )
        except Unauthenticated as error:
            raise OAuthRefused(OAuthError.INVALID_GRANT, error.reason) from None
        if tenant != request.tenant:
            raise OAuthRefused(OAuthError.INVALID_GRANT, "request_unknown")
        return token

    def _pairwise(self, request: OAuthRequest, consumer: Consumer, subject: Subject) -> str:
        """Return what consumers of one sector know a subscriber by (OpenID Core §8.1).

        It is of the SIM: nobody is ever taken for somebody who had a number before.
        """
        value = f"{consumer.sector or consumer.client_id}|{subject.imsi.digits}"
        return encode(self._keys.ring.derive(request.tenant, "pairwise", value, 32))

    def _id_token(
        self, request: OAuthRequest, token: AccessToken, subject: Subject, waiting: Waiting
    ) -> str:
        consumer = self._proving.found(request.tenant, token.client_id)
        if consumer is None:
            raise OAuthRefused(OAuthError.INVALID_CLIENT, "consumer_unknown")
        claims: dict[str, Any] = {
            "iss": request.issuer,
            "sub": self._pairwise(request, consumer, subject),
            "aud": token.client_id,
            "iat": token.issued,
            "exp": token.expires,
            "auth_time": waiting.at,
            "amr": [token.method.value],
        }
        if waiting.nonce:
            claims["nonce"] = waiting.nonce
        key = self._signer.key(request.tenant)
        header = {"alg": "ES256", "kid": key.id, "typ": "JWT"}
        text = ".".join(encode(msgspec.json.encode(each)) for each in (header, claims))
        return f"{text}.{encode(key.sign(text.encode()))}"

    async def _write(
        self,
        request: OAuthRequest,
        exchange: Exchange,
        spent: OAuthError = OAuthError.INVALID_GRANT,
    ) -> None:
        """Use up what was brought; raise `OAuthRefused` where somebody was faster."""
        began = self._clock.monotonic()
        became = await self._rows.exchange(request.tenant, exchange)
        waited = int((self._clock.monotonic() - began) * 1e6)
        request.trail.peers_us["store"] = request.trail.peers_us.get("store", 0) + waited
        if isinstance(became, Assertion):
            raise OAuthRefused(NO_USE[became.kind], "assertion_replayed")
        if became is Exchanged.ASKED:
            raise Overloaded("number_asked_lately", retry_after=self._rules.poll_s)
        if became is Exchanged.SPENT:
            raise OAuthRefused(spent, "exchanged_before")


def _all(used: list[Assertion], holder: Holder) -> tuple[Assertion, ...]:
    return (*used, *((holder.assertion,) if holder.assertion is not None else ()))


def _answer(text: str, token: AccessToken, granted: Granted, holder: Holder) -> dict[str, Any]:
    """Return what a consumer is told (RFC 6749 §5.1)."""
    answer: dict[str, Any] = {
        "access_token": text,
        "token_type": "DPoP" if holder.by_dpop else "Bearer",
        "expires_in": token.expires - token.issued,
        "scope": granted.text,
    }
    if token.audience:
        answer["aud"] = token.audience
    return answer


def _application(consumer: Consumer, claims: Mapping[str, Any]) -> str:
    """Return whom a consumer acts for; raise `OAuthRefused` for nobody it has a contract for."""
    if not consumer.application_claim:
        return ""
    name = claims.get(consumer.application_claim)
    if isinstance(name, dict):
        name = name.get("sub")  # As the actor of RFC 8693 §4.1.
    if not any(name == each.id for each in consumer.applications):
        raise OAuthRefused(OAuthError.UNAUTHORIZED_CLIENT, "application_unknown")
    return str(name)


def _only(consumer: Consumer) -> str:
    return consumer.applications[0].id if len(consumer.applications) == 1 else ""
