"""Settings of what partners use: how long it is kept, how much is too much, who is asked."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated, Literal

from simgrant.config.section import Section, Within

if TYPE_CHECKING:
    from simgrant.config.model import Settings


class CamaraUsage(Section, frozen=True):
    """What consumers of partner APIs used (see [Consumers](../open-gateway-consumers.md))."""

    keep_months: Annotated[int, Within(2, 240)] = 24
    """Months (of 31 days) that it is kept, for invoices and what is disputed about them."""
    count_s: Annotated[float, Within(0.1, 300)] = 5.0
    """Seconds between two looks at what all workers wrote, for the quotas of the month. A quota is
    overshot at most by what the others answer in that time."""


class CamaraLimits(Section, frozen=True):
    """Limits against fraud with partner APIs; each worker counts for itself. 0 = no limit."""

    per_number_and_hour: Annotated[int, Within(0, 1_000_000)] = 30
    """Access tokens and questions about one number, of all consumers."""
    per_number_and_consumer: Annotated[int, Within(0, 1_000_000)] = 15
    """Those of one consumer, in an hour."""
    per_device_and_hour: Annotated[int, Within(0, 1_000_000)] = 30
    """Access tokens that are got with temporary tokens of one device."""
    sim_age_h: Annotated[int, Within(0, 2_400)] = 72
    """Hours for which a line's SIM is a new one. 0 = none ever is."""
    new_sim: Literal["nothing", "mark", "refuse"] = "mark"
    """What is done about a line with a new SIM: `mark` writes it into the usage, `refuse` lets it
    prove nothing."""


class CamaraOutside(Section, frozen=True):
    """How addresses are asked that consumers name: of their keys, and of their notifications."""

    networks: tuple[str, ...] = ()
    """Networks that are not public and may be asked all the same, such as `10.20.0.0/16`."""
    ca_file: str = ""
    """PEM file of certificates to trust besides the system's."""
    connect_timeout_s: Annotated[float, Within(0.1, 60)] = 3.0
    """Seconds for TCP and TLS together."""
    in_flight: Annotated[int, Within(1, 10_000)] = 20
    """Requests under way at a time, with each of them."""


class CamaraEvents(Section, frozen=True):
    """Subscriptions of consumers to events, and how these are told (see [Open Gateway
    events](../open-gateway-events.md)). They go where `[camara_outside]` lets anything go."""

    subscriptions: Annotated[int, Within(1, 10_000_000)] = 100_000
    """The most that one consumer may have."""
    life_hours: Annotated[int, Within(1, 168)] = 24
    """Hours for which an event is tried to be delivered."""
    token_ahead_s: Annotated[int, Within(0, 3_600)] = 60
    """Seconds before a sink's access token expires at which the subscription ends, and says so."""
    timeout_s: Annotated[float, Within(0.5, 60)] = 5.0
    """Seconds for one call to a sink."""
    first_pause_s: Annotated[float, Within(0.5, 600)] = 2.0
    """Seconds before an event is tried again for the first time; then twice as long each time."""
    longest_pause_s: Annotated[float, Within(30, 7_200)] = 600.0
    """The most of these."""
    in_flight: Annotated[int, Within(1, 1_000)] = 32
    """Events that one worker delivers at a time."""
    poll_s: Annotated[float, Within(0.1, 60)] = 1.0
    """Seconds between two looks for events when there were none."""


def camara_books_problems(settings: Settings) -> Iterator[str]:
    """Name what would forget bills, count nothing, or open the network."""
    for text in settings.camara_outside.networks:
        try:
            ip_network(text)
        except ValueError as error:
            yield f"camara_outside.networks: {error}"
