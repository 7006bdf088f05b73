"""How events of the operator's systems come in: the listener, and who reads topics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import structlog

from simgrant.compose.clock import CLOCK
from simgrant.compose.event_hubs import open_keeper
from simgrant.config import event_tables as tables
from simgrant.config.load import Loaded
from simgrant.domain.bss_events import Change
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.errors import StartRefused
from simgrant.flows.bss_waiting import WaitingOrders
from simgrant.flows.event_batches import EventBatches
from simgrant.flows.event_hubs import HubKeeper
from simgrant.flows.event_reading import EventReader, Hurry, Names, Rule, nobody_waits
from simgrant.flows.issuers import Issuers
from simgrant.fronts.bss.app import Call, EventsFront, Limits
from simgrant.fronts.bss.senders import Sender, Senders
from simgrant.fronts.management.orders import read_token
from simgrant.links.secret_file import SecretFile
from simgrant.nouns import noun
from simgrant.ports.bss_events import EventIntake
from simgrant.ports.event_hubs import HubRows
from simgrant.telemetry.metrics import Metrics


def event_reader(loaded: Loaded) -> EventReader:
    """Return what reads events of every system."""
    events = loaded.settings.events
    return EventReader(
        map(_rule, loaded.settings.event_rules.values()),
        Names(
            imsi=_lower(events.imsi_names),
            msisdn=_lower(events.msisdn_names),
            new_imsi=_lower(events.new_imsi_names),
            iccid=_lower(events.iccid_names),
            terminal_id=_lower(events.terminal_names),
            plan=_lower(events.plan_names),
            plans=events.plans,
            client_id=_lower(events.client_id_names),
            application=_lower(events.application_names),
            purpose=_lower(events.purpose_names),
            apis=_lower(events.api_names),
            expires_at=_lower(events.expires_at_names),
            evidence=_lower(events.evidence_names),
        ),
    )


class Topic(Protocol):
    """Something that events are read from."""

    async def run(self) -> None:
        """Read it until it is cancelled."""


@noun
class WaysIn:
    """How events come in."""

    front: EventsFront | None
    """None where nobody brings any by HTTP."""
    topics: tuple[Topic, ...]
    """To be run by one worker of a node."""
    hubs: HubKeeper | None
    """Likewise; None where we register nowhere."""


def open_ways_in(
    loaded: Loaded,
    intake: EventIntake,
    rows: HubRows,
    issuers: Issuers,
    metrics: Metrics,
    waiting: WaitingOrders | None,
) -> WaysIn:
    """Return how events come in; raise StartRefused where a file of it is no use.

    Whoever is ``waiting`` for orders of BSSs is told of which of them events tell.
    """
    hurry: Hurry = waiting.hurry if waiting is not None else nobody_waits
    front = None
    if loaded.settings.events.listen:
        front = _front(loaded, intake, issuers, metrics, hurry)
    hubs = open_keeper(loaded, rows, metrics)
    return WaysIn(front, _topics(loaded, intake, metrics, hurry), hubs)


def _front(
    loaded: Loaded, intake: EventIntake, issuers: Issuers, metrics: Metrics, hurry: Hurry
) -> EventsFront:
    settings = loaded.settings

    def record(call: Call) -> None:
        metrics.count_event_call(call.sender, call.answer)
        if call.answer >= 400:
            structlog.get_logger().warning(
                "events_called",
                sender=call.sender,
                answer=call.answer,
                reason=call.reason,
                taken=call.taken,
                aside=call.aside,
                ms=round(call.seconds * 1000, 1),
            )

    return EventsFront(
        intake,
        open_senders(loaded, issuers),
        event_reader(loaded),
        clock=CLOCK,
        record=record,
        limits=Limits(
            in_flight=settings.events.in_flight,
            of_sender=settings.events.of_sender,
            timeout_s=settings.server.request_timeout_s,
            most_bytes=settings.events.max_body,
        ),
        hurry=hurry,
    )


def _topics(
    loaded: Loaded, intake: EventIntake, metrics: Metrics, hurry: Hurry
) -> tuple[Topic, ...]:
    found: list[Topic] = []
    reader = event_reader(loaded)
    for name, table in loaded.settings.event_topics.items():
        batches = EventBatches(
            intake, reader, tenant=table.tenant, source=name, clock=CLOCK, hurry=hurry
        )
        show_lag = partial(metrics.show_event_lag, name)
        found.append(open_topic(loaded, name, table)(batches, show_lag))
    return tuple(found)


def open_topic(
    loaded: Loaded, name: str, table: tables.EventTopic
) -> Callable[[EventBatches, Callable[[int], None]], Topic]:
    """Return what makes a topic of who takes its batches over, and who is shown its lag.

    Raise StartRefused where a file of it is no use. No broker is asked.
    """
    try:
        # Its client is an extra, and loaded where there is a topic.
        from simgrant.adapters.events import kafka
    except ImportError:
        raise StartRefused(f"event_topics.{name}: install simgrant with the extra kafka") from None
    config = kafka.Config(
        name=name,
        brokers=table.brokers,
        topic=table.topic,
        group=table.group,
        dead_letters=table.dead_letters,
        batch=table.batch,
        start=table.start,
        session_timeout_s=table.session_timeout_s,
        tls=table.tls,
        ca_file=loaded.path(table.ca_file) if table.ca_file else None,
        certificate=loaded.path(table.certificate) if table.certificate else None,
        key=loaded.path(table.key) if table.key else None,
        sasl=table.sasl,
        user=table.user,
        password_file=loaded.path(table.password_file) if table.password_file else None,
    )
    try:
        client = kafka.client_settings(config)
    except StartRefused as error:
        raise StartRefused(f"event_topics.{name}: {error}") from None
    return partial(kafka.KafkaTopic, config, client)


def open_senders(loaded: Loaded, issuers: Issuers) -> Senders:
    """Return who may bring events; raise StartRefused where a file of one is no use."""
    tables = loaded.settings.event_senders
    return Senders((_sender(loaded, *each) for each in tables.items()), issuers=issuers)


def _sender(loaded: Loaded, name: str, table: tables.EventSender) -> Sender:
    token: Callable[[], str] | None = None
    if table.token_file:
        try:
            token = SecretFile(loaded.path(table.token_file), read_token).value
        except StartRefused as error:
            raise StartRefused(f"event_senders.{name}.token_file: {error}") from None
    return Sender(
        name=name,
        tenant=table.tenant,
        token=token,
        client_ids=frozenset(table.client_ids),
        sha256=frozenset(table.tls_sha256),
        subjects=frozenset(table.tls_subjects),
    )


def _rule(table: tables.EventRule) -> Rule:
    return Rule(
        change=Change(table.change),
        status=SubscriptionStatus(table.status) if table.status else None,
        senders=frozenset(table.senders),
        event_types=table.event_types,
        states=frozenset(_lower(table.states)),
        values=_lower(table.values),
    )


def _lower(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text.lower() for text in texts)
