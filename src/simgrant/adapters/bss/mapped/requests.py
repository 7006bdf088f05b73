"""One request that the settings describe: how it is made, and what becomes of its answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Final

import msgspec

from simgrant.domain.answer_rules import Reading, SomebodyElse
from simgrant.errors import EcsError, PeerMisbehaved, PeerUnavailable
from simgrant.links.api import ApiLink
from simgrant.links.http import Repeat, Reply
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.network_data import Subscriber
from simgrant.wire.template import Body, NotKnown, Template, Values

_JSON: Final = msgspec.json.Encoder()
CORRELATION_ID: Final = "correlation_id"


@named_noun
class Wanted:
    """A request, and how its answer is understood."""

    name: str
    method: str = "GET"
    path: Template
    """With its query, percent-encoded."""
    headers: Mapping[str, Template] = field(default_factory=dict, hash=False)
    body: Body | None = None
    sparse: bool = False
    """Whether members of the body that say nothing are left out."""
    not_found: frozenset[int] = frozenset({404})
    """Statuses that say that there is no such subscription; where an answer itself can say so, it
    has to as well."""
    reading: Reading

    @property
    def places(self) -> frozenset[str]:
        """What is put into it."""
        found = self.path.places.union(*(each.places for each in self.headers.values()))
        return found if self.body is None else found | self.body.places


class Asker:
    """Sends requests, and reads what is answered."""

    def __init__(self, link: ApiLink, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    async def ask(
        self, wanted: Wanted, who: Subscriber, values: Values, *, deadline: float
    ) -> object | None:
        """Return the document that is answered, which is about ``who``.

        None = there is no such subscription. Errors as the port promises them.
        """
        peer = f"{self._link.peer}: {wanted.name}"
        reply = await self._sent(wanted, values, peer, deadline)
        is_found = 200 <= reply.status < 300
        if not is_found and reply.status not in wanted.not_found:
            raise self._failed(reply, peer)
        reading = wanted.reading
        if not is_found and not reading.knows_nobody:
            return None
        try:
            document: object = reply.json(object)
        except ValueError:
            raise misbehaved(peer, "what it answers is no JSON") from None
        if reading.says_nobody(document):
            return None
        if not is_found:
            raise misbehaved(peer, f"it answers {reply.status}, and not that there is nobody")
        try:
            reading.check_owner(document, names_of(who))
        except SomebodyElse:
            raise PeerMisbehaved(
                "bss_other_subscriber",
                for_operator=f"{peer}: it tells of another subscriber than the one asked about",
            ) from None
        return document

    async def _sent(self, wanted: Wanted, values: Values, peer: str, deadline: float) -> Reply:
        try:
            path = wanted.path.fill(values)
            headers = {name: template.fill(values) for name, template in wanted.headers.items()}
            body = b""
            if wanted.body:
                filled = wanted.body.fill(values)
                body = _JSON.encode(_without_empty(filled) if wanted.sparse else filled)
        except NotKnown as error:
            raise PeerUnavailable(
                "bss_unavailable", for_operator=f"{peer}: {{{error}}} is not known of whom it asks"
            ) from None
        return await self._link.send(
            wanted.method,
            path,
            body,
            headers=headers,
            # Whatever its method is, it changes nothing.
            repeat=Repeat.STRUGGLING,
            deadline=deadline,
        )

    def _failed(self, reply: Reply, peer: str) -> EcsError:
        """Return the error of a status that was not to come; what it says of why may quote us."""
        if reply.status < 500:
            return misbehaved(peer, f"it answers {reply.status}")
        wait = reply.retry_after(self._clock.now())
        return PeerUnavailable(
            "bss_unavailable",
            for_operator=f"{peer}: it answers {reply.status}",
            retry_after=None if wait is None else max(1, math.ceil(wait)),
        )


def _without_empty(body: object) -> object:
    """Return a body without its empty texts."""
    if isinstance(body, dict):
        return {name: value for name, value in body.items() if value != ""}
    return body


def misbehaved(peer: str, why: str) -> PeerMisbehaved:
    """Return the error of an answer that is no use."""
    return PeerMisbehaved("bss_misbehaved", for_operator=f"{peer}: {why}")


def names_of(who: Subscriber) -> frozenset[str]:
    """Return the digits by which an answer may name somebody."""
    digits = {who.imsi.digits}
    if who.msisdn is not None:
        digits.add(who.msisdn.digits)
    return frozenset(digits)


def values_of(who: Subscriber, *, tenant: str, correlation_id: str) -> dict[str, str]:
    """Return what is put into requests about somebody; what is not known of him is left out."""
    values = {"imsi": who.imsi.digits, "tenant": tenant, CORRELATION_ID: correlation_id}
    if who.msisdn is not None:
        values |= {"msisdn": who.msisdn.digits, "e164": who.msisdn.e164}
    return values
