"""Service orders: what is to be added or changed in the network, with orchestration (TMF641)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from simgrant.wire.tmf.inventory import ServiceState
from simgrant.wire.tmf.order import Action
from simgrant.wire.tmf.parts import Part, Text, push_characteristics


class ServiceOrder(Part, frozen=True):
    """An order, as far as it says how it is doing; its states are those of product orders."""

    id: Text = ""
    external_id: Text = ""
    state: Text = ""


def push_service_order(
    external_id: str,
    *,
    specification: str,
    service: str,
    state: ServiceState,
    values: Mapping[str, str],
) -> bytes:
    """Return an order that brings a service into a state; empty ``service`` = a new one."""
    what: dict[str, Any] = {
        "name": specification,
        "state": state,
        "serviceSpecification": {"id": specification},
        "serviceCharacteristic": push_characteristics(values),
    }
    if service:
        what["id"] = service
    action = Action.MODIFY if service else Action.ADD
    return msgspec.json.encode(
        {
            "externalId": external_id,
            "orderItem": [{"id": "1", "action": action, "service": what}],
        }
    )
