"""Consumers of partner APIs as each worker knows them, their keys, books and limits."""

from __future__ import annotations

from ipaddress import ip_network

from simgrant.adapters.consumer_keys.web import MOST_BYTES, WebKeys
from simgrant.compose.clock import CLOCK
from simgrant.config.load import Loaded
from simgrant.flows.camara import quotas
from simgrant.flows.camara.books import Books
from simgrant.flows.camara.consumer_keys import ConsumerKeys
from simgrant.flows.camara.consumers import Consumers
from simgrant.flows.camara.fraud import Fraud, FraudRules, Reaction
from simgrant.flows.camara.quotas import Quotas
from simgrant.flows.limits import Rate
from simgrant.links.http import HttpConfig
from simgrant.links.outside import OutsideLink
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.store import Store


@named_noun
class ConsumerParts:
    """What is known of consumers; ``consumers`` and ``quotas`` are to be run, ``keys`` closed."""

    consumers: Consumers
    keys: ConsumerKeys
    books: Books
    quotas: Quotas
    fraud: Fraud


async def open_consumers(loaded: Loaded, store: Store, clock: Clock = CLOCK) -> ConsumerParts:
    """Return it, with all consumers read; raise StartRefused where they, or a file, are no use."""
    settings = loaded.settings
    consumers = Consumers(store.consumers, loaded.tenants)
    await consumers.load()
    counts = Quotas(store.usage, clock, rules=quotas.Rules(count_s=settings.camara_usage.count_s))
    outside = open_outside(loaded, "consumers' keys", MOST_BYTES, clock)
    return ConsumerParts(
        consumers=consumers,
        keys=ConsumerKeys(WebKeys(outside, clock)),
        books=Books(store.usage, consumers, counts.used),
        quotas=counts,
        fraud=open_fraud(loaded),
    )


def open_outside(loaded: Loaded, peer: str, most_bytes: int, clock: Clock = CLOCK) -> OutsideLink:
    """Return how addresses are asked that consumers name; ``peer`` names them in errors."""
    settings = loaded.settings.camara_outside
    config = HttpConfig(
        peer=peer,
        ca_file=loaded.path(settings.ca_file) if settings.ca_file else None,
        connect_timeout_s=settings.connect_timeout_s,
        in_flight=settings.in_flight,
        most_bytes=most_bytes,
    )
    return OutsideLink(config, clock, allowed=tuple(map(ip_network, settings.networks)))


def open_fraud(loaded: Loaded) -> Fraud:
    """Return the limits against fraud."""
    settings = loaded.settings.camara_limits
    return Fraud(
        FraudRules(
            number=_hourly(settings.per_number_and_hour),
            number_consumer=_hourly(settings.per_number_and_consumer),
            device=_hourly(settings.per_device_and_hour),
            sim_age_h=settings.sim_age_h,
            reaction=Reaction(settings.new_sim),
        )
    )


def _hourly(most: int) -> Rate:
    return Rate(most, most / 3_600)
