"""Questions out of band: a subscriber without data says on his phone whether he agrees (ADR 0060).

A backchannel request waits for the answer. Whatever goes wrong leaves it unanswered or denied: a
message that was not sent, an answer that comes late, twice, without its code, or from elsewhere.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final

import structlog

from simgrant.domain.camara.access_token import AccessToken, Method
from simgrant.domain.camara.consent import in_words
from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.camara.questions import HOUR_S, QuestionPace, pause_s, still_counted
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.errors import EcsError, NotAllowed, Overloaded
from simgrant.flows.camara.books import Books
from simgrant.flows.camara.fraud import Fraud
from simgrant.flows.camara.refusals import OAuthError, OAuthRefused
from simgrant.flows.camara.waiting import proved_at
from simgrant.flows.for_ever import Pace, keep_looking
from simgrant.flows.limits import Throttle
from simgrant.identities import Msisdn
from simgrant.nouns import Word, named_noun, replace
from simgrant.ports.camara_lines import CamaraLines
from simgrant.ports.camara_tokens import CamaraTokens, Question, RequestState
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.questions import Asked, AskedBy, AsksPeople, Heard
from simgrant.telemetry.log import say_fault
from simgrant.telemetry.metrics import Metrics
from simgrant.wire.sms_text import fits, shorter
from simgrant.wire.ussd import MOST_SESSION

OUT_OF_BAND: Final = "out-of-band"
"""What questions are called in the books, where APIs have their names."""
_PROOF_BYTES: Final = 16
_USAGE_ID_BYTES: Final = 16
_LONGEST_WAIT_S: Final = 600
_LOOKS_EVERY_S: Final = 30.0
_LATE_S: Final = 10
"""Seconds after its end in which an answer that came in time may still be on its way to a row."""
_LONGEST_LIFE_S: Final = HOUR_S
"""More than any question has to be answered, and than clocks differ."""


class Became(Word):
    """What became of a question, or of an answer to one, for metrics and logs."""

    ASKED = "asked"
    """The gateway took it over."""
    NOT_ASKED = "not_asked"
    AGREED = "agreed"
    REFUSED = "refused"
    TRIED_TOO_OFTEN = "tried_too_often"
    TIMED_OUT = "timed_out"
    """Nobody answered it."""
    WRONG_CODE = "wrong_code"
    TOO_LATE = "too_late"
    """Another answer decided, or it was over."""


@named_noun
class QuestionRules:
    """What is asked, and how often."""

    life_s: int = 120
    """Seconds for the answer."""
    timeout_s: float = 5.0
    """Seconds that the gateway may take to take a question over."""
    digits: int = 4
    """Of the code of a short message."""
    tries: int = 3
    """Answers that agree, before a question is given up."""
    pace: QuestionPace = QuestionPace()
    text: str = field(repr=False)
    """With ``{consumer}`` and ``{purpose}`` in it, of SMS ``{code}`` too."""
    purposes: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What purposes are called, by their words of W3C's DPV; others are called by these."""


@named_noun
class QuestionWay:
    """How the subscribers of a tenant are asked."""

    people: AsksPeople
    rules: QuestionRules
    throttle: Throttle
    """By consumer."""


@named_noun
class Begun:
    """A question that is to be written down, and then sent."""

    question: Question
    before: bytes = field(repr=False)
    """``request_id`` of the one before, for `Exchange.asked_before`."""
    asked: Asked
    token: AccessToken
    tariff: str
    sandbox: bool
    suspicion: str
    """The mark of a new SIM."""


class Questions:
    """Asks, and hears answers."""

    def __init__(
        self,
        ways: Mapping[str, QuestionWay],
        *,
        rows: CamaraTokens,
        lines: CamaraLines,
        books: Books,
        fraud: Fraud,
        metrics: Metrics,
        keys: Keys,
        clock: Clock,
    ) -> None:
        """``ways`` are by tenant: others ask nobody."""
        self._ways = ways
        self._rows = rows
        self._lines = lines
        self._books = books
        self._fraud = fraud
        self._metrics = metrics
        self._keys = keys
        self._clock = clock
        self._counted_at = 0
        """Unix seconds at which all that nobody had answered was counted last."""

    def life_s(self, tenant: str, consumer: Consumer) -> int:
        """Return the seconds for an answer; raise `OAuthRefused` where nobody may be asked.

        A sandbox asks nobody: people are no test numbers.
        """
        way = self._ways.get(tenant)
        if way is None or consumer.sandbox:
            raise OAuthRefused(OAuthError.UNAUTHORIZED_CLIENT, "questions_not_offered")
        return way.rules.life_s

    async def begin(
        self, tenant: str, consumer: Consumer, token: AccessToken, *, request_id: bytes
    ) -> Begun:
        """Return a question about a token's subject; nothing is written, and nobody asked yet.

        Raise Overloaded where the consumer asks, or the number was asked, too much, and
        `OAuthRefused` where its SIM is too new to prove anything by.
        """
        subject, way, now = token.subject, self._ways[tenant], int(self._clock.now())
        if subject is None:
            raise TypeError("a question is to somebody")
        way.throttle.take((tenant, consumer.client_id), now=self._clock.monotonic())
        suspicion = await self._suspicion(tenant, token)
        rules = way.rules
        last = await self._rows.question(tenant, subject.msisdn)
        asked: tuple[int, ...] = ()
        if last is not None:
            asked = still_counted(last.asked, now=now)
            wait = max(
                pause_s(asked, rules.pace, now=now), last.quiet_until - now, last.open_until - now
            )
            if wait > 0:
                raise Overloaded("number_asked_lately", retry_after=min(wait, _LONGEST_WAIT_S))
            # The row is the next question's now.
            if last.open_until and await self._rows.close_unanswered(tenant, last):
                self._count(tenant, Became.TIMED_OUT)
        code = self._code(tenant, way, last)
        question = Question(
            msisdn=subject.msisdn,
            request_id=request_id,
            proof=self._proof(tenant, request_id, code),
            open_until=now + rules.life_s,
            asked=(*asked, now),
        )
        text = _text(rules, consumer.name_of(token.application), token.purpose, code)
        return Begun(
            question=question,
            before=last.request_id if last is not None else b"",
            asked=Asked(to=subject.msisdn, text=text, code=code, expires_at=question.open_until),
            token=token,
            tariff=_tariff(consumer, token),
            sandbox=consumer.sandbox,
            suspicion=suspicion,
        )

    async def send(self, tenant: str, begun: Begun, body: bytes, *, deadline: float) -> None:
        """Ask a question that was written down; where that fails, the request is denied.

        Errors: those of the port. Nobody knows then whether the subscriber sees it, and his answer
        counts for nothing. ``body`` is that of the request.
        """
        way, began = self._ways[tenant], self._clock.monotonic()
        deadline = min(deadline, began + way.rules.timeout_s)
        try:
            await way.people.ask(begun.asked, deadline=deadline)
        except EcsError:
            self._count(tenant, Became.NOT_ASKED)
            await self._withdraw(tenant, begun.question, body)
            raise
        self._count(tenant, Became.ASKED)
        token = begun.token
        usage = Usage(
            usage_id=begun.question.request_id[:_USAGE_ID_BYTES],
            at_ms=int(self._clock.now() * 1000),
            client_id=token.client_id,
            application=token.application,
            api=OUT_OF_BAND,
            operation=way.people.by.value,
            purpose=token.purpose,
            method=Method.CHALLENGE,
            outcome=Outcome.ASKED,
            status=200,
            subject_ref=self._reference(tenant, begun.question.msisdn),
            tariff=begun.tariff,
            suspicion=begun.suspicion,
            sandbox=begun.sandbox,
            duration_us=int((self._clock.monotonic() - began) * 1e6),
        )
        await self._books.record(
            tenant, self._books.priced(tenant, usage), expires_at=begun.question.open_until
        )

    async def hear(self, tenants: Sequence[str], heard: Heard) -> bool:
        """Take an answer that came by the way of some tenants; say whether it settled a question.

        Nothing is raised: an answer that cannot be kept is one that never came.
        """
        try:
            for tenant in tenants:
                settled = await self._heard(tenant, heard)
                if settled is not None:
                    return settled
        except EcsError as error:
            structlog.get_logger().warning("answer_not_kept", reason=error.reason)
        except Exception as error:
            # A fault of ours must not end listening.
            say_fault(error)
        return False

    async def run(self) -> None:
        """Count what nobody answers, for ever."""
        pace = Pace(every_s=_LOOKS_EVERY_S, away_s=_LOOKS_EVERY_S)
        await keep_looking(
            self.count_silent,
            pace,
            failed="questions_not_counted",
            again="questions_counted_again",
        )

    async def count_silent(self) -> None:
        """Count the questions that are over and that nobody answered, whichever worker asked them.

        Who closes one counts it, so it is counted once; errors are those of the store, after
        which the rest is counted the next time. A question that was kept and never sent, since its
        worker ended between, is one that nobody answered.
        """
        now = int(self._clock.now())
        # Whoever was asked before was counted then, or there was nobody to count for a day.
        since = self._counted_at - _LONGEST_LIFE_S
        while closed := await self._rows.close_all_unanswered(
            until=now - _LATE_S, asked_since=since
        ):
            for tenant in closed:
                if tenant in self._ways:
                    self._count(tenant, Became.TIMED_OUT)
        self._counted_at = now - _LATE_S

    async def _heard(self, tenant: str, heard: Heard) -> bool | None:
        """Return whether an answer settled a question; None = it is to none of this tenant's."""
        now, rules = int(self._clock.now()), self._ways[tenant].rules
        question = await self._rows.question(tenant, heard.number)
        if question is None or question.open_until <= now:
            return None
        state, became, closes = RequestState.GRANTED, Became.AGREED, question
        if not heard.agrees:
            state, became = RequestState.DENIED, Became.REFUSED
            closes = replace(question, quiet_until=now + rules.pace.rest_s)
        elif not await self._rows.tried(tenant, question, most=rules.tries):
            # It is counted before it is looked at, so that many at once are no more than so many.
            state, became = RequestState.DENIED, Became.TRIED_TOO_OFTEN
        elif not hmac.compare_digest(
            self._proof(tenant, question.request_id, heard.code), question.proof
        ):
            self._say(tenant, question, Became.WRONG_CODE)
            return False
        row = await self._rows.request(tenant, question.request_id)
        if row is None:
            return None
        body = proved_at(row.body, now) if state is RequestState.GRANTED else row.body
        settled = await self._rows.settle(
            tenant, row.request_id, state, body, now=now, closes=closes
        )
        self._say(tenant, question, became if settled else Became.TOO_LATE)
        return settled

    async def _withdraw(self, tenant: str, question: Question, body: bytes) -> None:
        try:
            await self._rows.settle(
                tenant,
                question.request_id,
                RequestState.DENIED,
                body,
                now=int(self._clock.now()),
                closes=question,
            )
        except EcsError as error:
            # It ends by itself.
            structlog.get_logger().warning("question_not_withdrawn", reason=error.reason)

    async def _suspicion(self, tenant: str, token: AccessToken) -> str:
        if token.subject is None:
            return ""
        found = await self._lines.by_imsi(tenant, token.subject.imsi, token_id=token.token_id)
        if found.line is None:
            return ""
        try:
            return self._fraud.judge(found.line.sim_since, at=self._clock.now())
        except NotAllowed as error:
            # 403 at this endpoint (CIBA §13).
            raise OAuthRefused(OAuthError.ACCESS_DENIED, error.reason, status=403) from None

    def _code(self, tenant: str, way: QuestionWay, last: Question | None) -> str:
        """Return a code that the question before did not have: its answer may come still."""
        while True:
            if way.people.by is AskedBy.USSD:
                code = str(secrets.randbelow(MOST_SESSION + 1))
            else:
                digits = way.rules.digits
                code = f"{secrets.randbelow(10**digits):0{digits}}"
            if last is None or self._proof(tenant, last.request_id, code) != last.proof:
                return code

    def _proof(self, tenant: str, request_id: bytes, code: str) -> bytes:
        value = f"{request_id.hex()}|{code}"
        return self._keys.ring.derive(tenant, "question", value, _PROOF_BYTES)

    def _reference(self, tenant: str, number: Msisdn) -> str:
        return self._keys.ring.reference(tenant, "msisdn", number.digits, now=self._clock.now())

    def _count(self, tenant: str, became: Became) -> None:
        self._metrics.count_question(tenant, self._ways[tenant].people.by.value, became.value)

    def _say(self, tenant: str, question: Question, became: Became) -> None:
        self._count(tenant, became)
        structlog.get_logger().info(
            "question_answered",
            tenant=tenant,
            by=self._ways[tenant].people.by.value,
            subscriber_ref=self._reference(tenant, question.msisdn),
            outcome=became.value,
        )


def _tariff(consumer: Consumer, token: AccessToken) -> str:
    """Return the tariff of what the token will be for; of several APIs, of the first by name."""
    found = (consumer.permission(scope) for scope in sorted(token.scopes))
    return next((each.tariff for each in found if each is not None), "")


def _text(rules: QuestionRules, name: str, purpose: str, code: str) -> str:
    """Return what is asked, as one message; raise `OAuthRefused` where it cannot be."""
    called = rules.purposes.get(purpose) or in_words(purpose)
    known = rules.text.replace("{code}", code).replace("{purpose}", called)
    for text in (known.replace("{consumer}", each) for each in shorter(name)):
        if fits(text):
            return text
    raise OAuthRefused(OAuthError.INVALID_SCOPE, "question_too_long")
