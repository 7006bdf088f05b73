"""Events for consumers' sinks, made of the settings: subscriptions, and who empties the outbox."""

from __future__ import annotations

from ipaddress import ip_network

from simgrant.adapters.camara_sinks.web import MOST_BYTES, WebSinks
from simgrant.compose.camara_apis import home_plmns, open_consents
from simgrant.compose.consumers import ConsumerParts, open_outside
from simgrant.config.load import Loaded
from simgrant.flows.camara.notifications import NotificationRules, Notifications, Source
from simgrant.flows.camara.subscribing import SubscriptionRules, Subscriptions
from simgrant.nouns import noun
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store
from simgrant.telemetry.metrics import Metrics

_SLACK_S = 30
"""Seconds that a claimed event is kept beside its call: for the store, and for waiting."""


@noun
class EventParts:
    """``notifications`` is to be run, ``sinks`` closed."""

    notifications: Notifications
    sinks: WebSinks


def open_subscriptions(loaded: Loaded, store: Store, keys: Keys) -> Subscriptions:
    """Return who makes and ends subscriptions."""
    settings = loaded.settings
    return Subscriptions(
        store.camara_events,
        keys,
        rules=SubscriptionRules(
            most=settings.camara_events.subscriptions,
            ahead_s=settings.camara_events.token_ahead_s,
            networks=tuple(map(ip_network, settings.camara_outside.networks)),
        ),
    )


def open_events(
    loaded: Loaded, store: Store, known: ConsumerParts, keys: Keys, metrics: Metrics, clock: Clock
) -> EventParts:
    """Return who tells sinks; raise StartRefused where a file is no use."""
    settings = loaded.settings.camara_events
    sinks = WebSinks(open_outside(loaded, "consumers' sinks", MOST_BYTES, clock))
    notifications = Notifications(
        store.camara_events,
        sinks,
        known.consumers,
        lines=store.camara_lines,
        permits=open_consents(loaded, store),
        sources={
            name: Source(url=url, home_plmns=home_plmns(loaded, name))
            for name, url in loaded.camara_urls.items()
        },
        keys=keys,
        clock=clock,
        metrics=metrics,
        rules=NotificationRules(
            life_s=settings.life_hours * 3600,
            lease_s=int(settings.timeout_s) + _SLACK_S,
            timeout_s=settings.timeout_s,
            first_pause_s=settings.first_pause_s,
            longest_pause_s=settings.longest_pause_s,
            in_flight=settings.in_flight,
            poll_s=settings.poll_s,
        ),
    )
    return EventParts(notifications, sinks)
