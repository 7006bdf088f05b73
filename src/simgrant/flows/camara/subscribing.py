"""What consumers subscribe to: made, looked up and ended by whoever has the access token for it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from simgrant.domain.camara.access_token import AccessToken
from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.camara.event_subscription import EndReason, EventSubscription, Happening
from simgrant.domain.camara.usage import Usage
from simgrant.flows.camara.problem import Code, Problem
from simgrant.keyring.ring import NONCE_BYTES
from simgrant.nouns import noun
from simgrant.ports.camara_events import Added, CamaraEvents
from simgrant.ports.keys import Keys
from simgrant.wire.web_address import Network, WebAddress, is_public, pull_web_address

_ID_BYTES: Final = 16
_LONGEST_ID: Final = 64
_MOST_LISTED: Final = 1_000


@noun
class Made:
    """A subscription that is still to be written."""

    subscription: EventSubscription
    happened: Happening | None
    """What it is told first."""


@noun
class SubscriptionRules:
    """How many there may be, and where events may go."""

    most: int
    """Of one consumer."""
    ahead_s: int
    """Seconds before its access token expires at which a subscription ends, and says so."""
    networks: tuple[Network, ...] = ()
    """Those that are not public and may be told events all the same."""


class Subscriptions:
    """All of them."""

    def __init__(self, rows: CamaraEvents, keys: Keys, *, rules: SubscriptionRules) -> None:
        self._rows = rows
        self._keys = keys
        self._rules = rules

    def sealed(self, tenant: str, subscription_id: str, token: str, *, now: float) -> bytes:
        """Return a sink's access token as it is kept."""
        nonce = os.urandom(NONCE_BYTES)
        label = label_of(subscription_id)
        return self._keys.ring.wrap(tenant, label, token.encode(), nonce=nonce, now=now)

    def check_sink(self, sink: str, consumer: Consumer, application: str) -> None:
        """Raise `Problem` for a sink that events of this consumer cannot go to.

        Where a name leads is looked at when something is sent there, each time anew.
        """
        try:
            where = pull_web_address(sink)
        except ValueError:
            raise Problem(Code.INVALID_SINK, reason="sink_no_address") from None
        if where.literal is not None and not is_public(where.literal, self._rules.networks):
            raise Problem(Code.INVALID_SINK, reason="sink_not_public")
        if not _is_allowed(where, consumer, application):
            raise Problem(Code.INVALID_SINK, reason="sink_not_named")

    async def add(self, tenant: str, usage: Usage, *, made: Made, expires_at: int) -> bool:
        """Keep one, and write down that it was made; raise `Problem` where there are too many.

        False, and nothing changed, where there is a row of that ``usage_id`` (see ``UsageRows``).
        """
        subscription, ends_at = made.subscription, 0
        if subscription.token_expires_at:
            ends_at = max(
                subscription.created_at, subscription.token_expires_at - self._rules.ahead_s
            )
        added = await self._rows.add(
            tenant,
            subscription,
            happened=made.happened,
            token_ends_at=ends_at,
            most=self._rules.most,
            usage=usage,
            expires_at=expires_at,
        )
        if added is Added.FULL:
            raise Problem(Code.QUOTA_EXCEEDED, reason="too_many_subscriptions")
        return added is Added.DONE

    async def of(
        self, tenant: str, subscription_id: str, token: AccessToken, api: str
    ) -> EventSubscription:
        """Return one; raise `Problem` where a token is not of whoever made it, as if it were not.

        With a token about a subscriber that is he.
        """
        if len(subscription_id) <= _LONGEST_ID and subscription_id.isalnum():
            found = await self._rows.find(tenant, subscription_id)
            if found is not None and found.api == api and _is_of(found, token):
                return found
        raise Problem(Code.NOT_FOUND, reason="no_such_subscription")

    async def all(
        self, tenant: str, token: AccessToken, api: str, *, number: str = ""
    ) -> Sequence[EventSubscription]:
        """Return all that a token may see, at most a thousand."""
        found = await self._rows.list(tenant, token.client_id, api, limit=_MOST_LISTED)
        return [
            each for each in found if _is_of(each, token) and number in ("", each.msisdn.digits)
        ]

    async def end(self, tenant: str, subscription: EventSubscription, *, now: int) -> None:
        """End one; raise `Problem` where it has ended meanwhile."""
        reason = EndReason.SUBSCRIPTION_DELETED
        if not await self._rows.end(tenant, subscription.subscription_id, reason, at=now):
            raise Problem(Code.NOT_FOUND, reason="no_such_subscription")


def may_be_told(consumer: Consumer, subscription: EventSubscription) -> bool:
    """Say whether a consumer still may have such events, at such a sink."""
    permission = consumer.permission(scope_of(subscription))
    return (
        permission is not None
        and permission.api == subscription.api
        and _is_allowed(pull_web_address(subscription.sink), consumer, subscription.application)
    )


def scope_of(subscription: EventSubscription) -> str:
    """Return by which scope such a subscription is made."""
    return f"{subscription.api}:{subscription.type}:create"


def new_id() -> str:
    """Return an id for a subscription, which nobody can guess."""
    return os.urandom(_ID_BYTES).hex()


def label_of(subscription_id: str) -> str:
    """Return under which label a sink's access token is wrapped."""
    return f"camara sink {subscription_id}"


def _is_of(subscription: EventSubscription, token: AccessToken) -> bool:
    if subscription.client_id != token.client_id or subscription.application != token.application:
        return False
    return token.subject is None or (
        not subscription.two_legs and subscription.msisdn == token.subject.msisdn
    )


def _is_allowed(where: WebAddress, consumer: Consumer, application: str) -> bool:
    """Say whether a host is among those that a consumer, and its application, may name."""
    named = next((each for each in consumer.applications if each.id == application), None)
    for hosts in (consumer.sink_hosts, named.sink_hosts if named is not None else frozenset[str]()):
        if hosts and where.host not in hosts:
            return False
    return True
