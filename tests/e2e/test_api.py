"""The management API by processes: the Python client's story, TLS, several workers, a kill."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from simgrant.domain.policy import default_policy_text
from simgrant.identities import Imsi
from simgrant.sim.handset import Handset
from simgrant.sim.http import Url
from simgrant.sim.profiles import PROFILES, ProfileName
from simgrant.sim.sims import DEMO_K, DEMO_OPC
from simgrant.sim.smdp.certificates import Certificates
from simgrant_client import Client, Problem, Retries
from tests.e2e.nodes import SIMS, Node, Site
from tests.servers.process import free_port, wait_until

pytestmark = pytest.mark.e2e

TOKEN = "a-token-of-more-than-32-characters"
IMSI = "001010000000777"


@dataclass
class Api:
    """A node with a management API."""

    node: Node
    url: str

    def client(self, **named: object) -> Client:
        return Client(self.url, token=TOKEN, **named)  # type: ignore[arg-type]


def serve(site: Site, *arguments: str, **settings: object) -> Api:
    (site.directory / "token").write_text(TOKEN)
    port = free_port()
    site.settings = {
        **site.settings,
        "api.listen": f"127.0.0.1:{port}",
        "api_clients.crm.role": "admin",
        "api_clients.crm.token_file": "token",
        **settings,
    }
    return Api(site.node(*arguments), f"http://127.0.0.1:{port}")


@pytest.fixture
def api(sqlite_site: Site) -> Api:
    return serve(sqlite_site)


async def test_a_whole_story_with_the_client(api: Api) -> None:
    with api.client(actor="ann@example.com") as client:
        made = client.create_subscription(
            imsi=IMSI,
            plan="standard",
            k=DEMO_K.hex(),
            opc=DEMO_OPC.hex(),
            terms="given",
            address="given",
            key="order-1",
        )
        again = client.create_subscription(
            imsi=IMSI,
            plan="standard",
            k=DEMO_K.hex(),
            opc=DEMO_OPC.hex(),
            terms="given",
            address="given",
            key="order-1",
        )
        assert again == made
        decision = client.explain(IMSI, app="ap2004")["decisions"][0]
        assert decision["result"] == "allowed"
        phone = Handset(
            replace(SIMS[0], imsi=Imsi(IMSI)),
            Url.parse(api.node.url),
            PROFILES[ProfileName.ANDROID_IMS],
        )
        outcome = await phone.ask()
        assert outcome.document is not None
        await phone.aclose()
        suspended = client.suspend_subscription(IMSI, seen=made["etag"])
        assert suspended["status"] == "suspended"
        with pytest.raises(Problem, match="changed_meanwhile") as refused:
            client.change_subscription(IMSI, plan="premium", seen=made["etag"])
        assert refused.value.status == 412
        assert client.explain(IMSI, app="ap2004")["decisions"][0]["result"] == "denied"
        (terminal,) = client.list_terminals(IMSI)["items"]
        assert client.revoke_terminal(IMSI, terminal["terminal_id"])["token_epoch"] == 1

        def asked() -> bool:
            return any(each["event"] == "request" for each in client.get_history(IMSI)["items"])

        await asyncio.to_thread(wait_until, asked, what="the record of the phone's request")
        entries = client.list_audit(subscription=IMSI)["items"]
        assert [each["call"] for each in entries] == [
            "create_subscription",
            "suspend_subscription",
            "revoke_terminal",
        ]
        assert {each["actor"] for each in entries} == {"ann@example.com"}
        assert [
            each["imsi"] for each in client.iter_subscriptions(status="suspended", limit=1)
        ] == [IMSI]
        with pytest.raises(Problem, match="not_found"):
            client.get_subscription("001010000000999")
    text = api.node.out.read_text()
    assert '"api_called"' in text
    for secret in (IMSI, TOKEN, DEMO_K.hex()):
        assert secret not in text


async def test_workers_decide_by_a_policy_that_the_api_published(sqlite_site: Site) -> None:
    api = serve(sqlite_site, "--workers", "2")
    with api.client() as client:
        client.create_subscription(imsi=IMSI, plan="standard")
        gold = "[plans.gold]\nfeatures = []\n\n[plans.standard]"
        text = default_policy_text().replace("[plans.standard]", gold)
        assert client.publish_policy(text=text, comment="gold", seen=0)["version"] == 1

        def known() -> bool:
            try:
                return client.change_subscription(IMSI, plan="gold")["plan"] == "gold"
            except Problem:
                return False

        await asyncio.to_thread(wait_until, known, what="the plan in the API's own policy")


async def test_a_client_repeats_until_the_server_is_back(api: Api) -> None:
    api.node.kill()
    client = api.client(retries=Retries(tries=40, first_pause_s=0.3, longest_pause_s=0.5))
    found: list[str] = []

    def create() -> None:
        found.append(client.create_subscription(imsi=IMSI, plan="standard")["imsi"])

    thread = threading.Thread(target=create)
    thread.start()
    await asyncio.to_thread(api.node.start)
    await asyncio.to_thread(thread.join, 30)
    assert found == [IMSI]
    client.close()


async def test_a_certificate_or_a_token_by_tls(sqlite_site: Site, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "pki", now=time.time())
    api = serve(
        sqlite_site,
        **{
            "api.tls_certificate": str(certificates.operator),
            "api.tls_key": str(certificates.operator_key),
            "api.client_ca": str(certificates.ca),
            "api_clients.bss.role": "viewer",
            "api_clients.bss.certificate_sha256": [certificates.fingerprint()],
        },
    )
    url = api.url.replace("http:", "https:")
    once = Retries(tries=1)
    with Client(url, tls=certificates.caller_context(), retries=once) as client:
        assert client.list_subscriptions(limit=1)["items"]
        with pytest.raises(Problem, match="forbidden"):
            client.suspend_subscription(IMSI)
    bare = ssl.create_default_context(cafile=str(certificates.ca))
    with Client(url, tls=bare, retries=once) as client, pytest.raises(Problem) as unknown:
        client.list_subscriptions()
    assert unknown.value.status == 401
    with Client(url, tls=bare, token=TOKEN) as client:
        assert client.create_subscription(imsi=IMSI, plan="standard")["imsi"] == IMSI
    # One of another authority does not come through the handshake.
    strange = certificates.stranger(tmp_path / "other").caller_context(certificates.ca)
    with Client(url, tls=strange, token=TOKEN, retries=once) as client:
        with pytest.raises(Problem) as refused:
            client.list_subscriptions()
        assert refused.value.status == 0
