"""A server that is told to end finishes what it has begun, and one with workers minds them."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from simgrant.sim.http import HttpError
from simgrant.wire import relay
from tests.e2e.nodes import PATIENT, SIMS, Node, Site, is_gone, locked, until, until_locked_out
from tests.e2e.phones import (
    ENABLED,
    RELAY,
    XML,
    Phone,
    cookie_of,
    phones,
    token_of,
    vowifi_of,
)

pytestmark = pytest.mark.e2e


# --- one process ---------------------------------------------------------------------------


async def test_a_request_whose_body_comes_slowly_is_answered_after_sigterm(site: Site) -> None:
    node = site.node()
    async with Phone() as phone:
        challenge = await phone.begin(node)
        body = relay.push_relay(phone.reply(challenge))
        head = (
            f"POST / HTTP/1.1\r\nHost: x\r\nAccept: {XML}\r\nContent-Type: {RELAY}\r\n"
            f"Cookie: {cookie_of(challenge)}\r\nContent-Length: {len(body)}\r\n"
            "Expect: 100-continue\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(head.encode())
        await _until_head_is_read(reader)
        writer.write(body[:20])

        node.terminate()
        await until(lambda: node.readiness() in (0, 503), what="not ready any more")
        await _until_refused(node)
        assert node.running.poll() is None

        writer.write(body[20:])
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b'name="TOKEN"' in answer or b'type="TOKEN"' in answer
        writer.close()
        assert await node.ended(within=10) == 0


async def _until_in_flight(node: Node, count: int) -> None:
    await until(lambda: node.metric("simgrant_in_flight") >= count, what="a request in flight")


async def _until_head_is_read(reader: asyncio.StreamReader) -> None:
    said = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert said == b"HTTP/1.1 100 Continue\r\n\r\n"


async def _until_refused(node: Node) -> None:
    """Return once no new phone gets in."""
    async with Phone(SIMS[-1]) as late, asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", node.port)
            except (ConnectionRefusedError, ConnectionResetError):
                break  # Reset: it was in the queue of a listener that closed.
            writer.close()
            await asyncio.sleep(0.01)
        with pytest.raises(HttpError):
            await late.begin(node)


async def test_a_request_that_waits_for_the_database_is_answered_after_sigterm(site: Site) -> None:
    node = site.node(settings=PATIENT)
    async with Phone() as phone, locked(site, "session") as release:
        challenge = await phone.begin(node)
        answering = asyncio.create_task(
            phone.finish(node, phone.reply(challenge), cookie_of(challenge))
        )
        await _until_in_flight(node, 1)
        node.terminate()
        await _until_refused(node)
        await release()
        answer = await answering
        assert vowifi_of(answer) == ENABLED
        assert await node.ended(within=10) == 0
    assert answer.first("x-request-id") in {line["request_id"] for line in node.requests()}
    # What was told is true: a new process takes the token.
    node.start()
    async with Phone() as again:
        assert (await again.fast(node, phone.token)).status == 200


async def _cut_off(node: Node) -> bytes:
    """Let a request hang while the server ends; return what its phone was told."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
    writer.write(head)
    await _until_head_is_read(reader)
    writer.write(b"x")
    node.terminate()
    began = time.monotonic()
    assert await node.ended(within=10) == 0
    assert time.monotonic() - began < 6
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


async def test_a_request_that_never_ends_does_not_keep_the_server_from_ending(site: Site) -> None:
    node = site.node(settings={"server.shutdown_timeout_s": 1})
    await _cut_off(node)
    site.nodes.remove(node)  # what it says of the request is another test's


async def test_a_request_cut_off_by_the_end_is_no_internal_error(site: Site) -> None:
    """503 or nothing: a phone takes 500 for much worse than it is."""
    node = site.node(settings={"server.shutdown_timeout_s": 1})
    site.nodes.remove(node)
    answer = await _cut_off(node)
    assert not answer or answer.startswith(b"HTTP/1.1 503 ")
    node.assert_no_accident()


async def test_an_idle_connection_does_not_hold_up_the_end_and_phones_come_back_afterwards(
    site: Site,
) -> None:
    node = site.node()
    async with phones(SIMS[:5]) as many:
        for phone in many:
            assert (await phone.full(node)).status == 200
        began = time.monotonic()
        assert await asyncio.to_thread(node.stop) == 0
        assert time.monotonic() - began < 5
        await asyncio.to_thread(node.start)
        for phone in many:
            assert (await phone.fast(node)).status == 200


# --- several workers -----------------------------------------------------------------------


@pytest.fixture
def workers(site: Site) -> Node:
    """A node with two workers."""
    return site.node("--workers", "2", settings=PATIENT)


async def test_both_workers_serve_and_their_metrics_are_added_up(workers: Node) -> None:
    seen: dict[str, int] = {}
    async with asyncio.timeout(30):
        while len(seen) < 2 or min(seen.values()) < 3:
            # A connection of its own each time: whoever accepts it answers on it.
            async with Phone() as phone:
                assert (await phone.full(workers)).status == 200
                assert (await phone.fast(workers)).status == 200
                for answer in phone.seen:
                    worker = _worker_of(answer.first("x-request-id"))
                    seen[worker] = seen.get(worker, 0) + 1
    total = sum(seen.values())
    # A worker counts what it has answered a moment later.
    await until(lambda: workers.metric("simgrant_requests_total") == total, what="all counted")
    assert workers.metric("simgrant_requests_total", leg="token", status="200") == total / 3
    assert workers.metric("simgrant_request_seconds_count") == total


def _worker_of(request_id: str) -> str:
    """Return the part of a request's name that tells the process."""
    return request_id[:8]


async def test_a_killed_worker_is_restarted_while_the_other_serves(workers: Node) -> None:
    before = workers.workers()
    assert len(before) == 2
    async with Phone() as phone:
        token = token_of(await phone.full(workers))
        await until(lambda: workers.metric("simgrant_requests_total") == 2, what="both counted")
        os.kill(before[0], signal.SIGKILL)
        await until(lambda: workers.readiness() == 503, what="not ready", within=10)
        # The phone's connection may have been the dead worker's; a new one is not.
        assert (await phone.fast(workers, token)).status == 200
        await until(lambda: workers.readiness() == 200, what="ready again")
    after = workers.workers()
    assert len(after) == 2
    assert before[1] in after
    assert before[0] not in after
    assert {"worker_died"} <= {line["event"] for line in workers.lines()}
    # What the dead one had counted stays counted.
    await until(lambda: workers.metric("simgrant_requests_total") == 3, what="all counted")
    assert workers.stop() == 0
    assert all(map(is_gone, (*before, *after)))


async def test_sigterm_ends_every_worker_after_its_last_answer(site: Site, workers: Node) -> None:
    pids = workers.workers()
    async with phones(SIMS[:6]) as many:
        challenges = [await phone.begin(workers) for phone in many]
        async with locked(site, "session") as release:
            answering = [
                asyncio.create_task(phone.finish(workers, phone.reply(each), cookie_of(each)))
                for phone, each in zip(many, challenges, strict=True)
            ]
            await until_locked_out(site, len(many))
            workers.terminate()
            await until(lambda: workers.readiness() in (0, 503), what="not ready any more")
            assert workers.running.poll() is None
            await release()
            for answer in await asyncio.gather(*answering):
                assert vowifi_of(answer) == ENABLED
    assert await workers.ended(within=10) == 0
    assert all(map(is_gone, pids))


async def test_a_phone_that_comes_while_the_workers_finish_is_refused_and_not_kept_waiting(
    site: Site, workers: Node
) -> None:
    async with Phone() as phone, locked(site, "session") as release:
        challenge = await phone.begin(workers)
        answering = asyncio.create_task(
            phone.finish(workers, phone.reply(challenge), cookie_of(challenge))
        )
        await until_locked_out(site, 1)
        workers.terminate()
        await until(lambda: workers.readiness() in (0, 503), what="not ready any more")
        try:
            async with asyncio.timeout(3):
                await _until_refused(workers)
        finally:
            await release()
            assert vowifi_of(await answering) == ENABLED
            assert await workers.ended(within=10) == 0


async def test_workers_go_away_when_their_supervisor_is_killed(workers: Node) -> None:
    pids = workers.workers()
    async with Phone() as phone:
        assert (await phone.full(workers)).status == 200
        workers.kill()
        await until(lambda: all(map(is_gone, pids)), what="the workers' end", within=15)
        with pytest.raises(HttpError):
            await phone.fast(workers)


# --- certificates --------------------------------------------------------------------------


Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _write_certificate(directory: Path, key: Private) -> int:
    """Write a new certificate for a key, in the place of an older one; return its number."""
    number = x509.random_serial_number()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "aes.example")])
    now = datetime.fromtimestamp(time.time(), UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    for file, data in (
        ("key.pem", private),
        ("certificate.pem", made.public_bytes(serialization.Encoding.PEM)),
    ):
        (directory / file).write_bytes(data)
    return number


def _tls(site: Site) -> dict[str, object]:
    return {
        "device.tls_certificate": str(site.directory / "certificate.pem"),
        "device.tls_key": str(site.directory / "key.pem"),
        "keys.poll_s": 60,  # so that only the signal can be what renews
    }


async def _shown(node: Node) -> tuple[str, int]:
    """Return which process answers on a new connection and which certificate it shows."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port, ssl=context)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        tls = writer.get_extra_info("ssl_object")
        certificate = x509.load_der_x509_certificate(tls.getpeercert(True))
    finally:
        writer.close()
    name = answer.lower().partition(b"x-request-id: ")[2][:8].decode()
    assert name
    return name, certificate.serial_number


async def _until_all_show(node: Node, number: int, *, workers: int) -> None:
    """Return once so many processes have shown a certificate, and none another one any more."""
    showing: dict[str, int] = {}
    async with asyncio.timeout(20):
        while list(showing.values()).count(number) < workers:
            name, shown = await _shown(node)
            showing[name] = shown


async def test_sighup_gives_every_worker_the_new_certificate(site: Site) -> None:
    old = _write_certificate(site.directory, ec.generate_private_key(ec.SECP256R1()))
    node = site.node("--workers", "2", settings=_tls(site))
    pids = node.workers()
    await _until_all_show(node, old, workers=2)
    new = _write_certificate(site.directory, ec.generate_private_key(ec.SECP256R1()))
    node.hang_up()
    await _until_all_show(node, new, workers=2)
    for _ in range(8):
        assert (await _shown(node))[1] == new
    assert node.workers() == pids
    assert node.stop() == 0


@pytest.mark.parametrize("kinds", ["rsa to ecdsa", "ecdsa to rsa"])
async def test_sighup_takes_a_certificate_of_another_kind_of_key(site: Site, kinds: str) -> None:
    keys: dict[str, Private] = {
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ecdsa": ec.generate_private_key(ec.SECP256R1()),
    }
    before, after = kinds.split(" to ")
    old = _write_certificate(site.directory, keys[before])
    node = site.node(settings=_tls(site))
    assert (await _shown(node))[1] == old
    new = _write_certificate(site.directory, keys[after])
    node.hang_up()
    await until(lambda: "certificate_renewed" in node.out.read_text(), what="renewal")
    assert (await _shown(node))[1] == new


async def test_a_certificate_that_does_not_fit_its_key_does_not_go_live(site: Site) -> None:
    old = _write_certificate(site.directory, ec.generate_private_key(ec.SECP256R1()))
    node = site.node(settings=_tls(site))
    (site.directory / "certificate.pem").write_text("no certificate\n")
    node.hang_up()
    await until(lambda: "certificate_not_renewed" in node.out.read_text(), what="a complaint")
    assert (await _shown(node))[1] == old
    assert node.stop() == 0
