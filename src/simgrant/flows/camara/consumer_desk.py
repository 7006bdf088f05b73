"""What is done with consumers and tariffs, by commands and by the management API."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.consumer import Consumer, Permission, Proving, Rates
from simgrant.domain.camara.tariff import MILLION, Price, Tariff
from simgrant.domain.camara.usage import Outcome
from simgrant.errors import BadRequest, Conflict
from simgrant.flows.camara.consumer_document import (
    ConsumerDocument,
    PriceDocument,
    TariffDocument,
    pull_document,
    push_document,
)
from simgrant.flows.camara.statements import amount
from simgrant.nouns import named_noun, replace
from simgrant.ports.camara_consumers import ConsumerRows

_SECRET_BYTES: Final = 32
_PERCENT: Final = MILLION // 100
_FAR: Final = 4_102_444_800
"""Unix seconds of the year 2100: a tariff from then on is a mistake."""


@named_noun
class NewPermission:
    """What a consumer is to be allowed of an API; what is None or empty stays as it is."""

    api: str
    scopes: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    tariff: str | None = None
    rates: Mapping[str, float] | None = None
    """Members of `Rates`."""


class ConsumerDesk:
    """Consumers and tariffs of one tenant.

    Errors: Conflict (``no_consumer``, ``exists``, ``changed_meanwhile``), BadRequest with every
    mistake, PeerUnavailable.
    """

    def __init__(self, rows: ConsumerRows, tenant: str) -> None:
        """``rows`` are those of `Store.doing` for changes, so that they are written down."""
        self._rows = rows
        self._tenant = tenant

    async def listed(self) -> Sequence[Consumer]:
        """Return all consumers, by client_id."""
        changed = await self._rows.changed(self._tenant)
        return [row.consumer for row in changed.consumers if row.consumer is not None]

    async def one(self, client_id: str) -> Consumer:
        """Return a consumer."""
        row = await self._rows.find(self._tenant, client_id)
        if row is not None and row.unreadable:
            raise Conflict("consumer_not_readable", for_operator="a newer release wrote it")
        if row is None or row.consumer is None:
            raise Conflict("no_consumer", for_operator=f"there is no consumer {client_id!r}")
        return row.consumer

    async def add(self, document: ConsumerDocument) -> Consumer:
        """Make a consumer; a name that there is, or was, is ``exists``."""
        return await self._put(pull_document(document, await self._names()), seen=0)

    async def change(self, document: ConsumerDocument, *, seen: int) -> Consumer:
        """Write a consumer as a whole; ``seen`` is the revision that was seen, 0 = any."""
        before = await self.one(document.client_id)
        tariffs = await self._names()
        new = pull_document(document, tariffs, secret_hash=before.secret_hash)
        return await self._put(new, seen=seen or before.revision)

    async def remove(self, client_id: str, *, seen: int = 0) -> None:
        """Remove a consumer: its tokens are good for nothing from then on."""
        consumer = await self.one(client_id)
        if not await self._rows.remove(self._tenant, client_id, seen=seen or consumer.revision):
            raise Conflict("changed_meanwhile", for_operator=_MEANWHILE)

    async def rotate_secret(self, client_id: str, *, seen: int = 0) -> str:
        """Return a new secret, which nobody is told again; the one before is over."""
        consumer = await self.one(client_id)
        if consumer.proving is not Proving.CLIENT_SECRET_BASIC:
            raise BadRequest(
                "consumer_has_no_secret", for_operator="it proves itself by its key, not a secret"
            )
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        hashed = hashlib.sha256(secret.encode()).digest()
        changed = replace(consumer, secret_hash=hashed)
        await self._put(changed, seen=seen or consumer.revision)
        return secret

    async def allow(self, client_id: str, new: NewPermission) -> Consumer:
        """Let a consumer use more of an API, or at other rates or prices."""
        consumer = await self.one(client_id)
        old = next((each for each in consumer.permissions if each.api == new.api), None)
        base = old or Permission(api=new.api, scopes=frozenset(), purposes=frozenset())
        rates = base.rates
        if new.rates is not None:
            rates = Rates(
                per_second=new.rates.get("per_second", rates.per_second),
                burst=int(new.rates.get("burst", rates.burst)),
                per_month=int(new.rates.get("per_month", rates.per_month)),
            )
        permission = replace(
            base,
            scopes=base.scopes | new.scopes,
            purposes=base.purposes | new.purposes,
            tariff=base.tariff if new.tariff is None else new.tariff,
            rates=rates,
        )
        others = [each for each in consumer.permissions if each is not old]
        return await self._checked(
            replace(consumer, permissions=(*others, permission)), seen=consumer.revision
        )

    async def forbid(self, client_id: str, api: str, scopes: frozenset[str]) -> Consumer:
        """Take scopes of an API from a consumer; without any named, the whole API."""
        consumer = await self.one(client_id)
        permissions = []
        found = False
        for each in consumer.permissions:
            if each.api != api:
                permissions.append(each)
                continue
            found = True
            left = each.scopes - scopes if scopes else frozenset[str]()
            if left:
                permissions.append(replace(each, scopes=left))
        if not found:
            raise Conflict("no_permission", for_operator=f"{client_id} may use nothing of {api}")
        return await self._put(
            replace(consumer, permissions=tuple(permissions)), seen=consumer.revision
        )

    async def _checked(self, consumer: Consumer, *, seen: int) -> Consumer:
        """Write what was put together, if it might have been written so."""
        names = await self._names()
        pull_document(push_document(consumer), names)
        return await self._put(consumer, seen=seen)

    async def _put(self, consumer: Consumer, *, seen: int) -> Consumer:
        if await self._rows.put(self._tenant, consumer, seen=seen):
            return replace(consumer, revision=seen + 1)
        if seen:
            raise Conflict("changed_meanwhile", for_operator=_MEANWHILE)
        raise Conflict("exists", for_operator=f"{consumer.client_id} is, or was, a consumer")

    async def _names(self) -> frozenset[str]:
        return frozenset(each.name for each in await self.tariffs())

    # --- tariffs -----------------------------------------------------------------------------

    async def tariffs(self) -> Sequence[Tariff]:
        """Return every version of all tariffs."""
        return (await self._rows.changed(self._tenant)).tariffs

    async def add_tariff(self, document: TariffDocument, *, now: int) -> Tariff:
        """Add a version; it cannot begin in the past, since what was sold was sold."""
        tariff = pull_tariff(document)
        if not now <= tariff.valid_from < _FAR:
            raise BadRequest(
                "bad_tariff", for_operator=f"valid_from: {document.valid_from} is over, or far off"
            )
        others = {each.currency for each in await self.tariffs() if each.name == tariff.name}
        if others - {tariff.currency}:
            raise BadRequest(
                "bad_tariff", for_operator=f"currency: {tariff.name} is in {', '.join(others)}"
            )
        if not await self._rows.put_tariff(self._tenant, tariff):
            raise Conflict("exists", for_operator="there is a version of that moment")
        return tariff

    async def remove_tariff(self, name: str, valid_from: str, *, now: int) -> None:
        """Remove a version that is not in force yet."""
        begin = pull_moment(valid_from)
        if begin <= now:
            raise Conflict(
                "tariff_in_force", for_operator="what is, or was, in force explains what was paid"
            )
        used = [
            each.client_id
            for each in await self.listed()
            if any(permission.tariff == name for permission in each.permissions)
        ]
        versions = [each for each in await self.tariffs() if each.name == name]
        if used and len(versions) == 1:
            raise Conflict("tariff_in_use", for_operator=f"it is that of {', '.join(used)}")
        if not await self._rows.remove_tariff(self._tenant, name, begin):
            raise Conflict("no_tariff", for_operator=f"there is no {name} from {valid_from} on")


_MEANWHILE: Final = "somebody changed it meanwhile: look at it again"


def pull_tariff(document: TariffDocument) -> Tariff:
    """Return what a document says; raise BadRequest."""
    return Tariff(
        name=document.name,
        valid_from=pull_moment(document.valid_from),
        currency=document.currency,
        prices=tuple(
            Price(
                outcome=Outcome(each.outcome),
                micros=int(Decimal(each.price) * MILLION),
                operation=each.operation,
                method=Method(each.method) if each.method else None,
            )
            for each in document.prices
        ),
        share_ppm=int(Decimal(document.aggregator_share) * _PERCENT),
    )


def push_tariff(tariff: Tariff) -> TariffDocument:
    """Return a tariff as it is written."""
    return TariffDocument(
        name=tariff.name,
        valid_from=datetime.fromtimestamp(tariff.valid_from, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        currency=tariff.currency,
        prices=[
            PriceDocument(
                outcome=each.outcome.value,
                price=amount(each.micros),
                operation=each.operation,
                method=each.method.value if each.method is not None else "",
            )
            for each in tariff.prices
        ],
        aggregator_share=_plain(Decimal(tariff.share_ppm) / _PERCENT),
    )


def _plain(value: Decimal) -> str:
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return text or "0"


def pull_moment(text: str) -> int:
    """Return Unix seconds of a date, or of a time in UTC; raise BadRequest."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest("bad_tariff", for_operator=f"valid_from: {text!r} is no date") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
