"""When what a subscription holds ends by itself: noted in the transaction that writes it."""

from __future__ import annotations

from simgrant.adapters.store.sql import life_statements
from simgrant.adapters.store.sql.engine import Run
from simgrant.adapters.store.sql.statements import shard_of
from simgrant.domain.holdings import HeldBilling, HeldBoost, HeldUsage, Holding
from simgrant.domain.subscription import Consent
from simgrant.identities import Imsi
from simgrant.ports.life import TimerKind


def of_consent(tenant: str, imsi: Imsi, consent: Consent) -> Run:
    """Return what notes when a consent is over, or that it never is."""
    return timer(tenant, imsi, TimerKind.CONSENT, consent.kind.value, consent.expires_at)


def of_holding(
    tenant: str, imsi: Imsi, holding: Holding, name: str, *, ended: bool = False
) -> Run | None:
    """Return what notes when a holding of that name ends by itself; None for one that cannot."""
    match holding:
        case HeldBoost():
            kind, at = TimerKind.BOOST, holding.until
        case HeldUsage():
            kind, at = TimerKind.USAGE, holding.cycle_end
        case HeldBilling():
            kind, at = TimerKind.BILLING, holding.resets_at
        case _:
            return None
    return timer(tenant, imsi, kind, name, None if ended else at)


def timer(tenant: str, imsi: Imsi, kind: TimerKind, name: str, at: int | None) -> Run:
    """Return what sets a timer to a time (Unix seconds), or takes it away."""
    key = (tenant, imsi.digits, kind.value, name)
    if at is None:
        return Run(life_statements.TIMER_ENDED, key)
    return Run(life_statements.TIMER_SET, (*key, at, shard_of(imsi.digits)))


def ends_forgotten(tenant: str, imsi: Imsi) -> Run:
    """Return what takes the timers of one that is gone away.

    What is to be switched in the network is its IMSI's, whoever has that: it stays until it is off.
    """
    key = (tenant, imsi.digits, TimerKind.SWITCH.value)
    return Run(life_statements.ENDS_FORGOTTEN, key)


def ends_move(tenant: str, imsi: Imsi, to: Imsi) -> Run:
    """Return what has the timers go along to another IMSI, without what is to be switched."""
    key = (tenant, imsi.digits, to.digits, shard_of(to.digits), TimerKind.SWITCH.value)
    return Run(life_statements.ENDS_MOVE, key)
