"""Lines as partner APIs look at them: one read, whether there is a line or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.camara.line import Line
from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.identities import Msisdn
from simgrant.ports.camara_lines import LineFound
from simgrant.ports.store import Change
from tests.conformance.test_store import IMSI, NUMBER, OTHER, TERMINAL, T, accept, new
from tests.conformance.test_store_api_consents import ENTRY

TOKEN = bytes(range(16))
NOTHING = LineFound(None, revoked=False)
OTHERS = Msisdn("491710000009")


async def both(store: SqlStore) -> LineFound:
    """Return what is found by SIM, which has to be what is found by number."""
    lines = store.camara_lines
    found = await lines.by_imsi(T, IMSI, token_id=TOKEN)
    assert await lines.by_msisdn(T, NUMBER, token_id=TOKEN) == found
    return found


async def test_a_line_is_found_by_sim_and_by_number(store: SqlStore) -> None:
    assert await both(store) == NOTHING
    await store.add(new(IMSI, NUMBER))
    subscription = await store.find(T, imsi=IMSI)
    assert subscription is not None
    there = Line(subscription=subscription, silent=True)
    assert await both(store) == LineFound(there, revoked=False)
    lines = store.camara_lines
    assert await lines.by_imsi("blue", IMSI, token_id=TOKEN) == NOTHING
    assert await lines.by_msisdn("blue", NUMBER, token_id=TOKEN) == NOTHING
    assert await lines.by_imsi(T, OTHER, token_id=TOKEN) == NOTHING
    assert await lines.by_msisdn(T, OTHERS, token_id=TOKEN) == NOTHING


async def test_what_is_noted_comes_along(store: SqlStore) -> None:
    marks = (
        LineMark(MarkName.SIM_SINCE, "60", 72),
        LineMark(MarkName.ICCID, "8944110000000000013", 73),
        LineMark(MarkName.PREPAID, "no", 71),
    )
    await store.add(replace(new(IMSI, NUMBER), marks=marks))
    line = (await both(store)).line
    assert line is not None
    # The first ICCID is no swap.
    assert (line.sim_since, line.iccid_at, line.number_since) == (60, 0, 0)
    assert line.sim_changed_at == 60
    await store.set_marks(T, IMSI, [replace(marks[1], value="8944110000000000021", at=80)])
    line = (await both(store)).line
    assert line is not None
    assert (line.iccid_at, line.sim_changed_at) == (80, 80)
    await store.change(T, IMSI, Change(msisdn=OTHERS), now=90)
    await store.change(T, IMSI, Change(msisdn=NUMBER), now=95)
    line = (await both(store)).line
    assert line is not None
    assert (line.sim_since, line.number_since, line.sim_changed_at) == (95, 95, 95)


async def test_who_said_anything_to_consumers_is_not_silent(store: SqlStore) -> None:
    await store.add(new(IMSI, NUMBER))
    await store.add(new(OTHER, OTHERS))
    await store.api_consents.add(T, OTHER, [ENTRY])
    line = (await both(store)).line
    assert line is not None
    assert line.silent, "it was another who spoke"
    await store.api_consents.add(T, IMSI, [ENTRY])
    line = (await both(store)).line
    assert line is not None
    assert not line.silent


@pytest.mark.parametrize("there", [True, False])
async def test_a_revoked_token_is_seen_whether_there_is_a_line_or_not(
    store: SqlStore, there: bool
) -> None:
    if there:
        await store.add(new(IMSI, NUMBER))
    await store.camara_tokens.revoke(T, TOKEN, expires_at=2_000_000_000)
    found = await both(store)
    assert found.revoked
    assert (found.line is not None) is there
    for tenant, token_id in ((T, bytes(16)), ("blue", TOKEN)):
        other = await store.camara_lines.by_imsi(tenant, IMSI, token_id=token_id)
        assert not other.revoked


async def test_a_removed_line_is_found_by_its_sim_alone(store: SqlStore) -> None:
    await store.add(new(IMSI, NUMBER))
    await store.remove(T, IMSI, now=9)
    lines = store.camara_lines
    line = (await lines.by_imsi(T, IMSI, token_id=TOKEN)).line
    assert line is not None
    assert line.subscription.status is SubscriptionStatus.REMOVED
    assert await lines.by_msisdn(T, NUMBER, token_id=TOKEN) == NOTHING


async def test_devices_of_a_line(store: SqlStore) -> None:
    await store.add(new())
    assert await store.camara_lines.terminals(T, IMSI) == []
    assert await accept(store)
    (terminal,) = await store.camara_lines.terminals(T, IMSI)
    assert terminal == replace(TERMINAL, first_at=TERMINAL.seen_at)
    assert await store.camara_lines.terminals(T, OTHER) == []
