"""Questions out of band, made of the settings: who is asked by what, and who listens."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial

from simgrant.compose.consumers import ConsumerParts
from simgrant.config import texts
from simgrant.config.load import Loaded
from simgrant.config.questions import Questions as Table
from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.questions import QuestionPace
from simgrant.flows.camara.questions import QuestionRules, Questions, QuestionWay
from simgrant.flows.limits import Rate, Throttle
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.questions import AskedBy, AsksPeople
from simgrant.ports.store import Store
from simgrant.telemetry.metrics import Metrics
from simgrant.wire.negotiate import best_text


@named_noun
class QuestionParts:
    """Who asks, and the gateways, each with the tenants whose subscribers it reaches."""

    questions: Questions | None
    """None = nobody is asked."""
    people: tuple[tuple[AsksPeople, tuple[str, ...]], ...] = ()

    def work(self) -> tuple[Coroutine[None, None, None], ...]:
        """Return what has to be run beside answering."""
        if self.questions is None:
            return ()
        listening = (
            people.run(partial(self.questions.hear, tenants)) for people, tenants in self.people
        )
        return (self.questions.run(), *listening)

    async def close(self) -> None:
        """Let go of every connection."""
        for people, _ in self.people:
            await people.close()


def open_questions(
    loaded: Loaded, store: Store, known: ConsumerParts, keys: Keys, metrics: Metrics, clock: Clock
) -> QuestionParts:
    """Return it; raise StartRefused where a file is no use."""
    ways: dict[str, QuestionWay] = {}
    people = []
    for name, table in loaded.settings.questions.items():
        tenants = asked_tenants(loaded, name)
        if not tenants:
            continue
        asks = _people(loaded, table, loaded.tenants[tenants[0]].language, clock)
        people.append((asks, tenants))
        most = table.per_consumer_and_minute
        throttle = Throttle(
            "consumer_asks_too_often",
            Rate(most, most / 60),
            remembered=loaded.settings.limits.remembered,
        )
        for tenant in tenants:
            rules = _rules(table, loaded.tenants[tenant].language)
            ways[tenant] = QuestionWay(people=asks, rules=rules, throttle=throttle)
    if not ways:
        return QuestionParts(questions=None)
    questions = Questions(
        ways,
        rows=store.camara_tokens,
        lines=store.camara_lines,
        books=known.books,
        fraud=known.fraud,
        metrics=metrics,
        keys=keys,
        clock=clock,
    )
    return QuestionParts(questions=questions, people=tuple(people))


def asked_tenants(loaded: Loaded, name: str) -> tuple[str, ...]:
    """Return the tenants whose subscribers are asked by a table of `questions`."""
    tables = loaded.settings.questions
    if tables[name].tenants:
        return tables[name].tenants
    named = {tenant for each in tables.values() for tenant in each.tenants}
    return tuple(tenant for tenant in loaded.tenants if tenant not in named)


def believed(loaded: Loaded, tenant: str) -> frozenset[Method]:
    """Return the proofs that a tenant believes besides those that APIs ask for."""
    believes = any(
        table.proves_numbers and tenant in asked_tenants(loaded, name)
        for name, table in loaded.settings.questions.items()
    )
    return frozenset({Method.CHALLENGE}) if believes else frozenset()


def _people(loaded: Loaded, table: Table, language: str, clock: Clock) -> AsksPeople:
    # Its client is an extra, as is the database's: most servers ask nobody.
    from simgrant.adapters.questions import smpp
    from simgrant.links.smpp import SmppConfig

    host, _, port = table.gateway.rpartition(":")
    return smpp.open_questions(
        smpp.Config(
            smpp=SmppConfig(
                host=host.strip("[]"),
                port=int(port),
                system_id=table.system_id,
                password_file=loaded.path(table.password_file),
                system_type=table.system_type,
                tls=table.tls,
                window=table.window,
                listens=True,
            ),
            by=AskedBy(table.by),
            source=table.source,
            source_ton=table.source_ton,
            source_npi=table.source_npi,
            service_type=table.service_type,
            end_text=best_text(texts.QUESTION_END | table.end_text, (language,)),
        ),
        clock=clock,
    )


def _rules(table: Table, language: str) -> QuestionRules:
    return QuestionRules(
        life_s=table.life_s,
        timeout_s=table.timeout_s,
        digits=table.digits,
        tries=table.tries,
        pace=QuestionPace(
            per_hour=table.per_hour, per_day=table.per_day, rest_s=table.rest_minutes * 60
        ),
        text=best_text(table.texts, (language,)),
        purposes=table.purposes,
    )
