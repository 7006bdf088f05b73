"""Phones that talk to whichever node the test says, one request at a time, and crowds of them.

The simulator's handset has a conversation with one server. Here the legs of one conversation go to
different nodes, a leg is repeated after its node was killed, and what came back is kept to be
compared.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import quote

from simgrant.eap.milenage import Milenage
from simgrant.eap.peer import AndroidPeer, Reply
from simgrant.eap.usim import SoftUsim
from simgrant.sim.http import Answer, Headers, HttpClient, Limits, Url
from simgrant.sim.sims import Sim
from simgrant.wire import relay
from tests.android_reader import XmlDoc
from tests.e2e.nodes import SIMS, Node

IMEI = "490154203237518"
RELAY = "application/vnd.gsma.eap-relay.v1.0+json"
XML = "text/vnd.wap.connectivity-xml"
VOWIFI = "ap2004"
ENABLED, INCOMPATIBLE = "1", "2"

_AHEAD = 1 << 30
"""A SEQ that no clock of the network reaches."""


@dataclass(eq=False)
class Phone:
    """A phone with one SIM, and a connection to each node it has talked to."""

    sim: Sim = SIMS[0]
    terminal_id: str = IMEI
    app: str = VOWIFI
    entitlement_version: str = "2.0"
    host: str = ""
    """What it calls the server; empty = by its address."""
    ahead: bool = False
    """Whether its SIM has seen later sequence numbers than the network gives out."""
    token: str = ""
    """The newest token it was given."""
    seen: list[Answer] = field(default_factory=list)
    """Every answer it got."""
    secrets: set[str] = field(default_factory=set)
    """Every token and cookie it was given."""
    _lines: dict[str, HttpClient] = field(default_factory=dict)

    def __post_init__(self) -> None:
        taken = [_AHEAD << 5 | ind for ind in range(32)] if self.ahead else []
        self._card = SoftUsim(Milenage(self.sim.k, self.sim.opc), taken=taken)

    async def __aenter__(self) -> Phone:
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in self._lines.values():
            await line.aclose()

    # --- requests --------------------------------------------------------------------------

    async def begin(self, node: Node) -> Answer:
        """Ask with the SIM's identity: the first leg."""
        query = self.query(("EAP_ID", self.sim.nai()))
        return await self._send(node, "GET", f"/?{query}", (("Accept", RELAY),))

    def reply(self, challenge: Answer) -> bytes:
        """Return what the SIM says to a challenge."""
        return self.reply_to(packet_of(challenge))

    def reply_to(self, packet: bytes) -> bytes:
        """Return what the SIM says to an EAP packet."""
        said = AndroidPeer(self._card, self.sim.nai().encode()).answer(packet)
        assert isinstance(said, Reply), said
        return said.data

    async def finish(self, node: Node, reply: bytes, cookie: str) -> Answer:
        """Post what the SIM said, with the cookie of the first challenge."""
        headers = (("Accept", f"{RELAY}, {XML}"), ("Content-Type", RELAY), ("Cookie", cookie))
        return self._kept(await self._send(node, "POST", "/", headers, relay.push_relay(reply)))

    async def full(self, first: Node, second: Node | None = None) -> Answer:
        """Authenticate by the SIM, the second leg perhaps at another node."""
        answer = await self.begin(first)
        if answer.status != 200:
            return answer
        cookie = cookie_of(answer)
        while answer.status == 200 and is_challenge(answer):
            answer = await self.finish(second or first, self.reply(answer), cookie)
        return answer

    async def fast(self, node: Node, token: str = "") -> Answer:
        """Ask with a token, by default the newest."""
        query = self.query(("IMSI", self.sim.imsi.digits), ("token", token or self.token))
        return self._kept(await self._send(node, "GET", f"/?{query}", (("Accept", XML),)))

    def query(self, *proof: tuple[str, str]) -> str:
        """Return what it asks, with who it says it is."""
        pairs = (
            *proof,
            ("terminal_id", self.terminal_id),
            ("app", self.app),
            ("terminal_vendor", "Goog"),
            ("terminal_model", "Pixel 9 Pr"),
            ("terminal_sw_version", "15"),
            ("vers", "0"),
            ("entitlement_version", self.entitlement_version),
        )
        return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)

    async def _send(
        self, node: Node, method: str, target: str, headers: Headers, body: bytes | None = None
    ) -> Answer:
        line = self._lines.get(node.url)
        if line is None:
            limits = Limits(connect_s=20, read_s=25)
            line = self._lines[node.url] = HttpClient(Url.parse(node.url), limits=limits)
        own: Headers = (("User-Agent", "PRD-TS43 term-Goog/Pixel 9 Pr OS-Android/15"),)
        if self.host:
            own = (*own, ("Host", self.host))
        answer = await line.exchange(method, target, (*headers, *own), body=body)
        self.seen.append(answer)
        if cookie := cookie_of(answer):
            self.secrets.add(cookie.partition("=")[2])
        return answer

    def _kept(self, answer: Answer) -> Answer:
        if answer.status == 200 and not is_challenge(answer):
            self.token = token_of(answer)
            self.secrets.add(self.token)
        return answer


def is_challenge(answer: Answer) -> bool:
    return b"eap-relay-packet" in answer.body


def packet_of(answer: Answer) -> bytes:
    """Return the EAP packet of a challenge."""
    assert answer.status == 200, answer
    return base64.b64decode(json.loads(answer.body)["eap-relay-packet"], validate=True)


def cookie_of(answer: Answer) -> str:
    """Return name and value of the cookie as it goes back."""
    return answer.first("set-cookie").partition(";")[0]


def token_of(answer: Answer) -> str:
    """Return the token of a document."""
    assert answer.status == 200, answer
    token = XmlDoc(answer.body).get("TOKEN", "token")
    assert token
    return token


def vowifi_of(answer: Answer) -> str:
    """Return VoWiFi's EntitlementStatus."""
    return XmlDoc(answer.body).get(VOWIFI, "EntitlementStatus") or ""


def document_of(answer: Answer) -> str:
    """Return the document, without the sealed data for the web page, which differ each time."""
    assert answer.status == 200, answer
    return re.sub(r"flow=[\w-]+", "flow=", answer.body.decode())


def key_of(token: str) -> bytes:
    """Return which key a token is sealed by."""
    return base64.urlsafe_b64decode(token[:8])[:4]


# --- crowds --------------------------------------------------------------------------------


@dataclass
class Crowd:
    """What many phones saw while they were busy."""

    phones: Sequence[Phone]
    statuses: Counter[int] = field(default_factory=Counter)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    _change: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def note(self, answer: Answer) -> None:
        """Count an answer and wake up who waits for it."""
        self.statuses[answer.status] += 1
        async with self._change:
            self._change.notify_all()

    async def until(self, condition: Callable[[], bool], *, within: float = 30) -> None:
        """Return as soon as an answer makes the condition true."""
        async with asyncio.timeout(within), self._change:
            await self._change.wait_for(condition)

    async def more(self, count: int, *, status: int = 200, within: float = 30) -> None:
        """Return when so many more answers of a status have come."""
        goal = self.statuses[status] + count
        await self.until(lambda: self.statuses[status] >= goal, within=within)


@asynccontextmanager
async def busy(
    phones: Sequence[Phone],
    act: Callable[[Phone, Crowd], Awaitable[None]],
    *,
    pause: float = 0,
) -> AsyncIterator[Crowd]:
    """Let every phone act again and again, with a pause, until the block ends.

    A pause leaves processor time to what the test does meanwhile.
    """
    crowd = Crowd(phones)

    async def live(phone: Phone) -> None:
        while not crowd.stop.is_set():
            await act(phone, crowd)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause * random.uniform(0.5, 1.5)):
                    await crowd.stop.wait()

    async with asyncio.TaskGroup() as group:
        for phone in phones:
            group.create_task(live(phone))
        try:
            yield crowd
        finally:
            crowd.stop.set()


def pick(nodes: Sequence[Node]) -> Node:
    """Return any node: what a load balancer without a memory does."""
    return random.choice(nodes)


@asynccontextmanager
async def phones(sims: Iterable[Sim]) -> AsyncIterator[list[Phone]]:
    """Yield a phone for each SIM."""
    made = [Phone(sim) for sim in sims]
    try:
        yield made
    finally:
        for phone in made:
            await phone.__aexit__()
