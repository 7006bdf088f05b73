"""A bank's back end at an operator of several nodes: what it was told, and what it never heard.

It is as lean as the bench, so that the nodes are what is busy, and it keeps each connection. Where
one breaks under a request nobody knows whether that was done, so it asks again, at another node.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from simgrant.domain.camara.consumer import Consumer, GrantType, Permission
from simgrant.sim.sims import Sim
from tests.e2e.lean import GONE, Line
from tests.e2e.nodes import NO_LIMITS, PATIENT, Node, Settings, Site
from tests.e2e.phones import XML, Phone
from tests.jwts import EcSigner
from tests.servers.process import free_port

NOBODY: Final = -1
"""The status of what was not even sent."""
ISSUER: Final = "http://127.0.0.1:8083"
PURPOSE: Final = "FraudPreventionAndDetection"
SCOPE: Final = "number-verification:verify"
TARIFF: Final = "gold"
LISTENING: Final[Settings] = {
    **PATIENT,
    **NO_LIMITS,
    "camara.public_url": ISSUER,
    "camara.refusals_burst": 0,
    "camara_limits.per_number_and_hour": 0,
    "camara_limits.per_number_and_consumer": 0,
    "camara_limits.per_device_and_hour": 0,
    f"camara_purposes.{PURPOSE}.basis": "legitimate_interest",
}
_NUMBERS: Final = itertools.count(1)
_TEMPORARY: Final = re.compile(rb'name="TemporaryToken" value="([^"]+)"')


def consumer(signer: EcSigner) -> Consumer:
    """Return the bank by contract."""
    return Consumer(
        client_id="bank",
        name="Bank",
        jwks=json.dumps({"keys": [signer.jwk]}),
        grants=frozenset({GrantType.JWT_BEARER, GrantType.CLIENT_CREDENTIALS}),
        permissions=(
            Permission(
                api="number-verification",
                scopes=frozenset({SCOPE}),
                purposes=frozenset({PURPOSE}),
                tariff=TARIFF,
            ),
            Permission(
                api="sim-swap",
                scopes=frozenset({"sim-swap:check"}),
                purposes=frozenset({PURPOSE}),
            ),
        ),
    )


def listening(site: Site, count: int) -> list[Node]:
    """Start nodes that serve partners as well, each at a port of its own."""
    made = []
    for _ in range(count):
        own = {"camara.listen": f"127.0.0.1:{free_port()}"}
        made.append(site.prepared(settings={**LISTENING, **own}))
    for node in made:
        node.launch()
    for node in made:
        node.await_ready()
    return made


def camara_port(node: Node) -> int:
    """Return where a node serves partners."""
    found = re.search(r'^camara\.listen = "127\.0\.0\.1:(\d+)"', node.file.read_text(), re.M)
    assert found
    return int(found[1])


@dataclass
class Told:
    """A temporary token that was followed to its end."""

    sim: Sim
    temporary: str
    claims_its_own: bool
    """Whether the customer's number is that of the phone."""
    access: str = ""
    """Empty = it was redeemed, and nobody heard what for."""
    verified: bool | None = None
    """What was told; None = the access token was spent, and nobody heard what for."""
    lost: int = 0
    """Requests that may have been done, or not."""


@dataclass
class Bank:
    """The back end, and the phones of its customers."""

    nodes: Sequence[Node]
    signer: EcSigner
    alive: set[Node] = field(default_factory=set)
    """Nodes that are not known to be dead; `kill` and `revive` keep it."""
    answers: Counter[str] = field(default_factory=Counter)
    """How many came, by the node's name."""
    _idle: defaultdict[int, list[Line]] = field(default_factory=lambda: defaultdict(list))
    _change: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.alive = set(self.nodes)
        self._ports = {node.name: camara_port(node) for node in self.nodes}

    def close(self) -> None:
        """Hang up everywhere."""
        for line in itertools.chain.from_iterable(self._idle.values()):
            line.close()

    # --- nodes that die --------------------------------------------------------------------------

    async def kill(self, node: Node, *, after: int) -> None:
        """Kill a node by SIGKILL once it has given so many more answers."""
        goal = self.answers[node.name] + after
        async with asyncio.timeout(60), self._change:
            await self._change.wait_for(lambda: self.answers[node.name] >= goal)
        self.alive.discard(node)
        node.kill()

    async def revive(self, node: Node) -> None:
        """Start a dead node again, and have everybody know it."""
        await asyncio.to_thread(node.start)
        async with self._change:
            self.alive.add(node)
            self._change.notify_all()

    async def any_node(self) -> Node:
        """Return a node that is alive, as soon as there is one."""
        async with asyncio.timeout(60), self._change:
            await self._change.wait_for(lambda: self.alive)
        return random.choice(list(self.alive))

    # --- requests ----------------------------------------------------------------------------

    async def ask(self, node: Node, request: bytes) -> tuple[int, bytes]:
        """Send a request to a node's partners' side; return status and body."""
        return await self._ask(node, self._ports[node.name], request)

    async def acquire(self, node: Node, phone: Phone) -> tuple[int, bytes]:
        """Have a phone ask for a temporary token."""
        query = phone.query(
            ("IMSI", phone.sim.imsi.digits),
            ("token", phone.token),
            ("operation", "AcquireTemporaryToken"),
            ("operation_targets", "VerifyPhoneNumber"),
        )
        head = f"GET /?{query} HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\nAccept: {XML}\r\n\r\n"
        return await self._ask(node, node.port, head.encode())

    def assertion(self, **claims: object) -> str:
        """Return a signed assertion, which no other is like."""
        now = int(time.time())
        common = {"iss": "bank", "aud": f"{ISSUER}/oauth2/token", "iat": now, "exp": now + 120}
        return self.signer.sign({**common, "jti": f"jti-{next(_NUMBERS)}", **claims})

    def redemption(self, temporary: str, **claims: object) -> bytes:
        """Return a request for an access token by a temporary one."""
        scope = f"dpv:{PURPOSE} {SCOPE}"
        assertion = self.assertion(sub=f"operatortoken:{temporary}", scope=scope, **claims)
        return posted(
            "/oauth2/token",
            urlencode({"grant_type": GrantType.JWT_BEARER.value, "assertion": assertion}),
        )

    async def _ask(self, node: Node, port: int, request: bytes) -> tuple[int, bytes]:
        idle = self._idle[port]
        while idle and not idle[-1].usable:
            idle.pop()
        try:
            line = idle.pop() if idle else await Line.to(port)
        except OSError:
            return NOBODY, b""
        head, data = await line.exchange(request)
        if head.status == GONE:
            return GONE, b""
        idle.append(line)
        self.answers[node.name] += 1
        async with self._change:
            self._change.notify_all()
        return head.status, data[head.start : head.end]

    # --- a token's life --------------------------------------------------------------------------

    async def lend(self, phone: Phone) -> str:
        """Return a temporary token of a phone."""
        while True:
            status, body = await self.acquire(await self.any_node(), phone)
            if status > 0:
                found = _TEMPORARY.search(body)
                assert found, body
                return found[1].decode()

    async def follow(self, phone: Phone, *, claims_its_own: bool, twice: bool) -> Told:
        """Lend, redeem and spend a token, whatever dies meanwhile; return what was told.

        With ``twice`` an access token is shown to two nodes at once.
        """
        told = Told(phone.sim, await self.lend(phone), claims_its_own)
        await self._redeem(told)
        if told.access:
            await self._spend(told, twice=twice)
        return told

    async def _redeem(self, told: Told) -> None:
        while True:
            status, body = await self.ask(await self.any_node(), self.redemption(told.temporary))
            if status == 200:
                told.access = json.loads(body)["access_token"]
                return
            if status == 400:
                assert json.loads(body)["error"] == "invalid_grant", body
                assert told.lost, "it was redeemed by nobody"
                return
            assert status in (GONE, NOBODY), (status, body)
            told.lost += status == GONE

    async def _spend(self, told: Told, *, twice: bool) -> None:
        number = told.sim.msisdn if told.claims_its_own else None
        request = verification(told.access, number.digits if number else "15550199")
        while told.verified is None:
            first = await self.any_node()
            at = [first, *(node for node in self.alive if twice and node is not first)]
            answers = await asyncio.gather(*(self.ask(node, request) for node in at))
            good = [body for status, body in answers if status == 200]
            assert len(good) <= 1, "spent twice"
            for status, body in answers:
                assert status in (200, 401, GONE, NOBODY), (status, body)
                told.lost += status == GONE
            for body in good:
                told.verified = json.loads(body)["devicePhoneNumberVerified"]
            if not good and any(status == 401 for status, _ in answers):
                assert told.lost, "it was spent by nobody"
                return


def verification(access: str, digits: str) -> bytes:
    """Return a question about a number."""
    return posted(
        "/number-verification/v2/verify",
        json.dumps({"phoneNumber": f"+{digits}"}),
        f"Authorization: Bearer {access}\r\n",
        content_type="application/json",
    )


def posted(
    path: str,
    body: str,
    headers: str = "",
    *,
    content_type: str = "application/x-www-form-urlencoded",
) -> bytes:
    """Return a request."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:8083\r\nContent-Type: {content_type}\r\n"
        f"{headers}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
