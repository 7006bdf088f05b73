"""The simulator's HTTP client: what it sends, what it takes, and what it will not wait for."""

import asyncio
import datetime
import gzip
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simgrant.sim.http import (
    Answer,
    BadAnswer,
    Headers,
    HttpClient,
    Limits,
    Unreachable,
    Url,
    tls_context,
)
from tests.loopback.sim.scripted import CLOSE, Says, ScriptedServer, answer

QUICK = Limits(connect_s=5, read_s=5, head_bytes=4096, body_bytes=1000)


async def _get(*script: Says, limits: Limits = QUICK, headers: Headers = ()) -> Answer:
    async with ScriptedServer(*script, close_after=True) as server:
        client = HttpClient(server.url(), limits=limits)
        try:
            return await client.exchange("GET", "/ts43", headers)
        finally:
            await client.aclose()


def _chunked(*chunks: bytes, trailer: bytes = b"") -> bytes:
    body = b"".join(b"%x;x=y\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + body + b"0\r\n" + trailer + b"\r\n"


# --- what is sent ---


async def test_lines_go_out_in_the_given_order_and_the_platform_s_own_after_them() -> None:
    headers = (("Accept", "a"), ("Cookie", "A=1"), ("Cookie", "B=2"), ("User-Agent", "u"))
    async with ScriptedServer(answer()) as server:
        client = HttpClient(server.url())
        await client.exchange("POST", "/ts43?x=1", headers, body=b"hello")
        await client.aclose()
        (seen,) = server.seen
        port = server.port
    assert (seen.method, seen.target, seen.body) == ("POST", "/ts43?x=1", b"hello")
    assert seen.lines == (
        "Accept: a",
        "Cookie: A=1",
        "Cookie: B=2",
        "User-Agent: u",
        f"Host: 127.0.0.1:{port}",
        "Connection: Keep-Alive",
        "Accept-Encoding: gzip",
        "Content-Length: 5",
    )


async def test_a_header_given_by_the_caller_replaces_the_platform_s() -> None:
    async with ScriptedServer(answer()) as server:
        client = HttpClient(server.url())
        await client.exchange("GET", "/", (("host", "aes.example"), ("accept-encoding", "br")))
        await client.aclose()
    assert server.seen[0].all("Host") == ["aes.example"]
    assert server.seen[0].all("Accept-Encoding") == ["br"]


@pytest.mark.parametrize("line", [("A", "b\r\nC: d"), ("A\nB", "c"), ("", "x"), ("A B", "c")])
async def test_a_header_cannot_smuggle_another_in(line: tuple[str, str]) -> None:
    client = HttpClient(Url.parse("http://127.0.0.1:1/"))
    with pytest.raises(ValueError, match="control character"):
        await client.exchange("GET", "/", (line,))


async def test_both_legs_share_a_connection() -> None:
    async with ScriptedServer(answer(), answer()) as server:
        client = HttpClient(server.url())
        await client.exchange("GET", "/", ())
        await client.exchange("GET", "/", ())
        await client.aclose()
        assert server.connections == 1


async def test_a_connection_closed_while_idle_is_opened_anew() -> None:
    async with ScriptedServer(answer(), answer(), close_after=True) as server:
        client = HttpClient(server.url())
        await client.exchange("GET", "/", ())
        assert (await client.exchange("GET", "/", ())).status == 200
        await client.aclose()
        assert server.connections == 2


async def test_without_keep_alive_each_request_has_its_connection() -> None:
    async with ScriptedServer(answer(), answer()) as server:
        client = HttpClient(server.url(), keep_alive=False)
        await client.exchange("GET", "/", ())
        await client.exchange("GET", "/", ())
        assert server.connections == 2
        assert server.seen[0].first("Connection") == "close"


# --- what is taken ---


async def test_a_chunked_body_with_extensions_and_trailers() -> None:
    found = await _get(_chunked(b"one ", b"two", trailer=b"X-Sum: 1\r\n"))
    assert found.body == b"one two"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_gzip_body_is_unpacked(chunked: bool) -> None:
    packed = gzip.compress(b"<xml/>" * 50)
    said = (
        _chunked(packed[:7], packed[7:]).replace(b"OK\r\n", b"OK\r\nContent-Encoding: gzip\r\n", 1)
        if chunked
        else answer("200 OK", packed, "text/xml", ("Content-Encoding", "gzip"))
    )
    found = await _get(said)
    assert found.body == b"<xml/>" * 50
    assert found.wire_bytes == len(packed)


async def test_interim_answers_are_passed_over() -> None:
    found = await _get(b"HTTP/1.1 100 Continue\r\n\r\n" + answer("403 Forbidden"))
    assert (found.status, found.reason, found.body) == (403, "Forbidden", b"")


async def test_a_body_may_end_with_the_connection() -> None:
    found = await _get(b"HTTP/1.1 200 OK\r\n\r\nall there is")
    assert found.body == b"all there is"


async def test_every_value_of_a_repeated_header_is_kept() -> None:
    found = await _get(answer("200 OK", b"", "", ("Set-Cookie", "A=1"), ("set-cookie", "B=2")))
    assert found.all("SET-COOKIE") == ("A=1", "B=2")
    assert found.first("Nothing") == ""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"SMTP ready\r\n\r\n", "status line"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "header line"),
        (answer("200 OK", b"x" * 1001), "more than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001, "more than 1000 bytes"),
        (_chunked(b"x" * 600, b"x" * 600), "more than 1000 bytes"),
        (_chunked().replace(b"0\r\n", b"zz\r\n"), "without a size"),
        (_chunked(b"abc").replace(b"3;x=y", b"2;x=y"), "longer than its size"),
        (_chunked(trailer=b"A: b\r\n" * 101), "without end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "not chunked"),
        (answer("200 OK", b"abc", "", ("Content-Encoding", "gzip")), "gzip and is not"),
        (
            answer("200 OK", gzip.compress(b"abc", mtime=0)[:-4], "", ("Content-Encoding", "gzip")),
            "end",
        ),
        (
            answer(
                "200 OK", gzip.compress(bytes(100_000), mtime=0), "", ("Content-Encoding", "gzip")
            ),
            "more than 1000 bytes",
        ),
        (answer("200 OK", b"abc", "", ("Content-Encoding", "br")), "not asked for"),
        (answer("200 OK", b"", "", ("A", "b" * 5000)), "longer than 4096"),
    ],
)
async def test_what_is_no_answer_is_refused(said: bytes, why: str) -> None:
    with pytest.raises(BadAnswer, match=why):
        await _get(said)


# --- what is not waited for ---


async def test_a_silent_hang_up_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="without an answer"):
        await _get(CLOSE)


@pytest.mark.parametrize("said", [b"HTTP/1.1 200", answer("200 OK", b"abc")[:-1]])
async def test_a_hang_up_in_the_middle_is_unreachable(said: bytes) -> None:
    with pytest.raises(Unreachable, match="middle"):
        await _get(said)


async def test_a_server_that_never_answers_is_given_up() -> None:
    async with ScriptedServer() as server:
        client = HttpClient(server.url(), limits=Limits(read_s=0.05))
        with pytest.raises(Unreachable, match=r"within 0\.05 s"):
            await client.exchange("GET", "/", ())


async def test_nobody_listens() -> None:
    async with ScriptedServer() as server:
        url = server.url()
    with pytest.raises(Unreachable, match="no connection to"):
        await HttpClient(url).exchange("GET", "/", ())


# --- addresses ---


@pytest.mark.parametrize(
    ("text", "authority", "target"),
    [
        ("http://ecs.example", "ecs.example", "/?q=1"),
        ("https://ecs.example:443/ts43", "ecs.example", "/ts43?q=1"),
        ("http://[::1]:8080/a b", "[::1]:8080", "/a%20b?q=1"),
        ("https://ecs.example:9014/x?carrier=7", "ecs.example:9014", "/x?carrier=7&q=1"),
    ],
)
def test_addresses(text: str, authority: str, target: str) -> None:
    url = Url.parse(text)
    assert url.authority == authority
    assert url.target("q=1") == target


@pytest.mark.parametrize(
    "text", ["", "ecs.example", "ftp://ecs.example/", "http://", "http://u@h/", "http://h:99999/"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|port"):
        Url.parse(text)


# --- TLS ---


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A PEM file with key and certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ecs")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    since = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(since)
        .not_valid_after(since.replace(year=2049))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "ecs.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def _over_tls(certificate: Path, trust: ssl.SSLContext | None) -> Answer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer("200 OK", b"safe"))
        await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        client = HttpClient(Url.parse(f"https://127.0.0.1:{port}/"), tls=trust)
        try:
            return await client.exchange("GET", "/", ())
        finally:
            await client.aclose()


async def test_a_private_ca_is_trusted_when_named(certificate: Path) -> None:
    assert (await _over_tls(certificate, tls_context(ca=str(certificate)))).body == b"safe"


async def test_no_check_takes_any_certificate(certificate: Path) -> None:
    assert (await _over_tls(certificate, tls_context(insecure=True))).body == b"safe"


async def test_an_unknown_certificate_is_refused_in_words(certificate: Path) -> None:
    with pytest.raises(Unreachable, match=r"certificate of https://127.*self.signed"):
        await _over_tls(certificate, None)
