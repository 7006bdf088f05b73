"""The network that is measured: keys, subscriptions, tokens, configuration; made anew each run.

One subscription is provisioned and authenticated through the store's own port, so that its rows
are what the server writes. The database then copies those rows under other identities, which
takes seconds where a million calls would take minutes. Every subscription has a terminal, a
grant, its consents and a row in the AuC; tokens and usable SIM keys are made for a random
choice among all of them, so that requests hit cold pages of the whole table.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import apsw
import asyncpg

from bench import services
from bench.bank import CONSUMER, PURPOSE, verify_request
from simgrant.adapters.authn.local_auc import wrap
from simgrant.adapters.keyring.file import initial_keys, write_keys
from simgrant.adapters.store import migrate
from simgrant.compose.store import open_keys, open_store
from simgrant.config.load import DEFAULT_TENANT, Loaded, load
from simgrant.domain.camara.access_token import AccessToken, Method, Subject
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    Subscription,
    SubscriptionStatus,
    Terminal,
)
from simgrant.eap.milenage import Milenage
from simgrant.flows.camara.tokens import push_access_token
from simgrant.flows.tokens import Claims, push_token
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.ring import NONCE_BYTES
from simgrant.ports.store import NewSubscription, Outcome, SessionRow, SimKey, Store

K = bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc")
OPC = bytes.fromhex("cd63cb71954a9f4e48a5994e37a02baf")
"""Test set 1 of TS 35.208; one key for all SIMs, wrapped for each on its own."""

CARD = Milenage(K, OPC)
APP = services.BASE
APP_NAME = "com.example.ims"
TERMINAL = "490154203237518"
REALM = "nai.epc.mnc001.mcc001.3gppnetwork.org"
HSS_REALM = "epc.mnc001.mcc001.3gppnetwork.org"
HSS = f"hss.{HSS_REALM}"
RELAY = "application/vnd.gsma.eap-relay.v1.0+json"
XML = "text/vnd.wap.connectivity-xml"

_LENDS = "ap2014"
_ACQUIRE = "&operation=AcquireTemporaryToken&operation_targets=VerifyPhoneNumber"
"""What a phone asks for a temporary token."""

_SEED = 43
_SERIAL = 10
"""Digits at the end of IMSI and MSISDN that count the subscriptions."""
_AT_ONCE = 500
_HEADERS = (
    "Accept-Language: en-US\r\n"
    "Accept: {accept}\r\n"
    "User-Agent: PRD-TS43 term-Goog/Pixel 9 Pr client-IMS-Entitlement/1.0 OS-Android/15\r\n"
    "Host: aes.mnc001.mcc001.pub.3gppnetwork.org\r\n"
    "Connection: Keep-Alive\r\n"
    "Accept-Encoding: gzip\r\n"
)
_TAIL = (
    f"terminal_id={TERMINAL}&gid1=00&app_version=1.0&app_name={APP_NAME}&app={{app}}"
    "&terminal_vendor=Goog&terminal_model=Pixel%209%20Pr&terminal_sw_version=15"
    "&vers=1&entitlement_version=12.0"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of this run are."""

    directory: Path
    now: int
    """Unix seconds of the provisioning."""

    @property
    def key_file(self) -> Path:
        """The key ring that all servers share, so that a token is good at each."""
        return self.directory / "keys.json"

    @property
    def certificate(self) -> tuple[Path, Path]:
        """The certificate and its private key."""
        return self.directory / "tls.crt", self.directory / "tls.key"

    def make_keys(self) -> None:
        """Write a fresh ring."""
        write_keys(self.key_file, initial_keys(now=self.now - 3600), create=True)

    def configure(
        self,
        name: str,
        store_url: str,
        *,
        ports: tuple[int, int] = (0, 0),
        tls: bool = False,
        policy: str = "",
        hss: int = 0,
        bss: int = 0,
        camara: int = 0,
    ) -> Path:
        """Write one server's configuration: as in production, but for the limits on starts.

        With the port of ``camara`` it serves partners there.

        Without a ``policy`` it has the default one. With the port of an ``hss`` that gives the
        vectors; else its own AuC does. With that of a ``bss`` it asks that for each request.
        """
        device, management = ports
        lines = [
            "[device]",
            f'listen = "127.0.0.1:{device}"',
            "[management]",
            f'listen = "127.0.0.1:{management}"',
            "[portal]",
            'listen = ""',
            'public_url = "http://127.0.0.1:8082"',
            "[store]",
            f'url = "{store_url}"',
            "[keys]",
            f'file = "{self.key_file}"',
            "[limits]",
            "imsi_source_burst = 0",
            "imsi_burst = 0",
            "source_burst = 0",
        ]
        if tls:
            certificate, key = self.certificate
            lines[2:2] = [f'tls_certificate = "{certificate}"', f'tls_key = "{key}"']
        if policy:
            (self.directory / "policy.toml").write_text(policy)
            lines += ["[tenants.default]", 'policy = "policy.toml"']
        if hss:
            lines += [
                "[diameter]",
                f'origin_host = "ecs-%d.{HSS_REALM}"',
                "[diameter_peers.bench]",
                f'host = "{HSS}"',
                f'address = "127.0.0.1:{hss}"',
                "[hss.bench]",
                f'realm = "{HSS_REALM}"',
                'peers = ["bench"]',
            ]
        if camara:
            lines += [
                "[camara]",
                f'listen = "127.0.0.1:{camara}"',
                f"[camara_purposes.{PURPOSE}]",
                'basis = "legitimate_interest"',
                "[camara_limits]",
                "per_number_and_hour = 0",
                "per_number_and_consumer = 0",
                "per_device_and_hour = 0",
            ]
        if bss:
            lines += [
                "[bss.bench]",
                'type = "rest"',
                f'url = "http://127.0.0.1:{bss}"',
                f"fresh_s = {{ {APP} = 0 }}",
                "[bss.bench.requests.line]",
                'path = "/lines/{imsi}"',
                'echo = ["$.imsi"]',
                "[bss.bench.requests.line.aspects]",
                'status = { path = "$.state", meanings = { A = "active" } }',
                'plan = { path = "$.plan", meanings = { STD = "standard" } }',
                'terms = { path = "$.tos", meanings = { true = "given", false = "missing" } }',
            ]
        path = self.directory / f"{name}.toml"
        path.write_text("\n".join(lines) + "\n")
        return path


def imsi_of(number: int) -> str:
    """Return the digits of the IMSI of a subscription."""
    return f"00101{number:0{_SERIAL}}"


def msisdn_of(number: int) -> str:
    """Return the digits of the MSISDN of a subscription."""
    return f"1555{number:0{_SERIAL}}"


def choose(subscriptions: int, *wanted: int) -> list[list[int]]:
    """Return random, disjoint choices of subscriptions, the same in every run."""
    left = random.Random(_SEED).sample(range(subscriptions), min(subscriptions, sum(wanted)))
    chosen = []
    for size in wanted:
        chosen.append(left[:size])
        left = left[size:]
    return chosen


def token_requests(
    loaded: Loaded, numbers: list[int], *, now: int, app: str = APP, query: str | None = None
) -> list[bytes]:
    """Return one fast-authentication request of 12 parameters or more for each subscription.

    With ``query`` it has that beside the usual, and else what is asked of the service.
    """
    query = services.enquiry_of(app).query if query is None else query
    ring = open_keys(loaded).ring
    headers = _HEADERS.format(accept=XML)
    requests = []
    for number in numbers:
        digits = imsi_of(number)
        token = push_token(
            _claims(Imsi(digits), now, app),
            ring,
            DEFAULT_TENANT,
            nonce=os.urandom(NONCE_BYTES),
            now=now,
        )
        requests.append(
            f"GET /?IMSI={digits}&token={token}&{_TAIL.format(app=app)}"
            f"{query.format(msisdn=msisdn_of(number))} HTTP/1.1\r\n{headers}\r\n".encode()
        )
    return requests


def chain_requests(loaded: Loaded, numbers: list[int], *, now: int) -> list[tuple[str, bytes]]:
    """Return the number (E.164 with +) and the request of a temporary token for each."""
    requests = token_requests(loaded, numbers, now=now, app=_LENDS, query=_ACQUIRE)
    named = (f"+{msisdn_of(number)}" for number in numbers)
    return list(zip(named, requests, strict=True))


def verify_requests(loaded: Loaded, numbers: list[int], *, now: int) -> list[bytes]:
    """Return one verification for each of these subscriptions, each with a token for one call."""
    ring = open_keys(loaded).ring
    requests = []
    for number in numbers:
        msisdn = Msisdn(msisdn_of(number))
        token = AccessToken(
            token_id=os.urandom(16),
            client_id=CONSUMER.client_id,
            scopes=CONSUMER.permissions[0].scopes,
            purpose=PURPOSE,
            method=Method.SIM,
            subject=Subject(imsi=Imsi(imsi_of(number)), msisdn=msisdn, epoch=0),
            single_use=True,
            issued=now,
            # Those of partners are good for minutes; a run takes longer.
            expires=now + 3600,
        )
        nonce = os.urandom(NONCE_BYTES)
        text = push_access_token(token, ring, DEFAULT_TENANT, nonce=nonce, now=now)
        requests.append(verify_request(text, msisdn.e164))
    return requests


def start_requests(numbers: list[int]) -> list[tuple[str, bytes]]:
    """Return the EAP identity and the first request of a full authentication for each SIM."""
    headers = _HEADERS.format(accept=RELAY)
    requests = []
    for number in numbers:
        nai = f"0{imsi_of(number)}@{REALM}"
        line = f"GET /?EAP_ID={quote(nai)}&{_TAIL.format(app=APP)} HTTP/1.1\r\n"
        requests.append((nai, f"{line}{headers}\r\n".encode()))
    return requests


def answer_head() -> bytes:
    """Return the second request of a full authentication up to its cookie."""
    headers = _HEADERS.format(accept=f"{RELAY}, {XML}")
    return f"POST / HTTP/1.1\r\n{headers}Content-Type: {RELAY}\r\n".encode()


async def populate(
    config: Path, subscriptions: int, sims: list[int], *, now: int, full: bool = False
) -> None:
    """Fill the database of a configuration, which must be empty.

    With ``full`` every subscription has all services, and a grant for each.
    """
    loaded = load(config, {})
    migrate.upgrade(loaded.store_url)
    ring = open_keys(loaded).ring

    def sim(number: int) -> SimKey:
        return wrap(
            "milenage",
            K,
            OPC,
            ring=ring,
            tenant=DEFAULT_TENANT,
            imsi=Imsi(imsi_of(number)),
            amf=b"\x80\x00",
            sqn=0,
            now=now,
        )

    template = sim(0)
    store = await open_store(loaded)
    try:
        await _provision(store, template, now, full=full)
        await store.consumers.put(DEFAULT_TENANT, CONSUMER, seen=0)
    finally:
        await store.close()
    if loaded.store_url.startswith("sqlite:"):
        _copy_in_sqlite(Path(loaded.store_url.removeprefix("sqlite:///")), subscriptions)
    else:
        await _copy_in_postgres(loaded.store_url, subscriptions)
    store = await open_store(loaded)
    try:
        for at in range(0, len(sims), _AT_ONCE):
            written = await asyncio.gather(
                *(
                    store.rewrap(DEFAULT_TENANT, Imsi(imsi_of(number)), template, sim(number))
                    for number in sims[at : at + _AT_ONCE]
                    if number
                )
            )
            assert all(written)
    finally:
        await store.close()


async def _provision(store: Store, sim: SimKey, now: int, *, full: bool) -> None:
    """Write the subscription that all others are copies of, and let it have authenticated."""
    imsi = Imsi(imsi_of(0))
    await store.add(
        NewSubscription(
            Subscription(
                DEFAULT_TENANT,
                imsi,
                Msisdn(msisdn_of(0)),
                SubscriptionStatus.ACTIVE,
                services.PLAN if full else "standard",
                created_at=now,
                changed_at=now,
            ),
            sim,
            tuple(Consent(kind, ConsentStatus.GIVEN, version="1", at=now) for kind in ConsentKind),
        )
    )
    for number, app in enumerate(services.apps() if full else [APP]):
        await store.decide_session(
            DEFAULT_TENANT,
            imsi,
            number.to_bytes(16),
            SessionRow(Outcome.ACCEPTED, now, b"-", bytes(32)),
            expected=None,
            terminal=Terminal(TERMINAL, "Goog", "Pixel 9 Pr", "15", seen_at=now),
            client=_claims(imsi, now, app).client,
        )
    for holding in services.holdings(now) if full else ():
        await store.set_holding(DEFAULT_TENANT, imsi, holding)


def _claims(imsi: Imsi, now: int, app: str) -> Claims:
    return Claims(imsi, TERMINAL, (app,), APP_NAME, now, now + 30 * 86_400, 0, 0)


# --- copies of one subscription ------------------------------------------------------------

_TABLES = ("subscription", "msisdn", "sim_key", "terminal", "token_grant", "holding")
_COUNTED = ("imsi", "msisdn")
"""The columns whose value ends with the subscription's number."""


def _copy_in_sqlite(path: Path, subscriptions: int) -> None:
    database = apsw.Connection(str(path))
    try:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -262144")
        database.execute("BEGIN")
        for table in _TABLES:
            names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            values = [
                f"substr({name}, 1, length({name}) - {_SERIAL}) || printf('%0{_SERIAL}d', n)"
                if name in _COUNTED
                else name
                for name in names
            ]
            database.execute(
                f"WITH RECURSIVE numbers(n) AS "  # noqa: S608 - names from our own schema
                f"(VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {subscriptions}) "
                f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} "
                f"FROM numbers CROSS JOIN (SELECT * FROM {table})"
            )
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        database.close()


async def _copy_in_postgres(url: str, subscriptions: int) -> None:
    database = await asyncpg.connect(url)
    try:
        for table in _TABLES:
            rows = await database.fetch(
                "SELECT column_name FROM information_schema.columns "
                "WHERE table_schema = current_schema() AND table_name = $1",
                table,
            )
            names = [row[0] for row in rows]
            values = [
                f"left({name}, -{_SERIAL}) || lpad(n::text, {_SERIAL}, '0')"
                if name in _COUNTED
                else name
                for name in names
            ]
            await database.execute(
                f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} "  # noqa: S608
                f"FROM {table}, generate_series(1, {subscriptions} - 1) AS n ORDER BY n"
            )
        await database.execute("VACUUM ANALYZE")
        await database.execute("CHECKPOINT")
    finally:
        await database.close()
