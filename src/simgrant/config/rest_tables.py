"""The settings of BSS APIs whose answers the operator describes, part of ``config.bss_tables``."""

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


class RestAnswer(Section, frozen=True):
    """Whom an answer is about, and what says that there is no such subscription."""

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


class RestRequest(RestAnswer, frozen=True):
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
    aspects: dict[str, RestAspect] = {}
    """What is read, by aspect."""


class SesEntitlements(RestAnswer, frozen=True):
    """`POST …/entitlements`, and what its answer means: that is not public, and yours to say, as in
    `[bss.NAME.requests.NAME]` of type `rest`."""

    names: tuple[str, ...] = ("VoLTE", "VoWiFi")
    """`entitlement-names`: what is asked about."""
    device_category: str = "regular"
    """`device-category`: `regular` or `android-whitelist`."""
    msisdn_category: str = "native"
    """`msisdn-category`: `native` or `virtual`."""
    user_id: str = "{imsi}"
    """`user-id`, which may have what paths of `rest` may have; empty = it is not sent."""
    aspects: dict[str, RestAspect] = {}
    """What is read, by aspect."""


class SesCheck(RestAnswer, frozen=True):
    """`POST …/esimEligibilityCheck`, and `…/checkSubsTransEligibility` where a line is to be moved:
    whether a device may get an eSIM, asked before one is ordered."""

    on: bool = False
    """Whether it is asked."""
    qualified: RestAspect = RestAspect()
    """What says `true` or `false`. Its default must say `false`, or not be set."""
    reason: str = ""
    """JSONPath of why not, for the operator's records; empty = it is not read."""
    client_type: str = ""
    """`clientType`; empty = it is not sent."""


class Ses(Section, frozen=True):
    """Requests as Ericsson's Secure Entitlement Server sends them to an operator's BSS, for an
    operator who leaves that product (experimental: nobody has tried it with such a BSS)."""

    context: str = ""
    """What paths begin with, behind `url`: the market. May have `{tenant}`. The operations are at
    `/CONTEXT/esintegration/v1.0/esim/`."""
    operator_id: str = ""
    """`operator-id` and `operatorId`; empty = they are not sent."""
    device_type: str = "Handheld"
    """`x-device-type`."""
    auth_mode: Literal["AKA", "GBA", "IP", "OTHER"] = "AKA"
    """`x-deviceauth-mode`: how the device proved who it is."""
    nsds_version: str = "1.0"
    """`x-nsds-version`."""
    headers: dict[str, str] = {}
    """Headers besides these and `X-Correlation-ID`, such as `x-transaction-id`; they may have what
    headers of `rest` may have."""
    entitlements: SesEntitlements = SesEntitlements()
    """A table of its own."""
    check: SesCheck = SesCheck()
    """Likewise."""
