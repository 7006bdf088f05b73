"""The outbound client with a certificate: shown, renewed, refused, and what is unsent."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from simgrant.errors import PeerTimeout, PeerUnavailable, StartRefused
from simgrant.links.http import HttpConfig, HttpLink, HttpRequest, Repeat, Unsent, UnsentInTime
from simgrant.links.retry import RetryRules
from simgrant.sim.smdp.certificates import Certificates
from simgrant.sim.web import Answer, Break, Request, WebServer
from tests.clocks import MachineClock

ONCE = RetryRules(tries=1)


class Peer:
    """A server that asks for a certificate of its authority."""

    def __init__(self, certificates: Certificates, *protocols: str) -> None:
        context = certificates.server_context()
        context.set_alpn_protocols(protocols or ("h2", "http/1.1"))
        self.answer = Answer(200)
        self.seen: list[Request] = []
        self.web = WebServer(self._answer, context)

    def _answer(self, request: Request) -> Answer:
        self.seen.append(request)
        return self.answer


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"), now=time.time())


@pytest.fixture(scope="module")
def strangers(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates.stranger(tmp_path_factory.mktemp("strangers"))


@pytest.fixture
def config(certificates: Certificates) -> HttpConfig:
    return HttpConfig(
        peer="p",
        ca_file=certificates.ca,
        certificate=certificates.operator,
        key=certificates.operator_key,
        retry=ONCE,
    )


@pytest.fixture
async def peer(certificates: Certificates) -> AsyncIterator[Peer]:
    made = Peer(certificates)
    await made.web.up()
    yield made
    await made.web.down()


async def send(
    link: HttpLink, url: str, *, within: float = 10, repeat: Repeat = Repeat.NEVER_SENT
) -> int:
    request = HttpRequest("POST", f"{url}/x", {}, b"body", repeat)
    return (await link.send(request, deadline=time.monotonic() + within)).status


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
async def test_a_certificate_is_shown(
    certificates: Certificates, config: HttpConfig, protocol: str
) -> None:
    peer = Peer(certificates, protocol)
    await peer.web.up()
    link = HttpLink(config, MachineClock())
    for _ in range(3):
        assert await send(link, peer.web.url) == 200
    assert {each.version for each in peer.seen} == {protocol}
    assert peer.web.connections == 1
    await link.close()
    await peer.web.down()


@pytest.fixture(params=["none", "stranger's"])
def not_good(
    request: pytest.FixtureRequest, config: HttpConfig, strangers: Certificates
) -> HttpConfig:
    if request.param == "none":
        return replace(config, certificate=None, key=None)
    return replace(config, certificate=strangers.operator, key=strangers.operator_key)


@pytest.mark.parametrize("http2", [True, False])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_who_shows_no_good_one_was_surely_not_heard(
    certificates: Certificates, not_good: HttpConfig, version: ssl.TLSVersion, http2: bool
) -> None:
    context = certificates.server_context()
    context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with refusing(context) as (url, heard):
        link = HttpLink(replace(not_good, http2=http2), MachineClock())
        with pytest.raises(Unsent):
            await send(link, url, repeat=Repeat.STRUGGLING)
        await link.close()
    assert heard == []


@contextmanager
def refusing(context: ssl.SSLContext) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the address of a server that tells its alerts as real ones do, and what it heard.

    The event loop's own TLS hangs up on who shows no good certificate without saying why.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(coming, going, server_side=True)
        with connection:
            try:
                while True:
                    try:
                        tls.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        connection.sendall(going.read())
                        coming.write(connection.recv(65_536))
                heard.append(b"let in")
            except ssl.SSLError:
                connection.sendall(going.read())
                # Who closes with something unread resets, and the alert would be lost.
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", heard
    finally:
        thread.join(timeout=10)
        listener.close()


async def test_a_server_of_another_authority_was_surely_not_reached(
    peer: Peer, config: HttpConfig, strangers: Certificates
) -> None:
    link = HttpLink(replace(config, ca_file=strangers.ca), MachineClock())
    with pytest.raises(Unsent, match="certificate"):
        await send(link, peer.web.url)
    assert peer.seen == []
    await link.close()


async def test_a_certificate_that_was_replaced_is_shown_from_then_on(
    tmp_path: Path, certificates: Certificates, strangers: Certificates, config: HttpConfig
) -> None:
    theirs = Peer(strangers)
    await theirs.web.up()
    own, key = tmp_path / "own.pem", tmp_path / "key.pem"
    shutil.copy(certificates.operator, own)
    shutil.copy(certificates.operator_key, key)
    trusting = replace(config, ca_file=strangers.ca, certificate=own, key=key)
    link = HttpLink(trusting, MachineClock())
    with pytest.raises(PeerUnavailable):
        await send(link, theirs.web.url)
    shutil.copy(strangers.operator, own)
    with pytest.raises(PeerUnavailable):
        # Half of it: the old pair is shown on.
        await send(link, theirs.web.url)
    shutil.copy(strangers.operator_key, key)
    assert await send(link, theirs.web.url) == 200
    await link.close()
    await theirs.web.down()


def _unusable(kind: str, folder: Path, good: Certificates) -> tuple[Path, Path]:
    path = folder / "file.pem"
    if kind == "key missing":
        return good.operator, path
    if kind == "certificate missing":
        return path, good.operator_key
    if kind == "other key":
        return good.operator, good.smdp_key
    if kind == "key encrypted":
        key = load_pem_private_key(good.operator_key.read_bytes(), None)
        scheme = BestAvailableEncryption(b"password")
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, scheme))
        return good.operator, path
    path.write_bytes(b"rubbish")
    return (good.operator, path) if kind == "key rubbish" else (path, good.operator_key)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("key missing", "No such file"),
        ("certificate missing", "No such file"),
        ("other key", "is not the key of"),
        ("key encrypted", "without a password"),
        ("key rubbish", "no private key"),
        ("certificate rubbish", "no certificates"),
    ],
)
def test_files_that_are_no_use_refuse_the_start(
    tmp_path: Path, certificates: Certificates, config: HttpConfig, kind: str, said: str
) -> None:
    certificate, key = _unusable(kind, tmp_path, certificates)
    with pytest.raises(StartRefused, match=said):
        HttpLink(replace(config, certificate=certificate, key=key), MachineClock())


async def test_a_connection_that_lay_idle_too_long_is_not_used(
    peer: Peer, config: HttpConfig
) -> None:
    link = HttpLink(replace(config, idle_s=0.001), MachineClock())
    for _ in range(2):
        assert await send(link, peer.web.url) == 200
        await asyncio.sleep(0.05)
    assert peer.web.connections == 2
    await link.close()


# --- what is unsent, and what is not --------------------------------------------------------


async def test_where_nobody_listens_nothing_was_sent(peer: Peer, config: HttpConfig) -> None:
    await peer.web.down()
    link = HttpLink(config, MachineClock())
    for _ in range(ONCE.failures):
        with pytest.raises(Unsent):
            await send(link, peer.web.url)
    with pytest.raises(Unsent) as raised:
        await send(link, peer.web.url)
    assert raised.value.reason == "circuit_open"
    await link.close()


@pytest.mark.parametrize("fault", [Break.RESET, Break.SILENT])
async def test_what_broke_or_was_silent_may_have_been_heard(
    peer: Peer, config: HttpConfig, fault: Break
) -> None:
    peer.answer = Answer(fault=fault)
    link = HttpLink(config, MachineClock())
    with pytest.raises(PeerUnavailable) as raised:
        await send(link, peer.web.url, within=0.5 if fault is Break.SILENT else 10)
    assert not isinstance(raised.value, Unsent)
    assert len(peer.seen) == 1
    await link.close()


async def test_what_was_heard_once_stays_so_when_later_tries_are_not(
    peer: Peer, config: HttpConfig
) -> None:
    retry = RetryRules(tries=5, failures=2, first_wait_s=0.001, longest_wait_s=0.002)
    link = HttpLink(replace(config, retry=retry), MachineClock())
    peer.answer = Answer(fault=Break.RESET)
    with pytest.raises(PeerUnavailable) as raised:
        await send(link, peer.web.url, repeat=Repeat.UNANSWERED)
    assert not isinstance(raised.value, Unsent)
    await link.close()


async def test_who_had_no_turn_in_time_sent_nothing(peer: Peer, config: HttpConfig) -> None:
    peer.answer = Answer(fault=Break.SILENT)
    link = HttpLink(replace(config, in_flight=1), MachineClock())
    slow = asyncio.create_task(send(link, peer.web.url, within=60))
    await asyncio.sleep(0)
    with pytest.raises(UnsentInTime) as raised:
        await send(link, peer.web.url, within=0.1)
    assert isinstance(raised.value, PeerTimeout)
    assert raised.value.reason == "peer_timeout"
    slow.cancel()
    await asyncio.wait({slow})
    with pytest.raises(UnsentInTime):
        await send(link, peer.web.url, within=-1)
    assert len(peer.seen) <= 1
    await link.close()
