"""Push channels and how notices go."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from simgrant.compose.clock import CLOCK
from simgrant.config import model
from simgrant.config.load import Loaded
from simgrant.errors import StartRefused
from simgrant.flows.notices import Rules as NoticeRules
from simgrant.links.http import HttpConfig
from simgrant.ports.notifier import Notifier
from simgrant.services import SERVICES
from simgrant.wire.push_token import Channel

_CLAIMED_AT_ONCE = 250
"""Notices; one who claims many holds the others up."""


def open_notifiers(loaded: Loaded) -> dict[str, dict[Channel, Notifier]]:
    """Return each tenant's push channels; raise StartRefused where a file of one is no use."""
    found: dict[str, dict[Channel, Notifier]] = {name: {} for name in loaded.tenants}
    for kind, build in _CHANNELS.items():
        tables: dict[str, Any] = getattr(loaded.settings, kind)
        named = {tenant for table in tables.values() for tenant in table.tenants}
        for name, table in tables.items():
            try:
                notifier = build(loaded, table)
            except ImportError:
                raise StartRefused(
                    f"{kind}.{name}: install simgrant with the extra {kind}"
                ) from None
            except StartRefused as error:
                raise StartRefused(f"{kind}.{name}: {error}") from None
            for tenant in table.tenants or found.keys() - named:
                found[tenant][notifier.channel] = notifier
    return found


def sms_apps(loaded: Loaded, tenant: str) -> tuple[str, ...]:
    """Return the applications that a tenant's SIMs are told of by SMS, if no client registered."""
    tables = loaded.settings.sms.values()
    if loaded.settings.push.sms == "never" or not any(
        tenant in table.tenants or not table.tenants for table in tables
    ):
        return ()
    return tuple(app_id for app_id, service in SERVICES.items() if service.notifiable)


def _fcm(loaded: Loaded, table: model.Fcm) -> Notifier:
    from simgrant.adapters.notify import fcm

    config = fcm.Config(
        service_account=loaded.path(table.service_account),
        http=_http(loaded, "fcm", table),
        url=table.url,
        project=table.project,
        priority=table.priority,
    )
    return fcm.open_notifier(config, clock=CLOCK)


def _apns(loaded: Loaded, table: model.Apns) -> Notifier:
    from simgrant.adapters.notify import apns

    config = apns.Config(
        key_file=loaded.path(table.key_file),
        key_id=table.key_id,
        team_id=table.team_id,
        topic=table.topic,
        topics=table.topics,
        http=_http(loaded, "apns", table),
        url=table.url,
    )
    return apns.open_notifier(config, clock=CLOCK)


def _wns(loaded: Loaded, table: model.Wns) -> Notifier:
    from simgrant.adapters.notify import wns

    config = wns.Config(
        client_id=table.client_id,
        client_secret=loaded.path(table.client_secret_file),
        http=_http(loaded, "wns", table),
        token_url=table.token_url,
        scope=table.scope,
    )
    return wns.open_notifier(config, clock=CLOCK)


def _sms(loaded: Loaded, table: model.Sms) -> Notifier:
    from simgrant.adapters.notify import sms
    from simgrant.links.smpp import SmppConfig

    config = sms.Config(
        smpp=SmppConfig(
            host=table.host,
            port=table.port,
            system_id=table.system_id,
            password_file=loaded.path(table.password_file),
            system_type=table.system_type,
            tls=table.tls,
            window=table.window,
        ),
        source=table.source,
        source_ton=table.source_ton,
        source_npi=table.source_npi,
        port=table.device_port,
        addressing=table.addressing,
    )
    return sms.open_notifier(config, clock=CLOCK)


def _http(loaded: Loaded, peer: str, table: model.PushChannel) -> HttpConfig:
    hosts = []
    for text in table.connect_to:
        name, _, place = text.partition("=")
        address, _, port = place.rpartition(":")
        hosts.append((name, address.strip("[]"), int(port)))
    return HttpConfig(
        peer=peer,
        ca_file=loaded.path(table.ca_file) if table.ca_file else None,
        proxy=table.proxy,
        hosts=tuple(hosts),
    )


# What they are made of is imported when there is one: a server that tells nobody loads no client.
_CHANNELS: dict[str, Callable[[Loaded, Any], Notifier]] = {
    "fcm": _fcm,
    "apns": _apns,
    "wns": _wns,
    "sms": _sms,
}


def notice_rules(settings: model.Push) -> NoticeRules:
    """Return how notices go."""
    return NoticeRules(
        life_s=settings.life_s,
        # Nobody else takes a notice over while it may still be under way, or waits to be settled.
        lease_s=math.ceil(2 * settings.timeout_s) + 5,
        timeout_s=settings.timeout_s,
        first_pause_s=settings.first_pause_s,
        longest_pause_s=settings.longest_pause_s,
        batch=min(_CLAIMED_AT_ONCE, settings.in_flight),
        in_flight=settings.in_flight,
        poll_s=settings.poll_s,
    )
