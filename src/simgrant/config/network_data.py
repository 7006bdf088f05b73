"""What the settings say of who is asked about subscribers, and how long what he says is good."""

from __future__ import annotations

from collections.abc import Iterator

from simgrant.config.model import Settings
from simgrant.domain.network_facts import Age, Kind, Kinds


def tells_of(settings: Settings) -> dict[str, Kinds]:
    """Return what each source is asked for, by its name; whoever tells nothing is left out."""
    tables = {
        **{f"hss.{name}": table.tells for name, table in settings.hss.items()},
        **{f"udm.{name}": table.tells for name, table in settings.udm.items()},
    }
    return {name: Kinds(map(Kind, tells)) for name, tells in tables.items() if tells}


def network_data_problems(settings: Settings) -> Iterator[str]:
    """Name what leaves a request no time."""
    data, longest_s = settings.network_data, settings.server.request_timeout_s
    if any(tells_of(settings).values()) and data.timeout_s >= longest_s:
        yield (
            f"network_data.timeout_s: {data.timeout_s} leaves nothing of the {longest_s} seconds "
            "that a request has (server.request_timeout_s)"
        )


def ages(settings: Settings) -> dict[Kind, Age]:
    """Return how long each kind is good."""
    data = settings.network_data
    return {
        Kind.NUMBER: Age(fresh_s=data.number_max_age_s, max_s=data.number_max_age_s),
        Kind.LOCATION: Age(fresh_s=data.location_fresh_s, max_s=settings.roaming.max_age_s),
        Kind.REGISTRATION: Age(
            fresh_s=data.registration_fresh_s, max_s=data.registration_max_age_s
        ),
    }
