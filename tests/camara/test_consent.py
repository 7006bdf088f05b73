"""What a subscriber said, from the token endpoint to an API: it holds from the next call on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from simgrant.domain.camara.consent import ConsentEntry, Said
from simgrant.flows.bss_inbox import BssInbox
from simgrant.flows.camara.consents import is_genuine, signed
from simgrant.flows.event_reading import EventReader
from simgrant.ports.bss_events import Taken
from simgrant.wire.tmf_events import plain_event
from tests.camara.bank import CHECK, FRAUD, VERIFY, Bank, consumer, enrol, error, members
from tests.camara.listener import CAMARA, send
from tests.device.harness import ALLOWED, Answer, Request, Server, Workbench
from tests.device.partner import NUMBER

SCOPE = f"dpv:{FRAUD} {CHECK}"
HINT = f"tel:{NUMBER}"
CONSENT = CAMARA.replace(
    'basis = "legitimate_interest"',
    'basis = "legitimate_interest"\napis = { "sim-swap" = "consent" }',
)


@pytest.fixture
async def bank(bench: Workbench) -> AsyncIterator[Bank]:
    """A consumer of a server where sim-swap needs consent, and number-verification does not."""
    async with bench.opened(CONSENT) as server:
        found = Bank(server)
        await enrol(server, consumer(found.signer, subjects=frozenset({"tel"})))
        yield found


async def say(
    server: Server, said: Said, *, for_s: int | None = None, api: str = "sim-swap"
) -> None:
    """Write down what the subscriber says."""
    store, now = server.store.real, int(server.clock.now())
    subscription = await store.find("default", imsi=ALLOWED)
    assert subscription is not None
    entry = ConsentEntry(
        client_id="bank",
        purpose=FRAUD,
        api=api,
        said=said,
        at=now,
        expires_at=None if for_s is None else now + for_s,
        source="care",
    )
    whole = signed(entry, subscription, server.parts.keys.ring, now=now)
    await store.api_consents.add("default", ALLOWED, whole)


async def ask(bank: Bank, granted: Answer) -> Answer:
    """Ask whether the SIM was swapped, with the access token of an answer."""
    token = members(granted)["access_token"]
    head = (("authorization", f"Bearer {token}"), ("content-type", "application/json"))
    return await send(bank.server, Request("POST", b"", head, b"{}", "/sim-swap/v2/check"))


async def test_without_consent_there_is_no_token(bank: Bank) -> None:
    assert error(await bank.bearer(HINT, SCOPE)) == "invalid_grant"
    assert (await bank.server.records())[-1]["outcome"] == "consent_missing"
    form = {"login_hint": HINT, "scope": f"openid {SCOPE}"}
    assert error(await bank.proved("/oauth2/bc-authorize", form), 403) == "access_denied"
    # The basis of the other API is another one.
    assert (await bank.bearer(HINT, f"dpv:{FRAUD} {VERIFY}")).status == 200


async def test_a_withdrawal_holds_from_the_next_call_on(bank: Bank) -> None:
    await say(bank.server, Said.GIVEN)
    granted = await bank.bearer(HINT, SCOPE)
    answer = await ask(bank, granted)
    assert (answer.status, set(json.loads(answer.body))) == (200, {"swapped"})
    await say(bank.server, Said.WITHDRAWN)
    answer = await ask(bank, granted)
    assert (answer.status, json.loads(answer.body)["code"]) == (403, "PERMISSION_DENIED")
    assert error(await bank.bearer(HINT, SCOPE)) == "invalid_grant"


async def test_a_withdrawal_by_an_event_holds_once_its_sender_is_answered(bank: Bank) -> None:
    server = bank.server
    inbox = BssInbox(server.store.real.life, clock=server.clock, keys=server.parts.keys)

    async def tell(change: str, *, ago_s: int = 0) -> None:
        now = int(server.clock.now())
        about = {"client_id": "bank", "purpose": f"dpv:{FRAUD}", "apis": ["sim-swap"]}
        event = plain_event(
            f"{change}-{now}", change, at=now - ago_s, imsi=ALLOWED.digits, api_consent=about
        )
        reading = EventReader().read("crm", json.dumps(event).encode(), now=now)
        assert await inbox.take("default", "crm", reading.events) == [Taken.KEPT]

    await tell("consent_given")
    granted = await bank.bearer(HINT, SCOPE)
    assert (await ask(bank, granted)).status == 200
    server.clock.advance(60)
    await tell("consent_withdrawn", ago_s=30)
    assert (await ask(bank, granted)).status == 403
    # What was given before, and comes only now, gives nothing back.
    await tell("consent_given", ago_s=40)
    assert (await ask(bank, granted)).status == 403
    server.clock.advance(1)
    await tell("consent_given")
    assert (await ask(bank, granted)).status == 200


async def test_what_was_given_for_a_time_ends(bank: Bank) -> None:
    await say(bank.server, Said.GIVEN, for_s=60)
    granted = await bank.bearer(HINT, SCOPE)
    assert (await ask(bank, granted)).status == 200
    bank.server.clock.advance(61)
    assert (await ask(bank, granted)).status == 403


async def test_an_objection_ends_a_legitimate_interest(bank: Bank) -> None:
    scope = f"dpv:{FRAUD} {VERIFY}"
    assert (await bank.bearer(HINT, scope)).status == 200
    await say(bank.server, Said.WITHDRAWN, api="number-verification")
    assert error(await bank.bearer(HINT, scope)) == "invalid_grant"


async def test_an_entry_that_was_altered_is_told_apart(bank: Bank) -> None:
    await say(bank.server, Said.WITHDRAWN)
    (entry,) = await bank.server.store.real.api_consents.of("default", ALLOWED)
    keys = bank.server.parts.keys
    assert is_genuine(entry, "default", keys)
    assert not is_genuine(replace(entry, said=Said.GIVEN), "default", keys)
    assert not is_genuine(replace(entry, at=entry.at - 1), "default", keys)
    assert not is_genuine(entry, "mvno", keys)
