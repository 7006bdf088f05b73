"""ap2013: identities for Wi-Fi networks, and the way back from one (TS.43 §12)."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from simgrant.errors import StartRefused
from simgrant.flows.private_identity import resolve
from simgrant.keyring.identity import NotAnIdentity
from simgrant.spec.ids import PrivateUserIdType
from tests.device.harness import ALLOWED, JSON, NO_VOWIFI, START, Phone, Server, Workbench
from tests.device.partner import app_of

WEEK = 7 * 86_400


def identity_phone(server: Server, **changes: object) -> Phone:
    phone = Phone(server, apps=("ap2013",), entitlement_version="12.0", wanted=JSON)
    return phone.but(**changes)


@pytest.mark.spec("TS.43 §12.1.2")
@pytest.mark.conforms(
    "identity.asked",
    "identity.given-and-renewed",
    "identity.fits-eap-identity",
    "identity.leads-back",
    "annex.private-identity",
)
async def test_without_a_gateways_key_it_is_a_pseudonym(server: Server) -> None:
    phone = identity_phone(server)
    seen = []
    token = await phone.token()
    for _ in range(2):
        found = app_of(await phone.fast(token), "ap2013")
        seen.append(found.pop("PrivateUserID"))
        assert found == {
            "EntitlementStatus": "1",
            "PrivateUserIDType": "1",
            "PrivateUserIDExpiry": "2026-11-25T11:06:40Z",
        }
    assert seen[0] != seen[1]
    keys = server.parts.keys
    for text in (seen[0], f"{seen[1]}@nai.epc.mnc001.mcc001.3gppnetwork.org"):
        assert len(text) < 1016
        resolved = resolve(text, keys, private=None, now=START)
        assert (resolved.kind, resolved.tenant) == (PrivateUserIdType.PSEUDONYM, "default")
        assert resolved.opened.imsi == ALLOWED
        assert resolved.opened.expires == START + WEEK
    for text in (token, f"2{token}", "2" + "x" * 60, "", "2", "nonsense", "a.b.c.d.e"):
        with pytest.raises(NotAnIdentity):
            resolve(text, keys, private=None, now=START)


@pytest.mark.spec("TS.43 §12.1.2")
@pytest.mark.conforms("identity.fits-eap-identity", "identity.leads-back", "annex.private-identity")
async def test_with_a_gateways_key_the_imsi_is_encrypted_to_it(bench: Workbench) -> None:
    gateway = ec.generate_private_key(ec.SECP256R1())
    pem = gateway.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (bench.directory / "gateway.pem").write_bytes(pem)
    settings = '[tenants.default]\nidentity_key = "gateway.pem"\nidentity_key_id = "gw"\n'
    async with bench.opened(settings) as server:
        phone = identity_phone(server)
        found = app_of(await phone.full(), "ap2013")
        assert found["PrivateUserIDType"] == "2"
        assert len(found["PrivateUserID"]) < 1016
        resolved = resolve(found["PrivateUserID"], server.parts.keys, private=gateway, now=START)
        assert resolved.opened.imsi == ALLOWED
        in_xml = await phone.but(wanted="text/vnd.wap.connectivity-xml").full()
        assert in_xml.odsa.get("APPLICATION", "PrivateUserID")
        # Another hour, another key agreement.
        headers = {found["PrivateUserID"].partition(".")[0]}
        for _ in range(2):
            bench.clock.advance(3600)
            again = app_of(await phone.full(), "ap2013")
            headers.add(again["PrivateUserID"].partition(".")[0])
        assert len(headers) == 3


async def test_a_key_of_another_curve_does_not_start(bench: Workbench) -> None:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (bench.directory / "gateway.pem").write_bytes(pem)
    with pytest.raises(StartRefused, match="P-256"):
        async with bench.opened('[tenants.default]\nidentity_key = "gateway.pem"\n'):
            pass


@pytest.mark.conforms("identity.only-with-status-1")
async def test_who_may_not_have_it_gets_no_identity(server: Server) -> None:
    phone = identity_phone(server, imsi=NO_VOWIFI)
    assert app_of(await phone.full(), "ap2013") == {"EntitlementStatus": "2"}
