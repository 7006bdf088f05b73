"""The endpoints of the authorization server: forms come in, JSON goes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from simgrant.errors import BadRequest, NotThere
from simgrant.flows.camara import request as paths
from simgrant.flows.camara.auth_server import AuthServer
from simgrant.flows.camara.metadata import metadata
from simgrant.flows.camara.request import OAuthRequest
from simgrant.flows.signing import Signer
from simgrant.fronts.camara.answers import JSON, NO_METHOD, NO_STORE, oauth_problem
from simgrant.fronts.camara.message import Asked, Task, Told
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.wire.oauth import FORM, pull_form

_PUBLISHED: Final = ("cache-control", "public, max-age=300")
_PRIVATE: Final = ("referrer-policy", "no-referrer")
_KEY_SET: Final = "application/jwk-set+json"

_Endpoint = Callable[[OAuthRequest], Awaitable[Mapping[str, Any] | None]]


class Hosts:
    """Whose partners ask, by the host that they ask at."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        """``urls`` are the issuers by tenant."""
        self._urls = urls
        self._by_host = {urlsplit(url).netloc.lower(): name for name, url in urls.items()}

    def of(self, host: str) -> tuple[str, str]:
        """Return (tenant, issuer); raise NotThere for a host of nobody.

        Where there is one tenant, what a proxy made of the host does not matter.
        """
        name = self._by_host.get(host.lower().rstrip("."))
        if name is None:
            if len(self._urls) != 1:
                raise NotThere("host_unknown")
            (name,) = self._urls
        return name, self._urls[name]


class OAuthFront:
    """Answers what is under ``/oauth2`` and ``/.well-known``."""

    def __init__(
        self,
        server: AuthServer,
        hosts: Hosts,
        *,
        scopes: Iterable[str],
        signer: Signer,
        keys: Keys,
        clock: Clock,
        with_codes: bool,
        with_certificates: bool,
    ) -> None:
        self._server = server
        self._hosts = hosts
        self._scopes = tuple(scopes)
        self._signer = signer
        self._keys = keys
        self._clock = clock
        self._with_codes = with_codes
        self._with_certificates = with_certificates
        self._posts: Mapping[str, _Endpoint] = {
            paths.TOKEN: server.token,
            paths.BACKCHANNEL: server.backchannel,
            paths.INTROSPECT: server.introspect,
            paths.REVOKE: server.revoke,
        }

    async def __call__(self, asked: Asked, task: Task) -> Told:
        """Answer one request."""
        tenant, issuer = self._hosts.of(asked.host)
        trail = task.trail
        trail.tenant = tenant
        endpoint = self._posts.get(asked.path)
        if asked.path == paths.AUTHORIZE:
            return await self._authorize(asked, task, tenant, issuer)
        if endpoint is None:
            return self._published(asked, task, tenant, issuer)
        if asked.method != "POST":
            trail.outcome = "method"
            return _not_like_that("POST")
        now = self._clock.now()
        trail.source_ref = self._keys.ring.reference(tenant, "source", asked.source, now=now)
        if asked.content_type.partition(";")[0].strip().lower() != FORM:
            raise BadRequest("not_a_form")
        request = _request(asked, task, tenant, issuer, pull_form(asked.body))
        answer = await endpoint(request)
        trail.outcome = "token" if asked.path == paths.TOKEN else "answered"
        if answer is None:
            return Told(200, (("cache-control", "no-store"),), b"")
        return Told(200, NO_STORE, msgspec.json.encode(answer))

    async def _authorize(self, asked: Asked, task: Task, tenant: str, issuer: str) -> Told:
        """Send a browser on; it may come by either method (OpenID Connect Core §3.1.2.1)."""
        if asked.method not in ("GET", "POST"):
            task.trail.outcome = "method"
            return _not_like_that("GET, POST")
        form = pull_form(asked.query if asked.method == "GET" else asked.body)
        place = await self._server.authorize(_request(asked, task, tenant, issuer, form))
        return Told(302, (("location", place), ("cache-control", "no-store"), _PRIVATE), b"")

    def _published(self, asked: Asked, task: Task, tenant: str, issuer: str) -> Told:
        if asked.path == paths.KEYS:
            kind, body = _KEY_SET, self._signer.key_set((tenant,))
        elif asked.path in (paths.OPENID_CONFIGURATION, paths.OAUTH_METADATA):
            kind = JSON
            body = msgspec.json.encode(
                metadata(
                    issuer,
                    self._scopes,
                    with_codes=self._with_codes,
                    with_certificates=self._with_certificates,
                )
            )
        else:
            raise NotThere("no_such_place")
        task.trail.leg = "discovery"
        if asked.method not in ("GET", "HEAD"):
            task.trail.outcome = "method"
            return _not_like_that("GET")
        task.trail.outcome = "published"
        return Told(200, (("content-type", kind), _PUBLISHED), body)


def _request(
    asked: Asked, task: Task, tenant: str, issuer: str, form: Mapping[str, str]
) -> OAuthRequest:
    return OAuthRequest(
        tenant=tenant,
        issuer=issuer,
        path=asked.path,
        form=form,
        authorization=asked.authorization,
        dpop=asked.dpop,
        certificate=asked.certificate,
        source=asked.source,
        deadline=task.deadline,
        trail=task.trail,
    )


def _not_like_that(allowed: str) -> Told:
    what = NO_METHOD
    return oauth_problem(what.status, what.oauth, what.message, (("allow", allowed),))
