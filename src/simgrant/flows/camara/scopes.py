"""What a consumer asks an access token for, and what its contract has of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from simgrant.domain.camara.consumer import Consumer
from simgrant.flows.camara.api import Api
from simgrant.flows.camara.refusals import OAuthError, OAuthRefused
from simgrant.nouns import noun
from simgrant.wire.oauth import PURPOSE, Scopes, pull_scopes

INTROSPECTION: Final = "token:introspect"
"""Who has it may look at the tokens of every consumer: an API gateway of the operator's."""
_OFFLINE: Final = "offline_access"
TARGETS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "number-verification:verify": frozenset(
            {"VerifyPhoneNumber", "GetPhoneNumber", "GetSubscriberInfo"}
        ),
        "number-verification:device-phone-number:read": frozenset(
            {"GetPhoneNumber", "GetSubscriberInfo"}
        ),
    }
)
"""What a temporary token has to be good for (TS.43 §2.8.6); for other scopes it is no matter."""


@noun
class Granted:
    """What an access token will be good for."""

    scopes: frozenset[str]
    purpose: str
    openid: bool
    single_use: bool

    @property
    def text(self) -> str:
        """The scopes as the consumer is told."""
        words = [f"{PURPOSE}{self.purpose}"] if self.purpose else []
        return " ".join((*words, *(["openid"] if self.openid else []), *sorted(self.scopes)))


class ScopeRules:
    """Knows the scopes of all APIs."""

    def __init__(self, apis: Iterable[Api]) -> None:
        operations = [each for api in apis for each in api.operations]
        self.all = frozenset(scope for each in operations for scope in each.scopes)
        self._once = frozenset(
            scope for each in operations if each.single_use for scope in each.scopes
        )
        self._consented = frozenset(
            scope for each in operations if each.needs_consent for scope in each.scopes
        )

    def grant(self, consumer: Consumer, text: str, *, with_user: bool) -> Granted:
        """Return what a consumer gets of what it asks for: all of it; raise `OAuthRefused`.

        Exactly one purpose where a subscriber is in it (ICM), at most one else.
        """
        asked = pull_scopes(text)
        if asked is None:
            raise OAuthRefused(OAuthError.INVALID_SCOPE, "scope_malformed")
        if len(asked.purposes) > 1 or (with_user and not asked.purposes):
            raise OAuthRefused(OAuthError.INVALID_SCOPE, "not_one_purpose")
        scopes = asked.scopes - {_OFFLINE}
        if not scopes:
            raise OAuthRefused(OAuthError.INVALID_SCOPE, "no_scope")
        self._permit(consumer, scopes, asked)
        return Granted(
            scopes,
            next(iter(asked.purposes), ""),
            asked.openid and with_user,
            not scopes.isdisjoint(self._once),
        )

    def consented(self, scopes: frozenset[str]) -> frozenset[str]:
        """Return those of some scopes that depend on consent; who asks about it needs none."""
        return scopes - (self.all - self._consented)

    def of_contract(self, consumer: Consumer) -> str:
        """Return all that a consumer may have, for one that cannot say what it wants."""
        return " ".join(sorted(scope for each in consumer.permissions for scope in each.scopes))

    @staticmethod
    def _permit(consumer: Consumer, scopes: frozenset[str], asked: Scopes) -> None:
        for scope in scopes:
            permission = consumer.permission(scope)
            if permission is None:
                raise OAuthRefused(OAuthError.INVALID_SCOPE, "scope_not_of_contract")
            if asked.purposes and not asked.purposes <= permission.purposes:
                raise OAuthRefused(OAuthError.INVALID_SCOPE, "purpose_not_of_contract")


def is_good_for(operations: Iterable[str], scopes: frozenset[str]) -> bool:
    """Say whether a temporary token that was acquired for these operations is good for scopes."""
    named = frozenset(operations)
    return all(not named.isdisjoint(TARGETS.get(scope, named)) for scope in scopes)
