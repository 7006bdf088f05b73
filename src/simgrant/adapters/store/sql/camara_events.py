"""The port ``CamaraEvents`` over any ``Engine``, and what others write when a line changes.

A statement for each change of a line is all that costs: it writes a row for every subscription
there is to the line's number, and mostly there is none.
"""

# ruff: noqa: S608 - what is put into these texts is other texts of this module.

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from simgrant.adapters.store.sql.camara_usage import USAGE_RECORDED, recorded
from simgrant.adapters.store.sql.engine import Body, Engine, Params, Run, RunMany
from simgrant.adapters.store.sql.statements import SHARD_NUMBERS, change_unheld, shard_of
from simgrant.domain.camara.event_subscription import (
    Befell,
    EndReason,
    Event,
    EventSubscription,
    EventType,
    Happening,
    ended_event,
)
from simgrant.domain.camara.usage import Usage
from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.identities import Msisdn
from simgrant.nouns import replace
from simgrant.ports.camara_events import Added, Claim, Due, Judge

_COLUMNS: Final = "tenant, subscription_id, event_id, befell, at, plmn, event, due_at, mark, tries"
_ROW: Final = "tenant = ?1 AND subscription_id = ?2 AND event_id = ?3"
_ALL_ROWS: Final = "tenant = ?1 AND subscription_id = ?2"

SUBSCRIPTION_MADE: Final = """
INSERT INTO camara_subscription
    (tenant, subscription_id, client_id, api, msisdn, state, body, shard)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
"""
SUBSCRIPTIONS_COUNTED: Final = """
SELECT count(*) FROM (
    SELECT 1 FROM camara_subscription WHERE tenant = ?1 AND client_id = ?2 LIMIT ?3
) AS counted
"""
SUBSCRIPTION: Final = f"""
SELECT body, msisdn FROM camara_subscription WHERE {_ALL_ROWS} AND state = ?3
"""
SUBSCRIPTIONS: Final = """
SELECT subscription_id, body FROM camara_subscription
WHERE tenant = ?1 AND client_id = ?2 AND api = ?3 AND state = ?4
ORDER BY subscription_id LIMIT ?5
"""
# Changes nothing, and keeps others from judging anything of it until the transaction ends.
SUBSCRIPTION_HELD: Final = f"""
UPDATE camara_subscription SET shard = shard WHERE {_ALL_ROWS} RETURNING state, body
"""
SUBSCRIPTION_WRITTEN: Final = f"""
UPDATE camara_subscription SET state = ?3, body = ?4 WHERE {_ALL_ROWS}
"""
SUBSCRIPTION_FORGOTTEN: Final = f"DELETE FROM camara_subscription WHERE {_ALL_ROWS}"
SUBSCRIPTIONS_OF_NUMBER_FORGOTTEN: Final = """
DELETE FROM camara_subscription WHERE tenant = ?1 AND msisdn = ?2 RETURNING subscription_id
"""

SINK_TOKENS: Final = """
SELECT tenant, subscription_id, body FROM camara_subscription
WHERE (tenant, subscription_id) > (?1, ?2) ORDER BY tenant, subscription_id LIMIT ?3
"""

NOTIFICATION_KEPT: Final = f"""
INSERT INTO camara_notification ({_COLUMNS}, shard)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT (tenant, subscription_id, event_id) DO NOTHING
"""
HAPPENED: Final = f"""
INSERT INTO camara_notification ({_COLUMNS}, shard)
SELECT tenant, subscription_id, ?3, ?4, ?5, ?6, ?7, 0, 0, 0, shard
FROM camara_subscription WHERE tenant = ?1 AND msisdn = ?2 AND state = ?8
"""
# What is noted about a line may be as it was: judging sees that it is no news.
SWAP_NOTED: Final = f"""
INSERT INTO camara_notification ({_COLUMNS}, shard)
SELECT s.tenant, s.subscription_id, ?3, ?4,
    MAX(CASE WHEN m.mark = ?5 THEN m.at ELSE CAST(m.value AS BIGINT) END), ?7, ?8, 0, 0, 0, s.shard
FROM line_mark m
JOIN subscription l ON l.tenant = m.tenant AND l.imsi = m.imsi
JOIN camara_subscription s ON s.tenant = l.tenant AND s.msisdn = l.msisdn
WHERE m.tenant = ?1 AND m.imsi = ?2 AND m.mark IN (?5, ?6) AND s.state = ?9
GROUP BY s.tenant, s.subscription_id, s.shard
"""
ANY_SUBSCRIPTION: Final = "SELECT 1 FROM camara_subscription WHERE tenant = ?1 LIMIT 1"
NOTIFICATION_SHARDS_DUE: Final = f"""
SELECT shard FROM ({SHARD_NUMBERS}) AS numbers WHERE EXISTS (
    SELECT 1 FROM camara_notification n WHERE n.shard = numbers.shard AND n.due_at <= ?1
)
"""
NOTIFICATIONS_CLAIMED: Final = change_unheld(
    "UPDATE camara_notification SET due_at = ?3, mark = ?4, tries = tries + 1",
    key="tenant, subscription_id, event_id",
    which="shard = ?1 AND due_at <= ?2 ORDER BY due_at LIMIT ?5",
    returning="tenant, subscription_id, event_id, tries",
)
NOTIFICATION: Final = f"""
SELECT befell, at, plmn, event FROM camara_notification WHERE {_ROW} AND mark = ?4
"""
NOTIFICATION_JUDGED: Final = f"""
UPDATE camara_notification SET event = ?4 WHERE {_ROW}
"""
NOTIFICATION_LATER: Final = f"""
UPDATE camara_notification SET due_at = ?5 WHERE {_ROW} AND mark = ?4
"""
NOTIFICATION_WAITS: Final = f"""
UPDATE camara_notification SET due_at = ?4, tries = 0 WHERE {_ROW}
"""
NOTIFICATION_DONE: Final = f"DELETE FROM camara_notification WHERE {_ROW} AND mark = ?4"
NOTIFICATION_FORGOTTEN: Final = f"DELETE FROM camara_notification WHERE {_ROW}"
NOTIFICATIONS_FORGOTTEN: Final = f"DELETE FROM camara_notification WHERE {_ALL_ROWS}"
# What is not judged yet, the end of its time among it.
UNJUDGED_FORGOTTEN: Final = f"""
DELETE FROM camara_notification WHERE {_ALL_ROWS} AND event = ?3 AND event_id <> ?4
"""
OTHERS_THERE: Final = f"""
SELECT 1 FROM camara_notification WHERE {_ALL_ROWS} AND event_id <> ?3 LIMIT 1
"""

_ACTIVE: Final = "active"
_ENDED: Final = "ended"
_UNJUDGED: Final = b""
_END_ID: Final = "end"
_BATCH: Final = 500
_WAITS_S: Final = 2
"""Seconds after which the end is looked at again, while other events are still to be told."""
SWAPS: Final = frozenset({MarkName.SIM_SINCE, MarkName.ICCID})
"""Marks that tell of another SIM."""


class _Body(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A subscription, as its row has it."""

    client_id: str
    application: str = ""
    purpose: str = ""
    api: str
    type: EventType
    msisdn: str
    two_legs: bool
    sink: str
    access_token: bytes = b""
    token_expires_at: int = 0
    created_at: int
    expires_at: int = 0
    max_events: int = 0
    initial_event: bool | None = None
    sandbox: bool = False
    counted: int = 0
    sim_since: int = 0
    plmn: str = ""
    plmn_at: int = 0


class _EventBody(msgspec.Struct, omit_defaults=True):
    """An event, as its row has it."""

    type: str
    at: int
    roaming: bool | None = None
    mcc: str = ""
    ended: EndReason | None = None


_body_decoder = msgspec.msgpack.Decoder(_Body)
_event_decoder = msgspec.msgpack.Decoder(_EventBody)
_encode = msgspec.msgpack.Encoder().encode


class SqlCamaraEvents:
    """Subscriptions and what they are to be told, in tables (the ``CamaraEvents`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add(
        self,
        tenant: str,
        subscription: EventSubscription,
        *,
        happened: Happening | None,
        token_ends_at: int,
        most: int,
        usage: Usage,
        expires_at: int,
    ) -> Added:
        """Write one that is new with the row of its usage, if its consumer has fewer than most."""
        one = subscription
        shard = shard_of(one.subscription_id)
        # What happens to somebody's line is not to be found by a test number.
        number = "" if one.sandbox else one.msisdn.digits
        row = (tenant, one.subscription_id, one.client_id, one.api, number, _ACTIVE)
        waits: list[Params] = []
        for befell, due_at in (
            (Befell.EXPIRED, one.expires_at),
            (Befell.TOKEN_ENDS, token_ends_at),
        ):
            if due_at:
                waits.append(_unjudged(one, tenant, befell.value, Happening(befell, due_at), shard))
        if happened is not None:
            waits.append(_unjudged(one, tenant, _new_id(), happened, shard))

        def body() -> Body[Added]:
            ((count,),) = yield Run(SUBSCRIPTIONS_COUNTED, (tenant, one.client_id, most))
            if count >= most:
                return Added.FULL
            if not (yield Run(USAGE_RECORDED, recorded(tenant, usage, expires_at))):
                return Added.SPENT
            yield Run(SUBSCRIPTION_MADE, (*row, _from(one), shard))
            for params in waits:
                yield Run(NOTIFICATION_KEPT, params)
            return Added.DONE

        return await self._engine.transact(body)

    async def find(self, tenant: str, subscription_id: str) -> EventSubscription | None:
        """Return one that has not ended."""
        found = await self._engine.read(SUBSCRIPTION, (tenant, subscription_id, _ACTIVE))
        return _to(subscription_id, found[0][0]) if found else None

    async def list(
        self, tenant: str, client_id: str, api: str, *, limit: int
    ) -> Sequence[EventSubscription]:
        """Return a consumer's that have not ended."""
        params = (tenant, client_id, api, _ACTIVE, limit)
        found = await self._engine.read(SUBSCRIPTIONS, params, slow=True)
        return [_to(subscription_id, body) for subscription_id, body in found]

    async def end(self, tenant: str, subscription_id: str, reason: EndReason, *, at: int) -> bool:
        """End one, and tell the sink."""

        def body() -> Body[bool]:
            found = yield Run(SUBSCRIPTION_HELD, (tenant, subscription_id))
            if not found or found[0][0] != _ACTIVE:
                return False
            yield from _ended(tenant, _to(subscription_id, found[0][1]), reason, at=at)
            return True

        return await self._engine.transact(body)

    async def claim(self, *, now: int, again_at: int, limit: int) -> Sequence[Claim]:
        """Return rows that are due, of one shard."""
        shards = [shard for (shard,) in await self._engine.read(NOTIFICATION_SHARDS_DUE, (now,))]
        # In no order: of several who look at once, each is to find something of its own.
        for shard in random.sample(shards, len(shards)):
            mark = int.from_bytes(os.urandom(7))
            params = (shard, now, again_at, mark, limit)
            if found := await self._engine.write(NOTIFICATIONS_CLAIMED, params):
                return [
                    Claim(tenant, subscription_id, event_id, mark, tries)
                    for tenant, subscription_id, event_id, tries in found
                ]
        return ()

    async def take(self, claim: Claim, judge: Judge, *, now: int) -> Due | None:
        """Return what a row says, judged."""
        tenant = claim.tenant

        def body() -> Body[Due | None]:
            held = yield Run(SUBSCRIPTION_HELD, (tenant, claim.subscription_id))
            found = yield Run(NOTIFICATION, (*_key(claim), claim.mark))
            if not found:
                return None
            if not held:
                yield Run(NOTIFICATION_FORGOTTEN, _key(claim))
                return None
            state, subscription = held[0][0], _to(claim.subscription_id, held[0][1])
            befell, at, plmn, raw = found[0]
            if not raw:
                if state != _ACTIVE:
                    yield Run(NOTIFICATION_FORGOTTEN, _key(claim))
                    return None
                happened = Happening(Befell(befell), at, plmn)
                step = judge(tenant, subscription, happened)
                subscription = step.subscription
                event = step.event
                if event is None:
                    yield Run(NOTIFICATION_FORGOTTEN, _key(claim))
                else:
                    yield Run(NOTIFICATION_JUDGED, (*_key(claim), _from_event(event)))
                if step.ended is not None:
                    yield from _ended(tenant, subscription, step.ended, at=now)
                elif subscription != _to(claim.subscription_id, held[0][1]):
                    row = (tenant, claim.subscription_id, _ACTIVE, _from(subscription))
                    yield Run(SUBSCRIPTION_WRITTEN, row)
                return None if event is None else Due(subscription=subscription, event=event)
            event = _to_event(raw)
            if claim.event_id == _END_ID and (yield Run(OTHERS_THERE, _key(claim))):
                yield Run(NOTIFICATION_WAITS, (*_key(claim), now + _WAITS_S))
                return None
            return Due(subscription=subscription, event=event)

        return await self._engine.transact(body)

    async def done(self, claim: Claim) -> None:
        """Forget a row; and the subscription, where that was its end."""
        if claim.event_id == _END_ID:
            await self.drop(claim)
        else:
            await self._engine.write(NOTIFICATION_DONE, (*_key(claim), claim.mark))

    async def later(self, claim: Claim, *, again_at: int) -> None:
        """Have a row claimed again from then on."""
        await self._engine.write(NOTIFICATION_LATER, (*_key(claim), claim.mark, again_at))

    async def drop(self, claim: Claim) -> None:
        """Forget the subscription and all its rows."""
        key = (claim.tenant, claim.subscription_id)

        def body() -> Body[None]:
            yield Run(SUBSCRIPTION_FORGOTTEN, key)
            yield Run(NOTIFICATIONS_FORGOTTEN, key)

        await self._engine.transact(body)

    async def sink_tokens(
        self, *, after: tuple[str, str] = ("", "")
    ) -> Sequence[tuple[str, str, bytes]]:
        """Return the next batch of wrapped access tokens, in order of (tenant, id)."""
        found = await self._engine.read(SINK_TOKENS, (*after, _BATCH), slow=True)
        return [
            (tenant, its_id, _body_decoder.decode(body).access_token)
            for tenant, its_id, body in found
        ]

    async def rewrap(self, tenant: str, subscription_id: str, old: bytes, new: bytes) -> bool:
        """Replace a subscription's wrapped access token if it still is ``old``."""

        def body() -> Body[bool]:
            held = yield Run(SUBSCRIPTION_HELD, (tenant, subscription_id))
            if not held:
                return False
            state, one = held[0][0], _to(subscription_id, held[0][1])
            if one.access_token != old:
                return False
            row = (tenant, subscription_id, state, _from(replace(one, access_token=new)))
            yield Run(SUBSCRIPTION_WRITTEN, row)
            return True

        return await self._engine.transact(body)


# --- a part of others' transactions -----------------------------------------------------------


def happened(tenant: str, number: Msisdn | str | None, happening: Happening) -> Params | None:
    """Return as parameters of ``HAPPENED`` what befell the line with a number; None without one."""
    digits = number.digits if isinstance(number, Msisdn) else number
    if not digits:
        return None
    return (
        tenant,
        digits,
        _new_id(),
        happening.befell.value,
        happening.at,
        happening.plmn,
        _UNJUDGED,
        _ACTIVE,
    )


def all_happened(some: Iterable[Params | None]) -> Body[None]:
    """Write what befell lines, for each of the subscriptions there are to them."""
    params = [each for each in some if each is not None]
    if len(params) == 1:
        yield Run(HAPPENED, params[0])
    elif params:
        yield RunMany(HAPPENED, params)


def swap_noted(tenant: str, imsi: str) -> Params:
    """Return as parameters of ``SWAP_NOTED`` that the marks of a line's SIM were written."""
    marks = (MarkName.ICCID.value, MarkName.SIM_SINCE.value)
    return (tenant, imsi, _new_id(), Befell.SIM.value, *marks, "", _UNJUDGED, _ACTIVE)


def swaps_of(tenant: str, number: Msisdn | str | None, marks: Iterable[LineMark]) -> list[Params]:
    """Return as parameters of ``HAPPENED`` what marks that are written tell of SIM swaps.

    Whether it is news to a subscription is seen when it is judged.
    """
    swaps = []
    for mark in marks:
        at = int(mark.value) if mark.name is MarkName.SIM_SINCE else mark.at
        if mark.name in SWAPS and at:
            params = happened(tenant, number, Happening(Befell.SIM, at))
            if params is not None:
                swaps.append(params)
    return swaps


def number_forgotten(tenant: str, digits: str) -> Body[None]:
    """Forget all subscriptions to a number, and what they were to be told."""
    found = yield Run(SUBSCRIPTIONS_OF_NUMBER_FORGOTTEN, (tenant, digits))
    for (subscription_id,) in found:
        yield Run(NOTIFICATIONS_FORGOTTEN, (tenant, subscription_id))


def _ended(
    tenant: str, subscription: EventSubscription, reason: EndReason, *, at: int
) -> Body[None]:
    """End a subscription that is held: nothing befalls it from now on but being told so."""
    key = (tenant, subscription.subscription_id)
    yield Run(SUBSCRIPTION_WRITTEN, (*key, _ENDED, _from(subscription)))
    yield Run(UNJUDGED_FORGOTTEN, (*key, _UNJUDGED, _END_ID))
    event = _from_event(ended_event(subscription, reason, at=at))
    shard = shard_of(subscription.subscription_id)
    yield Run(NOTIFICATION_KEPT, (*key, _END_ID, "", at, "", event, at, 0, 0, shard))


def _unjudged(
    one: EventSubscription, tenant: str, event_id: str, happening: Happening, shard: int
) -> Params:
    said = (happening.befell.value, happening.at, happening.plmn, _UNJUDGED)
    return (tenant, one.subscription_id, event_id, *said, happening.at, 0, 0, shard)


def _key(claim: Claim) -> tuple[str, str, str]:
    return claim.tenant, claim.subscription_id, claim.event_id


def _new_id() -> str:
    return os.urandom(8).hex()


def _from(one: EventSubscription) -> bytes:
    return _encode(
        _Body(
            client_id=one.client_id,
            application=one.application,
            purpose=one.purpose,
            api=one.api,
            type=one.type,
            msisdn=one.msisdn.digits,
            two_legs=one.two_legs,
            sink=one.sink,
            access_token=one.access_token,
            token_expires_at=one.token_expires_at,
            created_at=one.created_at,
            expires_at=one.expires_at,
            max_events=one.max_events,
            initial_event=one.initial_event,
            sandbox=one.sandbox,
            counted=one.counted,
            sim_since=one.sim_since,
            plmn=one.plmn,
            plmn_at=one.plmn_at,
        )
    )


def _to(subscription_id: str, raw: bytes) -> EventSubscription:
    fields: Mapping[str, object] = msgspec.structs.asdict(_body_decoder.decode(raw))
    made = {**fields, "msisdn": Msisdn(str(fields["msisdn"]))}
    return EventSubscription(subscription_id=subscription_id, **made)  # type: ignore[arg-type]


def _from_event(event: Event) -> bytes:
    return _encode(_EventBody(event.type, event.at, event.roaming, event.mcc, event.ended))


def _to_event(raw: bytes) -> Event:
    found = _event_decoder.decode(raw)
    return Event(found.type, found.at, found.roaming, found.mcc, found.ended)
