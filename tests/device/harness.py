"""A whole server in this process, on a clock that is set by hand, and phones that talk to it.

What is real: everything between the bytes of a connection and the database file. What is not:
the socket, the time, and the SIM, which is software. The store is watched from outside, so that a
test can say how often it was asked and that nothing was written.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import inspect
import io
import json
import re
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest
import structlog
from uvicorn.server import ServerState

from simgrant.adapters.authn import local_auc
from simgrant.adapters.keyring import file as key_file
from simgrant.compose import server as compose
from simgrant.compose.store import open_keys, open_store
from simgrant.config.load import DEFAULT_TENANT, Loaded, load
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    Subscription,
    SubscriptionStatus,
)
from simgrant.eap import keys as eap_keys
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import Subtype, Variant, pull_packet
from simgrant.eap.peer import AndroidPeer, Reply
from simgrant.eap.usim import SoftUsim
from simgrant.errors import PeerUnavailable
from simgrant.fronts.device.protocol import Connection, Listener
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.ring import KeyRing
from simgrant.ports.store import NewSubscription, RequestRecord, Store
from simgrant.telemetry.log import LineWriter
from tests.android_reader import Ts43XmlDoc, XmlDoc
from tests.clocks import set_clock

START = 1_795_000_000
"""Unix seconds at which every test begins: 2026-11-18."""

K = bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc")
OPC = bytes.fromhex("cd63cb71954a9f4e48a5994e37a02baf")
"""Test set 1 (TS 35.207 §4.3)."""

RELAY = "application/vnd.gsma.eap-relay.v1.0+json"
XML = "text/vnd.wap.connectivity-xml"
JSON = "application/json"
EITHER = f"{JSON}, {XML}"
"""What Android accepts unless told otherwise."""

ALLOWED = Imsi("001010000000001")
NO_VOWIFI = Imsi("001010000000002")
NO_CONSENT = Imsi("001010000000003")
SUSPENDED = Imsi("001010000000004")
HOME_ONLY = Imsi("001010000000005")
BARRED = Imsi("001010000000006")
STRANGER = Imsi("001010000009999")
"""Of a network that is served, and nobody's."""

IMEI = "490154203237518"

WRITES = frozenset(
    {
        "decide_session",
        "renew_grant",
        "register_push",
        "use_token",
        "tell",
        "set_holding",
        "set_marks",
        "begin_visit",
        "settle_visit",
        "settle_notices",
        "set_sqn_offset",
        "add",
        "add_many",
        "change",
        "set_consent",
        "remove",
        "revoke_tokens",
        "erase",
        "rewrap",
    }
)
"""What changes state. Request records are no state: they are kept of everything."""


class SetClock:
    """Time that goes on only when told to."""

    def __init__(self, at: float = START) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at - START + 1000.0

    def advance(self, seconds: float) -> None:
        self.at += seconds


class WatchedStore:
    """A store that notes who calls what, and can be made to fail or to wait."""

    def __init__(self, store: Store) -> None:
        self.real = store
        self.calls: list[str] = []
        self.records: list[RequestRecord] = []
        self.down = False
        """Whether every call fails as if the database were gone."""
        self._gate: asyncio.Event | None = None
        self._awaited: list[tuple[str, int, asyncio.Event]] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.real, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            self._tell()
            if name == "append_records":
                self.records.extend(arguments[0])
            if self._gate is not None and name not in ("append_records", "close"):
                await self._gate.wait()
            if self.down:
                raise PeerUnavailable("store_down")
            return await method(*arguments, **named)

        return call

    def hold(self) -> None:
        """Let every call but those for request records wait until ``release``."""
        self._gate = asyncio.Event()

    def release(self) -> None:
        """Let go of the calls that wait."""
        assert self._gate is not None
        self._gate.set()
        self._gate = None

    async def called(self, name: str, times: int) -> None:
        """Return when a method has been called so many times in all."""
        event = asyncio.Event()
        self._awaited.append((name, times, event))
        self._tell()
        await event.wait()

    def _tell(self) -> None:
        for name, times, event in self._awaited:
            if self.calls.count(name) >= times:
                event.set()

    @property
    def writes(self) -> list[str]:
        """The calls that change state, in their order."""
        return [name for name in self.calls if name in WRITES]

    @property
    def asked(self) -> list[str]:
        """All calls but those that the upkeep makes by itself."""
        return [name for name in self.calls if name not in ("append_records", "claim_notices")]


@dataclass(frozen=True)
class Answer:
    """What came back from the application."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    messages_taken: int = 0
    """How many pieces of the request's body were read."""

    def header(self, name: str) -> str:
        """Return the value of a header that comes at most once; empty when it does not."""
        found = self.all(name)
        assert len(found) <= 1, found
        return found[0] if found else ""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def content(self) -> bytes:
        """The body, unpacked where it is packed."""
        return gzip.decompress(self.body) if self.header("content-encoding") else self.body

    @property
    def unsealed(self) -> bytes:
        """The body without the sealed data for the web page, which is another each time."""
        return re.sub(rb"flow=[\w-]+", b"flow=", self.content)

    @property
    def cookie(self) -> str:
        """Name and value of the cookie, as a client sends it back."""
        return self.header("set-cookie").partition(";")[0]

    @property
    def cookie_value(self) -> str:
        return self.cookie.partition("=")[2]

    @property
    def packet(self) -> bytes:
        """The relayed EAP packet."""
        assert self.status == 200, self
        return base64.b64decode(json.loads(self.body)["eap-relay-packet"], validate=True)

    @property
    def phone(self) -> XmlDoc:
        """The document as Android's IMS application reads it."""
        assert self.status == 200, self
        return XmlDoc(self.content)

    @property
    def odsa(self) -> Ts43XmlDoc:
        """The document as Android's ODSA library reads it."""
        return Ts43XmlDoc(self.content)

    @property
    def object(self) -> dict[str, Any]:
        """The document as JSON."""
        assert self.status == 200, self
        found = json.loads(self.content)
        assert isinstance(found, dict)
        return found

    @property
    def token(self) -> str:
        """The TOKEN of an XML document."""
        return self.phone.get("TOKEN", "token") or ""


Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """One HTTP request, as bytes where a test wants to be rude."""

    method: str = "GET"
    query: bytes = b""
    headers: Headers = ()
    body: bytes | Sequence[bytes] = b""
    path: str = "/ts43"
    source: str = "192.0.2.7"


class Line(asyncio.Transport):
    """The transport of a connection that is not there: keeps what is sent."""

    def __init__(self, source: str) -> None:
        super().__init__({"peername": (source, 40_000)})
        self.sent = b""
        self.closing = False
        self.answered = asyncio.Event()

    def write(self, data: Any) -> None:
        self.sent += data
        self.answered.set()

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True
        self.answered.set()

    abort = close

    def pause_reading(self) -> None:
        """Whoever writes looks whether there is an answer already."""

    resume_reading = pause_reading


def connect(parts: compose.Parts, source: str = "192.0.2.7") -> tuple[Connection, Line]:
    """Return a connection of the device listener, and its other end."""
    connection = Connection(Listener(parts.device, parts.bounds, ServerState()))
    line = Line(source)
    connection.connection_made(line)
    return connection, line


def push_request(request: Request) -> list[bytes]:
    """Return a request as bytes: its head, and its body, in chunks where it has pieces."""
    # As any client does: what cannot stand in a request line is encoded, nothing else.
    query = re.sub(rb"[\x00-\x20\x7f-\xff#]", lambda found: b"%%%02X" % found[0][0], request.query)
    target = request.path.encode() + (b"?" + query if query else b"")
    lines = [f"{name}: {value}".encode("latin-1") for name, value in request.headers]
    names = {name for name, _ in request.headers}
    if "host" not in names:
        lines.append(b"host: 127.0.0.1")
    if isinstance(request.body, bytes):
        if request.body and "content-length" not in names:
            lines.append(b"content-length: %d" % len(request.body))
        pieces = [request.body] if request.body else []
    elif "content-length" in names:
        pieces = list(request.body)
    else:
        lines.append(b"transfer-encoding: chunked")
        pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in request.body]
        pieces.append(b"0\r\n\r\n")
    head = b"\r\n".join([request.method.encode() + b" " + target + b" HTTP/1.1", *lines])
    return [head + b"\r\n\r\n", *pieces]


def pull_answer(data: bytes, taken: int = 0, *, bodiless: bool = False) -> Answer:
    """Return the answer that these bytes are."""
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    answer = Answer(
        int(status.split(" ")[1]), [(name, value) for name, _, value in pairs], body, taken
    )
    assert body == b"" if bodiless else answer.header("content-length") == str(len(body))
    return answer


async def call(parts: compose.Parts, request: Request) -> Answer:
    """Send one request on a connection of its own and return what comes back."""
    connection, line = connect(parts, request.source)
    head, *pieces = push_request(request)
    connection.data_received(head)
    taken = 0
    for piece in pieces:
        await asyncio.sleep(0)
        if line.answered.is_set():
            break
        connection.data_received(piece)
        taken += 1
    await line.answered.wait()
    connection.connection_lost(None)
    return pull_answer(line.sent, taken, bodiless=request.method == "HEAD")


@dataclass(repr=False)
class Server:
    """An opened server and what a test may look at."""

    parts: compose.Parts
    clock: SetClock
    store: WatchedStore
    loaded: Loaded
    out: io.BytesIO
    events: list[Any]

    def __repr__(self) -> str:
        return "Server(…)"

    async def send(self, request: Request) -> Answer:
        return await call(self.parts, request)

    async def get(self, query: str | bytes = "", *headers: tuple[str, str]) -> Answer:
        return await self.send(Request("GET", _bytes(query), headers))

    async def post(self, body: bytes | str, *headers: tuple[str, str]) -> Answer:
        return await self.send(Request("POST", b"", headers, _bytes(body)))

    async def records(self) -> list[dict[str, Any]]:
        """Return every request record so far, oldest first, as they went to the store."""
        await self.parts.journal.flush()
        return [json.loads(record.body) for record in self.store.records]

    @property
    def log_lines(self) -> list[dict[str, Any]]:
        """Every log line of a request so far."""
        self.parts.journal.settle()
        self.parts.lines.flush()
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    @property
    def ring(self) -> KeyRing:
        return self.parts.keys.ring

    async def add(self, *new: NewSubscription) -> None:
        """Put subscriptions into the store, past the watch."""
        for each in new:
            await self.store.real.add(each)


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


# --- provisioning --------------------------------------------------------------------------


def given(kind: ConsentKind, *, at: int = START - 1000, expires_at: int | None = None) -> Consent:
    return Consent(kind, ConsentStatus.GIVEN, "1", at, expires_at)


BOTH = (given(ConsentKind.TERMS), given(ConsentKind.ADDRESS))


def new_subscription(
    imsi: Imsi,
    ring: KeyRing,
    *,
    tenant: str = DEFAULT_TENANT,
    plan: str = "standard",
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE,
    consents: tuple[Consent, ...] = BOTH,
    now: int = START - 1000,
    **more: Any,
) -> NewSubscription:
    """Return the rows of a subscription whose SIM has the keys of test set 1."""
    subscription = Subscription(
        tenant=tenant,
        imsi=imsi,
        msisdn=Msisdn(f"4477009{imsi.digits[-5:]}"),
        status=status,
        plan=plan,
        token_epoch=now,
        created_at=now,
        changed_at=now,
        **more,
    )
    sim = local_auc.wrap(
        "milenage",
        K,
        OPC,
        ring=ring,
        tenant=tenant,
        imsi=imsi,
        amf=b"\x80\x00",
        sqn=0,
        now=now,
    )
    return NewSubscription(subscription, sim, consents)


def usual_subscriptions(ring: KeyRing) -> list[NewSubscription]:
    """Return one subscription for each kind of answer."""
    suspended, barred = SubscriptionStatus.SUSPENDED, SubscriptionStatus.BARRED
    return [
        new_subscription(ALLOWED, ring),
        new_subscription(NO_VOWIFI, ring, plan="basic"),
        new_subscription(NO_CONSENT, ring, consents=()),
        new_subscription(SUSPENDED, ring, status=suspended),
        new_subscription(HOME_ONLY, ring, plan="home"),
        new_subscription(BARRED, ring, status=barred),
    ]


def configured(directory: Path, settings: str = "") -> Loaded:
    """Return the checked settings of a configuration file made of this text."""
    file = directory / "simgrant.toml"
    file.write_text(settings)
    return load(file, {})


async def make_template(directory: Path) -> None:
    """Make a state directory with keys, an up-to-date database and the usual subscriptions."""
    from simgrant.adapters.store import migrate

    loaded = configured(directory)
    key_file.write_keys(loaded.key_file, key_file.initial_keys(now=START - 100_000))
    await asyncio.to_thread(migrate.upgrade, loaded.store_url)
    keys = open_keys(loaded)
    store = await open_store(loaded)
    try:
        await store.add_many(usual_subscriptions(keys.ring))
    finally:
        await store.close()


@dataclass
class Workbench:
    """Opens servers for one test, all on one clock and one state directory."""

    directory: Path
    monkeypatch: pytest.MonkeyPatch
    clock: SetClock = field(default_factory=SetClock)

    @classmethod
    def copy_of(cls, template: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
        shutil.copytree(template / "state", directory / "state")
        bench = cls(directory, monkeypatch)
        set_clock(monkeypatch, bench.clock)
        return bench

    def loaded(self, settings: str = "") -> Loaded:
        return configured(self.directory, settings)

    @asynccontextmanager
    async def opened(self, settings: str = "", *, worker: int = 0) -> AsyncIterator[Server]:
        """Open a server over the bench's state directory."""
        loaded = self.loaded(settings)
        with structlog.testing.capture_logs() as events:
            with self.watched() as (stores, out):
                opening = compose.opened(loaded, worker=worker)
                parts = await opening.__aenter__()
            try:
                yield Server(parts, self.clock, stores[0], loaded, out, events)
            finally:
                await opening.__aexit__(None, None, None)

    @contextmanager
    def watched(self) -> Iterator[tuple[list[WatchedStore], io.BytesIO]]:
        """Have whatever is opened meanwhile use a watched store and write its lines to memory."""
        stores: list[WatchedStore] = []
        out = io.BytesIO()
        real_open = open_store

        async def open_watched(loaded: Loaded) -> Store:
            stores.append(WatchedStore(await real_open(loaded)))
            return cast("Store", stores[-1])

        with self.monkeypatch.context() as patched:
            patched.setattr(compose, "open_store", open_watched)
            patched.setattr(compose, "LineWriter", partial(LineWriter, out))
            yield stores, out


# --- phones --------------------------------------------------------------------------------


def new_card(*, ahead: bool = False) -> SoftUsim:
    """Return a SIM of test set 1; one that is ``ahead`` makes the server resynchronise."""
    taken = [seq << 5 | ind for ind in range(32) for seq in (50_000,)] if ahead else []
    return SoftUsim(Milenage(K, OPC), taken=taken)


def nai(imsi: Imsi, *, leading: str = "0", prefix: str = "nai.epc", mnc: str = "") -> str:
    """Return the EAP_ID of a SIM of a network with a two-digit MNC."""
    mcc, own = imsi.digits[:3], imsi.digits[3:5]
    return f"{leading}{imsi.digits}@{prefix}.mnc{mnc or own:0>3}.mcc{mcc}.3gppnetwork.org"


@dataclass(repr=False)
class Phone:
    """An Android phone: what its library sends, in its order, and nothing else."""

    server: Server
    imsi: Imsi = ALLOWED
    card: SoftUsim = field(default_factory=new_card)
    terminal_id: str = IMEI
    apps: tuple[str, ...] = ("ap2004",)
    wanted: str = XML
    entitlement_version: str = "2.0"
    app_name: str = ""
    extra: tuple[tuple[str, str], ...] = ()
    """Parameters put after the terminal, such as notif_token."""
    language: str = "en-US"
    host: str = "127.0.0.1:8080"
    source: str = "192.0.2.7"

    def __repr__(self) -> str:
        return "Phone(…)"

    @property
    def eap_id(self) -> str:
        return nai(self.imsi)

    def but(self, **changes: Any) -> Phone:
        """Return the same phone, with the same SIM in it, doing something differently."""
        return replace(self, **changes)

    def query(self, *proof: tuple[str, str]) -> bytes:
        """Return the query in the order of AOSP's library, percent-encoded as it does."""
        pairs = [
            *proof,
            ("terminal_id", self.terminal_id),
            *self.extra,
            *((("app_name", self.app_name),) if self.app_name else ()),
            *(("app", app) for app in self.apps),
            ("terminal_vendor", "Goog"),
            ("terminal_model", "Pixel 9 Pr"),
            ("terminal_sw_version", "15"),
            ("vers", "0"),
            ("entitlement_version", self.entitlement_version),
        ]
        return query(pairs)

    def headers(self, accept: str, *, cookie: str = "", content_type: str = "") -> Headers:
        """Return the headers in the order they have on the wire."""
        found = [("accept-language", self.language), ("accept", accept)]
        if content_type:
            found.append(("content-type", content_type))
        if cookie:
            found.append(("cookie", cookie))
        found.append(
            (
                "user-agent",
                "PRD-TS43 term-Goog/Pixel 9 Pr client-IMS-Entitlement/1.0 OS-Android/15",
            )
        )
        found += [("host", self.host), ("connection", "Keep-Alive"), ("accept-encoding", "gzip")]
        return found

    async def begin(self) -> Answer:
        """Ask with the SIM's identity: the first leg."""
        query = self.query(("EAP_ID", self.eap_id))
        return await self.server.send(
            Request("GET", query, self.headers(RELAY), source=self.source)
        )

    def reply(self, challenge: Answer) -> bytes:
        """Return the EAP packet that Android's library makes of a challenge."""
        answer = AndroidPeer(self.card, self.eap_id.encode()).answer(challenge.packet)
        assert isinstance(answer, Reply), answer
        return answer.data

    async def post(self, packet: bytes, cookie: str, *, accept: str = "") -> Answer:
        """Post an EAP packet to the bare URL, with the cookie and nothing else."""
        resync = packet[5] == Subtype.SYNCHRONIZATION_FAILURE
        kinds = accept or (RELAY if resync else f"{RELAY}, {self.wanted}")
        headers = self.headers(kinds, cookie=cookie, content_type=RELAY)
        return await self.server.send(
            Request("POST", b"", headers, relay_body(packet), source=self.source)
        )

    async def end(self, challenge: Answer) -> Answer:
        """Answer a challenge, and a second one if there is one, with the first cookie only."""
        cookie = challenge.cookie
        answer = challenge
        for _ in range(4):
            answer = await self.post(self.reply(answer), cookie)
            if answer.status != 200 or b"eap-relay-packet" not in answer.body:
                break
        return answer

    async def full(self) -> Answer:
        """Authenticate with the SIM and return the last answer."""
        challenge = await self.begin()
        return challenge if challenge.status != 200 else await self.end(challenge)

    async def token(self) -> str:
        """Authenticate with the SIM and return the token."""
        answer = await self.but(wanted=XML).full()
        assert answer.status == 200, answer
        assert answer.token
        return answer.token

    async def fast(self, token: str, **changes: Any) -> Answer:
        """Ask with a token."""
        phone = self.but(**changes)
        query = phone.query(("IMSI", phone.imsi.digits), ("token", token))
        return await self.server.send(
            Request("GET", query, phone.headers(phone.wanted), source=phone.source)
        )


def query(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return a query string as Android's Uri.Builder writes it."""
    return "&".join(f"{name}={quote(value, safe=_SAFE)}" for name, value in pairs).encode()


_SAFE = "_-!.~'()*"


def relay_body(packet: bytes) -> bytes:
    """Return the body of an EAP answer as Android writes it, with escaped slashes."""
    text = base64.b64encode(packet).decode().replace("/", "\\/")
    return f'{{"eap-relay-packet":"{text}"}}'.encode()


def k_aut_of(phone: Phone, challenge: Answer) -> bytes:
    """Return the key that signs the answer to a challenge; asks the algorithm, not the card."""
    packet = pull_packet(challenge.packet)
    assert packet.rand is not None
    made = Milenage(K, OPC).f2345(packet.rand)
    return eap_keys.derive(phone.eap_id.encode(), ik=made.ik, ck=made.ck).k_aut


def signed(k_aut: bytes, identifier: int, attributes: bytes, *, subtype: int = 1) -> bytes:
    """Return an EAP response with these attributes and a right AT_MAC at its end."""
    body = attributes + b"\x0b\x05\0\0" + bytes(16)
    return eap_keys.sign(Variant.AKA, k_aut, response(identifier, body, subtype=subtype))


def response(identifier: int, attributes: bytes, *, subtype: int = 1) -> bytes:
    """Return an EAP response of EAP-AKA with these attributes."""
    head = bytes((2, identifier)) + (8 + len(attributes)).to_bytes(2, "big")
    return head + bytes((23, subtype, 0, 0)) + attributes


def res_attribute(challenge: Answer) -> bytes:
    """Return the AT_RES that answers a challenge rightly."""
    packet = pull_packet(challenge.packet)
    assert packet.rand is not None
    return b"\x03\x03\x00\x40" + Milenage(K, OPC).f2345(packet.rand).res


def flip(data: bytes, bit: int) -> bytes:
    """Return the bytes with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


def service(answer: Answer, app: str) -> dict[str, str]:
    """Return the flat parameters of an APPLICATION of an XML document."""
    names = (
        "EntitlementStatus",
        "ServiceFlow_URL",
        "ServiceFlow_UserData",
        "MessageForIncompatible",
        "AddrStatus",
        "TC_Status",
        "ProvStatus",
        "RegisterNotifStatus",
    )
    found = {name: answer.phone.get(app, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}
