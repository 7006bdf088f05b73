"""What is left to be done for somebody who is gone for good, for nobody's sake any more.

What he had in the network goes off, and his eSIM profiles are given back, though his rows are
forgotten, or his IMSI is another's: of it only what names it there is kept, until it is done.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from simgrant.adapters.store.sql import life_statements as sql
from simgrant.adapters.store.sql import statements
from simgrant.adapters.store.sql.engine import Body, Run
from simgrant.adapters.store.sql.event_rows import life_of, to_waiting
from simgrant.adapters.store.sql.order_rows import goes_on, let_go, order_row, taken, to_kept
from simgrant.adapters.store.sql.switching import goes_off
from simgrant.domain.life import Life
from simgrant.domain.order import OrderState, left_of
from simgrant.identities import Imsi
from simgrant.ports.switching import LEFT_FOR_S, services_of


def services_left(tenant: str, imsi: Imsi, switched: Collection[str], *, at: int) -> Body[None]:
    """Have all go off that a line may have on in the network.

    ``switched`` are the services that are switched there. A part of others' transactions, to come
    before they change the subscription, or forget what waits for it.
    """
    if not switched:
        return
    key = (tenant, imsi.digits)
    lives: list[Life] = []
    services: set[str] = set()
    held = [row[1:] for row in (yield Run(sql.of(sql.HOLDINGS_OF, 1), key))]
    for state in (yield Run(sql.of(sql.STATES_OF, 1), key)):
        lives.append(life_of(state, held))
    for _, source, arrived_us, body in (yield Run(sql.of(sql.EVENTS_OF, 1), key)):
        waiting = to_waiting(source, arrived_us, body)
        if waiting.before is not None:
            lives += (waiting.before, *(waiting.between or ()))
        if waiting.between is None:
            # There was too much to be known.
            services |= {*switched}
    services |= {service for life in lives for service in services_of(life)}
    for service in sorted(services & {*switched}):
        yield goes_off(tenant, imsi, service, at=at)


def left_behind(tenant: str, imsi: Imsi, *, at: int, devices: Collection[str] = ()) -> Body[int]:
    """Have the orders of one who is gone for good be nobody's; return how many are left.

    They end, and what is left to be done for them is done, for `LEFT_FOR_S` at most; all others,
    and what passed, are forgotten. A part of others' transactions. ``devices`` are the tenants
    whose networks switch the services of devices; where he was removed before, they went off then.
    """
    key, left = (tenant, imsi.digits), 0
    for *row, due_at in (yield Run(statements.ORDERS_FORGOTTEN, key)):
        order = to_kept(row, devices).order
        forget_at = at + LEFT_FOR_S
        rest = left_of(order, at=at, call_id=os.urandom(16).hex(), forget_at=forget_at)
        if rest is None:
            yield from let_go(tenant, imsi, order)
            continue
        # Whoever makes a call, or waits to, keeps the order.
        keeps = order.state is OrderState.ENDED or order.begun
        due = (due_at if keeps else None) or at if rest.todo else rest.forget_at
        whole = (*order_row(tenant, imsi, rest, due), statements.shard_of(imsi.digits))
        yield Run(statements.ORDER_MADE, whole)
        if rest.iccid is not None:
            yield goes_on(tenant, rest.iccid, taken(imsi, order), taken(imsi, rest))
        left += 1
    yield Run(statements.CLAIMS_UNLOCKED, (*key, ""))
    yield Run(statements.CLAIMS_FORGOTTEN, key)
    yield Run(statements.ORDER_HISTORY_FORGOTTEN, key)
    return left
