"""A handset that asks for its entitlements as Android's client does (TS.43 §2; AOSP).

What it does wrong, it does wrong in the same way: it takes only the cookies of
the first challenge, sends each in a line of its own, answers to the bare
address, forgets its token at 511 and authenticates in full, once, and does not
follow redirects. A server that satisfies it has a chance with the real one.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import field
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from simgrant.eap.packet import MalformedPacket, Packet, pull_packet
from simgrant.errors import BadRequest, PeerMisbehaved
from simgrant.nouns import noun, replace
from simgrant.sim.card import Card, CardAnswer, CardRefused, Speaker
from simgrant.sim.cookies import CookieJar
from simgrant.sim.exchange import ClientError, Exchange, Leg, Outcome, Result
from simgrant.sim.faults import Fault
from simgrant.sim.http import Answer, BadAnswer, Headers, HttpClient, HttpError, Limits, Url
from simgrant.sim.profiles import DEMO_IMEI, Accept, CookieRule, Method, Profile
from simgrant.sim.sims import Sim
from simgrant.wire import content_types, json_reader, relay, xml_reader
from simgrant.wire.document import Document

_BARE_EAP_BYTES: Final = 4
"""Success and Failure are a header alone (RFC 3748 §4.2)."""

_MOST_PAGES: Final = 3
"""Pages of one sign-in."""

_UNRESERVED: Final = "!'()*"
"""Kept in a query beside letters, digits and ``_.-~``, as Android's Uri.encode does."""

Parameters = tuple[tuple[str, str], ...]


@noun
class HeldToken:
    """A token in the handset's memory."""

    value: str = field(repr=False)
    until: float | None
    """When the handset stops sending it, in seconds of its clock; None = never."""


class Handset:
    """One handset with one SIM, which talks to one server; close it after use."""

    def __init__(
        self,
        sim: Sim,
        url: Url,
        profile: Profile,
        *,
        card: Card | None = None,
        fault: Fault | None = None,
        terminal_id: str = DEMO_IMEI,
        notif_token: str = "",
        notif_action: int = 2,
        extra: Parameters = (),
        headers: Headers = (),
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        keep_alive: bool = True,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Take a SIM, an address and a profile.

        `extra` are further parameters of every request, such as `operation`;
        `headers` further header lines. `wall` is the handset's clock.
        """
        self.sim = sim
        self.profile = profile
        self.card = card or Card(sim, fault=fault)
        self.fault = fault
        self._speaker = Speaker(
            sim, self.card, speaks=profile.speaks, prefix=profile.eap_prefix, fault=fault
        )
        self.token: HeldToken | None = None
        self.document: Document | None = None
        """The last document received; a handset that is refused keeps it."""
        self._url = url
        self._terminal_id = terminal_id
        self._notif = (notif_token, notif_action)
        self._extra = extra
        self._only: tuple[str, ...] = ()
        """What alone is asked for in the conversation under way; none = all of the profile's."""
        self._own_headers = headers
        self._wall = wall
        self._http = HttpClient(url, tls=tls, limits=limits, keep_alive=keep_alive)

    async def __aenter__(self) -> Handset:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    # ------------------------------------------------------------------------ conversations

    async def ask(self, *, apps: tuple[str, ...] = (), extra: Parameters = ()) -> Outcome:
        """Ask for the document: with the token if there is a good one, else in full.

        Where the server says 511 to the token, it is forgotten and the handset
        authenticates in full, once. ``apps`` are what to ask for; none = all of the profile's.
        """
        log: list[Exchange] = []
        self._only = apps
        try:
            token = self._good_token()
            if token is None:
                return self._done(log, await self._full(log, extra))
            try:
                return self._done(log, await self._fast(log, token, extra))
            except _TokenRefused:
                self.forget()
                return self._done(log, await self._full(log, extra))
        except _Ended as end:
            return end.outcome(log)
        finally:
            self._only = ()

    async def authenticate(self, *, extra: Parameters = ()) -> Outcome:
        """Ask for the document by a full authentication, whatever token is held."""
        log: list[Exchange] = []
        try:
            return self._done(log, await self._full(log, extra))
        except _Ended as end:
            return end.outcome(log)

    async def operate(self, operation: str, *, extra: Parameters = ()) -> Outcome:
        """Ask for an operation with the token, which is got by a request without one before.

        TS.43 §8.1, §14.1.5. Where the server says 511 to the token, a new one is got, once.
        """
        log: list[Exchange] = []
        wanted: Parameters = (("operation", operation), *extra)
        try:
            if (token := self._good_token()) is not None:
                try:
                    return self._done(log, await self._fast(log, token, wanted))
                except _TokenRefused:
                    self.forget()
            await self._full(log, ())
            if self.token is None:
                why = "the document has no TOKEN to go on with"
                raise _Ended(Result.NOT_UNDERSTOOD, ClientError.TOKEN_NOT_AVAILABLE, why)
            try:
                return self._done(log, await self._fast(log, self.token.value, wanted))
            except _TokenRefused:
                why = "511 to a token that is new"
                raise _Ended(Result.REFUSED, ClientError.HTTP_FAILURE, why) from None
        except _Ended as end:
            return end.outcome(log)

    async def borrow(self, token: str, operation: str, *, extra: Parameters = ()) -> Outcome:
        """Ask for an operation with a temporary token, which says nothing of this handset's SIM.

        TS.43 §8.9. The token is not this handset's: no document changes what it holds.
        """
        log: list[Exchange] = []
        proof: Parameters = (("temporary_token", token),)
        wanted: Parameters = (("operation", operation), *extra)
        try:
            seen = await self._ask_with(log, Leg.LENT, proof, self.profile.accept.wanted, wanted)
            _require_ok(seen, self._wall())
            return self._done(log, _document_of(seen))
        except _Ended as end:
            return end.outcome(log)

    async def sign_in(self, browse: Callable[[str], Awaitable[str]]) -> Outcome:
        """Ask without any proof, sign in on the page that the server names, and come back.

        ``browse`` is given the page's address and returns the one that it led back to. There may be
        another page after the first, which wants a second factor.
        """
        log: list[Exchange] = []
        accept = self.profile.accept.wanted
        try:
            seen = await self._ask_with(log, Leg.SIGN_IN, (), accept, ())
            if seen.status != 302:
                _require_ok(seen, self._wall())
                why = "no page to sign in on"
                raise _Ended(Result.NOT_UNDERSTOOD, ClientError.HTTP_FAILURE, why)
            for _ in range(_MOST_PAGES):
                seen = await self._call_back(log, seen.header("location"), browse)
                if seen.status != 302:
                    break
            _require_ok(seen, self._wall())
            return self._done(log, self._keep(_document_of(seen)))
        except _Ended as end:
            return end.outcome(log)

    async def _call_back(
        self, log: list[Exchange], page: str, browse: Callable[[str], Awaitable[str]]
    ) -> Exchange:
        """Go through a page and fetch what it led back to."""
        try:
            back = await browse(page)
        except (HttpError, ValueError) as error:
            why = f"the page did not lead back: {error}"
            raise _Ended(Result.UNREACHABLE, ClientError.HTTP_FAILURE, why) from None
        query = urlsplit(back).query
        headers = self._headers(self.profile.accept.wanted)
        return await self._send(
            log,
            Leg.CALL_BACK,
            "GET",
            self._url.target(query),
            headers,
            parameters=tuple(parse_qsl(query)),
        )

    async def with_password(self, msisdn: str, read: Callable[[], Awaitable[str]]) -> Outcome:
        """Ask with a number, and again with the one-time password that ``read`` returns."""
        log: list[Exchange] = []
        accept = self.profile.accept.wanted
        try:
            seen = await self._ask_with(log, Leg.SIGN_IN, (("msisdn", msisdn),), accept, ())
            _require_ok(seen, self._wall())
            jar = CookieJar(self.profile.cookies, fault=self.fault)
            jar.absorb(seen.got)
            try:
                proof = (("OTP", await read()),)
            except HttpError as error:
                raise _Ended(Result.REFUSED, ClientError.HTTP_FAILURE, str(error)) from None
            target = self._url.target(urlencode(proof))
            headers = self._headers(accept, cookies=jar.lines())
            seen = await self._send(log, Leg.PASSWORD, "GET", target, headers, parameters=proof)
            _require_ok(seen, self._wall())
            return self._done(log, self._keep(_document_of(seen)))
        except _Ended as end:
            return end.outcome(log)

    def forget(self) -> None:
        """Forget token and document, as a handset does at 511 and when its SIM changes."""
        self.token = None
        self.document = None

    async def _fast(self, log: list[Exchange], token: str, extra: Parameters) -> Document:
        """One request with the token (TS.43 §2.8.5)."""
        proof: Parameters = (("IMSI", self.sim.imsi.digits), ("token", token))
        if self.profile.bare:
            proof = proof[1:]
        seen = await self._ask_with(log, Leg.TOKEN, proof, self.profile.accept.wanted, extra)
        if seen.status == 511:
            raise _TokenRefused
        if seen.status == 302:
            # The IMS app takes it for an empty document: services off, token gone.
            self.forget()
        _require_ok(seen, self._wall())
        if seen.challenge is not None:
            raise _Ended(
                Result.NOT_UNDERSTOOD,
                ClientError.MALFORMED,
                "a challenge in answer to a token, which only 511 may bring about",
            )
        return self._keep(_document_of(seen))

    async def _full(self, log: list[Exchange], extra: Parameters) -> Document:
        """A full EAP-AKA authentication over the relay (TS.43 §2.8.1)."""
        proof: Parameters = (("EAP_ID", self._speaker.begin()),)
        seen = await self._ask_with(log, Leg.START, proof, content_types.EAP_RELAY, extra)
        _require_ok(seen, self._wall())
        jar = CookieJar(self.profile.cookies, fault=self.fault)
        self._take_cookies(jar, seen)
        for _ in range(self.profile.speaks.most_answers):
            answer = self._consult_card(seen)
            seen = await self._relay(log, answer.leg, answer, jar)
            self._take_cookies(jar, seen)
            _require_ok(seen, self._wall())
            if seen.challenge is None:
                break
        else:
            raise _Ended(
                Result.TOO_MANY_ROUNDS,
                _ROUNDS_ERROR[answer.leg],
                f"no document after {self.profile.speaks.most_answers} answers",
            )
        if answer.leg is Leg.RESYNC:
            raise _Ended(
                Result.NOT_UNDERSTOOD,
                ClientError.MALFORMED,
                seen.failure or "a document in answer to AUTS, which only a challenge may follow",
            )
        document = _document_of(seen)
        if self.fault is Fault.REPEAT_ANSWER:
            seen = await self._relay(log, Leg.REPEAT, answer, jar)
            _require_ok(seen, self._wall())
            document = _document_of(seen)
        return self._keep(document)

    # ----------------------------------------------------------------------------- requests

    async def _ask_with(
        self, log: list[Exchange], leg: Leg, proof: Parameters, accept: str, extra: Parameters
    ) -> Exchange:
        """Send the parameters, in the query or as JSON."""
        parameters = (*self._parameters(proof), *self._extra, *extra)
        if self.profile.method is Method.GET:
            query = "&".join(f"{name}={self._encoded(value)}" for name, value in parameters)
            headers = self._headers(accept)
            target = self._url.target(query)
            return await self._send(log, leg, "GET", target, headers, parameters=parameters)
        headers = self._headers(accept, content_type=content_types.JSON)
        body = json.dumps(_as_members(parameters), separators=(",", ":"), ensure_ascii=False)
        return await self._send(
            log, leg, "POST", self._url.path, headers, body=body.encode(), parameters=parameters
        )

    def _encoded(self, value: str) -> str:
        return quote(value, safe=_UNRESERVED) if self.profile.encodes else value

    async def _relay(
        self, log: list[Exchange], leg: Leg, answer: CardAnswer, jar: CookieJar
    ) -> Exchange:
        """Post an EAP packet to the bare address, with the cookies and nothing else."""
        wanted = self.profile.accept.wanted
        accept = content_types.EAP_RELAY
        if answer.leg is not Leg.RESYNC and wanted != accept:
            accept = f"{accept}, {wanted}"
        headers = self._headers(accept, content_type=content_types.EAP_RELAY, cookies=jar.lines())
        body = relay.push_relay(answer.data)
        if self.fault is Fault.BROKEN_BASE64:
            body = body.replace(b':"', b':"%*', 1)
        return await self._send(
            log, leg, "POST", self._url.path, headers, body=body, packet=answer.packet
        )

    def _parameters(self, proof: Parameters) -> Parameters:
        """Return the parameters in Android's order."""
        profile = self.profile
        if profile.bare:
            return proof
        found = list(proof)
        notif_token, notif_action = self._notif
        if notif_token:
            found += [("notif_action", str(notif_action)), ("notif_token", notif_token)]
        found.append(("terminal_id", self._terminal_id))
        if profile.sends_gid1:
            found.append(("gid1", profile.gid1 or ""))
        for name in ("app_version", "app_name", "boost_type"):
            if value := getattr(profile, name):
                found.append((name, value))
        apps = tuple(map(str, self._asked()))
        found += [("app", app) for app in ((",".join(apps),) if profile.one_list else apps)]
        vendor, model, sw_version = profile.terminal
        found += [
            ("terminal_vendor", vendor),
            ("terminal_model", model),
            ("terminal_sw_version", sw_version),
            ("vers", str(self._vers())),
            ("entitlement_version", profile.entitlement_version),
            *profile.further,
        ]
        return tuple(found)

    def _asked(self) -> tuple[str, ...]:
        return self._only or self.profile.apps

    def _vers(self) -> int:
        if self.profile.vers is not None:
            return self.profile.vers
        return self.document.vers.version if self.document else 0

    def _headers(self, accept: str, *, content_type: str = "", cookies: Headers = ()) -> Headers:
        """Return the header lines in Android's order."""
        if self.profile.one_accept:
            accept = f"{content_types.EAP_RELAY}, {self.profile.accept.wanted}"
        lines = [("Accept-Language", self.profile.language), ("Accept", accept)]
        if content_type:
            lines.append(("Content-Type", content_type))
        return (
            *lines,
            *cookies,
            ("User-Agent", self.profile.user_agent),
            *self.profile.headers,
            *self._own_headers,
        )

    async def _send(
        self,
        log: list[Exchange],
        leg: Leg,
        method: str,
        target: str,
        headers: Headers,
        *,
        body: bytes | None = None,
        parameters: Parameters = (),
        packet: Packet | None = None,
    ) -> Exchange:
        """Exchange one request for one answer and write the record of it."""
        asked = Exchange(
            leg=leg,
            method=method,
            url=str(self._url),
            parameters=parameters,
            sent=headers,
            packet=packet,
        )
        try:
            answer = await self._http.exchange(method, target, headers, body=body)
        except HttpError as error:
            log.append(replace(asked, failure=str(error)))
            result = Result.NOT_UNDERSTOOD if isinstance(error, BadAnswer) else Result.UNREACHABLE
            raise _Ended(result, ClientError.HTTP_FAILURE, str(error)) from None
        seen = self._read(asked, answer)
        log.append(seen)
        return seen

    # ------------------------------------------------------------------------------ answers

    def _read(self, asked: Exchange, answer: Answer) -> Exchange:
        """Put an answer beside its request, with what is in it."""
        seen = replace(
            asked,
            status=answer.status,
            reason=answer.reason,
            got=answer.headers,
            body=answer.body,
            wire_bytes=answer.wire_bytes,
            milliseconds=answer.milliseconds,
        )
        if answer.status != 200:
            return seen
        kind = seen.content_type
        try:
            # With regard to case, and by substring, as Android does it.
            if "xml" in kind or "text/vnd.wap.connectivity" in kind:
                return self._with_document(seen, xml_reader.pull_document(answer.body), Accept.XML)
            if "json" not in kind:
                return replace(
                    seen, failure=f"a Content-Type that says neither xml nor json: {kind!r}"
                )
            if relay.MEMBER.encode() in answer.body:
                data = relay.pull_relay(answer.body)
                if len(data) == _BARE_EAP_BYTES:
                    return replace(
                        seen, failure="an EAP-Success or -Failure, which no handset takes"
                    )
                return replace(seen, challenge=pull_packet(data), challenge_bytes=data)
            return self._with_document(seen, json_reader.pull_document(answer.body), Accept.JSON)
        except (BadRequest, PeerMisbehaved) as error:
            return replace(seen, failure=f"the body cannot be read: {error.reason}")
        except MalformedPacket as error:
            return replace(seen, failure=f"the EAP packet cannot be read: {error}")

    def _with_document(self, seen: Exchange, document: Document, form: Accept) -> Exchange:
        """Take a document, unless it came in the other form than this handset reads."""
        wanted = self.profile.accept
        reads = Accept.XML if wanted in (Accept.XML, Accept.BOTH) else Accept.JSON
        if form is not reads:
            said = f"{form.upper()}, where this handset reads {reads.upper()} only"
            return replace(seen, document=document, failure=f"the document is {said}")
        return replace(seen, document=document)

    def _consult_card(self, seen: Exchange) -> CardAnswer:
        """Give the challenge to the SIM, and its answer back."""
        if seen.challenge is None:
            raise _Ended(
                Result.NOT_UNDERSTOOD,
                ClientError.MALFORMED,
                seen.failure or "no challenge where one is due",
            )
        try:
            return self._speaker.answer(seen.challenge_bytes)
        except CardRefused as refused:
            raise _Ended(Result.SIM_FAILED, ClientError.SIM_OR_CHALLENGE, str(refused)) from None

    def _take_cookies(self, jar: CookieJar, seen: Exchange) -> None:
        """Take an answer's cookies; Samsung's client gives up on a challenge without."""
        jar.absorb(seen.got)
        samsung = self.profile.cookies is CookieRule.SAMSUNG
        if samsung and seen.challenge is not None and not seen.header("set-cookie"):
            raise _Ended(
                Result.NOT_UNDERSTOOD, ClientError.MALFORMED, "a challenge without Set-Cookie"
            )

    def _good_token(self) -> str | None:
        if self.token is None or not self.profile.keeps_token:
            return None
        if self.token.until is not None and self.token.until <= self._wall():
            return None
        return self.token.value

    def _keep(self, document: Document) -> Document:
        """Store the document in place of the old one; without TOKEN, the token goes with it."""
        self.document = document
        self.token = None
        if document.token is not None and document.token.token:
            validity = document.token.validity
            until = self._wall() + validity if validity > 0 else None
            self.token = HeldToken(document.token.token, until)
        return document

    def _done(self, log: list[Exchange], document: Document) -> Outcome:
        there = {application.app_id for application in document.applications}
        return Outcome(
            result=Result.DOCUMENT,
            exchanges=tuple(log),
            document=document,
            missing=tuple(str(app) for app in self._asked() if app not in there),
        )


# --------------------------------------------------------------------------------- endings


class _TokenRefused(Exception):
    """511: the token is not good any more."""


class _Ended(Exception):
    """The conversation is over, and there is no document."""

    def __init__(
        self,
        result: Result,
        code: ClientError,
        why: str,
        *,
        retry_after: float | None = None,
        location: str = "",
    ) -> None:
        super().__init__(why)
        self.result = result
        self.code = code
        self.why = why
        self.retry_after = retry_after
        self.location = location

    def outcome(self, log: list[Exchange]) -> Outcome:
        return Outcome(
            result=self.result,
            exchanges=tuple(log),
            code=self.code,
            why=self.why,
            retry_after=self.retry_after,
            location=self.location,
        )


_ROUNDS_ERROR: Final = {
    Leg.ANSWER: ClientError.TOO_MANY_CHALLENGES,
    Leg.RESYNC: ClientError.SYNC_NOT_RECOVERED,
}


def _require_ok(seen: Exchange, now: float) -> None:
    """Return if the status is 200; whatever else it is, it ends the conversation."""
    status = seen.status
    if status == 200:
        return
    said = f"{status} {seen.reason}".rstrip()
    if status == 302:
        location = seen.header("location")
        raise _Ended(Result.REDIRECTED, ClientError.MALFORMED, said, location=location)
    wait = _retry_after(seen.header("retry-after"), now) if status == 503 else None
    if wait is not None:
        raise _Ended(Result.LATER, ClientError.HTTP_FAILURE, said, retry_after=wait)
    raise _Ended(Result.REFUSED, ClientError.HTTP_FAILURE, said)


def _retry_after(text: str, now: float) -> float | None:
    """Return the seconds to wait, from seconds or from a date (RFC 9110 §10.2.3)."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return None


def _document_of(seen: Exchange) -> Document:
    """Return the document, or end the conversation with why there is none."""
    if seen.document is None or seen.failure:
        code = ClientError.MALFORMED if seen.document is None else ClientError.TOKEN_NOT_AVAILABLE
        why = seen.failure or "an EAP packet where the document is due"
        raise _Ended(Result.NOT_UNDERSTOOD, code, why)
    return seen.document


def _as_members(parameters: Parameters) -> dict[str, str]:
    """Return parameters as Android POSTs them: strings, several apps in one string."""
    members = dict(parameters)
    apps = [value for name, value in parameters if name == "app"]
    if len(apps) > 1:
        members["app"] = f"[{','.join(apps)}]"
    return members
