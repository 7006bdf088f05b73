"""Partner APIs behind connections: the front, and what it leads to."""

from __future__ import annotations

from collections.abc import Coroutine

from simgrant.adapters.connection_owner import web
from simgrant.compose.answering import answering
from simgrant.compose.camara_apis import open_consents
from simgrant.compose.camara_events import EventParts
from simgrant.compose.consumers import ConsumerParts
from simgrant.compose.questions import QuestionParts, open_questions
from simgrant.config.load import Loaded
from simgrant.flows.camara.apis import APIS
from simgrant.flows.camara.auth_server import AuthRules, AuthServer
from simgrant.flows.camara.own_tokens import OwnTokens
from simgrant.flows.camara.proving import ProvesConsumers
from simgrant.flows.camara.scopes import ScopeRules
from simgrant.flows.camara.serve_api import ServeApi
from simgrant.flows.camara.subjects import Subjects
from simgrant.flows.journal import Journal
from simgrant.flows.limits import Rate
from simgrant.flows.signing import Signer
from simgrant.fronts.camara import app
from simgrant.fronts.camara.apis import ApisFront
from simgrant.fronts.camara.app import CamaraFront
from simgrant.fronts.camara.message import Asked
from simgrant.fronts.camara.oauth import Hosts, OAuthFront
from simgrant.fronts.device.message import PartnerRequest, Request
from simgrant.fronts.device.protocol import Answer
from simgrant.fronts.device.source import Proxies
from simgrant.fronts.management.orders import read_token
from simgrant.keyring.signing import Algorithm
from simgrant.links.http import HttpConfig
from simgrant.links.secret_file import SecretFile
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.connection_owner import ConnectionOwner
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store
from simgrant.telemetry.metrics import Metrics

CAMARA_MAX_BODY = app.MAX_BODY


@named_noun
class CamaraParts:
    """Partner APIs of one worker."""

    front: CamaraFront
    known: ConsumerParts
    server: AuthServer
    events: EventParts
    owner: ConnectionOwner | None
    asking: QuestionParts

    def work(self) -> tuple[Coroutine[None, None, None], ...]:
        """Return what has to be run beside answering."""
        return (
            self.known.consumers.run(),
            self.known.quotas.run(),
            self.events.notifications.run(),
            *self.asking.work(),
        )

    async def close(self) -> None:
        """Let go of every connection."""
        await self.known.keys.close()
        await self.events.sinks.close()
        await self.asking.close()
        if self.owner is not None:
            await self.owner.close()


def open_camara(
    loaded: Loaded,
    store: Store,
    known: ConsumerParts,
    apis: ServeApi,
    events: EventParts,
    keys: Keys,
    journal: Journal,
    metrics: Metrics,
    clock: Clock,
) -> CamaraParts:
    """Return partner APIs; raise StartRefused where a file is no use."""
    settings, server = loaded.settings.camara, loaded.settings.server
    signer = Signer(Algorithm.ES256, keys=keys, clock=clock)
    scopes = ScopeRules(APIS.values())
    owner = open_owner(loaded, clock)
    asking = open_questions(loaded, store, known, keys, metrics, clock)
    auth = AuthServer(
        ProvesConsumers(
            known.consumers,
            known.keys,
            clock=clock,
            refusals=Rate(settings.refusals_burst, settings.refusals_per_minute / 60),
            remembered=loaded.settings.limits.remembered,
        ),
        Subjects(store, keys=keys, clock=clock, owner=owner),
        rows=store.camara_tokens,
        usage=store.usage,
        scopes=scopes,
        fraud=known.fraud,
        permits=open_consents(loaded, store),
        signer=signer,
        keys=keys,
        clock=clock,
        rules=AuthRules(
            token_s=settings.token_life_s,
            client_token_s=settings.client_token_life_s,
            request_s=settings.request_life_s,
            poll_s=settings.poll_s,
            code_s=settings.code_life_s,
        ),
        questions=asking.questions,
    )
    oauth = OAuthFront(
        auth,
        Hosts(loaded.camara_urls),
        scopes=scopes.all,
        signer=signer,
        keys=keys,
        clock=clock,
        with_codes=owner is not None,
        with_certificates=bool(settings.client_ca),
    )
    front = CamaraFront(
        dict.fromkeys(app.OAUTH, oauth),
        others=ApisFront(apis),
        journal=journal,
        clock=clock,
        limits=app.Limits(settings.max_in_flight, server.request_timeout_s, server.retry_after_s),
    )
    return CamaraParts(
        front=front, known=known, server=auth, events=events, owner=owner, asking=asking
    )


def open_owner(loaded: Loaded, clock: Clock) -> ConnectionOwner | None:
    """Return who knows whose connections are; None where nobody is asked. StartRefused."""
    settings = loaded.settings.camara
    url, token = settings.connection_owner, settings.connection_owner_token
    if not url:
        return None
    return web.open_owner(
        web.Config(
            url=url,
            # The check of the settings lets plain HTTP stay on this machine.
            http=HttpConfig(peer="connection_owner", plain=url.startswith("http:")),
            token=SecretFile(loaded.path(token), read_token) if token else None,
            timeout_s=settings.connection_owner_timeout_s,
        ),
        clock=clock,
    )


def own_tokens(loaded: Loaded, keys: Keys, clock: Clock) -> OwnTokens | None:
    """Return who knows our own access tokens where devices ask; None where there are none."""
    urls = loaded.camara_urls
    return OwnTokens(urls, keys=keys, clock=clock) if urls else None


def camara_answer(front: CamaraFront, proxies: Proxies) -> Answer:
    """Return the front as what answers the requests of a connection of `partners`."""
    return answering(front, _asked, proxies)


def _asked(request: Request, source: str) -> Asked:
    if not isinstance(request, PartnerRequest):
        raise TypeError("the connection is one of devices")
    return Asked(
        method=request.method.decode("ascii"),
        path=request.path.decode("latin-1"),
        query=request.query,
        body=request.body,
        host=request.host,
        source=source,
        authorization=request.authorization,
        content_type=request.content_type,
        accept=request.accept,
        x_correlator=request.x_correlator,
        dpop=request.dpop,
        certificate=request.certificate,
        user_agent=request.user_agent,
        fault=request.fault,
    )
