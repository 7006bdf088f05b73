"""Instances behind TLS: HTTP/2 by ALPN, their name in the certificate, and ours shown to them."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from simgrant.errors import EcsError
from simgrant.links.http import HttpConfig
from simgrant.links.retry import RetryRules
from simgrant.links.sbi.producers import Producers, ProducersConfig, SbiRequest
from simgrant.sim.smdp.certificates import Certificates
from simgrant.wire.sbi.nrf import Instance
from tests.loopback.links.sbi.core import Core, Node

REQUEST = SbiRequest(method="GET", path="/a", headers={})
NAME = "localhost"
"""That of the certificate."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"), now=time.time())


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    found = Core()
    yield found
    for node in found.nodes:
        await node.web.down()


def producers(
    core: Core, certificates: Certificates, instance: Instance, **more: object
) -> Producers:
    http = HttpConfig(
        peer="udm.home",
        ca_file=certificates.ca,
        certificate=certificates.operator,
        key=certificates.operator_key,
        retry=RetryRules(tries=1),
    )
    config = ProducersConfig(name="udm.home", http=replace(http, **more))  # type: ignore[arg-type]
    return Producers(config, [instance], watcher=core.watched, clock=core.clock)


async def up(core: Core, context: ssl.SSLContext, name: str) -> Instance:
    """Return an instance that the NRF tells by name and address."""
    context.set_alpn_protocols(["h2"])
    node = Node(tls=context)
    await core.up(node)
    port = node.web.port
    return Instance(id="a", root=f"https://{name}:{port}", address="127.0.0.1", port=port)


async def test_it_is_asked_by_its_name_and_shown_who_we_are(
    core: Core, certificates: Certificates
) -> None:
    instance = await up(core, certificates.server_context(), NAME)
    reply = await producers(core, certificates, instance).send(REQUEST, deadline=core.deadline())
    assert (reply.status, reply.version) == (200, "HTTP/2.0")


async def test_another_name_than_the_certificate_s_is_not_asked(
    core: Core, certificates: Certificates
) -> None:
    instance = await up(core, certificates.server_context(), "other.example.com")
    with pytest.raises(EcsError) as raised:
        await producers(core, certificates, instance).send(REQUEST, deadline=core.deadline())
    assert raised.value.reason == "sbi_unreachable"
    assert core.nodes[0].seen == []


async def test_an_authority_that_is_not_trusted_is_not_asked(
    core: Core, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> None:
    strangers = certificates.stranger(tmp_path_factory.mktemp("strangers"))
    instance = await up(core, strangers.server_context(), NAME)
    with pytest.raises(EcsError) as raised:
        await producers(core, certificates, instance).send(REQUEST, deadline=core.deadline())
    assert raised.value.reason == "sbi_unreachable"
    assert core.nodes[0].seen == []


async def test_who_shows_nothing_is_not_let_in(core: Core, certificates: Certificates) -> None:
    instance = await up(core, certificates.server_context(), NAME)
    asking = producers(core, certificates, instance, certificate=None, key=None)
    with pytest.raises(EcsError) as raised:
        await asking.send(REQUEST, deadline=core.deadline())
    # The alert is read, or the end of the connection is met first.
    assert raised.value.reason in ("sbi_unreachable", "sbi_lost")
    assert core.nodes[0].seen == []
