"""What the settings say of who brings events, and what those of TM Forum mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from simgrant.config.bss import address_problem, api_problems
from simgrant.config.model import Settings, Tenant
from simgrant.config.section import unknown_tenants
from simgrant.domain.bss_events import Change

_MOST_QUERY: Final = 2_048


def event_problems(settings: Settings, tenants: Mapping[str, Tenant]) -> Iterator[str]:
    """Name what would let nobody bring events, or the wrong one, or lose what they mean."""
    events = settings.events
    if bool(events.tls_certificate) != bool(events.tls_key):
        yield "events: tls_certificate and tls_key go together"
    if events.client_ca and not events.tls_certificate:
        yield "events.client_ca: without tls_certificate nobody shows a certificate"
    if events.listen and not settings.event_senders:
        yield "events: there is no [event_senders.NAME]: nobody could bring any"
    yield from _senders(settings, tenants)
    yield from _rules(settings)
    yield from _topics(settings, tenants)
    yield from _hubs(settings)


def _senders(settings: Settings, tenants: Mapping[str, Tenant]) -> Iterator[str]:
    clients: dict[tuple[str, str], str] = {}
    for name, sender in settings.event_senders.items():
        where = f"event_senders.{name}"
        certified = sender.tls_sha256 or sender.tls_subjects
        if not (sender.token_file or sender.client_ids or certified):
            yield f"{where}: needs token_file, client_ids, tls_sha256 or tls_subjects"
        if certified and not settings.events.client_ca:
            yield f"{where}: without events.client_ca no certificate is asked for"
        yield from unknown_tenants(f"{where}.tenant", (sender.tenant,), tenants)
        if sender.client_ids and not any(
            not issuer.tenants or sender.tenant in issuer.tenants
            for issuer in settings.issuers.values()
        ):
            yield f"{where}.client_ids: tenant {sender.tenant} has none of the [issuers.NAME]"
        for client_id in sender.client_ids:
            if (other := clients.setdefault((sender.tenant, client_id), name)) != name:
                yield f"{where}.client_ids: {client_id} is also {other}'s"


def _rules(settings: Settings) -> Iterator[str]:
    known = [each.value for each in Change]
    for name, rule in settings.event_rules.items():
        if rule.change not in known:
            yield f"event_rules.{name}.change: {rule.change!r} is none of {', '.join(known)}"
        for sender in rule.senders:
            if sender not in settings.event_senders and sender not in settings.event_topics:
                yield (
                    f"event_rules.{name}.senders: there is no [event_senders.{sender}] and no "
                    f"[event_topics.{sender}]"
                )


def _topics(settings: Settings, tenants: Mapping[str, Tenant]) -> Iterator[str]:
    for name, topic in settings.event_topics.items():
        where = f"event_topics.{name}"
        if name in settings.event_senders:
            # An event is known by who brought it and its id.
            yield f"{where}: there is an [event_senders.{name}] as well"
        for key in ("brokers", "topic", "group"):
            if not getattr(topic, key):
                yield f"{where}.{key}: must be set"
        yield from unknown_tenants(f"{where}.tenant", (topic.tenant,), tenants)
        if topic.dead_letters and topic.dead_letters == topic.topic:
            yield f"{where}.dead_letters: it is the topic itself"
        if bool(topic.certificate) != bool(topic.key):
            yield f"{where}: certificate and key go together"
        if not topic.tls and (topic.certificate or topic.ca_file):
            yield f"{where}: ca_file, certificate and key are for tls"
        if bool(topic.sasl) != bool(topic.user and topic.password_file):
            yield f"{where}: sasl, user and password_file go together"


def _hubs(settings: Settings) -> Iterator[str]:
    callbacks: dict[str, str] = {}
    for name, hub in settings.event_hubs.items():
        where = f"event_hubs.{name}"
        yield from api_problems(where, hub)
        # It is the hub that calls there: whether in clear, its operator has said by `plain`.
        if text := address_problem(hub.callback, plain=hub.plain):
            yield (
                f"{where}.callback: {hub.callback!r} {text}"
                if hub.callback
                else (f"{where}.callback: must be set")
            )
        elif (other := callbacks.setdefault(hub.callback, name)) != name:
            # A hub has a callback once: the two would take each other's away.
            yield f"{where}.callback: it is also that of [event_hubs.{other}]"
        if hub.sender not in settings.event_senders:
            yield f"{where}.sender: there is no [event_senders.{hub.sender}]"
        if not settings.events.listen:
            yield f"{where}: without events.listen it brings them to nobody"
        if len(hub.query) > _MOST_QUERY or not hub.query.isprintable():
            yield f"{where}.query: is no query"
