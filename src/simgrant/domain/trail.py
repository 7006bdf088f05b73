"""The record of one request: filled on the way, written once at the end.

The same record is the log line, a row in the store and what ``explain`` and the
console show; it therefore holds no identity and no secret in clear, only keyed
references.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from simgrant.domain.facts import Device
from simgrant.domain.policy import Decision
from simgrant.nouns import noun


@noun
class Verdict:
    """What was decided on which facts; the same for all requests in the same circumstances."""

    decisions: tuple[Decision, ...]
    record: bytes = field(repr=False)
    """Decisions and facts as they stand in a record."""


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
    """``start``, ``answer``, ``token``, ``temporary_token``, ``operator_token``, ``access_token``,
    ``requestor_token``, ``oidc``, ``otp``, ``web_view`` or ``none``: the kind of request it was. Of
    partners: ``jwt_bearer``, ``client_credentials``, ``ciba``, ``authorization_code``,
    ``bc_authorize``, ``authorize``, ``introspect``, ``revoke``, ``discovery`` or ``partner``."""
    apps: tuple[str, ...] = ()
    unknown_apps: tuple[str, ...] = ()
    spec_version: str = ""
    app_name: str = ""
    user_agent: str = ""
    profile: str = ""
    """The profile of clients that it fits."""
    status: int = 0
    outcome: str = ""
    """``document``, ``challenge``, ``redirect``, ``code_sent``, ``key_set``, ``method``, what page
    was shown (``agree``, ``address``, ``suggestions``, ``offers``, ``done``, ``not_offered``,
    ``closed``, ``no_page``), or the reason code of the error that ended it."""
    detail: str = ""
    """For the operator; no identity, no secret."""
    verdict: Verdict | None = None
    operation: str = ""
    """The operation asked for, as TS.43 spells it; ``unknown`` for any other word."""
    operation_result: int = 0
    """Its OperationResult; 0 while there is none."""
    requestor: str = ""
    """Of a system that asks by itself: the partner, and behind a slash the enterprise that it may
    act for, if it named one."""
    device: Device | None = None
    times: dict[str, int] = field(default_factory=dict)
    """Unix seconds at which the sources of the facts told them, by source."""
    peers_us: dict[str, int] = field(default_factory=dict)
    """Microseconds waited for each peer, by its name."""
    vector_source: str = ""
    """Who gave the vector, where that is not the first source of its route."""
    hedged_to: str = ""
    """The source that was asked for a vector besides another, which took long."""
