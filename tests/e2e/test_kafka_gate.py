"""That our settings reach librdkafka: TLS, client certificates and SASL at the door of a broker."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from confluent_kafka import Consumer

from simgrant.adapters.events.kafka import Config, KafkaTopic, client_settings
from simgrant.flows.event_batches import EventBatches
from simgrant.flows.event_reading import EventReader
from simgrant.sim.smdp.certificates import Certificates
from tests.clocks import MachineClock
from tests.e2e.kafka_gate import Gate, opened
from tests.event_intake import MemoryIntake

pytestmark = pytest.mark.e2e
WAIT_S = 20
USER, PASSWORD = "simgrant", "s3cret-\N{EURO SIGN}"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"), now=time.time())


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    return Config(
        name="topic",
        brokers=("127.0.0.1:1",),
        topic="events",
        group="simgrant",
        password_file=tmp_path / "password",
        user=USER,
    )


@asynccontextmanager
async def reading(gate: Gate, config: Config) -> AsyncIterator[list[MutableMapping[str, Any]]]:
    config = replace(config, brokers=(f"127.0.0.1:{gate.port}",))
    batches = EventBatches(
        MemoryIntake(), EventReader(), tenant="default", source="topic", clock=MachineClock()
    )
    with structlog.testing.capture_logs() as logs:
        topic = KafkaTopic(config, client_settings(config), batches, lambda _: None)
        task = asyncio.create_task(topic.run())
        try:
            yield logs
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert PASSWORD not in str(logs)


async def said(logs: list[MutableMapping[str, Any]], word: str) -> None:
    async with asyncio.timeout(WAIT_S):
        while not any(word in str(each) for each in logs):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_name_and_a_password_are_shown_over_tls(
    certificates: Certificates, config: Config, mechanism: str
) -> None:
    tls = certificates.server_context()
    tls.verify_mode = ssl.CERT_NONE
    gate = Gate(mechanism=mechanism, user=USER, password=PASSWORD, tls=tls)
    async with (
        opened(gate),
        reading(gate, replace(config, sasl=mechanism, ca_file=certificates.ca)),
    ):
        async with asyncio.timeout(WAIT_S):
            await gate.proved.wait()
    assert set(gate.mechanisms) == {mechanism}
    assert gate.refused == 0


async def test_a_client_certificate_is_shown(certificates: Certificates, config: Config) -> None:
    gate = Gate(tls=certificates.server_context())
    own = replace(
        config,
        ca_file=certificates.ca,
        certificate=certificates.operator,
        key=certificates.operator_key,
    )
    async with opened(gate), reading(gate, own):
        async with asyncio.timeout(WAIT_S):
            await gate.proved.wait()
    assert gate.subjects[0]


async def test_a_wrong_password_is_refused_and_said(
    certificates: Certificates, config: Config
) -> None:
    tls = certificates.server_context()
    tls.verify_mode = ssl.CERT_NONE
    gate = Gate(mechanism="SCRAM-SHA-256", user=USER, password="another", tls=tls)
    own = replace(config, sasl="SCRAM-SHA-256", ca_file=certificates.ca)
    async with opened(gate), reading(gate, own) as logs:
        await said(logs, "_AUTHENTICATION")
    assert [each["state"] for each in logs if each["reason"]] == ["not_let_in"], "once"
    assert gate.refused > 0
    assert not gate.proved.is_set()


async def test_a_broker_of_another_authority_is_told_nothing(
    certificates: Certificates, config: Config, tmp_path: Path
) -> None:
    other = Certificates(tmp_path / "other", now=time.time())
    tls = certificates.server_context()
    tls.verify_mode = ssl.CERT_NONE
    gate = Gate(mechanism="PLAIN", user=USER, password=PASSWORD, tls=tls)
    own = replace(config, sasl="PLAIN", ca_file=other.ca)
    async with opened(gate), reading(gate, own) as logs:
        await said(logs, "_SSL")
    assert gate.mechanisms == []


def test_every_setting_has_the_client_s_name_for_it(
    certificates: Certificates, config: Config
) -> None:
    own = replace(
        config,
        sasl="SCRAM-SHA-512",
        ca_file=certificates.ca,
        certificate=certificates.operator,
        key=certificates.operator_key,
    )
    found = client_settings(own)
    assert found == {
        "bootstrap.servers": "127.0.0.1:1",
        "client.id": "simgrant",
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(certificates.ca),
        "ssl.certificate.location": str(certificates.operator),
        "ssl.key.location": str(certificates.operator_key),
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": USER,
        "sasl.password": PASSWORD,
    }
    # It knows them all, and has read the files.
    Consumer(found | {"group.id": "g"}).close()
    for sasl, tls, protocol in (("", True, "SSL"), ("", False, "PLAINTEXT")):
        assert client_settings(replace(config, sasl=sasl, tls=tls))["security.protocol"] == protocol
