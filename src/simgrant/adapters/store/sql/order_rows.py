"""Orders as rows, and back."""

from __future__ import annotations

from typing import Any

import msgspec

from simgrant.adapters.store.sql.engine import Row
from simgrant.domain.order import Order
from simgrant.domain.owner import pull_owner
from simgrant.identities import Eid, Iccid
from simgrant.ports.orders import Kept


def from_order(order: Order) -> bytes:
    """Return an order as JSON."""
    return msgspec.json.encode(order, enc_hook=lambda identity: identity.digits)


def to_kept(row: Row) -> Kept:
    """Return an order of its tenant, its owner and its JSON."""
    tenant, owner, body = row
    return Kept(tenant, pull_owner(owner), _decoder.decode(body))


def _identity(kind: type, digits: Any) -> Iccid | Eid:
    if kind is Iccid:
        return Iccid(digits)
    return Eid(digits)


_decoder = msgspec.json.Decoder(Order, dec_hook=_identity)
