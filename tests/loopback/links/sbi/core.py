"""Instances of a service on loopback that answer what they are given."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from simgrant.links.http import HttpConfig
from simgrant.links.retry import RetryRules
from simgrant.links.sbi.nrf import Consumer, Nrf
from simgrant.links.sbi.producers import Producers, ProducersConfig, by_root
from simgrant.links.sbi.service import SbiService, ServiceConfig
from simgrant.sim.web import Answer, Request, WebServer
from simgrant.wire.sbi.nrf import Instance
from tests.clocks import MovableClock

US = Consumer(instance="7f9a2b1c-5a0e-4c39-9a51-0d2c8e0f4b6e", type="AUSF")
GOOD = Answer(200, (("content-type", "application/json"),), b"{}")


def said(status: int, *headers: tuple[str, str], body: bytes = b"") -> Answer:
    return Answer(status, headers, body)


class Node:
    """One instance: answers as it is told, the last again and again, and keeps what it saw."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers) or [GOOD]
        self.seen: list[Request] = []
        self.web = WebServer(self._answer, tls)
        self.other: Callable[[Request], Answer] | None = None
        """Decides in place of the answers."""

    @property
    def root(self) -> str:
        return self.web.url

    def _answer(self, request: Request) -> Answer:
        self.seen.append(request)
        if self.other is not None:
            return self.other(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class Watched:
    """What a watcher was told."""

    answers: list[tuple[str, str]] = field(default_factory=list)
    found_all: list[tuple[str, int, str]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def answered(self, service: str, result: str, seconds: float) -> None:
        assert seconds >= 0
        self.answers.append((service, result))

    def found(self, service: str, instances: int, problem: str) -> None:
        self.found_all.append((service, instances, problem))
        self.news.set()


@dataclass
class Core:
    """Producers, or a service, and their surroundings."""

    clock: MovableClock = field(default_factory=MovableClock)
    watched: Watched = field(default_factory=Watched)
    nodes: list[Node] = field(default_factory=list)

    async def up(self, *nodes: Node) -> None:
        for node in nodes:
            self.nodes.append(node)
            await node.web.up()

    def producers(
        self,
        nodes: Iterable[Node | WebServer | Instance],
        *,
        name: str = "udm.home",
        patience_s: float = 1.0,
    ) -> Producers:
        config = ProducersConfig(
            name=name,
            http=HttpConfig(peer=name, retry=RetryRules(tries=2, first_wait_s=0.01, reserve=100)),
            patience_s=patience_s,
        )
        given = list(nodes)
        roots = by_root([each.url if isinstance(each, WebServer) else each.root for each in given])
        instances = [
            each if isinstance(each, Instance) else root
            for each, root in zip(given, roots, strict=True)
        ]
        return Producers(config, instances, watcher=self.watched, clock=self.clock)

    def service(
        self, nodes: Iterable[Node], *, nrf: Node | None = None, oauth2: bool = False
    ) -> SbiService:
        found = list(nodes)
        config = ServiceConfig(
            name="udm.home",
            service="nudm-ueau",
            target="UDM",
            consumer=US.type,
            discovers=not found,
            authorized=oauth2,
        )
        asked = None if nrf is None else Nrf(self.producers([nrf], name="nrf.home"), US)
        return SbiService(
            config,
            self.producers(found),
            asked,
            watcher=self.watched,
            clock=self.clock,
            chance=random.random,
        )

    def plain_service(self, producers: Producers, service: str) -> SbiService:
        """Return a service whose instances are known and want no token."""
        config = ServiceConfig(name="udm.home", service=service, target="UDM", consumer=US.type)
        return SbiService(
            config,
            producers,
            None,
            watcher=self.watched,
            clock=self.clock,
            chance=random.random,
        )

    def deadline(self, seconds: float = 5.0) -> float:
        return self.clock.monotonic() + seconds


def search_result(*nodes: Node, validity_s: int = 3_600) -> Answer:
    """Return what an NRF says where these are the instances of the service."""
    profiles = [
        {
            "nfInstanceId": f"00000000-0000-4000-8000-{place:012}",
            "nfType": "UDM",
            "nfStatus": "REGISTERED",
            "priority": place,
            "nfServices": [
                {
                    "serviceInstanceId": "1",
                    "serviceName": "nudm-ueau",
                    "versions": [{"apiVersionInUri": "v1", "apiFullVersion": "1.0.0"}],
                    "scheme": "http",
                    "nfServiceStatus": "REGISTERED",
                    "ipEndPoints": [{"ipv4Address": "127.0.0.1", "port": node.web.port}],
                }
            ],
        }
        for place, node in enumerate(nodes)
    ]
    body = json.dumps({"validityPeriod": validity_s, "nfInstances": profiles}).encode()
    return Answer(200, (("content-type", "application/json"),), body)
