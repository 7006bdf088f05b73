"""Orders as rows, and back."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from simgrant.adapters.store.sql import statements
from simgrant.adapters.store.sql.engine import Body, Params, Row, Run
from simgrant.domain.order import Order, OrderState
from simgrant.domain.owner import Owner, is_enterprise, pull_owner, push_owner
from simgrant.identities import Eid, Iccid
from simgrant.nouns import replace
from simgrant.ports.orders import Kept, StockState


def from_order(order: Order) -> bytes:
    """Return an order as JSON."""
    return msgspec.json.encode(order, enc_hook=lambda identity: identity.digits)


def to_kept(row: Row, devices: Collection[str] = ()) -> Kept:
    """Return an order of its tenant, its owner and its JSON.

    ``devices`` are the tenants whose networks switch the services of devices.
    """
    tenant, owner, body = row
    order = _decoder.decode(body)
    is_on = order.state is OrderState.ACTIVE and tenant in devices and not is_enterprise(owner)
    if is_on and not order.switched:
        # It was installed before anybody noted that the network has it on by that, or asked it.
        order = replace(order, switched=True)
    return Kept(tenant, pull_owner(owner), order)


def _identity(kind: type, digits: Any) -> Iccid | Eid:
    if kind is Iccid:
        return Iccid(digits)
    return Eid(digits)


_decoder = msgspec.json.Decoder(Order, dec_hook=_identity)


Where = tuple[str, str, str]
"""State, holder and place of a profile."""
FREE: Where = (StockState.FREE.value, "", "")
FORGOTTEN: Where = (StockState.TAKEN.value, "", "")
"""Of an order that is no more."""


def taken(owner: Owner, order: Order) -> Where:
    return (StockState.TAKEN.value, push_owner(owner), order.place)


def goes_on(tenant: str, iccid: Iccid, before: Where, after: Where) -> Run:
    return Run(statements.PROFILE_GOES_ON, (tenant, iccid.digits, *after, *before))


def order_row(tenant: str, owner: Owner, order: Order, due_at: int | None) -> Params:
    """Return an order as the first ten parameters of its statements."""
    return (
        tenant,
        push_owner(owner),
        order.place,
        order.order_id,
        order.version,
        order.iccid.digits if order.iccid else None,
        int(order.orphan),
        from_order(order),
        due_at,
        order.awaits.value if order.awaits else None,
    )


def let_go(tenant: str, owner: Owner, order: Order) -> Body[None]:
    """Note that a profile is no order's any more; it is nobody else's to have."""
    if order.iccid is not None:
        yield goes_on(tenant, order.iccid, taken(owner, order), FORGOTTEN)
