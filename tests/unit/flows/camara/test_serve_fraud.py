"""Limits against fraud at the APIs: who asks too often, and what a new SIM proves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.domain.camara.usage import Outcome
from simgrant.flows.camara.fraud import Fraud, FraudRules, Reaction
from simgrant.flows.camara.sandbox import Sandbox, SandboxLine
from simgrant.flows.limits import Rate
from tests.camara_world import IMSI, NOW, NUMBER, OTHER, World

VERIFY = "/number-verification/v2/verify"
SWAP = "/sim-swap/v2/check"
MINE = {"phoneNumber": NUMBER.e164}


def world(*, reaction: Reaction = Reaction.MARK, age_h: int = 1, sandbox: bool = False) -> World:
    """Return one whose bank may ask about a number twice, and whose line got its SIM just now."""
    rules = FraudRules(number_consumer=Rate(2, 0.001), sim_age_h=72, reaction=reaction)
    lines = Sandbox({NUMBER: SandboxLine(sim_age_h=age_h)})
    made = World(fraud=Fraud(rules), sandbox=lines)
    line = made.lines.there[IMSI]
    made.lines.put(replace(line, sim_since=NOW - age_h * 3600))
    if sandbox:
        made.change(sandbox=True)
    return made


@pytest.mark.parametrize(
    ("reaction", "age_h", "status", "suspicion"),
    [
        (Reaction.MARK, 1, 200, "sim_swapped"),
        (Reaction.MARK, 72, 200, ""),
        (Reaction.NOTHING, 1, 200, ""),
        (Reaction.REFUSE, 1, 403, ""),
        (Reaction.REFUSE, 72, 200, ""),
    ],
)
async def test_a_new_sim_is_marked_or_proves_nothing(
    reaction: Reaction, age_h: int, status: int, suspicion: str
) -> None:
    made = world(reaction=reaction, age_h=age_h)
    called = await made.call(VERIFY, MINE)
    (row,) = made.books.rows
    assert (called.status, row.suspicion) == (status, suspicion)
    if status == 403:
        assert (called.code, called.reason) == ("PERMISSION_DENIED", "sim_swapped_lately")
        assert (row.outcome, row.price_micros) == (Outcome.REFUSED, 0)


@pytest.mark.parametrize("two_legs", [True, False])
async def test_that_a_sim_was_swapped_is_told_all_the_same(two_legs: bool) -> None:
    made = world(reaction=Reaction.REFUSE)
    body = MINE if two_legs else {}
    called = await made.call(SWAP, body, token=made.token(two_legs=two_legs))
    assert called.json == {"swapped": True}
    (row,) = made.books.rows
    assert row.suspicion == "sim_swapped"


async def test_who_names_numbers_is_slowed_down_for_each_of_them() -> None:
    made = world()
    statuses = []
    for number in (NUMBER, NUMBER, NUMBER, OTHER):
        token = made.token(two_legs=True)
        called = await made.call(SWAP, {"phoneNumber": number.e164}, token=token)
        statuses.append(called.status)
    assert statuses == [200, 200, 429, 200]
    assert len(made.books.rows) == 3
    # Whose number is in the token was counted when that was issued.
    assert (await made.call(VERIFY, MINE)).status == 200


async def test_a_sandbox_is_neither_marked_nor_slowed_down() -> None:
    made = world(reaction=Reaction.REFUSE, sandbox=True)
    for _ in range(3):
        assert (await made.call(SWAP, MINE, token=made.token(two_legs=True))).status == 200
    assert (await made.call(VERIFY, MINE)).status == 200
    assert not any(row.suspicion for row in made.books.rows)
