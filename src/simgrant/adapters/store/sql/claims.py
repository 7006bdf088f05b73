"""By which eUICCs and devices orders were made: counted in the transaction that makes one more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from simgrant.adapters.store.sql import statements
from simgrant.adapters.store.sql.engine import Body, Row, Run
from simgrant.domain.order import Device, Order, OrderState
from simgrant.domain.owner import Owner, push_owner
from simgrant.domain.pace import (
    MOST_WINDOW_S,
    Pace,
    Used,
    eid_subject,
    exceeded,
    terminal_subject,
)
from simgrant.ports.orders import TooOften

_NOBODYS = ""
"""The order_id of the row that is the subject's own."""


def claimed(tenant: str, owner: Owner, order: Order, pace: Pace) -> Body[None]:
    """Note by which devices an order is made; raise `TooOften` where that is one too many.

    Two that are made by one device wait for each other, in whichever process they are: the
    subjects' own rows are written first, always in the same order.
    """
    at = order.created_at
    subjects = [
        each for each in (eid_subject(order.device), terminal_subject(order.device)) if each
    ]
    for subject in subjects:
        yield Run(statements.CLAIMS_LOCKED, (tenant, subject, _NOBODYS, at))
    used = yield from counted(tenant, owner, order.device, pace, at=at)
    if reason := exceeded(pace, used):
        raise TooOften(reason)
    for subject in subjects:
        yield Run(statements.CLAIMS_OVER, (tenant, subject, _NOBODYS, at - MOST_WINDOW_S))
        claim = (tenant, subject, order.order_id, push_owner(owner), order.place, at)
        yield Run(statements.CLAIMED, claim)


def counted(tenant: str, owner: Owner, device: Device, pace: Pace, *, at: int) -> Body[Used]:
    """Return what was made of a pace already at a time."""
    since = at - pace.window_s
    line = 0
    if pace.per_line:
        made = yield Run(statements.ORDERS_SINCE, (tenant, push_owner(owner), since))
        line = made[0][0]
    by_eid: Iterable[Row] = ()
    if subject := eid_subject(device):
        by_eid = yield Run(statements.CLAIMS, (tenant, subject, _NOBODYS))
    by_terminal: Iterable[Row] = ()
    if subject := terminal_subject(device):
        by_terminal = yield Run(statements.CLAIMS, (tenant, subject, _NOBODYS))
    others = {
        holder
        for _, _, holder, body in by_eid
        if holder not in (None, push_owner(owner)) and _state(body) != OrderState.ENDED
    }
    return Used(
        line,
        sum(row[0] > since for row in by_eid),
        sum(row[0] > since for row in by_terminal),
        len(others),
    )


class _State(msgspec.Struct):
    state: str


_decoder = msgspec.json.Decoder(_State)


def _state(body: Any) -> str:
    return _decoder.decode(body).state
