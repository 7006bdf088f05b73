"""GetSubscriberInfo: number and an identifier of the subscriber, for a server (TS.43 §13.3)."""

from __future__ import annotations

import hmac

from simgrant.flows.operations.operation import (
    Done,
    Means,
    Refused,
    Task,
    from_table,
    without_number,
)
from simgrant.keyring.ring import KeyRing
from simgrant.spec.ids import SimIdType
from simgrant.wire.document import Characteristic, Item, Parm


async def run(task: Task, means: Means) -> Done | Refused:
    """Tell the number and the SIM's identifier, of the kind that the tenant chose."""
    number = await means.number(task.subscription)
    if number is None:
        return without_number(task)
    offer = means.offers[task.tenant.name]
    digits = task.subscription.imsi.digits
    items: list[Item] = [
        Parm("MSISDN", number.e164),
        Parm("SimIdType", str(int(offer.sim_id_type))),
        Parm("SimID", _sim_id(offer.sim_id_type, digits, task.tenant.name, means.keys.ring)),
    ]
    if offer.mvno_name:
        items.append(Parm("MvnoName", offer.mvno_name))
    return Done((Characteristic("SubscriberInfo", tuple(items)),))


def _sim_id(kind: SimIdType, digits: str, tenant: str, ring: KeyRing) -> str:
    """Return what stands for the SIM: always the same, and told by nobody else's keys."""
    if kind is SimIdType.IMSI:
        return digits
    if kind is SimIdType.IMSI_HASH:
        key = ring.derive(tenant, "sim_id_key", "", 32)
        return hmac.digest(key, digits.encode(), "sha256").hex()
    # Version 8: made in a way of our own (RFC 9562 §5.8).
    raw = bytearray(ring.derive(tenant, "sim_id_uuid", digits, 16))
    raw[6], raw[8] = raw[6] & 0x0F | 0x80, raw[8] & 0x3F | 0x80
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


OPERATION = from_table(__name__, run)
