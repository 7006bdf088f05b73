"""A consumer: what a bank's back end sends to the authorization server."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from simgrant.domain.camara.access_token import AccessToken
from simgrant.domain.camara.consumer import Consumer, GrantType, Permission, Proving
from simgrant.flows.camara.tokens import pull_access_token
from tests.camara.listener import send
from tests.device.harness import Answer, Request, Server
from tests.jwts import EcSigner

ISSUER = "http://127.0.0.1:8083"
TOKEN_URL = f"{ISSUER}/oauth2/token"
FRAUD = "FraudPreventionAndDetection"
VERIFY = "number-verification:verify"
READ = "number-verification:device-phone-number:read"
CHECK = "sim-swap:check"
NV = f"dpv:{FRAUD} {VERIFY}"
JWT_BEARER = GrantType.JWT_BEARER.value
CIBA = GrantType.CIBA.value
SECRET = "a secret of 256 bits"
NUMBERS = itertools.count(1)

PERMISSIONS = (
    Permission(
        api="number-verification",
        scopes=frozenset({VERIFY, READ}),
        purposes=frozenset({FRAUD, "RequestedServiceProvision"}),
    ),
    Permission(api="sim-swap", scopes=frozenset({CHECK}), purposes=frozenset({FRAUD})),
)


def consumer(signer: EcSigner, **changes: Any) -> Consumer:
    """Return a consumer with a signer's key."""
    made = Consumer(
        client_id="bank",
        name="Bank",
        jwks=json.dumps({"keys": [signer.jwk]}),
        grants=frozenset(GrantType),
        permissions=PERMISSIONS,
    )
    return replace(made, **changes)


PLAIN: dict[str, Any] = {
    "client_id": "plain",
    "proving": Proving.CLIENT_SECRET_BASIC,
    "secret_hash": hashlib.sha256(SECRET.encode()).digest(),
    "jwks": "",
}


async def enrol(server: Server, *consumers: Consumer) -> None:
    """Put consumers into the store, and have the worker take them over."""
    for each in consumers:
        row = await server.store.real.consumers.find("default", each.client_id)
        seen = row.revision if row is not None else 0
        assert await server.store.real.consumers.put("default", each, seen=seen)
    assert server.parts.partners is not None
    await server.parts.partners.known.consumers.look()


@dataclass
class Bank:
    """A consumer's back end."""

    server: Server
    signer: EcSigner = field(default_factory=lambda: EcSigner("bank-1"))
    client_id: str = "bank"
    certificate: bytes = b""
    source: str = "198.51.100.9"

    @property
    def now(self) -> int:
        return int(self.server.clock.now())

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of an assertion; None leaves one out."""
        found = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": TOKEN_URL,
            "iat": self.now,
            "exp": self.now + 300,
            "jti": f"jti-{next(NUMBERS)}",
            **changes,
        }
        return {name: value for name, value in found.items() if value is not None}

    def assertion(self, **changes: Any) -> str:
        """Return a signed assertion."""
        return self.signer.sign(self.claims(**changes))

    async def post(self, path: str, form: dict[str, str], *headers: tuple[str, str]) -> Answer:
        """Post a form."""
        return await send(
            self.server,
            Request(
                "POST",
                b"",
                (("content-type", "application/x-www-form-urlencoded"), *headers),
                urlencode(form).encode(),
                path,
                self.source,
            ),
            certificate=self.certificate,
        )

    async def bearer(
        self,
        hint: str,
        scope: str = f"dpv:{FRAUD} {VERIFY}",
        *headers: tuple[str, str],
        **more: Any,
    ) -> Answer:
        """Exchange what says who a subscriber is (RFC 7523)."""
        resource = more.pop("resource", "")
        form = {
            "grant_type": JWT_BEARER,
            "assertion": self.assertion(sub=hint, scope=scope, **more),
        }
        if resource:
            form["resource"] = resource
        return await self.post("/oauth2/token", form, *headers)

    def proof(self, **changes: Any) -> dict[str, str]:
        """Return what proves it beside a request of its own."""
        return {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self.assertion(**changes),
        }

    async def proved(
        self, path: str, form: dict[str, str], *headers: tuple[str, str], **changes: Any
    ) -> Answer:
        """Post a form with a proof beside it."""
        return await self.post(path, {**form, **self.proof(**changes)}, *headers)


def members(answer: Answer, status: int = 200) -> dict[str, Any]:
    """Return an answer's JSON."""
    assert answer.status == status, answer.body
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    return found


def error(answer: Answer, status: int = 400) -> str:
    """Return the word of an error, which has no more than it should."""
    found = members(answer, status)
    assert set(found) == {"error", "error_description"}
    assert answer.header("cache-control") == "no-store"
    return str(found["error"])


def opened(server: Server, answer: Answer) -> AccessToken:
    """Return what an access token says."""
    text = members(answer)["access_token"]
    tenant, token = pull_access_token(text, server.parts.keys, now=server.clock.now())
    assert tenant == "default"
    return token


def basic(client_id: str = "plain", secret: str = SECRET) -> tuple[str, str]:
    """Return the header of a secret."""
    pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return "authorization", f"Basic {pair}"
