"""What the store keeps under wrapping keys, one secret at a time, to be wrapped by a newer one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import field
from functools import partial

from simgrant.adapters.authn import local_auc
from simgrant.flows.camara.subscribing import label_of
from simgrant.identities import Imsi
from simgrant.keyring.ring import NONCE_BYTES, KeyRing
from simgrant.nouns import Word, named_noun
from simgrant.ports.store import SimKey, Store


class Kind(Word):
    """What a secret is, as people read how many there are."""

    SIM_KEY = "SIM keys"
    SINK_TOKEN = "access tokens of sinks"  # noqa: S105 - a name


@named_noun
class Wrapped:
    """A secret of a tenant, as the store has it."""

    tenant: str
    kind: Kind
    texts: tuple[bytes, ...] = field(repr=False)
    """All that is wrapped of it."""
    wrap_anew: Callable[[KeyRing, float], Awaitable[None]] = field(repr=False)
    """Wraps it by the newest key of a ring, if it is not; SealBroken where no key opens it."""


async def wrapped_secrets(store: Store) -> AsyncIterator[Wrapped]:
    """Yield every secret of every tenant; PeerUnavailable where the store is away."""
    after = ("", "")
    while keys := await store.sim_keys(after=after):
        for tenant, imsi, key in keys:
            yield Wrapped(
                tenant=tenant,
                kind=Kind.SIM_KEY,
                texts=(key.wrapped_k, key.wrapped_op),
                wrap_anew=partial(_sim_key_anew, store, tenant, imsi, key),
            )
        after = (keys[-1][0], keys[-1][1].digits)
    after = ("", "")
    while tokens := await store.camara_events.sink_tokens(after=after):
        for tenant, subscription_id, token in tokens:
            if token:
                yield Wrapped(
                    tenant=tenant,
                    kind=Kind.SINK_TOKEN,
                    texts=(token,),
                    wrap_anew=partial(_sink_token_anew, store, tenant, subscription_id, token),
                )
        after = tokens[-1][:2]


async def _sim_key_anew(
    store: Store, tenant: str, imsi: Imsi, key: SimKey, ring: KeyRing, now: float
) -> None:
    old: SimKey | None = key
    while old is not None:
        new = local_auc.wrapped_anew(old, ring=ring, tenant=tenant, imsi=imsi, now=now)
        if new == old or await store.rewrap(tenant, imsi, old, new):
            break
        old = await store.sim_key(tenant, imsi)  # Somebody changed it meanwhile: once more.


async def _sink_token_anew(
    store: Store, tenant: str, subscription_id: str, token: bytes, ring: KeyRing, now: float
) -> None:
    label, nonce = label_of(subscription_id), os.urandom(NONCE_BYTES)
    new = ring.wrapped_anew(tenant, label, token, nonce=nonce, now=now)
    if new != token:
        # It is never changed but by this: where it is another one, somebody else has wrapped it.
        await store.camara_events.rewrap(tenant, subscription_id, token, new)
