"""An HTTP client for one peer: deadlines, bounded answers, a budget for repetitions, a breaker.

HTTP/1.1 and HTTP/2 over kept connections; what goes in the clear is `clear_http`'s. Redirects are
not followed and the environment's proxies not used, so that a request goes where it was sent and
nowhere else. The library's error texts begin
with the address, and addresses hold tokens: what leaves this module says which peer, and what the
system or TLS said.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.http import HeaderMap
from pyreqwest.proxy import ProxyBuilder

from simgrant.errors import PeerMisbehaved, PeerTimeout, PeerUnavailable, StartRefused
from simgrant.links.clear_http import ClearHttp, NoAnswer, TooLong
from simgrant.links.retry import Breaker, RetryBudget, RetryRules, backoff
from simgrant.nouns import Number, named_noun, noun
from simgrant.ports.clock import Clock
from simgrant.within import Within

T = TypeVar("T")
_LONGEST_RETRY_AFTER: Final = 86_400.0
_STRUGGLING: Final = frozenset({500, 502, 503, 504})
_NEVER_SENT: Final = frozenset({"client error (Connect)", "client error (Canceled)"})
"""No connection was made, or it had ended before the request was given to it."""
_ALERT: Final = "received fatal alert: "
_NOT_LET_IN: Final = frozenset(
    {
        "accessdenied",
        "badcertificate",
        "certificateexpired",
        "certificaterequired",
        "certificaterevoked",
        "certificateunknown",
        "decrypterror",
        "handshakefailure",
        "unknownca",
        "unsupportedcertificate",
    }
)
"""Alerts about our certificate. In TLS 1.3 they come when our side of the handshake is done and a
request is on its way; a server checks certificates before it reads one."""
_READ_BYTES: Final = 16 * 1024


@named_noun
class HttpConfig:
    """How a peer is reached."""

    peer: str
    """Its name in errors and logs."""
    ca_file: Path | None = None
    """PEM file of certificates to trust besides the system's."""
    certificate: Path | None = None
    """PEM file of the certificate chain that proves to the peer who we are; with ``key``."""
    key: Path | None = None
    """PEM file of its private key. Both are read again when they change."""
    plain: bool = False
    """Allow ``http://``, for peers in one's own network."""
    http2: bool = True
    """Offer HTTP/2 by ALPN; the peer chooses."""
    prior_knowledge: bool = False
    """Speak HTTP/2 without asking, in the clear too (RFC 9113 §3.3)."""
    proxy: str = ""
    """Address of an HTTP proxy that all requests go through; empty = none."""
    hosts: tuple[tuple[str, str, int], ...] = ()
    """(name, address, port; 0 = the scheme's) to connect to in place of what DNS says."""
    in_flight: int = 100
    """Requests under way at a time; more wait for their turn."""
    connect_timeout_s: float = 5.0
    """Seconds for TCP and TLS together."""
    idle_s: float = 90.0
    """Seconds that a connection is kept without use. A request that meets the peer's end of one may
    have been heard or not: where that matters, be less patient than the peer."""
    most_bytes: int = 64 * 1024
    """Bytes of an answer's body; a longer one is PeerMisbehaved."""
    retry: RetryRules = RetryRules()


class Repeat(Number):
    """When a request may be sent once more, each for the reasons of those before it too."""

    NEVER_SENT = 0
    """No connection was made."""
    UNANSWERED = 1
    """It was sent and nobody knows what became of it: the peer may get it twice."""
    STRUGGLING = 2
    """The answer was 500, 502, 503 or 504, and said nothing of when to come back."""


@noun
class HttpRequest:
    """A request. Address, headers and body may hold secrets, so its repr shows none of them."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    repeat: Repeat = Repeat.NEVER_SENT


@noun
class Reply:
    """An answer, of whatever status."""

    status: int
    version: str
    """Such as ``HTTP/2.0``."""
    body: bytes = field(repr=False)
    _headers: HeaderMap | Mapping[str, str] = field(repr=False, compare=False)
    """By names in small letters."""

    def header(self, name: str) -> str:
        """Return the first value of a header, in whatever case; absent is empty."""
        return self._headers.get(name.lower()) or ""

    def json(self, kind: type[T]) -> T:
        """Return the body as ``kind``; ValueError if it is no JSON, or not of that kind."""
        return read_json(self.body, kind)

    def retry_after(self, now: float) -> float | None:
        """Return the seconds that Retry-After asks for, at most a day; None if it says nothing.

        ``now`` is in Unix seconds, for the form that names a date (RFC 9110 §10.2.3).
        """
        text = self.header("retry-after").strip()
        if text.isascii() and text.isdecimal() and len(text) < 10:
            return min(float(text), _LONGEST_RETRY_AFTER)
        try:
            at = parsedate_to_datetime(text).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        return min(max(0.0, at - now), _LONGEST_RETRY_AFTER)


class Unsent(PeerUnavailable):
    """The peer surely got nothing of the request."""


class UnsentInTime(Unsent, PeerTimeout):
    """It had no turn before its deadline."""


def read_json(data: bytes, kind: type[T]) -> T:
    """Return JSON as ``kind``; ValueError, and nothing else, where it is not."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("not the JSON that was expected") from None


class HttpLink:
    """One peer. To be made and used within one event loop."""

    def __init__(self, config: HttpConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        # Jitter has no need of a good source of chance.
        self._chance = random.Random().random  # noqa: S311
        self._closed = False
        self._budget = RetryBudget(config.retry)
        self._breaker = Breaker(config.retry, self._chance)
        self._turns = asyncio.Semaphore(config.in_flight)
        self._stamps = _stamps(config)
        self._client = _client(config)
        self._clear: ClearHttp | None = None
        if config.plain and not (config.proxy or config.prior_knowledge):
            self._clear = ClearHttp(
                hosts={name: (address, port) for name, address, port in config.hosts},
                connect_timeout_s=config.connect_timeout_s,
                idle_s=config.idle_s,
                most_bytes=config.most_bytes,
            )

    @property
    def peer(self) -> str:
        """Return the peer's name, for errors."""
        return self._config.peer

    async def send(self, request: HttpRequest, *, deadline: float) -> Reply:
        """Return the peer's answer by ``deadline`` (seconds of the monotonic clock).

        Errors: PeerTimeout, PeerUnavailable (``retry_after`` while the breaker is open),
        PeerMisbehaved (an answer that is too long). Those of the first two that are `Unsent` say
        that the peer got nothing. Repetitions are within the deadline.
        """
        late: type[PeerTimeout] = UnsentInTime
        left = deadline - self._clock.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            with Within(left):
                async with self._turns:
                    late = PeerTimeout
                    return await self._send(request, deadline)
        except TimeoutError:
            raise late(for_operator=f"{self.peer}: no answer in time") from None

    async def close(self) -> None:
        """Let go of every connection; requests under way fail with PeerUnavailable."""
        self._closed = True
        if self._clear is not None:
            self._clear.close()
        await self._client.close()

    async def _send(self, request: HttpRequest, deadline: float) -> Reply:
        if self._closed:
            # The client itself may still connect for a moment.
            raise Unsent("closed", for_operator=f"{self.peer}: the connection is closed")
        self._budget.earn()
        attempt = 1
        unanswered: type[PeerUnavailable] = Unsent
        while True:
            began = self._clock.monotonic()
            pause = self._breaker.wait(began)
            if pause:
                raise unanswered(
                    "circuit_open",
                    for_operator=f"{self.peer}: left alone after failures in a row",
                    retry_after=math.ceil(pause),
                )
            wait = backoff(attempt, self._config.retry, chance=self._chance())
            try:
                reply = await self._once(request)
            except _Failed as failed:
                self._breaker.failed(self._clock.monotonic(), began=began)
                if not failed.never_sent:
                    unanswered = PeerUnavailable
                may = failed.never_sent or request.repeat >= Repeat.UNANSWERED
                if not may or not self._may_repeat(attempt, wait, deadline):
                    raise unanswered(for_operator=f"{self.peer}: {failed}") from None
            except asyncio.CancelledError:
                # The deadline, as a rule: a peer that only ever keeps one waiting has failed too.
                self._breaker.failed(self._clock.monotonic())
                raise
            else:
                if reply.status not in _STRUGGLING:
                    self._breaker.succeeded()
                    return reply
                unanswered = PeerUnavailable
                self._breaker.failed(self._clock.monotonic())
                may = request.repeat >= Repeat.STRUGGLING and not reply.header("retry-after")
                if not may or not self._may_repeat(attempt, wait, deadline):
                    return reply
            await asyncio.sleep(wait)
            attempt += 1

    def _may_repeat(self, attempt: int, wait: float, deadline: float) -> bool:
        return (
            attempt < self._config.retry.tries
            and self._clock.monotonic() + wait < deadline
            and not self._breaker.is_open
            and self._budget.spend()
        )

    async def _once(self, request: HttpRequest) -> Reply:
        if self._clear is not None:
            written = self._clear.written(
                request.method, request.url, request.headers, request.body
            )
            if written is not None:
                return await self._in_the_clear(self._clear, *written)
        try:
            builder = (
                self._current()
                .request(request.method, request.url)
                .headers(request.headers)
                .body_bytes(request.body)
            )
            async with builder.build_streamed() as response:
                body = bytearray()
                while chunk := await response.body_reader.read(_READ_BYTES):
                    body += chunk
                    if len(body) > self._config.most_bytes:
                        raise self._too_long()
                return Reply(response.status, response.version, bytes(body), response.headers)
        except ValueError:
            # An address that is none, plain HTTP, a token that no header can hold.
            raise Unsent(
                "request_unsendable",
                for_operator=f"{self.peer}: the address or a header cannot be sent",
            ) from None
        except PyreqwestError as error:
            raise _failed(error) from None

    async def _in_the_clear(self, clear: ClearHttp, host: tuple[str, int], data: bytes) -> Reply:
        try:
            heard = await clear.exchange(host, data)
        except NoAnswer as error:
            raise _Failed(str(error), never_sent=error.never_sent) from None
        except TooLong:
            raise self._too_long() from None
        return Reply(heard.status, f"HTTP/{heard.version}", heard.body, heard.headers)

    def _too_long(self) -> PeerMisbehaved:
        most = self._config.most_bytes
        return PeerMisbehaved(
            "answer_too_long", for_operator=f"{self.peer}: more than {most} bytes"
        )

    def _current(self) -> Client:
        """Return the client, made anew where the files of our certificate were replaced.

        Requests under way end with the old one. A pair that does not fit together is one of which
        half was replaced so far: the old one is used until the other half is there.
        """
        if self._stamps:
            try:
                stamps = _stamps(self._config)
                if stamps != self._stamps:
                    self._client, self._stamps = _client(self._config), stamps
            except StartRefused:
                pass
        return self._client


class _Failed(Exception):
    """No answer came. The text is for operators and holds no address."""

    def __init__(self, text: str, *, never_sent: bool) -> None:
        super().__init__(text)
        self.never_sent: Final = never_sent


def _failed(error: PyreqwestError) -> _Failed:
    details = getattr(error, "details", None)
    causes = (details or {}).get("causes") or []
    # The first cause names the address; the others say what the system or TLS said.
    texts = [str(cause["message"]) for cause in causes[1:]]
    alert = texts[-1].removeprefix(_ALERT).lower() if texts else ""
    never_sent = not _NEVER_SENT.isdisjoint(texts) or alert in _NOT_LET_IN
    return _Failed(texts[-1] if texts else error.message, never_sent=never_sent)


def _client(config: HttpConfig) -> Client:
    builder = (
        ClientBuilder()
        .no_proxy()
        .follow_redirects(False)
        .referer(False)
        .https_only(not config.plain)
        .http2(config.http2)
        .user_agent("simgrant")
        # Answers are small, and nothing that unpacks is easier to bound.
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .connect_timeout(timedelta(seconds=config.connect_timeout_s))
        .pool_idle_timeout(timedelta(seconds=config.idle_s))
        # What a peer keeps silent about is found out before requests wait for it.
        .http2_keep_alive_interval(timedelta(seconds=20))
        .http2_keep_alive_timeout(timedelta(seconds=10))
    )
    if config.prior_knowledge:
        builder = builder.http2_prior_knowledge()
    if config.proxy:
        builder = builder.proxy(ProxyBuilder.all(config.proxy))
    for name, address, port in config.hosts:
        builder = builder.resolve(name, address, port)
    if config.ca_file is not None:
        builder = builder.add_root_certificate_pem(_certificates(config.ca_file))
    if config.certificate is not None and config.key is not None:
        builder = builder.identity_pem(_identity(config.certificate, config.key))
    try:
        return builder.build()
    except PyreqwestError:
        raise StartRefused(f"{config.peer}: the proxy's address or the CA file is no use") from None


def _certificates(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        # The client takes a file without certificates for one with none to add.
        load_pem_x509_certificates(data)
    except OSError as error:
        raise StartRefused(f"{path}: {error.strerror}") from None
    except ValueError:
        raise StartRefused(f"{path}: holds no certificates in PEM") from None
    return data


def _identity(certificate: Path, key: Path) -> bytes:
    """Return key and chain as the client takes them; StartRefused where they are no pair."""
    chain = _certificates(certificate)
    try:
        data = key.read_bytes()
        private = load_pem_private_key(data, None)
    except OSError as error:
        raise StartRefused(f"{key}: {error.strerror}") from None
    except TypeError:
        raise StartRefused(f"{key}: the key is encrypted; give it without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise StartRefused(f"{key}: holds no private key in PEM") from None
    if load_pem_x509_certificates(chain)[0].public_key() != private.public_key():
        raise StartRefused(f"{key}: is not the key of {certificate}")
    return data.rstrip() + b"\n" + chain


def _stamps(config: HttpConfig) -> tuple[tuple[int, int], ...]:
    """Return what changes when one of our certificate's files is replaced; empty without one."""
    try:
        found = [path.stat() for path in (config.certificate, config.key) if path is not None]
    except OSError as error:
        raise StartRefused(f"{error.filename}: {error.strerror}") from None
    return tuple((each.st_ino, each.st_mtime_ns) for each in found)
