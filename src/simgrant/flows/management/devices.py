"""Calls on the devices of a subscription, and on its tokens."""

from __future__ import annotations

import os
from typing import Final

import msgspec

from simgrant.domain.access import Scope
from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.subscription import PushRegistration, SubscriptionStatus
from simgrant.flows.management.call import Asked, Call, Done, Query
from simgrant.flows.management.problem import Code, Problem
from simgrant.flows.management.subscriptions import ONE
from simgrant.flows.moments import moment
from simgrant.ports.life import BY_HAND
from simgrant.ports.store import Export
from simgrant.wire.push_token import CHANNELS

_ONE_TERMINAL: Final = ONE + "/terminals/{terminal}"
_CHANNELS: Final = {int(action): channel.value for action, channel in CHANNELS.items()}


class Registration(msgspec.Struct):
    """That a client on a device wants to be told of changes; its token is not shown."""

    app_id: str
    app_name: str
    channel: str
    at: str | None


class Terminal(msgspec.Struct):
    """A device that authenticated with a subscription's SIM."""

    terminal_id: str
    """IMEI or UUID, as the device says."""
    vendor: str
    model: str
    sw_version: str
    first_at: str | None
    seen_at: str | None
    """When it last authenticated in full."""
    registrations: list[Registration]


class Terminals(msgspec.Struct):
    """The devices of a subscription."""

    items: list[Terminal]


class Revoked(msgspec.Struct):
    """That tokens are no good any more, on every node."""

    token_epoch: int
    """Only tokens of this epoch are good from now on; it was raised by one."""


async def _list(asked: Asked[Query, None]) -> Done:
    desk = asked.desk
    found = await desk.one(asked.path["subscription"])
    held = await desk.store.export(desk.tenant, found.imsi)
    if held is None:
        raise Problem(Code.NOT_FOUND)
    return Done(
        content=Terminals(
            [
                Terminal(
                    terminal_id=each.terminal_id,
                    vendor=each.vendor,
                    model=each.model,
                    sw_version=each.sw_version,
                    first_at=moment(each.first_at),
                    seen_at=moment(each.seen_at),
                    registrations=[
                        Registration(
                            push.app_id,
                            push.app_name,
                            _CHANNELS.get(push.action, str(push.action)),
                            moment(push.at),
                        )
                        for push in _of(held, each.terminal_id)
                    ],
                )
                for each in held.terminals
            ]
        )
    )


async def _revoke_all(asked: Asked[Query, None]) -> Done:
    desk = asked.desk
    found = await desk.any(asked.path["subscription"])
    epoch = await desk.doing(found.imsi).revoke_tokens(desk.tenant, found.imsi, None)
    return Done(content=Revoked(epoch))


async def _revoke(asked: Asked[Query, None]) -> Done:
    desk = asked.desk
    found = await desk.any(asked.path["subscription"])
    epoch = await desk.doing(found.imsi).revoke_tokens(
        desk.tenant, found.imsi, asked.path["terminal"]
    )
    return Done(content=Revoked(epoch))


async def _lost(asked: Asked[Query, None]) -> Done:
    done = await _revoke(asked)
    desk, terminal_id = asked.desk, asked.path["terminal"]
    found = await desk.any(asked.path["subscription"])
    held = await desk.store.export(desk.tenant, found.imsi)
    ended = [
        PushRegistration(terminal_id, push.app_id, push.app_name, 0, "", desk.now)
        for push in (_of(held, terminal_id) if held else ())
    ]
    if ended:
        await desk.doing(found.imsi, "push_registrations").register_push(
            desk.tenant, found.imsi, ended
        )
    if found.status is not SubscriptionStatus.REMOVED:
        # Its orders end, as where an operator's system tells it.
        lost = BssEvent(
            event_id=os.urandom(8).hex(),
            change=Change.DEVICE_LOST,
            at=desk.now,
            imsi=found.imsi,
            terminal_id=terminal_id,
        )
        await desk.office.events.take(desk.tenant, BY_HAND, [lost])
    return done


def _of(held: Export, terminal_id: str) -> list[PushRegistration]:
    """Return where the clients of one device want to be told."""
    return [push for push in held.push if push.terminal_id == terminal_id]


CALLS: Final = (
    Call(
        name="list_terminals",
        group="devices",
        method="GET",
        path=f"{ONE}/terminals",
        scope=Scope.DEVICES_READ,
        about="List the devices of a subscription",
        run=_list,
        answer=Terminals,
        problems=(Code.REMOVED,),
    ),
    Call(
        name="lose_terminal",
        group="devices",
        method="POST",
        path=f"{_ONE_TERMINAL}/lost",
        scope=Scope.DEVICES_WRITE,
        about="Say that a device is lost: its tokens and pending orders end, it is told nothing",
        run=_lost,
        answer=Revoked,
    ),
    Call(
        name="revoke_terminal",
        group="tokens",
        method="POST",
        path=f"{_ONE_TERMINAL}/revoke",
        scope=Scope.TOKENS_REVOKE,
        about="End every token of one device; it authenticates in full again",
        run=_revoke,
        answer=Revoked,
    ),
    Call(
        name="revoke_tokens",
        group="tokens",
        method="POST",
        path=f"{ONE}/tokens/revoke",
        scope=Scope.TOKENS_REVOKE,
        about="End every token of a subscription; its devices authenticate in full again",
        run=_revoke_all,
        answer=Revoked,
    ),
)
