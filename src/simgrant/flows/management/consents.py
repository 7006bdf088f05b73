"""Calls on what a subscriber has agreed to, and on what he holds besides his plan."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from simgrant.domain.access import Scope
from simgrant.domain.holdings import (
    HeldBoost,
    HeldSatellite,
    HeldUsage,
    Holding,
    Purchase,
)
from simgrant.domain.subscription import Consent, ConsentKind, ConsentStatus
from simgrant.flows import subscriptions
from simgrant.flows.management.call import Asked, Call, Done, Query
from simgrant.flows.management.problem import Code, Problem
from simgrant.flows.management.shapes import ConsentState, Moment, Short
from simgrant.flows.management.subscriptions import ONE
from simgrant.nouns import replace
from simgrant.wire.instant import pull_instant

_CONSENT: Final = ONE + "/consents/{kind}"
_BOOST: Final = ONE + "/holdings/boosts/{boost_type}"
_USAGE: Final = ONE + "/holdings/usage/{counter}"
_SATELLITE: Final = f"{ONE}/holdings/satellite"
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class GivenConsent(msgspec.Struct):
    """A consent as it is kept."""

    kind: Literal["terms", "address"]
    status: ConsentState
    version: str
    """Which text was agreed to, or the identifier of the address."""
    at: str | None
    expires_at: str | None
    """From when on it counts as missing; null = never."""


class Consents(msgspec.Struct):
    """The consents of a subscription; one that was never given is not among them."""

    items: list[GivenConsent]


class ConsentChange(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How far a consent is from now on."""

    status: ConsentState = "given"
    version: Short = ""
    """Which text was agreed to, or the identifier of the address."""
    expires_at: Moment | None = None
    """From when on it counts as missing."""


class Holdings(msgspec.Struct):
    """What a subscription holds, an object for each thing."""

    items: list[dict[str, str | int | None]]


class Boost(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A data boost that was bought."""

    purchase: Literal["in_progress", "active", "untracked"] = "active"
    """How far it is."""
    until: Moment | None = None
    """When it ends by itself."""


class Usage(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How much data was used."""

    used: _Count
    """Bytes in this cycle."""
    allowance: _Count | None = None
    """Bytes; null = no limit."""
    cycle_end: Moment | None = None


class Satellite(msgspec.Struct, forbid_unknown_fields=True):
    """Whether the subscriber has switched satellite service on."""

    status: Literal["given", "missing", "in_progress", "not_required"] = "given"


async def _consents(asked: Asked[Query, None]) -> Done:
    desk = asked.desk
    found = await desk.one(asked.path["subscription"])
    held = await desk.store.consents(desk.tenant, found.imsi)
    data = [subscriptions.consent_data(held[kind]) for kind in sorted(held)]
    return Done(content=Consents(msgspec.convert(data, list[GivenConsent])))


async def _give(asked: Asked[Query, ConsentChange]) -> Done:
    said = asked.body
    return await _set_consent(
        asked, ConsentStatus(said.status), said.version, _seconds("expires_at", said.expires_at)
    )


async def _withdraw(asked: Asked[Query, None]) -> Done:
    return await _set_consent(asked, ConsentStatus.MISSING, "", None)


async def _set_consent(
    asked: Asked[Query, ConsentChange] | Asked[Query, None],
    status: ConsentStatus,
    version: str,
    expires_at: int | None,
) -> Done:
    desk = asked.desk
    found = await desk.one(asked.path["subscription"])
    consent = Consent(ConsentKind(asked.path["kind"]), status, version, desk.now, expires_at)
    await desk.doing(found.imsi, f"{consent.kind}={status}").set_consent(
        desk.tenant, found.imsi, consent
    )
    return Done(content=msgspec.convert(subscriptions.consent_data(consent), GivenConsent))


async def _holdings(asked: Asked[Query, None]) -> Done:
    desk = asked.desk
    found = await desk.one(asked.path["subscription"])
    held = await desk.store.holdings(desk.tenant, found.imsi)
    return Done(content=Holdings(subscriptions.holdings_data(held)))


async def _put_boost(asked: Asked[Query, Boost]) -> Done:
    said = asked.body
    until = _seconds("until", said.until)
    return await _hold(asked, HeldBoost(_type(asked), Purchase(said.purchase), until))


async def _end_boost(asked: Asked[Query, None]) -> Done:
    return await _hold(asked, HeldBoost(_type(asked), Purchase.ACTIVE), ended=True)


async def _put_usage(asked: Asked[Query, Usage]) -> Done:
    said, counter = asked.body, asked.path["counter"]
    end = _seconds("cycle_end", said.cycle_end)
    return await _hold(asked, HeldUsage(counter, said.used, said.allowance, end))


async def _end_usage(asked: Asked[Query, None]) -> Done:
    return await _hold(asked, HeldUsage(asked.path["counter"], 0), ended=True)


async def _put_satellite(asked: Asked[Query, Satellite]) -> Done:
    return await _hold(asked, HeldSatellite(ConsentStatus(asked.body.status)))


async def _end_satellite(asked: Asked[Query, None]) -> Done:
    return await _hold(asked, HeldSatellite(ConsentStatus.MISSING), ended=True)


async def _hold(asked: Asked[Query, Any], holding: Holding, *, ended: bool = False) -> Done:
    desk = asked.desk
    found = await desk.one(asked.path["subscription"])
    holding = replace(holding, at=desk.now)
    await desk.doing(found.imsi, type(holding).__name__).set_holding(
        desk.tenant, found.imsi, holding, ended=ended
    )
    return Done(status=204)


def _type(asked: Asked[Query, Any]) -> int:
    return int(asked.path["boost_type"])


def _seconds(name: str, text: str | None) -> int | None:
    """Return a time in Unix seconds; raise `Problem`."""
    if text is None:
        return None
    try:
        return pull_instant(text)
    except ValueError:
        raise Problem(Code.INVALID, f"{name}: there is no such time") from None


CALLS: Final = (
    Call(
        name="list_consents",
        group="consents",
        method="GET",
        path=f"{ONE}/consents",
        scope=Scope.CONSENTS_READ,
        about="List the consents of a subscription",
        run=_consents,
        answer=Consents,
        problems=(Code.REMOVED,),
    ),
    Call(
        name="put_consent",
        group="consents",
        method="PUT",
        path=_CONSENT,
        scope=Scope.CONSENTS_WRITE,
        about="Say how far a consent is; devices are told",
        run=_give,
        body=ConsentChange,
        answer=GivenConsent,
        problems=(Code.REMOVED,),
    ),
    Call(
        name="withdraw_consent",
        group="consents",
        method="DELETE",
        path=_CONSENT,
        scope=Scope.CONSENTS_WRITE,
        about="Withdraw a consent; devices are told",
        run=_withdraw,
        answer=GivenConsent,
        problems=(Code.REMOVED,),
    ),
    Call(
        name="list_holdings",
        group="holdings",
        method="GET",
        path=f"{ONE}/holdings",
        scope=Scope.HOLDINGS_READ,
        about="List boosts, counters and the like",
        run=_holdings,
        answer=Holdings,
        problems=(Code.REMOVED,),
    ),
    *(
        Call(
            name=name,
            group="holdings",
            method=method,
            path=path,
            scope=Scope.HOLDINGS_WRITE,
            about=about,
            run=run,
            body=body,
            status=204,
            problems=(Code.REMOVED,),
        )
        for name, method, path, run, body, about in (
            ("put_boost", "PUT", _BOOST, _put_boost, Boost, "Say that a data boost was bought"),
            ("end_boost", "DELETE", _BOOST, _end_boost, type(None), "Say that a boost is over"),
            ("put_usage", "PUT", _USAGE, _put_usage, Usage, "Say how much data was used"),
            ("end_usage", "DELETE", _USAGE, _end_usage, type(None), "Forget a counter"),
            (
                "put_satellite",
                "PUT",
                _SATELLITE,
                _put_satellite,
                Satellite,
                "Say whether satellite service is switched on",
            ),
            (
                "end_satellite",
                "DELETE",
                _SATELLITE,
                _end_satellite,
                type(None),
                "Forget what was said of satellite service",
            ),
        )
    ),
)
