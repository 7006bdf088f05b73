"""A trail as JSON: the log line and the stored record are the same text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from simgrant.domain.facts import Fact, Facts
from simgrant.domain.policy import Decision
from simgrant.domain.trail import Trail

_encode = msgspec.json.Encoder().encode
_FACTS = tuple(field.name for field in fields(Facts))
_KEPT = tuple(name for name in _FACTS if name != "features")
"""What a record keeps; the features follow from the plan and the policy's version."""
_kept: Callable[[Facts], tuple[Fact[Any], ...]] = attrgetter(*_KEPT)
_facts: Callable[[Facts], tuple[Fact[Any], ...]] = attrgetter(*_FACTS)


def push_trail(trail: Trail, *, now: float, seconds: float) -> bytes:
    """Return the record of a finished request as one line of JSON, without the line's end.

    A fact is ``[value, source]``, with its age in seconds as a third where it can grow old.
    """
    second = int(now)
    record: dict[str, Any] = {
        "at": f"{_second(second)}.{int((now - second) * 1000):03d}Z",
        "event": "request",
        "request_id": trail.request_id,
        "tenant": trail.tenant,
        "leg": trail.leg,
        "status": trail.status,
        "outcome": trail.outcome,
        "ms": round(seconds * 1000, 3),
        "subscriber_ref": trail.subscriber_ref,
        "terminal_ref": trail.terminal_ref,
        "apps": trail.apps,
        "spec_version": trail.spec_version,
        "user_agent": trail.user_agent,
        "peers_us": trail.peers_us,
    }
    if trail.source_ref:
        record["source_ref"] = trail.source_ref
    if trail.unknown_apps:
        record["unknown_apps"] = trail.unknown_apps
    if trail.app_name:
        record["app_name"] = trail.app_name
    if trail.detail:
        record["detail"] = trail.detail
    if trail.decisions:
        record["policy"] = trail.decisions[0].policy_version
        record["decisions"] = [decision_record(decision) for decision in trail.decisions]
    if trail.facts is not None:
        record["facts"] = {
            name: (
                (fact.value, fact.source)
                if fact.at is None
                else (fact.value, fact.source, second - fact.at)
            )
            for name, fact in zip(_KEPT, _kept(trail.facts), strict=True)
        }
    return _encode(record)


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    """Return the ISO 8601 text of a second, made once for all its requests."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def facts_record(facts: Facts, *, now: float) -> dict[str, dict[str, Any]]:
    """Return each fact with its source, and its age in seconds where it can grow old."""
    second = int(now)
    return {
        name: (
            {"value": fact.value, "source": fact.source}
            if fact.at is None
            else {"value": fact.value, "source": fact.source, "age_s": second - fact.at}
        )
        for name, fact in zip(_FACTS, _facts(facts), strict=True)
    }


def decision_record(decision: Decision) -> dict[str, str]:
    """Return what was asked, what was decided, by which rule and why."""
    return {
        "feature": decision.question.feature,
        "area": decision.question.area,
        "result": decision.result,
        "reason": decision.reason,
        "rule": decision.rule,
    }
