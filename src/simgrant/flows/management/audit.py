"""The audit: which entries are about a subscription, and whether the chain of all is whole."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import Any, Final

from simgrant.domain.owner import push_owner
from simgrant.flows import subscriptions
from simgrant.flows.moments import moment
from simgrant.identities import Imsi
from simgrant.keyring.ring import KeyRing
from simgrant.nouns import noun
from simgrant.ports.deeds import Deed, Digest, Entry, chained
from simgrant.ports.orders import Kept
from simgrant.ports.store import Store

_PAGE: Final = 500


def digest(ring: KeyRing, tenant: str, data: bytes) -> bytes:
    """Return the keyed hash of a tenant's deeds, 32 bytes."""
    return ring.derive(tenant, "deed", sha256(data).hexdigest(), 32)


def deed(
    ring: KeyRing,
    tenant: str,
    at: int,
    call: str,
    imsi: Imsi | None,
    detail: str = "",
    subject: str = "",
) -> Deed:
    """Return what is about to be done, with nobody named yet.

    ``imsi`` is whose it is; else ``subject`` names it. ``detail`` says what of it.
    """
    if imsi is not None:
        subject = ring.reference(tenant, "imsi", imsi.digits, now=at)
    return Deed(
        tenant=tenant,
        at=at,
        client="",
        actor="",
        call=call,
        request_id="",
        detail=detail,
        subject=subject,
        imsi=imsi,
        digest=partial(digest, ring, tenant),
    )


def of_order(kept: Kept) -> tuple[Imsi | None, str, str]:
    """Return whose an order is, what is said of it, and what names whose it is without an IMSI."""
    detail = f"order {kept.order.order_id}"
    if isinstance(kept.owner, Imsi):
        return kept.owner, detail, ""
    return None, detail, push_owner(kept.owner)


@noun
class Verdict:
    """What became of looking at the chain."""

    entries: int
    """How many there are."""
    first: int
    """Number of the oldest one; those before were past their time."""
    wrong: int | None
    """Number of the first entry that is missing or not as it was written; None = all are."""
    said: str = ""


async def subjects(store: Store, tenant: str, name: str, ring: KeyRing) -> tuple[str, ...]:
    """Return the references of a subscription in the audit; of an IMSI, also of one erased."""
    imsi = name
    if name.startswith("+"):
        imsi = (await subscriptions.find(store, tenant, name)).imsi.digits
    return ring.references(tenant, "imsi", imsi)


async def check(store: Store, tenant: str, digest: Digest) -> Verdict:
    """Return whether every entry follows from the one before it."""
    count, first, after, chain = 0, 0, 0, b""
    while True:
        page = await store.deeds.entries(tenant, after=after, limit=_PAGE)
        for entry in page:
            if count == 0:
                first = entry.number
            elif entry.number != after + 1:
                return Verdict(count, first, after + 1, "it is missing")
            # What was before the oldest one is past its time.
            known = count > 0 or entry.number == 1
            if known and chained(chain, tenant, entry, digest) != entry.chain:
                return Verdict(count, first, entry.number, "it is not as it was written")
            count, after, chain = count + 1, entry.number, entry.chain
        if len(page) < _PAGE:
            return Verdict(count, first, None)


def entry_data(entry: Entry) -> dict[str, Any]:
    """Return an entry as plain data."""
    return {
        "number": entry.number,
        "at": moment(entry.at),
        "client": entry.client,
        "actor": entry.actor,
        "call": entry.call,
        "request_id": entry.request_id,
        "detail": entry.detail,
        "subject": entry.subject,
        "before": entry.before.hex(),
        "after": entry.after.hex(),
        "chain": entry.chain.hex(),
    }
