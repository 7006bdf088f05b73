"""Everything that is sealed by us, at every place but its own: refused, and nothing changed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from simgrant.sim.push.smsc import MessageCentre
from tests.device.harness import ALLOWED, RELAY, XML, Answer, Phone, Request, Workbench, relay_body
from tests.device.signing_in import SignIns, signing_in, values
from tests.device.test_otp import ENABLED, TEXTS, number

KINDS = ("state", "password", "token", "challenge", "page")
PLACES = ("call-back", "OTP by cookie", "OTP by state", "token", "EAP answer", "temporary_token")
OWN = {
    ("state", "call-back"),
    ("password", "OTP by cookie"),
    ("password", "OTP by state"),
    ("token", "token"),
    ("challenge", "EAP answer"),
}


@pytest.fixture
async def ins(bench: Workbench) -> AsyncIterator[SignIns]:
    centre = MessageCentre()
    await centre.up()
    (bench.directory / "smsc-password").write_text(centre.password)
    try:
        async with signing_in(bench, TEXTS.format(port=centre.port) + ENABLED) as opened:
            yield opened
    finally:
        await centre.down()


async def made(ins: SignIns, kind: str) -> str:
    """Return one sealed value."""
    phone = Phone(ins.server, apps=("ap2014",))
    match kind:
        case "state":
            return values((await ins.begin(phone)).header("location"))["state"]
        case "password":
            query = phone.query(("msisdn", number(ALLOWED.digits)[1:]))
            return (await ins.server.get(query, *phone.headers(XML))).cookie_value
        case "token":
            return (await phone.full()).token
        case "challenge":
            return (await phone.begin()).cookie_value
        case _:
            document = (await phone.but(apps=("ap2004",)).full()).content.decode()
            found = re.search(r"flow=([\w-]+)", document)
            assert found is not None
            return found[1]


async def taken_to(ins: SignIns, place: str, text: str) -> Answer:
    phone = Phone(ins.server, apps=("ap2014",))
    cookie = [("cookie", f"ECSSID={text}")]
    match place:
        case "call-back":
            return await ins.come_back(f"code=c&state={text}&iss={ins.provider.issuer}")
        case "OTP by cookie":
            return await ins.server.get("OTP=123456", ("accept", XML), *cookie)
        case "OTP by state":
            return await ins.come_back(f"OTP=123456&state={text}")
        case "EAP answer":
            headers = [("accept", RELAY), ("content-type", RELAY), *cookie]
            packet = relay_body(b"\x02\x01\x00\x04")
            return await ins.server.send(Request("POST", b"", headers, packet))
        case _:
            proof = ((place, text), ("operation", "GetPhoneNumber"))
            return await ins.server.get(phone.query(*proof), *phone.headers(XML))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_sealed_works_at_its_own_place_only(
    ins: SignIns, kind: str, place: str
) -> None:
    text = await made(ins, kind)
    ins.server.store.calls.clear()
    answer = await taken_to(ins, place, text)
    if (kind, place) in OWN:
        record = (await ins.server.records())[-1]
        assert not str(record["outcome"]).endswith(("_broken", "_foreign")), record
        return
    assert answer.status == (401 if place == "temporary_token" else 511)
    assert answer.all("location") == answer.all("set-cookie") == []
    assert ins.server.store.writes == []
