"""Where the basis is consent: no word, no answer, whatever else was ever said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.camara.consent import Basis, ConsentEntry, Purposes, Said
from simgrant.flows.camara.consents import Consents
from simgrant.identities import Imsi
from tests.camara_world import IMSI, NOW, OTHER, PURPOSE, TENANT, World

SWAP: Final = "/sim-swap/v2/check"
STEP_S: Final = 10

words = st.lists(
    st.tuples(
        st.sampled_from(["bank", "bank", "bank", "shop"]),
        st.sampled_from(["", "app", "other"]),
        st.sampled_from([PURPOSE, PURPOSE, "Marketing"]),
        st.sampled_from(["sim-swap", "sim-swap", "device-swap"]),
        st.sampled_from(Said),
        st.none() | st.integers(1, 6),
    ),
    max_size=8,
)
"""Whom, for what, about what, what was said, and how many steps it lasts if it was given."""


class Rows:
    """What one subscriber said (`ConsentRows`), numbered as a store does."""

    def __init__(self) -> None:
        self.entries: list[ConsentEntry] = []

    async def of(self, tenant: str, imsi: Imsi) -> Sequence[ConsentEntry]:
        assert tenant == TENANT
        return self.entries if imsi == IMSI else []

    async def add(self, tenant: str, imsi: Imsi, entry: ConsentEntry) -> int:
        assert (tenant, imsi) == (TENANT, IMSI)
        about = (entry.client_id, entry.application, entry.purpose, entry.api)
        number = 1 + sum(
            (each.client_id, each.application, each.purpose, each.api) == about
            for each in self.entries
        )
        self.entries.append(replace(entry, number=number))
        return number

    async def add_all(self, tenant: str, imsi: Imsi, entries: Sequence[ConsentEntry]) -> None:
        raise NotImplementedError


@given(words, st.sampled_from(["", "app"]), st.integers(0, 9 * STEP_S))
async def test_a_call_is_answered_exactly_while_the_last_word_is_a_yes_that_holds(
    said: list[tuple[str, str, str, str, Said, int | None]], application: str, later: int
) -> None:
    rows, now = Rows(), NOW + later
    holds = False
    for nth, (client_id, app, purpose, api, word, lasts) in enumerate(said):
        at = NOW + nth * STEP_S
        if at > now:
            break
        ends = at + lasts * STEP_S if lasts and word is Said.GIVEN else None
        entry = ConsentEntry(
            client_id=client_id,
            application=app,
            purpose=purpose,
            api=api,
            said=word,
            at=at,
            expires_at=ends,
        )
        await rows.add(TENANT, IMSI, entry)
        if (client_id, purpose, api) == ("bank", PURPOSE, "sim-swap") and app in {"", application}:
            holds = word is Said.GIVEN and (ends is None or now < ends)
    world = World(permits=Consents(rows, {}))
    world.clock.at = float(now)
    token = world.token(application=application, issued=now, expires=now + 300)
    called = await world.call(SWAP, {}, token=token)
    assert called.status == (200 if holds else 403)
    assert holds or called.code == "PERMISSION_DENIED"


@pytest.mark.parametrize("basis", Basis)
async def test_without_a_word_the_basis_alone_decides(basis: Basis) -> None:
    purposes = Purposes(bases={(PURPOSE.lower(), ""): basis})
    world = World(permits=Consents(Rows(), {TENANT: purposes}))
    assert (await world.call(SWAP, {})).status == (403 if basis is Basis.CONSENT else 200)


async def test_nobody_speaks_for_another() -> None:
    rows = Rows()
    entry = ConsentEntry(client_id="bank", purpose=PURPOSE, api="sim-swap", said=Said.GIVEN, at=NOW)
    await rows.add(TENANT, IMSI, entry)
    world = World(permits=Consents(rows, {}))
    assert (await world.call(SWAP, {})).status == 200
    other = world.lines.there[Imsi("001010000000002")].subscription
    assert other.msisdn == OTHER
    subject = replace(
        world.tokens[world.token()].subject,  # type: ignore[type-var]
        imsi=other.imsi,
        msisdn=OTHER,
        epoch=other.token_epoch,
    )
    assert (await world.call(SWAP, {}, token=world.token(subject=subject))).status == 403
