"""Partner APIs of a whole server: its listener, its store, its books."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from simgrant.domain.camara.access_token import AccessToken, Method, Subject
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.errors import StartRefused
from simgrant.flows.camara.tokens import push_access_token
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.ring import NONCE_BYTES
from simgrant.ports.camara_usage import Place, Span
from simgrant.ports.store import Change
from tests.camara.listener import CAMARA, send
from tests.camara_world import CONSUMER, PURPOSE, SCOPES
from tests.device.harness import (
    ALLOWED,
    BARRED,
    START,
    Answer,
    Phone,
    Request,
    Server,
    Workbench,
)

NUMBER = Msisdn("447700900555")
NOBODYS = Msisdn("447700900999")
VERIFY = "/number-verification/v2/verify"
ALL = Span(0, 2**53)


@dataclass
class Bank:
    """A consumer of a server that has the line with the number."""

    server: Server
    subject: Subject

    def token(self, *, two_legs: bool = False, tenant: str = "default", **own: Any) -> str:
        """Return a new access token."""
        token = AccessToken(
            token_id=os.urandom(16),
            client_id="bank",
            scopes=SCOPES,
            purpose="" if two_legs else PURPOSE,
            method=Method.NONE if two_legs else Method.SIM,
            subject=None if two_legs else self.subject,
            issued=START,
            expires=START + 300,
        )
        nonce = os.urandom(NONCE_BYTES)
        token = replace(token, **own)
        return push_access_token(token, self.server.ring, tenant, nonce=nonce, now=START)

    async def call(
        self, path: str, body: Any = None, *, token: str = "", method: str = "POST", **said: str
    ) -> Answer:
        """Call an API; without a token, with a new one."""
        data = b"" if body is None else json.dumps(body).encode()
        headers = {
            "authorization": f"Bearer {token or self.token()}",
            "content-type": "application/json",
            "host": "127.0.0.1:8083",
            **{name.replace("_", "-"): value for name, value in said.items()},
        }
        request = Request(method, b"", tuple(headers.items()), data, path=path)
        return await send(self.server, request)

    async def rows(self) -> list[Usage]:
        """Return what is in the books."""
        found: list[Usage] = []
        place: Place | None = Place()
        while place is not None:
            rows, place = await self.server.store.real.usage.page("default", ALL, place, limit=99)
            found += rows
        return found


@pytest.fixture
async def bank(bench: Workbench) -> AsyncIterator[Bank]:
    async with bench.opened(CAMARA) as server:
        store = server.store.real
        assert await store.consumers.put("default", CONSUMER, seen=0)
        assert server.parts.partners is not None
        await server.parts.partners.known.consumers.look()
        await store.change("default", ALLOWED, Change(msisdn=NUMBER), now=START - 999)
        line = await store.find("default", imsi=ALLOWED)
        assert line is not None
        yield Bank(server, Subject(imsi=ALLOWED, msisdn=NUMBER, epoch=line.token_epoch))


async def test_a_number_is_verified_by_one_read_and_one_row(bank: Bank) -> None:
    token = bank.token(application="shop")
    answer = await bank.call(VERIFY, {"phoneNumber": NUMBER.e164}, token=token, x_correlator="c-1")
    assert (answer.status, json.loads(answer.body)) == (200, {"devicePhoneNumberVerified": True})
    said = dict(answer.headers)
    assert said["x-correlator"] == "c-1"
    assert said["cache-control"] == "no-store"
    (row,) = await bank.rows()
    assert (row.client_id, row.application, row.outcome) == ("bank", "shop", Outcome.MATCH)
    assert (row.operation, row.status, row.correlator) == ("phoneNumberVerify", 200, "c-1")
    (record,) = await bank.server.records()
    assert record["status"] == 200
    assert record["outcome"] == "match"
    assert record["requestor"] == "bank"
    text = json.dumps(record) + repr(bank.server.log_lines)
    for secret in (NUMBER.digits, ALLOWED.digits, token):
        assert secret not in text


async def test_of_fifty_connections_at_once_one_is_answered(bank: Bank) -> None:
    token = bank.token()
    calls = [bank.call(VERIFY, {"phoneNumber": NUMBER.e164}, token=token) for _ in range(50)]
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status for answer in answers) == [200] + [401] * 49
    assert len({answer.body for answer in answers if answer.status == 401}) == 1
    assert len(await bank.rows()) == 1


async def test_whatever_is_wrong_with_a_token_is_the_same_to_the_byte(bank: Bank) -> None:
    spent = bank.token()
    assert (await bank.call(VERIFY, {"phoneNumber": NUMBER.e164}, token=spent)).status == 200
    revoked = bank.token(token_id=bytes(16))
    await bank.server.store.real.camara_tokens.revoke("default", bytes(16), expires_at=START + 300)
    good = bank.token()
    barred = Subject(imsi=BARRED, msisdn=NUMBER, epoch=0)
    seen = set()
    for token in (
        spent,
        revoked,
        "nonsense",
        good[:-4] + "AAAA",
        bank.token(expires=START),
        bank.token(client_id="nobody"),
        bank.token(audience="https://elsewhere.example"),
        bank.token(key=bytes(32)),
        bank.token(subject=replace(bank.subject, epoch=99)),
        bank.token(subject=replace(bank.subject, msisdn=NOBODYS)),
        bank.token(subject=replace(bank.subject, imsi=Imsi("001010000009999"))),
        bank.token(subject=barred),
    ):
        answer = await bank.call(
            VERIFY, {"phoneNumber": NUMBER.e164}, token=token, x_correlator="same"
        )
        seen.add((answer.status, tuple(answer.headers), answer.body))
    ((status, headers, body),) = seen
    assert status == 401
    assert ("www-authenticate", "Bearer") in headers
    assert json.loads(body)["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/sim-swap/v2/retrieve-date", {}, {"latestSimChange": "2026-11-18T10:50:01Z"}),
        ("/sim-swap/v2/check", {"maxAge": 1}, {"swapped": True}),
        (
            "/number-recycling/v0.2/check",
            {"specifiedDate": "2026-11-17"},
            {"phoneNumberRecycled": True},
        ),
        (
            "/subscription-status/v0.1/retrive-subscription-status",
            {},
            {"voiceSmsIn": "active", "voiceSmsOut": "active", "dataService": "active"},
        ),
    ],
)
async def test_the_store_tells(bank: Bank, path: str, body: Any, told: Any) -> None:
    answer = await bank.call(path, body)
    assert (answer.status, json.loads(answer.body)) == (200, told)
    named = {**body, "phoneNumber": NUMBER.e164}
    answer = await bank.call(path, named, token=bank.token(two_legs=True))
    assert (answer.status, json.loads(answer.body)) == (200, told)


async def test_a_device_is_known_once_it_authenticated(bank: Bank) -> None:
    path = "/device-swap/v1/retrieve-date"
    answer = await bank.call(path, {})
    assert (answer.status, json.loads(answer.body)["code"]) == (422, "SERVICE_NOT_APPLICABLE")
    phone = Phone(bank.server)
    await phone.token()
    answer = await bank.call(path, {})
    assert json.loads(answer.body) == {"latestDeviceChange": "2026-11-18T11:06:40Z"}


async def test_where_nobody_ever_told_a_place_it_is_unavailable(bank: Bank) -> None:
    path = "/device-roaming-status/v1/retrieve"
    store = bank.server.store.real
    await store.change("default", ALLOWED, Change(visited_plmn=""), now=START - 50)
    answer = await bank.call(path, {})
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "UNAVAILABLE")
    await store.change("default", ALLOWED, Change(visited_plmn="26201"), now=START - 20)
    told = json.loads((await bank.call(path, {})).body)
    assert told == {
        "lastStatusTime": "2026-11-18T11:06:20Z",
        "roaming": True,
        "countryCode": 262,
        "countryName": ["DE"],
    }


async def test_what_http_has_its_statuses_for(bank: Bank) -> None:
    answer = await bank.call(VERIFY, method="PUT")
    assert answer.status == 405
    assert dict(answer.headers)["allow"] == "POST"
    assert (await bank.call("/number-verification/v9/verify", {})).status == 404
    assert (await bank.call(VERIFY, {}, content_type="text/plain")).status == 415
    assert (await bank.call(VERIFY, {}, accept="text/html")).status == 406
    assert (await bank.call(VERIFY, {}, x_correlator="a b")).status == 400
    answer = await bank.call(VERIFY, {"phoneNumber": "+4" + "4" * 100_000})
    assert answer.status == 413


async def test_a_phone_s_tokens_are_none_here_and_the_other_way_round(bank: Bank) -> None:
    phone = Phone(bank.server)
    answer = await bank.call(VERIFY, {"phoneNumber": NUMBER.e164}, token=await phone.token())
    assert answer.status == 401


SANDBOX = (
    CAMARA
    + """
[test_numbers."+447700900100"]
sim_age_h = 2
network = "262-01"
"""
)


async def test_the_sandbox_is_of_the_settings(bench: Workbench) -> None:
    async with bench.opened(SANDBOX) as server:
        store = server.store.real
        await store.consumers.put("default", replace(CONSUMER, sandbox=True), seen=0)
        assert server.parts.partners is not None
        await server.parts.partners.known.consumers.look()
        bank = Bank(server, Subject(imsi=ALLOWED, msisdn=NUMBER, epoch=0))
        token = bank.token(two_legs=True)
        for number, status in (("+447700900100", 200), (NUMBER.e164, 404)):
            body = {"phoneNumber": number}
            answer = await bank.call("/sim-swap/v2/check", body, token=token)
            assert answer.status == status
        rows = await bank.rows()
        assert {(row.sandbox, row.price_micros, row.tariff) for row in rows} == {(True, 0, "")}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ('[camara]\napis = ["sim-swop"]\nlisten = "127.0.0.1:8083"\n', 'did you mean "sim-swap'),
        ("[camara]\nmonitored_sim_days = -1\n", "is not within 0"),
        ('[test_numbers."447700900100"]\n', "no number in international form"),
        ('[test_numbers."+447700900100"]\nnetwork = "26201"\n', "is no network"),
        ('[test_numbers."+447700900100"]\ntenants = ["x"]\n', "there is no tenant x"),
        ('[test_numbers."+447700900100"]\nsim_age_h = -1\n', "is not within 0"),
        ('[test_numbers."+447700900100"]\nstatus = "lost"\n', "status"),
    ],
)
async def test_settings_that_are_refused(bench: Workbench, settings: str, problem: str) -> None:
    with pytest.raises(StartRefused, match=problem):
        async with bench.opened(settings):
            pass


async def test_apis_that_are_not_named_are_not_there(bench: Workbench) -> None:
    settings = CAMARA + 'apis = ["number-verification"]\n'
    async with bench.opened(settings) as server:
        bank = Bank(server, Subject(imsi=ALLOWED, msisdn=NUMBER, epoch=0))
        assert (await bank.call("/sim-swap/v2/check", {})).status == 404
        assert (await bank.call(VERIFY, {})).status == 401
