"""Who keeps us registered at hubs, made of the settings."""

from __future__ import annotations

import random
from typing import Final
from urllib.parse import urlsplit

from simgrant.adapters.events.hub import TmfHub
from simgrant.compose.bss import open_api
from simgrant.compose.clock import CLOCK
from simgrant.config.load import Loaded
from simgrant.errors import StartRefused
from simgrant.flows.event_hubs import HubKeeper, HubVisitor, Wanted
from simgrant.links.api import ApiLink
from simgrant.ports.event_hubs import HubRows, HubState, Registration
from simgrant.telemetry.metrics import Metrics

# Jitter has no need of a good source of chance.
_CHANCE: Final = random.Random().random  # noqa: S311
_MOST_BYTES: Final = 262_144
"""Of an answer: a list of all listeners of a hub, at most."""


def open_keeper(loaded: Loaded, rows: HubRows, metrics: Metrics) -> HubKeeper | None:
    """Return who keeps us registered, to be run; None = nowhere. Raise StartRefused."""
    visitors = [open_visitor(loaded, name, rows) for name in loaded.settings.event_hubs]
    if not visitors:
        return None

    def watch(name: str, state: HubState) -> None:
        metrics.show_event_hub(name, state.value, [each.value for each in HubState])

    return HubKeeper(visitors, rows, clock=CLOCK, chance=_CHANCE, watch=watch)


def open_visitor(loaded: Loaded, name: str, rows: HubRows) -> HubVisitor:
    """Return who sees to one hub; raise StartRefused where a file is no use."""
    table = loaded.settings.event_hubs[name]
    wanted = Wanted(
        tenant=loaded.settings.event_senders[table.sender].tenant,
        name=name,
        registration=Registration(table.url, table.callback, table.query),
        every_s=table.every_s,
        renew_s=table.renew_s,
        looks=table.look,
        timeout_s=table.timeout_s,
    )
    hub = TmfHub(open_link(loaded, name), table.url)
    return HubVisitor(wanted, hub, rows, clock=CLOCK, chance=_CHANCE)


def open_link(loaded: Loaded, name: str) -> ApiLink:
    """Return a link to whoever has a hub; raise StartRefused where a file is no use."""
    table = loaded.settings.event_hubs[name]
    parts = urlsplit(table.url)
    try:
        return open_api(
            loaded,
            f"event_hubs.{name}",
            table,
            CLOCK,
            root=f"{parts.scheme}://{parts.netloc}",
            timeout_s=table.timeout_s,
            most_bytes=_MOST_BYTES,
        )
    except StartRefused as error:
        raise StartRefused(f"event_hubs.{name}: {error}") from None
