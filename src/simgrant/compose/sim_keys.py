"""How keys of SIMs are wrapped before they are stored."""

from __future__ import annotations

from simgrant.adapters.authn import local_auc
from simgrant.flows.subscriptions import SimSecrets, Wrap
from simgrant.identities import Imsi
from simgrant.ports.keys import Keys
from simgrant.ports.store import SimKey


def wrapper(keys: Keys, tenant: str, at: int) -> Wrap:
    """Return how one tenant's SIM keys are wrapped."""
    ring = keys.ring

    def wrap(imsi: Imsi, secrets: SimSecrets) -> SimKey:
        return local_auc.wrap(
            secrets.algorithm,
            secrets.k,
            secrets.op,
            ring=ring,
            tenant=tenant,
            imsi=imsi,
            amf=secrets.amf,
            sqn=secrets.sqn,
            now=at,
            res_length=secrets.res_length,
        )

    return wrap
