"""An explanation as plain data, for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from simgrant.config.model import Profile, Settings
from simgrant.domain.facts import ACTIVATION
from simgrant.domain.order import Order, OrderState
from simgrant.domain.policy import RuleTrace
from simgrant.flows.explain import Explanation, Fitted
from simgrant.flows.moments import moment
from simgrant.flows.subscriptions import as_data
from simgrant.telemetry.record import decision_record, facts_record
from simgrant.wire.document import Characteristic, Item, Parm


def explained_data(found: Explanation, settings: Settings, at: int) -> dict[str, Any]:
    """Return an explanation; ``at`` is the Unix seconds to which ages are told."""
    told = facts_record(found.facts, now=at)
    facts = {name: entry for name, entry in told.items() if is_told(found, name)}
    for name, entry in facts.items():
        value = getattr(found.facts, name).value
        if isinstance(value, frozenset):
            entry["value"] = sorted(value)
        elif name in ("offer", "wish", "store", "companions"):
            entry["value"] = str(value)
        elif type(value) is tuple:
            entry["value"] = list(map(str, value))
        elif name == "device":
            entry["value"] = {part: getattr(value, part) for part in value.__slots__}
        elif name == "provisioning":
            entry["value"] = value.name.lower()
    return {
        "subscription": as_data(found.subscription),
        "refusal": found.refusal or None,
        "limit": found.limit or None,
        "facts": facts,
        "decisions": [
            decision_record(each.decision)
            | {
                "policy": each.decision.policy_version,
                "tried": [_trace_data(trace) for trace in each.tried],
            }
            for each in found.explained
        ],
        "application": {
            "app_id": found.application.app_id,
            "items": items_data(found.application.items),
        },
        "devices": [_device_data(each) for each in found.devices],
        "client": None if found.fitted is None else _client_data(found, found.fitted, settings),
        "records": list(found.records),
    }


def _device_data(order: Order) -> dict[str, Any]:
    return {
        "order": order.order_id,
        "state": order.state.value,
        "going": order.going.value if order.going else None,
        "since": moment(order.changed_at),
        "reason": order.reason or None,
    }


def on_its_way(order: Order) -> str:
    """Return in words what the network is asked for; empty = nothing."""
    if order.going is None:
        return ""
    goes = "on" if order.going is OrderState.ACTIVE else "off"
    back = order.going is order.state is not OrderState.ENDED
    return f"{'back ' if back else ''}{goes} in the network"


def _client_data(found: Explanation, fitted: Fitted, settings: Settings) -> dict[str, Any]:
    """Return which profile a client is of, by what, and what that changes in the document."""
    was, now = dict(_paths(fitted.plain.items)), dict(_paths(found.application.items))
    return {
        "profile": fitted.client.profile.name,
        "version": str(fitted.client.version),
        "tried": [
            {"profile": name, "conditions": [each._asdict() for each in conditions]}
            for name, conditions in fitted.tried
        ],
        "switches": switches(settings, fitted.client.profile.name),
        "removed": {path: value for path, value in was.items() if now.get(path) != value},
        "added": {path: value for path, value in now.items() if was.get(path) != value},
    }


def _paths(items: Iterable[Item], above: str = "") -> Iterable[tuple[str, str]]:
    """Yield each parameter with its path; of several alike, their places are counted from 0."""
    for item in items:
        if isinstance(item, Parm):
            yield f"{above}{item.name}", item.value
        elif isinstance(item, Characteristic):
            yield from _paths(item.items, f"{above}{item.type}/")
        else:
            for place, entry in enumerate(item.entries):
                yield from _paths(entry.items, f"{above}{item.type}/{place}/{entry.type}/")


def _trace_data(trace: RuleTrace) -> dict[str, Any]:
    failed = trace.failed and {
        "condition": trace.failed.condition,
        "values": {name: value for name, value, *_ in trace.failed.values},
    }
    return {
        "rule": trace.rule,
        "when": trace.when,
        "held": trace.held,
        "failed": failed,
        "with": trace.allowance.text or None,
        "care": trace.care or None,
        "error": trace.error or None,
    }


def items_data(items: Iterable[Item]) -> dict[str, Any]:
    """Return what an application says, as plain data by the names on the wire."""
    found: dict[str, Any] = {}
    for item in items:
        if isinstance(item, Parm):
            found[item.name] = item.value
        elif isinstance(item, Characteristic):
            found[item.type] = items_data(item.items)
        else:
            found[item.type] = [{entry.type: items_data(entry.items)} for entry in item.entries]
    return found


def is_told(found: Explanation, name: str) -> bool:
    """Say whether a fact is about what was asked: those of eSIMs are gathered for them alone."""
    return name not in ACTIVATION or found.facts.kind.value is not None


def switches(settings: Settings, name: str) -> dict[str, Any]:
    """Return what a profile does differently, as its settings say it."""
    usual = msgspec.structs.asdict(Profile())
    own = msgspec.structs.asdict(settings.profiles[name])
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in own.items()
        if key != "match" and value != usual[key]
    }
