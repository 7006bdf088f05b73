"""A TS.43 client that is not ours against `simgrant serve`.

It computes Milenage, MK and AT_MAC with its own code and checks our AT_MAC, which Android's
client does not.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from simgrant.sim.sims import DEMO_K, DEMO_OPC, demo_sims
from tests.interop.foreign_ecs import PYTHON
from tests.interop.our_server import OurServer

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not PYTHON.exists(), reason="ts43-test-ecs is not installed (make tools)"),
]

SCRIPT = Path(__file__).with_name("ts43_client.py")
SIM = demo_sims()[0]
XML = "text/vnd.wap.connectivity-xml"


def _full(**wishes: Any) -> dict[str, Any]:
    """Wishes for a full authentication; the library's own realm would be that of PLMN 000-00."""
    return {
        "imsi": SIM.imsi.digits,
        "ki": DEMO_K.hex(),
        "opc": DEMO_OPC.hex(),
        "eap_id": SIM.nai(),
        "app": "ap2004",
        "terminal_id": "490154203237518",
        "entitlement_version": "2.0",
        "vers": 0,
        **wishes,
    }


def _fast(token: str, **wishes: Any) -> dict[str, Any]:
    return {
        "fast": True,
        "imsi": SIM.imsi.digits,
        "token": token,
        "app": "ap2004",
        "terminal_id": "490154203237518",
        "entitlement_version": "2.0",
        "vers": 1,
        **wishes,
    }


async def _client(server: OurServer, wish: dict[str, Any]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        SCRIPT,
        server.url,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30):
            out, err = await process.communicate(json.dumps(wish).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.conforms("eap.foreign-client", "annex.vowifi")
@pytest.mark.parametrize("version", ["2.0", "8.0", "9.0", "12.0", "13.0"])
async def test_full_authentication(simgrant_server: OurServer, version: str) -> None:
    found = await _client(simgrant_server, _full(entitlement_version=version))
    assert found["status"] == 200, found
    assert found["content_type"].startswith(XML)
    assert found["token"]
    assert found["token_validity"] > 0
    assert found["vers"] > 0
    assert found["validity"] > 0
    assert found["applications"]["ap2004"]["EntitlementStatus"] == "1"


@pytest.mark.conforms("eap.foreign-client", "annex.vowifi")
@pytest.mark.parametrize("use_post", [False, True])
async def test_token(simgrant_server: OurServer, use_post: bool) -> None:
    first = await _client(simgrant_server, _full())
    found = await _client(simgrant_server, _fast(first["token"], use_post=use_post))
    assert found["status"] == 200, found
    assert found["token"]
    for answer in (first, found):
        # It is signed afresh each time.
        assert answer["applications"]["ap2004"].pop("ServiceFlow_UserData")
    assert found["applications"] == first["applications"]


@pytest.mark.conforms("eap.resynchronisation")
async def test_resynchronisation(simgrant_server: OurServer) -> None:
    """Its SIM claims a sequence number in AUTS, and wants a new challenge in the same session."""
    wish = _full(simulate_sync_failure=True, sync_sqn_ms=0x10_0000_0000)
    found = await _client(simgrant_server, wish)
    assert found["status"] == 200, found
    assert found["applications"]["ap2004"]["EntitlementStatus"] == "1"


@pytest.mark.conforms("annex.voice", "annex.smsoip", "json.same-content")
async def test_three_applications_in_xml_and_json(simgrant_server: OurServer) -> None:
    wish = _full(app=["ap2004", "ap2003", "ap2005"], entitlement_version="8.0")
    xml = await _client(simgrant_server, wish)
    json_ = await _client(simgrant_server, {**wish, "accept_json": True})
    assert json_["content_type"].startswith("application/json")
    for found in (xml, json_):
        assert set(found["applications"]) == {"ap2003", "ap2004", "ap2005"}
        assert "VoiceOverCellularEntitleInfo" in found["applications"]["ap2003"]
    assert xml["applications"]["ap2005"] == json_["applications"]["ap2005"]


async def test_a_stale_token_is_511(simgrant_server: OurServer) -> None:
    found = await _client(simgrant_server, _fast("there-never-was-such-a-token"))
    assert found["status"] == 511


@pytest.mark.conforms("eap.unknown-identity-403")
async def test_an_unknown_imsi_is_403_with_an_empty_body(simgrant_server: OurServer) -> None:
    stranger = SIM.nai().replace(SIM.imsi.digits, "001019999999999")
    found = await _client(simgrant_server, _full(imsi="001019999999999", eap_id=stranger))
    assert found == {"status": 403, "body": ""}


async def test_a_sim_with_another_key_notices_our_mac(simgrant_server: OurServer) -> None:
    found = await _client(simgrant_server, _full(ki="00" * 16))
    assert found == {"error": "Server AKA-Challenge failed AT_MAC verification"}


@pytest.mark.parametrize("accept_json", [False, True])
async def test_a_temporary_token_is_acquired_and_redeemed_once(
    simgrant_server: OurServer, accept_json: bool
) -> None:
    app = {"app": "ap2014", "entitlement_version": "12.0", "accept_json": accept_json}
    first = await _client(simgrant_server, _full(**app))
    assert first["applications"]["ap2014"] == {"OperationResult": "1"}
    asked = {"operation": "AcquireTemporaryToken", "operation_targets": "GetPhoneNumber"}
    lent = await _client(simgrant_server, _fast(first["token"], **app, extra_params=asked))
    found = lent["applications"]["ap2014"]
    assert (found["OperationResult"], found["OperationTargets"]) == ("1", "GetPhoneNumber")

    redeem = {"operation": "GetPhoneNumber", "temporary_token": found["TemporaryToken"]}
    wish = _fast("", **app, extra_params=redeem) | {"token": None, "imsi": None}
    told = await _client(simgrant_server, wish)
    assert told["applications"]["ap2014"]["MSISDN"].startswith("+")
    assert told["token"] is None
    assert (await _client(simgrant_server, wish))["status"] == 401
