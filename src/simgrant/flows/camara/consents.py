"""Whether a consumer may process what is a subscriber's: asked at each call, told to consent-info.

What a subscriber says is written down with our signature, so that it can be shown to somebody else
who said what, when and by which way (ADR 0059). It is read at each call that depends on it, so a
withdrawal holds from the next call on, whichever worker or node that comes to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from simgrant.domain.camara.consent import (
    NOES,
    About,
    Basis,
    ConsentEntry,
    Purposes,
    Said,
    Standing,
    depends,
    last_said,
    last_words,
    standing,
)
from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.subscription import Subscription
from simgrant.flows.consent_pages.tokens import CaptureLinks
from simgrant.flows.moments import moment
from simgrant.identities import Imsi
from simgrant.keyring.ring import KeyRing
from simgrant.nouns import replace
from simgrant.ports.camara_consents import ConsentRows, Processing, Purposeful
from simgrant.ports.camara_consumers import ConsumerRows
from simgrant.ports.keys import Keys

_LABEL: Final = "api-consent"
_PURPOSE: Final = re.compile(r"[A-Za-z0-9]{1,64}")
_API: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SOURCE: Final = re.compile(r"[a-z0-9_.-]{1,32}")
MOST_EVIDENCE: Final = 256
"""Characters of what shows a word to a third party."""
_MOST_NAME: Final = 64
_NOTHING: Final = Purposes()


class Consents:
    """The consents of all tenants (the ports ``CamaraConsents`` and ``Permits``)."""

    def __init__(
        self,
        rows: ConsentRows,
        purposes: Mapping[str, Purposes],
        *,
        links: CaptureLinks | None = None,
    ) -> None:
        """``purposes`` are each tenant's; of one that has none, everything needs consent.

        Without ``links`` there is no page on which subscribers are asked.
        """
        self._rows = rows
        self._purposes = purposes
        self._links = links

    async def of(
        self, subscription: Subscription, wanted: Purposeful, /, *, now: int
    ) -> Sequence[Processing]:
        """Return how every wanted scope stands, those that stand alike together."""
        return await self._found(subscription.tenant, subscription.imsi, wanted, now)

    async def permits(
        self, tenant: str, imsi: Imsi, wanted: Purposeful, /, *, now: int, silent: bool = False
    ) -> bool:
        """Say whether every wanted scope is valid; of who is ``silent`` no row is looked for."""
        if silent:
            bases = self._bases(tenant, wanted).values()
            return all(standing(basis, None, now=now) is Standing.VALID for basis in bases)
        found = await self._found(tenant, imsi, wanted, now)
        return all(each.standing is Standing.VALID for each in found)

    async def capture_url(
        self,
        subscription: Subscription,
        wanted: Purposeful,
        callback: str,
        /,
        *,
        partly: bool,
        now: int,
    ) -> str:
        """Return the address of the page that asks; empty where subscribers are not asked so."""
        if self._links is None:
            return ""
        apis = tuple(sorted({api_of(scope) for scope in wanted.scopes}))
        return self._links.made(subscription, wanted, apis, callback, partly=partly, now=now)

    def _bases(self, tenant: str, wanted: Purposeful) -> dict[str, Basis]:
        """Return the legal basis of each wanted scope."""
        purposes = self._purposes.get(tenant, _NOTHING)
        return {scope: purposes.basis(wanted.purpose, api_of(scope)) for scope in wanted.scopes}

    async def _found(
        self, tenant: str, imsi: Imsi, wanted: Purposeful, now: int
    ) -> list[Processing]:
        bases = self._bases(tenant, wanted)
        said: Sequence[ConsentEntry] = ()
        if any(map(depends, bases.values())):
            said = await self._rows.of(tenant, imsi)
        found: dict[tuple[Standing, int | None], list[str]] = {}
        for scope, basis in bases.items():
            last = last_said(
                said,
                client_id=wanted.client_id,
                application=wanted.application,
                purpose=wanted.purpose,
                api=api_of(scope),
            )
            ends = last.expires_at if last is not None and depends(basis) else None
            found.setdefault((standing(basis, last, now=now), ends), []).append(scope)
        return [
            Processing(scopes=tuple(scopes), standing=stands, expires_at=ends)
            for (stands, ends), scopes in found.items()
        ]


def api_of(scope: str) -> str:
    """Return the name of the API that a scope is of: what precedes the first colon."""
    return scope.partition(":")[0]


class UnknownProcessing(ValueError):
    """A word about what is in nobody's contract; the text says what there is instead."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def apis_of(consumer: Consumer, purpose: str, application: str = "") -> frozenset[str]:
    """Return the APIs whose scopes a consumer has for a purpose; none for no application of its."""
    if application and application not in _applications(consumer):
        return frozenset()
    return frozenset(
        api_of(scope)
        for permission in consumer.permissions
        if purpose in permission.purposes
        for scope in permission.scopes
    )


def check_known(
    entry: ConsentEntry, consumer: Consumer | None, last: Mapping[About, ConsentEntry]
) -> None:
    """Raise `UnknownProcessing` for a word about what is not in its consumer's contract.

    ``last`` are the last words of who said it: what he was asked or gave he can refuse or withdraw,
    whatever became of the contract.
    """
    if entry.said in NOES and entry.about in last:
        return
    name = entry.client_id
    if consumer is None:
        raise UnknownProcessing("unknown_consumer", f"there is no consumer {name!r}")
    there = apis_of(consumer, entry.purpose, entry.application)
    if entry.api in there:
        return
    what, applications = f"API {entry.api!r} for {entry.purpose}", _applications(consumer)
    if entry.application and entry.application not in applications:
        what, there = f"application {entry.application!r}", applications
    elif not there:
        what = f"purpose {entry.purpose!r}"
        there = frozenset().union(*(each.purposes for each in consumer.permissions))
    has = f"it has {', '.join(sorted(there))}" if there else "it has none"
    raise UnknownProcessing("not_of_contract", f"the contract of {name!r} has no {what}: {has}")


def checked(entry: ConsentEntry) -> None:
    """Raise ValueError for an entry that nobody could use."""
    for name, text, pattern in (
        ("purpose", entry.purpose, _PURPOSE),
        ("API", entry.api, _API),
        ("source", entry.source, _SOURCE),
    ):
        if not pattern.fullmatch(text):
            raise ValueError(f"{name} {text!r} is not as one is spelled")
    if len(entry.evidence) > MOST_EVIDENCE or len(entry.application) > _MOST_NAME:
        raise ValueError("evidence or application is too long")
    if entry.expires_at is not None and entry.said is not Said.GIVEN:
        raise ValueError("only what is given ends")
    if entry.expires_at is not None and entry.expires_at <= entry.at:
        raise ValueError("it would have ended before it began")


def signed(
    entry: ConsentEntry, subscription: Subscription, ring: KeyRing, *, now: float
) -> ConsentEntry:
    """Return an entry with the number of the line in it, and our signature over all of it."""
    subject = "" if subscription.msisdn is None else subscription.msisdn.e164
    whole = replace(entry, subject=subject)
    proof = ring.sign(subscription.tenant, _LABEL, _statement(whole), now=now)
    return replace(whole, proof=proof)


async def write_down(
    rows: ConsentRows,
    entries: Sequence[ConsentEntry],
    subscription: Subscription,
    ring: KeyRing,
    *,
    now: float,
) -> Sequence[ConsentEntry]:
    """Write what the holder of a line said at once, all or none; return it as it stands there.

    An entry with a number has the next one of what it is about, as the caller has read. Raise
    ValueError for an entry that nobody could use, and Conflict as the rows do. Whether it is of a
    contract is the caller's to know (`say`, `check_known`).
    """
    for entry in entries:
        checked(entry)
    whole = [signed(entry, subscription, ring, now=now) for entry in entries]
    numbers = await rows.add(subscription.tenant, subscription.imsi, whole)
    return [replace(entry, number=number) for entry, number in zip(whole, numbers, strict=True)]


async def say(
    rows: ConsentRows,
    consumers: ConsumerRows,
    entries: Sequence[ConsentEntry],
    subscription: Subscription,
    ring: KeyRing,
    *,
    now: float,
) -> Sequence[ConsentEntry]:
    """Write what the holder of a line said about one consumer, as somebody else tells it.

    As `write_down`, and `UnknownProcessing`, a ValueError, for what nobody's contract has.
    """
    tenant = subscription.tenant
    last = last_words(await rows.of(tenant, subscription.imsi))
    found = await consumers.find(tenant, entries[0].client_id)
    for entry in entries:
        checked(entry)
        check_known(entry, None if found is None else found.consumer, last)
    return await write_down(rows, entries, subscription, ring, now=now)


def is_genuine(entry: ConsentEntry, tenant: str, keys: Keys) -> bool:
    """Say whether an entry is as it was written."""
    return keys.ring.is_signed(tenant, _LABEL, _statement(entry), entry.proof)


def entry_data(entry: ConsentEntry, tenant: str, keys: Keys) -> dict[str, Any]:
    """Return an entry as plain data, for whoever has to prove what was said."""
    return {
        "client_id": entry.client_id,
        "application": entry.application or None,
        "purpose": f"dpv:{entry.purpose}",
        "api": entry.api,
        "number": entry.number,
        "said": entry.said.value,
        "at": moment(entry.at),
        "expires_at": None if entry.expires_at is None else moment(entry.expires_at),
        "phone_number": entry.subject or None,
        "source": entry.source,
        "evidence": entry.evidence or None,
        "proof": entry.proof.hex(),
        "genuine": is_genuine(entry, tenant, keys),
    }


def _applications(consumer: Consumer) -> frozenset[str]:
    return frozenset(each.id for each in consumer.applications)


def _statement(entry: ConsentEntry) -> bytes:
    """Return what is signed: all that was said, but for its number, which is given later."""
    return msgspec.json.encode(
        (
            entry.client_id,
            entry.application,
            entry.purpose,
            entry.api,
            entry.said.value,
            entry.at,
            entry.expires_at,
            entry.subject,
            entry.source,
            entry.evidence,
        )
    )
