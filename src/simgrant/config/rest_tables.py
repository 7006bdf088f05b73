"""The settings of BSS APIs that are described by the operator, part of ``config.bss_tables``."""

from __future__ import annotations

from typing import Any, Literal

from simgrant.config.section import Section


class RestAspect(Section, frozen=True):
    """What an answer tells, and what it means (see [Connecting a BSS](../bss.md#rest)). The aspects
    are `status`, `plan`, `options`, `refusals`, `terms`, `address`, `provisioning`, `visited_plmn`,
    `msisdn`, `number_type`, `prepaid`, `port_freeze`, `customer_since` and `sim_since`."""

    path: str = ""
    """JSONPath of the value. For `options` and `refusals`: of the list, or of the names in it."""
    features: dict[str, str] = {}
    """For `options` and `refusals`, in place of `path`: for each feature of the policy the JSONPath
    of what says `true` or `false` of it."""
    meanings: dict[str, str] = {}
    """What values mean, in our words. Empty = they are our words. Nothing (`""`) is as if it were
    not told; in `options` and `refusals` the value is passed over, and for `visited_plmn` the
    network is not known."""
    default: str | None = None
    """What all other values mean. Without it, one that has no meaning spoils the whole answer."""
    missing: Literal["refuse", "unknown", "default"] = "refuse"
    """What it means that it is not told: `refuse` = the whole answer is no use, `unknown` = what
    simgrant's own store says holds, `default` = the same as any other value."""
    dates: str = ""
    """How times are written, if neither as RFC 3339 nor in Unix seconds: `ms` (Unix milliseconds)
    or a format such as `%d.%m.%Y` (of UTC where it has no zone)."""


class RestRequest(Section, frozen=True):
    """One request of a look-up. Those that tell what is wanted are sent at the same time."""

    method: Literal["GET", "POST", "PUT"] = "GET"
    """It must change nothing: it may be sent twice."""
    path: str = ""
    """Path and query, behind `url`. May have `{imsi}`, `{msisdn}` (digits), `{e164}` (with `+`),
    `{tenant}` and `{correlation_id}` (another UUID for each look-up), percent-encoded; braces
    themselves are doubled. Who has no number here cannot be asked about by it: 503."""
    headers: dict[str, str] = {}
    """Headers besides those of all requests, which may have the same."""
    body: dict[str, Any] = {}
    """JSON to send, as a table; its texts may have the same."""
    not_found: tuple[int, ...] = (404,)
    """Statuses that say that there is no such subscription. With `nobody`, the answer has to say so
    too, or it is no use: a path that is wrong has this status as well."""
    nobody: str = ""
    """JSONPath of what says that there is no such subscription; empty = the status alone does."""
    nobody_values: tuple[str, ...] = ()
    """The values of that which say so, `[]` for a list without anything in it, and `null`; empty =
    anything but `null`."""
    echo: tuple[str, ...] = ()
    """JSONPaths of the number or IMSI of whom an answer is about. It must have one, and all that it
    has must be those of the one asked about; a `+` or `tel:` before a number is no matter."""
    unchecked: bool = False
    """Take answers that do not say whom they are about, in place of `echo`."""
    aspects: dict[str, RestAspect] = {}
    """What is read, by aspect."""
