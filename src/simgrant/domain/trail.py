"""The record of one request: filled on the way, written once at the end.

The same record is the log line, a row in the store and what ``explain`` and the
console show; it therefore holds no identity and no secret in clear, only keyed
references.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from simgrant.domain.facts import Facts
from simgrant.domain.policy import Decision


@dataclass(slots=True)
class Trail:
    """What happened in one request. The only mutable thing that a request carries."""

    request_id: str
    tenant: str = ""
    subscriber_ref: str = ""
    terminal_ref: str = ""
    source_ref: str = ""
    """Keyed hash of the source address."""
    leg: str = ""
    """``start``, ``answer``, ``token`` or ``none``: which kind of request it was."""
    apps: tuple[str, ...] = ()
    unknown_apps: tuple[str, ...] = ()
    spec_version: str = ""
    app_name: str = ""
    user_agent: str = ""
    status: int = 0
    outcome: str = ""
    """``document``, ``challenge``, or the reason code of the error that ended it."""
    detail: str = ""
    """For the operator; no identity, no secret."""
    facts: Facts | None = None
    decisions: list[Decision] = field(default_factory=list)
    peers_us: dict[str, int] = field(default_factory=dict)
    """Microseconds waited for each peer, by its name."""
