"""A partner's server: asks the entitlement server with a token that a device lent it, or alone.

TS.43 §13.1.2, §14.1.6, §2.8.3. It sends what Google's guide for carriers has a server send, in
that form: one flat JSON object in a POST, dummies for the terminal.
"""

from __future__ import annotations

import json
import ssl
from typing import Final

from simgrant.errors import BadRequest, PeerMisbehaved
from simgrant.nouns import named_noun, replace
from simgrant.sim.exchange import Exchange, Leg, Outcome, Result
from simgrant.sim.http import BadAnswer, Headers, HttpClient, HttpError, Limits, Url
from simgrant.wire import content_types, json_reader, xml_reader

DEMO_REQUESTOR: Final = "9b7c1f0e-demo-partner"


@named_noun
class Errand:
    """What the server asks for."""

    operation: str
    """Empty where it only authenticates."""
    app: str = "ap2014"
    requestor_id: str = DEMO_REQUESTOR
    proof: tuple[tuple[str, str], ...]
    """The token and what proves the server itself: names and values."""
    extra: tuple[tuple[str, str], ...] = ()
    entitlement_version: str = "12.0"

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """All parameters, in the guide's order."""
        return (
            ("requestor_id", self.requestor_id),
            *self.proof,
            ("terminal_id", "0"),
            ("terminal_vendor", "vendor"),
            ("terminal_model", "model"),
            ("terminal_sw_version", "1"),
            ("entitlement_version", self.entitlement_version),
            ("app", self.app),
            *((("operation", self.operation),) if self.operation else ()),
            ("vers", "1"),
            *self.extra,
        )


class PartnerServer:
    """One server of a partner, which talks to one entitlement server; close it after use."""

    def __init__(
        self, url: Url, *, tls: ssl.SSLContext | None = None, limits: Limits | None = None
    ) -> None:
        self._url = url
        self._http = HttpClient(url, tls=tls, limits=limits)

    async def __aenter__(self) -> PartnerServer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    async def run(self, errand: Errand) -> Outcome:
        """Ask once, and return what was said."""
        headers: Headers = (
            ("Accept", content_types.JSON),
            ("Content-Type", content_types.JSON),
            ("User-Agent", "partner-server/1.0"),
        )
        body = json.dumps(dict(errand.parameters), separators=(",", ":"), ensure_ascii=False)
        asked = Exchange(
            leg=Leg.LENT,
            method="POST",
            url=str(self._url),
            parameters=errand.parameters,
            sent=headers,
        )
        try:
            seen = await exchanged(self._http, asked, body.encode())
        except HttpError as error:
            return ended(asked, error)
        if seen.status != 200:
            return ended(seen)
        reader = xml_reader if "xml" in seen.content_type else json_reader
        try:
            document = reader.pull_document(seen.body)
        except (BadRequest, PeerMisbehaved) as error:
            return ended(seen, f"the body cannot be read: {error.reason}")
        seen = replace(seen, document=document)
        return Outcome(result=Result.DOCUMENT, exchanges=(seen,), document=document)


async def exchanged(http: HttpClient, asked: Exchange, body: bytes) -> Exchange:
    """Send a request with a body, and return it with its answer; raise HttpError."""
    answer = await http.exchange(asked.method, http.url.target(), asked.sent, body=body)
    return replace(
        asked,
        status=answer.status,
        reason=answer.reason,
        got=answer.headers,
        body=answer.body,
        wire_bytes=answer.wire_bytes,
        milliseconds=answer.milliseconds,
    )


def ended(seen: Exchange, failure: HttpError | str = "") -> Outcome:
    """Return how it ended for whoever did not get what it wanted."""
    why = str(failure) or f"{seen.status} {seen.reason}".rstrip()
    if isinstance(failure, BadAnswer) or seen.status == 200:
        result = Result.NOT_UNDERSTOOD
    elif seen.status is None:
        result = Result.UNREACHABLE
    else:
        result = Result.LATER if seen.status == 503 else Result.REFUSED
    if failure:
        seen = replace(seen, failure=why)
    return Outcome(result=result, exchanges=(seen,), why=why)
