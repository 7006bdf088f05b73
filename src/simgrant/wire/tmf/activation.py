"""Services that are switched in the network, at once or after a while (TMF640)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from simgrant.nouns import Word
from simgrant.wire.tmf.inventory import ServiceState
from simgrant.wire.tmf.parts import (
    Characteristics,
    Part,
    Reference,
    Text,
    characteristics_of,
    push_characteristics,
)

MERGE_PATCH: Final = "application/merge-patch+json"


class Outcome(Word):
    """How far what a monitor watches is."""

    UNDER_WAY = "under_way"
    DONE = "done"
    FAILED = "failed"


_OUTCOMES: Final = {
    "acknowledged": Outcome.UNDER_WAY,
    "inprogress": Outcome.UNDER_WAY,
    "pending": Outcome.UNDER_WAY,
    "completed": Outcome.DONE,
    "done": Outcome.DONE,
    "succeeded": Outcome.DONE,
    "failed": Outcome.FAILED,
    "inerror": Outcome.FAILED,
    "cancelled": Outcome.FAILED,
    "rejected": Outcome.FAILED,
}
"""By the state in lower case: servers do not agree about that, nor about all the words."""


class Service(Part, frozen=True):
    """A service, as it is asked for or told of."""

    id: Text = ""
    href: Text = ""
    state: Text = ""
    service_specification: Reference = Reference()
    service_characteristic: Characteristics = ()

    @property
    def values(self) -> Mapping[str, str]:
        """Return its characteristics by name."""
        return characteristics_of(self.service_characteristic)


class Monitor(Part, frozen=True):
    """What tells how far an activation is."""

    id: Text = ""
    href: Text = ""
    state: Text = ""
    source_href: Text = ""

    @property
    def outcome(self) -> Outcome | None:
        """Return how far it is; None = its state is a word that nobody knows."""
        return _OUTCOMES.get(self.state.replace("_", "").replace("-", "").lower())


def push_service(specification: str, state: ServiceState, values: Mapping[str, str]) -> bytes:
    """Return a service that is to be created."""
    content: dict[str, Any] = {
        "name": specification,
        "state": state,
        "serviceSpecification": {"id": specification},
        "serviceCharacteristic": push_characteristics(values),
    }
    return msgspec.json.encode(content)


def push_state(state: ServiceState) -> bytes:
    """Return the change of a service that switches it."""
    return msgspec.json.encode({"state": state})


def monitor_id(location: str) -> str:
    """Return which monitor an address names; empty = it names none."""
    path, slash, id_ = location.partition("?")[0].rstrip("/").rpartition("/")
    return id_ if slash and path.endswith("/monitor") else ""
